//! The rules of the house that the compiler does not know, read from the source text.
//!
//! Each rule is a function over one file's text, and shows in a test of its own that it catches what it forbids.
//! Judged is what ships: the test module at a file's end and comments are cut off first.

use std::path::Path;

/// From the ground up; a floor uses only those before it.
const FLOORS: [&str; 8] = ["base", "git", "model", "engine", "agents", "features", "ops", "cli"];
/// Lines of a file without its tests.
const LONGEST: usize = 600;

/// A file of the program: its path below `src/`, and its text without tests.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: without_tests(text) }
    }

    /// The floor it is on; `None` for `main.rs`, `lib.rs` and the like.
    fn floor(&self) -> Option<usize> {
        let first = self.path.split('/').next()?;
        FLOORS.iter().position(|floor| *floor == first)
    }

    /// Code without comments, with line numbers.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(at, line)| (at + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// Places where the code has the text.
    fn places(&self, text: &str) -> Vec<String> {
        self.code().filter(|(_, line)| line.contains(text)).map(|(at, line)| self.place(at, line)).collect()
    }

    fn place(&self, at: usize, line: &str) -> String {
        format!("src/{}:{at}: {}", self.path, line.trim())
    }
}

/// A test module with its body is the last item of a file.
fn without_tests(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..end].to_owned()
}

/// Below which paths a file's `#[cfg(test)] mod name;` lie, without `.rs`: `engine/plan/tests`.
fn test_modules(path: &str, text: &str) -> Vec<String> {
    let folder = match path.strip_suffix(".rs").unwrap_or(path) {
        "lib" | "main" => "",
        module => module.strip_suffix("/mod").unwrap_or(module),
    };
    let after = text.split("#[cfg(test)]\n").skip(1).filter_map(|rest| rest.lines().next());
    let names = after.filter_map(|line| line.strip_suffix(';')?.split("mod ").nth(1));
    names.map(|name| format!("{folder}/{name}").trim_start_matches('/').to_owned()).collect()
}

fn is_test_module(path: &str, modules: &[String]) -> bool {
    let module = path.strip_suffix(".rs").unwrap_or(path);
    modules.iter().any(|m| module.strip_prefix(m.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found: Vec<(String, String)> = walkdir::WalkDir::new(&root)
        .into_iter()
        .map(|entry| entry.expect("walks the sources").into_path())
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .map(|path| {
            let below = path.strip_prefix(&root).expect("below src").to_str().expect("a name in UTF-8").to_owned();
            (below, std::fs::read_to_string(&path).expect("reads a source"))
        })
        .collect();
    found.sort();
    assert!(found.len() > 20, "the sources were found");
    let tests: Vec<String> = found.iter().flat_map(|(path, text)| test_modules(path, text)).collect();
    let judged = |(path, text): &(String, String)| {
        // Of a file of tests only the opening counts.
        let first_line = || text.lines().next().unwrap_or_default().to_owned();
        let text = if is_test_module(path, &tests) { first_line() } else { text.clone() };
        Source::new(path, &text)
    };
    found.iter().map(judged).collect()
}

fn assert_holds(rule: impl Fn(&Source) -> Vec<String>) {
    let broken: Vec<String> = sources().iter().flat_map(rule).collect();
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

/// A floor names no floor above it, nor reaches one by way of the parent's parent.
fn edges(source: &Source) -> Vec<String> {
    let Some(own) = source.floor() else { return Vec::new() };
    let depth = source.path.matches('/').count() - usize::from(source.path.ends_with("/mod.rs"));
    // `super` from a file on a floor is the floor's module; one more leaves it.
    let out_of_floor = "super::".repeat(depth + 1);
    let mut broken = source.places(&out_of_floor);
    for (at, line) in source.code() {
        let upper = FLOORS[own + 1..]
            .iter()
            .any(|floor| line.contains(&format!("crate::{floor}::")) || line.contains(&format!("crate::{floor};")));
        // In a group that spans lines an edge would hide.
        if upper || line.contains("crate::{") {
            broken.push(source.place(at, line));
        }
    }
    broken
}

/// The text stands only in files on one path.
fn only_in(source: &Source, path: &str, texts: &[&str]) -> Vec<String> {
    if source.path.starts_with(path) { Vec::new() } else { texts.iter().flat_map(|text| source.places(text)).collect() }
}

fn libgit2(source: &Source) -> Vec<String> {
    only_in(source, "git/", &["git2::", "use git2", "extern crate git2"])
}

fn children(source: &Source) -> Vec<String> {
    only_in(source, "base/process.rs", &["Command::new"])
}

fn ref_text(source: &Source) -> Vec<String> {
    only_in(source, "git/ref_names.rs", &["refs/"])
}

fn printing(source: &Source) -> Vec<String> {
    let streams = ["print!(", "println!(", "io::stdout()", "io::stderr()"];
    only_in(source, "cli/output.rs", &streams)
}

/// Styles become escape sequences where a line is made, and nowhere else.
fn styling(source: &Source) -> Vec<String> {
    let own = ["cli/line.rs", "cli/progress.rs"].contains(&source.path.as_str());
    if own || !source.path.starts_with("cli/") {
        return Vec::new();
    }
    ["{style}", "{style:#}", "\\x1b", "\\u{1b}"].iter().flat_map(|text| source.places(text)).collect()
}

fn environment(source: &Source) -> Vec<String> {
    only_in(source, "cli/env.rs", &["env::var", "env::current_dir", "env::temp_dir", "env::home_dir"])
}

fn clock(source: &Source) -> Vec<String> {
    only_in(source, "base/clock.rs", &["SystemTime::now", "Utc::now", "Local::now", "use chrono", "chrono::"])
}

/// The demonstration reads what it wrote itself.
fn reading(source: &Source) -> Vec<String> {
    if source.path.starts_with("cli/demo/") || source.path == "base/supplied.rs" {
        return Vec::new();
    }
    let readers = ["fs::read(", "fs::read_to_string(", "fs::copy(", "File::open(", "File::create(", "OpenOptions::new"];
    only_in(source, "base/file.rs", &readers)
}

fn opening(source: &Source) -> Vec<String> {
    if source.text.starts_with("//! ") { Vec::new() } else { vec![format!("src/{} has no `//!` opening", source.path)] }
}

fn length(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    if lines <= LONGEST { Vec::new() } else { vec![format!("src/{} has {lines} lines", source.path)] }
}

/// Dependencies that the manifest has in the sections of these names.
fn dependencies(manifest: &str, sections: &[&str]) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = sections.contains(&line);
        } else if let (true, Some((name, _))) = (inside, line.split_once('=')) {
            found.push(name.trim().to_owned());
        }
    }
    found
}

/// Dependencies of the manifest that have no line in the decision record.
fn undecided(manifest: &str, record: &str) -> Vec<String> {
    let mut all = dependencies(manifest, &["[dependencies]", "[dev-dependencies]"]);
    all.retain(|name| !record.contains(&format!("| `{name}` |")));
    all
}

/// Dependencies of the program that no code names.
fn unused(manifest: &str, sources: &[Source]) -> Vec<String> {
    let mut all = dependencies(manifest, &["[dependencies]"]);
    all.retain(|name| {
        let path = format!("{}::", name.replace('-', "_"));
        sources.iter().all(|source| source.places(&path).is_empty())
    });
    all
}

#[test]
fn floors_use_only_lower_floors() {
    assert_holds(edges);
}

#[test]
fn only_the_git_floor_names_libgit2() {
    assert_holds(libgit2);
}

#[test]
fn children_are_started_in_one_place() {
    assert_holds(children);
}

#[test]
fn ref_names_are_formed_in_one_place() {
    assert_holds(ref_text);
}

#[test]
fn output_is_written_in_one_place() {
    assert_holds(printing);
}

#[test]
fn escape_sequences_are_made_in_one_place() {
    assert_holds(styling);
}

#[test]
fn the_environment_is_read_in_one_place() {
    assert_holds(environment);
}

#[test]
fn the_clock_is_read_in_one_place() {
    assert_holds(clock);
}

#[test]
fn files_of_others_are_read_in_one_place() {
    assert_holds(reading);
}

#[test]
fn every_file_says_what_it_is_for() {
    assert_holds(opening);
}

#[test]
fn no_file_is_too_long() {
    assert_holds(length);
}

#[test]
fn every_dependency_has_its_decision() {
    let root = env!("CARGO_MANIFEST_DIR");
    let manifest = std::fs::read_to_string(format!("{root}/Cargo.toml")).expect("reads the manifest");
    let record =
        std::fs::read_to_string(format!("{root}/docs/decisions/0001-dependencies.md")).expect("reads the record");
    assert_eq!(undecided(&manifest, &record), [""; 0]);
}

#[test]
fn every_dependency_is_used() {
    let manifest =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).expect("reads the manifest");
    assert_eq!(unused(&manifest, &sources()), [""; 0]);
}

/// The rules themselves: each catches what it forbids and lets pass what it must.
mod rules {
    use super::*;

    fn broken(rule: impl Fn(&Source) -> Vec<String>, path: &str, text: &str) -> usize {
        rule(&Source::new(path, text)).len()
    }

    #[test]
    fn an_upward_edge_is_caught_in_every_spelling() {
        for line in [
            "use crate::engine::Plan;",
            "use crate::engine;",
            "use crate::{base::Clock, engine::Plan};",
            "use crate::{",
            "fn f() { crate::cli::output::x() }",
            "use super::super::engine::Plan;",
        ] {
            assert_eq!(broken(edges, "git/refs.rs", line), 1, "{line}");
        }
        assert_eq!(broken(edges, "git/mod.rs", "use super::engine::Plan;"), 1);
        assert_eq!(broken(edges, "agents/claude_code/hooks.rs", "use super::super::super::cli;"), 1);
    }

    #[test]
    fn downward_edges_and_neighbours_pass() {
        for line in [
            "use crate::base::Clock;",
            "use super::Oid;",
            "use crate::git::Oid;",
            "// crate::cli::x",
            "let engine = 1;",
        ] {
            assert_eq!(broken(edges, "git/refs.rs", line), 0, "{line}");
        }
        assert_eq!(broken(edges, "agents/claude_code/hooks.rs", "use super::super::Agent;"), 0);
        assert_eq!(broken(edges, "main.rs", "use crate::cli::x;"), 0);
    }

    #[test]
    fn what_has_one_place_is_caught_elsewhere_and_passes_there() {
        type Rule = fn(&Source) -> Vec<String>;
        let rules: [(Rule, &str, &str); 7] = [
            (libgit2, "git/tree.rs", "let r: git2::Repository;"),
            (children, "base/process.rs", "let c = std::process::Command::new(\"ls\");"),
            (ref_text, "git/ref_names.rs", "let name = \"refs/heads/main\";"),
            (printing, "cli/output.rs", "eprintln!(\"x\");"),
            (environment, "cli/env.rs", "let h = std::env::var_os(\"HOME\");"),
            (clock, "base/clock.rs", "let t = SystemTime::now();"),
            (reading, "base/supplied.rs", "let t = std::fs::read(path);"),
        ];
        assert_eq!(broken(styling, "cli/commands/log.rs", "let s = format!(\"{style}{text}{style:#}\");"), 2);
        assert_eq!(broken(styling, "cli/line.rs", "let s = format!(\"{style}{text}{style:#}\");"), 0);
        for (rule, home, line) in rules {
            assert_eq!(broken(rule, "ops/save.rs", line), 1, "{line}");
            assert_eq!(broken(rule, home, line), 0, "{line}");
            assert_eq!(broken(rule, "ops/save.rs", &format!("/// {line}")), 0, "a comment: {line}");
            let in_tests = format!("//! x\n#[cfg(test)]\nmod tests {{\n{line}\n}}\n");
            assert_eq!(broken(rule, "ops/save.rs", &in_tests), 0, "in tests: {line}");
        }
    }

    #[test]
    fn a_file_without_opening_or_without_end_is_caught() {
        assert_eq!(broken(opening, "base/x.rs", "use std::fs;"), 1);
        assert_eq!(broken(opening, "base/x.rs", "//! For x.\n"), 0);
        assert_eq!(broken(length, "base/x.rs", &"x\n".repeat(LONGEST + 1)), 1);
        assert_eq!(
            broken(length, "base/x.rs", &format!("x\n#[cfg(test)]\nmod tests {{\n{}", "x\n".repeat(LONGEST))),
            0
        );
    }

    #[test]
    fn files_of_tests_are_known_by_their_declaration() {
        let text = "//! x\n#[cfg(test)]\nmod tests;\n#[cfg(test)]\npub(crate) mod testing;\nmod real;\n";
        assert_eq!(test_modules("engine/plan.rs", text), ["engine/plan/tests", "engine/plan/testing"]);
        assert_eq!(test_modules("engine/mod.rs", text), ["engine/tests", "engine/testing"]);
        assert_eq!(test_modules("lib.rs", text), ["tests", "testing"]);
        let modules = test_modules("engine/plan.rs", text);
        assert!(is_test_module("engine/plan/tests.rs", &modules) && is_test_module("engine/plan/tests/a.rs", &modules));
        assert!(
            !is_test_module("engine/plan/tests_of_truth.rs", &modules) && !is_test_module("engine/plan.rs", &modules)
        );
        let hidden = format!("{text}use crate::ops::x;");
        assert_eq!(broken(edges, "engine/plan.rs", &hidden), 1, "code after the declaration is judged");
    }

    #[test]
    fn a_dependency_without_a_line_or_without_use_is_caught() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\nserde = \"1\"\nmy-rand = { version = \"1\" }\n\
                        [dev-dependencies]\nonly = \"1\"\n[lints.rust]\na = \"b\"\n";
        assert_eq!(undecided(manifest, "| `serde` | x | y |"), ["my-rand", "only"]);
        let uses = |line: &str| unused(manifest, &[Source::new("base/x.rs", line)]);
        assert_eq!(uses("use my_rand::x;\nuse serde::y;\n"), [""; 0]);
        assert_eq!(uses("use serde::x;\n// my_rand::y\n"), ["my-rand"]);
    }
}

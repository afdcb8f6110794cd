//! What README.md and docs/ say holds: command lines parse, outputs are those of a real run, lists are those of the source.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Parser as _;
use git_session::cli::Cli;

use crate::support::env::Sandbox;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(ROOT).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let walk = walkdir::WalkDir::new(Path::new(ROOT).join(folder)).into_iter();
    let paths = walk.map(|entry| entry.expect("walks").into_path());
    paths.filter(|path| path.extension().is_some_and(|e| e == extension)).collect()
}

/// `session ...` in code, inline or in a block, up to where the shell takes over.
fn command_lines(markdown: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut block = None;
    for line in markdown.lines() {
        if let Some(language) = line.strip_prefix("```") {
            block = if block.is_some() { None } else { Some(language) };
        } else if block == Some("console") {
            // What has no prompt is output.
            found.extend(line.strip_prefix("$ ").map(str::to_owned));
        } else if block.is_some() || line.starts_with("    ") {
            found.push(line.trim().to_owned());
        } else {
            found.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    let plain = |line: &String| {
        let line = line.strip_prefix("git session ").map_or_else(|| line.clone(), |rest| format!("session {rest}"));
        let end = [" | ", " > ", " < ", " && ", "  #"].iter().filter_map(|stop| line.find(stop)).min();
        line.starts_with("session ").then(|| line[..end.unwrap_or(line.len())].trim().to_owned())
    };
    found.iter().filter_map(plain).collect()
}

/// Words of a line, quotes taken off.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            (None, ' ') => words.push(String::new()),
            _ => words.last_mut().expect("one at least").push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn parses(line: &str) -> Result<(), String> {
    match Cli::try_parse_from(words(line)) {
        Err(e) if e.use_stderr() => Err(e.to_string().lines().next().unwrap_or_default().to_owned()),
        _ => Ok(()),
    }
}

/// Ids of every kind are no two times the same.
fn without_ids(text: &str) -> String {
    let is_id = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c) || c == '-';
    let mut out = String::new();
    let mut run = String::new();
    for c in text.chars().chain(['\n']) {
        if is_id(c) {
            run.push(c);
            continue;
        }
        out.push_str(if run.len() >= 7 && run.chars().any(|c| c != '-') { "<id>" } else { &run });
        run.clear();
        out.push(c);
    }
    out.trim_end().to_owned()
}

/// Commands of a section's console blocks with the outputs that stand below them.
fn console(readme: &str, section: &str) -> Vec<(String, String)> {
    let start = readme.find(&format!("## {section}\n")).expect("the section is there");
    let end = readme[start + 3..].find("\n## ").map_or(readme.len(), |at| start + 3 + at);
    let mut found: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for line in readme[start..end].lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| inside) {
            found.push((command.to_owned(), String::new()));
        } else if let Some((_, output)) = found.last_mut().filter(|_| inside) {
            output.push_str(&format!("{line}\n"));
        }
    }
    found
}

#[test]
fn every_command_line_in_the_documents_parses() {
    let mut documents = files("docs", "md");
    documents.push(Path::new(ROOT).join("README.md"));
    let mut seen = 0;
    let mut wrong = Vec::new();
    for document in documents {
        for line in command_lines(&read(&document)) {
            seen += 1;
            // Hooks are read by hand and take any words.
            if !line.starts_with("session hook") {
                wrong.extend(parses(&line).err().map(|e| format!("{}: {line}: {e}", document.display())));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen > 40, "only {seen} command lines were found");
    assert!(parses("session rewind core").is_err() && parses("session rewind code 3 -- 'a b'").is_ok());
    assert_eq!(
        command_lines("a `git session log -n 2 | cat` b\n```sh\nsession save \"a b\"\n```"),
        ["session log -n 2", "session save \"a b\""]
    );
}

#[test]
fn every_example_in_a_help_text_parses() {
    use clap::CommandFactory as _;
    let cli = Cli::command();
    let mut seen = 0;
    for command in cli.get_subcommands() {
        let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for line in text.lines().filter(|line| line.starts_with("  session ")) {
            let line = line.trim().split("  ").next().unwrap_or_default();
            let line = line.split([';', '|', '>', '<']).next().unwrap_or_default().trim();
            seen += 1;
            assert_eq!(parses(line), Ok(()), "help of {}: {line}", command.get_name());
        }
        let examples = text.starts_with("Examples:");
        assert!(examples || ["status", "help"].contains(&command.get_name()), "{} has no examples", command.get_name());
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn the_tutorial_without_an_agent_says_what_a_real_run_says() {
    let sandbox = Sandbox::new();
    let bin = sandbox.path().join("bin");
    std::fs::create_dir(&bin).expect("makes");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_session"), bin.join("session")).expect("links");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("PATH is set"));
    let steps = console(&read("README.md"), "Ten minutes without an agent");
    assert!(steps.len() > 15, "{steps:?}");
    let mut cwd = sandbox.path().to_owned();
    for (command, written) in steps {
        if let Some(folder) = command.strip_prefix("cd ") {
            cwd = cwd.join(folder);
            continue;
        }
        let mut sh = sandbox.command("sh", &cwd);
        sh.env("PATH", &path).env("LC_ALL", "C.UTF-8").args(["-c", &format!("exec 2>&1; {command}")]);
        let out = sh.output().expect("starts");
        let said = String::from_utf8(out.stdout).expect("text");
        assert_eq!(without_ids(&said), without_ids(&written), "$ {command}");
        assert!(out.status.success(), "$ {command}\n{said}");
    }
}

#[test]
fn the_tutorial_with_claude_code_says_what_the_demonstration_says() {
    let mut sandbox = Sandbox::new();
    sandbox.set("LC_ALL", "C.UTF-8");
    let document = sandbox.session(sandbox.path(), ["demo", "--json"]).success().json();
    let steps = document["steps"].as_array().expect("steps").iter();
    let mut real = steps.filter_map(|step| step["commands"].as_array()).flatten().map(|command| {
        let text = |field: &str| command[field].as_str().expect("text").to_owned();
        (text("line"), text("stdout") + &text("stderr"))
    });
    let written = console(&read("README.md"), "Ten minutes with Claude Code");
    assert!(written.len() > 10, "{written:?}");
    for (command, output) in written {
        let found = real.find(|(line, _)| *line == command);
        let (_, said) = found.unwrap_or_else(|| panic!("the demonstration does not run (there): {command}"));
        assert_eq!(without_ids(&said), without_ids(&output), "$ {command}");
    }
}

#[test]
fn every_verb_has_a_manual_page_with_its_long_help_and_shells_complete_it() {
    use clap::CommandFactory as _;
    let sandbox = Sandbox::new();
    let written = sandbox.session(sandbox.path(), ["man", "--dir", "man"]).success();
    assert!(written.stderr.contains("git-session-rewind.1"), "{written}");
    for command in Cli::command().get_subcommands() {
        let name = command.get_name();
        let page = std::fs::read_to_string(sandbox.path().join(format!("man/git-session-{name}.1"))).expect("a page");
        assert!(page.contains(&format!(".TH git-session-{name} 1")), "{page}");
        let long = command.get_long_about().map(ToString::to_string).unwrap_or_default();
        let words = |text: &str| {
            text.replace("\\*(Aq", "")
                .replace("\\(aq", "")
                .chars()
                .filter(|c| c.is_ascii_lowercase())
                .collect::<String>()
        };
        assert!(words(&page).contains(&words(&long)), "{name}: {long}");
    }
    for verb in ["save", "rewind", "fork", "enable", "demo"] {
        let cli = Cli::command();
        let command = cli.find_subcommand(verb).expect("a verb");
        let long = command.get_long_about().map(ToString::to_string).unwrap_or_default();
        assert!(long.len() > 100, "the long help of {verb} is hidden: {long:?}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = sandbox.session(sandbox.path(), ["completions", shell]).success().stdout;
        assert!(script.contains("rewind") && script.contains("dry-run"), "{shell}");
    }
    let script = sandbox.session(sandbox.path(), ["completions", "bash"]).success().stdout;
    let checked = sandbox.command("bash", sandbox.path()).args(["-n", "-c", &script]).output().expect("starts bash");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

/// First columns of a document's tables, code only.
fn first_cells(markdown: &str) -> BTreeSet<String> {
    let rows = markdown.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split('`').next()).map(str::to_owned).collect()
}

fn shipped_sources() -> Vec<String> {
    let tests = |path: &PathBuf| path.iter().any(|part| part == "tests") || path.ends_with("tests.rs");
    let paths = files("src", "rs").into_iter().filter(|path| !tests(path));
    paths.map(|path| read(path).split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned()).collect()
}

/// String literals that follow this text.
fn literals_after(source: &str, before: &str) -> Vec<String> {
    let rest = source.split(before).skip(1);
    rest.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

#[test]
fn every_field_of_the_json_documents_is_documented() {
    let repo = crate::support::repo::TestRepo::new();
    let document = read("docs/json-output.md");
    repo.write("a.txt", "one\n");
    let runs = [
        "save First",
        "enable",
        "status",
        "list",
        "log",
        "show",
        "fork Other --at 1",
        "diff 1",
        "rewind code 1",
        "redo",
        "disable",
        "demo",
    ];
    let mut seen = 0;
    for line in runs {
        let mut args: Vec<String> = line.split(' ').map(str::to_owned).collect();
        if line.starts_with("rewind") {
            repo.write("b.txt", "two\n");
            args.truncate(3);
            args.push("--all".to_owned());
        }
        args.push("--json".to_owned());
        let out = repo.session(&args).success().json();
        let verb = line.split(' ').next().unwrap_or_default();
        assert_eq!(out["schema"], format!("session.{verb}/1"));
        let row = |verb: &str| {
            let mark = format!("`session.{verb}/1`");
            document
                .lines()
                .find(|l| l.starts_with('|') && l.contains(&mark))
                .unwrap_or_else(|| panic!("{mark}"))
                .to_owned()
        };
        let row = if verb == "redo" { row("rewind") } else { row(verb) };
        let known: Vec<&str> = row.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
        for (key, value) in out.as_object().expect("an object").iter().filter(|(key, _)| *key != "schema") {
            seen += 1;
            assert!(known.contains(&key.as_str()), "{verb}: {key}");
            // Places and `native` have a line of their own.
            let below = value.get(0).unwrap_or(value).as_object().filter(|_| row.contains(&format!("{key}: ")));
            for inner in below.into_iter().flat_map(|object| object.keys()) {
                assert!(known.contains(&inner.as_str()), "{verb}: {key}.{inner}");
            }
        }
    }
    assert!(seen > 60, "{seen}");
}

#[test]
fn every_error_code_is_documented_and_no_other() {
    let mut codes = BTreeSet::new();
    for source in shipped_sources() {
        for rest in source.split("FailureKind::").skip(1) {
            let after = rest.trim_start_matches(char::is_alphabetic).strip_prefix(',').map(str::trim_start);
            let code = after.and_then(|a| a.strip_prefix('"')).and_then(|a| a.split('"').next());
            codes.extend(code.map(str::to_owned));
        }
        codes.extend(literals_after(&source, "\"io.").into_iter().map(|code| format!("io.{code}")));
    }
    assert!(codes.len() > 40, "{codes:?}");
    let document = read("docs/json-output.md");
    let table = document.split("## Error codes").nth(1).expect("the section is there");
    assert_eq!(first_cells(table), codes);
}

#[test]
fn every_setting_that_is_read_is_documented_and_no_other() {
    let mut settings = BTreeSet::new();
    for source in shipped_sources() {
        let all = literals_after(&source, "\"session.").into_iter().map(|rest| format!("session.{rest}"));
        let areas = ["session.enabled", "session.snapshot.", "session.autosave."];
        settings.extend(all.filter(|key| areas.iter().any(|area| key.starts_with(area))));
        let read = ["config.bool(\"", "config.int(\"", "config.bytes(\"", "config.path(\""];
        let keys = read.iter().flat_map(|call| literals_after(&source, call));
        settings.extend(keys.filter(|key| key.starts_with("session.")));
    }
    assert!(settings.len() >= 5, "{settings:?}");
    let document = read("docs/config.md");
    let documented = first_cells(&document);
    assert_eq!(documented.iter().filter(|key| key.starts_with("session.")).cloned().collect::<BTreeSet<_>>(), settings);

    let env = read("src/cli/env.rs");
    let elsewhere: String = shipped_sources().concat().replace(&env, "");
    let mut variables = BTreeSet::new();
    for function in env.split("#[cfg(test)]").next().expect("some text").split("fn ").skip(1) {
        let name = function.split(['(', '<']).next().unwrap_or_default();
        let is_name = |word: &&str| word.len() > 2 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        let named = function.split('"').skip(1).step_by(2).filter(is_name).map(str::to_owned);
        if name == "from_pairs" || elsewhere.contains(&format!(".{name}()")) {
            variables.extend(named);
        }
    }
    let documented: BTreeSet<String> = documented.into_iter().filter(|name| !name.contains('.')).collect();
    assert_eq!(documented, variables);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut documents = files("docs", "md");
    documents.extend([Path::new(ROOT).join("README.md"), Path::new(ROOT).join("hooks/README.md")]);
    let mut seen = 0;
    for document in documents {
        let text = read(&document);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if target.is_empty() || target.contains("://") {
                continue;
            }
            seen += 1;
            let there = document.parent().expect("a folder").join(target);
            assert!(there.exists(), "{}: {target}", document.display());
        }
    }
    assert!(seen > 15, "{seen}");
}

//! A snapshot takes exactly the files that `git ls-files -co --exclude-standard` lists: on trees and rules made up to be
//! difficult, and on real repositories. Each is looked at with an empty cache and, after more work, with a full one.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use git_session::base::progress::Silent;
use git_session::engine::Snapshot;
use git_session::engine::snapshot::{self, Options};
use git_session::git::repo::RepoEnv;
use git_session::git::{Oid, Repo, tree};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::support::repo::TestRepo;

fn options() -> Options {
    Options {
        only: None,
        max_file_bytes: 10 << 20,
        max_untracked_per_folder: 10_000,
        budget: None,
        home: None,
        at_once: None,
    }
}

/// A snapshot on top of the last one.
fn take(repo: &TestRepo, previous: Option<Oid>) -> (Repo, Snapshot) {
    let opened = Repo::discover(repo.path(), &RepoEnv::isolated(&repo.sandbox.home())).expect("opens");
    let taken = snapshot::take(&opened, previous, &options(), &Silent).expect("takes");
    (opened, taken)
}

/// Its files, submodules left out.
fn taken(repo: &Repo, snapshot: &Snapshot) -> BTreeSet<Vec<u8>> {
    let files = tree::list_files(&repo.objects, snapshot.tree).expect("lists");
    let files = files.into_iter().filter(|(_, mode, _)| mode.octal() != "160000");
    files.map(|(path, ..)| path.as_bytes().to_vec()).collect()
}

/// What git lists and what is a file or link of this tree; folders in it are other repositories.
fn listed(repo: &TestRepo) -> BTreeSet<Vec<u8>> {
    let mut command = repo.sandbox.command("git", repo.path());
    let out = command.args(["ls-files", "-coz", "--exclude-standard"]).output().expect("git starts");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let is_here = |path: &&[u8]| {
        let at = repo.at(path);
        let below = at.strip_prefix(repo.path()).expect("below");
        // Through a link it is another file.
        let through_link = below.ancestors().skip(1).any(|above| repo.path().join(above).is_symlink());
        !path.is_empty() && !through_link && at.symlink_metadata().is_ok_and(|there| !there.is_dir())
    };
    out.stdout.split(|b| *b == 0).filter(is_here).map(<[u8]>::to_vec).collect()
}

/// Both lists are one, from nothing and from the cache.
#[track_caller]
fn agree(repo: &TestRepo, previous: &mut Option<Oid>, what: &str) {
    let wanted = listed(repo);
    let (opened, snapshot) = take(repo, *previous);
    let missing = |a: &BTreeSet<Vec<u8>>, b: &BTreeSet<Vec<u8>>| {
        a.difference(b).take(10).map(|path| path.escape_ascii().to_string()).collect::<Vec<_>>()
    };
    let got = taken(&opened, &snapshot);
    assert_eq!((missing(&wanted, &got), missing(&got, &wanted)), (vec![], vec![]), "{what}: git's only, ours only");
    let again = take(repo, Some(snapshot.tree)).1;
    assert_eq!(again.tree, snapshot.tree, "{what}: a second look");
    fs::remove_file(opened.git_dir.join("session/stat-cache")).expect("removes the cache");
    let anew = take(repo, None).1;
    assert_eq!(anew.tree, snapshot.tree, "{what}: without the cache");
    *previous = Some(anew.tree);
}

/// Names that are patterns, that fold, that are no text, that end in what git trims.
const NAMES: [&[u8]; 22] = [
    b"a",
    b"b",
    b"A",
    b"a.log",
    b"k.log",
    b"build",
    b"\xff",
    b"n\nl",
    b" lead",
    b"trail ",
    b"tab\t",
    b"*",
    b"[ab]",
    b"!a",
    b"#a",
    b"back\\slash",
    b"\"q\"",
    b".hidden",
    "\u{e9}".as_bytes(),
    "e\u{301}".as_bytes(),
    b"\xe9",
    b"-",
];

/// Rules about them.
const RULES: [&[u8]; 40] = [
    b"*.log",
    b"!k.log",
    b"build/",
    b"/build",
    b"!build/",
    b"build/*",
    b"!build/a",
    b"a",
    b"/a",
    b"a/",
    b"!a",
    b"\\!a",
    b"\\#a",
    b"#a",
    b"*",
    b"!*/",
    b"!*.log",
    b"**/b",
    b"a/**",
    b"a/**/b",
    b"/*/a",
    b"\xff",
    b"!\xff",
    b"\xe9",
    b"[!a-b]",
    b"[[:upper:]]",
    b"back\\\\slash",
    b"trail ",
    b"trail\\ ",
    b" lead",
    b"tab\t",
    b"\\*",
    b"[*]",
    b"\\[ab]",
    b"?",
    b".*",
    b"A",
    b"a\r",
    b"",
    b"\"q\"",
];

/// What is put at a place.
#[derive(Clone, Debug)]
enum Put {
    File(u8),
    Tool,
    Link,
    Nothing,
    EmptyFolder,
    /// `.gitignore` of that folder.
    Rules(Vec<usize>),
    /// `.gitignore` that is a link to a file of rules: git does not follow it.
    LinkedRules(Vec<usize>),
    /// Tracked, be it ignored or not.
    Track,
    Untrack,
}

type Work = Vec<(Vec<usize>, Put)>;

fn work() -> impl Strategy<Value = Work> {
    let path = prop::collection::vec(prop_oneof![4 => 0..7_usize, 2 => 0..NAMES.len()], 1..4);
    let rules = || prop::collection::vec(0..RULES.len(), 1..5);
    let put = prop_oneof![
        10 => any::<u8>().prop_map(Put::File),
        1 => Just(Put::Tool),
        1 => Just(Put::Link),
        1 => Just(Put::Nothing),
        1 => Just(Put::EmptyFolder),
        4 => rules().prop_map(Put::Rules),
        1 => rules().prop_map(Put::LinkedRules),
        3 => Just(Put::Track),
        1 => Just(Put::Untrack),
    ];
    prop::collection::vec((path, put), 1..24)
}

fn text_of(rules: &[usize]) -> Vec<u8> {
    rules.iter().flat_map(|n| [RULES[*n], b"\n"].concat()).collect()
}

/// Frees a place, and makes the folders above it.
fn free(at: &Path, top: &Path) {
    for above in at.ancestors().skip(1).take_while(|above| *above != top) {
        if above.symlink_metadata().is_ok_and(|there| !there.is_dir()) {
            fs::remove_file(above).expect("removes");
        }
    }
    match at.symlink_metadata() {
        Ok(there) if there.is_dir() => fs::remove_dir_all(at).expect("removes"),
        Ok(_) => fs::remove_file(at).expect("removes"),
        Err(_) => {}
    }
    fs::create_dir_all(at.parent().expect("below the top")).expect("makes folders");
}

fn carry_out(repo: &TestRepo, work: &Work, fold: bool) {
    let top = repo.path();
    let try_git = |args: &[&str], path: &[u8]| {
        let mut command = repo.sandbox.command("git", top);
        let _may_fail = command.args(args).arg(OsStr::from_bytes(path)).output().expect("git starts");
    };
    for (parts, put) in work {
        // Where case does not count no two names differ by it alone: this disk could hold both, and git would take one for
        // the other.
        let name = |n: &usize| if fold && NAMES[*n] == b"A" { b"Z" } else { NAMES[*n] };
        let path = parts.iter().map(name).collect::<Vec<_>>().join(&b'/');
        let at = repo.at(&path);
        let beside = at.parent().expect("below the top").join(".gitignore");
        match put {
            Put::File(n) => {
                free(&at, top);
                fs::write(at, [*n]).expect("writes");
            }
            Put::Tool => {
                free(&at, top);
                fs::write(&at, "#!").expect("writes");
                fs::set_permissions(at, fs::Permissions::from_mode(0o755)).expect("sets the mode");
            }
            Put::Link => {
                free(&at, top);
                symlink("a", at).expect("links");
            }
            Put::Nothing => free(&at, top),
            Put::EmptyFolder => {
                free(&at, top);
                fs::create_dir(at).expect("makes the folder");
            }
            Put::Rules(rules) => {
                free(&beside, top);
                fs::write(beside, text_of(rules)).expect("writes");
            }
            Put::LinkedRules(rules) => {
                free(&beside, top);
                fs::write(repo.sandbox.path().join("linked-rules"), text_of(rules)).expect("writes");
                symlink(repo.sandbox.path().join("linked-rules"), beside).expect("links");
            }
            Put::Track => try_git(&["--literal-pathspecs", "add", "--force", "--"], &path),
            Put::Untrack => try_git(&["--literal-pathspecs", "rm", "-r", "-q", "--cached", "--"], &path),
        }
    }
}

#[test]
fn on_trees_made_up_to_be_difficult_a_snapshot_takes_what_git_lists() {
    let cases = if std::env::var_os("SESSION_TEST_THOROUGH").is_some() { 1000 } else { 40 };
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 300, ..Config::default() };
    let mut runner = if cases > 100 {
        TestRunner::new(config)
    } else {
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
    };
    let rules = || prop::collection::vec(0..RULES.len(), 0..3);
    let input = (prop::collection::vec(work(), 1..4), rules(), rules(), any::<bool>());
    let found = runner.run(&input, |(rounds, exclude, users, fold)| {
        let repo = TestRepo::new();
        fs::create_dir_all(repo.at(".git/info")).expect("makes the folder");
        fs::write(repo.at(".git/info/exclude"), text_of(&exclude)).expect("writes");
        fs::write(repo.sandbox.path().join("users"), text_of(&users)).expect("writes");
        repo.git(["config", "core.excludesFile", &repo.sandbox.path().join("users").display().to_string()]);
        repo.git(["config", "core.ignoreCase", &fold.to_string()]);
        let mut previous = None;
        for work in &rounds {
            carry_out(&repo, work, fold);
            agree(&repo, &mut previous, "made up");
        }
        Ok(())
    });
    if let Err(failure) = found {
        panic!("{failure}");
    }
}

#[test]
fn a_link_to_itself_in_the_place_of_a_folder_with_rules_is_a_link() {
    let repo = TestRepo::new();
    repo.write("a/.gitignore", "*.log\n");
    repo.write("a/b/.gitignore", "*.log\n");
    let mut previous = None;
    agree(&repo, &mut previous, "folders");
    let before = take(&repo, previous).1.tree;
    repo.remove("a");
    repo.symlink("a", "a");
    let now = take(&repo, Some(before)).1.tree;
    assert!(repo.git(["ls-tree", &now.to_string(), "a"]).starts_with("120000"));
    agree(&repo, &mut previous, "a link to itself");
}

/// Copies a folder, its `.git` left out.
fn copy(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from).into_iter().filter_entry(|e| e.file_name() != ".git") {
        let entry = entry.expect("walks");
        let at = to.join(entry.path().strip_prefix(from).expect("below"));
        if entry.file_type().is_dir() {
            fs::create_dir_all(at).expect("makes the folder");
        } else if entry.file_type().is_file() {
            fs::copy(entry.path(), at).expect("copies");
        }
    }
}

/// Work of all sorts in a repository that others made.
fn work_in(repo: &TestRepo) {
    let files: Vec<PathBuf> = listed(repo).iter().map(|path| repo.at(path)).collect();
    for (n, at) in files.iter().enumerate() {
        match n % 7 {
            0 => fs::write(at, "changed").expect("writes"),
            1 => fs::remove_file(at).expect("removes"),
            2 => {
                let folder = at.parent().expect("below the top");
                fs::write(folder.join(format!("new-{n}.o")), "x").expect("writes");
                fs::write(folder.join(format!("new {n}\n")), "x").expect("writes");
                fs::create_dir_all(folder.join("target/debug")).expect("makes the folder");
                fs::write(folder.join("target/debug/out"), "x").expect("writes");
            }
            _ => {}
        }
    }
    fs::write(repo.at("deep.gitignore"), "not rules").expect("writes");
}

#[test]
fn in_a_clone_of_this_project_a_snapshot_takes_what_git_lists() {
    let own = env!("CARGO_MANIFEST_DIR");
    let repo = TestRepo::new();
    let mut clone = repo.sandbox.command("git", repo.path());
    let out = clone.args(["-c", "safe.directory=*", "clone", "--quiet", "--no-hardlinks", own, "../own"]).output();
    if !out.expect("git starts").status.success() {
        let _told = writeln!(std::io::stderr(), "SKIPPED: this project is no git repository here");
        return;
    }
    let place = repo.sandbox.path().join("own");
    let repo = repo.moved_to(place);
    let mut previous = None;
    agree(&repo, &mut previous, "a clean clone");
    assert!(listed(&repo).len() > 200);
    work_in(&repo);
    agree(&repo, &mut previous, "after work");
    repo.git(["reset", "--quiet", "--hard"]);
    agree(&repo, &mut previous, "after a reset");
}

#[test]
fn in_sources_of_other_projects_a_snapshot_takes_what_git_lists() {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
    let sources = walkdir::WalkDir::new(home.unwrap_or_default().join("registry/src")).min_depth(2).max_depth(2);
    let mut sources: Vec<PathBuf> = sources.into_iter().filter_map(|e| e.ok().map(|e| e.into_path())).collect();
    sources.sort();
    // The vendored C library has the largest tree, with rules and odd names of its own.
    let wanted = ["libgit2-sys-", "libz-sys-", "clap-", "regex-automata-", "proptest-"];
    let find = |name: &&str| sources.iter().find(|path| path.display().to_string().contains(&format!("/{name}")));
    let found: Vec<&PathBuf> = wanted.iter().filter_map(find).collect();
    if found.is_empty() {
        let _told = writeln!(std::io::stderr(), "SKIPPED: no sources of other projects are here");
    }
    for source in found {
        let repo = TestRepo::new();
        copy(source, repo.path());
        let what = source.display().to_string();
        let mut previous = None;
        agree(&repo, &mut previous, &format!("{what}, nothing tracked"));
        repo.commit("all");
        agree(&repo, &mut previous, &format!("{what}, all tracked"));
        work_in(&repo);
        agree(&repo, &mut previous, &format!("{what}, after work"));
        repo.assert_sound();
    }
}

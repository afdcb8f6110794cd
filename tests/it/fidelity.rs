//! Byte fidelity: a rewind gives the work tree back exactly, and saves and rewinds touch nothing that is not theirs.

use std::os::unix::fs::MetadataExt as _;

use crate::support::agent::Agent;
use crate::support::repo::TestRepo;

/// All that a save or rewind of code must leave alone.
#[derive(Debug, PartialEq, Eq)]
struct Untouched {
    index: Vec<u8>,
    staged: String,
    head: String,
    branches: String,
    stash: String,
    config: Vec<u8>,
    ignored: Vec<u8>,
}

fn untouched(repo: &TestRepo) -> Untouched {
    // Plumbing only: `git status` would refresh the index itself.
    Untouched {
        index: repo.index_bytes(),
        staged: repo.git(["diff-index", "--cached", "--raw", "HEAD"]),
        head: repo.git(["rev-parse", "HEAD"]) + &repo.git(["symbolic-ref", "HEAD"]),
        branches: repo.git(["for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/tags"]),
        stash: repo.git(["stash", "list"]),
        config: repo.read(".git/config"),
        ignored: repo.read("build/out.o"),
    }
}

/// A repository as people leave it: a dirty tree, staged changes of all sorts, a stash, ignored files, every kind of entry.
fn lived_in() -> TestRepo {
    let repo = TestRepo::new();
    repo.write(".gitignore", "build/\n*.log\n");
    for (path, content) in
        [("kept", "kept\n"), ("dirty", "old\n"), ("staged", "old\n"), ("gone", "x\n"), ("both", "1\n")]
    {
        repo.write(path, content);
    }
    repo.write("deep/er/file", "deep\n");
    repo.write("run.sh", "#!/bin/sh\n");
    repo.chmod("run.sh", 0o755);
    repo.symlink("link", "deep/er/file");
    repo.write(b"not-utf8-\xff\xfe", "bytes\n");
    repo.commit("second");
    repo.write("kept", "stashed\n");
    repo.git(["stash", "push", "--quiet"]);
    repo.write("dirty", "new\n");
    repo.write("staged", "new\n");
    repo.write("both", "2\n");
    repo.write("added", "new\n");
    repo.git(["add", "staged", "both", "added"]);
    repo.write("both", "3\n");
    repo.git(["rm", "--quiet", "--cached", "gone"]);
    repo.git(["mv", "deep/er/file", "deep/er/moved"]);
    repo.write("untracked/one", "1\n");
    repo.write("untracked/private", "1\n");
    repo.chmod("untracked/private", 0o600);
    repo.symlink("untracked/dangling", b"nowhere-\xff");
    repo.write(b"untracked/\xe9\x01\n", "odd\n");
    repo.write("crlf", "a\r\nb\n");
    repo.write("empty", "");
    repo.write("build/out.o", "\0ignored");
    repo.write("a.log", "ignored");
    repo
}

/// What an agent may do in three turns, by tool and by shell.
fn act(repo: &TestRepo, turn: u32) {
    match turn {
        1 => {
            repo.write("new/by-tool", "1\n");
            repo.write("kept", "changed\n");
            repo.chmod("kept", 0o755);
            repo.remove("untracked/one");
            repo.write("staged", "again\n");
        }
        2 => {
            repo.remove("deep");
            repo.write("deep", "a file where a folder was\n");
            repo.remove("link");
            repo.write("link", "a file where a link was\n");
            repo.remove(b"not-utf8-\xff\xfe");
            repo.chmod("run.sh", 0o644);
            repo.write(b"new/\xff", "2\n");
        }
        _ => {
            repo.remove("new");
            repo.symlink("new", "untracked");
            repo.remove("dirty");
            repo.write("dirty/now/a/folder", "3\n");
            repo.chmod("untracked/private", 0o644);
            repo.remove("empty");
            repo.remove(".gitignore");
            repo.write(".gitignore", "build/\n*.log\n*.tmp\n");
        }
    }
}

#[test]
fn every_rewind_gives_the_exact_listing_and_touches_nothing_else() {
    let repo = lived_in();
    let agent = Agent::new(&repo, "a");
    let before = untouched(&repo);
    let mut seen = vec![repo.listing()];
    agent.start();
    for turn in 1..=3 {
        agent.prompt(&format!("turn {turn}"));
        act(&repo, turn);
        agent.end();
        seen.push(repo.listing());
    }
    assert_eq!(untouched(&repo), before);
    // To each turn from each other, by number: 1, 3, 5 are the starts, 6 the end.
    let all = [(1_usize, "1"), (2, "3"), (3, "5"), (4, "6")];
    for (from, from_number) in all {
        for (to, to_number) in all {
            for (place, number) in [(from, from_number), (to, to_number)] {
                if repo.listing() != seen[place - 1] {
                    repo.ask(["rewind", "code", number]);
                }
                assert_eq!(repo.listing(), seen[place - 1], "from {from} to {to}");
                assert_eq!(untouched(&repo), before, "from {from} to {to}");
            }
        }
    }
    while repo.session(["redo"]).code == Some(0) {}
    assert_eq!(repo.listing(), seen[3]);
    assert_eq!(untouched(&repo), before);
    repo.assert_sound();
}

#[test]
fn what_git_says_of_staged_things_is_the_same_before_and_after() {
    let repo = lived_in();
    let agent = Agent::new(&repo, "a");
    let status = || repo.git(["--no-optional-locks", "status", "--porcelain=v2", "--branch", "--show-stash"]);
    let (before, listing) = (status(), repo.listing());
    agent.prompt("one");
    assert_eq!(status(), before);
    act(&repo, 1);
    agent.end();
    assert_ne!(status(), before);
    repo.ask(["rewind", "code"]);
    assert_eq!((status(), repo.listing()), (before, listing));
}

#[test]
fn files_that_are_as_they_shall_be_keep_inode_and_time() {
    let repo = lived_in();
    let agent = Agent::new(&repo, "a");
    let stat = |path: &str| {
        let meta = repo.at(path).symlink_metadata().expect("is there");
        (meta.ino(), meta.mtime(), meta.mtime_nsec())
    };
    let same = ["dirty", "both", "added", "run.sh", "link", "untracked/private", "crlf", "build/out.o"];
    let before = same.map(stat);
    agent.prompt("one");
    repo.write("kept", "by the agent\n");
    repo.write("untracked/one", "by the agent\n");
    agent.end();
    repo.ask(["rewind", "code"]);
    assert_eq!(repo.read("kept"), b"kept\n");
    repo.ask(["redo"]);
    assert_eq!(repo.read("kept"), b"by the agent\n");
    assert_eq!(same.map(stat), before);
}

#[test]
fn permission_bits_come_back_with_the_file() {
    let repo = TestRepo::new();
    let agent = Agent::new(&repo, "a");
    for (path, mode) in [("private", 0o600), ("shared", 0o666), ("run", 0o700), ("plain", 0o644)] {
        repo.write(path, path);
        repo.chmod(path, mode);
    }
    let before = repo.listing();
    agent.prompt("one");
    for path in ["private", "shared", "run", "plain"] {
        repo.remove(path);
    }
    agent.end();
    repo.ask(["rewind", "code"]);
    assert_eq!(repo.listing(), before);
}

#[test]
fn permission_bits_alone_come_back_too_and_a_persons_are_asked_about() {
    let repo = TestRepo::new();
    let agent = Agent::new(&repo, "a");
    for path in ["opened", "closed", "run", "person"] {
        repo.write(path, path);
    }
    repo.chmod("opened", 0o600);
    let before = repo.listing();
    agent.prompt("one");
    repo.chmod("opened", 0o644);
    repo.chmod("closed", 0o600);
    repo.chmod("run", 0o700);
    agent.end();
    let after = repo.listing();
    let outcome = repo.ask(["rewind", "code"]);
    assert_eq!(outcome["files"]["modes"], serde_json::json!(["closed", "opened", "run"]), "{outcome:#}");
    assert_eq!(repo.listing(), before);
    repo.ask(["redo"]);
    assert_eq!(repo.listing(), after);
    repo.chmod("person", 0o640);
    assert_eq!(repo.refused(6, ["rewind", "code"])["details"], serde_json::json!(["person"]));
    repo.ask(["rewind", "code", "--mine"]);
    let kept = before.iter().map(|l| if l.ends_with("\"person\"") { l.replace("0644", "0640") } else { l.clone() });
    assert_eq!(repo.listing(), kept.collect::<Vec<_>>());
}

#[test]
fn another_umask_makes_no_difference() {
    let repo = TestRepo::new();
    let agent = Agent::new(&repo, "a");
    repo.write("f", "0");
    repo.write("kept", "0");
    let before = repo.listing();
    agent.turn("one", "f", "1");
    let command = "umask 002; exec \"$0\" rewind code";
    let mut shell = repo.sandbox.command("sh", repo.path());
    let out = shell.args(["-c", command, env!("CARGO_BIN_EXE_session")]).output().expect("sh runs");
    assert!(out.status.success(), "{out:?}");
    assert_eq!(repo.listing(), before);
}

#[test]
fn a_file_that_is_ignored_by_now_is_not_written_over() {
    let repo = TestRepo::new();
    let agent = Agent::new(&repo, "a");
    repo.write("note", "once seen\n");
    repo.write("f", "0");
    let before = repo.listing();
    agent.prompt("one");
    repo.write(".gitignore", "note\n");
    repo.write("f", "1");
    agent.end();
    // As it was when it was seen, it is in nobody's way.
    repo.ask(["rewind", "code"]);
    assert_eq!(repo.listing(), before);
    repo.ask(["redo"]);
    repo.write("note", "changed while ignored\n");
    let now = repo.listing();
    assert_eq!(repo.refused(6, ["rewind", "code"])["target"], "note");
    assert_eq!(repo.listing(), now);
    repo.ask(["rewind", "code", "1", "--", "f", ".gitignore"]);
    assert_eq!((repo.read("f"), repo.read("note")), (b"0".to_vec(), b"changed while ignored\n".to_vec()));
}

#[test]
fn a_file_that_the_target_ignores_is_not_deleted() {
    let repo = TestRepo::new();
    let agent = Agent::new(&repo, "a");
    repo.write(".gitignore", "cache\n");
    repo.write("cache", "ignored\n");
    agent.turn("ignores nothing", ".gitignore", "\n");
    repo.ask(["rewind", "code"]);
    assert_eq!((repo.read(".gitignore"), repo.read("cache")), (b"cache\n".to_vec(), b"ignored\n".to_vec()));
}

#[test]
fn what_comes_into_sight_when_ignore_rules_go_is_kept_and_asked_about() {
    let repo = TestRepo::new();
    let agent = Agent::new(&repo, "a");
    agent.turn("one", "f", "1");
    agent.prompt("two");
    repo.write(".gitignore", "target/\n");
    repo.write("target/big", "built\n");
    agent.end();
    repo.ask(["rewind", "code"]);
    assert!(!repo.at(".gitignore").exists());
    assert_eq!(repo.read("target/big"), b"built\n");
    // No checkpoint of the session's own turns knows it: it goes only if someone says so.
    assert!(repo.refused(6, ["rewind", "code"]).to_string().contains("target/big"));
    repo.ask(["rewind", "code", "--mine"]);
    assert!(!repo.at("f").exists());
    assert_eq!(repo.read("target/big"), b"built\n");
    repo.ask(["redo"]);
    repo.ask(["redo"]);
    assert_eq!((repo.read(".gitignore"), repo.read("target/big")), (b"target/\n".to_vec(), b"built\n".to_vec()));
}

#[test]
fn a_save_of_an_unchanged_tree_has_gits_own_tree() {
    let repo = TestRepo::new();
    repo.write("a/b", "x");
    repo.chmod("a/b", 0o755);
    repo.write("a.b", "x");
    repo.write("a0", "x");
    repo.commit("second");
    let saved = repo.ask(["save"]);
    assert_eq!(saved["tree"], repo.git(["rev-parse", "HEAD^{tree}"]));
}

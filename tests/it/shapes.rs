//! The main verbs in every repository that git opens: hashes, ref formats, worktrees, HEADs, folders, layouts. And that a
//! hook starts no git where libgit2 can do it.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::agent::Agent;
use crate::support::repo::{Shape, TestRepo, matrix};

/// Three turns, a save, walks back and forth, forks, and the lists; from whatever folder the agent is in.
#[track_caller]
fn main_job(repo: &TestRepo, agent: &Agent<'_>) {
    let mut seen = vec![repo.listing()];
    agent.start();
    for turn in ["1", "2", "3"] {
        agent.prompt(turn);
        repo.write("f", turn);
        agent.tool(&["f"]);
        repo.write(format!("made/{turn}"), turn);
        agent.end();
        seen.push(repo.listing());
    }
    let index = repo.index_bytes();
    for (args, at) in [
        (&["rewind", "code"][..], 2),
        (&["rewind", "code"], 1),
        (&["rewind", "code"], 0),
        (&["redo"], 1),
        (&["redo"], 2),
        (&["redo"], 3),
        (&["rewind", "both", "turn:2"], 1),
        (&["redo"], 3),
    ] {
        repo.ask(args.iter().copied());
        assert_eq!(repo.listing(), seen[at], "{args:?}");
    }
    assert_eq!(repo.ask(["save", "a title"])["saved"], true);
    assert_eq!(repo.index_bytes(), index);
    let id = repo.session_id();
    assert_eq!(repo.kinds().iter().filter(|k| *k == "turn-end").count(), 3);
    let fork = repo.ask(["fork", "a fork", "--at", "turn:2.end"]);
    let list = repo.ask(["list"]);
    let ids: Vec<&Value> = list["sessions"].as_array().expect("a list").iter().map(|s| &s["id"]).collect();
    assert!(ids.len() == 2 && ids.contains(&&Value::from(id)) && ids.contains(&&fork["session"]), "{list:#}");
    assert_eq!(list["corrupt"], serde_json::json!([]));
    assert_eq!(repo.hook_log(), "");
    repo.assert_sound();
}

#[test]
fn the_main_job_runs_in_every_shape() {
    for shape in matrix() {
        let repo = TestRepo::of_shape(shape);
        repo.write("committed", "x");
        repo.commit("second");
        main_job(&repo, &Agent::with_transcript(&repo, "a"));
        let fork = repo.git(["for-each-ref", "--format=%(refname)", "refs/heads/session/"]);
        assert_eq!(fork, "refs/heads/session/a-fork", "{shape:?}");
    }
}

#[test]
fn a_fork_with_a_worktree_works_in_every_shape() {
    for shape in matrix() {
        let repo = TestRepo::of_shape(shape);
        repo.write("f", "0");
        repo.commit("second");
        let agent = Agent::with_transcript(&repo, "a");
        agent.turn("one", "f", "1");
        agent.turn("two", "f", "2");
        let fork = repo.ask(["fork", "x", "--at", "turn:2", "--worktree", "../forked"])["session"].clone();
        let list = repo.ask(["list"]);
        let listed = list["sessions"].as_array().expect("a list").iter().find(|s| s["id"] == fork).expect("listed");
        assert_eq!(listed["worktree"], "forked", "{shape:?}");
        assert_eq!(fs::read(repo.sandbox.path().join("forked/f")).expect("reads"), b"1", "{shape:?}");
        assert_eq!(repo.git(["-C", "../forked", "status", "--porcelain"]), " M f", "{shape:?}");
        repo.ask(["fork", "y", "--at", "turn:2", "--switch"]);
        assert_eq!((repo.read("f"), repo.git(["branch", "--show-current"])), (b"1".to_vec(), "session/y".to_owned()));
        repo.assert_sound();
    }
}

#[test]
fn the_main_job_runs_before_the_first_commit() {
    for (object_format, ref_format) in [("sha1", "files"), ("sha256", "reftable")] {
        let repo = TestRepo::of_shape(Shape { object_format, ref_format, linked: false });
        repo.git(["checkout", "--quiet", "--orphan", "unborn"]);
        repo.write("there", "x");
        main_job(&repo, &Agent::with_transcript(&repo, "a"));
        assert_eq!(repo.git(["branch", "--show-current"]), "unborn");
        let refused = repo.refused(6, ["fork", "z", "--worktree", "../forked"]);
        assert_eq!(refused["code"], "fork.unborn");
        assert!(!repo.sandbox.path().join("forked").exists());
    }
}

#[test]
fn the_main_job_runs_with_a_detached_head() {
    let repo = TestRepo::new();
    repo.git(["checkout", "--quiet", "--detach"]);
    main_job(&repo, &Agent::with_transcript(&repo, "a"));
    let head = repo.sandbox.command("git", repo.path()).args(["symbolic-ref", "HEAD"]).output().expect("git starts");
    assert!(!head.status.success(), "still detached");
}

/// Runs `session` in a folder; what it printed.
#[track_caller]
fn run_in(repo: &TestRepo, folder: &Path, args: &[&str]) -> String {
    repo.sandbox.session(folder, args).success().stdout
}

#[test]
fn the_main_job_runs_from_a_folder_below_the_top() {
    let repo = TestRepo::new();
    repo.write("deep/down/here", "x");
    repo.commit("second");
    let folder = repo.at("deep/down");
    let agent = Agent::with_transcript(&repo, "a").in_folder(&folder);
    agent.prompt("one");
    repo.write("deep/down/f", "1");
    repo.write("top", "1");
    agent.tool(&["f", "../../top"]);
    agent.end();
    let kinds: Vec<Value> = repo.checkpoints().iter().map(|c| c["files"].clone()).collect();
    assert_eq!(kinds, [0, 2, 0], "both were named, and seen by the tool's checkpoint");
    let run = |args: &[&str]| run_in(&repo, &folder, args);
    assert!(run(&["log"]).contains("tool"));
    run(&["rewind", "code"]);
    assert!(!repo.at("top").exists() && !repo.at("deep/down/f").exists());
    run(&["redo"]);
    assert!(repo.at("top").exists() && repo.at("deep/down/f").exists());
}

#[test]
fn worktrees_of_a_bare_repository_have_sessions_of_their_own() {
    let repo = TestRepo::new();
    repo.write("f", "0");
    repo.commit("second");
    repo.git(["clone", "--quiet", "--bare", ".", "../project/.bare"]);
    let top = repo.sandbox.path().join("project");
    fs::write(top.join(".git"), "gitdir: ./.bare\n").expect("writes");
    let git = |at: &Path, args: &[&str]| {
        let out = repo.sandbox.command("git", at).args(args).output().expect("git starts");
        assert!(out.status.success(), "{out:?}");
    };
    git(&top, &["worktree", "add", "--quiet", "main"]);
    git(&top, &["worktree", "add", "--quiet", "-b", "side", "side"]);
    let mut listed = Vec::new();
    for name in ["main", "side"] {
        let here = top.join(name);
        let agent = Agent::with_transcript(&repo, name).in_folder(&here);
        agent.prompt("one");
        fs::write(here.join("f"), name).expect("writes");
        agent.end();
        run_in(&repo, &here, &["rewind", "code"]);
        assert_eq!(fs::read(here.join("f")).expect("reads"), b"0");
        run_in(&repo, &here, &["redo"]);
        assert_eq!(fs::read(here.join("f")).expect("reads"), name.as_bytes());
        listed.push(repo.sandbox.session(&here, ["--json", "show"]).success().json()["id"].clone());
    }
    assert_ne!(listed[0], listed[1]);
    let all = repo.sandbox.session(&top.join("main"), ["--json", "list"]).success().json();
    assert_eq!(all["sessions"].as_array().expect("a list").len(), 2);
    // At the top there is no work tree: one line, the right code; a hook says nothing.
    let refused = repo.sandbox.session(&top, ["--json", "save"]);
    assert_eq!((refused.code, &refused.json()["error"]["code"]), (Some(6), &"repository.bare".into()));
    Agent::new(&repo, "nowhere").in_folder(&top).prompt("one");
    git(&top, &["fsck", "--strict"]);
}

#[test]
fn submodules_are_recorded_by_their_commit_and_left_alone() {
    let repo = TestRepo::new();
    let inner = TestRepo::new();
    inner.write("lib", "1");
    inner.commit("lib");
    let url = inner.path().to_str().expect("UTF-8").to_owned();
    repo.git(["-c", "protocol.file.allow=always", "submodule", "add", "--quiet", &url, "sub"]);
    repo.commit("with a submodule");
    let agent = Agent::with_transcript(&repo, "a");
    agent.prompt("one");
    repo.write("sub/lib", "changed inside");
    repo.write("f", "1");
    agent.end();
    repo.ask(["rewind", "code"]);
    assert!(!repo.at("f").exists());
    assert_eq!(repo.read("sub/lib"), b"changed inside");
    let tip = repo.session_ref();
    assert!(repo.git(["ls-tree", &format!("{tip}^"), "sub"]).starts_with("160000 commit"));
    repo.ask(["redo"]);
    assert!(repo.at("f").exists());
    repo.assert_sound();
}

/// Puts a `git` in front of PATH that notes each start; the calls of a full turn, by event.
fn git_calls_of_hooks(shape: Shape, files: usize, turns: u32) -> Vec<usize> {
    let mut repo = TestRepo::of_shape(shape);
    for n in 0..files {
        repo.write(format!("many/{n}"), n.to_string());
    }
    repo.commit("second");
    let count = repo.count_gits();
    let repo = repo;
    let agent = Agent::with_transcript(&repo, "a");
    // The tests' own git is recorded too: only what a hook adds counts.
    assert!(repo.git(["version"]).contains("git") && count() == 1, "the recorder works");
    let logged = count();
    assert_eq!(repo.hook_log(), "");
    let own = count() - logged;
    let mut calls = Vec::new();
    for turn in 1..=turns {
        let mut added = |act: &dyn Fn()| {
            let before = count();
            act();
            calls.push(count() - before - own);
        };
        added(&|| agent.start());
        added(&|| agent.prompt(&turn.to_string()));
        repo.write("f", turn.to_string());
        added(&|| agent.tool(&["f"]));
        added(&|| agent.end());
        added(&|| agent.leave());
    }
    calls
}

#[test]
fn a_hook_starts_no_git_in_a_plain_repository() {
    for linked in [false, true] {
        let calls = git_calls_of_hooks(Shape { linked, ..Shape::PLAIN }, 300, 3);
        assert_eq!(calls, vec![0; 15], "linked: {linked}");
    }
    assert_eq!(git_calls_of_hooks(Shape { object_format: "sha256", ..Shape::PLAIN }, 10, 1), vec![0; 5]);
}

#[test]
fn a_hook_starts_a_constant_number_of_gits_on_reftable() {
    let shape = Shape { ref_format: "reftable", ..Shape::PLAIN };
    let (few, many) = (git_calls_of_hooks(shape, 3, 3), git_calls_of_hooks(shape, 300, 3));
    assert_eq!(few, many, "whatever the number of files");
    assert_eq!(few[5..10], few[10..], "whatever the number of checkpoints");
    assert!(few.iter().all(|n| *n <= 9), "{few:?}");
}

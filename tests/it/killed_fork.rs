//! A fork or a revert that dies at any file operation: what was is there, what was made of it is whole or nothing, and git and
//! the next command go on.

use std::path::Path;

use crate::killed::{age, at_every, git_goes_on, no_lock_is_left, runs};
use crate::support::agent::Agent;
use crate::support::repo::{Shape, TestRepo};

/// Two turns on a commit; what must stay, as lines: the session's id, its tip, HEAD, the index, the files.
fn worked_in(ref_format: &'static str) -> (TestRepo, Vec<String>) {
    let repo = TestRepo::of_shape(Shape { ref_format, ..Shape::PLAIN });
    repo.write("f", "base\n");
    repo.write("g", "base\n");
    repo.commit("base");
    let agent = Agent::with_transcript(&repo, "parent");
    agent.start();
    agent.turn("one", "f", "one\n");
    agent.turn("two", "new/file", "two\n");
    let facts = facts(&repo);
    (repo, facts)
}

fn facts(repo: &TestRepo) -> Vec<String> {
    let id = repo.session_id();
    let tip = repo.git(["rev-parse", &head_of(&id)]);
    let head = repo.git(["symbolic-ref", "HEAD"]) + &repo.git(["rev-parse", "HEAD"]);
    vec![id, tip, head, repo.index_bytes().escape_ascii().to_string(), repo.listing().join("\n")]
}

fn head_of(id: &str) -> String {
    format!("refs/sessions/heads/{id}")
}

/// All that the fork did not come to is as before; every session and branch that is there is whole, and another fork works.
#[track_caller]
fn is_whole(repo: &TestRepo, parent: &[String], death: &str) {
    let id = &parent[0];
    assert_eq!(repo.git(["rev-parse", &head_of(id)]), parent[1], "{death}: the parent stays");
    git_goes_on(repo);
    let sessions = repo.ask(["list"])["sessions"].as_array().expect("a list").clone();
    assert!((1..=2).contains(&sessions.len()), "{death}: {sessions:#?}");
    for session in &sessions {
        let id = session["id"].as_str().expect("an id");
        repo.ask(["log", "-s", id]);
        repo.ask(["show", "-s", id]);
    }
    for branch in repo.git(["for-each-ref", "--format=%(refname)", "refs/heads"]).lines() {
        let ours = repo.git(["rev-list", branch]);
        assert!(!ours.contains(&parent[1]), "{death}: {branch} reaches a checkpoint");
    }
    // The name may be taken by what was made; the next fork finds another, or takes this one.
    let again = repo.ask(["fork", "again", "--at", "1", "-s", id]);
    assert_eq!(repo.git(["show", &format!("{}:f", again["branch"].as_str().expect("a branch"))]), "base", "{death}");
    locks_go(repo, id);
    repo.git(["branch", "--force", "session/the-fork", "HEAD"]);
    repo.assert_sound();
    repo.collect_garbage();
    repo.ask(["log", "-s", id]);
}

/// What the dead had locked is the user's again with our next command, once it is old.
#[track_caller]
fn locks_go(repo: &TestRepo, id: &str) {
    let all = walkdir::WalkDir::new(repo.at(".git/refs")).into_iter().map(|e| e.expect("walks").into_path());
    let locks = all.filter(|path| path.extension().is_some_and(|ending| ending == "lock"));
    age(&locks.map(|path| path.display().to_string()).collect::<Vec<_>>());
    repo.write("freed", "x");
    repo.ask(["save", "-s", id]);
    repo.remove("freed");
    no_lock_is_left(repo);
}

#[test]
fn a_fork_killed_at_any_point_leaves_the_parent_and_a_whole_fork_or_none() {
    if !runs("strace", &["-V"]) {
        return;
    }
    for (ref_format, most) in [("files", 48), ("reftable", 72)] {
        let make = || worked_in(ref_format);
        let args = ["fork", "the fork", "--at", "turn:2"];
        let deaths = at_every(&format!("fork, {ref_format}"), most, &args, &make, &|repo, parent, death| {
            assert_eq!(facts(repo)[2..], parent[2..], "{death}: HEAD, index and files");
            is_whole(repo, parent, death);
        });
        assert!(deaths > 6, "{deaths}");
    }
}

#[test]
fn a_fork_with_a_worktree_killed_at_any_point_leaves_this_one_alone() {
    if !runs("strace", &["-V"]) {
        return;
    }
    let make = || worked_in("files");
    let args = ["fork", "the fork", "--at", "turn:2", "--worktree", "../beside"];
    let deaths = at_every("fork --worktree", 72, &args, &make, &|repo, parent, death| {
        assert_eq!(facts(repo)[2..], parent[2..], "{death}: HEAD, index and files");
        let beside = repo.sandbox.path().join("beside");
        // What is there of the worktree is whole for git, whatever is in it.
        if Path::exists(&beside) {
            let removed =
                repo.sandbox.command("git", repo.path()).args(["worktree", "remove", "--force", "../beside"]).output();
            assert!(removed.expect("git starts").status.success(), "{death}");
        }
        assert_eq!(repo.git(["worktree", "list"]).lines().count(), 1, "{death}");
        is_whole(repo, parent, death);
    });
    assert!(deaths > 12, "{deaths}");
}

/// A `git` in front of PATH that dies in the midst of adding a worktree, and takes whoever called it along.
fn git_dies_adding(repo: &mut TestRepo, nth_mkdir: u32) {
    let shim = repo.sandbox.path().join("shim");
    let path = std::env::var("PATH").expect("PATH is set");
    let kill = format!("strace -f -qq -o /dev/null -e trace=mkdir -e inject=mkdir:signal=SIGKILL:when={nth_mkdir}");
    let add = format!("*'worktree add'*) {kill} git \"$@\"; kill -9 $PPID; exit 137;;");
    let script = format!("#!/bin/sh\nPATH='{path}'\ncase \"$*\" in {add}\nesac\nexec git \"$@\"\n");
    repo.write("../shim/git", script);
    repo.chmod("../shim/git", 0o755);
    repo.sandbox.set("PATH", format!("{}:{path}", shim.display()));
}

#[test]
fn where_git_died_adding_the_worktree_its_path_can_be_had_again() {
    if !runs("strace", &["-V"]) {
        return;
    }
    let mut half_added = 0;
    let fork = ["fork", "the fork", "--at", "turn:2", "--worktree", "../beside"];
    for n in 1..=5 {
        let (mut repo, parent) = worked_in("files");
        let path = std::env::var("PATH").expect("PATH is set");
        git_dies_adding(&mut repo, n);
        let out = repo.session(fork);
        assert_eq!(out.code, None, "killed: {out}");
        repo.sandbox.set("PATH", path);
        let beside = repo.sandbox.path().join("beside");
        let lock = repo.at(".git/worktrees/beside/locked");
        if lock.exists() {
            half_added += 1;
            // As long as a git could still be at it, it is left alone.
            assert!(!repo.session(["doctor"]).stdout.contains("worktree"), "{n}");
            age(&[lock.display().to_string()]);
            let doctor = repo.session(["doctor"]).stdout;
            assert!(doctor.contains("a fork died while git added its worktree"), "{n}: {doctor}");
            // What somebody put there is not ours to take away.
            if beside.join(".git").exists() {
                std::fs::write(beside.join("own"), "x").expect("writes");
                repo.refused(5, fork);
                assert!(lock.exists() && beside.join(".git").exists(), "{n}");
                std::fs::remove_file(beside.join("own")).expect("removes");
            }
            if n % 2 == 0 {
                let fixed = repo.session(["doctor", "--fix"]).success();
                assert!(!lock.exists(), "{n}: {fixed}");
                assert!(!repo.session(["doctor"]).success().stdout.contains("worktree"), "{n}");
            }
        }
        repo.ask(fork);
        assert_eq!(std::fs::read(beside.join("f")).expect("reads"), b"one\n", "{n}");
        assert!(!lock.exists() && !repo.at(".git/session/adding").exists(), "{n}");
        repo.git(["-C", "../beside", "status"]);
        assert_eq!(repo.git(["worktree", "list"]).lines().count(), 2, "{n}");
        assert_eq!(facts(&repo)[2..], parent[2..], "{n}: HEAD, index and files");
        repo.assert_sound();
    }
    assert!(half_added >= 3, "{half_added}");
}

#[test]
fn a_fork_that_switches_killed_at_any_point_leaves_the_old_files_or_the_new() {
    if !runs("strace", &["-V"]) {
        return;
    }
    let make = || worked_in("files");
    let args = ["fork", "the fork", "--at", "turn:2", "--switch"];
    let interrupted = std::cell::Cell::new(0);
    let deaths = at_every("fork --switch", 72, &args, &make, &|repo, parent, death| {
        interrupted.set(interrupted.get() + u32::from(repo.at(".git/session/journal").exists()));
        repo.ask(["save", "-s", &parent[0]]);
        let new = !repo.at("new").exists();
        let now = repo.listing().join("\n");
        if new {
            let kept: Vec<&str> = parent[4].lines().filter(|line| !line.contains("\"new")).collect();
            assert_eq!(now.lines().collect::<Vec<_>>(), kept, "{death}: at the fork point");
        } else {
            assert_eq!(now, parent[4], "{death}: as they were");
        }
        assert_eq!(repo.read("f"), b"one\n", "{death}");
        repo.git(["status"]);
        // Nothing is lost: the parent's own newest state can be had back.
        let _nothing_to_do_perhaps = repo.session(["rewind", "code", "turn:2.end", "--all", "-s", &parent[0]]);
        assert_eq!(repo.listing().join("\n"), parent[4], "{death}");
        locks_go(repo, &parent[0]);
        repo.assert_sound();
    });
    assert!(deaths > 12 && interrupted.get() > 0, "{deaths} deaths, {} in the middle", interrupted.get());
}

#[test]
fn a_revert_killed_at_any_point_is_settled_by_the_next_save() {
    if !runs("strace", &["-V"]) {
        return;
    }
    let make = || {
        let (repo, mut facts) = worked_in("files");
        let agent = Agent::resumed(
            &repo,
            &serde_json::json!({"session_id": "parent", "path": "$SANDBOX/transcripts/parent.jsonl"}),
        );
        agent.turn("three", "g", "three\n");
        facts[4] = repo.listing().join("\n");
        (repo, facts)
    };
    let interrupted = std::cell::Cell::new(0);
    let deaths = at_every("revert", 60, &["revert", "2"], &make, &|repo, before, death| {
        interrupted.set(interrupted.get() + u32::from(repo.at(".git/session/journal").exists()));
        git_goes_on(repo);
        repo.ask(["save"]);
        let now = repo.listing().join("\n");
        let without: Vec<&str> = before[4].lines().filter(|line| !line.contains("\"new")).collect();
        assert!(now == before[4] || now.lines().collect::<Vec<_>>() == without, "{death}: half a revert\n{now}");
        let _nothing_to_do_perhaps = repo.session(["rewind", "code", "turn:3.end", "--all"]);
        assert_eq!(repo.listing().join("\n"), before[4], "{death}");
        no_lock_is_left(repo);
        repo.assert_sound();
    });
    assert!(deaths > 10 && interrupted.get() > 0, "{deaths} deaths, {} in the middle", interrupted.get());
}

//! Plain git on a session's code (`refs/sessions/heads/<id>^`): it works, and none of it shows the conversation.

use std::process::Output;

use serde_json::Value;

use crate::support::agent::{Agent, MARK};
use crate::support::repo::TestRepo;

/// Four turns on `f`, the third of which breaks it; a prompt, an answer and a transcript that hold [`MARK`]. The code's ref.
fn worked_in() -> (TestRepo, String) {
    let repo = TestRepo::new();
    repo.write("f", "one\n");
    repo.write("other", "other\n");
    repo.commit("second");
    let agent = Agent::with_transcript(&repo, "a");
    agent.start();
    agent.turn("turn 1", "f", "one\ntwo\n");
    agent.turn("turn 2", "f", "one\ntwo\nthree\n");
    agent.turn("turn 3", "f", "one\ntwo\nthree\nBUG\n");
    agent.turn("turn 4", "g", "unrelated\n");
    let code = format!("{}^", repo.session_ref());
    (repo, code)
}

/// What git printed; no line of it is of the conversation.
#[track_caller]
fn git(repo: &TestRepo, args: &[&str]) -> String {
    let said = repo.git(args);
    assert!(!said.contains(MARK), "{args:?}\n{said}");
    said
}

#[test]
fn the_mark_is_in_the_session_so_that_its_absence_elsewhere_says_something() {
    let (repo, code) = worked_in();
    let session = repo.session_ref();
    assert!(repo.git(["log", "-1", "--format=%B", &session]).contains(MARK));
    assert!(repo.git(["grep", "-l", MARK, &session]).contains("chat/"));
    assert!(!repo.git(["log", "--format=%B", &code]).contains(MARK));
}

#[test]
fn log_diff_and_blame_read_the_code_as_a_plain_history() {
    let (repo, code) = worked_in();
    let log = git(&repo, &["log", "-p", &code]);
    assert!(log.contains("+BUG") && log.contains("+unrelated") && log.contains("second"), "{log}");
    assert_eq!(git(&repo, &["rev-list", "--merges", "--count", &code]), "0");
    // Two of the project's, then the first and each turn that changed something.
    assert_eq!(git(&repo, &["rev-list", "--count", &code]), "7");
    let diff = git(&repo, &["diff", &format!("{code}~2"), &code]);
    assert!(diff.contains("+BUG") && diff.contains("+unrelated") && !diff.contains("+three"), "{diff}");
    let blame = git(&repo, &["blame", "-s", &code, "--", "f"]);
    let of = |line: &str| blame.lines().find(|l| l.ends_with(line)).and_then(|l| l.split(' ').next()).expect("blamed");
    let bug = git(&repo, &["rev-parse", "--short=8", &format!("{code}~1")]);
    assert!(of("BUG").starts_with(&bug), "{blame}");
    assert_ne!(of("two"), of("three"));
}

#[test]
fn bisect_finds_the_turn_that_broke_it() {
    let (repo, code) = worked_in();
    repo.git(["stash", "push", "--quiet", "--include-untracked"]);
    let mut said = git(&repo, &["bisect", "start", &code, "HEAD"]);
    said += &git(&repo, &["bisect", "run", "sh", "-c", "! grep -q BUG f"]);
    let bug = repo.git(["rev-parse", &format!("{code}~1")]);
    assert!(said.contains(&format!("{bug} is the first bad commit")), "{said}");
    git(&repo, &["bisect", "reset"]);
}

#[test]
fn revert_and_cherry_pick_take_single_turns() {
    let (repo, code) = worked_in();
    repo.git(["add", "--all"]);
    repo.git(["commit", "--quiet", "--message", "the work"]);
    git(&repo, &["revert", "--no-edit", &format!("{code}~1")]);
    assert_eq!(repo.read("f"), b"one\ntwo\nthree\n");
    git(&repo, &["checkout", "--quiet", "-b", "elsewhere", "HEAD~2"]);
    git(&repo, &["cherry-pick", &code]);
    assert_eq!((repo.read("f"), repo.read("g")), (b"one\n".to_vec(), b"unrelated\n".to_vec()));
    // What a person keeps of it is their own, and leads to nothing of ours.
    let kept = git(&repo, &["log", "-p", "--branches"]);
    assert!(kept.contains("unrelated"));
    assert_none_reached(&repo, &["--branches", "--tags", "HEAD"]);
}

#[test]
fn a_worktree_of_the_code_holds_the_files() {
    let (repo, code) = worked_in();
    git(&repo, &["worktree", "add", "--quiet", "--detach", "../looked-at", &format!("{code}~1")]);
    let there = repo.sandbox.path().join("looked-at");
    assert_eq!(std::fs::read(there.join("f")).expect("reads"), b"one\ntwo\nthree\nBUG\n");
    assert!(!there.join("g").exists());
}

#[test]
fn fsck_is_clean_and_the_default_log_shows_nothing_of_ours() {
    let (repo, _) = worked_in();
    repo.assert_sound();
    assert_eq!(git(&repo, &["branch", "--all", "--format=%(refname)"]), "refs/heads/main");
    let log = git(&repo, &["log", "--decorate", "--oneline"]);
    assert!(!log.contains("sessions"), "{log}");
    let all = git(&repo, &["log", "--exclude=refs/sessions/*", "--all", "--oneline"]);
    assert_eq!(all.lines().count(), 2, "{all}");
}

/// Every checkpoint's listing can be had back.
#[track_caller]
fn all_can_be_had_back(repo: &TestRepo, rows: &[Value]) {
    for row in rows {
        let number = row["number"].to_string();
        let out = repo.session(["--json", "rewind", "code", &number, "--all"]);
        assert!([Some(0), Some(1)].contains(&out.code), "{out}");
        let tree = repo.ask(["save"])["tree"].clone();
        assert_eq!(tree, row["tree"], "checkpoint {number}");
    }
    repo.assert_sound();
}

#[test]
fn garbage_collection_loses_no_checkpoint() {
    let (repo, _) = worked_in();
    let rows = repo.checkpoints();
    repo.collect_garbage();
    all_can_be_had_back(&repo, &rows);
    assert_eq!(repo.ask(["rewind", "chat", "turn:2"])["turns"], 1);
}

#[test]
fn a_hard_reset_and_garbage_collection_lose_no_checkpoint() {
    let repo = TestRepo::new();
    let agent = Agent::with_transcript(&repo, "a");
    agent.turn("turn 1", "f", "1\n");
    repo.commit("the person's, soon dropped");
    agent.turn("turn 2", "f", "2\n");
    let dropped = repo.commit("another, soon dropped");
    agent.turn("turn 3", "f", "3\n");
    let rows = repo.checkpoints();
    repo.git(["reset", "--quiet", "--hard", "HEAD~1"]);
    repo.collect_garbage();
    assert!(repo.has_object(&dropped), "a checkpoint stands on it");
    all_can_be_had_back(&repo, &rows);
}

#[test]
fn a_rebase_and_garbage_collection_lose_no_checkpoint_and_publish_none() {
    let repo = TestRepo::new();
    repo.git(["branch", "upstream"]);
    let agent = Agent::with_transcript(&repo, "a");
    agent.turn("turn 1", "f", "1\n");
    repo.commit("work");
    agent.turn("turn 2", "f", "2\n");
    let old = repo.commit("more work");
    agent.turn("turn 3", "f", "3\n");
    let rows = repo.checkpoints();
    repo.git(["stash", "push", "--quiet"]);
    repo.git(["checkout", "--quiet", "upstream"]);
    repo.write("upstream", "x\n");
    repo.commit("upstream moved");
    repo.git(["checkout", "--quiet", "main"]);
    repo.git(["rebase", "--quiet", "upstream"]);
    assert_ne!(repo.git(["rev-parse", "HEAD"]), old);
    repo.git(["stash", "drop", "--quiet"]);
    repo.collect_garbage();
    assert_none_reached(&repo, &["--branches", "--tags", "HEAD"]);
    all_can_be_had_back(&repo, &rows);
}

/// Ids of all session and code commits.
fn ours(repo: &TestRepo) -> Vec<String> {
    let all = repo.git(["log", "--glob=refs/sessions", "--format=%H %(trailers:key=Session,valueonly,separator=%x2C)"]);
    let ids: Vec<String> =
        all.lines().filter_map(|line| line.trim().split_once(' ')).map(|(id, _)| id.to_owned()).collect();
    assert!(ids.len() > 5, "{all}");
    ids
}

/// No commit of ours is reached from there.
#[track_caller]
fn assert_none_reached(repo: &TestRepo, from: &[&str]) {
    let ours = ours(repo);
    let reached = repo.git([&["rev-list"], from].concat());
    let both: Vec<&str> = reached.lines().filter(|id| ours.iter().any(|our| our == id)).collect();
    assert!(both.is_empty(), "{from:?} reaches {both:?}");
}

/// Every object of a repository, referred to or not.
fn objects(repo: &TestRepo, at: &str) -> Vec<String> {
    let ids = repo.git(["-C", at, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)"]);
    ids.lines().map(str::to_owned).collect()
}

#[track_caller]
fn nothing_of_ours_travels(repo: &TestRepo) {
    let ours = ours(repo);
    repo.git(["init", "--quiet", "--bare", "../remote.git"]);
    repo.git(["remote", "add", "origin", "../remote.git"]);
    repo.git(["push", "--quiet", "--all", "origin"]);
    repo.git(["push", "--quiet", "--tags", "origin"]);
    repo.git(["clone", "--quiet", "--no-local", ".", "../clone"]);
    repo.git(["clone", "--quiet", "--no-local", "--bare", ".", "../bare-clone.git"]);
    for place in ["../remote.git", "../clone", "../bare-clone.git"] {
        let arrived = objects(repo, place);
        assert!(!arrived.is_empty());
        assert!(!arrived.iter().any(|id| ours.contains(id)), "{place}");
        assert_eq!(repo.git(["-C", place, "for-each-ref", "refs/sessions"]), "");
        for id in &arrived {
            assert!(!repo.git(["-C", place, "cat-file", "-p", id]).contains(MARK), "{place} {id}");
        }
    }
}

#[test]
fn push_and_clone_carry_nothing_of_ours() {
    let (repo, _) = worked_in();
    repo.commit("the person commits the work");
    repo.git(["tag", "v1"]);
    nothing_of_ours_travels(&repo);
}

#[test]
fn push_and_clone_after_forks_carry_the_branches_and_nothing_of_ours() {
    let (repo, _) = worked_in();
    repo.write(".env", "SECRET=1\n");
    let plain = repo.ask(["fork", "with a branch", "--branch", "plain"]);
    assert_eq!(plain["left_out"], serde_json::json!([".env"]), "{plain:#}");
    repo.ask(["fork", "earlier", "--at", "turn:2", "--branch", "earlier"]);
    repo.ask(["fork", "in a worktree", "--branch", "apart", "--worktree", "../apart"]);
    repo.ask(["fork", "here", "--branch", "here", "--switch"]);
    assert_eq!(repo.git(["symbolic-ref", "--short", "HEAD"]), "here");
    assert_none_reached(&repo, &["--branches", "--tags", "HEAD"]);
    assert_eq!(repo.git(["show", "plain:f"]), "one\ntwo\nthree\nBUG");
    assert_eq!(repo.git(["show", "earlier:f"]), "one\ntwo");
    assert_eq!(repo.git(["ls-tree", "--name-only", "plain"]), "f\ng\nother");
    assert_eq!(repo.git(["rev-parse", "plain^"]), repo.git(["rev-parse", "main"]));
    assert_eq!(repo.git(["rev-parse", "apart", "here"]), repo.git(["rev-parse", "main", "main"]));
    nothing_of_ours_travels(&repo);
}

#[test]
fn a_fork_in_a_worktree_has_the_files_and_the_conversation_of_its_checkpoint() {
    let (repo, _) = worked_in();
    let fork = repo.ask(["fork", "apart", "--at", "turn:3", "--worktree", "../apart"]);
    let there = repo.sandbox.path().join("apart");
    assert_eq!(std::fs::read(there.join("f")).expect("reads"), b"one\ntwo\nthree\n");
    assert!(!there.join("g").exists());
    let resumed = Agent::resumed(&repo, &fork["native"]).in_folder(&there);
    let text = std::fs::read_to_string(resumed.transcript()).expect("reads");
    assert!(text.contains("turn 2") && !text.contains("turn 3"), "{text}");
    resumed.start();
    resumed.turn("another third", "unused", "x\n");
    let show = repo.sandbox.session(&there, ["--json", "show"]).success().json();
    assert_eq!((&show["id"], &show["turns"]), (&fork["session"], &serde_json::json!(3)), "{show:#}");
    // The parent goes its own way.
    assert_eq!(repo.ask(["show"])["turns"], 4);
}

/// The output of a git that may fail.
fn try_git(repo: &TestRepo, args: &[&str]) -> Output {
    repo.sandbox.command("git", repo.path()).args(args).output().expect("git starts")
}

#[test]
fn a_branch_name_that_is_taken_is_refused_before_anything_is_made() {
    let (repo, _) = worked_in();
    let before = repo.all_refs();
    repo.refused(5, ["fork", "x", "--at", "turn:2", "--branch", "main"]);
    assert_eq!(repo.all_refs(), before);
    assert!(!try_git(&repo, &["rev-parse", "--verify", "session/x"]).status.success());
}

//! A path that was ignored at a checkpoint, or is now, is neither deleted nor overwritten, wherever the rule lies or lay.

use std::fs;

use serde_json::json;

use crate::support::agent::Agent;
use crate::support::repo::{TestRepo, matrix};

/// Where a rule can lie outside of the tree.
const PLACES: [&str; 3] = ["info/exclude", "core.excludesFile", "the user's own file"];

fn set_rules(repo: &TestRepo, place: &str, text: &str) {
    let path = match place {
        "info/exclude" => repo.git(["rev-parse", "--path-format=absolute", "--git-path", "info/exclude"]).into(),
        "core.excludesFile" => {
            let path = repo.sandbox.path().join("rules");
            repo.git(["config", "core.excludesFile", path.to_str().expect("text")]);
            path
        }
        _ => repo.sandbox.path().join("config/git/ignore"),
    };
    fs::create_dir_all(path.parent().expect("has one")).expect("makes it");
    fs::write(path, text).expect("writes");
}

fn record(repo: &TestRepo, at: usize) -> Option<String> {
    let commit = repo.checkpoints()[at]["session_commit"].as_str().expect("an id").to_owned();
    let listed = repo.git(["ls-tree", &commit, "exclude"]);
    (!listed.is_empty()).then(|| repo.git(["cat-file", "-p", &format!("{commit}:exclude")]))
}

#[test]
fn files_that_were_ignored_then_stay_whatever_takes_the_session_back() {
    for shape in matrix() {
        for place in PLACES {
            if shape.linked && place != "info/exclude" {
                continue; // The others are the same for every worktree.
            }
            let about = format!("{shape:?}, {place}");
            let repo = TestRepo::of_shape(shape);
            set_rules(&repo, place, "# mine\nkeep/\n*.log\n\n");
            repo.write("keep/p", "precious\n");
            repo.write("a.log", "precious\n");
            let agent = Agent::new(&repo, "agent");
            agent.prompt("one");
            set_rules(&repo, place, "");
            repo.write("made", "2\n");
            agent.end();
            assert_eq!(record(&repo, 0).as_deref(), Some("keep/\n*.log"), "{about}");
            assert_eq!(record(&repo, 1), None, "{about}");
            let stays = |done: &serde_json::Value| {
                assert_eq!(done["files"]["deleted"], json!(["made"]), "{about}: {done:#}");
                assert_eq!((repo.read("keep/p"), repo.read("a.log")), (b"precious\n".to_vec(), b"precious\n".to_vec()));
            };
            let done = repo.ask(["rewind", "code"]);
            stays(&done);
            let kept: Vec<_> = done["files"]["kept"].as_array().expect("a list").iter().map(|k| k[0].clone()).collect();
            assert_eq!(kept, ["a.log", "keep/p"], "{about}: {done:#}");
            repo.ask(["redo"]);
            assert_eq!(repo.read("made"), b"2\n", "{about}");
            stays(&repo.ask(["revert", "1"]));
            repo.ask(["rewind", "code", "turn:1.end"]);
            let fork = repo.ask(["fork", "x", "--at", "turn:1", "--switch"]);
            assert_eq!(fork["here"]["deleted"], json!(["made"]), "{about}: {fork:#}");
            assert_eq!(repo.read("keep/p"), b"precious\n", "{about}");
        }
    }
}

#[test]
fn rules_are_one_blob_that_checkpoints_share_and_ours_are_not_among_them() {
    let repo = TestRepo::new();
    set_rules(&repo, "info/exclude", "one\n");
    set_rules(&repo, "the user's own file", "two\n");
    repo.write("f", "1\n");
    repo.ask(["save"]);
    repo.write("f", "2\n");
    repo.ask(["enable", "--agent", "claude-code"]);
    repo.ask(["save"]);
    assert_eq!(record(&repo, 0).as_deref(), Some("two\none"));
    assert_eq!(record(&repo, 1).as_deref(), Some("two\none"), "the lines of `enable` are ours");
    let blob = |at: usize| {
        let commit = repo.checkpoints()[at]["session_commit"].as_str().expect("an id").to_owned();
        repo.git(["rev-parse", &format!("{commit}:exclude")])
    };
    assert_eq!(blob(0), blob(1));
    assert_eq!(repo.ask(["save"])["saved"], false, "nothing is new");
    set_rules(&repo, "the user's own file", "three\n");
    assert_eq!(repo.ask(["save"])["saved"], true, "other rules are news");
}

#[test]
fn a_session_from_a_machine_with_other_rules_takes_nothing_that_they_ignored() {
    let repo = TestRepo::new();
    repo.git(["init", "--quiet", "--bare", "../there.git"]);
    repo.git(["remote", "add", "origin", "../there.git"]);
    set_rules(&repo, "the user's own file", "*.log\n");
    repo.write("f", "1\n");
    repo.ask(["save"]);
    let id = repo.session_id();
    repo.write("f", "2\n");
    repo.ask(["save"]);
    repo.ask(["push", "origin", "--yes"]);
    // Another machine, on which nobody ignores logs.
    set_rules(&repo, "the user's own file", "");
    repo.git(["clone", "--quiet", "../there.git", "../clone"]);
    let clone_path = repo.sandbox.path().join("clone");
    let clone = repo.moved_to(clone_path);
    clone.git(["commit", "--quiet", "--allow-empty", "--message=first"]);
    clone.ask(["pull", "origin"]);
    clone.write("my.log", "precious\n");
    clone.ask(["rewind", "code", "1", "-s", &id, "--all"]);
    assert_eq!((clone.read("my.log"), clone.read("f")), (b"precious\n".to_vec(), b"1\n".to_vec()));
}

#[test]
fn what_is_ignored_only_now_is_in_the_way_and_not_overwritten() {
    for place in PLACES {
        let repo = TestRepo::new();
        repo.write("dist/1", "built 1\n");
        repo.write("f", "1\n");
        repo.ask(["save"]);
        set_rules(&repo, place, "dist/\n");
        repo.write("dist/1", "built 2\n");
        repo.write("f", "2\n");
        repo.ask(["save"]);
        assert_eq!(repo.refused(6, ["rewind", "code", "1"])["code"], "restore.obstacle", "{place}");
        repo.ask(["rewind", "code", "1", "--mine"]);
        assert_eq!((repo.read("dist/1"), repo.read("f")), (b"built 2\n".to_vec(), b"1\n".to_vec()), "{place}");
    }
}

//! A fork has rows of its parent's turns. They are the same turns: neither session takes the other's work for a stranger's.

use crate::support::repo::TestRepo;

fn hook(repo: &TestRepo, event: &str, fields: &str) {
    let cwd = repo.path().display();
    let payload = format!("{{\"session_id\":\"s1\",\"cwd\":\"{cwd}\"{fields}}}");
    let out = repo.sandbox.session_with_input(repo.path(), ["hook", "generic", event], payload.as_bytes());
    assert_eq!(out.success().stdout, "");
}

fn done(repo: &TestRepo, args: &[&str]) {
    let out = repo.session(args).success();
    assert_eq!(out.code, Some(0));
}

/// Two turns; the second writes `b.txt` in its shell, so that no tool names it.
fn two_turns(repo: &TestRepo) -> String {
    hook(repo, "session-start", "");
    for (prompt, path) in [("one", "a.txt"), ("two", "b.txt")] {
        hook(repo, "prompt", &format!(",\"prompt\":\"{prompt}\""));
        repo.write(path, prompt);
        hook(repo, "turn-end", "");
    }
    repo.session(["show", "--json"]).success().json()["id"].as_str().expect("an id").to_owned()
}

#[test]
fn a_fork_at_the_start_of_a_turn_does_not_make_that_turn_foreign_to_its_parent() {
    let repo = TestRepo::new();
    let parent = two_turns(&repo);
    done(&repo, &["fork", "Other", "--at", "turn:2"]);
    done(&repo, &["rewind", "code", "turn:1", "--session", parent.as_str()]);
    assert!(!repo.at("a.txt").exists() && !repo.at("b.txt").exists());
    done(&repo, &["redo", "--session", parent.as_str()]);
    assert_eq!(repo.read("b.txt"), b"two");
}

#[test]
fn the_turns_before_a_fork_are_its_own() {
    let repo = TestRepo::new();
    two_turns(&repo);
    done(&repo, &["fork", "Other"]);
    done(&repo, &["rewind", "code", "1"]);
    assert!(!repo.at("a.txt").exists() && !repo.at("b.txt").exists());
}

//! What names no session and no checkpoint, or more than one: which exit code, which candidates, nothing changed.

use crate::support::hostile::NATIVE;
use crate::support::repo::TestRepo;

#[test]
fn a_session_that_is_not_there_is_not_found_however_it_is_named() {
    let repo = TestRepo::new();
    repo.two_turns();
    let absent = "00000000-0000-4000-8000-000000000000";
    for name in ["nobody", "ffffffff", absent, "sess_19990101_001", "../../x", "\u{1b}[31m", "turn one"] {
        for verb in [&["show", name][..], &["resume", name], &["log", "-s", name], &["save", "-s", name]] {
            let message = repo.fails(verb, 3, "session.not-found");
            assert!(message.contains(name), "{message}");
        }
    }
    repo.fails(&["rewind", "code", "-s", ""], 2, "session.empty");
    repo.fails(&["show", ""], 2, "session.empty");
    repo.fails(&["save", "-s", ""], 2, "session.empty");
    for title in ["", " ", "\n\t"] {
        repo.fails(&["save", title], 2, "title.empty");
    }
}

#[test]
fn a_beginning_that_several_sessions_share_is_ambiguous_and_all_are_named() {
    let repo = TestRepo::new();
    let ids = ["abcd0000-0000-4000-8000-000000000001", "abcd0000-0000-4000-8000-000000000002"];
    for id in ids {
        let fields = serde_json::json!({ "session_id": id, "prompt": format!("about {id}") });
        repo.generic("prompt", fields.clone());
        repo.generic("session-end", fields);
    }
    for prefix in ["a", "abcd", "ABCD0000-0000-4000-8000-00000000000"] {
        let message = repo.fails(&["show", prefix], 4, "session.ambiguous");
        assert!(message.contains("2 sessions"), "{message}");
        let out = repo.session(["show", prefix]);
        assert!(ids.iter().all(|id| out.stderr.contains(&format!("{id}  about"))), "{out}");
    }
    let one = repo.session(["show", ids[0], "--json"]).success().json();
    assert_eq!(one["id"], ids[0]);
    let one = repo.session(["show", &ids[1].to_uppercase(), "--json"]).success().json();
    assert_eq!(one["id"], ids[1]);
}

#[test]
fn a_checkpoint_that_is_not_there_or_no_address_at_all_changes_nothing() {
    let repo = TestRepo::new();
    repo.write("f", "zero");
    repo.two_turns();
    let huge = "99999999999999999999999999";
    for (address, exit, code) in [
        ("99", 3, "checkpoint.not-found"),
        ("0", 3, "checkpoint.not-found"),
        ("#99", 3, "checkpoint.not-found"),
        (huge, 3, "checkpoint.not-found"),
        ("~99", 3, "checkpoint.not-found"),
        ("turn:9", 3, "turn.not-found"),
        ("turn:0", 3, "turn.not-found"),
        ("turn:9.end", 3, "turn.not-found"),
        ("@{3 fortnights ago}", 2, "checkpoint.malformed"),
        ("@{90 weeks ago}", 3, "checkpoint.not-found"),
        ("@{3 years ago}", 3, "checkpoint.not-found"),
        ("deadbeef", 3, "checkpoint.not-found"),
        ("HEAD", 2, "checkpoint.malformed"),
        ("turn:", 2, "checkpoint.malformed"),
        ("turn:x", 2, "checkpoint.malformed"),
        ("turn:-1", 2, "checkpoint.malformed"),
        ("turn:1.start", 2, "checkpoint.malformed"),
        ("turn:99999999999", 2, "checkpoint.malformed"),
        ("~x", 2, "checkpoint.malformed"),
        ("@{", 2, "checkpoint.malformed"),
        ("@{}", 2, "checkpoint.malformed"),
        ("@{99999999999999999999 weeks ago}", 2, "checkpoint.malformed"),
        ("@{99999999999999 weeks ago}", 2, "checkpoint.malformed"),
        ("#", 2, "checkpoint.malformed"),
        ("", 2, "checkpoint.malformed"),
        ("\u{1b}]0;x\u{7}", 2, "checkpoint.malformed"),
        ("../../etc", 2, "checkpoint.malformed"),
    ] {
        for verb in [&["rewind", "code"][..], &["rewind", "chat"], &["rewind", "both"], &["diff"], &["fork", "--at"]] {
            repo.fails(&[verb, &[address, "-s", NATIVE]].concat(), exit, code);
        }
        repo.fails(&["show", NATIVE, "--at", address], exit, code);
    }
}

#[test]
fn a_command_line_that_cannot_be_read_is_usage() {
    let repo = TestRepo::new();
    repo.two_turns();
    for args in [
        &["nonsense"][..],
        &["rewind", "sideways"],
        &["rewind", "code", "--mine", "--all"],
        &["rewind", "code", "2", "--step"],
        &["rewind", "--undo", "code"],
        &["list", "--limit", "many"],
        &["fork", "--no-branch", "--branch", "x"],
        &["completions", "nosuchshell"],
        &["log", "--nope"],
        &["rewind", "chat", "--turns", "0"],
    ] {
        repo.fails(args, 2, "usage");
    }
    repo.fails(&["rewind", "chat", "--turns", "3", "-s", NATIVE], 3, "turn.not-found");
    repo.fails(&["slash", "hello"], 2, "slash.unknown");
    repo.fails(&["slash", "/rewind code \"3"], 2, "slash.quote");
}

#[test]
fn paths_outside_of_the_work_tree_are_refused() {
    let repo = TestRepo::new();
    repo.write("f", "zero");
    repo.two_turns();
    for path in ["../x", "/etc/passwd", ".git/config", "a/../../x", "sub/.git/x", ".GIT/config"] {
        repo.fails(&["rewind", "code", "1", "-s", NATIVE, "--", path], 2, "path.invalid");
    }
}

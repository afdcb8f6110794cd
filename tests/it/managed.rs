//! Files that `enable` manages, and the state file: no move touches them, and `enable` and `disable` take nothing of a person's.

use serde_json::json;

use crate::support::repo::TestRepo;

const LOCAL: &str = ".claude/settings.local.json";
const SHARED: &str = ".claude/settings.json";
const OWN: &str = "{\"permissions\":{}}\n";

fn enable(repo: &TestRepo, more: &[&str]) {
    repo.ask([&["enable", "--agent", "claude-code"][..], more].concat());
}

#[test]
fn a_checkpoint_from_before_enable_is_reached_and_our_files_stay_in_place() {
    for (path, more) in [(LOCAL, &[][..]), (SHARED, &["--shared"]), (".claude/commands/fork.md", &[])] {
        let repo = TestRepo::new();
        repo.write(path, OWN);
        repo.write("f", "1\n");
        repo.ask(["save"]);
        if path.ends_with(".md") {
            repo.remove(path);
        }
        enable(&repo, more);
        repo.write("f", "2\n");
        repo.ask(["save"]);
        let before = repo.read(path);
        assert_ne!(before, OWN.as_bytes(), "{path}: we wrote it");
        for verb in [&["rewind", "code", "1"][..], &["redo"]] {
            let done = repo.ask(verb.iter().copied());
            assert_eq!(done["files"]["written"], json!(["f"]), "{path}: {done:#}");
            assert_eq!(repo.read(path), before, "{path}");
        }
    }
}

#[test]
fn after_disable_a_move_to_when_it_was_enabled_brings_nothing_of_it_back() {
    for (path, more) in [(LOCAL, &[][..]), (SHARED, &["--shared"])] {
        let repo = TestRepo::new();
        repo.write(path, OWN);
        repo.write(".claude/commands/own.md", "my own\n");
        enable(&repo, more);
        repo.write("f", "1\n");
        let session = repo.ask(["save"])["session"].as_str().expect("an id").to_owned();
        repo.ask(["disable"]);
        assert_eq!(repo.read(path), OWN.as_bytes());
        repo.write("f", "2\n");
        repo.write(".claude/commands/own.md", "my own, changed\n");
        let done = repo.ask(["rewind", "code", "1", "-s", &session]);
        assert_eq!((repo.read(path), repo.read("f")), (OWN.as_bytes().to_vec(), b"1\n".to_vec()), "{done:#}");
        assert_eq!(repo.read(".claude/commands/own.md"), b"my own\n", "what is not ours goes with the rest");
        assert!(!repo.at(".claude/commands/rewind.md").exists());
    }
}

#[test]
fn committed_settings_without_our_hooks_are_files_like_any() {
    let repo = TestRepo::new();
    repo.write(SHARED, OWN);
    repo.ask(["save"]);
    repo.write(SHARED, "{}\n");
    repo.ask(["save"]);
    repo.ask(["rewind", "code", "1"]);
    assert_eq!(repo.read(SHARED), OWN.as_bytes());
}

#[test]
fn a_state_file_of_ones_own_is_there_after_disable_as_it_was() {
    for own in ["{\"mine\":1,\"context\":{\"architecture_notes\":\"my own notes\"}}\n", "not JSON at all\n", "{}\n", ""]
    {
        let repo = TestRepo::new();
        repo.write(".session-state.json", own);
        enable(&repo, &[]);
        repo.write("f", "1\n");
        repo.ask(["save"]);
        repo.write("f", "2\n");
        repo.ask(["save"]);
        assert_ne!(repo.read(".session-state.json"), own.as_bytes(), "it shows the session: {own:?}");
        repo.ask(["disable"]);
        assert_eq!(repo.read(".session-state.json"), own.as_bytes(), "{own:?}");
        assert!(!repo.at(".session-state.json.bak").exists(), "{own:?}");
        // And again.
        enable(&repo, &[]);
        repo.write("f", "3\n");
        repo.ask(["save"]);
        repo.ask(["disable"]);
        assert_eq!(repo.read(".session-state.json"), own.as_bytes(), "{own:?}");
    }
}

#[test]
fn what_somebody_wrote_into_the_state_file_meanwhile_is_not_lost_by_disable() {
    let repo = TestRepo::new();
    repo.write(".session-state.json", "{\"mine\":1}\n");
    enable(&repo, &[]);
    repo.write("f", "1\n");
    repo.ask(["save"]);
    let text = String::from_utf8(repo.read(".session-state.json")).expect("text");
    let mut state: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    state["context"]["architecture_notes"] = json!("written meanwhile");
    repo.write(".session-state.json", state.to_string());
    repo.write("f", "2\n");
    repo.ask(["save"]);
    repo.ask(["disable"]);
    let left = String::from_utf8(repo.read(".session-state.json")).expect("text");
    assert!(left.contains("written meanwhile") && left.contains("\"mine\""), "{left}");
}

#[test]
fn a_state_file_that_was_not_there_goes_with_disable() {
    let repo = TestRepo::new();
    enable(&repo, &[]);
    repo.write("f", "1\n");
    repo.ask(["save"]);
    assert!(repo.at(".session-state.json").exists());
    repo.ask(["disable"]);
    assert!(!repo.at(".session-state.json").exists());
}

#[test]
fn no_move_takes_the_state_file_with_it() {
    let repo = TestRepo::new();
    repo.write("f", "1\n");
    repo.write(".session-state.json", "{\"mine\":1}\n");
    repo.ask(["save"]);
    repo.write("f", "2\n");
    repo.write(".session-state.json", "{\"mine\":2}\n");
    repo.ask(["save"]);
    let done = repo.ask(["rewind", "code", "1"]);
    assert_eq!(repo.read(".session-state.json"), b"{\"mine\":2}\n", "{done:#}");
    assert_eq!(done["files"]["kept"], json!([[".session-state.json", "`session enable` manages it"]]), "{done:#}");
}

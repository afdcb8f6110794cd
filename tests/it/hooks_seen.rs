//! Whether an agent's hooks run is looked at, not believed: what the agent drops is not called enabled, what vanished is missed.

use std::fs;

use serde_json::Value;

use crate::support::claude::Claude;
use crate::support::repo::TestRepo;

const SETTINGS: &str = ".claude/settings.local.json";

/// The codes of what `doctor` finds.
fn found(repo: &TestRepo) -> Vec<String> {
    let out = repo.session(["doctor", "--json"]);
    let findings = out.json()["findings"].clone();
    let codes: Vec<String> =
        findings.as_array().expect("a list").iter().map(|f| f["code"].as_str().expect("a code").to_owned()).collect();
    assert_eq!(out.code, Some(i32::from(!codes.is_empty())), "{out}");
    codes
}

fn enabled(repo: &TestRepo) -> Value {
    repo.ask(["status"])["enabled"].clone()
}

#[test]
fn enable_refuses_what_the_agent_drops_and_leaves_it_as_it_was() {
    for (file, text) in [
        (SETTINGS, "{\n  // mine\n  \"env\": {\"A\": \"1\"}\n}\n"),
        (SETTINGS, "{\"hooks\": {}, \"hooks\": {\"Stop\": []}}"),
        (SETTINGS, "{\"hooks\": {\"Stop\": [], \"Stop\": []}}"),
        (SETTINGS, "{\"model\": 5}"),
        (SETTINGS, "{\"permissions\": {\"allow\": \"x\"}}"),
        (SETTINGS, "{\"hooks\": {\"Other\": {}}}"),
        (SETTINGS, "{\"disableAllHooks\": true}"),
        (".claude/settings.json", "{\"disableAllHooks\": true}"),
        ("../home/.claude/settings.json", "{\"disableAllHooks\": true}"),
    ] {
        let repo = TestRepo::new();
        repo.write(file, text);
        for line in [["enable"].as_slice(), &["enable", "--dry-run"]] {
            let error = repo.refused(6, line.iter().copied());
            assert_eq!(error["code"], "agent.settings", "{text}");
            assert!(error["message"].as_str().is_some_and(|m| m.contains("settings")), "{error}");
        }
        assert_eq!(fs::read_to_string(repo.path().join(file)).expect("reads"), text);
        assert!(!repo.at(".claude/commands").exists(), "{text}");
        assert_eq!(enabled(&repo), serde_json::json!([]), "{text}");
    }
}

#[test]
fn enable_takes_commas_out_that_nothing_follows_and_disable_brings_them_back() {
    let repo = TestRepo::new();
    let text = "{\"env\": {\"A\": \"1\",},}\n";
    repo.write(SETTINGS, text);
    let _on = repo.session(["enable"]).success();
    let now = fs::read_to_string(repo.at(SETTINGS)).expect("reads");
    let strict: Value = serde_json::from_str(&now).expect("strict JSON");
    assert_eq!(strict["env"]["A"], "1");
    let _off = repo.session(["disable"]).success();
    assert_eq!(fs::read_to_string(repo.at(SETTINGS)).expect("reads"), text);
}

#[test]
fn a_setting_for_this_project_switches_hooks_on_again() {
    let repo = TestRepo::new();
    repo.write("../home/.claude/settings.json", "{\"disableAllHooks\": true}");
    repo.write(SETTINGS, "{\"disableAllHooks\": false}");
    let _on = repo.session(["enable"]).success();
    assert!(found(&repo).is_empty());
    repo.write(SETTINGS, fs::read_to_string(repo.at(SETTINGS)).expect("reads").replace("false", "true"));
    assert_eq!(found(&repo), ["agent.hooks-idle"]);
    assert_eq!(enabled(&repo), serde_json::json!(["git"]));
}

#[test]
fn doctor_and_status_miss_hooks_that_are_gone() {
    for way in ["clean", "remove", "empty", "comment", "one"] {
        let repo = TestRepo::new();
        let _on = repo.session(["enable"]).success();
        assert!(found(&repo).is_empty());
        assert_eq!(enabled(&repo), serde_json::json!(["claude-code", "git"]));
        let path = repo.at(SETTINGS);
        let text = fs::read_to_string(&path).expect("reads");
        let codes: &[&str] = match way {
            "clean" => {
                repo.git(["clean", "-fdxq"]);
                &["agent.hooks-missing", "agent.files-missing"]
            }
            "remove" => {
                fs::remove_file(&path).expect("removes");
                &["agent.hooks-missing"]
            }
            "empty" => {
                repo.write(SETTINGS, "{}");
                &["agent.hooks-missing"]
            }
            "comment" => {
                repo.write(SETTINGS, format!("// mine\n{text}"));
                &["agent.hooks-idle"]
            }
            _ => {
                repo.write(SETTINGS, text.replace("hook claude-code Stop\"", "other\""));
                &["agent.hooks-idle"]
            }
        };
        assert_eq!(found(&repo), codes, "{way}");
        assert_eq!(enabled(&repo), serde_json::json!(["git"]), "{way}");
        let said = repo.session(["status"]).success();
        assert!(said.stderr.contains("claude-code"), "{way}: {said}");
        if way != "comment" {
            let _on = repo.session(["enable"]).success();
            assert!(found(&repo).is_empty(), "{way}");
        }
    }
}

#[test]
fn it_is_said_when_an_agent_was_last_heard_from() {
    let mut repo = TestRepo::new();
    let _on = repo.session(["enable"]).success();
    repo.sandbox.set("SESSION_TEST_CLOCK", "2026-01-02T08:00:00Z");
    let claude = Claude::new(&repo, "77777777-7777-4777-8777-777777777777");
    claude.turn("p1", "one", "done");
    // What a person saves is no word of the agent.
    repo.sandbox.set("SESSION_TEST_CLOCK", "2026-01-02T18:00:00Z");
    repo.write("f", "x");
    repo.ask(["save"]);
    repo.sandbox.set("SESSION_TEST_CLOCK", "2026-01-05T09:00:00Z");
    let heard = "last heard from claude-code 3 days ago";
    assert!(repo.session(["status"]).success().stdout.contains(heard));
    fs::remove_file(repo.at(SETTINGS)).expect("removes");
    let doctor = repo.session(["doctor"]);
    assert!(doctor.stdout.contains(&format!("not saved any more; {heard}")), "{doctor}");
    assert!(repo.session(["status"]).success().stdout.contains(heard));
}

#[test]
fn a_worktree_in_which_nothing_was_enabled_misses_nothing() {
    let repo = TestRepo::new();
    let _on = repo.session(["enable"]).success();
    repo.git(["worktree", "add", "--quiet", "-b", "side", "../side"]);
    let there = repo.sandbox.path().join("side");
    let repo = repo.moved_to(there);
    assert!(!found(&repo).contains(&"agent.hooks-missing".to_owned()));
}

#[test]
fn outputs_too_large_for_the_transcript_are_stored_byte_for_byte() {
    let repo = TestRepo::new();
    let claude = Claude::new(&repo, "88888888-8888-4888-8888-888888888888");
    let results = claude.transcript().with_extension("").join("tool-results");
    fs::create_dir_all(&results).expect("makes");
    let large = [b"line\n".repeat(120_000), b"\xff\0no end".to_vec()].concat();
    fs::write(results.join("bsw.txt"), &large).expect("writes");
    claude.turn("p1", "one", "done");
    let stored = |name: &str| {
        let tree = format!("{}:chat/{}.result-{name}", repo.session_ref(), claude.id());
        let pieces = repo.git(["ls-tree", "-r", "--object-only", &tree]);
        let blob = |oid: &str| {
            repo.sandbox.command("git", repo.path()).args(["cat-file", "blob", oid]).output().expect("git runs")
        };
        pieces.lines().flat_map(|oid| blob(oid).stdout).collect::<Vec<u8>>()
    };
    assert!(stored("bsw.txt") == large);
    // It is a stream like any other: a later one is added, and what is stored is not stored again.
    fs::write(results.join("toolu_2.json"), "{}").expect("writes");
    let tree = repo.git(["rev-parse", &format!("{}:chat/{}.result-bsw.txt", repo.session_ref(), claude.id())]);
    claude.turn("p2", "two", "done");
    assert_eq!(stored("toolu_2.json"), b"{}");
    assert_eq!(repo.git(["rev-parse", &format!("{}:chat/{}.result-bsw.txt", repo.session_ref(), claude.id())]), tree);
    // Another clone takes the session with them.
    let clone = TestRepo::new();
    clone.git(["remote", "add", "origin", repo.path().to_str().expect("UTF-8")]);
    let pulled = clone.ask(["pull"]);
    assert_eq!(pulled["sessions"][0]["case"], "new", "{pulled}");
}

#[test]
fn a_tool_that_fails_is_saved_at_once_unless_that_is_off() {
    for off in [false, true] {
        let repo = TestRepo::new();
        if off {
            repo.git(["config", "session.autosave.onError", "false"]);
        }
        let claude = Claude::new(&repo, "99999999-9999-4999-8999-999999999999");
        claude.prompt("p1", "one");
        repo.write("half", "done");
        let fields = serde_json::json!({"prompt_id": "p1", "tool_name": "Bash", "tool_input": {"command": "false"},
            "error": "Exit code 1", "is_interrupt": false});
        claude.hook("PostToolUseFailure", &fields);
        claude.hook("PostToolUseFailure", &fields);
        let kinds: &[&str] = if off { &["turn-start"] } else { &["turn-start", "error"] };
        assert_eq!(repo.kinds(), kinds);
    }
}

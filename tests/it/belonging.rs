//! Where an event of an agent is saved: in the repository and worktree of its first prompt, wherever its shell goes, until the
//! agent itself says that its project moved.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::agent::Agent;
use crate::support::repo::{Shape, TestRepo, matrix};

/// Another repository, beside or inside of the first; never enabled.
fn other(repo: &TestRepo, at: &Path) -> PathBuf {
    std::fs::create_dir_all(at).expect("makes the folder");
    let git = |args: &[&str]| assert!(repo.sandbox.command("git", at).args(args).status().expect("starts").success());
    git(&["init", "--quiet"]);
    git(&["commit", "--quiet", "--allow-empty", "--message=first"]);
    at.canonicalize().expect("is there")
}

/// An event of the agent `one` from a folder.
fn event(repo: &TestRepo, cwd: &Path, name: &str, more: Value) {
    let mut payload = json!({"session_id": "one", "cwd": cwd, "prompt": "x", "tool": "t"});
    for (name, value) in more.as_object().expect("an object") {
        payload[name] = value.clone();
    }
    let out = repo.sandbox.session_with_input(cwd, ["hook", "generic", name], payload.to_string().as_bytes()).success();
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("", ""));
}

/// An event of Claude Code, whose transcript lies in the place of a folder.
fn claude(repo: &TestRepo, (cwd, transcripts): (&Path, &Path), name: &str, more: Value) {
    let slug: String =
        transcripts.to_str().expect("UTF-8").chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let transcript = repo.sandbox.home().join(".claude/projects").join(slug).join("one.jsonl");
    let mut payload = json!({"session_id": "one", "cwd": cwd, "transcript_path": transcript, "hook_event_name": name});
    for (name, value) in more.as_object().expect("an object") {
        payload[name] = value.clone();
    }
    drop(repo.sandbox.session_with_input(cwd, ["hook", "claude-code", name], payload.to_string().as_bytes()).success());
}

fn sessions(repo: &TestRepo, at: &Path) -> String {
    let out = repo.sandbox.command("git", at).args(["for-each-ref", "refs/sessions"]).output().expect("starts");
    String::from_utf8(out.stdout).expect("UTF-8")
}

fn files(repo: &TestRepo, checkpoint: &Value) -> String {
    repo.git(["ls-tree", "-r", "--name-only", checkpoint["commit"].as_str().expect("an id")])
}

#[test]
fn wherever_the_agents_shell_goes_its_turns_are_saved_where_they_began() {
    for shape in matrix() {
        let repo = TestRepo::of_shape(shape);
        let top = repo.path().canonicalize().expect("is there");
        repo.git(["worktree", "add", "--quiet", "-b", "beside", "../beside"]);
        repo.git(["worktree", "add", "--quiet", "-b", "inside", "inside"]);
        let sandbox = repo.sandbox.path().canonicalize().expect("is there");
        let vendor = other(&repo, &top.join("vendor"));
        let sibling = other(&repo, &sandbox.join("sibling"));
        let plain = sandbox.join("plain");
        std::fs::create_dir(&plain).expect("makes it");
        let gone = sandbox.join("gone");
        let places = [vendor.clone(), sibling.clone(), sandbox.join("beside"), top.join("inside"), plain];
        event(&repo, &top, "prompt", json!({}));
        event(&repo, &top, "turn-end", json!({}));
        for (at, place) in places.iter().enumerate() {
            let name = format!("f{at}");
            event(&repo, place, "prompt", json!({}));
            repo.write(&name, "x");
            std::fs::write(place.join("not-ours"), "x").expect("writes");
            event(&repo, place, "turn-end", json!({}));
            let saved = repo.checkpoints();
            let end = saved.last().expect("some");
            assert_eq!((&end["kind"], &end["turn"]), (&json!("turn-end"), &json!(at + 2)), "{place:?} {shape:?}");
            let files = files(&repo, end);
            assert!(files.contains(&name) && !files.contains("not-ours"), "{place:?} {shape:?}: {files}");
        }
        // A folder that is gone has no repository to be found from.
        std::fs::create_dir(&gone).expect("makes it");
        let payload = json!({"session_id": "one", "cwd": gone, "prompt": "x"}).to_string();
        std::fs::remove_dir(&gone).expect("removes");
        drop(repo.sandbox.session_with_input(&top, ["hook", "generic", "prompt"], payload.as_bytes()).success());
        assert_eq!(repo.checkpoints().last().expect("some")["turn"], json!(places.len() + 2));
        for never in [&vendor, &sibling] {
            assert_eq!(sessions(&repo, never), "", "{shape:?}");
            assert!(!never.join(".git/session").exists(), "{never:?}");
        }
        assert_eq!(repo.hook_log(), "");
        repo.assert_sound();
    }
}

#[test]
fn a_line_typed_while_the_shell_is_elsewhere_means_the_project() {
    let repo = TestRepo::new();
    let top = repo.path().canonicalize().expect("is there");
    let vendor = other(&repo, &top.join("vendor"));
    event(&repo, &top, "prompt", json!({}));
    repo.write("f", "x");
    event(&repo, &vendor, "turn-end", json!({}));
    let payload = json!({"session_id": "one", "cwd": vendor, "prompt": "/rewind code turn:1"}).to_string();
    let out = repo.sandbox.session_with_input(&vendor, ["hook", "generic", "prompt"], payload.as_bytes()).success();
    assert!(out.stdout.contains("Rewound"), "{out}");
    assert!(!repo.at("f").exists());
    assert_eq!(sessions(&repo, &vendor), "");
}

#[test]
fn the_agents_project_variable_says_where_the_first_prompt_belongs() {
    let mut repo = TestRepo::new();
    let top = repo.path().canonicalize().expect("is there");
    let vendor = other(&repo, &top.join("vendor"));
    repo.sandbox.set("CLAUDE_PROJECT_DIR", top.as_os_str());
    claude(&repo, (&vendor, &top), "UserPromptSubmit", json!({"prompt": "one", "prompt_id": "p1"}));
    repo.write("f", "x");
    claude(&repo, (&vendor, &top), "Stop", json!({"prompt_id": "p1"}));
    assert_eq!(repo.kinds(), ["turn-start", "turn-end"]);
    assert_eq!(sessions(&repo, &vendor), "");
}

#[test]
fn a_worktree_that_the_agent_enters_in_a_turn_is_saved_apart_from_the_one_that_it_leaves() {
    for ref_format in ["files", "reftable"] {
        let mut repo = TestRepo::of_shape(Shape { ref_format, ..Shape::PLAIN });
        let top = repo.path().canonicalize().expect("is there");
        repo.sandbox.set("CLAUDE_PROJECT_DIR", top.as_os_str());
        repo.git(["worktree", "add", "--quiet", "-b", "w", ".claude/worktrees/w"]);
        let inner = top.join(".claude/worktrees/w");
        claude(&repo, (&top, &top), "UserPromptSubmit", json!({"prompt": "one", "prompt_id": "p1"}));
        repo.write("before", "x");
        let entered = json!({"tool_name": "EnterWorktree", "tool_input": {"name": "w"}, "prompt_id": "p1"});
        claude(&repo, (&inner, &inner), "PostToolUse", entered);
        std::fs::write(inner.join("within"), "x").expect("writes");
        // A shell that goes on from there moves nothing.
        claude(&repo, (&top, &inner), "Stop", json!({"prompt_id": "p1"}));
        let saved = repo.ask(["log", "-s", "latest"])["checkpoints"].as_array().expect("a list").clone();
        let told: Vec<(&str, String)> =
            saved.iter().rev().map(|c| (c["kind"].as_str().expect("a word"), files(&repo, c))).collect();
        let wanted = [("turn-start", ""), ("tool", "before"), ("save", ""), ("turn-end", "within")];
        assert_eq!(told.iter().map(|(kind, files)| (*kind, files.as_str())).collect::<Vec<_>>(), wanted);
        // In the worktree that was entered the turn's files are its own.
        let rewound = repo.sandbox.session(&inner, ["rewind", "code", "--json"]).success().json();
        assert_eq!(rewound["files"]["deleted"], json!(["within"]));
        assert!(repo.at("before").exists());
        // It leaves again, and the next turn is the project's.
        claude(&repo, (&top, &top), "UserPromptSubmit", json!({"prompt": "two", "prompt_id": "p2"}));
        repo.write("after", "x");
        claude(&repo, (&top, &top), "Stop", json!({"prompt_id": "p2"}));
        let last = repo.checkpoints().pop().expect("some");
        assert_eq!(files(&repo, &last), "after\nbefore");
        repo.assert_sound();
    }
}

#[test]
fn a_project_that_the_agent_changes_goes_on_there_and_ends_here() {
    let mut repo = TestRepo::new();
    let top = repo.path().canonicalize().expect("is there");
    let elsewhere = other(&repo, &repo.sandbox.path().canonicalize().expect("there").join("elsewhere"));
    repo.sandbox.set("CLAUDE_PROJECT_DIR", top.as_os_str());
    claude(&repo, (&top, &top), "UserPromptSubmit", json!({"prompt": "one", "prompt_id": "p1"}));
    repo.write("f", "x");
    // `/cd` fires no hook; the next prompt tells by where the transcript lies.
    claude(&repo, (&elsewhere, &elsewhere), "UserPromptSubmit", json!({"prompt": "two", "prompt_id": "p2"}));
    claude(&repo, (&elsewhere, &elsewhere), "Stop", json!({"prompt_id": "p2"}));
    assert_eq!(repo.kinds(), ["turn-start", "turn-end"]);
    assert_eq!(sessions(&repo, &elsewhere).lines().count(), 1);
    // Resumed in the first one: it says so at its start, though its transcript stays.
    claude(&repo, (&top, &elsewhere), "SessionStart", json!({"source": "resume"}));
    claude(&repo, (&top, &elsewhere), "UserPromptSubmit", json!({"prompt": "three", "prompt_id": "p3"}));
    claude(&repo, (&top, &elsewhere), "Stop", json!({"prompt_id": "p3"}));
    assert_eq!(repo.kinds().len(), 4);
    // A compaction begins nothing anew, wherever the shell is.
    claude(&repo, (&elsewhere, &elsewhere), "SessionStart", json!({"source": "compact"}));
    claude(&repo, (&top, &elsewhere), "UserPromptSubmit", json!({"prompt": "four", "prompt_id": "p4"}));
    assert_eq!(repo.kinds().len(), 5);
}

#[test]
fn what_tools_wrote_elsewhere_is_said_by_show_and_rewind() {
    let repo = TestRepo::new();
    let top = repo.path().canonicalize().expect("is there");
    let vendor = other(&repo, &top.join("vendor"));
    let agent = Agent::new(&repo, "one");
    agent.prompt("one");
    repo.write("in", "x");
    std::fs::write(vendor.join("x"), "x").expect("writes");
    agent.tool(&["vendor/x"]);
    agent.tool(&["../beside/y", "in"]);
    agent.end();
    let outside = json!(["../beside/y", "vendor/x"]);
    assert_eq!(repo.ask(["show"])["turn_list"][0]["outside"], outside);
    let line = "also wrote outside of this work tree: ../beside/y, vendor/x (not taken back)";
    let shown = repo.session(["show"]).success();
    assert!(shown.stdout.contains(line), "{shown}");
    let dry = repo.session(["rewind", "code", "--dry-run"]).success();
    assert!(dry.to_string().contains(line), "{dry}");
    assert_eq!(repo.ask(["rewind", "code", "--dry-run"])["outside"], outside);
    assert_eq!(repo.ask(["revert", "1", "--dry-run"])["outside"], outside);
    let answer = agent.hook("prompt", &json!({"prompt": "/rewind code turn:1"}));
    assert!(answer.contains(line), "{answer}");
    assert!(vendor.join("x").exists());
    assert_eq!(repo.ask(["redo"]).get("outside"), None);
}

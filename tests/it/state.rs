//! `.session-state.json` (SR01-SR13, SR19, SR25, SR30, SR31): what a reader finds in it after what an agent did, and what
//! becomes of values that somebody set.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::agent::Agent;
use crate::support::repo::TestRepo;

const FILE: &str = ".session-state.json";
const EXAMPLE: &str = include_str!("../fixtures/session-resume/session-state.json");
const NATIVE: &str = "7c1f0a52-3c4e-4d52-9a61-0f1e2d3c4b5a";

/// A repository with one file, enabled where `enabled`.
fn repo(enabled: bool) -> TestRepo {
    let repo = TestRepo::new();
    repo.write("src/lib.rs", "pub fn add(a: i32, b: i32) -> i32 { a - b }\n");
    repo.commit("base");
    if enabled {
        repo.ask(["enable"]);
    }
    repo
}

#[track_caller]
fn file(repo: &TestRepo) -> Value {
    let text = String::from_utf8(repo.read(FILE)).expect("UTF-8");
    assert!(text.ends_with("}\n") && text.starts_with("{\n  \"session_id\""), "{text}");
    serde_json::from_str(&text).expect("JSON")
}

fn shown(repo: &TestRepo) -> Value {
    repo.ask(["state", "show"])["state"].take()
}

fn edit(repo: &TestRepo, with: impl FnOnce(&mut Value)) {
    let mut value = file(repo);
    with(&mut value);
    repo.write(FILE, serde_json::to_vec_pretty(&value).expect("writes"));
}

/// Keys of an object, in order.
fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// Claude Code as its hooks and its transcript show it.
struct Claude<'r> {
    repo: &'r TestRepo,
    transcript: PathBuf,
    lines: std::cell::Cell<u32>,
}

impl<'r> Claude<'r> {
    fn new(repo: &'r TestRepo) -> Self {
        let folder = repo.sandbox.home().join(".claude/projects/-p");
        fs::create_dir_all(&folder).expect("makes the folder");
        let transcript = folder.join(format!("{NATIVE}.jsonl"));
        fs::write(&transcript, "").expect("writes");
        Self { repo, transcript, lines: std::cell::Cell::new(0) }
    }

    fn hook(&self, event: &str, mut payload: Value) {
        payload["session_id"] = NATIVE.into();
        payload["cwd"] = self.repo.path().to_str().into();
        payload["transcript_path"] = self.transcript.to_str().into();
        payload["hook_event_name"] = event.into();
        let input = payload.to_string().into_bytes();
        let out = self.repo.sandbox.session_with_input(self.repo.path(), ["hook", "claude-code", event], &input);
        let _said_nothing_of_errors = out.success();
        assert_eq!(self.repo.hook_log(), "", "{event}");
    }

    fn line(&self, kind: &str, content: Value) {
        let n = self.lines.get();
        self.lines.set(n + 1);
        let parent = n.checked_sub(1).map(|n| format!("u{n}"));
        let line = json!({"parentUuid": parent, "uuid": format!("u{n}"), "isSidechain": false, "type": kind,
            "message": {"role": kind, "content": content}, "cwd": self.repo.path(), "sessionId": NATIVE});
        let mut text = fs::read_to_string(&self.transcript).expect("reads");
        text.push_str(&format!("{line}\n"));
        fs::write(&self.transcript, text).expect("writes");
    }

    fn prompt(&self, text: &str) {
        self.hook("UserPromptSubmit", json!({"prompt": text}));
        self.line("user", text.into());
    }

    fn tool(&self, name: &str, input: Value, said: &str, failed: bool) {
        let id = format!("t{}", self.lines.get());
        self.line("assistant", json!([{"type": "tool_use", "id": id, "name": name, "input": input}]));
        self.line("user", json!([{"type": "tool_result", "tool_use_id": id, "content": said, "is_error": failed}]));
    }

    fn todos(&self, items: &[(&str, &str)]) {
        let items: Vec<Value> =
            items.iter().map(|(c, s)| json!({"content": c, "status": s, "activeForm": c})).collect();
        self.tool("TodoWrite", json!({"todos": items}), "Todos have been modified", false);
    }

    fn test(&self, said: &str, failed: bool) {
        self.tool("Bash", json!({"command": "cargo test"}), said, failed);
    }

    fn fix(&self, text: &str) {
        self.repo.write("src/lib.rs", text);
        self.tool("Edit", json!({"file_path": self.repo.at("src/lib.rs")}), "updated", false);
    }

    fn stop(&self) {
        self.line("assistant", json!([{"type": "text", "text": "Done."}]));
        self.hook("Stop", json!({}));
    }
}

const RED: &str = "Exit code 101\n     Running unittests src/lib.rs (target/debug/deps/x-1)\n\nrunning 2 tests\ntest tests::one ... ok\ntest tests::adds ... FAILED\n\nfailures:\n\n---- tests::adds stdout ----\n\nthread 'tests::adds' (12) panicked at src/lib.rs:7:9:\nassertion `left == right` failed\n  left: -1\n right: 3\n\ntest result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\nerror: test failed, to rerun pass `--lib`\n";
const GREEN: &str = "     Running unittests src/lib.rs (target/debug/deps/x-1)\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n";

#[test]
fn the_file_tells_what_an_agent_did() {
    let repo = repo(true);
    let claude = Claude::new(&repo);
    claude.prompt("Make add() add, and test it");
    claude.todos(&[("find the fault", "in_progress"), ("fix it", "pending"), ("write docs", "pending")]);
    claude.test(RED, true);
    repo.write("notes.md", "n\n");
    claude.stop();
    let red = file(&repo);
    let order = [
        "session_id",
        "project",
        "timestamp",
        "duration_minutes",
        "objectives",
        "progress",
        "files",
        "errors",
        "tests",
        "todos",
        "context",
        "next_prompts",
        "git_diff",
    ];
    assert_eq!(keys(&red), order);
    assert_eq!(red["session_id"], "sess_20260102_001");
    assert_eq!(red["project"], "repo");
    assert_eq!(
        red["objectives"],
        json!({"primary": "Make add() add, and test it", "secondary": [], "status": "in-progress"})
    );
    assert_eq!(red["progress"], json!({"completed": [], "in_progress": ["find the fault"], "blocked": []}));
    assert_eq!(red["todos"], json!(["find the fault", "fix it", "write docs"]));
    assert_eq!(red["files"], json!({"created": ["notes.md"], "modified": [], "deleted": []}));
    assert_eq!(red["tests"], json!({"passing": 1, "failing": 1, "failed_paths": ["src/lib.rs:tests::adds"]}));
    let open = &red["errors"]["unresolved"];
    assert_eq!(keys(&open[0]), ["file", "line", "error", "attempts", "fingerprint"]);
    assert_eq!(
        (&open[0]["file"], &open[0]["line"], &open[0]["attempts"]),
        (&json!("src/lib.rs"), &json!(7), &json!(1))
    );
    assert_eq!(open[0]["error"], "assertion `left == right` failed");
    let fingerprint = open[0]["fingerprint"].as_str().expect("a text");
    assert!(fingerprint.starts_with("v1:") && fingerprint.len() == 19, "{fingerprint}");
    let next = [
        "Continue: find the fault",
        "Fix the error in src/lib.rs line 7: assertion `left == right` failed",
        "Run the failing tests and fix them: cargo test",
    ];
    assert_eq!(red["next_prompts"], json!(next));

    claude.prompt("go on");
    claude.test(RED, true);
    claude.fix("pub fn add(a: i32, b: i32) -> i32 { a + b }\n");
    claude.test(GREEN, false);
    claude.todos(&[("find the fault", "completed"), ("fix it", "completed"), ("write docs", "pending")]);
    claude.stop();
    let green = file(&repo);
    assert_eq!(green["objectives"]["primary"], red["objectives"]["primary"]);
    assert_eq!(green["progress"]["completed"], json!(["find the fault", "fix it"]));
    assert_eq!(green["errors"]["unresolved"], json!([]));
    let resolved = json!([{"file": "src/lib.rs", "error": "assertion `left == right` failed",
        "resolution": "edited src/lib.rs", "fingerprint": fingerprint}]);
    assert_eq!(green["errors"]["resolved"], resolved);
    assert_eq!(green["tests"], json!({"passing": 2, "failing": 0, "failed_paths": []}));
    assert_eq!(green["files"], json!({"created": ["notes.md"], "modified": ["src/lib.rs"], "deleted": []}));
    assert_eq!(green["next_prompts"], json!(["Start: write docs"]));
    let diff = &green["git_diff"];
    assert_eq!(diff["stat"], "2 files changed, 2 insertions(+), 1 deletion(-)");
    let first = repo.checkpoints()[0]["commit"].clone();
    assert_eq!(diff["base"], first, "the first checkpoint's code");
    let tip = format!("{}^", repo.session_ref());
    let patch = repo.git(["diff", "--no-ext-diff", "--no-renames", first.as_str().expect("an id"), &tip]);
    let without_ids =
        |text: &str| text.lines().filter(|l| !l.starts_with("index ")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(without_ids(diff["patch"].as_str().expect("a text")), without_ids(&patch));

    // The file is nobody's business but ours.
    assert_eq!(repo.git(["status", "--porcelain"]), " M src/lib.rs\n?? notes.md");
    assert!(!repo.git(["ls-tree", "-r", "--name-only", &tip]).contains(FILE));
    assert_eq!(shown(&repo), green);
    repo.assert_sound();
}

#[test]
fn a_state_that_says_the_same_is_no_news() {
    let repo = repo(true);
    let claude = Claude::new(&repo);
    claude.prompt("one");
    claude.test(RED, true);
    claude.stop();
    let (count, bytes) = (repo.checkpoints().len(), repo.read(FILE));
    repo.ask(["save"]);
    repo.ask(["save"]);
    claude.hook("SessionEnd", json!({"reason": "other"}));
    assert_eq!(repo.checkpoints().len(), count, "{:?}", repo.kinds());
    assert_eq!(repo.read(FILE), bytes);
}

#[test]
fn before_enable_the_file_is_written_only_when_asked_for() {
    let repo = repo(false);
    Agent::new(&repo, "a").turn("one", "f", "1");
    assert!(!repo.at(FILE).exists());
    repo.ask(["save", "--state"]);
    assert_eq!(file(&repo)["files"]["created"], json!(["f"]));
    assert_eq!(repo.git(["status", "--porcelain"]), "?? f");
    repo.write("g", "2");
    repo.ask(["save"]);
    assert_eq!(file(&repo)["files"]["created"], json!(["f"]), "left as it was");
    repo.ask(["state", "export"]);
    assert_eq!(file(&repo)["files"]["created"], json!(["f", "g"]));
}

#[test]
fn the_configuration_decides_whether_the_file_and_the_patch_are_written() {
    let repo = repo(true);
    repo.git(["config", "session.state.writeFile", "false"]);
    repo.ask(["save"]);
    assert!(!repo.at(FILE).exists());
    repo.git(["config", "session.state.writeFile", "true"]);
    repo.git(["config", "session.state.includeGitDiff", "false"]);
    repo.git(["config", "session.state.file", "notes/state.json"]);
    repo.write("f", "1");
    repo.ask(["save"]);
    let written: Value = serde_json::from_slice(&repo.read("notes/state.json")).expect("JSON");
    assert!(written.get("git_diff").is_none() && !repo.at(FILE).exists());
    assert_eq!(repo.git(["status", "--porcelain"]), "?? f");
}

#[test]
fn a_path_that_leaves_the_work_tree_is_refused_and_costs_no_checkpoint() {
    let repo = repo(true);
    for path in ["../state.json", "/tmp/state.json", ".git/state.json", "a/../../x"] {
        repo.git(["config", "session.state.file", path]);
        assert_eq!(repo.refused(6, ["state", "export"])["code"], "state.path", "{path}");
    }
    repo.write("f", "1");
    let saved = repo.ask(["save"]);
    assert_eq!(saved["saved"], true);
    assert!(saved["notices"][0].as_str().expect("a notice").contains("session.state.file"), "{saved:#}");
    repo.git(["config", "session.state.file", "link/state.json"]);
    let outside = repo.sandbox.path().join("outside");
    fs::create_dir(&outside).expect("makes it");
    repo.symlink("link", outside.as_os_str().as_encoded_bytes());
    assert_eq!(repo.refused(6, ["state", "export"])["code"], "state.path");
    assert_eq!(fs::read_dir(&outside).expect("lists").count(), 0);
}

#[test]
fn what_is_set_wins_and_survives_until_it_is_given_back() {
    let repo = repo(true);
    let claude = Claude::new(&repo);
    claude.prompt("one");
    claude.todos(&[("a", "pending")]);
    claude.stop();
    repo.ask(["state", "set", "objectives.primary", "mine"]);
    repo.ask(["state", "set", "todos", "[\"x\", \"y\"]"]);
    let patch = br#"{"context":{"key_decisions":["bcrypt"]},"mood":"good"}"#;
    let out = repo.sandbox.session_with_input(repo.path(), ["--json", "state", "set", "-"], patch).success().json();
    assert_eq!(out["set"]["todos"], json!(["x", "y"]));
    claude.prompt("two");
    claude.todos(&[("a", "completed"), ("b", "pending")]);
    claude.stop();
    let state = file(&repo);
    assert_eq!(state["objectives"]["primary"], "mine");
    assert_eq!((&state["todos"], &state["mood"]), (&json!(["x", "y"]), &json!("good")));
    assert_eq!(state["context"]["key_decisions"], json!(["bcrypt"]));
    assert_eq!(state["progress"]["completed"], json!(["a"]), "what nobody set goes on");
    repo.ask(["state", "set", "todos", "null"]);
    assert_eq!(file(&repo)["todos"], json!(["b"]));
    for (args, code) in [
        (["state", "set", "todos", "x"], "state.invalid"),
        (["state", "set", "files", "{}"], "state.derived"),
        (["state", "set", "objectives.status", "finished"], "state.status"),
    ] {
        assert_eq!(repo.refused(2, args)["code"], code);
    }
}

#[test]
fn an_edited_file_is_taken_in_before_it_is_written_again() {
    let repo = repo(true);
    let claude = Claude::new(&repo);
    claude.prompt("one");
    claude.todos(&[("a", "pending")]);
    claude.stop();
    edit(&repo, |state| {
        state["context"]["architecture_notes"] = "three floors".into();
        state["next_prompts"] = json!(["do that"]);
        state["timestamp"] = "1999-01-01T00:00:00Z".into();
        state["mine"] = json!({"deep": [1]});
    });
    claude.prompt("two");
    claude.todos(&[("a", "completed"), ("b", "pending")]);
    claude.stop();
    let state = file(&repo);
    assert_eq!(state["context"]["architecture_notes"], "three floors");
    assert_eq!((&state["next_prompts"], &state["mine"]), (&json!(["do that", "Start: b"]), &json!({"deep": [1]})));
    assert_eq!(state["todos"], json!(["b"]), "what was not edited goes on");
    assert!(state["timestamp"].as_str().expect("a time").starts_with("2026-"), "a fact is no opinion");
    edit(&repo, |state| drop(state.as_object_mut().expect("an object").remove("next_prompts")));
    repo.ask(["save"]);
    assert_eq!(file(&repo)["next_prompts"], json!(["Start: b"]), "what is taken out is derived again");
}

#[test]
fn next_prompts_that_somebody_set_come_first_and_the_derived_ones_follow() {
    let repo = repo(true);
    let claude = Claude::new(&repo);
    claude.prompt("one");
    claude.todos(&[("a", "in_progress"), ("b", "pending")]);
    claude.stop();
    assert_eq!(file(&repo)["next_prompts"], json!(["Continue: a"]));
    let out = repo.ask(["state", "set", "next_prompts", "[\"ask for a review\"]"]);
    assert_eq!(out["set"]["next_prompts"], json!(["ask for a review"]));
    assert_eq!(file(&repo)["next_prompts"], json!(["ask for a review", "Continue: a"]));

    // An agent that writes the whole file again, with one more: what was derived stays derived.
    edit(&repo, |state| {
        state["next_prompts"] = json!(["ask for a review", "Continue: a", "write the release notes"]);
    });
    claude.prompt("two");
    claude.todos(&[("a", "completed"), ("b", "in_progress")]);
    claude.stop();
    let expected = json!(["ask for a review", "write the release notes", "Continue: b"]);
    assert_eq!(file(&repo)["next_prompts"], expected, "what was derived is not stuck");
    let set = json!(["ask for a review", "write the release notes"]);
    assert_eq!(repo.ask(["state", "show"])["set"]["next_prompts"], set);

    // Other edits, and saves without any, change nothing of it.
    edit(&repo, |state| state["context"]["architecture_notes"] = "x".into());
    repo.ask(["save"]);
    repo.ask(["save"]);
    assert_eq!(file(&repo)["next_prompts"], expected);
    assert_eq!(repo.ask(["state", "show"])["set"]["next_prompts"], set);

    // Without those that were set, and given back.
    edit(&repo, |state| state["next_prompts"] = json!(["write the release notes", "Continue: b"]));
    repo.ask(["save"]);
    assert_eq!(repo.ask(["state", "show"])["set"]["next_prompts"], json!(["write the release notes"]));
    edit(&repo, |state| state["next_prompts"] = json!(["Continue: b"]));
    repo.ask(["save"]);
    assert_eq!(file(&repo)["next_prompts"], json!(["Continue: b"]));
    assert!(repo.ask(["state", "show"])["set"].get("next_prompts").is_none());
}

#[test]
fn an_invalid_file_is_kept_and_named() {
    let repo = repo(true);
    repo.ask(["save"]);
    for bad in [&b"{\"todos\": "[..], b"[]", b"{\"todos\": \"one\"}"] {
        repo.write(FILE, bad);
        let saved = repo.session(["save"]).success();
        assert!(saved.stderr.contains(".session-state.json.bak"), "{saved}");
        assert_eq!(repo.read(format!("{FILE}.bak")), bad);
        assert_eq!(file(&repo)["project"], "repo");
    }
    repo.write(FILE, "{");
    let agent = Agent::new(&repo, "a");
    let payload = json!({"session_id": "a", "cwd": repo.path(), "prompt": "one"}).to_string();
    let out = repo.sandbox.session_with_input(repo.path(), ["hook", "generic", "prompt"], payload.as_bytes()).success();
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("", ""));
    assert!(repo.hook_log().contains(".session-state.json.bak"), "{}", repo.hook_log());
    drop(agent);
    assert_eq!(repo.git(["status", "--porcelain"]), "");
}

#[test]
fn a_tracked_file_is_written_only_when_asked_for() {
    let repo = TestRepo::new();
    repo.write(FILE, "{\"mine\": 1}\n");
    repo.commit("theirs");
    repo.ask(["enable"]);
    Agent::new(&repo, "a").turn("one", "f", "1");
    repo.ask(["save"]);
    assert_eq!(repo.read(FILE), b"{\"mine\": 1}\n");
    repo.ask(["state", "export"]);
    assert_eq!((&file(&repo)["mine"], &file(&repo)["files"]["created"]), (&json!(1), &json!(["f"])));
}

#[test]
fn the_patch_is_cut_and_binary_content_named() {
    let repo = repo(true);
    repo.ask(["save"]);
    repo.write("a.bin", b"\0\x01\x02");
    repo.write("big.txt", "0123456789abcde\n".repeat(8 * 1024));
    repo.write("z.txt", "z\n");
    repo.ask(["save"]);
    let diff = file(&repo)["git_diff"].take();
    let patch = diff["patch"].as_str().expect("a text");
    assert!(patch.len() <= 64 * 1024 && patch.len() > 60 * 1024, "{}", patch.len());
    assert!(patch.contains("Binary files /dev/null and b/a.bin differ"));
    assert!(patch.ends_with("# cut at 64 KiB: 1 of 3 files in full; `session diff` shows all\n"));
    assert_eq!(diff["stat"], "3 files changed, 8193 insertions(+)");
}

#[test]
fn the_example_goes_in_and_comes_out_byte_for_byte() {
    let repo = repo(false);
    repo.git(["config", "session.state.includeGitDiff", "false"]);
    let example = repo.sandbox.path().join("example.json");
    fs::write(&example, EXAMPLE).expect("writes");
    repo.ask(["state", "import", example.to_str().expect("UTF-8")]);
    assert_eq!(repo.session(["state", "export", "-"]).success().stdout, EXAMPLE);
    repo.ask(["state", "export", "out.json"]);
    assert_eq!(repo.read("out.json"), EXAMPLE.as_bytes());
    // The next save tells its own label, times and files, and all else as it was.
    repo.ask(["save"]);
    let state = shown(&repo);
    assert_eq!(state["session_id"], "sess_20260102_001");
    assert_eq!(state["files"]["created"], json!(["out.json"]));
    let example: Value = serde_json::from_str(EXAMPLE).expect("JSON");
    for key in ["project", "objectives", "progress", "errors", "tests", "todos", "context"] {
        assert_eq!(state[key], example[key], "{key}");
    }
    let prompts = |state: &Value| state["next_prompts"].as_array().expect("a list").clone();
    let (told, set) = (prompts(&state), prompts(&example));
    assert_eq!(told[..set.len()], set, "the example's own come first");
    assert_eq!(told.len(), 5, "what is derived from the rest follows: {told:?}");
    assert_eq!(repo.refused(2, ["state", "import", "src/lib.rs"])["code"], "state.invalid");
}

#[test]
fn clear_empties_the_state_and_keeps_files_and_history() {
    let repo = repo(true);
    let claude = Claude::new(&repo);
    claude.prompt("one");
    claude.todos(&[("a", "pending")]);
    claude.test(RED, true);
    repo.write("f", "1");
    claude.stop();
    repo.ask(["state", "set", "context.key_decisions", "[\"x\"]"]);
    let before = file(&repo);
    let out = repo.ask(["state", "clear"]);
    let state = file(&repo);
    assert_eq!(state["objectives"], json!({"primary": "", "secondary": [], "status": "not-started"}));
    assert_eq!(
        (&state["todos"], &state["errors"]["unresolved"], &state["next_prompts"]),
        (&json!([]), &json!([]), &json!([]))
    );
    assert_eq!((&state["files"]["created"], &state["context"]["key_decisions"]), (&json!([]), &json!([])));
    assert_eq!(repo.read("f"), b"1");
    let kept = format!("{}^2:state.json", repo.session_ref());
    let kept: Value = serde_json::from_str(&repo.git(["show", &kept])).expect("JSON");
    assert_eq!(kept["state"]["todos"], before["todos"]);
    assert_eq!(out["set"], json!({}));
    claude.prompt("something else");
    claude.stop();
    assert_eq!(file(&repo)["objectives"]["primary"], "something else");
}

#[test]
fn a_chat_rewind_takes_the_state_back_and_leaves_what_was_set() {
    let repo = repo(true);
    let claude = Claude::new(&repo);
    claude.prompt("one");
    claude.todos(&[("a", "in_progress")]);
    claude.stop();
    claude.prompt("two");
    claude.todos(&[("a", "completed"), ("b", "pending")]);
    claude.test(RED, true);
    claude.stop();
    repo.ask(["state", "set", "context.key_decisions", "[\"x\"]"]);
    let before = shown(&repo);
    repo.ask(["rewind", "chat", "turn:2"]);
    let state = file(&repo);
    assert_eq!(state["todos"], json!(["a"]));
    assert_eq!((&state["errors"]["unresolved"], &state["tests"]["failing"]), (&json!([]), &json!(0)));
    assert_eq!(state["context"]["key_decisions"], json!(["x"]));
    repo.ask(["redo"]);
    let after = file(&repo);
    for key in ["todos", "errors", "tests", "context", "progress"] {
        assert_eq!(after[key], before[key], "{key}");
    }
}

#[test]
fn a_fork_goes_on_with_the_state_and_counts_its_own_files() {
    let repo = repo(true);
    let claude = Claude::new(&repo);
    claude.prompt("one");
    claude.todos(&[("a", "in_progress")]);
    repo.write("f", "1");
    claude.stop();
    repo.ask(["state", "set", "context.key_decisions", "[\"x\"]"]);
    repo.ask(["fork", "another way"]);
    let state = shown(&repo);
    assert_eq!(state["session_id"], "sess_20260102_002");
    assert_eq!((&state["todos"], &state["context"]["key_decisions"]), (&json!(["a"]), &json!(["x"])));
    assert_eq!(state["files"]["created"], json!([]));
    repo.write("g", "1");
    repo.ask(["save"]);
    assert_eq!(shown(&repo)["files"]["created"], json!(["g"]));
}

#[test]
fn the_next_session_can_still_read_what_the_last_one_left() {
    let repo = repo(true);
    let first = Agent::new(&repo, "a");
    first.turn("one", "f", "1");
    first.leave();
    let left = file(&repo);
    let second = Agent::new(&repo, "b");
    second.start();
    second.prompt("two");
    assert_eq!(file(&repo), left);
    second.end();
    assert_ne!(file(&repo)["session_id"], left["session_id"]);
}

#[test]
fn disable_takes_the_file_and_its_lines_back() {
    let repo = repo(false);
    let exclude = repo.git(["rev-parse", "--path-format=absolute", "--git-path", "info/exclude"]);
    let (before, listing) = (fs::read(&exclude).ok(), repo.listing());
    repo.ask(["enable"]);
    repo.ask(["save"]);
    assert!(repo.at(FILE).exists());
    repo.ask(["disable"]);
    assert_eq!((fs::read(&exclude).ok(), repo.listing()), (before, listing));
}

#[test]
fn a_recording_of_claude_code_gives_its_prompt_and_its_failed_command() {
    let repo = repo(true);
    let claude = Claude::new(&repo);
    let tape =
        include_str!("../fixtures/claude-code/subagent-and-failing-tool/f375baaa-84a9-41b8-97fd-3251e57737bb.jsonl");
    claude.hook("UserPromptSubmit", json!({"prompt": "first prompt"}));
    let here = repo.path().to_str().expect("UTF-8");
    fs::write(&claude.transcript, tape.replace("/home/dev/code/claude", here)).expect("writes");
    repo.write("notes.txt", "hello\nthere");
    claude.hook("Stop", json!({}));
    let state = file(&repo);
    assert_eq!(state["objectives"], json!({"primary": "first prompt", "secondary": [], "status": "in-progress"}));
    assert_eq!(state["files"]["created"], json!(["notes.txt"]));
    let open = state["errors"]["unresolved"].as_array().expect("a list");
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!((&open[0]["file"], &open[0]["attempts"], open[0].get("line")), (&json!(""), &json!(1), None));
    let said = open[0]["error"].as_str().expect("a text");
    assert!(said.starts_with("echo from-bash > ") && said.ends_with("Exit code 1"), "{said}");
    assert_eq!(state["next_prompts"], json!([format!("Fix the error: {said}")]));
}

#[test]
fn a_hook_that_comes_again_counts_nothing_twice() {
    let repo = repo(true);
    let claude = Claude::new(&repo);
    claude.prompt("one");
    claude.test(RED, true);
    claude.hook("PostToolUseFailure", json!({"tool_name": "Bash", "tool_input": {"command": "cargo test"}}));
    claude.stop();
    claude.hook("Stop", json!({}));
    repo.ask(["save", "again"]);
    claude.prompt("two");
    claude.stop();
    assert_eq!(file(&repo)["errors"]["unresolved"][0]["attempts"], 1);
    claude.prompt("three");
    claude.test(RED, true);
    claude.stop();
    assert_eq!(file(&repo)["errors"]["unresolved"][0]["attempts"], 2);
}

#[test]
fn a_file_that_cannot_be_written_costs_no_save() {
    let repo = repo(true);
    repo.ask(["save"]);
    repo.git(["config", "session.state.file", "ro/deep/state.json"]);
    repo.write("ro/deep", "a file where a folder must be\n");
    let saved = repo.session(["save"]).success();
    assert!(saved.stderr.contains("state file:"), "{saved}");
    assert_eq!(repo.ask(["state", "show"])["state"]["files"]["created"], json!(["ro/deep"]));
}

#[test]
fn a_death_between_the_note_and_the_file_makes_no_edit() {
    let repo = repo(true);
    let claude = Claude::new(&repo);
    claude.prompt("one");
    claude.todos(&[("a", "pending")]);
    claude.stop();
    let old = repo.read(FILE);
    claude.prompt("two");
    claude.todos(&[("b", "pending")]);
    claude.stop();
    // As if the last write had never come.
    repo.write(FILE, &old);
    repo.ask(["save"]);
    assert_eq!(file(&repo)["todos"], json!(["b"]));
    assert_eq!(repo.ask(["state", "show"])["set"], json!({}));
}

#[test]
fn a_fork_in_another_worktree_leaves_the_file_of_this_one() {
    let repo = repo(true);
    repo.ask(["save"]);
    let before = file(&repo);
    repo.ask(["fork", "other", "--worktree", "../elsewhere"]);
    assert_eq!(file(&repo)["session_id"], before["session_id"]);
    let there = repo.sandbox.path().join("elsewhere");
    fs::write(there.join("g"), "1").expect("writes");
    let _saved = repo.sandbox.session(&there, ["save"]).success();
    let state: Value = serde_json::from_slice(&fs::read(there.join(FILE)).expect("reads")).expect("JSON");
    assert_eq!((&state["session_id"], &state["files"]["created"]), (&json!("sess_20260102_002"), &json!(["g"])));
}

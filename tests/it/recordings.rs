//! Recordings of real agents, played back through the hooks: what is stored is what the agent wrote, and can be cut and forked.
//!
//! The transcript grows as it did when it was recorded: at a Stop the agent's last text is not there yet.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::repo::TestRepo;

/// The folder that the recordings were made in, and the home.
const CWD: &str = "/home/dev/code/claude";
const HOME: &str = "/home/dev/.claude";
const THREE: &str = "f375baaa-84a9-41b8-97fd-3251e57737bb";
const FORK: &str = "094320c0-d68c-4670-b77b-7456115d8c99";
const COMPACTED: &str = "371ed2ae-0394-44f4-aaf4-3d0193430243";

fn fixtures(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path)
}

/// A recording of Claude Code that is played into a repository.
struct Tape {
    repo: TestRepo,
    folder: PathBuf,
}

impl Tape {
    fn new(name: &str) -> Self {
        let repo = TestRepo::new();
        repo.write("base.txt", "base\n");
        repo.commit("base");
        Self { repo, folder: fixtures("claude-code").join(name) }
    }

    /// Text of the recording with the folders of this sandbox in it.
    fn here(&self, text: &str) -> String {
        let claude = self.repo.sandbox.home().join(".claude");
        let cwd = self.repo.path().to_str().expect("a path in UTF-8");
        text.replace(CWD, cwd).replace(HOME, claude.to_str().expect("a path in UTF-8"))
    }

    /// The whole transcript of a native session as this sandbox would have it.
    fn recorded(&self, native: &str) -> String {
        self.here(&fs::read_to_string(self.folder.join(format!("{native}.jsonl"))).expect("a recording"))
    }

    /// Where the agent keeps it.
    fn transcript(&self, native: &str) -> PathBuf {
        self.repo.sandbox.home().join(format!(".claude/projects/-home-dev-code-claude/{native}.jsonl"))
    }

    /// Lets the agent have written so many bytes of it.
    fn grow(&self, native: &str, bytes: usize) {
        let path = self.transcript(native);
        fs::create_dir_all(path.parent().expect("a folder")).expect("makes the folder");
        let recorded = self.recorded(native);
        if fs::metadata(&path).is_ok_and(|m| m.len() >= bytes as u64) {
            return;
        }
        // Appended, as the agent does: the file stays the same one.
        let mut file = fs::OpenOptions::new().create(true).append(true).open(&path).expect("opens");
        let have = usize::try_from(file.metadata().expect("is there").len()).expect("a size");
        std::io::Write::write_all(&mut file, &recorded.as_bytes()[have..bytes]).expect("appends");
    }

    /// The files of subagents appear beside it.
    fn grow_subagents(&self, native: &str) {
        let from = self.folder.join(native).join("subagents");
        let to = self.transcript(native).with_extension("").join("subagents");
        let Ok(entries) = fs::read_dir(from) else { return };
        fs::create_dir_all(&to).expect("makes the folder");
        for entry in entries {
            let entry = entry.expect("an entry");
            let text = fs::read_to_string(entry.path()).expect("reads");
            fs::write(to.join(entry.file_name()), self.here(&text)).expect("writes");
        }
    }

    /// The byte at which the line begins of which this holds; the last such line.
    fn line(&self, native: &str, is_it: impl Fn(&Value) -> bool) -> Option<usize> {
        let recorded = self.recorded(native);
        let mut at = 0;
        let mut found = None;
        for line in recorded.split_inclusive('\n') {
            if is_it(&serde_json::from_str(line).expect("a record")) {
                found = Some(at);
            }
            at += line.len();
        }
        found
    }

    /// What has been written when the prompt's hook runs: all before its record.
    fn until_prompt(&self, native: &str, prompt: &str) -> usize {
        let is_it = |r: &Value| r["type"] == "user" && r["message"]["content"] == prompt;
        self.line(native, is_it).unwrap_or_else(|| panic!("no record of the prompt {prompt:?}"))
    }

    /// What has been written when Stop runs: all before the last text.
    fn until_answer(&self, native: &str, text: &str) -> usize {
        let is_it = |r: &Value| r["type"] == "assistant" && r["message"]["content"][0]["text"] == text;
        self.line(native, is_it).unwrap_or_else(|| panic!("no record of the answer {text:?}"))
    }

    /// What has been written once the answer, and what the agent notes after it, is there: all before the next prompt comes in.
    fn until_quiet(&self, native: &str, after: usize) -> usize {
        let recorded = self.recorded(native);
        let mut at = after;
        for line in recorded[after..].split_inclusive('\n') {
            let record: Value = serde_json::from_str(line).expect("a record");
            if record["type"] == "queue-operation" {
                return at;
            }
            at += line.len();
        }
        at
    }

    /// Calls a hook of ours as the agent does; it prints nothing.
    fn hook(&self, event: &str, payload: &Value) {
        let out = self.repo.sandbox.session_with_input(
            self.repo.path(),
            ["hook", "claude-code", event],
            payload.to_string().as_bytes(),
        );
        assert_eq!((out.code, out.stdout.as_str(), out.stderr.as_str()), (Some(0), "", ""), "{event}");
    }

    /// Plays all recorded hooks; the tool calls that they tell of are carried out.
    fn play(&self) {
        for (event, payload) in self.hooks() {
            let native = payload["session_id"].as_str().expect("an id").to_owned();
            match event.as_str() {
                // The agent's own fork writes its file after this hook.
                "UserPromptSubmit" if native != FORK => {
                    let prompt = payload["prompt"].as_str().expect("a prompt");
                    self.grow(&native, self.until_prompt(&native, prompt));
                }
                "PostToolUse" => {
                    self.carry_out(&payload);
                    let call = |r: &Value| {
                        r["message"]["content"]
                            .as_array()
                            .is_some_and(|c| c.iter().any(|b| b["id"] == payload["tool_use_id"]))
                    };
                    if let Some(at) = self.line(&native, call) {
                        self.grow(&native, at);
                    }
                }
                "SubagentStop" => self.grow_subagents(&native),
                "Stop" => {
                    let text = payload["last_assistant_message"].as_str().expect("a last text");
                    self.grow(&native, self.until_answer(&native, text));
                }
                _ => {}
            }
            self.hook(&event, &payload);
            if event == "Stop" {
                let text = payload["last_assistant_message"].as_str().expect("a last text");
                self.grow(&native, self.until_quiet(&native, self.until_answer(&native, text)));
            }
        }
    }

    fn hooks(&self) -> Vec<(String, Value)> {
        let mut files: Vec<PathBuf> = fs::read_dir(self.folder.join("hooks"))
            .expect("hooks")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        files.sort();
        files
            .iter()
            .map(|file| {
                let name = file.file_stem().expect("a name").to_string_lossy();
                let event = name.split_once('-').expect("a number and an event").1.to_owned();
                let text = self.here(&fs::read_to_string(file).expect("reads"));
                (event, serde_json::from_str(&text).expect("a payload"))
            })
            .collect()
    }

    fn carry_out(&self, payload: &Value) {
        let input = &payload["tool_input"];
        let Some(path) = input["file_path"].as_str() else { return };
        match payload["tool_name"].as_str() {
            Some("Write") => fs::write(path, input["content"].as_str().expect("content")).expect("writes"),
            Some("Edit") => {
                let text = fs::read_to_string(path).expect("reads");
                let (old, new) = (&input["old_string"], &input["new_string"]);
                let text = text.replace(old.as_str().expect("old"), new.as_str().expect("new"));
                fs::write(path, text).expect("writes");
            }
            _ => {}
        }
    }

    fn log(&self, session: &str) -> Value {
        self.repo.session(["log", "--json", "--session", session]).success().json()
    }

    /// How many checkpoints of a kind the session has, for each turn.
    fn turns_of_kind(&self, session: &str, kind: &str) -> Vec<u64> {
        let log = self.log(session);
        let all = log["checkpoints"].as_array().expect("checkpoints").iter();
        let mut turns: Vec<u64> =
            all.filter(|c| c["kind"] == kind).map(|c| c["turn"].as_u64().expect("a turn")).collect();
        turns.sort_unstable();
        turns
    }

    fn show(&self, session: &str) -> Value {
        self.repo.session(["show", "--json", session]).success().json()
    }

    fn rows(&self, session: &str) -> Vec<Value> {
        let tip = format!("refs/sessions/heads/{session}");
        let rows = self.repo.git(["ls-tree", "-r", "--name-only", &tip, "turns/"]);
        let row = |path: &str| self.repo.git(["cat-file", "-p", &format!("{tip}:{path}")]);
        rows.lines().map(|path| serde_json::from_str(&row(path)).expect("a row")).collect()
    }
}

impl TestRepo {
    /// The bytes of a stream, read by plain git: its pieces in the order of their names.
    pub fn stream(&self, session: &str, stream: &str) -> Vec<u8> {
        let tip = format!("refs/sessions/heads/{session}");
        let pieces = self.git(["ls-tree", "-r", "--name-only", &tip, &format!("chat/{stream}/")]);
        let mut bytes = Vec::new();
        for piece in pieces.lines() {
            let mut command = self.sandbox.command("git", self.path());
            let out = command.args(["cat-file", "blob", &format!("{tip}:{piece}")]).output().expect("git starts");
            assert!(out.status.success(), "{piece}");
            bytes.extend(out.stdout);
        }
        bytes
    }

    #[track_caller]
    pub fn assert_stream(&self, session: &str, stream: &str, wanted: &[u8]) {
        let stored = self.stream(session, stream);
        let differs = stored.iter().zip(wanted).position(|(a, b)| a != b);
        let said =
            format!("{stream}: {} bytes stored, {} wanted, different at {differs:?}", stored.len(), wanted.len());
        assert!(stored == wanted, "{said}");
    }
}

fn prompts(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|r| r["prompt"].as_str().expect("a prompt")).collect()
}

#[test]
fn a_turn_with_a_subagent_and_a_failing_tool_is_stored_whole() {
    let tape = Tape::new("subagent-and-failing-tool");
    // This recording's hooks end with the first turn; its file goes on.
    tape.play();
    assert_eq!(tape.turns_of_kind(THREE, "turn-start"), [1]);
    assert_eq!(tape.turns_of_kind(THREE, "turn-end"), [1]);
    let rows = tape.rows(THREE);
    assert_eq!(prompts(&rows), ["first prompt"]);
    let row = &rows[0];
    assert_eq!(row["tools"], serde_json::json!({"Agent": 1, "Bash": 1, "Edit": 1, "Write": 3}));
    assert_eq!(row["errors"], 1);
    assert_eq!((&row["tokens"]["input"], &row["tokens"]["output"]), (&(6 * 1234).into(), &(6 * 56).into()));
    let files = row["files"].as_array().expect("files");
    let named = |name: &str| files.iter().any(|f| f.as_str().is_some_and(|f| f.ends_with(name)));
    assert!(named("notes.txt") && named("sub.txt"), "{files:?}");

    let live = fs::read(tape.transcript(THREE)).expect("the file");
    tape.repo.assert_stream(THREE, THREE, &live);
    let agent = "agent-ad25c39ccca495976";
    let beside = tape.transcript(THREE).with_extension("").join(format!("subagents/{agent}.jsonl"));
    tape.repo.assert_stream(THREE, &format!("{THREE}.{agent}"), &fs::read(beside).expect("the subagent's file"));
    tape.repo.assert_sound();
}

/// The first turn of the recording is told by another one, which has its hooks.
fn three_turns() -> Tape {
    let mut tape = Tape::new("subagent-and-failing-tool");
    tape.play();
    tape.folder = fixtures("claude-code/three-turns");
    tape.play();
    tape
}

#[test]
fn three_turns_and_the_agents_own_fork_are_two_sessions() {
    let tape = three_turns();
    assert_eq!(tape.turns_of_kind(THREE, "turn-start"), [1, 2, 3]);
    assert_eq!(tape.turns_of_kind(THREE, "turn-end"), [1, 2, 3]);
    assert_eq!(prompts(&tape.rows(THREE)), ["first prompt", "second prompt", "third prompt"]);
    tape.repo.assert_stream(THREE, THREE, tape.recorded(THREE).as_bytes());
    let shown = tape.show(THREE);
    assert_eq!((&shown["turns"], &shown["model"]), (&3.into(), &"claude-opus-5-5".into()));
    assert_eq!(shown["usage"]["input"], 10 * 1234, "six answers in the first turn, two in each of the others");

    // The fork's file appears after its first prompt, and begins with the three turns as copies: they have rows, and no
    // checkpoints of the fork's own. Its own turn moves behind them.
    assert_eq!(tape.turns_of_kind(FORK, "turn-start"), [1]);
    assert_eq!(tape.turns_of_kind(FORK, "turn-end"), [4]);
    let rows = tape.rows(FORK);
    assert_eq!(prompts(&rows), ["first prompt", "second prompt", "third prompt", "fork prompt"]);
    let turns: Vec<_> = rows.iter().map(|r| (r["turn"].as_u64(), r["end_checkpoint"].is_u64())).collect();
    assert_eq!(turns, [(Some(1), false), (Some(2), false), (Some(3), false), (Some(4), true)]);
    assert_eq!(
        rows[3]["start"],
        tape.until_prompt(FORK, &tape.here("fork prompt\n@write /home/dev/code/claude/fork.txt f"))
    );
    tape.repo.assert_stream(FORK, FORK, tape.recorded(FORK).as_bytes());
    let (path, id) =
        native_of(&tape.repo.session(["rewind", "chat", "turn:4", "--session", FORK, "--json"]).success().json());
    let path = tape.repo.sandbox.path().join(path.strip_prefix("$SANDBOX").expect("a path in the sandbox"));
    assert_eq!(prompts_of_sound_file(&path, &id), ["first prompt", "second prompt", "third prompt"]);
    tape.repo.assert_sound();
}

/// A transcript that we wrote: its prompts, each id its own, each parent before its child, each call answered.
#[track_caller]
fn prompts_of_sound_file(path: &Path, native: &str) -> Vec<String> {
    let text = fs::read_to_string(path).expect("the new file");
    assert!(text.ends_with('\n'));
    let (mut ids, mut calls, mut answers, mut prompts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for line in text.lines() {
        let record: Value = serde_json::from_str(line).expect("a record");
        assert_eq!(record["sessionId"], native);
        let Some(uuid) = record["uuid"].as_str() else { continue };
        assert!(!ids.iter().any(|i| i == uuid));
        let parent = record["parentUuid"].as_str();
        assert!(parent.is_none_or(|p| ids.iter().any(|i| i == p)), "{parent:?} comes later or is missing");
        ids.push(uuid.to_owned());
        let content = &record["message"]["content"];
        if record["type"] == "user" && record["isMeta"] != true && content.is_string() {
            prompts.push(content.as_str().expect("text").lines().next().unwrap_or_default().to_owned());
        }
        for block in content.as_array().into_iter().flatten() {
            if block["type"] == "tool_use" {
                calls.push(block["id"].clone());
            } else if block["type"] == "tool_result" {
                answers.push(block["tool_use_id"].clone());
            }
        }
    }
    assert_eq!(calls.len(), answers.len());
    assert!(calls.iter().all(|c| answers.contains(c)), "{calls:?} {answers:?}");
    prompts
}

fn native_of(outcome: &Value) -> (PathBuf, String) {
    let native = &outcome["native"];
    let id = native["session_id"].as_str().expect("an id").to_owned();
    assert_eq!(native["command"], serde_json::json!(["claude", "--resume", id]));
    (PathBuf::from(native["path"].as_str().expect("a path")), id)
}

#[test]
fn a_recorded_chat_is_cut_and_forked_at_every_turn() {
    let tape = three_turns();
    let all = ["first prompt", "second prompt", "third prompt"];
    let place = |shown: PathBuf| {
        let inside = shown.strip_prefix("$SANDBOX").expect("a path in the sandbox").to_owned();
        tape.repo.sandbox.path().join(inside)
    };
    let before = fs::read(tape.transcript(THREE)).expect("the live file");
    for turn in [3, 2, 1] {
        let at = format!("turn:{turn}");
        let fork = tape.repo.session(["fork", "--session", THREE, "--at", &at, "--json"]).success().json();
        let (path, id) = native_of(&fork);
        assert_eq!(prompts_of_sound_file(&place(path), &id), all[..turn - 1], "fork at turn {turn}");

        let rewound = tape.repo.session(["rewind", "chat", &at, "--session", THREE, "--json"]).success().json();
        let (path, id) = native_of(&rewound);
        assert_eq!(prompts_of_sound_file(&place(path.clone()), &id), all[..turn - 1], "cut before turn {turn}");
        assert_eq!(rewound["turns"], turn - 1);
        assert!(rewound["removed_prompt"].as_str().is_some_and(|p| p.starts_with(all[turn - 1])));
        tape.repo.assert_stream(THREE, &id, &fs::read(place(path)).expect("the new file"));
    }
    for _ in 0..3 {
        drop(tape.repo.session(["redo", "--session", THREE]).success());
    }
    assert_eq!(tape.show(THREE)["turns"], 3);
    assert_eq!(tape.show(THREE)["live"], THREE);
    assert_eq!(fs::read(tape.transcript(THREE)).expect("the live file"), before, "the live file is never changed");
    tape.repo.assert_sound();
}

#[test]
fn a_session_that_is_enabled_late_has_the_turns_that_were_before() {
    let tape = Tape::new("compaction");
    // The agent had two turns and a compaction before it had hooks that we hear.
    tape.play();
    let rows = tape.rows(COMPACTED);
    assert_eq!(prompts(&rows), ["first prompt", "after N same id, truncated in place", "after compact"]);
    assert_eq!(tape.turns_of_kind(COMPACTED, "turn-end"), [3]);
    tape.repo.assert_stream(COMPACTED, COMPACTED, tape.recorded(COMPACTED).as_bytes());
}

#[test]
fn all_that_was_said_is_stored_before_a_compaction() {
    let tape = Tape::new("compaction");
    let common = |event: &str| {
        serde_json::json!({
            "session_id": COMPACTED, "cwd": tape.repo.path(), "transcript_path": tape.transcript(COMPACTED),
            "hook_event_name": event,
        })
    };
    let second = "after N same id, truncated in place";
    tape.grow(COMPACTED, tape.until_prompt(COMPACTED, second));
    let mut prompt = common("UserPromptSubmit");
    prompt["prompt"] = second.into();
    tape.hook("UserPromptSubmit", &prompt);
    // The turn was interrupted; then `/compact`.
    let boundary = tape.line(COMPACTED, |r| r["subtype"] == "compact_boundary").expect("a boundary");
    tape.grow(COMPACTED, boundary);
    tape.hook("PreCompact", &common("PreCompact"));
    let log = tape.log(COMPACTED);
    assert_eq!(log["checkpoints"][0]["kind"], "compact");
    tape.repo.assert_stream(COMPACTED, COMPACTED, &tape.recorded(COMPACTED).as_bytes()[..boundary]);

    tape.play();
    assert_eq!(tape.turns_of_kind(COMPACTED, "turn-end"), [2, 3], "the interrupted turn is closed once");
    tape.repo.assert_stream(COMPACTED, COMPACTED, tape.recorded(COMPACTED).as_bytes());
    // What was before the compaction goes along.
    let rewound = tape.repo.session(["rewind", "chat", "turn:3", "--json"]).success().json();
    let (path, id) = native_of(&rewound);
    let path = tape.repo.sandbox.path().join(path.strip_prefix("$SANDBOX").expect("a path in the sandbox"));
    let kept = prompts_of_sound_file(&path, &id);
    assert_eq!(kept[..2], ["first prompt", second]);
    assert!(!kept.iter().any(|p| p == "after compact"), "{kept:?}");
}

#[test]
fn the_tail_that_comes_after_stop_is_stored_by_the_detached_waiter() {
    let tape = Tape::new("subagent-and-failing-tool");
    let mut hooks = tape.hooks();
    hooks.retain(|(event, _)| ["SessionStart", "UserPromptSubmit", "Stop"].contains(&event.as_str()));
    let end = tape.until_prompt(THREE, &tape.here("second prompt\n@write /home/dev/code/claude/second.txt 2nd"));
    for (event, payload) in &hooks {
        if event == "Stop" {
            let text = payload["last_assistant_message"].as_str().expect("a last text");
            tape.grow(THREE, tape.until_answer(THREE, text));
        }
        tape.hook(event, payload);
    }
    tape.grow(THREE, end);
    // The one that Stop started may have been first; both together store it once.
    drop(tape.repo.session(["hook", "finish", THREE]).success());
    tape.repo.assert_stream(THREE, THREE, &tape.recorded(THREE).as_bytes()[..end]);
    assert_eq!(tape.turns_of_kind(THREE, "turn-end"), [1]);
    let row = &tape.rows(THREE)[0];
    assert_eq!(row["end"], end, "the tail belongs to the turn");
}

impl Tape {
    /// Types a line in the agent; what it is told, and whether the hook took the line away.
    fn type_line(&self, native: &str, line: &str) -> String {
        let payload = serde_json::json!({
            "session_id": native, "cwd": self.repo.path(), "transcript_path": self.transcript(native),
            "hook_event_name": "UserPromptSubmit", "prompt": line,
        });
        let args = ["hook", "claude-code", "UserPromptSubmit"];
        let out = self.repo.sandbox.session_with_input(self.repo.path(), args, payload.to_string().as_bytes());
        let reply = out.success().json();
        assert_eq!(reply["decision"], "block");
        reply["reason"].as_str().expect("a reason").to_owned()
    }

    fn end(&self, native: &str) {
        let payload = serde_json::json!({
            "session_id": native, "cwd": self.repo.path(), "transcript_path": self.transcript(native),
            "hook_event_name": "SessionEnd", "reason": "other",
        });
        self.hook("SessionEnd", &payload);
    }
}

/// The agent notes the line that we answered in its old file and ends; that must not undo what was answered.
#[test]
fn a_chat_rewind_that_was_typed_in_the_agent_stays_when_the_old_file_grows() {
    let tape = three_turns();
    for turns in [2, 1, 0] {
        let answer = tape.type_line(THREE, "/rewind chat");
        let new = answer.lines().last().and_then(|l| l.strip_prefix("/resume ")).expect("ends with the line to type");
        let mut old = fs::OpenOptions::new().append(true).open(tape.transcript(THREE)).expect("opens");
        std::io::Write::write_all(&mut old, b"{\"type\":\"mode\"}\n").expect("appends");
        tape.end(THREE);
        let shown = tape.show(THREE);
        assert_eq!((&shown["turns"], &shown["live"]), (&turns.into(), &new.into()));
        tape.repo.assert_stream(THREE, THREE, &fs::read(tape.transcript(THREE)).expect("the old file"));
    }
    assert!(tape.type_line(THREE, "/rewind chat").contains("nothing further back"));
    // A prompt in the old file makes it the live one again.
    let payload = serde_json::json!({
        "session_id": THREE, "cwd": tape.repo.path(), "transcript_path": tape.transcript(THREE),
        "hook_event_name": "UserPromptSubmit", "prompt": "on with the old one", "prompt_id": "new",
    });
    tape.hook("UserPromptSubmit", &payload);
    tape.end(THREE);
    assert_eq!((&tape.show(THREE)["turns"], &tape.show(THREE)["live"]), (&4.into(), &THREE.into()));
    assert_eq!(tape.turns_of_kind(THREE, "turn-end"), [1, 2, 3, 4]);
}

#[test]
fn lines_typed_in_the_agent_are_answered_and_are_no_turn() {
    let tape = three_turns();
    tape.repo.write("person.txt", "p\n");
    let before = tape.repo.listing();
    let answer = tape.type_line(THREE, "/rewind code turn:1");
    // One file is a person's, the other that of the session that forked away.
    let wanted = [
        "2 files were changed outside",
        "  fork.txt\n  person.txt\n",
        "/rewind code turn:1 --mine",
        "/rewind code turn:1 --all",
    ];
    assert!(wanted.iter().all(|w| answer.contains(w)), "{answer}");
    assert_eq!(tape.repo.listing(), before);

    let answer = tape.type_line(THREE, "/rewind code turn:1 --mine");
    assert!(answer.contains("(before turn 1: first prompt)") && answer.contains("`/redo` brings it back"), "{answer}");
    assert!(tape.repo.at("person.txt").exists() && !tape.repo.at("notes.txt").exists());
    assert!(tape.type_line(THREE, "/redo").contains("Redone: code"));
    assert_eq!(tape.repo.listing(), before);
    for (line, wanted) in [
        ("/rewind", "turn:2  second prompt"),
        ("/session:rewind", "/rewind chat turn:N"),
        ("/sessions", "fork prompt"),
        ("/redo", "nothing to redo"),
        ("/rewind code turn:9", "`/rewind` shows the turns"),
        ("/rewind files", "\"files\" is none of code, chat, both"),
        ("/fork try a trie", "Forked session"),
    ] {
        let answer = tape.type_line(THREE, line);
        assert!(answer.contains(wanted), "{line}: {answer}");
    }
    assert_eq!(tape.turns_of_kind(THREE, "turn-start"), [1, 2, 3]);
}

#[test]
fn a_fork_in_a_worktree_belongs_to_that_worktree() {
    let tape = three_turns();
    let args = ["fork", "away", "--session", THREE, "--at", "turn:2", "--worktree", "../away", "--json"];
    let fork = tape.repo.session(args).success().json();
    let id = fork["session"].as_str().expect("an id");
    let shown = tape.show(id);
    assert_eq!((&shown["worktree"], &shown["turns"]), (&"away".into(), &1.into()));
    let away = tape.repo.sandbox.path().join("away");
    let here = tape.repo.sandbox.session(&away, ["resume", "--json"]).success().json();
    assert_eq!((&here["session"], &here["worktree"]), (&id.into(), &Value::Null));
}

//! The adapter against recordings of the real program, and against what a dying machine makes of them.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use proptest::prelude::*;

use super::ClaudeCode;
use super::records::Record;
use crate::agents::jsonl;
use crate::agents::{Agent as _, Event, Keep, Parsed, Rewrite, Rewritten};
use crate::base::{IdSource, Timestamp};
use crate::model::session::Usage;

const THREE: &[u8] =
    include_bytes!("../../../tests/fixtures/claude-code/three-turns/f375baaa-84a9-41b8-97fd-3251e57737bb.jsonl");
const FORK: &[u8] =
    include_bytes!("../../../tests/fixtures/claude-code/three-turns/094320c0-d68c-4670-b77b-7456115d8c99.jsonl");
const COMPACTED: &[u8] =
    include_bytes!("../../../tests/fixtures/claude-code/compaction/371ed2ae-0394-44f4-aaf4-3d0193430243.jsonl");
const SUBAGENT: &[u8] = include_bytes!(
    "../../../tests/fixtures/claude-code/three-turns/f375baaa-84a9-41b8-97fd-3251e57737bb/subagents/agent-ad25c39ccca495976.jsonl"
);
const NEW_ID: &str = "11111111-2222-4333-8444-555555555555";

fn first_lines(parsed: &Parsed) -> Vec<&str> {
    parsed.turns.iter().map(|t| t.prompt.lines().next().unwrap_or_default()).collect()
}

fn rewritten(bytes: &[u8], keep: Keep<'_>) -> crate::agents::Result<Rewritten> {
    let how = Rewrite {
        keep,
        new_id: NEW_ID,
        old_id: "f375baaa-84a9-41b8-97fd-3251e57737bb",
        cwd: Path::new("/p"),
        title: Some("mine"),
        ids: &IdSource::seeded(7),
        now: Timestamp::from_seconds(1_800_000_000),
    };
    ClaudeCode.rewrite(bytes, &how)
}

/// What must hold of every file that we write: fresh ids, no parent that is missing, no call without its answer.
fn assert_sound(new: &Rewritten, old: &[u8]) {
    assert!(new.bytes.ends_with(b"\n"));
    let mut uuids = HashSet::new();
    let (mut calls, mut answers) = (HashSet::new(), HashSet::new());
    for (_, line) in jsonl::lines(&new.bytes) {
        let record = Record::parse(line).expect("a record");
        assert_eq!(record.object.text("sessionId").as_deref(), Some(NEW_ID));
        let Some(uuid) = record.uuid() else { continue };
        assert!(!String::from_utf8_lossy(old).contains(uuid.as_ref()), "an old id");
        let parent = record.object.text("parentUuid");
        assert!(parent.is_none_or(|p| uuids.contains(p.as_ref())), "a parent that is missing or comes later");
        uuids.insert(uuid.into_owned());
        if let Some(message) = record.message() {
            calls.extend(message.ids("tool_use", "id").into_iter().map(String::from));
            answers.extend(message.ids("tool_result", "tool_use_id").into_iter().map(String::from));
        }
    }
    assert!(!uuids.is_empty(), "a file without a record is not resumed");
    assert_eq!(calls, answers);
    assert_eq!(ClaudeCode.parse(&new.bytes, 0).turns.len(), new.turns as usize);
}

#[test]
fn three_turns_are_read_with_tools_files_errors_and_tokens() {
    let parsed = ClaudeCode.parse(THREE, 0);
    assert_eq!(first_lines(&parsed), ["first prompt", "second prompt", "third prompt"]);
    let first = &parsed.turns[0];
    let tools: Vec<_> = first.tools.iter().map(|(name, n)| (name.as_str(), *n)).collect();
    assert_eq!(tools, [("Agent", 1), ("Bash", 1), ("Edit", 1), ("Write", 3)]);
    assert_eq!(first.errors, 1);
    assert_eq!(first.files.len(), 3, "{:?}", first.files);
    // Six answers of the model at 1234 and 56 tokens; one of them is written as two lines.
    assert_eq!(first.tokens, Usage { input: 6 * 1234, output: 6 * 56, ..Usage::default() });
    assert!(first.last_text.as_deref().is_some_and(|t| t.starts_with("DONE. calls=6")));
    assert!(parsed.turns.iter().all(|t| t.active));
    assert_eq!(parsed.version.as_deref(), Some("2.1.330"));
    assert_eq!(parsed.model.as_deref(), Some("claude-opus-5-5"));
    assert_eq!((parsed.bad_lines, parsed.torn), (0, false));
}

#[test]
fn turns_touch_and_begin_at_their_prompts() {
    let parsed = ClaudeCode.parse(THREE, 0);
    assert_eq!(parsed.before.end, parsed.turns[0].start);
    for pair in parsed.turns.windows(2) {
        assert_eq!(pair[0].end, pair[1].start);
    }
    assert_eq!(parsed.turns[2].end, THREE.len() as u64);
    for turn in &parsed.turns {
        let start = usize::try_from(turn.start).expect("small");
        let (_, line) = jsonl::lines(&THREE[start..]).next().expect("a line");
        let object = jsonl::Object::parse(line).expect("a record");
        assert_eq!(object.text("promptId").map(String::from), turn.key);
    }
}

#[test]
fn copies_in_a_native_fork_have_keys_of_their_own() {
    let parsed = ClaudeCode.parse(FORK, 0);
    assert_eq!(first_lines(&parsed), ["first prompt", "second prompt", "third prompt", "fork prompt"]);
    let keys: HashSet<_> = parsed.turns.iter().filter_map(|t| t.key.as_deref()).collect();
    assert_eq!(keys.len(), 4);
    assert!(parsed.turns[3].key.as_deref().is_some_and(|k| k.starts_with("b347")), "the prompt id is the new prompt's");
}

#[test]
fn a_compaction_is_no_turn_and_ends_none() {
    let parsed = ClaudeCode.parse(COMPACTED, 0);
    assert_eq!(first_lines(&parsed), ["first prompt", "after N same id, truncated in place", "after compact"]);
    assert!(parsed.turns.iter().all(|t| t.active));
}

#[test]
fn a_subagent_has_no_turns_but_its_work_counts() {
    let parsed = ClaudeCode.parse(SUBAGENT, 0);
    assert!(parsed.turns.is_empty());
    assert!(parsed.before.tools.values().sum::<u32>() > 0 && parsed.before.tokens.input > 0);
}

#[test]
fn what_a_cut_keeps_reads_back_as_the_turns_before_it() {
    for bytes in [THREE, FORK, COMPACTED] {
        let parsed = ClaudeCode.parse(bytes, 0);
        for (n, turn) in parsed.turns.iter().enumerate() {
            let keep = Keep::Before { key: turn.key.as_deref(), offset: turn.start };
            let new = rewritten(bytes, keep).expect("rewrites");
            assert_sound(&new, bytes);
            let back = ClaudeCode.parse(&new.bytes, 0);
            assert_eq!(first_lines(&back), first_lines(&parsed)[..n]);
            assert!(back.turns.iter().all(|t| t.active));
            let tools = |turns: &[crate::agents::ParsedTurn]| turns.iter().map(|t| t.tools.clone()).collect::<Vec<_>>();
            assert_eq!(tools(&back.turns), tools(&parsed.turns[..n]), "parallel calls are kept");
            assert_eq!(new.removed_prompt.as_deref(), Some(turn.prompt.as_str()));
            assert_eq!(back.title.as_deref(), Some("mine"));
            assert_eq!(rewritten(bytes, Keep::Before { key: None, offset: turn.start }).expect("rewrites"), new);
        }
        let all = rewritten(bytes, Keep::All).expect("rewrites");
        assert_sound(&all, bytes);
        assert_eq!((all.turns as usize, all.removed_prompt), (parsed.turns.len(), None));
    }
}

#[test]
fn a_prompt_that_is_not_written_yet_cuts_nothing() {
    let keep = Keep::Before { key: Some("to-come"), offset: THREE.len() as u64 };
    assert_eq!(rewritten(THREE, keep).expect("rewrites").turns, 3);
    assert!(rewritten(THREE, Keep::Before { key: Some("unknown"), offset: 1 }).is_err());
}

#[test]
fn a_branch_that_the_agent_rewound_away_is_inactive_and_can_be_gone_back_to() {
    let record = |kind: &str, uuid: &str, parent: &str, text: &str| {
        let parent = if parent.is_empty() { "null".to_owned() } else { format!("\"{parent}\"") };
        let message = format!(r#"{{"role":"{kind}","id":"m-{uuid}","content":"{text}"}}"#);
        format!(
            r#"{{"type":"{kind}","uuid":"{uuid}","parentUuid":{parent},"promptId":"p-{uuid}","sessionId":"s","message":{message},"n":1.50,"x":"\ud83d"}}"#
        ) + "\n"
    };
    let text = [
        record("user", "u1", "", "one"),
        record("assistant", "a1", "u1", "1"),
        record("user", "u2", "a1", "two"),
        record("assistant", "a2", "u2", "2"),
        record("user", "u3", "a2", "three"),
        record("assistant", "a3", "u3", "3"),
        record("user", "u4", "a1", "four"),
    ]
    .concat();
    let parsed = ClaudeCode.parse(text.as_bytes(), 0);
    let active: Vec<_> = parsed.turns.iter().map(|t| (t.prompt.as_str(), t.active)).collect();
    assert_eq!(active, [("one", true), ("two", false), ("three", false), ("four", true)]);
    let new = rewritten(text.as_bytes(), Keep::Before { key: Some("p-u3"), offset: 0 }).expect("rewrites");
    assert_eq!(first_lines(&ClaudeCode.parse(&new.bytes, 0)), ["one", "two"]);
    let all = rewritten(text.as_bytes(), Keep::All).expect("rewrites");
    assert_eq!(first_lines(&ClaudeCode.parse(&all.bytes, 0)), ["one", "four"]);
    let raw = String::from_utf8(all.bytes).expect("text");
    assert_eq!((raw.matches(r#""n":1.50"#).count(), raw.matches(r#""x":"\ud83d""#).count()), (3, 3), "unknown fields");
}

#[test]
fn a_prompt_that_a_hook_answered_is_no_turn_and_is_not_kept() {
    let blocked = r#"{"parentUuid":"u1","isSidechain":false,"type":"system","subtype":"informational","content":"UserPromptSubmit operation blocked by hook:\nours\n\nOriginal prompt: /rewind","uuid":"b1","preventContinuation":true,"sessionId":"s"}"#;
    let text = [
        r#"{"type":"user","uuid":"u1","parentUuid":null,"message":{"role":"user","content":"one"}}"#,
        blocked,
        r#"{"type":"user","uuid":"u2","parentUuid":"b1","message":{"role":"user","content":"two"}}"#,
        "",
    ]
    .join("\n");
    assert_eq!(first_lines(&ClaudeCode.parse(text.as_bytes(), 0)), ["one", "two"]);
    let new = rewritten(text.as_bytes(), Keep::All).expect("rewrites");
    assert!(!String::from_utf8_lossy(&new.bytes).contains("blocked by hook"));
    assert_sound(&new, text.as_bytes());
}

#[test]
fn what_the_agent_answers_itself_is_no_turn_but_a_command_that_it_expands_is() {
    let user = |text: &str| {
        let content = serde_json::Value::from(text);
        format!(r#"{{"type":"user","uuid":"{}","message":{{"role":"user","content":{content}}}}}"#, text.len()) + "\n"
    };
    let text = [
        user("<command-name>/compact</command-name>\n<command-message>compact</command-message>"),
        user("<local-command-stdout>done</local-command-stdout>"),
        user("<bash-input>ls</bash-input>"),
        user("[Request interrupted by user for tool use]"),
        user("<command-message>review</command-message>\n<command-name>/review</command-name>\n<command-args>a b</command-args>"),
    ]
    .concat();
    assert_eq!(first_lines(&ClaudeCode.parse(text.as_bytes(), 0)), ["/review a b"]);
}

#[test]
fn a_turn_whose_call_has_no_answer_is_dropped_and_one_that_is_answered_kept() {
    let parsed = ClaudeCode.parse(THREE, 0);
    let from = usize::try_from(parsed.turns[2].start).expect("small");
    let mut kept = Vec::new();
    for (start, line) in jsonl::lines(&THREE[from..]) {
        let upto = &THREE[..from + start + line.len() + 1];
        let new = rewritten(upto, Keep::All).expect("rewrites");
        assert_sound(&new, upto);
        assert_eq!(new.removed_prompt.is_some(), new.turns == 2);
        kept.push(new.turns);
    }
    let runs: Vec<_> = kept.chunk_by(|a, b| a == b).map(|run| run[0]).collect();
    assert_eq!(runs, [3, 2, 3], "prompt; call without answer; answered");
}

#[test]
fn a_file_that_ends_at_any_byte_is_read_and_rewritten() {
    let tail = THREE.len() - 3000;
    for end in tail..=THREE.len() {
        let parsed = ClaudeCode.parse(&THREE[..end], 0);
        assert_eq!(parsed.torn, THREE[end - 1] != b'\n');
        assert_eq!((parsed.turns.len(), parsed.bad_lines), (3, 0));
    }
    for end in (0..THREE.len()).step_by(997) {
        if let Ok(new) = rewritten(&THREE[..end], Keep::All) {
            assert_sound(&new, &THREE[..end]);
        }
    }
}

#[test]
fn recorded_hooks_are_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/claude-code");
    let mut seen: HashMap<String, Vec<Event>> = HashMap::new();
    for name in ["three-turns", "subagent-and-failing-tool", "compaction"] {
        let mut files: Vec<_> = std::fs::read_dir(root.join(name).join("hooks"))
            .expect("a folder")
            .map(|e| e.expect("an entry").path())
            .collect();
        files.sort();
        for file in files {
            let stem = file.file_stem().and_then(|s| s.to_str()).expect("a name");
            let (_, event) = stem.split_once('-').expect("a number");
            let input = ClaudeCode.parse_hook(event, &std::fs::read(&file).expect("reads")).expect("parses");
            assert!(!input.native_id.is_empty() && input.transcript.is_some());
            if input.in_subagent {
                assert!(matches!(event, "PreToolUse" | "PostToolUse" | "PostToolBatch" | "SubagentStart"), "{event}");
            }
            seen.entry(event.to_owned()).or_default().push(input.event);
        }
    }
    assert!(seen["UserPromptSubmit"].iter().all(|e| matches!(e, Event::Prompt { text } if !text.is_empty())));
    assert!(seen["Stop"].iter().all(|e| matches!(e, Event::TurnEnd { last_message: Some(_) })));
    assert!(seen["PostToolUseFailure"].iter().all(|e| matches!(e, Event::Tool { failed: true, .. })));
    assert!(seen["PostToolUse"].iter().all(|e| match e {
        Event::Tool { name, paths, failed: false } => paths.len() == usize::from(name == "Write" || name == "Edit"),
        _ => false,
    }));
    assert!(seen["PreCompact"].contains(&Event::PreCompact));
    assert!(seen["PreToolUse"].iter().all(|e| *e == Event::Ignored));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Where a save ends must not change what the stretches hold together.
    #[test]
    fn stretches_hold_together_what_the_whole_holds(cuts in prop::collection::vec(0..74_usize, 0..6)) {
        let starts: Vec<usize> = jsonl::lines(THREE).map(|(start, _)| start).collect();
        let mut bounds: Vec<usize> = cuts.into_iter().filter_map(|c| starts.get(c).copied()).chain([0, THREE.len()]).collect();
        bounds.sort_unstable();
        bounds.dedup();
        let whole = ClaudeCode.parse(THREE, 0);
        let (mut turns, mut tools) = (Vec::new(), 0);
        for pair in bounds.windows(2) {
            let part = ClaudeCode.parse(&THREE[pair[0]..pair[1]], pair[0] as u64);
            tools += part.before.tools.values().sum::<u32>();
            tools += part.turns.iter().flat_map(|t| t.tools.values()).sum::<u32>();
            turns.extend(part.turns.into_iter().map(|t| (t.key, t.start, t.prompt)));
        }
        let expected: Vec<_> = whole.turns.iter().map(|t| (t.key.clone(), t.start, t.prompt.clone())).collect();
        prop_assert_eq!(turns, expected);
        prop_assert_eq!(tools, whole.turns.iter().flat_map(|t| t.tools.values()).sum::<u32>());
    }

    #[test]
    fn no_bytes_make_it_fail(noise in prop::collection::vec(any::<u8>(), 0..200), at in 0..90_000_usize) {
        let mut bytes = THREE.to_vec();
        let at = at.min(bytes.len());
        bytes.splice(at..(at + noise.len()).min(bytes.len()), noise);
        let parsed = ClaudeCode.parse(&bytes, 0);
        prop_assert!(parsed.turns.iter().all(|t| t.start <= t.end && t.end <= bytes.len() as u64));
        if let Ok(new) = rewritten(&bytes, Keep::All) {
            prop_assert!(new.bytes.ends_with(b"\n"));
        }
    }
}

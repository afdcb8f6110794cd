//! Bytes that are nearly what we read: what hooks get, transcripts, the stat cache, the journal. Each is read or refused; none
//! ends the program, and what is read keeps its own rules.
//!
//! Fast by default. `SESSION_TEST_FUZZ_SECONDS=600` goes on for so long a target and says how much it tried;
//! `SESSION_TEST_THOROUGH=1` for a minute.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::time::{Duration, Instant};

use git_session::agents::{self, Agent, Keep, Rewrite};
use git_session::base::file::Durability;
use git_session::base::{IdSource, RepoPath, Timestamp};
use git_session::engine::stat_cache::StatCache;
use git_session::engine::{Plan, PlanItem, journal};
use git_session::git::{FileMode, ObjectFormat, Oid, Repo, RepoEnv};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use crate::support::repo::TestRepo;

/// One change of some bytes: where, what, with what.
type Change = (Index, u8, u8, Index);

fn changed(seed: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for (at, what, byte, other) in changes {
        if bytes.is_empty() {
            break;
        }
        let (at, other) = (at.index(bytes.len()), other.index(bytes.len()));
        let (from, to) = (at.min(other), at.max(other));
        match what % 8 {
            0 => bytes[at] = *byte,
            1 => bytes[at] ^= 1 << (byte % 8),
            2 => bytes.insert(at, *byte),
            3 => drop(bytes.remove(at)),
            4 => bytes.truncate(at),
            // A stretch again, elsewhere; at most so much that it does not grow without end.
            5 => {
                let stretch = bytes[from..to.min(from + 4096)].to_vec();
                bytes.splice(from..from, stretch);
            }
            6 => drop(bytes.drain(from..to)),
            _ => {
                let word: &[u8] =
                    [b"\\ud800".as_slice(), b"\0", b"\n", b"{\"", b"[[[[[[[[", b"-1", b"1e999", b"\xff\xff\xff\xff"]
                        [usize::from(byte % 8)];
                bytes.splice(at..at, word.iter().copied());
            }
        }
    }
    bytes
}

/// Gives `check` changed seeds until the time is over.
fn fuzz(name: &str, seeds: &[Vec<u8>], check: impl Fn(&[u8])) {
    let text = std::env::var("SESSION_TEST_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    let thorough = std::env::var_os("SESSION_TEST_THOROUGH").map(|_| 60);
    let time = Duration::from_secs(text.or(thorough).unwrap_or(0));
    let strategy = (any::<Index>(), vec((any::<Index>(), any::<u8>(), any::<u8>(), any::<Index>()), 0..10));
    let (start, tried) = (Instant::now(), Cell::new(0_u64));
    loop {
        let config = Config { cases: 200, failure_persistence: None, ..Config::default() };
        let ran = TestRunner::new(config).run(&strategy, |(seed, changes)| {
            tried.set(tried.get() + 1);
            check(&changed(&seeds[seed.index(seeds.len())], &changes));
            Ok(())
        });
        ran.unwrap_or_else(|e| panic!("{name}: {e}"));
        if start.elapsed() >= time {
            break;
        }
    }
    if !time.is_zero() {
        let _told = writeln!(std::io::stderr(), "{name}: {} inputs in {} s", tried.get(), start.elapsed().as_secs());
    }
}

fn adapters() -> [(&'static dyn Agent, &'static [&'static str]); 2] {
    let of = |kind| agents::find(kind).expect("an agent");
    let claude: &[&str] = &[
        "SessionStart",
        "UserPromptSubmit",
        "UserPromptExpansion",
        "PostToolUse",
        "PostToolUseFailure",
        "Stop",
        "StopFailure",
        "SubagentStop",
        "PreCompact",
        "SessionEnd",
    ];
    [(of("claude-code"), claude), (of("generic"), &["session-start", "prompt", "tool", "turn-end", "session-end"])]
}

#[test]
fn any_payload_of_a_hook_is_read_or_refused() {
    let payload = json!({
        "session_id": "a1a1a1a1-1111-4111-8111-a1a1a1a1a1a1", "transcript_path": "/t/a.jsonl", "cwd": "/p", "prompt": "x",
        "hook_event_name": "PostToolUse", "permission_mode": "default", "prompt_id": "p", "agent": "mine", "pid": 7,
        "tool": "write", "paths": ["a", "b"], "failed": false, "tool_name": "Edit", "source": "clear", "reason": "other",
        "tool_input": {"file_path": "/p/a", "edits": [{"old_string": "\u{1f600}", "new_string": ""}]},
        "tool_response": {"filePath": "/p/a", "success": true}, "last_assistant_message": "done", "stop_hook_active": false,
    });
    let seeds = [payload.to_string().into_bytes(), serde_json::to_vec_pretty(&payload).expect("is JSON")];
    fuzz("payloads", &seeds, |bytes| {
        for (agent, events) in adapters() {
            for event in events {
                if let Ok(input) = agent.parse_hook(event, bytes) {
                    assert!(!input.native_id.is_empty() && !input.cwd.as_os_str().is_empty());
                }
            }
        }
    });
}

#[test]
fn any_transcript_is_read_and_cut_between_its_lines() {
    let line = |fields: serde_json::Value| format!("{fields}\n");
    let claude: String = [
        json!({"type": "summary", "summary": "s", "leafUuid": "u3"}),
        json!({"type": "user", "uuid": "u1", "parentUuid": null, "sessionId": "s", "promptId": "p1", "cwd": "/p",
            "timestamp": "2026-01-02T03:04:05.000Z", "message": {"role": "user", "content": "one \u{1f600}"}}),
        json!({"type": "assistant", "uuid": "u2", "parentUuid": "u1", "sessionId": "s", "version": "2.1.330",
            "message": {"id": "m1", "role": "assistant", "model": "m", "usage": {"input_tokens": 7, "output_tokens": 1},
            "content": [{"type": "tool_use", "id": "t1", "name": "Edit", "input": {"file_path": "/p/a"}}]}}),
        json!({"type": "user", "uuid": "u3", "parentUuid": "u2", "sessionId": "s",
            "message": {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "ok"}]}}),
        json!({"type": "user", "uuid": "u4", "parentUuid": "u3", "sessionId": "s", "promptId": "p2",
            "message": {"role": "user", "content": [{"type": "text", "text": "two"}]}}),
    ]
    .into_iter()
    .map(line)
    .collect();
    let generic = "{\"role\":\"user\",\"content\":\"one\"}\n{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"ok\"}]}\nno json\n{\"type\":\"user\",\"message\":{\"content\":\"two\"}}\n{\"torn\":";
    let (ids, now) = (IdSource::seeded(1), Timestamp::from_seconds(0));
    fuzz("transcripts", &[claude.into_bytes(), generic.into()], |bytes| {
        for (agent, _) in adapters() {
            let _decided = agent.is_conversation(bytes);
            let parsed = agent.parse(bytes, 1000);
            let mut last = 1000;
            for turn in &parsed.turns {
                assert!(turn.start >= last && turn.end >= turn.start, "{turn:?}");
                assert!(turn.end <= 1000 + bytes.len() as u64, "{turn:?}");
                last = turn.start;
            }
            let whole = agent.parse(bytes, 0);
            let first = whole.turns.last().map_or(0, |turn| turn.start);
            for keep in
                [Keep::All, Keep::Before { key: None, offset: first }, Keep::Before { key: Some("p2"), offset: 1 }]
            {
                let how =
                    Rewrite { keep, new_id: "n", old_id: "s", cwd: "/p".as_ref(), title: Some("t"), ids: &ids, now };
                if let Ok(new) = agent.rewrite(bytes, &how) {
                    assert!(
                        new.bytes.is_empty() || new.bytes.ends_with(b"\n"),
                        "{:?}",
                        String::from_utf8_lossy(&new.bytes)
                    );
                }
            }
        }
    });
}

#[test]
fn any_stat_cache_is_read_or_taken_for_none() {
    let repo = TestRepo::new();
    for n in 0..40 {
        repo.write(format!("d{}/f{n}", n % 7), n.to_string());
    }
    let _saved = repo.session(["save", "one"]).success();
    let path = repo.at(".git/session/stat-cache");
    let first = fs::read(&path).expect("is there");
    repo.write("d1/more", "x");
    let _saved = repo.session(["save", "two"]).success();
    let seeds = [first, fs::read(&path).expect("is there")];
    fuzz("stat caches", &seeds, |bytes| {
        fs::write(&path, bytes).expect("writes");
        let cache = StatCache::load(&path, ObjectFormat::Sha1);
        assert!(cache.records.len() <= bytes.len(), "no more records than bytes");
        let _of_the_other = StatCache::load(&path, ObjectFormat::Sha256);
    });
}

#[test]
fn any_journal_is_read_or_damaged_and_never_none() {
    let test = TestRepo::new();
    let repo = Repo::discover(test.path(), &RepoEnv::isolated(&test.sandbox.home())).expect("opens");
    let oid = |digit: &str| Oid::parse(&digit.repeat(40)).expect("an id");
    let path = |text: &str| RepoPath::new(text).expect("a path");
    let items = vec![
        PlanItem::new(path("a"), Some((FileMode::File, oid("1"))), None),
        PlanItem::new(path("b/c"), None, Some((FileMode::Executable, oid("2")))),
        PlanItem::new(path("l"), Some((FileMode::Symlink, oid("3"))), Some((FileMode::File, oid("4")))),
    ];
    let plan = Plan {
        present: oid("a"),
        result: oid("b"),
        items,
        kept: Vec::new(),
        obstacles: Vec::new(),
        bytes: Default::default(),
        is_converted: false,
        left: Default::default(),
    };
    let session = IdSource::seeded(1).session();
    let purpose = journal::Purpose { session, tip: oid("c"), then: json!({"kind": "rewind", "from": 3}) };
    let modes = BTreeMap::from([(path("b/c"), 0o700)]);
    journal::write(&repo, &purpose, &plan, &modes, Durability::Process).expect("writes");
    let place = test.at(".git/session/journal");
    let seed = fs::read(&place).expect("is there");
    fuzz("journals", &[seed], |bytes| {
        fs::write(&place, bytes).expect("writes");
        if let Ok(read) = journal::read(&repo) {
            let read = read.expect("a journal that is there is never none");
            assert!(read.plan.items.iter().all(|item| !item.path.as_bytes().is_empty()));
        }
    });
}

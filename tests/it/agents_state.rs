//! The state file after the real Claude Code worked: a failing test, a todo list, a fix, and a next session that reads it. On
//! the scripted model, as in [`crate::agents_real`]; where the agent is missing this says that it is skipped.

use git_session::model::state::State;
use serde_json::{Value, json};

use crate::agents_real::Desk;

const FILE: &str = ".session-state.json";

/// What the file says; it is of the form that is promised, to the byte.
#[track_caller]
fn file(desk: &Desk) -> Value {
    let bytes = desk.repo.read(FILE);
    let state = State::decode(&bytes).expect("of the promised form");
    assert_eq!(String::from_utf8(state.encode().expect("writes")), String::from_utf8(bytes.clone()));
    assert!(state.extra.is_empty() && state.git_diff.is_some(), "{state:?}");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// Says what cargo would of one test, which holds where `sum.txt` is good.
const CHECK: &str = r#"#!/bin/sh
echo "     Running tests/sum.rs (target/debug/deps/sum-1)"; echo; echo "running 2 tests"; echo "test other ... ok"
if grep -q good sum.txt; then
    echo "test adds ... ok"; echo; echo "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out"; exit 0
fi
echo "test adds ... FAILED"; echo; echo "failures:"; echo; echo "---- adds stdout ----"
echo "thread 'adds' (7) panicked at tests/sum.rs:9:5:"; echo "assertion failed: 1 == 2"; echo; echo
echo "failures:"; echo "    adds"; echo
echo "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out"
echo; echo 'error: test failed, to rerun pass `--test sum`'; exit 101
"#;

#[test]
fn where_claude_is_installed_the_state_file_tells_its_work_and_the_next_session_reads_it() {
    let Some(mut desk) = Desk::new("state") else { return };
    desk.repo.sandbox.set("CLAUDE_CODE_ENABLE_TODO_TOOLS", "1");
    desk.repo.write("sum.txt", "bad\n");
    desk.repo.write("check.sh", CHECK);
    desk.repo.commit("a sum");
    let first = desk.begin(
        "Fix the sum\n@call TaskCreate {\"subject\":\"fix the sum\",\"description\":\"x\"}\n\
         @call TaskCreate {\"subject\":\"write docs\",\"description\":\"x\"}\n\
         @call TaskUpdate {\"taskId\":\"1\",\"status\":\"in_progress\"}\n@bash sh check.sh 2>&1 | tail -12",
    );
    let red = file(&desk);
    assert_eq!(red["objectives"], json!({"primary": "Fix the sum", "secondary": [], "status": "in-progress"}));
    assert_eq!(
        (&red["todos"], &red["progress"]["in_progress"]),
        (&json!(["fix the sum", "write docs"]), &json!(["fix the sum"]))
    );
    assert_eq!(red["tests"], json!({"passing": 1, "failing": 1, "failed_paths": ["tests/sum.rs:adds"]}));
    let error = &red["errors"]["unresolved"][0];
    assert_eq!(
        (&error["file"], &error["line"], &error["attempts"]),
        (&json!("tests/sum.rs"), &json!(9), &json!(1)),
        "{red}"
    );
    assert_eq!(red["next_prompts"][0], "Continue: fix the sum");
    desk.go_on(
        &first.session,
        "now do it\n@read @/sum.txt\n@edit @/sum.txt bad => good\n@bash sh check.sh 2>&1 | tail -12\n\
         @call TaskUpdate {\"taskId\":\"1\",\"status\":\"completed\"}",
    );
    let green = file(&desk);
    assert_eq!(green["tests"], json!({"passing": 2, "failing": 0, "failed_paths": []}));
    assert_eq!(green["errors"]["unresolved"], json!([]));
    assert_eq!(green["errors"]["resolved"][0]["resolution"], "edited sum.txt");
    assert_eq!(green["errors"]["resolved"][0]["fingerprint"], error["fingerprint"]);
    assert_eq!((&green["todos"], &green["progress"]["completed"]), (&json!(["write docs"]), &json!(["fix the sum"])));
    assert_eq!(
        (&green["files"]["modified"], &green["next_prompts"]),
        (&json!(["sum.txt"]), &json!(["Start: write docs"]))
    );
    assert!(green["git_diff"]["patch"].as_str().is_some_and(|p| p.contains("-bad\n+good\n")), "{green}");
    let next = desk.begin(&format!("Where were we?\n@bash cat {FILE}"));
    assert_ne!(next.session, first.session);
    let transcript = walkdir::WalkDir::new(desk.projects())
        .into_iter()
        .map(|entry| entry.expect("walks").into_path())
        .find(|path| path.file_stem().is_some_and(|stem| stem.to_str() == Some(&next.session)))
        .expect("its transcript");
    let read = std::fs::read_to_string(transcript).expect("reads");
    for part in ["Start: write docs", "Fix the sum", "edited sum.txt"] {
        assert!(read.contains(part), "the next session read {part:?}");
    }
    assert_eq!(file(&desk)["objectives"]["primary"], "Where were we?", "then the file is its own");
    desk.assert_quiet();
}

//! Whether a session runs: what `status` says while its agent works, waits, has ended it, or was killed.

use std::process::{Child, Stdio};

use serde_json::json;

use crate::support::agent::Agent;
use crate::support::repo::{Shape, TestRepo};

/// A process that stands for an agent; killed and reaped when it is dropped.
struct Process(Child);

impl Process {
    fn new(repo: &TestRepo) -> Self {
        let mut command = repo.sandbox.command("sleep", repo.path());
        Self(command.arg("600").spawn().expect("starts"))
    }

    fn kill(&mut self) {
        let _gone = self.0.kill();
        self.0.wait().expect("reaps");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

#[track_caller]
fn assert_state(repo: &TestRepo, state: &str) {
    assert_eq!(repo.ask(["status"])["state"], state);
    let text = repo.session(["status"]).success().stdout;
    let words = ["running", "waiting", "ended", "killed", "idle"];
    let said: Vec<_> = words.into_iter().filter(|word| text.contains(&format!(", {word}\n"))).collect();
    assert_eq!(said, [state], "{text}");
}

/// An event of an agent that runs in a process.
fn tell(repo: &mut TestRepo, claude: bool, process: &Process, event: &str) {
    let pid = process.0.id();
    let mut payload = json!({"session_id": "one", "cwd": repo.path(), "prompt": "x"});
    let words = if claude {
        repo.sandbox.set("CLAUDE_PID", pid.to_string());
        let names = [
            ("session-start", "SessionStart"),
            ("prompt", "UserPromptSubmit"),
            ("turn-end", "Stop"),
            ("session-end", "SessionEnd"),
        ];
        ["hook", "claude-code", names.iter().find(|(name, _)| *name == event).expect("an event").1]
    } else {
        payload["pid"] = pid.into();
        ["hook", "generic", event]
    };
    drop(repo.sandbox.session_with_input(repo.path(), words, payload.to_string().as_bytes()).success());
}

#[test]
fn an_agent_is_running_waiting_ended_or_killed_whoever_tells_its_process() {
    for shape in [Shape::PLAIN, Shape { ref_format: "reftable", linked: true, ..Shape::PLAIN }] {
        for claude in [false, true] {
            let mut repo = TestRepo::of_shape(shape);
            let mut process = Process::new(&repo);
            let steps: [(&[&str], &str); 9] = [
                (&["session-start", "prompt"], "running"),
                (&["turn-end"], "waiting"),
                (&["session-end"], "ended"),
                (&["session-start"], "waiting"),
                (&["prompt"], "running"),
                (&["kill"], "killed"),
                (&["anew", "prompt"], "running"),
                (&["turn-end", "kill"], "killed"),
                (&["anew", "session-start", "session-end"], "ended"),
            ];
            for (at, (events, state)) in steps.iter().enumerate() {
                for event in *events {
                    match *event {
                        "kill" => process.kill(),
                        "anew" => process = Process::new(&repo),
                        event => tell(&mut repo, claude, &process, event),
                    }
                }
                assert_eq!(repo.ask(["status"])["state"], *state, "step {at}, claude: {claude}, {shape:?}");
            }
            assert_state(&repo, "ended");
            assert_eq!(repo.hook_log(), "");
        }
    }
}

#[test]
fn an_agent_that_does_not_tell_its_process_is_the_one_that_started_the_hook() {
    let repo = TestRepo::new();
    let payload = repo.sandbox.path().join("payload");
    let text = json!({"session_id": "one", "cwd": repo.path(), "prompt": "x"}).to_string();
    std::fs::write(&payload, text).expect("writes");
    // As agents start hooks: a shell for the line alone, here below one that lives on.
    let script = format!(
        "sh -c '{} hook generic prompt' <{}; echo done; read -r end",
        env!("CARGO_BIN_EXE_session"),
        payload.display()
    );
    let mut command = repo.sandbox.command("sh", repo.path());
    command.arg("-c").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut agent = command.spawn().expect("starts");
    let mut said = String::new();
    let mut out = std::io::BufReader::new(agent.stdout.take().expect("a pipe"));
    std::io::BufRead::read_line(&mut out, &mut said).expect("reads");
    assert_eq!(said, "done\n");
    assert_state(&repo, "running");
    agent.kill().expect("kills");
    agent.wait().expect("reaps");
    assert_state(&repo, "killed");
}

#[test]
fn nothing_is_said_of_the_process_of_a_session_whose_notes_are_gone() {
    let repo = TestRepo::new();
    let agent = Agent::new(&repo, "one");
    agent.turn("x", "a", "b");
    assert_state(&repo, "waiting");
    for cache in ["running", "native"] {
        std::fs::remove_dir_all(repo.at(".git/session").join(cache)).expect("is there");
    }
    assert_state(&repo, "running");
    agent.leave();
    assert_state(&repo, "ended");
}

//! Drivers that hang: a hook keeps within its time and leaves the file out, and whatever ends the hook ends them.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::agent::Agent;
use crate::support::repo::TestRepo;

/// A driver of this kind that notes its process and never ends. One that is killed by its time alone would end the test only
/// after an hour.
fn with_hanging_driver(repo: &TestRepo, kind: &str) {
    let pids = repo.sandbox.path().join("pids").display().to_string();
    repo.git(["config", &format!("filter.slow.{kind}"), &format!("echo $$ >>'{pids}'; sleep 3600; cat")]);
    repo.write(".gitattributes", "*.bin filter=slow\n");
}

fn pids(repo: &TestRepo) -> Vec<String> {
    let text = fs::read_to_string(repo.sandbox.path().join("pids")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Whether a process of that id runs; one that only waits to be taken note of does not.
fn runs(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

/// Waits for what must come soon.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn in_a_hook_a_driver_that_hangs_costs_its_file_and_no_more_than_the_time() {
    for kind in ["clean", "process"] {
        let repo = TestRepo::new();
        repo.git(["config", "session.snapshot.budgetMs", "300"]);
        repo.write("f.bin", "1\n");
        repo.write("plain", "1\n");
        repo.commit("files");
        with_hanging_driver(&repo, kind);
        let agent = Agent::new(&repo, "a");
        agent.start();
        agent.prompt("change them");
        repo.write("f.bin", "2\n");
        repo.write("plain", "2\n");
        agent.tool(&["f.bin", "plain"]);
        agent.end();
        let skipped = repo.git(["show", &format!("{}:skipped.json", repo.session_ref())]);
        let skipped: Value = serde_json::from_str(&skipped).expect("JSON");
        assert_eq!(skipped["paths"], json!([{"path": "f.bin", "reason": "filter-too-slow"}]), "{kind}");
        assert_eq!(repo.git(["show", &format!("{}^1:plain", repo.session_ref())]), "2", "{kind}");
        let started = pids(&repo);
        assert!(!started.is_empty(), "{kind}: it ran");
        until("they end", || !started.iter().any(|pid| runs(pid)));
        // Nothing is known of the file, so nothing is done to it.
        repo.write("plain", "3\n");
        repo.git(["config", "--remove-section", "filter.slow"]);
        repo.ask(["rewind", "code", "--all", "turn:1.end"]);
        assert_eq!((repo.read("plain"), repo.read("f.bin")), (b"2\n".to_vec(), b"2\n".to_vec()), "{kind}");
        repo.assert_sound();
    }
}

#[test]
fn whatever_ends_a_hook_ends_the_drivers_that_it_started_and_what_those_started() {
    for (kind, signal) in [("clean", "KILL"), ("clean", "TERM"), ("process", "KILL")] {
        let repo = TestRepo::new();
        repo.git(["config", "session.snapshot.budgetMs", "3600000"]);
        repo.write("f.bin", "1\n");
        with_hanging_driver(&repo, kind);
        let payload = json!({"session_id": "a", "cwd": repo.path(), "prompt": "hi"}).to_string();
        let mut hook = repo.sandbox.command(env!("CARGO_BIN_EXE_session"), repo.path());
        hook.args(["hook", "generic", "prompt"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut hook = hook.spawn().expect("starts");
        std::io::Write::write_all(&mut hook.stdin.take().expect("a pipe"), payload.as_bytes()).expect("writes");
        until("the driver starts", || !pids(&repo).is_empty());
        let children = |pid: &str| {
            let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        let driver = pids(&repo).remove(0);
        until("it starts a sleep", || !children(&driver).is_empty());
        let mut all = children(&driver);
        all.push(driver);
        let kill =
            repo.sandbox.command("kill", repo.path()).args([&format!("-{signal}"), &hook.id().to_string()]).status();
        assert!(kill.expect("runs").success());
        drop(hook.wait());
        until("they end", || !all.iter().any(|pid| runs(pid)));
    }
}

//! How long the hooks of a turn take as whole processes, on a repository of 300 files (`cargo bench --bench hooks`).
//!
//! Times are of fork to exit. Counts (system calls, processes started) come from strace where that is installed; they do
//! not depend on how busy the machine is. The bar: p50 under 15 ms, p99 under 50 ms, no process started.
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a program of its own, run by hand")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const FILES: usize = 300;
const RUNS: usize = 200;
const SESSION: &str = "5a4c1de2-8a53-4f9f-9c49-6a3c7a111111";

/// A repository, a home and a transcript in a folder that goes away.
struct Bench {
    folder: tempfile::TempDir,
    agent: &'static str,
}

impl Bench {
    fn new(agent: &'static str) -> Self {
        let bench = Self { folder: tempfile::tempdir().expect("a folder"), agent };
        fs::create_dir(bench.folder.path().join("home")).expect("makes the home");
        fs::create_dir(bench.repo()).expect("makes the folder");
        bench.git(&["init", "--quiet"]);
        for file in 0..FILES {
            bench.write(file, "first");
        }
        bench.git(&["add", "--all"]);
        bench.git(&["commit", "--quiet", "--message=first"]);
        bench.say("system", "a session");
        if agent == "claude-code" {
            // As it is used: with the state file, which a script that drives `generic` has not.
            let enabled = bench.clean(env!("CARGO_BIN_EXE_session")).args(["enable", "--agent", agent]).output();
            assert!(enabled.expect("starts").status.success());
        }
        bench
    }

    fn repo(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    fn write(&self, file: usize, text: &str) {
        let path = self.repo().join(format!("src/part{}/file{file}.rs", file % 20));
        fs::create_dir_all(path.parent().expect("below the top")).expect("makes folders");
        fs::write(path, format!("// {text} {file}\n")).expect("writes");
    }

    /// The transcript grows by a record, of the size that an agent's usually have.
    fn say(&self, role: &str, text: &str) {
        let path = self.folder.path().join(format!("{SESSION}.jsonl"));
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path).expect("opens");
        let padding = "x".repeat(4 * 1024);
        let line = format!(
            r#"{{"type":"{role}","padding":"{padding}","uuid":"{:08x}-0000-4000-8000-000000000000","sessionId":"{SESSION}","message":{{"role":"{role}","content":"{text}"}}}}"#,
            file.metadata().expect("has a size").len()
        );
        writeln!(file, "{line}").expect("writes");
    }

    fn clean(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(self.repo());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.folder.path().join("home"));
        command.envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")]);
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Bench").env(format!("GIT_{who}_EMAIL"), "bench@example.invalid");
        }
        command
    }

    fn git(&self, args: &[&str]) {
        assert!(self.clean("git").args(args).status().expect("git starts").success());
    }

    /// The hook's words and what it reads.
    fn hook(&self, event: &str, turn: usize) -> (Vec<String>, String) {
        let name = match (self.agent, event) {
            ("claude-code", "prompt") => "UserPromptSubmit",
            ("claude-code", _) => "Stop",
            (_, event) => event,
        };
        let words = ["hook", self.agent, name].map(str::to_owned).to_vec();
        let repo = self.repo().display().to_string();
        let transcript = self.folder.path().join(format!("{SESSION}.jsonl")).display().to_string();
        let input = format!(
            r#"{{"session_id":"{SESSION}","cwd":"{repo}","transcript_path":"{transcript}","hook_event_name":"{name}","prompt":"do {turn}"}}"#
        );
        (words, input)
    }

    /// Runs one hook from fork to exit.
    fn run(&self, mut command: Command, event: &str, turn: usize) -> Duration {
        let (words, input) = self.hook(event, turn);
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::null());
        let start = Instant::now();
        let mut child = command.spawn().expect("starts");
        child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("writes");
        assert!(child.wait().expect("ends").success());
        start.elapsed()
    }

    fn timed(&self, event: &str, turn: usize) -> Duration {
        self.run(self.clean(env!("CARGO_BIN_EXE_session")), event, turn)
    }

    /// System calls of one hook, and processes that it started; `None` without strace.
    fn counted(&self, event: &str, turn: usize) -> Option<(usize, usize)> {
        let trace = self.folder.path().join("trace");
        let mut command = self.clean("strace");
        command.args(["-f", "-o"]).arg(&trace).arg(env!("CARGO_BIN_EXE_session"));
        if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
            return None;
        }
        self.run(command, event, turn);
        let text = String::from_utf8_lossy(&fs::read(trace).expect("reads")).into_owned();
        Some((text.lines().count(), text.lines().filter(|l| l.contains("execve(")).count() - 1))
    }

    /// Plays a turn: what happens before its end. `changes` files are written.
    fn work(&self, turn: usize, changes: usize) {
        self.say("assistant", &format!("done {turn}"));
        for n in 0..changes {
            self.write((turn * 7 + n * 31) % FILES, &format!("turn {turn}"));
        }
    }
}

fn report(what: &str, times: &mut [Duration]) {
    times.sort();
    let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1000.0;
    println!("{what:<44} p50 {:6.2} ms  p99 {:6.2} ms", at(50), at(99));
}

fn measure(agent: &'static str, changes: usize) {
    let bench = Bench::new(agent);
    let mut prompts = Vec::new();
    let mut ends = Vec::new();
    for turn in 1..=RUNS {
        bench.say("user", &format!("do {turn}"));
        prompts.push(bench.timed("prompt", turn));
        bench.work(turn, changes);
        ends.push(bench.timed("turn-end", turn));
        if [5, RUNS].contains(&turn) {
            count(&bench, turn + 1000, changes);
        }
    }
    report(&format!("{agent}, prompt, {changes} changed"), &mut prompts);
    report(&format!("{agent}, turn-end, {changes} changed"), &mut ends);
    let log = bench.repo().join(".git/session/log/hooks.log");
    assert!(!log.exists(), "{}", fs::read_to_string(&log).unwrap_or_default());
    assert_eq!(checkpoints(&bench.repo()), 2 * (RUNS + 2), "every hook made its checkpoint");
}

fn count(bench: &Bench, turn: usize, changes: usize) {
    bench.say("user", &format!("do {turn}"));
    let prompt = bench.counted("prompt", turn);
    bench.work(turn, changes);
    let end = bench.counted("turn-end", turn);
    let (Some(prompt), Some(end)) = (prompt, end) else { return };
    println!(
        "{}, after turn {}: prompt {} system calls, {} processes; turn-end {} and {}",
        bench.agent,
        turn - 1000,
        prompt.0,
        prompt.1,
        end.0,
        end.1
    );
}

/// Checkpoints of the one session.
fn checkpoints(repo: &Path) -> usize {
    let out = Command::new(env!("CARGO_BIN_EXE_session"))
        .args(["log", "--json", "-n", "1"])
        .current_dir(repo)
        .output()
        .expect("starts");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let number = text.split("\"number\":").nth(1).and_then(|t| t.trim_start().split([',', '\n', '}']).next());
    number.and_then(|n| n.trim().parse().ok()).unwrap_or_else(|| panic!("no checkpoint in {text}"))
}

fn main() {
    println!("{FILES} files, {RUNS} runs of each hook, whole processes");
    for agent in ["generic", "claude-code"] {
        for changes in [0, 3] {
            measure(agent, changes);
        }
    }
}

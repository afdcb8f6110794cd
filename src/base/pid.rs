//! Other processes: one that we were told of or that started us, noted so that it can be asked later whether it still runs.
//!
//! A number alone is used again by the system; with the moment of the start it is not. On systems without `/proc` only the
//! number is known. Nothing here signals a process.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::supplied::{self, Links};

/// A process, for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// Its number.
    pub pid: u32,
    /// When it started, in ticks since the system did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<u64>,
    /// The namespace of the number: in a container the same number is another process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<String>,
}

/// What `/proc/<pid>/stat` says.
struct Stat {
    is_dead: bool,
    parent: u32,
    started: u64,
}

impl ProcessId {
    /// The process of a number; `None` where none runs.
    pub fn of(pid: u32) -> Option<Self> {
        if !has_proc() {
            return answers(pid).then_some(Self { pid, started: None, space: None });
        }
        let stat = stat(pid).filter(|stat| !stat.is_dead)?;
        Some(Self { pid, started: Some(stat.started), space: space() })
    }

    /// Who started us, `line` being the end of our command line. A shell that was started only for that line ends with us
    /// and is passed over.
    pub fn caller(line: &str) -> Option<Self> {
        let mut pid = u32::try_from(rustix::process::getppid()?.as_raw_nonzero().get()).ok()?;
        // Such shells are seldom nested, never deeply.
        for _ in 0..4 {
            if !is_shell_for(pid, line) {
                break;
            }
            pid = stat(pid)?.parent;
        }
        Self::of(pid)
    }

    /// Whether it still runs; `None` where that cannot be known from here.
    pub fn is_running(&self) -> Option<bool> {
        if self.space.is_some() && self.space != space() {
            return None;
        }
        match Self::of(self.pid) {
            None => Some(false),
            Some(now) => Some(self.started.zip(now.started).is_none_or(|(then, now)| then == now)),
        }
    }
}

fn has_proc() -> bool {
    cfg!(target_os = "linux")
}

/// Whether a process of the number is there, be it another user's.
fn answers(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else { return false };
    !matches!(rustix::process::test_kill_process(pid), Err(rustix::io::Errno::SRCH))
}

fn proc_file(pid: u32, name: &str) -> Option<Vec<u8>> {
    supplied::read(&PathBuf::from(format!("/proc/{pid}/{name}")), Links::Follow, 1 << 16).ok().flatten()
}

fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&proc_file(pid, "stat")?)
}

/// The name, in brackets, may hold anything; what follows it is numbers.
fn parse_stat(text: &[u8]) -> Option<Stat> {
    let end = text.iter().rposition(|b| *b == b')')?;
    let rest = std::str::from_utf8(text.get(end + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    Some(Stat {
        is_dead: matches!(*fields.first()?, "Z" | "X" | "x"),
        parent: fields.get(1)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

fn space() -> Option<String> {
    std::fs::read_link("/proc/self/ns/pid").ok().map(|link| link.to_string_lossy().into_owned())
}

/// Whether it is a shell with `-c` and a text that ends in this line.
fn is_shell_for(pid: u32, line: &str) -> bool {
    let Some(words) = proc_file(pid, "cmdline") else { return false };
    let words: Vec<_> = words.split(|b| *b == 0).map(String::from_utf8_lossy).collect();
    is_for(&words.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), line)
}

fn is_for(words: &[&str], line: &str) -> bool {
    let Some((program, rest)) = words.split_first() else { return false };
    let name = program.rsplit('/').next().unwrap_or(program).trim_start_matches('-');
    let is_shell = ["sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "fish"].contains(&name);
    let script =
        rest.iter().position(|word| word.starts_with('-') && word.ends_with('c')).and_then(|at| rest.get(at + 1));
    is_shell && script.is_some_and(|script| script.trim_end().trim_end_matches("|| true").trim_end().ends_with(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_running_until_it_ends_and_its_number_is_not_taken_for_it() {
        let run = || std::process::Command::new("sleep").arg("60").spawn().expect("starts");
        let mut child = run();
        let noted = ProcessId::of(child.id()).expect("it runs");
        assert_eq!(noted.is_running(), Some(true));
        let other = ProcessId { started: noted.started.map(|ticks| ticks + 1), ..noted.clone() };
        assert_eq!(other.is_running(), Some(other.started.is_none()), "another process of that number");
        let elsewhere = ProcessId { space: Some("pid:[1]".to_owned()), ..noted.clone() };
        assert_eq!(elsewhere.is_running(), None);
        child.kill().expect("kills");
        child.wait().expect("reaps");
        assert_eq!(noted.is_running(), Some(false));
        assert_eq!(ProcessId::of(child.id()), None);
    }

    #[test]
    fn a_name_with_brackets_and_spaces_is_passed_over() {
        let text = b"7 (a) R) b) Z 3 7 7 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 42 5 6";
        let stat = parse_stat(text).expect("reads");
        assert_eq!((stat.is_dead, stat.parent, stat.started), (true, 3, 42));
        assert!(parse_stat(b"").is_none() && parse_stat(b"7 (a) R").is_none());
    }

    #[test]
    fn only_a_shell_that_was_started_for_the_hook_is_passed_over() {
        let line = "hook claude-code Stop";
        assert!(is_for(&["/bin/sh", "-c", "/opt/session hook claude-code Stop"], line));
        assert!(is_for(&["bash", "-lc", "command -v session && session hook claude-code Stop || true"], line));
        assert!(!is_for(&["bash", "-c", "session hook claude-code Stop; while :; do sleep 1; done"], line));
        assert!(!is_for(&["bash", "agent.sh", "hook claude-code Stop"], line));
        assert!(!is_for(&["node", "-c", "hook claude-code Stop"], line));
        assert!(!is_for(&[], line));
    }
}

//! The real Claude Code as a person has it before them: in a terminal (tmux), on the scripted model, as in
//! [`crate::agents_real`]; where the agent or tmux is missing this says that it is skipped.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::agents_real::Desk;

/// The agent's program in a terminal of its own.
struct Terminal<'d> {
    desk: &'d Desk,
    socket: PathBuf,
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        // It may have ended on its own.
        let _ended =
            self.desk.equipped("tmux", self.desk.repo.path()).arg("-S").arg(&self.socket).arg("kill-server").output();
    }
}

impl<'d> Terminal<'d> {
    fn new(desk: &'d Desk) -> Option<Self> {
        let at = desk.repo.path();
        if let Err(e) = desk.equipped("tmux", at).arg("-V").output() {
            let line = format!("agents_terminal: SKIPPED, tmux does not run: {e}\n");
            std::io::stderr().write_all(line.as_bytes()).expect("writes to standard error");
            return None;
        }
        // The folder is trusted, so that the agent asks nothing.
        let settings = desk.repo.sandbox.home().join(".claude.json");
        let text = std::fs::read(&settings).expect("the agent's settings");
        let mut known: Value = serde_json::from_slice(&text).expect("JSON");
        known["projects"][at.to_str().expect("a path in UTF-8")] = json!({ "hasTrustDialogAccepted": true });
        std::fs::write(&settings, known.to_string()).expect("writes");
        let terminal = Self { desk, socket: desk.repo.sandbox.path().join("tmux") };
        let line = "claude --permission-mode bypassPermissions";
        terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "60", line]);
        terminal.shows("❯");
        Some(terminal)
    }

    #[track_caller]
    fn tmux(&self, args: &[&str]) -> String {
        let mut command = self.desk.equipped("tmux", self.desk.repo.path());
        let out =
            command.env("LC_ALL", "C.UTF-8").arg("-u").arg("-S").arg(&self.socket).args(args).output().expect("starts");
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    /// What is on the screen, or was, once this is.
    #[track_caller]
    fn shows(&self, wanted: &str) -> String {
        self.comes_to(&["-S", "-500"], |screen| screen.contains(wanted), wanted)
    }

    /// The screen of another conversation, once this is not on it any more.
    #[track_caller]
    fn leaves(&self, gone: &str) -> String {
        self.comes_to(&[], |screen| screen.contains('❯') && !screen.contains(gone), gone)
    }

    #[track_caller]
    fn comes_to(&self, range: &[&str], is_so: impl Fn(&str) -> bool, what: &str) -> String {
        let looked = self.looks(1200, range, is_so);
        looked.unwrap_or_else(|screen| panic!("the screen does not change as it should: {what:?}\n{screen}"))
    }

    /// The program ends, with all that its last hooks write: git's check of the objects must see them all or none.
    fn ends(&self) {
        self.tmux(&["set-buffer", "/exit"]);
        self.tmux(&["paste-buffer", "-p"]);
        for _ in 0..1200 {
            let mut command = self.desk.equipped("tmux", self.desk.repo.path());
            command.arg("-S").arg(&self.socket).args(["send-keys", "Enter"]);
            if !command.output().expect("starts").status.success() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the program does not end");
    }

    /// Looks that many times, until it is so.
    fn looks(&self, times: u32, range: &[&str], is_so: impl Fn(&str) -> bool) -> Result<String, String> {
        let mut screen = String::new();
        for _ in 0..times {
            screen = self.tmux(&[&["capture-pane", "-p", "-J"], range].concat());
            if is_so(&screen) {
                return Ok(screen);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(screen)
    }

    /// Types, and sends it off once it is there to be seen. What is typed while the program is busy drawing may be lost to
    /// it: then it is typed, or sent off, once more; sending off nothing does nothing.
    #[track_caller]
    fn types(&self, text: &str, then: &str) -> String {
        let text = self.desk.whole(text);
        let last = text.lines().next_back().unwrap_or_default();
        self.tmux(&["set-buffer", &text]);
        for _ in 0..5 {
            self.tmux(&["paste-buffer", "-p"]);
            if self.looks(60, &["-S", "-500"], |screen| screen.contains(last)).is_ok() {
                break;
            }
        }
        for _ in 0..10 {
            self.tmux(&["send-keys", "Enter"]);
            if let Ok(screen) = self.looks(100, &["-S", "-500"], |screen| screen.contains(then)) {
                return screen;
            }
        }
        self.shows(then)
    }
}

#[test]
fn where_claude_is_installed_its_terminal_program_rewinds_resumes_and_forks() {
    let Some(desk) = Desk::new("terminal") else { return };
    let Some(terminal) = Terminal::new(&desk) else { return };
    let repo = &desk.repo;
    terminal.types("first prompt", "turns seen: [\"first prompt\"]");
    let write = "second prompt\n@write @/new.txt hello\n@bash rm doomed.txt";
    terminal.types(write, "turns seen: [\"first prompt\", \"second prompt\"]");
    let is_done = || (repo.at("new.txt").exists(), repo.at("doomed.txt").exists());
    assert_eq!(is_done(), (true, false));

    terminal.types("/rewind code", "Rewound: code to checkpoint");
    assert_eq!(is_done(), (false, true));
    terminal.types("/redo", "Redone: code to checkpoint");
    assert_eq!(is_done(), (true, false));
    terminal.types("/rewind", "turn:2  second prompt");
    terminal.types("/sessions", "TURNS");
    terminal.types("/fork Another way", "Forked session:");

    // The line that the answer ends with is typed as it stands.
    let screen = terminal.types("/rewind chat", "Cut off first: second prompt");
    let answer = screen.rsplit("Rewound: chat").next().unwrap_or_default();
    let resume = answer.lines().map(str::trim).find(|l| l.starts_with("/resume ")).expect("the line that resumes");
    terminal.types(resume, "turns seen: [\"first prompt\"]");
    let resumed = terminal.leaves("Cut off first");
    assert!(resumed.contains("first prompt") && !resumed.contains("second prompt"), "{resumed}");
    terminal.types("after it", "turns seen: [\"first prompt\", \"after it\"]");

    let screen = terminal.types("/rewind both turn:2", "Rewound: code and chat");
    assert!(screen.contains("The conversation has 1 turn."), "{screen}");
    terminal.ends();
    desk.assert_quiet();
    repo.assert_sound();
}

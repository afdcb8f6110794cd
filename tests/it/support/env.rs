//! A sandbox: a folder with a home of its own, an environment made from nothing, a clock and ids that repeat.
//!
//! The clock advances one second and the ids one seed with every command, so that two runs of a test print the same.

use std::cell::Cell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// 2026-01-02T03:04:05Z.
const START: i64 = 1_767_323_045;

/// A folder of its own, gone when it is dropped.
pub struct Sandbox {
    folder: tempfile::TempDir,
    commands: Cell<u32>,
    extra: Vec<(OsString, OsString)>,
}

impl Sandbox {
    /// An empty one.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("session-it-").tempdir().expect("makes a folder");
        for name in ["home", "config", "data", "state", "cache", "runtime", "tmp"] {
            std::fs::create_dir(folder.path().join(name)).expect("makes a folder");
        }
        Self { folder, commands: Cell::new(0), extra: Vec::new() }
    }

    /// Sets a variable for every later command.
    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.extra.push((name.into(), value.into()));
    }

    /// Its top.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The home folder.
    pub fn home(&self) -> PathBuf {
        self.path().join("home")
    }

    /// A command that sees nothing of the environment around the tests but PATH.
    pub fn command(&self, program: &str, cwd: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(cwd);
        command.env("PATH", std::env::var_os("PATH").expect("PATH is set"));
        command.env("HOME", self.home()).env("TMPDIR", self.path().join("tmp"));
        for name in ["config", "data", "state", "cache"] {
            command.env(format!("XDG_{}_HOME", name.to_uppercase()), self.path().join(name));
        }
        command.env("XDG_RUNTIME_DIR", self.path().join("runtime"));
        command.envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_TERMINAL_PROMPT", "0")]);
        command.envs([("TZ", "UTC"), ("LC_ALL", "C"), ("COLUMNS", "100")]);
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Test").env(format!("GIT_{who}_EMAIL"), "test@example.invalid");
        }
        let count = self.commands.get() + 1;
        self.commands.set(count);
        let now = chrono::DateTime::from_timestamp(START + i64::from(count), 0).expect("a time").to_rfc3339();
        command.env("GIT_AUTHOR_DATE", &now).env("GIT_COMMITTER_DATE", &now);
        command.env("SESSION_TEST_CLOCK", &now).env("SESSION_TEST_SEED", (u64::from(count) * 1000).to_string());
        command.envs(self.extra.iter().map(|(name, value)| (name, value)));
        command
    }
}

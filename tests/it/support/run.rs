//! One run of our binary, and what came of it.

use std::fmt;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use super::env::Sandbox;

/// What a run gave. `Display` shows all of it, so that one snapshot asserts all of it.
#[must_use]
#[derive(Debug)]
pub struct CommandOutput {
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl fmt::Display for CommandOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stdout)?;
        if !self.stderr.is_empty() {
            write!(f, "--- stderr\n{}", self.stderr)?;
        }
        match self.code {
            Some(0) => Ok(()),
            Some(code) => writeln!(f, "--- exit {code}"),
            None => writeln!(f, "--- killed"),
        }
    }
}

impl CommandOutput {
    /// Itself, where the run succeeded.
    #[track_caller]
    pub fn success(self) -> Self {
        assert_eq!(self.code, Some(0), "\n{self}");
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e} in\n{self}"))
    }
}

impl Sandbox {
    /// Runs `session` in a folder.
    pub fn session<S: AsRef<std::ffi::OsStr>>(&self, cwd: &Path, args: impl IntoIterator<Item = S>) -> CommandOutput {
        self.session_with_input(cwd, args, b"")
    }

    /// Runs `session` in a folder with something to read. The sandbox's own path shows as `$SANDBOX`.
    pub fn session_with_input<S: AsRef<std::ffi::OsStr>>(
        &self,
        cwd: &Path,
        args: impl IntoIterator<Item = S>,
        input: &[u8],
    ) -> CommandOutput {
        self.run_with_input(env!("CARGO_BIN_EXE_session"), cwd, args, input)
    }

    /// Runs any program so.
    pub fn run_with_input<S: AsRef<std::ffi::OsStr>>(
        &self,
        program: &str,
        cwd: &Path,
        args: impl IntoIterator<Item = S>,
        input: &[u8],
    ) -> CommandOutput {
        let mut command = self.command(program, cwd);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("starts the program");
        let mut stdin = child.stdin.take().expect("a pipe");
        let input = input.to_vec();
        let writer = std::thread::spawn(move || {
            // A command that does not read its input may end before it was written.
            let _unread = stdin.write_all(&input);
        });
        let out = child.wait_with_output().expect("the program ends");
        writer.join().expect("the writer ends");
        let top = self.path().to_str().expect("a path in UTF-8");
        let text = |bytes| String::from_utf8(bytes).expect("output in UTF-8").replace(top, "$SANDBOX");
        CommandOutput { code: out.status.code(), stdout: text(out.stdout), stderr: text(out.stderr) }
    }
}

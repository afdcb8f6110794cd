//! Children that do not outlive us: programs that a repository's configuration names, which may hang, and which start others.
//!
//! Such a child has a process group of its own and a guard in it, which waits for the end of a socket that only this process
//! holds. Whatever ends this process, a signal that cannot be caught too, ends the socket, and the guard kills the group. A
//! deadline kills it, too. Limits: a program that leaves its process group gets away.

use std::ffi::{OsStr, OsString};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::process::Run;
use super::{Error, Result};

/// Reads from the socket on standard error until that ends; meanwhile the command runs, with a file for its standard error.
/// The shell stays, so that both are waited for.
const GUARD: &str = r#"(read -r _ <&2; kill -KILL 0) >/dev/null & guard=$!
exec 2>>"$1"
sh -c "$2"
code=$?; exec 2>/dev/null; kill -KILL $guard; wait $guard
exit $code"#;

/// What a pipe holds at a time.
const CHUNK: usize = 1 << 16;

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// All that was waited for came.
    Done,
    /// The child ended, or closed its output, before.
    Ended,
    /// The time ran out; the child is killed.
    TooSlow,
}

/// One such child. Dropped, it is killed with all that it started.
#[derive(Debug)]
pub struct Guarded {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    /// Our end of the socket that the guard waits for.
    _life: UnixStream,
    program: String,
    ended: bool,
}

impl Guarded {
    /// Starts a line of shell as `run` says (folder and environment). What it writes to standard error is added to `errors`.
    pub fn start(run: &Run, line: &OsStr, errors: &Path) -> Result<Self> {
        let program = line.to_string_lossy().into_owned();
        let fail =
            |e: std::io::Error| Error::Child { program: program.clone(), problem: format!("cannot be started: {e}") };
        let (life, theirs) = UnixStream::pair().map_err(fail)?;
        let words = [OsString::from("-c"), GUARD.into(), "guard".into(), errors.into(), line.to_owned()];
        let run = Run { program: "sh".into(), args: words.to_vec(), ..run.clone() };
        let mut child = run.spawn(|command| {
            use std::os::unix::process::CommandExt as _;
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::from(OwnedFd::from(theirs)));
            command.process_group(0);
        })?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let stdout = stdout.ok_or_else(|| fail(ErrorKind::BrokenPipe.into()))?;
        let guarded = Self { child, stdin, stdout, _life: life, program: program.clone(), ended: false };
        let not_blocking =
            |fd: rustix::fd::BorrowedFd<'_>| rustix::io::ioctl_fionbio(fd, true).map_err(|e| fail(e.into()));
        not_blocking(guarded.stdout.as_fd())?;
        guarded.stdin.as_ref().map_or(Ok(()), |stdin| not_blocking(stdin.as_fd()))?;
        Ok(guarded)
    }

    /// Gives the child all of `input` and hands on what it answers until `take` says that this is all. `close`: its input ends
    /// with this.
    ///
    /// # Errors
    /// What `input` or `take` give, and what the system refuses.
    pub fn exchange(
        &mut self,
        input: &mut dyn Read,
        take: &mut dyn FnMut(&[u8]) -> std::io::Result<bool>,
        close: bool,
        deadline: Instant,
    ) -> Result<Exchange> {
        let program = self.program.clone();
        let fail =
            |e: std::io::Error| Error::Child { program: program.clone(), problem: format!("cannot be talked to: {e}") };
        let (mut waiting, mut read) = (Vec::new(), vec![0; CHUNK]);
        let (mut at_end, mut done) = (false, false);
        loop {
            if waiting.is_empty() && !at_end {
                waiting.resize(CHUNK, 0);
                let got = input.read(&mut waiting).map_err(fail)?;
                waiting.truncate(got);
                at_end = got == 0;
            }
            if at_end && close {
                self.stdin = None;
            }
            // What was not given by then would be taken for the beginning of the next exchange.
            if done && at_end && waiting.is_empty() {
                return Ok(Exchange::Done);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let writes = self.stdin.as_ref().filter(|_| !waiting.is_empty());
            let mut fds = vec![PollFd::new(&self.stdout, PollFlags::IN)];
            fds.extend(writes.map(|stdin| PollFd::new(stdin, PollFlags::OUT)));
            match poll(&mut fds, Some(&timespec(left))) {
                Err(rustix::io::Errno::INTR) => continue,
                Err(e) => return Err(fail(e.into())),
                Ok(0) if Instant::now() >= deadline => {
                    self.kill();
                    return Ok(Exchange::TooSlow);
                }
                Ok(_) => {}
            }
            let (readable, writable) =
                (!fds[0].revents().is_empty(), fds.get(1).is_some_and(|fd| !fd.revents().is_empty()));
            if writable && let Some(stdin) = &mut self.stdin {
                match stdin.write(&waiting) {
                    Ok(written) => drop(waiting.drain(..written)),
                    Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                    // One that stops reading early has its reasons; what it says tells.
                    Err(_) => (self.stdin, at_end, waiting) = (None, true, Vec::new()),
                }
            }
            if readable {
                match self.stdout.read(&mut read) {
                    Ok(0) => return Ok(Exchange::Ended),
                    Ok(got) => {
                        done |= take(&read[..got]).map_err(fail)?;
                    }
                    Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                    Err(e) => return Err(fail(e)),
                }
            }
        }
    }

    /// Waits for its end; the exit code, `None` where it was killed, at the deadline at the latest.
    pub fn wait(&mut self, deadline: Instant) -> Result<Option<i32>> {
        self.stdin = None;
        let mut pause = Duration::from_micros(100);
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => {
                    self.ended = true;
                    return Ok(status.code());
                }
                Ok(None) if Instant::now() < deadline => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(10));
                }
                Ok(None) => {
                    self.kill();
                    return Ok(None);
                }
                Err(e) => {
                    let problem = format!("cannot be waited for: {e}");
                    return Err(Error::Child { program: self.program.clone(), problem });
                }
            }
        }
    }

    /// Kills it and all that it started.
    pub fn kill(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            super::process::kill(&mut self.child, true);
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.kill();
    }
}

fn timespec(left: Duration) -> Timespec {
    // Rounded up: a wait of nothing would only be asked for again.
    let left = left.max(Duration::from_millis(1));
    let seconds = i64::try_from(left.as_secs()).unwrap_or(i64::MAX);
    Timespec { tv_sec: seconds, tv_nsec: left.subsec_nanos().into() }
}

/// A file for what guarded children write to standard error, gone when this is dropped.
#[derive(Debug)]
pub struct Said(tempfile::NamedTempFile);

impl Said {
    /// In a folder of ours.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        let made = tempfile::Builder::new().prefix(super::file::TEMP_PREFIX).tempfile_in(folder);
        made.map(Self).map_err(Error::io("create a file in", folder))
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    /// Its last line with text, and an empty file from now on.
    pub fn take(&self) -> String {
        // What cannot be read says nothing; it only explains a failure that is told anyway.
        let text = super::supplied::read(self.0.path(), super::supplied::Links::Refuse, super::supplied::MOST)
            .ok()
            .flatten()
            .unwrap_or_default();
        let _said_again = self.0.as_file().set_len(0);
        let text = String::from_utf8_lossy(&text);
        text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(line: &str) -> (Guarded, Said, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let said = Said::in_folder(folder.path()).expect("makes a file");
        let child = Guarded::start(&Run::new("sh"), OsStr::new(line), &said.path()).expect("starts");
        (child, said, folder)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn what_is_given_comes_back_whatever_its_size_and_the_code_and_words_with_it() {
        for size in [0, 5, 3_000_000] {
            let (mut child, said, _folder) = start("cat; echo so >&2; exit 3");
            let bytes = vec![b'x'; size];
            let mut back = Vec::new();
            let mut take = |part: &[u8]| {
                back.extend_from_slice(part);
                Ok(false)
            };
            let end = child.exchange(&mut bytes.as_slice(), &mut take, true, soon()).expect("talks");
            assert_eq!((end, child.wait(soon()).expect("ends")), (Exchange::Ended, Some(3)));
            assert_eq!(back.len(), size);
            assert_eq!(said.take(), "so");
        }
    }

    #[test]
    fn one_that_reads_nothing_or_answers_nothing_is_ended_at_the_deadline() {
        for line in ["sleep 1000", "sleep 1000 & exec cat >/dev/null", "trap '' TERM; while :; do sleep 1000; done"] {
            let (mut child, _said, _folder) = start(line);
            let deadline = Instant::now() + Duration::from_millis(50);
            let end = child.exchange(&mut std::io::repeat(b'x'), &mut |_| Ok(false), true, deadline).expect("talks");
            assert_eq!(end, Exchange::TooSlow, "{line}");
        }
    }
}

//! Child processes: the one place that starts a program. Explicit environment, a deadline, the whole group killed on overrun.

use std::ffi::{OsStr, OsString};
use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Error, Result};

static SPAWNED: AtomicU64 = AtomicU64::new(0);

/// Where programs are searched: the absolute directories of `PATH`.
static SEARCH: OnceLock<Vec<PathBuf>> = OnceLock::new();

/// Takes over `PATH` for every child from now on. Its empty and relative entries are left out: they mean a directory that
/// we may have come to on the way, as the top of a work tree, and a program there is anybody's.
pub fn search_in(path: &OsStr) {
    let absolute = std::env::split_paths(path).filter(|entry| entry.is_absolute()).collect();
    // Said once, by the command line; a second time would say the same.
    let _said_before = SEARCH.set(absolute);
}

/// The place of a program, by the absolute directories of `PATH`.
fn place_of(program: &OsStr) -> std::result::Result<OsString, String> {
    let Some(search) = SEARCH.get().filter(|_| !program.as_encoded_bytes().contains(&b'/')) else {
        return Ok(program.to_owned());
    };
    let runs = |path: &PathBuf| path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok();
    let found = search.iter().map(|directory| directory.join(program)).find(runs);
    found.map(Into::into).ok_or_else(|| "cannot be started: it is in no absolute directory of PATH".to_owned())
}

/// How many children this process has started; tests assert it.
pub fn spawn_count() -> u64 {
    SPAWNED.load(Ordering::Relaxed)
}

/// What to run, and how.
#[derive(Clone, Debug)]
pub struct Run {
    /// Program name or path.
    pub program: OsString,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Folder to run in; the present one where `None`.
    pub cwd: Option<PathBuf>,
    /// Variables to set.
    pub env: Vec<(OsString, OsString)>,
    /// Variables to take away.
    pub env_remove: Vec<OsString>,
    /// Bytes for standard input; closed where `None`.
    pub stdin: Option<Vec<u8>>,
    /// Killed after this long.
    pub deadline: Duration,
    /// Killed when it says nothing for so long. Not where it may ask a person.
    pub patience: Option<Duration>,
    /// Bytes that it may write on either output; killed at more.
    pub most_output: usize,
    /// Stays in our process group, so that it may ask on the terminal; a deadline then reaches only the child itself.
    pub may_ask: bool,
    /// What it starts itself is searched in the absolute directories of `PATH` only.
    pub own_search_path: bool,
}

/// How a child ended.
#[derive(Debug)]
pub struct Output {
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Whether it exited with 0.
    pub fn ok(&self) -> bool {
        self.code == Some(0)
    }
}

impl Run {
    /// A program with no arguments, one minute of time, no input.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            cwd: None,
            env: Vec::new(),
            env_remove: Vec::new(),
            stdin: None,
            deadline: Duration::from_secs(60),
            patience: None,
            most_output: usize::MAX,
            may_ask: false,
            own_search_path: false,
        }
    }

    /// Runs to the end and collects what it printed.
    ///
    /// # Errors
    /// [`Error::Child`] where it cannot be started or overruns its deadline. A failing exit code is no error here.
    pub fn output(&self) -> Result<Output> {
        let name = self.program.to_string_lossy().into_owned();
        let fail = |problem: String| Error::Child { program: name.clone(), problem };
        let mut command = self.command().map_err(&fail)?;
        command.stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        // Its own group, so that a deadline reaches what the child started too. In a group of its own it would be stopped
        // when it reads the terminal.
        let asks = self.may_ask && super::file::is_openable(std::path::Path::new("/dev/tty"));
        if !asks {
            command.process_group(0);
        }
        let watch = Watch::new(self.most_output);
        let watch = &watch;
        SPAWNED.fetch_add(1, Ordering::Relaxed);
        let mut child = command.spawn().map_err(|e| fail(format!("cannot be started: {e}")))?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        std::thread::scope(|scope| {
            let (stdin, stdout, stderr) = pipes;
            scope.spawn(move || {
                if let (Some(mut pipe), Some(bytes)) = (stdin, self.stdin.as_deref()) {
                    // A child that stops reading early has its reasons; its exit code tells.
                    let _closed_early = pipe.write_all(bytes);
                }
            });
            let out = scope.spawn(move || stdout.map_or(Ok(Vec::new()), |pipe| watch.read(pipe)));
            let err = scope.spawn(move || stderr.map_or(Ok(Vec::new()), |pipe| watch.read(pipe)));
            let patience = self.patience.filter(|_| !asks);
            let status = wait(&mut child, self.deadline, patience, watch, !asks).map_err(&fail)?;
            let collect = |bytes: std::thread::Result<std::io::Result<Vec<u8>>>| match bytes {
                Ok(Ok(bytes)) => Ok(bytes),
                Ok(Err(e)) => Err(fail(format!("cannot be read from: {e}"))),
                Err(_) => Err(fail("cannot be read from".to_owned())),
            };
            let output = Output { code: status.code(), stdout: collect(out.join())?, stderr: collect(err.join())? };
            // It may have ended when nobody read on, before it was seen to say too much.
            if watch.too_much.load(Ordering::Relaxed) {
                return Err(fail(watch.said_too_much()));
            }
            Ok(output)
        })
    }

    /// Runs to the end without input and gives standard output to `put` as it comes; what is returned has none. Where `put`
    /// fails, the child is stopped.
    ///
    /// # Errors
    /// Those of [`Self::output`]; what `put` says.
    pub fn stream<E: From<Error>>(
        &self,
        put: &mut dyn FnMut(&[u8]) -> std::result::Result<(), E>,
    ) -> std::result::Result<Output, E> {
        let name = self.program.to_string_lossy().into_owned();
        let fail = |problem: String| Error::Child { program: name.clone(), problem };
        let mut command = self.command().map_err(&fail)?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        SPAWNED.fetch_add(1, Ordering::Relaxed);
        let mut child = command.spawn().map_err(|e| fail(format!("cannot be started: {e}")))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let mut given = Ok(());
        let ended = std::thread::scope(|scope| {
            let err = scope.spawn(move || {
                let mut bytes = Vec::new();
                stderr.map_or(Ok(0), |mut p| p.read_to_end(&mut bytes)).map(|_| bytes)
            });
            // The deadline holds while the output is read, too.
            let child = &mut child;
            let (stop, stopped) = std::sync::mpsc::channel();
            let ended = scope.spawn(move || wait_or_stop(child, self.deadline, &stopped));
            if let Some(mut pipe) = stdout {
                let mut piece = vec![0; super::file::PIECE];
                loop {
                    match pipe.read(&mut piece) {
                        Ok(0) => break,
                        Ok(read) => given = put(&piece[..read]),
                        Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                        Err(e) => given = Err(fail(format!("cannot be read from: {e}")).into()),
                    }
                    if given.is_err() {
                        // It has ended by itself where nobody listens any more.
                        let _ended = stop.send(());
                        break;
                    }
                }
            }
            let ended = ended.join().unwrap_or_else(|_| Err("cannot be waited for".to_owned()));
            let stderr = err.join().ok().and_then(std::result::Result::ok).unwrap_or_default();
            (ended, stderr)
        });
        given?;
        let (status, stderr) = (ended.0.map_err(fail)?, ended.1);
        Ok(Output { code: status.code(), stdout: Vec::new(), stderr })
    }

    /// Runs in the foreground with our own input and outputs; the exit code.
    pub fn interactive(&self) -> Result<i32> {
        let name = self.program.to_string_lossy().into_owned();
        SPAWNED.fetch_add(1, Ordering::Relaxed);
        let fail = |problem| Error::Child { program: name.clone(), problem };
        let status = self.command().map_err(fail)?.status().map_err(|e| fail(format!("cannot be started: {e}")))?;
        Ok(status.code().unwrap_or(255))
    }

    /// Starts a child that outlives us, in a session of its own, with nothing to read and nowhere to write.
    pub fn detach(&self) -> Result<()> {
        let name = self.program.to_string_lossy().into_owned();
        let mut command = self.command().map_err(|problem| Error::Child { program: name.clone(), problem })?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        SPAWNED.fetch_add(1, Ordering::Relaxed);
        command
            .spawn()
            .map(drop)
            .map_err(|e| Error::Child { program: name, problem: format!("cannot be started: {e}") })
    }

    /// Starts a child that reads from us (a pager) and writes to our outputs.
    pub fn piped_into(&self) -> Result<Child> {
        let name = self.program.to_string_lossy().into_owned();
        SPAWNED.fetch_add(1, Ordering::Relaxed);
        let fail = |problem| Error::Child { program: name.clone(), problem };
        let mut command = self.command().map_err(fail)?;
        command.stdin(Stdio::piped()).spawn().map_err(|e| fail(format!("cannot be started: {e}")))
    }

    /// Starts it, with its ends arranged by the caller, who waits for it.
    pub(super) fn spawn(&self, arrange: impl FnOnce(&mut Command)) -> Result<Child> {
        let name = self.program.to_string_lossy().into_owned();
        let refused = |problem| Error::Child { program: name.clone(), problem };
        let mut command = self.command().map_err(refused)?;
        arrange(&mut command);
        SPAWNED.fetch_add(1, Ordering::Relaxed);
        command.spawn().map_err(|e| Error::Child { program: name, problem: format!("cannot be started: {e}") })
    }

    fn command(&self) -> std::result::Result<Command, String> {
        let program = place_of(&self.program)?;
        #[expect(clippy::disallowed_methods, reason = "the one place that starts a program")]
        let mut command = Command::new(program);
        command.args(&self.args);
        for name in &self.env_remove {
            command.env_remove(name);
        }
        if let (true, Some(search)) = (self.own_search_path, SEARCH.get())
            && let Ok(path) = std::env::join_paths(search)
        {
            command.env("PATH", path);
        }
        for (name, value) in &self.env {
            command.env(name, value);
        }
        if let Some(cwd) = &self.cwd {
            command.current_dir(cwd);
        }
        Ok(command)
    }
}

/// The same of a child with a group of its own, which is killed also when told to stop.
fn wait_or_stop(
    child: &mut Child,
    deadline: Duration,
    stop: &std::sync::mpsc::Receiver<()>,
) -> std::result::Result<std::process::ExitStatus, String> {
    wait_while(child, deadline, true, &mut |pause| match stop.recv_timeout(pause) {
        Ok(()) => Err("was stopped".to_owned()),
        Err(_) => Ok(()),
    })
}

/// What a child writes, watched while it is read.
struct Watch {
    started: Instant,
    /// When it last wrote, in milliseconds after the start.
    heard: AtomicU64,
    most: usize,
    too_much: AtomicBool,
}

impl Watch {
    fn new(most: usize) -> Self {
        Self { started: Instant::now(), heard: AtomicU64::new(0), most, too_much: AtomicBool::new(false) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// For how long it wrote nothing.
    fn silence(&self) -> Duration {
        Duration::from_millis(self.now().saturating_sub(self.heard.load(Ordering::Relaxed)))
    }

    fn said_too_much(&self) -> String {
        format!("said more than {} bytes and was stopped", self.most)
    }

    fn read(&self, mut pipe: impl std::io::Read) -> std::io::Result<Vec<u8>> {
        let (mut bytes, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
        loop {
            match pipe.read(&mut buffer) {
                Ok(0) => return Ok(bytes),
                Ok(n) if bytes.len().saturating_add(n) > self.most => {
                    self.too_much.store(true, Ordering::Relaxed);
                    return Ok(bytes);
                }
                Ok(n) => bytes.extend_from_slice(&buffer[..n]),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
            self.heard.store(self.now(), Ordering::Relaxed);
        }
    }
}

/// Waits for the child; kills it at the deadline, when it is silent for too long or says too much, with its group where it has one
/// of its own.
fn wait(
    child: &mut Child,
    deadline: Duration,
    patience: Option<Duration>,
    watch: &Watch,
    own_group: bool,
) -> std::result::Result<std::process::ExitStatus, String> {
    wait_while(child, deadline, own_group, &mut |pause| {
        if watch.too_much.load(Ordering::Relaxed) {
            return Err(watch.said_too_much());
        }
        if let Some(patience) = patience.filter(|patience| watch.silence() > *patience) {
            return Err(format!("said nothing for {} s and was stopped", patience.as_secs_f32()));
        }
        std::thread::sleep(pause);
        Ok(())
    })
}

/// Waits while the pause between two looks does not say why to stop.
fn wait_while(
    child: &mut Child,
    deadline: Duration,
    own_group: bool,
    rest: &mut dyn FnMut(Duration) -> std::result::Result<(), String>,
) -> std::result::Result<std::process::ExitStatus, String> {
    let start = Instant::now();
    let mut pause = Duration::from_micros(200);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if start.elapsed() < deadline => {
                if let Err(why) = rest(pause) {
                    kill(child, own_group);
                    return Err(why);
                }
                pause = (pause * 2).min(Duration::from_millis(20));
            }
            Ok(None) => {
                kill(child, own_group);
                return Err(format!("took longer than {} s and was stopped", deadline.as_secs_f32()));
            }
            Err(e) => return Err(format!("cannot be waited for: {e}")),
        }
    }
}

/// Kills a child, with its group where it has one of its own.
pub(super) fn kill(child: &mut Child, own_group: bool) {
    let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    // It may have ended meanwhile; then there is nothing to kill.
    if let (true, Some(group)) = (own_group, group) {
        let _gone = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    } else {
        let _gone = child.kill();
    }
    let _reaped = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_past_its_deadline_is_killed_with_its_group() {
        let mut run = Run::new("sh");
        run.args = vec!["-c".into(), "sleep 30 & wait".into()];
        run.deadline = Duration::from_millis(50);
        let start = Instant::now();
        assert!(matches!(run.output(), Err(Error::Child { .. })));
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_child_that_stalls_or_never_stops_talking_is_killed() {
        for (script, what) in [("echo x; sleep 30 & wait", "said nothing"), ("yes | cat", "said more than")] {
            let mut run = Run::new("sh");
            run.args = vec!["-c".into(), script.into()];
            (run.patience, run.most_output) = (Some(Duration::from_millis(100)), 1 << 20);
            let said = run.output().expect_err("is stopped").to_string();
            assert!(said.contains(what), "{said}");
        }
    }

    #[test]
    fn input_larger_than_a_pipe_reaches_the_child() {
        let mut run = Run::new("cat");
        run.stdin = Some(vec![b'x'; 300_000]);
        let out = run.output().expect("runs");
        assert!(out.ok() && out.stdout.len() == 300_000);
    }
}

//! Runs filter drivers as git would, by name and with no other conversion: line ends, encodings and `ident` stay what they are.
//!
//! A `clean` or `smudge` command is started for each file, a `process` once for all. They run in the top of the work tree,
//! have a deadline together, and do not outlive us. Contents are streamed.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::time::Instant;

use bstr::{BStr, BString, ByteSlice as _};

use super::cli::Git;
use super::driver_process::{Answer, DriverProcess};
use super::filters::{Driver, Drivers};
use super::{Repo, Result};
use crate::base::RepoPath;
use crate::base::file;
use crate::base::guarded::{Exchange, Guarded, Said};

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the work tree into the repository.
    Clean,
    /// Back.
    Smudge,
}

/// What came of running a driver for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ran {
    /// The output is whole.
    Done,
    /// The driver has nothing to run in this way: the bytes stay as they are.
    Nothing,
    /// It failed; what it said.
    Failed(String),
    /// The time ran out.
    TooSlow,
}

/// Runs drivers, one file after the other.
pub struct Runner<'r> {
    repo: &'r Repo,
    drivers: &'r Drivers,
    deadline: Instant,
    said: Said,
    /// Processes by the names of their drivers; `None` for one that is not to be asked any more.
    processes: BTreeMap<BString, Option<DriverProcess>>,
}

impl std::fmt::Debug for Runner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").field("drivers", self.drivers).finish_non_exhaustive()
    }
}

impl<'r> Runner<'r> {
    /// With all of this time for all files.
    pub fn new(repo: &'r Repo, drivers: &'r Drivers, deadline: Instant) -> Result<Self> {
        let folder = repo.git_dir.join("session");
        file::create_private_dir(&folder)?;
        Ok(Self { repo, drivers, deadline, said: Said::in_folder(&folder)?, processes: BTreeMap::new() })
    }

    /// Whether there is no time left.
    pub fn is_late(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// Runs a driver for the file of this path: `input` goes in, `output` takes what comes out, of which nothing counts unless
    /// that is [`Ran::Done`].
    pub fn run(
        &mut self,
        way: Way,
        name: &BStr,
        path: &RepoPath,
        input: &mut dyn Read,
        output: &mut dyn Write,
    ) -> Result<Ran> {
        let Some(driver) = self.drivers.get(name) else { return Ok(Ran::Nothing) };
        if self.is_late() {
            return Ok(Ran::TooSlow);
        }
        if let Some(line) = &driver.process {
            return self.by_process(way, name, line.clone().as_bstr(), path, input, output);
        }
        match command(driver, way) {
            Some(line) => self.by_command(with_path(line, path).as_bstr(), input, output),
            None => Ok(Ran::Nothing),
        }
    }

    fn by_command(&mut self, line: &BStr, input: &mut dyn Read, output: &mut dyn Write) -> Result<Ran> {
        let mut child = self.start(line)?;
        let mut take = |bytes: &[u8]| output.write_all(bytes).map(|()| false);
        if child.exchange(input, &mut take, true, self.deadline)? == Exchange::TooSlow {
            return Ok(Ran::TooSlow);
        }
        match child.wait(self.deadline)? {
            Some(0) => Ok(Ran::Done),
            None if self.is_late() => Ok(Ran::TooSlow),
            code => Ok(Ran::Failed(self.words(code))),
        }
    }

    fn by_process(
        &mut self,
        way: Way,
        name: &BStr,
        line: &BStr,
        path: &RepoPath,
        input: &mut dyn Read,
        output: &mut dyn Write,
    ) -> Result<Ran> {
        if !self.processes.contains_key(name) {
            let child = self.start(line)?;
            let process = DriverProcess::greet(child, self.deadline)?;
            self.processes.insert(name.to_owned(), process);
        }
        let Some(Some(process)) = self.processes.get_mut(name) else {
            return Ok(if self.is_late() { Ran::TooSlow } else { Ran::Failed(self.words(None)) });
        };
        if !process.can(way) {
            return Ok(Ran::Nothing);
        }
        match process.ask(way, path, input, output, self.deadline)? {
            Answer::Success => Ok(Ran::Done),
            Answer::Error => Ok(Ran::Failed(self.words(None))),
            // It does not want to be asked for others either, or is gone.
            end @ (Answer::Abort | Answer::Gone | Answer::TooSlow) => {
                self.processes.insert(name.to_owned(), None);
                Ok(if end == Answer::TooSlow { Ran::TooSlow } else { Ran::Failed(self.words(None)) })
            }
        }
    }

    fn start(&self, line: &BStr) -> Result<Guarded> {
        let run = Git::for_driver(self.repo)?;
        Ok(Guarded::start(&run, OsStr::from_bytes(line), &self.said.path())?)
    }

    /// What a failing driver said.
    fn words(&self, code: Option<i32>) -> String {
        match (self.said.take(), code) {
            (said, _) if !said.is_empty() => said,
            (_, Some(code)) => format!("it ended with exit code {code}"),
            (_, None) => "it ended early".to_owned(),
        }
    }
}

fn command(driver: &Driver, way: Way) -> Option<&BStr> {
    let command = match way {
        Way::Clean => &driver.clean,
        Way::Smudge => &driver.smudge,
    };
    command.as_ref().map(|line| line.as_bstr())
}

/// The line of shell with the path in the place of each `%f`, quoted as git quotes it, and `%` for `%%`.
fn with_path(line: &BStr, path: &RepoPath) -> BString {
    let mut out = Vec::with_capacity(line.len());
    let mut rest = line.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        match (byte, rest.peek()) {
            (b'%', Some(b'f')) => {
                rest.next();
                out.push(b'\'');
                for byte in path.as_bytes() {
                    match byte {
                        b'\'' | b'!' => out.extend_from_slice(&[b'\'', b'\\', *byte, b'\'']),
                        byte => out.push(*byte),
                    }
                }
                out.push(b'\'');
            }
            (b'%', Some(b'%')) => {
                rest.next();
                out.push(b'%');
            }
            _ => out.push(byte),
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::matrix::Bench;
    use std::time::Duration;

    fn run(bench: &Bench, way: Way, name: &str, path: &str, bytes: &[u8]) -> (Ran, Vec<u8>) {
        let repo = bench.repo();
        let drivers = Drivers::read(&repo).expect("reads");
        let mut runner = Runner::new(&repo, &drivers, Instant::now() + Duration::from_secs(60)).expect("makes one");
        let (path, mut out) = (RepoPath::new(path).expect("a path"), Vec::new());
        let ran = runner.run(way, BStr::new(name), &path, &mut { bytes }, &mut out).expect("runs");
        (ran, out)
    }

    #[test]
    fn a_command_gets_the_bytes_and_the_path_as_git_gives_them() {
        let bench = Bench::plain();
        bench.git(&["config", "filter.x.clean", "printf '%%s:' %f; cat"]);
        bench.git(&["config", "filter.x.smudge", "echo broken >&2; exit 7"]);
        bench.write(".gitattributes", "* filter=x\n");
        let name = "dir/it's 100% odd!";
        bench.write(name, "bytes");
        bench.git(&["add", name]);
        let (ran, out) = run(&bench, Way::Clean, "x", name, b"bytes");
        assert_eq!(ran, Ran::Done);
        assert_eq!(String::from_utf8_lossy(&out), bench.git(&["cat-file", "blob", &format!(":{name}")]));
        assert_eq!(run(&bench, Way::Smudge, "x", name, b"").0, Ran::Failed("broken".to_owned()));
        assert_eq!(run(&bench, Way::Smudge, "unknown", name, b"").0, Ran::Nothing);
    }

    #[test]
    fn a_driver_past_its_deadline_is_given_up() {
        let bench = Bench::plain();
        bench.git(&["config", "filter.x.clean", "sleep 1000"]);
        bench.git(&["config", "filter.y.process", "sleep 1000"]);
        let repo = bench.repo();
        let drivers = Drivers::read(&repo).expect("reads");
        for name in ["x", "y"] {
            let deadline = Instant::now() + Duration::from_millis(50);
            let mut runner = Runner::new(&repo, &drivers, deadline).expect("makes one");
            let path = RepoPath::new("a").expect("a path");
            for _ in 0..2 {
                let ran = runner.run(Way::Clean, BStr::new(name), &path, &mut &b"x"[..], &mut Vec::new());
                assert_eq!(ran.expect("runs"), Ran::TooSlow, "{name}");
            }
        }
    }
}

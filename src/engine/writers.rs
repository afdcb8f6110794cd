//! Writers of our refs take turns: an OS lock, in whose file stands the ref that is being moved.
//!
//! libgit2 leaves `<ref>.lock` behind when it dies at its rename. The next writer knows from the note whose it is and
//! removes it; other stale ones it removes once they are old. The lock of a branch, which may be the user's own git's by now,
//! it removes once it is old, and remembers it until then. In reftable one lock is for all refs, the user's too: a git of
//! ours that was killed leaves it, which blocks everybody. It is removed once it is old, and only after such a death.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use super::{Result, local, locks};
use crate::base::file;
use crate::base::lock::FileLock;
use crate::git::{Error as GitError, RefEdit, RefName, Repo};

/// How long explicit commands wait for other writers.
pub const PATIENT: Duration = Duration::from_secs(12);
/// How long hooks wait.
pub const HASTY: Duration = Duration::from_millis(500);

/// So many edits are made by one git instead of one by one.
const TOGETHER: usize = 32;

/// The right to move our refs.
#[derive(Debug)]
pub struct Writers<'r> {
    repo: &'r Repo,
    lock: FileLock,
    until: Instant,
    /// Whether the last update that was noted never came to its end.
    after_death: bool,
    /// Branches whose lock a death may have left.
    left: Vec<RefName>,
    /// What the note says of the update under way.
    noted: String,
}

/// What begins the line of such a branch in the note.
const LEFT: &str = "left ";

impl<'r> Writers<'r> {
    /// Takes the lock, waiting at most `wait`; the same time then bounds retries of updates.
    pub fn acquire(repo: &'r Repo, wait: Duration) -> Result<Self> {
        let until = Instant::now() + wait;
        let mut lock =
            FileLock::acquire(&local::shared_dir(repo)?.join("refs.lock"), wait, repo.shared.private_file())?;
        let note = lock.note()?;
        let mut after_death = false;
        let (moving, mut left) = parse(&note);
        if let Some(name) = moving {
            // Whoever noted this died in the middle of its update: we hold the lock now.
            after_death = is_reftable(repo);
            if name.as_session_head().is_some() {
                file::remove_optional(&lock_file(repo, &name))?;
            } else if !after_death {
                left.push(name);
            }
        }
        let noted = note.lines().filter(|line| !line.starts_with(LEFT)).map(|line| format!("{line}\n")).collect();
        let mut writers = Self { repo, lock, until, after_death, left, noted };
        writers.remove_left()?;
        if after_death {
            writers.remove_stale(&locks_of_reftable(repo))?;
            after_death = !locks_of_reftable(repo).is_empty();
            writers.after_death = after_death;
        }
        if !note.is_empty() && !after_death {
            writers.note("")?;
        }
        Ok(writers)
    }

    /// Writes the note; what a death left stays in it.
    fn note(&mut self, text: &str) -> Result<()> {
        let left: String = self.left.iter().map(|name| format!("{LEFT}{name}\n")).collect();
        let empty = if text.is_empty() && !left.is_empty() { "\n" } else { "" };
        text.clone_into(&mut self.noted);
        Ok(self.lock.set_note(&format!("{text}{empty}{left}"))?)
    }

    /// Removes the locks of branches that a death left, once they are old.
    fn remove_left(&mut self) -> Result<()> {
        for name in self.left.clone() {
            self.remove_if_stale(&name)?;
        }
        let repo = self.repo;
        self.left.retain(|name| lock_file(repo, name).exists());
        Ok(())
    }

    /// Makes one edit. A ref that is locked, or seems changed while git packs refs, is tried again within the time.
    ///
    /// # Errors
    /// [`GitError::Lost`] where another writer moved the ref; nothing was changed.
    pub fn update(&mut self, edit: &RefEdit) -> Result<()> {
        self.note(&format!("{}\npid {}\n", edit.name, std::process::id()))?;
        if self.after_death {
            self.remove_if_stale(&edit.name)?;
        }
        let outcome = self.try_until(edit);
        // A git that was killed may have done its work before; nobody else makes this very commit.
        let is_done = |e: &super::Error| matches!(e, super::Error::Git(GitError::Lost { actual, .. }) if actual.is_some() && *actual == edit.new);
        let refused = |e: &super::Error| {
            matches!(e, super::Error::Git(GitError::RefLocked { .. } | GitError::Lost { .. })) && !is_done(e)
        };
        // The note stays for the next holder while locks of that git may be there.
        let died_now = || outcome.as_ref().is_err_and(|e| !refused(e));
        let died_before = self.after_death && !self.locks(&edit.name).is_empty();
        if !died_before && !died_now() {
            self.note("")?;
        }
        if outcome.as_ref().is_err_and(is_done) { Ok(()) } else { outcome }
    }

    /// Makes edits of new or old refs together, all or none; whether they were made. A few are made one by one.
    pub fn update_together(&mut self, edits: &[RefEdit]) -> Result<bool> {
        let Some(first) = edits.first().filter(|_| edits.len() >= TOGETHER) else { return Ok(edits.is_empty()) };
        self.note(&format!("{}\npid {}\n", first.name, std::process::id()))?;
        let done = crate::git::refs::update_together(self.repo, edits, &first.message)?;
        if done {
            self.note("")?;
        }
        Ok(done)
    }

    /// Waits, within the time, until nobody holds the lock of a ref: whoever begins something long knows then that it can end it.
    ///
    /// # Errors
    /// [`GitError::RefLocked`] where it is held all that time.
    pub fn wait_for(&mut self, name: &RefName) -> Result<()> {
        let mut pause = Duration::from_millis(1);
        let is_held = |repo: &Repo| match is_reftable(repo) {
            true => !locks_of_reftable(repo).is_empty(),
            false => lock_file(repo, name).exists(),
        };
        while is_held(self.repo) {
            self.remove_if_stale(name)?;
            if Instant::now() >= self.until {
                return Err(GitError::RefLocked { name: name.to_string() }.into());
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(100));
        }
        Ok(())
    }

    fn try_until(&mut self, edit: &RefEdit) -> Result<()> {
        let mut pause = Duration::from_millis(1);
        loop {
            let error = match self.repo.refs.update(edit) {
                Ok(()) => return Ok(()),
                Err(e) => e,
            };
            let again = match &error {
                GitError::RefLocked { .. } => {
                    self.remove_if_stale(&edit.name)?;
                    true
                }
                // While git packs refs a read may miss; only a value that truly differs is lost.
                GitError::Lost { .. } => {
                    let now = self.repo.refs.read(&edit.name)?;
                    match edit.expected {
                        crate::git::Expected::Absent => now.is_none(),
                        crate::git::Expected::Exactly(oid) => now == Some(oid),
                    }
                }
                _ => false,
            };
            if !again || Instant::now() >= self.until {
                return Err(error.into());
            }
            // The process id spreads out writers that collided.
            std::thread::sleep(pause + Duration::from_micros(u64::from(std::process::id() % 997)));
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }

    fn remove_if_stale(&mut self, name: &RefName) -> Result<()> {
        self.remove_stale(&self.locks(name))
    }

    fn remove_stale(&mut self, locks: &[PathBuf]) -> Result<()> {
        if !locks.is_empty() {
            // Written anew, our own lock file tells the moment by the file system's clock.
            self.note(&self.noted.clone())?;
        }
        for path in locks {
            if file_time_now(self.repo).is_ok_and(|now| locks::is_old(path, now)) {
                file::remove_optional(path)?;
            }
        }
        Ok(())
    }

    /// Locks in the way of an update that a death may have left.
    fn locks(&self, name: &RefName) -> Vec<PathBuf> {
        if !is_reftable(self.repo) {
            // The lock of a branch is the user's own git's, unless we know better.
            if name.as_branch().is_some() && !self.left.contains(name) {
                return Vec::new();
            }
            return Some(lock_file(self.repo, name)).filter(|path| path.exists()).into_iter().collect();
        }
        if self.after_death { locks_of_reftable(self.repo) } else { Vec::new() }
    }
}

/// The ref that a note says is being moved, and the branches whose lock a death may have left.
fn parse(note: &str) -> (Option<RefName>, Vec<RefName>) {
    let name = |text: &str| RefName::from_git(text).ok();
    let moving = note.lines().next().filter(|line| !line.starts_with(LEFT)).and_then(name);
    (moving, note.lines().filter_map(|line| line.strip_prefix(LEFT)).filter_map(name).collect())
}

/// Removes what a death left, once it is old, also where no ref is to be moved: the user's own git waits for it.
pub fn free(repo: &Repo) -> Result<()> {
    if of_unfinished_updates(repo)?.is_empty() {
        return Ok(());
    }
    match Writers::acquire(repo, Duration::ZERO) {
        // Somebody is moving a ref this moment.
        Ok(_) | Err(super::Error::Base(crate::base::Error::Locked { .. })) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Locks that are there and that a writer of ours was making when it, or its git, came to its end; or is making now.
pub fn of_unfinished_updates(repo: &Repo) -> Result<Vec<PathBuf>> {
    // Not by `shared_dir`: looking makes no folder.
    let note = file::read_optional(&repo.common_dir.join("session").join("refs.lock"))?.unwrap_or_default();
    let (moving, left) = parse(&String::from_utf8_lossy(&note));
    if is_reftable(repo) {
        return Ok(if moving.is_some() { locks_of_reftable(repo) } else { Vec::new() });
    }
    Ok(left.iter().chain(&moving).map(|name| lock_file(repo, name)).filter(|path| path.exists()).collect())
}

fn locks_of_reftable(repo: &Repo) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(repo.common_dir.join("reftable")).ok();
    let paths = entries.into_iter().flatten().flatten().map(|entry| entry.path());
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "lock")).collect()
}

fn is_reftable(repo: &Repo) -> bool {
    repo.caps.ref_format == "reftable"
}

fn lock_file(repo: &Repo, name: &RefName) -> PathBuf {
    repo.common_dir.join(format!("{name}.lock"))
}

/// The present moment by the file system's clock, to which the age of a lock file is compared: the time of our own lock
/// file, which was written a moment ago.
fn file_time_now(repo: &Repo) -> std::io::Result<SystemTime> {
    std::fs::metadata(repo.common_dir.join("session").join("refs.lock")).and_then(|m| m.modified())
}

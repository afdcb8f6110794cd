//! Lock files that a death left behind: those of our refs, and those that we know a git of ours left, which we may remove;
//! and git's own, which we only name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::writers::{self, Writers};
use super::{Result, local};
use crate::base::{Error as BaseError, file};
use crate::git::{RefName, Repo};

/// One stale lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaleLock {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it guards a ref of ours, or was left by an update of ours.
    pub ours: bool,
}

/// Looks for stale locks: of our refs, of `packed-refs`, of reftable's list.
pub fn stale(repo: &Repo) -> Result<Vec<StaleLock>> {
    let mut locks = Vec::new();
    below(&repo.common_dir.join(RefName::all_prefix()), &mut locks)?;
    locks.push(StaleLock { path: repo.common_dir.join(format!("{}.lock", RefName::notes())), ours: true });
    locks.extend(writers::of_unfinished_updates(repo)?.into_iter().map(|path| StaleLock { path, ours: true }));
    for git in ["packed-refs.lock", "reftable/tables.list.lock"] {
        locks.push(StaleLock { path: repo.common_dir.join(git), ours: false });
    }
    let mut seen = BTreeSet::new();
    locks.retain(|lock| seen.insert(lock.path.clone()));
    locks.retain(|lock| lock.path.exists());
    // Asking for the time takes a file; where nothing can be written there is something to be seen all the same.
    if !locks.is_empty() {
        let now = file_system_now(repo)?;
        locks.retain(|lock| is_old(&lock.path, now));
    }
    Ok(locks)
}

/// The lock files below a folder of refs.
fn below(folder: &Path, locks: &mut Vec<StaleLock>) -> Result<()> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => return Err(BaseError::io("list", &folder)(e).into()),
        };
        for entry in entries {
            let entry = entry.map_err(BaseError::io("list", &folder))?;
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "lock") {
                locks.push(StaleLock { path, ours: true });
            }
        }
    }
    Ok(())
}

/// Removes those of the stale locks that are ours, while no other writer of ours runs; what is gone then. One that has become
/// young again is somebody's.
pub fn remove_stale(repo: &Repo, found: &[StaleLock], _held: &Writers<'_>) -> Result<Vec<PathBuf>> {
    let now = file_system_now(repo)?;
    let mut gone = Vec::new();
    for lock in found.iter().filter(|lock| lock.ours) {
        if is_old(&lock.path, now) {
            file::remove_optional(&lock.path)?;
        }
        if !lock.path.exists() {
            gone.push(lock.path.clone());
        }
    }
    Ok(gone)
}

pub(super) fn is_old(path: &Path, now: SystemTime) -> bool {
    let written = std::fs::metadata(path).and_then(|m| m.modified());
    written.is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age > local::STALE))
}

/// The present moment by the file system's clock, by which lock files are dated: the time of a file made just now.
pub(super) fn file_system_now(repo: &Repo) -> Result<SystemTime> {
    let dir = local::shared_dir(repo)?;
    let io = || BaseError::io("make a file, to see how old a lock is, in", &dir);
    let probe = tempfile::Builder::new().prefix(file::TEMP_PREFIX).tempfile_in(&dir).map_err(io())?;
    Ok(probe.as_file().metadata().and_then(|m| m.modified()).map_err(io())?)
}

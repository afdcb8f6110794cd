//! Work that a hook left for later: one file each in `<git dir>/session/spool`, done in order by one detached process a worktree.
//!
//! A file is there from the moment at which the hook decided until the work is done, so that a death in between loses
//! nothing: whoever works the spool off next does it. Beside it lies a copy of the index as it was, where there was time for
//! one. What is too old to mean anything is dropped.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Result, local};
use crate::base::Error as BaseError;
use crate::base::file;
use crate::base::lock::FileLock;
use crate::base::supplied::{self, Links};
use crate::git::Repo;

/// A copy of a larger index would take too long.
const LARGEST_INDEX: u64 = 64 << 20;
/// Nothing is kept longer.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Numbers that are tried for a new file.
const TRIES: u32 = 1000;

/// One piece of work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    path: PathBuf,
    /// What is to be done, as it was written.
    pub bytes: Vec<u8>,
    /// When it was written, by the clock of the file system.
    pub at: SystemTime,
}

impl Entry {
    /// The copy of the index, where one was made.
    pub fn index(&self) -> Option<PathBuf> {
        let copy = self.path.with_extension("index");
        copy.is_file().then_some(copy)
    }

    /// The work is done.
    pub fn remove(&self) -> Result<()> {
        file::remove_optional(&self.path.with_extension("index"))?;
        file::remove_optional(&self.path)?;
        Ok(())
    }
}

fn folder(repo: &Repo) -> PathBuf {
    repo.git_dir.join("session").join("spool")
}

/// Leaves work for later, with a copy of the index as it is now.
pub fn add(repo: &Repo, bytes: &[u8]) -> Result<()> {
    let folder = folder(repo);
    file::create_private_dir(&folder)?;
    let io = || BaseError::io("write in", &folder);
    let mut number = numbers(repo).last().copied().unwrap_or(0);
    for _ in 0..TRIES {
        number += 1;
        let index = folder.join(format!("{number:010}.index"));
        // The number is taken by whoever makes the copy's file.
        let mut made = match file::create_new(&index) {
            Ok(made) => made,
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => continue,
            Err(e) => return Err(io()(e).into()),
        };
        let present = repo.git_dir.join("index");
        let content = supplied::read(&present, Links::Follow, LARGEST_INDEX).ok().flatten();
        let copied = content.is_some_and(|content| std::io::Write::write_all(&mut made, &content).is_ok());
        let mut entry = tempfile::Builder::new().prefix(file::TEMP_PREFIX).tempfile_in(&folder).map_err(io())?;
        std::io::Write::write_all(&mut entry, bytes).map_err(io())?;
        entry.persist(index.with_extension("json")).map_err(|e| io()(e.error))?;
        if !copied {
            file::remove_optional(&index)?;
        }
        return Ok(());
    }
    Err(io()(std::io::Error::other("no number is free")).into())
}

/// The numbers of all work that is there, also of that which is being written, in order.
fn numbers(repo: &Repo) -> Vec<u64> {
    let entries = fs::read_dir(folder(repo)).into_iter().flatten().flatten();
    let mut numbers: Vec<u64> =
        entries.filter_map(|entry| Path::new(&entry.file_name()).file_stem()?.to_str()?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Whether there is nothing to do.
pub fn is_empty(repo: &Repo) -> bool {
    numbers(repo).is_empty()
}

/// All that is to be done, in the order in which it was left.
pub fn list(repo: &Repo) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    for number in numbers(repo) {
        let path = folder(repo).join(format!("{number:010}.json"));
        if let Some(bytes) = file::read_optional(&path)? {
            let at = fs::metadata(&path).and_then(|m| m.modified()).map_err(BaseError::io("look at", &path))?;
            found.push(Entry { path, bytes, at });
        }
    }
    Ok(found)
}

/// Drops what was begun and never written, and what is too old. The lock is held and was written a moment ago: its time is
/// the present.
pub fn sweep(repo: &Repo, _turn: &FileLock) -> Result<()> {
    let Ok(now) = fs::metadata(lock_path(repo)).and_then(|m| m.modified()) else { return Ok(()) };
    for number in numbers(repo) {
        let path = folder(repo).join(format!("{number:010}.json"));
        let index = path.with_extension("index");
        let age =
            |path: &Path| fs::metadata(path).and_then(|m| m.modified()).ok().and_then(|at| now.duration_since(at).ok());
        let is_half = !path.exists() && age(&index).is_some_and(|age| age > local::STALE);
        if is_half || age(&path).is_some_and(|age| age > LONGEST) {
            file::remove_optional(&index)?;
            file::remove_optional(&path)?;
        }
    }
    if let Some(limit) = now.checked_sub(local::STALE) {
        file::remove_leftovers(&folder(repo), limit)?;
    }
    Ok(())
}

/// The right to work it off; `None` where somebody does already.
pub fn turn(repo: &Repo) -> Result<Option<FileLock>> {
    file::create_private_dir(&folder(repo))?;
    match FileLock::acquire(&lock_path(repo), Duration::ZERO, repo.shared.private_file()) {
        Ok(mut lock) => {
            lock.set_note(&format!("pid {}", std::process::id()))?;
            Ok(Some(lock))
        }
        Err(BaseError::Locked { .. }) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

fn lock_path(repo: &Repo) -> PathBuf {
    folder(repo).join("lock")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::matrix::Bench;

    #[test]
    fn work_is_listed_in_the_order_in_which_it_was_left_until_it_is_done() {
        for bench in Bench::all() {
            let repo = bench.repo();
            assert!(is_empty(&repo) && list(&repo).expect("lists").is_empty());
            for work in ["one", "two", "three"] {
                add(&repo, work.as_bytes()).expect("adds");
            }
            let all = list(&repo).expect("lists");
            assert_eq!(all.iter().map(|e| e.bytes.as_slice()).collect::<Vec<_>>(), [&b"one"[..], b"two", b"three"]);
            let index = fs::read(repo.git_dir.join("index")).expect("reads");
            assert!(all.iter().all(|e| e.index().is_some_and(|copy| fs::read(copy).is_ok_and(|bytes| bytes == index))));
            all[0].remove().expect("removes");
            add(&repo, b"four").expect("adds");
            let rest: Vec<_> = list(&repo).expect("lists").into_iter().map(|e| e.bytes).collect();
            assert_eq!(rest, [&b"two"[..], b"three", b"four"], "{}", bench.kind);
        }
    }

    #[test]
    fn one_at_a_time_works_it_off_and_litter_goes() {
        let bench = Bench::plain();
        let repo = bench.repo();
        add(&repo, b"kept").expect("adds");
        let held = turn(&repo).expect("asks").expect("is free");
        assert!(turn(&repo).expect("asks").is_none());
        fs::write(folder(&repo).join("0000000009.index"), "").expect("writes");
        fs::write(folder(&repo).join("0000000001.json"), "old").expect("writes");
        let back = |path: &Path, time: Duration| {
            let file = fs::File::options().write(true).open(path).expect("opens");
            file.set_modified(SystemTime::now() - time).expect("sets the time");
        };
        back(&folder(&repo).join("0000000009.index"), Duration::from_secs(60));
        add(&repo, b"young").expect("adds");
        sweep(&repo, &held).expect("sweeps");
        assert_eq!(list(&repo).expect("lists").len(), 2);
        back(&folder(&repo).join("0000000001.json"), LONGEST * 2);
        sweep(&repo, &held).expect("sweeps");
        let left: Vec<_> = list(&repo).expect("lists").into_iter().map(|e| e.bytes).collect();
        assert_eq!(left, [b"young"]);
    }
}

//! The look at the disk: every known file's `lstat` and the listing of every folder that changed, folders in parallel.
//!
//! It decides nothing that needs git: a known file that did not change is settled here, all else is left to the walk. A
//! folder whose own stamp is the recorded one has the same names as then, so it is not listed. Nothing is followed.

use std::ops::Range;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bstr::ByteSlice as _;
use rayon::prelude::*;
use rustix::fs::{AtFlags, Dir, FileType, Stat};
use rustix::io::Errno;

use super::base_tree::BaseTree;
use super::folders::{is_gone, open_in};
use super::modes;
use super::settings::Settings;
use super::walk::Lstat;
use crate::engine::TEMP_PREFIX;
use crate::engine::stat_cache::{Folder, Record, Stamp, folders_below};
use crate::git::FileMode;

/// Below this many known files the threads cost more than they save.
const WORTH_THREADS: usize = 1500;

/// Whether a folder's names are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listing {
    /// They were read.
    Read,
    /// They are those of the last time.
    Unchanged,
    /// There was no time to read them.
    NoTime,
}

/// One folder as it was found.
#[derive(Debug)]
pub(super) struct Seen {
    /// With a slash at its end; empty at the top.
    pub path: Vec<u8>,
    /// The known records below it.
    pub known: Range<usize>,
    /// The folder itself, from before it was listed.
    pub stamp: Stamp,
    /// Whether its names were read.
    pub listing: Listing,
    /// Its `.gitignore`.
    pub ignore: Option<Stamp>,
    /// Whether it may hold a `.gitattributes`.
    pub attributes: bool,
    /// Whether it holds a `.git`.
    pub dot_git: bool,
    /// Why its listing is not whole.
    pub broken: Option<Errno>,
    /// Known files that are not settled.
    pub found: Vec<(usize, Result<Stat, Errno>)>,
    /// Settled files that are not tracked.
    pub settled_new: Vec<usize>,
    /// How many files are settled.
    pub settled: u64,
    /// Names that are not known, in order.
    pub unknown: Vec<(Vec<u8>, FileType)>,
    /// Known folders, in order.
    pub folders: Vec<(Vec<u8>, Result<Seen, Errno>)>,
}

/// What the look goes by.
#[derive(Debug)]
pub(super) struct Look<'l> {
    /// What is known.
    pub known: &'l [Record],
    /// The folders as they were listed under the same rules and index; empty where those changed.
    pub listed: &'l [Folder],
    /// The tree that the settled files must agree with.
    pub base: &'l BaseTree,
    /// How files are judged.
    pub settings: &'l Settings,
    /// This process's umask.
    pub umask: u32,
    /// An untracked file above it is for the walk.
    pub max_file_bytes: u64,
    /// When listing ends.
    pub deadline: Option<Instant>,
    /// By the place of the record: whether its file is as the record says.
    pub settled: Vec<AtomicBool>,
}

impl Look<'_> {
    /// Looks at an open folder and the known folders below it. `relist` is whether the rules above it may have changed.
    pub(super) fn folder(
        &self,
        fd: BorrowedFd<'_>,
        path: Vec<u8>,
        known: Range<usize>,
        relist: bool,
    ) -> Result<Seen, Errno> {
        let stamp = Stamp::of(&rustix::fs::fstat(fd)?);
        let before = self.listed.binary_search_by(|f| f.path.as_slice().cmp(&path)).ok().map(|at| &self.listed[at]);
        let before = before.filter(|_| !relist);
        let mut relist = before.is_none();
        let mut seen = Seen {
            path,
            known,
            stamp,
            listing: Listing::Unchanged,
            ignore: before.and_then(|f| f.ignore),
            attributes: false,
            dot_git: false,
            broken: None,
            found: Vec::new(),
            settled_new: Vec::new(),
            settled: 0,
            unknown: Vec::new(),
            folders: Vec::new(),
        };
        let mut names = Vec::new();
        if before.is_none_or(|f| f.stamp != Some(stamp)) {
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                seen.listing = Listing::NoTime;
                seen.attributes = true;
            } else {
                seen.listing = Listing::Read;
                names = list(fd, &mut seen);
                let ignore = if has(&names, b".gitignore") { stat_of(fd, b".gitignore") } else { None };
                // A rule file that came or went since the last time changes what is ignored here and below.
                relist = relist || ignore.is_some() != seen.ignore.is_some();
                // One that changes at this very moment must differ from what is recorded of it.
                seen.ignore = if relist { ignore } else { seen.ignore };
                seen.attributes = has(&names, b".gitattributes");
                seen.dot_git = has(&names, b".git");
            }
        }
        let folders = self.files(fd, &mut seen, relist);
        self.subfolders(fd, folders, &mut seen, relist);
        self.keep_unknown(names, &mut seen);
        Ok(seen)
    }

    /// Looks at the known files of the folder; gives the known folders in it, in order.
    fn files(&self, fd: BorrowedFd<'_>, seen: &mut Seen, relist: bool) -> Vec<(Vec<u8>, Range<usize>)> {
        let (mut folders, mut links) = (Vec::new(), Vec::new());
        let len = seen.path.len();
        let mut at = seen.known.start;
        while at < seen.known.end {
            let path = self.known[at].path.as_bytes();
            let Some(slash) = path[len..].find_byte(b'/') else {
                let is_link = self.known[at].tracked.is_some_and(|t| t.mode == FileMode::Gitlink);
                if is_link {
                    links.push(path[len..].to_vec());
                }
                self.file(fd, at, &path[len..], is_link, seen, relist);
                at += 1;
                continue;
            };
            let below = &path[..=len + slash];
            let known = &self.known[at..seen.known.end];
            let end = at + known.partition_point(|r| r.path.as_bytes().starts_with(below));
            folders.push((path[len..len + slash].to_vec(), at..end));
            at = end;
        }
        if !relist {
            // Folders in which nothing was taken.
            let mut rest = folders_below(self.listed, &seen.path);
            while let Some(first) = rest.first() {
                let slash = first.path[len..].find_byte(b'/').unwrap_or_default();
                let below = &first.path[..=len + slash];
                let end = rest.partition_point(|f| f.path.starts_with(below));
                let name = &first.path[len..len + slash];
                folders.push((name.to_vec(), seen.known.end..seen.known.end));
                rest = &rest[end..];
            }
        }
        // Of two of one name the first is the one with records.
        folders.sort_by(|a, b| (&a.0, a.1.is_empty()).cmp(&(&b.0, b.1.is_empty())));
        folders.dedup_by(|later, earlier| later.0 == earlier.0);
        // What lies in a submodule is not ours.
        folders.retain(|(name, _)| !links.contains(name));
        folders
    }

    fn file(&self, fd: BorrowedFd<'_>, at: usize, name: &[u8], is_link: bool, seen: &mut Seen, relist: bool) {
        let stat = match rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(e) if is_gone(e) => return,
            Err(e) => return seen.found.push((at, Err(e))),
        };
        if !is_link && FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            return seen.unknown.push((name.to_vec(), FileType::Directory));
        }
        if !self.is_settled(&self.known[at], &stat, relist) {
            return seen.found.push((at, Ok(stat)));
        }
        self.settled[at].store(true, Ordering::Relaxed);
        seen.settled += 1;
        if self.known[at].tracked.is_none() {
            seen.settled_new.push(at);
        }
    }

    /// Whether the record says all of the file, so that nothing has to be decided.
    fn is_settled(&self, record: &Record, stat: &Stat, relist: bool) -> bool {
        let (Some(taken), Some(now)) = (record.taken, Lstat::new(stat)) else { return false };
        let staged = record.tracked.map(|t| t.mode);
        let is_usual = || modes::unusual(now.permissions, self.umask).is_none();
        taken.stamp.is_some_and(|stamp| stamp.matches(&now.stamp, self.settings.stat))
            && self.base.holds_cached(&record.path)
            && self.settings.mode(&now, staged, Some(taken.mode)) == taken.mode
            && (now.symlink || !self.settings.file_mode || is_usual())
            && (staged.is_some() || !relist && now.stamp.size <= self.max_file_bytes)
    }

    fn subfolders(&self, fd: BorrowedFd<'_>, folders: Vec<(Vec<u8>, Range<usize>)>, seen: &mut Seen, relist: bool) {
        let look = |(name, known): (Vec<u8>, Range<usize>)| {
            let path = [seen.path.as_slice(), &name, b"/"].concat();
            let looked = open_in(fd, &name).and_then(|below| self.folder(below.as_fd(), path, known, relist));
            (name, looked)
        };
        let looked: Vec<_> = if self.known.len() >= WORTH_THREADS && folders.len() > 1 {
            folders.into_par_iter().map(look).collect()
        } else {
            folders.into_iter().map(look).collect()
        };
        let is_here = |(_, looked): &(_, Result<Seen, Errno>)| !matches!(looked, Err(e) if is_gone(*e));
        seen.folders = looked.into_iter().filter(is_here).collect();
    }

    /// Of the names that were listed, those that the look did not meet as known ones.
    fn keep_unknown(&self, names: Vec<(Vec<u8>, FileType)>, seen: &mut Seen) {
        let known = &self.known[seen.known.clone()];
        let mut path = seen.path.clone();
        for (name, kind) in names {
            if name == b".git" && seen.path.is_empty() || name.starts_with(TEMP_PREFIX.as_bytes()) {
                continue;
            }
            path.truncate(seen.path.len());
            path.extend_from_slice(&name);
            if known.binary_search_by(|r| r.path.as_bytes().cmp(&path)).is_err() {
                seen.unknown.push((name, kind));
            }
        }
        let folders = &seen.folders;
        seen.unknown.retain(|(name, _)| folders.binary_search_by(|(folder, _)| folder.cmp(name)).is_err());
        seen.unknown.sort_by(|a, b| a.0.cmp(&b.0));
    }
}

fn has(names: &[(Vec<u8>, FileType)], wanted: &[u8]) -> bool {
    names.iter().any(|(name, _)| name == wanted)
}

fn stat_of(fd: BorrowedFd<'_>, name: &[u8]) -> Option<Stamp> {
    rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW).ok().map(|stat| Stamp::of(&stat))
}

/// The names in an open folder, as far as the system gives them.
fn list(fd: BorrowedFd<'_>, seen: &mut Seen) -> Vec<(Vec<u8>, FileType)> {
    let mut names = Vec::new();
    let dir = match Dir::read_from(fd) {
        Ok(dir) => dir,
        Err(e) => {
            seen.broken = Some(e);
            return names;
        }
    };
    for entry in dir {
        match entry {
            Ok(entry) => {
                let name = entry.file_name().to_bytes();
                if name != b"." && name != b".." {
                    names.push((name.to_vec(), entry.file_type()));
                }
            }
            Err(e) => {
                seen.broken = (!is_gone(e)).then_some(e);
                break;
            }
        }
    }
    names
}

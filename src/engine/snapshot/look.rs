//! The look at the disk: every known file's `lstat` and the listing of every folder that changed, folders in parallel.
//!
//! It decides nothing that needs git: a known file that did not change is settled here, all else is left to the walk. A
//! folder whose own stamp is the recorded one has the same names as then, so it is not listed. Nothing is followed.

use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bstr::ByteSlice as _;
use rayon::prelude::*;
use rustix::fs::{AtFlags, FileType, RawDir, Stat};
use rustix::io::Errno;

use super::base_tree::BaseTree;
use super::folders::{is_gone, open_in};
use super::modes;
use super::seed;
use super::settings::Settings;
use super::walk::Lstat;
use crate::engine::TEMP_PREFIX;
use crate::engine::stat_cache::{Folder, Records, Stamp, folders_below};
use crate::git::FileMode;
use crate::git::index::IndexStat;

/// Below this many known files the threads cost more than they save.
const WORTH_THREADS: usize = 1500;

/// Folders that are looked at in each other: what is looked at takes room on the stack, and no project is as deep as that.
pub const DEEPEST: usize = 128;
/// Levels on which threads help; below, their stacks are small.
const THREADED: usize = 16;

/// Whether a folder, with a slash at its end, lies deeper than we look.
pub(super) fn is_too_deep(folder: &[u8]) -> bool {
    folder.iter().filter(|byte| **byte == b'/').count() > DEEPEST
}

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
    /// Settled files that are not cached, but as the index knows them.
    pub vouched: Vec<(usize, Lstat)>,
    /// Settled files that are not tracked.
    pub settled_new: Vec<usize>,
    /// How many files are settled.
    pub settled: u64,
    /// Names that are not known, in order.
    pub unknown: Vec<(Vec<u8>, FileType)>,
    /// Known folders, in order.
    pub folders: Vec<(Vec<u8>, Result<Seen, Errno>)>,
}

/// A known folder in a folder: its name, and the records below it.
type Below = (Vec<u8>, Range<usize>);

/// What the look goes by.
#[derive(Debug)]
pub(super) struct Look<'l> {
    /// What is known.
    pub known: &'l Records,
    /// By the place of the record, what the index recorded of its file; empty where it was not read.
    pub seeds: &'l [Option<IndexStat>],
    /// The index file's mtime, for the racy rule.
    pub index_mtime: (i64, u32),
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
    /// Whether each `.gitattributes` is wanted, also in folders that are not listed.
    pub attributes: bool,
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
        if is_too_deep(&path) {
            return Err(Errno::NAMETOOLONG);
        }
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
            vouched: Vec::new(),
            settled_new: Vec::new(),
            settled: 0,
            unknown: Vec::new(),
            folders: Vec::new(),
        };
        let (files, folders) = self.known_names(&seen);
        let mut unknown = Vec::new();
        if before.is_none_or(|f| f.stamp != Some(stamp)) {
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                seen.listing = Listing::NoTime;
                seen.attributes = true;
            } else {
                seen.listing = Listing::Read;
                let mut has_ignore = false;
                let known = |name: &[u8]| {
                    files.binary_search_by(|at| self.known.path(*at)[seen.path.len()..].cmp(name)).is_ok()
                };
                (unknown, seen.broken) = list(fd, |name| {
                    has_ignore |= name == b".gitignore";
                    seen.attributes |= name == b".gitattributes";
                    seen.dot_git |= name == b".git";
                    !known(name)
                });
                let ignore = if has_ignore { stat_of(fd, b".gitignore") } else { None };
                // A rule file that came or went since the last time changes what is ignored here and below.
                relist = relist || ignore.is_some() != seen.ignore.is_some();
                // One that changes at this very moment must differ from what is recorded of it.
                seen.ignore = if relist { ignore } else { seen.ignore };
            }
        } else if self.attributes {
            seen.attributes = stat_of(fd, b".gitattributes").is_some();
        }
        for at in files {
            self.file(fd, at, &mut seen, relist);
        }
        let folders = if relist { folders } else { self.with_listed(folders, &seen) };
        self.subfolders(fd, folders, &mut seen, relist);
        keep_unknown(unknown, &mut seen);
        Ok(seen)
    }

    /// The known files of the folder, and the known folders in it with what is known below them; both in order.
    fn known_names(&self, seen: &Seen) -> (Vec<usize>, Vec<Below>) {
        let (mut files, mut folders) = (Vec::new(), Vec::<Below>::new());
        let mut links = Vec::new();
        let len = seen.path.len();
        let mut at = seen.known.start;
        while at < seen.known.end {
            let path = self.known.path(at);
            let Some(slash) = path[len..].find_byte(b'/') else {
                if self.known.tracked_mode(at) == Some(FileMode::Gitlink) {
                    links.push(&path[len..]);
                }
                files.push(at);
                at += 1;
                continue;
            };
            let below = &path[..=len + slash];
            let end = self.known.first_not(at..seen.known.end, |path| path.starts_with(below));
            folders.push((path[len..len + slash].to_vec(), at..end));
            at = end;
        }
        // What lies in a submodule is not ours.
        folders.retain(|(name, _)| !links.contains(&name.as_slice()));
        // `a.b/` comes before `a/`.
        folders.sort_by(|a, b| a.0.cmp(&b.0));
        (files, folders)
    }

    /// Adds the folders in which nothing was taken.
    fn with_listed(&self, mut folders: Vec<Below>, seen: &Seen) -> Vec<Below> {
        let len = seen.path.len();
        let is_link = |name: &[u8]| {
            let at = self.known.find_in(seen.known.clone(), &[&seen.path, name].concat());
            at.is_some_and(|at| self.known.tracked_mode(at) == Some(FileMode::Gitlink))
        };
        let known = folders.len();
        let mut rest = folders_below(self.listed, &seen.path);
        while let Some(first) = rest.first() {
            let slash = first.path[len..].find_byte(b'/').unwrap_or_default();
            let below = &first.path[..=len + slash];
            let end = rest.partition_point(|f| f.path.starts_with(below));
            let name = &first.path[len..len + slash];
            let is_known = folders[..known].binary_search_by(|(folder, _)| folder.as_slice().cmp(name)).is_ok();
            if !is_known && !is_link(name) {
                folders.push((name.to_vec(), seen.known.end..seen.known.end));
            }
            rest = &rest[end..];
        }
        if folders.len() > known {
            folders.sort_by(|a, b| a.0.cmp(&b.0));
        }
        folders
    }

    fn file(&self, fd: BorrowedFd<'_>, at: usize, seen: &mut Seen, relist: bool) {
        let name = &self.known.path(at)[seen.path.len()..];
        let is_link = self.known.tracked_mode(at) == Some(FileMode::Gitlink);
        let stat = match rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(e) if is_gone(e) => return,
            Err(e) => return seen.found.push((at, Err(e))),
        };
        if !is_link && FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            return seen.unknown.push((name.to_vec(), FileType::Directory));
        }
        match Lstat::new(&stat) {
            Some(now) if self.is_settled(at, &now, relist) => {}
            Some(now) if self.is_vouched(at, &now) => seen.vouched.push((at, now)),
            _ => return seen.found.push((at, Ok(stat))),
        }
        self.settled[at].store(true, Ordering::Relaxed);
        seen.settled += 1;
        if !self.known.is_tracked(at) {
            seen.settled_new.push(at);
        }
    }

    /// Whether the record says all of the file, so that nothing has to be decided.
    fn is_settled(&self, at: usize, now: &Lstat, relist: bool) -> bool {
        let (Some(stamp), Some(taken)) = (self.known.stamp(at), self.known.taken_mode(at)) else { return false };
        let staged = self.known.tracked_mode(at);
        stamp.matches(&now.stamp, self.settings.stat)
            && self.base.holds_cached(|| self.known.path(at))
            && self.settings.mode(now, staged, Some(taken)) == taken
            && self.is_usual(now)
            && (staged.is_some() || !relist && now.stamp.size <= self.max_file_bytes)
    }

    /// Whether the file is as the index and the base have it. Of an empty file the index does not say so much.
    fn is_vouched(&self, at: usize, now: &Lstat) -> bool {
        let (Some(Some(seed)), Some(staged)) = (self.seeds.get(at), self.known.tracked_mode(at)) else { return false };
        now.stamp.size != 0
            && !self.known.is_taken(at)
            && (staged == FileMode::Symlink) == now.symlink
            && seed::is_clean(seed, &now.stamp, self.settings.stat, self.index_mtime)
            && self.base.holds_tracked(|| self.known.path(at))
            && self.settings.mode(now, Some(staged), Some(staged)) == staged
            && self.is_usual(now)
    }

    /// Whether the permission bits say no more than the mode.
    fn is_usual(&self, now: &Lstat) -> bool {
        now.symlink || !self.settings.file_mode || modes::unusual(now.permissions, self.umask).is_none()
    }

    fn subfolders(&self, fd: BorrowedFd<'_>, folders: Vec<Below>, seen: &mut Seen, relist: bool) {
        let look = |(name, known): Below| {
            let path = [seen.path.as_slice(), &name, b"/"].concat();
            let looked = open_in(fd, &name).and_then(|below| self.folder(below.as_fd(), path, known, relist));
            (name, looked)
        };
        let is_high = seen.path.iter().filter(|byte| **byte == b'/').count() < THREADED;
        let looked: Vec<_> = if is_high && self.known.len() >= WORTH_THREADS && folders.len() > 1 {
            folders.into_par_iter().map(look).collect()
        } else {
            folders.into_iter().map(look).collect()
        };
        let is_here = |(_, looked): &(_, Result<Seen, Errno>)| !matches!(looked, Err(e) if is_gone(*e));
        seen.folders = looked.into_iter().filter(is_here).collect();
    }
}

/// Keeps those of the names that were listed, and of the files that are folders now, that are no known folders.
fn keep_unknown(unknown: Vec<(Vec<u8>, FileType)>, seen: &mut Seen) {
    let is_ours = |name: &[u8]| name == b".git" && seen.path.is_empty() || name.starts_with(TEMP_PREFIX.as_bytes());
    let unknown = unknown.into_iter().filter(|(name, _)| !is_ours(name));
    seen.unknown.extend(unknown);
    let folders = &seen.folders;
    seen.unknown.retain(|(name, _)| folders.binary_search_by(|(folder, _)| folder.cmp(name)).is_err());
    seen.unknown.sort_by(|a, b| a.0.cmp(&b.0));
}

fn stat_of(fd: BorrowedFd<'_>, name: &[u8]) -> Option<Stamp> {
    rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW).ok().map(|stat| Stamp::of(&stat))
}

/// Those names in a folder just opened that are wanted, as far as the system gives them, and why it does not give all.
fn list(fd: BorrowedFd<'_>, mut wanted: impl FnMut(&[u8]) -> bool) -> (Vec<(Vec<u8>, FileType)>, Option<Errno>) {
    let mut names = Vec::new();
    let mut buffer = [MaybeUninit::uninit(); 8192];
    let mut dir = RawDir::new(fd, &mut buffer);
    while let Some(entry) = dir.next() {
        match entry {
            Ok(entry) => {
                let name = entry.file_name().to_bytes();
                if name != b"." && name != b".." && wanted(name) {
                    names.push((name.to_vec(), entry.file_type()));
                }
            }
            Err(e) => return (names, (!is_gone(e)).then_some(e)),
        }
    }
    (names, None)
}

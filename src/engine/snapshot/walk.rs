//! The walk: goes through what the look found, and decides which paths a snapshot takes; reads no content.
//!
//! Whether an unknown name is taken is git's own decision: tracked first, then the ignore rules. Ignored folders are
//! entered only for what is tracked below them.

use std::ops::Range;
use std::os::fd::AsFd as _;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bstr::ByteSlice as _;
use rustix::fs::{AtFlags, FileType, Stat};
use rustix::io::Errno;

use super::folders::{Folders, is_gone, open_in};
use super::look::{Listing, Look, Seen};
use super::{Options, own_folders};
use crate::base::RepoPath;
use crate::base::repo_path::{escape, is_safe_part};
use crate::engine::stat_cache::{Folder, Moment, Stamp};
use crate::engine::{Error, Result};
use crate::git::exclude::Exclude;
use crate::git::nested::{self, Nested};
use crate::git::{FileMode, Oid, Repo};
use crate::model::{SkipReason, SkippedPath};

/// What `lstat` says of a file or link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lstat {
    /// When and what it was.
    pub stamp: Stamp,
    /// Whether it is a symbolic link; else it is a regular file.
    pub symlink: bool,
    /// Its permission bits.
    pub permissions: u32,
}

impl Lstat {
    /// Whether git refuses it as a link, because it would follow it when it reads submodules.
    pub(super) fn is_refused_link(&self, path: &RepoPath) -> bool {
        self.symlink && path.file_name().eq_ignore_ascii_case(b".gitmodules")
    }

    /// `None` for what is neither a file nor a link.
    #[cfg_attr(target_os = "linux", expect(clippy::useless_conversion, reason = "mode bits are 16 wide on macOS"))]
    pub(super) fn new(stat: &Stat) -> Option<Self> {
        let kind = FileType::from_raw_mode(stat.st_mode);
        let symlink = kind == FileType::Symlink;
        (symlink || kind == FileType::RegularFile).then(|| Self {
            stamp: Stamp::of(stat),
            symlink,
            permissions: u32::from(stat.st_mode) & 0o7777,
        })
    }
}

/// A file or link that will be taken.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Which.
    pub path: RepoPath,
    /// Its record's place among the known ones.
    pub known: Option<usize>,
    /// What it is.
    pub now: Lstat,
}

/// What the walk found.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Files and links that are not settled, tracked ones and new ones.
    pub files: Vec<Found>,
    /// Settled files that are not cached, but as the index knows them.
    pub vouched: Vec<Vec<(usize, Lstat)>>,
    /// Submodules and nested repositories.
    pub gitlinks: Vec<(RepoPath, Oid)>,
    /// Those of them that the index has.
    pub submodules: Vec<RepoPath>,
    /// What is not taken, and why.
    pub skipped: Vec<SkippedPath>,
    /// Files and folders whose former content stays, because they could not be looked at.
    pub unreadable: Vec<RepoPath>,
    /// Folders in which new files were not searched, because the time ran out.
    pub unsearched: Vec<Option<RepoPath>>,
    /// Every `.gitattributes` that there may be in a folder that was listed.
    pub attributes: Vec<RepoPath>,
    /// How many files are settled or found.
    pub looked_at: u64,
    /// How many folders were listed.
    pub listed: u64,
    /// The folders, for the next time; in order.
    pub folders: Vec<Folder>,
    /// Whether a rule file is so young that it could change again without its stamp showing it.
    pub young_rules: bool,
}

/// Walks the whole work tree.
pub(super) fn walk<'w>(
    repo: &'w Repo,
    options: &'w Options,
    look: &'w Look<'w>,
    exclude: &'w mut Exclude<'_>,
    started: Moment,
    folders: &'w mut Folders,
) -> Result<Walked> {
    let seen = look.folder(folders.top(), Vec::new(), 0..look.known.len(), false);
    let seen = seen.map_err(|e| crate::base::Error::io("list", ".")(e.into()))?;
    let own = own_folders(repo)?;
    let mut walk = Walk { repo, options, look, exclude, started, folders, own, out: Walked::default() };
    walk.folder(seen)?;
    walk.out.folders.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(walk.out)
}

struct Walk<'w, 'e> {
    repo: &'w Repo,
    options: &'w Options,
    look: &'w Look<'w>,
    exclude: &'w mut Exclude<'e>,
    /// The file system's time before anything was looked at.
    started: Moment,
    folders: &'w mut Folders,
    /// The repository's own folders, which are no part of its work tree.
    own: Vec<RepoPath>,
    out: Walked,
}

/// Whether the next walk meets the same again without listing the folder.
type Whole = bool;

impl Walk<'_, '_> {
    fn folder(&mut self, seen: Seen) -> Result<Whole> {
        let here = seen.path.strip_suffix(b"/").map(RepoPath::new).transpose()?;
        let tracked = seen.known.clone().any(|at| self.look.known.is_tracked(at));
        let mut whole = true;
        if let Some(folder) = &here {
            if self.own.contains(folder) {
                self.forget(seen.known);
                return Ok(true);
            }
            if seen.listing == Listing::NoTime && !tracked {
                self.late()?;
                // It may have become a repository of its own.
                self.forget(seen.known);
                self.out.unsearched.push(here);
                return Ok(false);
            }
            if seen.dot_git && !tracked {
                whole = false;
                if self.is_nested(folder)? {
                    self.forget(seen.known);
                    return Ok(false);
                }
            }
        }
        if seen.attributes {
            self.out.attributes.push(RepoPath::new([seen.path.as_slice(), b".gitattributes"].concat())?);
        }
        if let Some(e) = seen.broken {
            whole = false;
            match &here {
                Some(folder) => self.unreadable(folder, e)?,
                None => return Err(crate::base::Error::io("list", self.repo.work_dir()?)(e.into()).into()),
            }
        }
        whole &= self.names(&here, &seen)?;
        if !seen.vouched.is_empty() {
            self.out.vouched.push(seen.vouched);
        }
        for (name, below) in seen.folders {
            whole &= match below {
                Ok(below) => self.folder(below)?,
                Err(e) => {
                    self.unreadable(&RepoPath::new([seen.path.as_slice(), &name].concat())?, e)?;
                    false
                }
            };
        }
        self.out.looked_at += seen.settled;
        self.out.listed += u64::from(seen.listing == Listing::Read);
        let is_old = |stamp: &Stamp| stamp.mtime < self.started && stamp.ctime < self.started;
        self.out.young_rules |= seen.ignore.is_some_and(|ignore| !is_old(&ignore));
        let stamp = Some(seen.stamp).filter(|stamp| whole && is_old(stamp));
        self.out.folders.push(Folder { path: seen.path, stamp, ignore: seen.ignore });
        // What is not whole below is listed for itself.
        Ok(true)
    }

    /// The names of one folder that are not settled.
    fn names(&mut self, here: &Option<RepoPath>, seen: &Seen) -> Result<Whole> {
        let overrun = match seen.listing {
            Listing::Unchanged => false,
            Listing::NoTime => true,
            Listing::Read => self.time_is_up(),
        };
        if overrun {
            self.late()?;
            self.out.unsearched.push(here.clone());
        }
        let mut whole = !overrun;
        let is_new = |at: usize| !self.look.known.is_tracked(at);
        let asks = !seen.unknown.is_empty() || seen.found.iter().any(|(at, _)| is_new(*at));
        let search = match here {
            Some(folder) if asks && !overrun => !self.exclude.is_ignored_folder(folder)?,
            _ => !overrun,
        };
        let mut new = Vec::new();
        for (at, stat) in &seen.found {
            let path = &RepoPath::new(self.look.known.path(*at))?;
            whole &= match stat {
                Ok(stat) => self.name(path, Some(*at), stat, search, &mut new)?,
                Err(e) => {
                    self.unreadable(path, *e)?;
                    false
                }
            };
        }
        for (nth, (name, kind)) in seen.unknown.iter().enumerate() {
            if !search {
                break;
            }
            if nth % 128 == 127 && self.options.at_once.is_some() && self.time_is_up() {
                self.late()?;
            }
            let path = [seen.path.as_slice(), name].concat();
            if is_safe_part(name.as_bstr()) {
                whole &= self.unknown(RepoPath::new(path)?, *kind, &mut new)?;
            } else {
                self.skip(&path, SkipReason::RefusedName, None);
                whole = false;
            }
        }
        if new.len() + seen.settled_new.len() > self.options.max_untracked_per_folder {
            seen.settled_new.iter().for_each(|at| self.look.settled[*at].store(false, Ordering::Relaxed));
            self.skip(here.as_ref().map_or(b".", RepoPath::as_bytes), SkipReason::TooManyFiles, None);
            return Ok(false);
        }
        self.out.looked_at += new.len() as u64;
        self.out.files.append(&mut new);
        Ok(whole)
    }

    /// A name that the index and the cache do not know, in a folder in which new files are searched.
    fn unknown(&mut self, path: RepoPath, kind: FileType, new: &mut Vec<Found>) -> Result<Whole> {
        if kind == FileType::Directory {
            return self.unknown_folder(path);
        }
        if kind != FileType::Unknown && self.exclude.is_ignored_here(&path, false)? {
            return Ok(true);
        }
        let name = path.file_name().as_bytes();
        let holding = self.folders.holding(&path);
        match holding.and_then(|folder| rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)) {
            // A file system that does not tell kinds in its listings, or a name that changed its kind since.
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => self.unknown_folder(path),
            Ok(stat) => self.name(&path, None, &stat, true, new),
            Err(e) if is_gone(e) => Ok(true),
            Err(e) => {
                self.unreadable(&path, e)?;
                Ok(false)
            }
        }
    }

    /// A file of a folder, tracked or new.
    fn name(
        &mut self,
        path: &RepoPath,
        at: Option<usize>,
        stat: &Stat,
        search: bool,
        new: &mut Vec<Found>,
    ) -> Result<Whole> {
        let tracked = at.and_then(|at| self.look.known.tracked(at));
        if let Some(link) = tracked.filter(|t| t.mode == FileMode::Gitlink)
            && FileType::from_raw_mode(stat.st_mode) == FileType::Directory
        {
            let commit = match self.nested(path)? {
                Nested::Repository(Some(commit)) => commit,
                // What a submodule that was taken away left behind is nobody's.
                Nested::Folder if !self.is_empty(path) => {
                    self.skip(path.as_bytes(), SkipReason::NestedRepository, None);
                    link.oid
                }
                _ => link.oid,
            };
            self.out.submodules.push(path.clone());
            self.out.gitlinks.push((path.clone(), commit));
            return Ok(true);
        }
        if tracked.is_none() && (!search || self.exclude.is_ignored_here(path, false)?) {
            return Ok(true);
        }
        let Some(now) = Lstat::new(stat) else {
            self.skip(path.as_bytes(), SkipReason::Special, None);
            return Ok(false);
        };
        let found = Found { path: path.clone(), known: at, now };
        if now.is_refused_link(path) {
            self.skip(path.as_bytes(), SkipReason::RefusedName, None);
            return Ok(false);
        }
        if tracked.is_some() {
            self.out.looked_at += 1;
            self.out.files.push(found);
        } else if now.stamp.size > self.options.max_file_bytes {
            self.skip(path.as_bytes(), SkipReason::TooLarge, Some(now.stamp.size));
            return Ok(false);
        } else {
            new.push(found);
        }
        Ok(true)
    }

    /// A folder that nothing is known of.
    fn unknown_folder(&mut self, path: RepoPath) -> Result<Whole> {
        if self.own.contains(&path) || self.exclude.is_ignored_here(&path, true)? {
            return Ok(true);
        }
        if self.time_is_up() {
            self.late()?;
            self.out.unsearched.push(Some(path));
            return Ok(false);
        }
        let name = path.file_name().as_bytes();
        let opened = self.folders.holding(&path).and_then(|parent| open_in(parent, name));
        let below = [path.as_bytes(), b"/"].concat();
        let end = self.look.known.len();
        match opened.and_then(|fd| self.look.folder(fd.as_fd(), below, end..end, true)) {
            Ok(seen) => self.folder(seen),
            Err(e) if is_gone(e) => Ok(false),
            Err(e) => {
                self.unreadable(&path, e)?;
                Ok(false)
            }
        }
    }

    /// Whether an untracked folder with a `.git` in it is another repository; then it is a link or left out.
    fn is_nested(&mut self, path: &RepoPath) -> Result<bool> {
        match self.nested(path)? {
            Nested::Folder => return Ok(false),
            Nested::Repository(Some(commit)) => self.out.gitlinks.push((path.clone(), commit)),
            Nested::Repository(None) | Nested::LinkedWorktree => {
                self.skip(path.as_bytes(), SkipReason::NestedRepository, None);
            }
        }
        Ok(true)
    }

    fn nested(&self, path: &RepoPath) -> Result<Nested> {
        Ok(nested::look(self.repo, &path.on_disk(self.repo.work_dir()?)))
    }

    /// Takes back what the look settled there.
    fn forget(&self, known: Range<usize>) {
        self.look.settled[known].iter().for_each(|settled| settled.store(false, Ordering::Relaxed));
    }

    /// Whether nothing is in a folder, as far as we may look.
    fn is_empty(&self, path: &RepoPath) -> bool {
        let folder = self.repo.work_dir().map(|root| path.on_disk(root));
        folder.is_ok_and(|folder| std::fs::read_dir(folder).is_ok_and(|mut names| names.next().is_none()))
    }

    /// The time is up: an end where all or nothing was wanted, else so much is left out.
    fn late(&self) -> Result<()> {
        if self.options.at_once.is_some() { Err(Error::TooMuch) } else { Ok(()) }
    }

    fn time_is_up(&self) -> bool {
        self.look.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    fn skip(&mut self, path: &[u8], reason: SkipReason, bytes: Option<u64>) {
        self.out.skipped.push(SkippedPath { path: escape(path), reason, bytes });
    }

    /// Records that the path could not be looked at; only an error of the whole process ends the walk.
    fn unreadable(&mut self, path: &RepoPath, error: Errno) -> Result<()> {
        if matches!(error, Errno::MFILE | Errno::NFILE | Errno::NOMEM) {
            return Err(crate::base::Error::io("look at", escape(path.as_bytes()))(error.into()).into());
        }
        self.out.unreadable.push(path.clone());
        let reason = if error == Errno::NAMETOOLONG { SkipReason::TooDeep } else { SkipReason::Unreadable };
        self.skip(path.as_bytes(), reason, None);
        Ok(())
    }
}

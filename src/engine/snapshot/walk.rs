//! The walk: finds every path that a snapshot takes, looks at each with `lstat`, and reads no content.
//!
//! A folder is listed through its own handle and nothing is followed. Whether an unknown name is taken is git's own
//! decision: tracked first, then the ignore rules. Ignored folders are entered only for what is tracked below them.

use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::time::Instant;

use bstr::ByteSlice as _;
use rustix::fs::{AtFlags, Dir, FileType, Stat};
use rustix::io::Errno;

use super::folders::{is_gone, open_in};
use super::{Options, own_folders};
use crate::base::RepoPath;
use crate::base::repo_path::{escape, is_safe_part};
use crate::engine::stat_cache::{Record, Stamp};
use crate::engine::{Result, TEMP_PREFIX};
use crate::git::exclude::Exclude;
use crate::git::nested::{self, Nested};
use crate::git::{FileMode, Oid, Repo};
use crate::model::{SkipReason, SkippedPath};

/// A file or link that will be taken.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Which.
    pub path: RepoPath,
    /// Its record's place among the known ones.
    pub known: Option<usize>,
    /// What `lstat` said.
    pub stamp: Stamp,
    /// Whether it is a symbolic link; else it is a regular file.
    pub symlink: bool,
    /// Its permission bits.
    pub permissions: u32,
}

impl Found {
    /// From `lstat`; `None` for what is neither a file nor a link.
    #[cfg_attr(target_os = "linux", expect(clippy::useless_conversion, reason = "mode bits are 16 wide on macOS"))]
    pub(super) fn new(path: RepoPath, known: Option<usize>, stat: &Stat) -> Option<Self> {
        let kind = FileType::from_raw_mode(stat.st_mode);
        let symlink = kind == FileType::Symlink;
        (symlink || kind == FileType::RegularFile).then(|| Self {
            path,
            known,
            stamp: Stamp::of(stat),
            symlink,
            permissions: u32::from(stat.st_mode) & 0o7777,
        })
    }

    /// Whether git refuses it as a link, because it would follow it when it reads submodules.
    pub(super) fn is_refused_link(&self) -> bool {
        self.symlink && self.path.file_name().eq_ignore_ascii_case(b".gitmodules")
    }
}

/// What the walk found.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Files and links, tracked ones and new ones.
    pub files: Vec<Found>,
    /// Submodules and nested repositories.
    pub gitlinks: Vec<(RepoPath, Oid)>,
    /// What is not taken, and why.
    pub skipped: Vec<SkippedPath>,
    /// Files and folders whose former content stays, because they could not be looked at.
    pub unreadable: Vec<RepoPath>,
    /// Folders in which new files were not searched, because the time ran out.
    pub unsearched: Vec<Option<RepoPath>>,
    /// Every `.gitattributes` in a folder that was listed.
    pub attributes: Vec<RepoPath>,
    /// How many files were looked at.
    pub looked_at: u64,
}

/// Walks the whole work tree from its open top.
pub(super) fn walk(
    repo: &Repo,
    options: &Options,
    known: &[Record],
    exclude: &mut Exclude<'_>,
    deadline: Option<Instant>,
    top: BorrowedFd<'_>,
) -> Result<Walked> {
    let own = own_folders(repo)?;
    let walk = Walk { repo, options, known, exclude, deadline, own, path: Vec::new(), out: Walked::default() };
    walk.run(top)
}

struct Walk<'w, 'e> {
    repo: &'w Repo,
    options: &'w Options,
    known: &'w [Record],
    exclude: &'w mut Exclude<'e>,
    deadline: Option<Instant>,
    /// The repository's own folders, which are no part of its work tree.
    own: Vec<RepoPath>,
    /// The present folder with a slash at its end; empty at the top.
    path: Vec<u8>,
    out: Walked,
}

impl Walk<'_, '_> {
    fn run(mut self, top: BorrowedFd<'_>) -> Result<Walked> {
        let mut dir = Dir::read_from(top).map_err(|e| crate::base::Error::io("list", ".")(e.into()))?;
        let names = self.names(&mut dir)?;
        self.folder(top, &names, 0..self.known.len(), true)?;
        Ok(self.out)
    }

    /// Goes through the names of one folder. `search` is whether new files are taken; else only tracked ones are.
    fn folder(
        &mut self,
        fd: BorrowedFd<'_>,
        names: &[(Vec<u8>, FileType)],
        known: Range<usize>,
        search: bool,
    ) -> Result<()> {
        let overrun = search && self.time_is_up();
        if overrun {
            self.out.unsearched.push(self.here());
        }
        let search = search && !overrun;
        let mut new = Vec::new();
        let len = self.path.len();
        for (name, kind) in names {
            self.path.truncate(len);
            if name == b".git" && len == 0 || name.starts_with(TEMP_PREFIX.as_bytes()) {
                continue;
            }
            self.path.extend_from_slice(name);
            if !is_safe_part(name.as_bstr()) {
                if search {
                    self.skip(SkipReason::RefusedName, None);
                }
                continue;
            }
            if name == b".gitattributes" {
                self.out.attributes.push(RepoPath::new(self.path.as_slice())?);
            }
            self.name(fd, name, *kind, known.clone(), search, &mut new)?;
        }
        self.path.truncate(len);
        if new.len() > self.options.max_untracked_per_folder {
            let path = self.here().map_or_else(|| ".".to_owned(), |folder| escape(folder.as_bytes()));
            self.out.skipped.push(SkippedPath { path, reason: SkipReason::TooManyFiles, bytes: None });
        } else {
            self.out.files.append(&mut new);
        }
        Ok(())
    }

    /// One name of a folder; `self.path` is its path.
    fn name(
        &mut self,
        fd: BorrowedFd<'_>,
        name: &[u8],
        kind: FileType,
        known: Range<usize>,
        search: bool,
        new: &mut Vec<Found>,
    ) -> Result<()> {
        let at = self.known[known.clone()].binary_search_by(|r| r.path.as_bytes().cmp(&self.path));
        let at = at.ok().map(|at| at + known.start);
        let tracked = at.and_then(|at| self.known[at].tracked);
        if kind == FileType::Directory {
            let link = tracked.filter(|t| t.mode == FileMode::Gitlink).map(|t| t.oid);
            return self.subfolder(fd, name, known, search, link);
        }
        if tracked.is_none() && !search {
            return Ok(());
        }
        let stat = match rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(e) if is_gone(e) => return Ok(()),
            Err(e) => return self.unreadable(e),
        };
        self.out.looked_at += 1;
        // A file system that does not tell kinds in its listings, or a name that changed its kind since.
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            let link = tracked.filter(|t| t.mode == FileMode::Gitlink).map(|t| t.oid);
            return self.subfolder(fd, name, known, search, link);
        }
        let path = match at {
            Some(at) => self.known[at].path.clone(),
            None => RepoPath::new(self.path.as_slice())?,
        };
        if tracked.is_none() && self.exclude.is_ignored_here(&path, false)? {
            return Ok(());
        }
        let Some(found) = Found::new(path, at, &stat) else {
            self.skip(SkipReason::Special, None);
            return Ok(());
        };
        if found.is_refused_link() {
            self.skip(SkipReason::RefusedName, None);
        } else if tracked.is_some() {
            self.out.files.push(found);
        } else if found.stamp.size > self.options.max_file_bytes {
            self.skip(SkipReason::TooLarge, Some(found.stamp.size));
        } else {
            new.push(found);
        }
        Ok(())
    }

    /// One folder of a folder; `self.path` is its path. `link` is the commit where the index has a submodule here.
    fn subfolder(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        known: Range<usize>,
        search: bool,
        link: Option<Oid>,
    ) -> Result<()> {
        let path = RepoPath::new(self.path.as_slice())?;
        if self.own.contains(&path) {
            return Ok(());
        }
        if let Some(oid) = link {
            let commit = match self.nested(&path)? {
                Nested::Repository(Some(commit)) => commit,
                _ => oid,
            };
            self.out.gitlinks.push((path, commit));
            return Ok(());
        }
        self.path.push(b'/');
        let known = self.below(known);
        let tracked = self.known[known.clone()].iter().any(|r| r.tracked.is_some());
        let search = search && !self.exclude.is_ignored_here(&path, true)?;
        if !tracked && !search {
            return Ok(());
        }
        if !tracked && self.time_is_up() {
            self.out.unsearched.push(Some(path));
            return Ok(());
        }
        let mut dir = match open_in(parent, name).and_then(Dir::new) {
            Ok(dir) => dir,
            Err(e) if is_gone(e) => return Ok(()),
            Err(e) => {
                self.path.pop();
                return self.unreadable(e);
            }
        };
        let names = self.names(&mut dir)?;
        if !tracked && names.iter().any(|(name, _)| name == b".git") {
            match self.nested(&path)? {
                Nested::Folder => {}
                Nested::Repository(Some(commit)) => {
                    self.out.gitlinks.push((path, commit));
                    return Ok(());
                }
                Nested::Repository(None) | Nested::LinkedWorktree => {
                    self.path.pop();
                    self.skip(SkipReason::NestedRepository, None);
                    return Ok(());
                }
            }
        }
        let fd = dir.fd().map_err(|e| crate::base::Error::io("list", escape(&self.path))(e.into()))?;
        self.folder(fd, &names, known, search)
    }

    fn nested(&self, path: &RepoPath) -> Result<Nested> {
        Ok(nested::look(self.repo, &path.on_disk(self.repo.work_dir()?)))
    }

    /// The names in an open folder. What could not be listed to its end is recorded as unreadable.
    fn names(&mut self, dir: &mut Dir) -> Result<Vec<(Vec<u8>, FileType)>> {
        let mut names = Vec::new();
        for entry in dir {
            match entry {
                Ok(entry) => {
                    let name = entry.file_name().to_bytes();
                    if name != b"." && name != b".." {
                        names.push((name.to_vec(), entry.file_type()));
                    }
                }
                Err(e) if is_gone(e) => break,
                Err(e) => match self.here() {
                    Some(folder) => {
                        self.out.skipped.push(SkippedPath {
                            path: escape(folder.as_bytes()),
                            reason: SkipReason::Unreadable,
                            bytes: None,
                        });
                        self.out.unreadable.push(folder);
                        break;
                    }
                    None => return Err(crate::base::Error::io("list", self.repo.work_dir()?)(e.into()).into()),
                },
            }
        }
        // So that what is found comes almost in the order of paths, which is then cheap to sort.
        names.sort_by(|a: &(Vec<u8>, FileType), b| a.0.cmp(&b.0));
        Ok(names)
    }

    /// Those of the known records that lie below the present folder.
    fn below(&self, range: Range<usize>) -> Range<usize> {
        let records = &self.known[range.clone()];
        let start = range.start + records.partition_point(|r| r.path.as_bytes() < self.path.as_slice());
        let records = &self.known[start..range.end];
        start..start + records.partition_point(|r| r.path.as_bytes().starts_with(&self.path))
    }

    /// The present folder; `None` at the top.
    fn here(&self) -> Option<RepoPath> {
        RepoPath::new(self.path.strip_suffix(b"/")?).ok()
    }

    fn time_is_up(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    fn skip(&mut self, reason: SkipReason, bytes: Option<u64>) {
        self.out.skipped.push(SkippedPath { path: escape(&self.path), reason, bytes });
    }

    /// Records that the path could not be looked at; only an error of the whole process ends the walk.
    fn unreadable(&mut self, error: Errno) -> Result<()> {
        if matches!(error, Errno::NFILE | Errno::NOMEM) {
            let path = escape(&self.path);
            return Err(crate::base::Error::io("look at", path)(error.into()).into());
        }
        self.out.unreadable.push(RepoPath::new(self.path.as_slice())?);
        self.skip(SkipReason::Unreadable, None);
        Ok(())
    }
}

//! Whether a place on disk holds what a tree says, by content; asked again just before each change.
//!
//! Raw bytes decide. Where a filter driver is configured, what the driver makes of the file counts too: asked in one
//! batch up front, and valid only while the file's stat stays as it was then.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt as _;

use rayon::prelude::*;

use super::dirs::{Place, WorkTree};
use crate::base::{Error as BaseError, RepoPath};
use crate::engine::Result;
use crate::git::{FileMode, Oid, Repo, filters};

/// What tells that a file was not written since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    mtime: (i64, i64),
    ctime: (i64, i64),
}

impl Stamp {
    fn of(meta: &Metadata) -> Self {
        Self {
            inode: meta.ino(),
            size: meta.size(),
            mtime: (meta.mtime(), meta.mtime_nsec()),
            ctime: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

/// Compares the disk with trees.
pub(in crate::engine) struct Compare<'a> {
    repo: &'a Repo,
    disk: &'a WorkTree,
    /// Whether the exec bit on disk means anything (`core.fileMode`).
    exec_counts: bool,
    /// What was made of files by filter drivers, or read ahead.
    cleaned: BTreeMap<RepoPath, (Stamp, Oid)>,
}

impl<'a> Compare<'a> {
    /// Asks the filter drivers for those of `paths` that have one.
    pub(in crate::engine) fn new<'p>(
        repo: &'a Repo,
        disk: &'a WorkTree,
        paths: impl Iterator<Item = &'p RepoPath>,
    ) -> Result<Self> {
        let exec_counts = repo.config.bool("core.fileMode")?.unwrap_or(true);
        let mut compare = Self { repo, disk, exec_counts, cleaned: BTreeMap::new() };
        if filters::any_configured(repo)? {
            compare.clean(paths)?;
        }
        Ok(compare)
    }

    fn clean<'p>(&mut self, paths: impl Iterator<Item = &'p RepoPath>) -> Result<()> {
        let all: Vec<RepoPath> = paths.cloned().collect();
        let mut here = Vec::new();
        let mut stamps = Vec::new();
        for path in filters::filtered(self.repo, &all)? {
            if let Some(file) = self.disk.open_file(path)? {
                stamps.push(Stamp::of(&self.meta(path, &file)?));
                here.push(path.clone());
            }
        }
        if here.is_empty() {
            return Ok(());
        }
        let oids = filters::clean(self.repo, &here)?;
        let cleaned = here.into_iter().zip(stamps.into_iter().zip(oids));
        // What the driver fails for is compared as it is on disk, and so is something else than any blob of it.
        self.cleaned = cleaned.filter_map(|(path, (stamp, oid))| Some((path, (stamp, oid?)))).collect();
        Ok(())
    }

    /// Reads several files in parallel, so that [`Self::holds`] only has to look whether they are still the same. `moment` is
    /// the ctime of a file that was made before: only a file that is older shows every later change in its own.
    pub(super) fn read_ahead(&mut self, paths: &[&RepoPath], moment: (i64, i64)) {
        let (disk, format) = (self.disk, self.repo.objects.format());
        let read = |path: &&RepoPath| {
            let file = disk.open_file(path).ok()??;
            let before = Stamp::of(&file.metadata().ok()?);
            if before.mtime >= moment || before.ctime >= moment {
                return None;
            }
            let oid = format.hash_blob(&disk.read(path, &file).ok()?).ok()?;
            (Stamp::of(&file.metadata().ok()?) == before).then(|| ((*path).clone(), (before, oid)))
        };
        let read: Vec<_> = paths.par_iter().filter_map(read).collect();
        for (path, known) in read {
            self.cleaned.entry(path).or_insert(known);
        }
    }

    fn meta(&self, path: &RepoPath, file: &File) -> Result<Metadata> {
        Ok(file.metadata().map_err(BaseError::io("look at", self.disk.on_disk(path)))?)
    }

    /// Whether the path holds exactly this; `None` means no file, link or special file (a folder is none of them).
    pub(in crate::engine) fn holds(&self, path: &RepoPath, wanted: Option<(FileMode, Oid)>) -> Result<bool> {
        let place = self.disk.look(path)?;
        let Some((mode, oid)) = wanted else { return Ok(matches!(place, Place::Nothing | Place::Folder)) };
        match (place, mode) {
            (Place::Link, FileMode::Symlink) => {
                let target = self.disk.read_link(path)?;
                Ok(target.map(|t| self.repo.objects.hash_blob(&t)).transpose()? == Some(oid))
            }
            (Place::File, FileMode::File | FileMode::Executable) => self.file_holds(path, mode, oid),
            _ => Ok(false),
        }
    }

    fn file_holds(&self, path: &RepoPath, mode: FileMode, oid: Oid) -> Result<bool> {
        let Some(file) = self.disk.open_file(path)? else { return Ok(false) };
        let before = self.meta(path, &file)?;
        if self.exec_counts && (before.mode() & 0o100 != 0) != (mode == FileMode::Executable) {
            return Ok(false);
        }
        if self.cleaned.get(path) == Some(&(Stamp::of(&before), oid)) {
            return Ok(true);
        }
        // A size that differs saves reading; a blob that is gone has no size, and then the bytes decide.
        if self.repo.objects.exists(oid) && self.repo.objects.blob_size(oid)? != before.size() {
            return Ok(false);
        }
        let bytes = self.disk.read(path, &file)?;
        let still = Stamp::of(&before) == Stamp::of(&self.meta(path, &file)?);
        Ok(still && self.repo.objects.hash_blob(&bytes)? == oid)
    }
}

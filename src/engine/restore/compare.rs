//! Whether a place on disk holds what a tree says, by content; asked again just before each change.
//!
//! Raw bytes decide. Where a filter driver is configured, what the driver makes of the file counts too: asked in one
//! batch up front, and valid only while the file's stat stays as it was then.

use std::collections::BTreeMap;
use std::fs::File;

use rayon::prelude::*;
use rustix::fs::Stat;

use super::dirs::{Place, WorkTree, io};
use crate::base::RepoPath;
use crate::engine::Result;
use crate::engine::stat_cache::{Moment, Stamp};
use crate::git::{FileMode, Oid, Repo, filters};

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
            let Some(folder) = self.disk.folder(path.parent().as_ref())? else { continue };
            let stat = self.disk.stat_in(&folder, path)?;
            if let Some(stat) = stat.filter(|stat| Place::of(Some(stat)) == Place::File) {
                stamps.push(Stamp::of(&stat));
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

    /// Reads several files, each in its open folder, in parallel, so that [`Self::holds`] only has to look whether they are
    /// still the same. `moment` is the ctime of a file that was made before: only a file that is older shows every later
    /// change in its own.
    pub(super) fn read_ahead(&mut self, files: &[(&RepoPath, &File)], moment: Moment) {
        let (disk, format) = (self.disk, self.repo.objects.format());
        let read = |(path, folder): &(&RepoPath, &File)| {
            let (file, stat) = disk.open_in(folder, path).ok()??;
            let before = Stamp::of(&stat);
            if before.mtime >= moment || before.ctime >= moment {
                return None;
            }
            let oid = format.hash_blob(&disk.read(path, &file, before.size).ok()?).ok()?;
            (Stamp::of(&rustix::fs::fstat(&file).ok()?) == before).then(|| ((*path).clone(), (before, oid)))
        };
        let read: Vec<_> = files.par_iter().filter_map(read).collect();
        for (path, known) in read {
            self.cleaned.entry(path).or_insert(known);
        }
    }

    /// Whether the path holds exactly this; `None` means no file, link or special file (a folder is none of them).
    pub(in crate::engine) fn holds(&self, path: &RepoPath, wanted: Option<(FileMode, Oid)>) -> Result<bool> {
        match self.disk.folder(path.parent().as_ref())? {
            Some(folder) => self.holds_in(&folder, path, wanted),
            None => Ok(wanted.is_none()),
        }
    }

    /// [`Self::holds`] of a path of this open folder.
    pub(super) fn holds_in(&self, folder: &File, path: &RepoPath, wanted: Option<(FileMode, Oid)>) -> Result<bool> {
        let stat = self.disk.stat_in(folder, path)?;
        let place = Place::of(stat.as_ref());
        let Some((mode, oid)) = wanted else { return Ok(matches!(place, Place::Nothing | Place::Folder)) };
        match (place, mode, stat) {
            (Place::Link, FileMode::Symlink, _) => {
                let target = self.disk.read_link_in(folder, path)?;
                Ok(target.map(|t| self.repo.objects.hash_blob(&t)).transpose()? == Some(oid))
            }
            (Place::File, FileMode::File | FileMode::Executable, Some(stat)) => {
                let executable = stat.st_mode & 0o100 != 0;
                let other_bit = self.exec_counts && executable != (mode == FileMode::Executable);
                Ok(!other_bit && self.file_holds(folder, path, &stat, oid)?)
            }
            _ => Ok(false),
        }
    }

    fn file_holds(&self, folder: &File, path: &RepoPath, stat: &Stat, oid: Oid) -> Result<bool> {
        let seen = Stamp::of(stat);
        if self.cleaned.get(path) == Some(&(seen, oid)) {
            return Ok(true);
        }
        // A size that differs saves reading; a blob that is gone has no size, and then the bytes decide.
        if self.repo.objects.exists(oid) && self.repo.objects.blob_size(oid)? != seen.size {
            return Ok(false);
        }
        let Some((file, _)) = self.disk.open_in(folder, path)? else { return Ok(false) };
        let bytes = self.disk.read(path, &file, seen.size)?;
        let after = rustix::fs::fstat(&file).map_err(io("look at", self.disk.on_disk(path)))?;
        Ok(Stamp::of(&after) == seen && self.repo.objects.hash_blob(&bytes)? == oid)
    }
}

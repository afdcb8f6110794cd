//! Whether a place on disk holds what a tree says, by content; asked again just before each change.
//!
//! Raw bytes decide, or the stamp that a snapshot took of the file. Of a file with a filter driver, too: a plan names the blobs
//! that the bytes on disk are.

use std::collections::BTreeMap;
use std::fs::File;

use rustix::fs::Stat;

use super::dirs::{Place, WorkTree, io};
use super::write::{Staged, WHOLE};
use crate::base::{Error as BaseError, RepoPath};
use crate::engine::Result;
use crate::engine::Stamps;
use crate::engine::stat_cache::Stamp;
use crate::git::{FileMode, Oid, Reader, Repo};

/// Compares the disk with trees, from any thread.
pub(in crate::engine) struct Compare<'a> {
    objects: Reader<'a>,
    disk: &'a WorkTree,
    stamps: &'a Stamps,
    /// The device of the work tree, where its times are those of this machine.
    here: Option<u64>,
    /// Whether the exec bit on disk means anything (`core.fileMode`).
    exec_counts: bool,
    /// Whether links on disk are links (`core.symlinks`); else plain files with their targets stand for them, too.
    symlinks: bool,
    /// What was read ahead, or written just now.
    known: BTreeMap<RepoPath, (Stamp, Oid)>,
}

impl<'a> Compare<'a> {
    /// A file that `stamps` vouch for is not read.
    pub(in crate::engine) fn new(repo: &'a Repo, disk: &'a WorkTree, stamps: &'a Stamps) -> Result<Self> {
        let exec_counts = repo.config.bool("core.fileMode")?.unwrap_or(true);
        let symlinks = repo.config.bool("core.symlinks")?.unwrap_or(true);
        let objects = repo.objects.reader()?;
        let here = disk.own_device();
        Ok(Self { objects, disk, stamps, here, exec_counts, symlinks, known: BTreeMap::new() })
    }

    /// Takes over what is known of files, each valid while the file is the same.
    pub(in crate::engine) fn knowing(mut self, files: &BTreeMap<RepoPath, (Stamp, Oid)>) -> Self {
        files.iter().for_each(|(path, known)| self.know(path, Some(*known)));
        self
    }

    /// Takes over what is known of a file.
    pub(super) fn know(&mut self, path: &RepoPath, known: Option<(Stamp, Oid)>) {
        if let Some(known) = known {
            self.known.entry(path.clone()).or_insert(known);
        }
    }

    /// Reads the file that `beside` will replace, unless it is vouched for as `oid`, so that [`Self::holds`] only has to look
    /// whether it is still the same. Only a file that is older than `beside` shows every later change in its times.
    pub(super) fn read_ahead(&self, path: &RepoPath, oid: Oid, beside: &Staged<'_>) -> Option<(Stamp, Oid)> {
        if self.stamps.vouch_for(path, oid, &beside.replaced?) {
            return None;
        }
        let moment = beside.stamp?.ctime;
        let (file, stat) = self.disk.open_in(beside.folder()?, path).ok()??;
        let before = Stamp::of(&stat);
        if before.mtime >= moment || before.ctime >= moment {
            return None;
        }
        let oid = self.hash(path, &file, before.size).ok()??;
        (Stamp::of(&rustix::fs::fstat(&file).ok()?) == before).then_some((before, oid))
    }

    /// Whether the path holds exactly this; `None` means no file, link or special file (a folder is none of them).
    pub(in crate::engine) fn holds(&self, path: &RepoPath, wanted: Option<(FileMode, Oid)>) -> Result<bool> {
        Ok(self.file_where(path, wanted)?.is_some())
    }

    /// [`Self::holds`] of a path of this open folder.
    pub(super) fn holds_in(&self, folder: &File, path: &RepoPath, wanted: Option<(FileMode, Oid)>) -> Result<bool> {
        self.holds_as(folder, path, self.disk.stat_in(folder, path)?.as_ref(), wanted)
    }

    /// What the file or link is, if any, where the path holds exactly this; `None` where it holds something else.
    pub(in crate::engine) fn file_where(
        &self,
        path: &RepoPath,
        wanted: Option<(FileMode, Oid)>,
    ) -> Result<Option<Option<Stat>>> {
        let Some(folder) = self.disk.folder(path.parent().as_ref())? else {
            return Ok(wanted.is_none().then_some(None));
        };
        let stat = self.disk.stat_in(&folder, path)?;
        let holds = self.holds_as(&folder, path, stat.as_ref(), wanted)?;
        Ok(holds.then(|| stat.filter(|_| wanted.is_some())))
    }

    fn holds_as(
        &self,
        folder: &File,
        path: &RepoPath,
        stat: Option<&Stat>,
        wanted: Option<(FileMode, Oid)>,
    ) -> Result<bool> {
        let place = Place::of(stat);
        let Some((mode, oid)) = wanted else { return Ok(matches!(place, Place::Nothing | Place::Folder)) };
        match (place, mode, stat) {
            (Place::Link, FileMode::Symlink, _) => {
                let target = self.disk.read_link_in(folder, path)?;
                Ok(target.map(|t| self.objects.format().hash_blob(&t)).transpose()? == Some(oid))
            }
            (Place::File, FileMode::Symlink, Some(stat)) if !self.symlinks => self.file_holds(folder, path, stat, oid),
            (Place::File, FileMode::File | FileMode::Executable, Some(stat)) => {
                let executable = stat.st_mode & 0o100 != 0;
                let other_bit = self.exec_counts && executable != (mode == FileMode::Executable);
                Ok(!other_bit && self.file_holds(folder, path, stat, oid)?)
            }
            _ => Ok(false),
        }
    }

    fn file_holds(&self, folder: &File, path: &RepoPath, stat: &Stat, oid: Oid) -> Result<bool> {
        let seen = Stamp::of(stat);
        let is_here = self.here == Some(seen.dev);
        if self.known.get(path) == Some(&(seen, oid)) || is_here && self.stamps.vouch_for(path, oid, &seen) {
            return Ok(true);
        }
        // A size that differs saves reading; a blob that is gone has no size, and then the bytes decide.
        if self.objects.blob_size(oid).is_some_and(|size| size != seen.size) {
            return Ok(false);
        }
        // A file system of the network may tell an old time of a file until it is opened.
        let Some((file, opened)) = self.disk.open_in(folder, path)? else { return Ok(false) };
        if !is_here && self.stamps.vouch_for(path, oid, &Stamp::of(&opened)) {
            return Ok(true);
        }
        let now = self.hash(path, &file, seen.size)?;
        let after = rustix::fs::fstat(&file).map_err(io("look at", self.disk.on_disk(path)))?;
        Ok(Stamp::of(&after) == seen && now == Some(oid))
    }

    /// The id of the content of an open file of so many bytes; `None` where it has fewer or more by now.
    fn hash(&self, path: &RepoPath, mut file: &File, size: u64) -> Result<Option<Oid>> {
        let format = self.objects.format();
        if size > WHOLE {
            let hashed = format.hash_blob_from(&mut file, size);
            return Ok(hashed.map_err(BaseError::io("read", self.disk.on_disk(path)))?);
        }
        Ok(Some(format.hash_blob(&self.disk.read(path, file, size)?)?))
    }
}

//! Carries out the items of a plan in their order: each is compared with the disk just before it is touched.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use rayon::prelude::*;

use super::compare::Compare;
use super::dirs::{Place, WorkTree, io};
use super::order::Order;
use super::write::{Staged, Writer};
use super::{Applied, remove};
use crate::base::RepoPath;
use crate::base::progress::Progress;
use crate::engine::Result;
use crate::engine::plan::{Action, Names, PlanItem};
use crate::git::{FileMode, Repo};

/// Files that wait beside their places at a time, two open handles each, and are synced one by one.
const FEW: usize = 64;
/// The same where there are more: then their file systems are synced as a whole.
const MANY: usize = 256;

/// What to do about a path that is not as it was: stop with an error, or note it and go on.
type OnChange<'f> = dyn FnMut(&RepoPath) -> Result<()> + 'f;

/// One restore.
pub(super) struct Run<'a> {
    disk: &'a WorkTree,
    names: Names,
    pub(super) compare: Compare<'a>,
    writer: Writer<'a>,
    /// Where the command was started, if below the top.
    pub(super) keep: Option<RepoPath>,
    pub(super) applied: Applied,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        repo: &'a Repo,
        disk: &'a WorkTree,
        items: &[PlanItem],
        modes: &'a BTreeMap<RepoPath, u32>,
        keep: &Path,
    ) -> Result<Self> {
        let keep = keep.canonicalize().unwrap_or_else(|_| keep.to_path_buf());
        Ok(Self {
            disk,
            names: Names::of(repo)?,
            compare: Compare::new(repo, disk, items.iter().map(|item| &item.path))?,
            writer: Writer::new(repo, disk, modes)?,
            keep: RepoPath::below(repo.work_dir()?, &keep).ok(),
            applied: Applied::default(),
        })
    }

    /// Before the first change: every folder concerned can be written in, and holds nothing that a killed run left.
    pub(super) fn prepare(&self, items: &[PlanItem]) -> Result<()> {
        let folders: BTreeSet<Option<RepoPath>> = items.iter().map(|item| item.path.parent()).collect();
        let mut left = Vec::new();
        for folder in &folders {
            left.extend(remove::check_writable(self.disk, folder.as_ref())?);
        }
        left.iter().try_for_each(|path| remove::leftover(self.disk, path))
    }

    /// Does all items; `on_change` is told of those that are not as they were.
    pub(super) fn carry_out(
        &mut self,
        items: &[PlanItem],
        progress: &dyn Progress,
        on_change: &mut OnChange<'_>,
    ) -> Result<()> {
        let order = Order::of(items, self.names);
        // What a filter refuses shall be known before the first change, unless the attributes themselves change.
        let attributes_change = !order.attributes.is_empty();
        if !attributes_change {
            self.writer.smudge(&order.writes)?;
        }
        for part in [&order.first, &order.attributes] {
            self.delete(part, progress, on_change)?;
            self.write(part, progress, on_change)?;
        }
        if attributes_change {
            self.writer.smudge(&order.writes)?;
        }
        self.write(&order.writes, progress, on_change)?;
        self.delete(&order.last, progress, on_change)?;

        self.sweep(items.iter().filter(|item| item.action == Action::Delete))
    }

    /// Removes the folders that are empty once these items are gone.
    pub(super) fn sweep<'i>(&self, gone: impl Iterator<Item = &'i PlanItem>) -> Result<()> {
        let folders: BTreeSet<RepoPath> = gone.flat_map(|item| item.path.ancestors()).collect();
        remove::emptied(self.disk, &folders, self.keep.as_ref())
    }

    fn delete(&mut self, items: &[&PlanItem], progress: &dyn Progress, on_change: &mut OnChange<'_>) -> Result<()> {
        for item in items.iter().filter(|item| item.action == Action::Delete) {
            if self.compare.holds(&item.path, item.old)? {
                remove::file(self.disk, &item.path)?;
                self.applied.deleted += 1;
            } else if !self.compare.holds(&item.path, None)? {
                on_change(&item.path)?;
            }
            progress.advance(1);
        }
        Ok(())
    }

    fn write(&mut self, items: &[&PlanItem], progress: &dyn Progress, on_change: &mut OnChange<'_>) -> Result<()> {
        let are_many = items.len() > FEW;
        for batch in items.chunks(if are_many { MANY } else { FEW }) {
            let mut staged: Vec<(&PlanItem, Staged)> = Vec::new();
            for item in batch {
                let Some(new) = item.new else { continue };
                if item.action == Action::Mode && !self.writer.is_shared(&item.path)? {
                    self.change_mode(item, new.0, on_change)?;
                } else if let Some(file) = self.writer.stage(&item.path, new)? {
                    staged.push((item, file));
                } else {
                    on_change(&item.path)?;
                }
            }
            if let Some(moment) = staged.iter().find_map(|(_, file)| file.moment()) {
                let replaced = staged.iter().filter(|(item, _)| item.old.is_some());
                let files: Vec<_> = replaced.map(|(item, file)| (&item.path, file.folder())).collect();
                self.compare.read_ahead(&files, moment);
            }
            if are_many {
                let mut synced = FileSystems::default();
                staged.iter_mut().try_for_each(|(_, file)| synced.sync(self.disk, file))?;
            } else {
                staged.par_iter_mut().try_for_each(|(_, file)| file.sync(self.disk))?;
            }
            for (item, file) in staged {
                self.place(item, file, on_change)?;
            }
            progress.advance(u64::try_from(batch.iter().filter(|i| i.new.is_some()).count()).unwrap_or(0));
        }
        Ok(())
    }

    fn place(&mut self, item: &PlanItem, file: Staged, on_change: &mut OnChange<'_>) -> Result<()> {
        // The folder as it is reached now: a link may have taken its place since.
        let Some(folder) = self.disk.folder(item.path.parent().as_ref())? else { return on_change(&item.path) };
        if !self.compare.holds_in(&folder, &item.path, item.old)? {
            // Someone may have brought it where it shall be; then it is done, and keeps its inode.
            let is_done = self.compare.holds_in(&folder, &item.path, item.new)?;
            return if is_done { Ok(()) } else { on_change(&item.path) };
        }
        if item.old.is_none()
            && Place::of(self.disk.stat_in(&folder, &item.path)?.as_ref()) == Place::Folder
            && !remove::empty_folders(self.disk, &item.path)?
        {
            return on_change(&item.path);
        }
        if !file.place(self.disk, item.old.is_some())? {
            return on_change(&item.path);
        }
        match item.action {
            Action::Mode => self.applied.modes += 1,
            Action::Write | Action::Delete => self.applied.written += 1,
        }
        Ok(())
    }

    fn change_mode(&mut self, item: &PlanItem, mode: FileMode, on_change: &mut OnChange<'_>) -> Result<()> {
        let executable = mode == FileMode::Executable;
        if self.compare.holds(&item.path, item.old)? && self.writer.set_exec(&item.path, executable)? {
            self.applied.modes += 1;
        } else if !self.compare.holds(&item.path, item.new)? {
            return on_change(&item.path);
        }
        Ok(())
    }
}

/// Syncs the folders in which names were made or removed, and those above, which may be new themselves.
pub(super) fn sync_folders(disk: &WorkTree, items: &[PlanItem]) -> Result<()> {
    let folders: BTreeSet<Option<RepoPath>> =
        items.iter().flat_map(|item| item.path.ancestors().map(Some)).chain([None]).collect();
    if folders.len() > FEW {
        let mut synced = FileSystems::default();
        return folders.iter().try_for_each(|folder| match disk.folder(folder.as_ref())? {
            Some(open) => synced.sync_of(disk, &open),
            None => Ok(()),
        });
    }
    folders.par_iter().try_for_each(|folder| match disk.folder(folder.as_ref())? {
        Some(open) => rustix::fs::fsync(&open).map_err(io("sync the folder", disk.place_of(folder.as_ref()))),
        None => Ok(()),
    })
}

/// File systems that were synced as a whole: for many files and folders that is one step instead of hundreds, and it takes in
/// the objects of the safety checkpoint too.
#[derive(Default)]
struct FileSystems {
    done: BTreeSet<u64>,
}

#[cfg(target_os = "linux")]
impl FileSystems {
    /// That of a file beside its place, which is closed.
    fn sync(&mut self, disk: &WorkTree, file: &mut Staged) -> Result<()> {
        self.sync_of(disk, file.folder())?;
        file.close();
        Ok(())
    }

    /// That of an open folder.
    fn sync_of(&mut self, disk: &WorkTree, folder: &File) -> Result<()> {
        let failed = || io("sync the file system of", disk.place_of(None));
        let device = rustix::fs::fstat(folder).map_err(failed())?.st_dev;
        if self.done.insert(device) {
            rustix::fs::syncfs(folder).map_err(failed())?;
        }
        Ok(())
    }
}

#[cfg(not(target_os = "linux"))]
impl FileSystems {
    /// Nothing syncs a file system here; the file is.
    fn sync(&mut self, disk: &WorkTree, file: &mut Staged) -> Result<()> {
        file.sync(disk)
    }

    /// The folder itself.
    fn sync_of(&mut self, disk: &WorkTree, folder: &File) -> Result<()> {
        rustix::fs::fsync(folder).map_err(io("sync the folder", disk.place_of(None)))
    }
}

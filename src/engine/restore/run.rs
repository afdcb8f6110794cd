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
use crate::git::{FileMode, Oid, Repo};

/// Files that are made at a time, two open handles each. So many are synced one by one, more by their file system.
const FEW: usize = 64;
/// Files that wait beside their places at a time.
const MANY: usize = 4096;
/// Files that are worth a second thread.
const WORTH_THREADS: usize = 16;

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
    /// The file systems of the folders concerned, by device, each by one of them.
    systems: BTreeMap<u64, File>,
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
            systems: BTreeMap::new(),
        })
    }

    /// Before the first change: every folder concerned can be written in.
    pub(super) fn prepare(&mut self, items: &[PlanItem]) -> Result<()> {
        for folder in folders(items) {
            let open = remove::writable(self.disk, folder.as_ref())?;
            let device = rustix::fs::fstat(&open).map_err(io("look at", self.disk.place_of(folder.as_ref())))?.st_dev;
            self.systems.entry(device).or_insert(open);
        }
        Ok(())
    }

    /// Removes what a killed run left in the folders concerned.
    pub(super) fn remove_leftovers(&self, items: &[PlanItem]) -> Result<()> {
        folders(items).iter().try_for_each(|folder| remove::leftovers(self.disk, folder.as_ref()))
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
        let are_many = are_many(items.len());
        for batch in items.chunks(if are_many { MANY } else { FEW }) {
            let mut staged: Vec<(&PlanItem, Staged<'_>)> = Vec::new();
            for part in batch.chunks(FEW) {
                let made = self.stage(part, on_change)?;
                if let Some(moment) = made.iter().find_map(|(_, file)| file.moment()) {
                    let replaced = made.iter().filter(|(item, _)| item.old.is_some());
                    let files = replaced.filter_map(|(item, file)| Some((&item.path, file.folder()?)));
                    self.compare.read_ahead(&files.collect::<Vec<_>>(), moment);
                }
                staged.extend(made);
                if are_many {
                    staged.iter_mut().rev().take(part.len()).for_each(|(_, file)| file.close());
                }
            }
            if are_many {
                self.sync_systems()?;
            } else {
                staged.par_iter_mut().try_for_each(|(_, file)| file.sync())?;
            }
            for (item, file) in staged {
                self.place(item, file, on_change)?;
            }
            progress.advance(u64::try_from(batch.iter().filter(|i| i.new.is_some()).count()).unwrap_or(0));
        }
        Ok(())
    }

    /// Makes the files beside their places; a change of nothing but the exec bit is carried out.
    fn stage<'p>(
        &mut self,
        items: &[&'p PlanItem],
        on_change: &mut OnChange<'_>,
    ) -> Result<Vec<(&'p PlanItem, Staged<'a>)>> {
        let mut contents = Vec::new();
        for item in items {
            let Some(new) = item.new else { continue };
            if item.action == Action::Mode && !self.writer.is_shared(&item.path)? {
                self.change_mode(item, new.0, on_change)?;
            } else {
                contents.push((*item, new, self.writer.content(&item.path, new)?));
            }
        }
        let maker = self.writer.maker();
        let stage = |(item, new, content): &(&'p PlanItem, (FileMode, Oid), Vec<u8>)| {
            Ok((*item, maker.stage(&item.path, *new, content)?))
        };
        let made: Vec<_> = if contents.len() >= WORTH_THREADS {
            contents.par_iter().map(stage).collect::<Result<_>>()?
        } else {
            contents.iter().map(stage).collect::<Result<_>>()?
        };
        let mut staged = Vec::with_capacity(made.len());
        for (item, file) in made {
            match file {
                Some(file) => staged.push((item, file)),
                None => on_change(&item.path)?,
            }
        }
        Ok(staged)
    }

    fn place(&mut self, item: &PlanItem, file: Staged<'_>, on_change: &mut OnChange<'_>) -> Result<()> {
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
        if !file.place(&folder, item.old.is_some())? {
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

    /// Syncs the folders in which names were made or removed, and those above, which may be new themselves.
    pub(super) fn sync_folders(&self, items: &[PlanItem]) -> Result<()> {
        let folders: BTreeSet<Option<RepoPath>> =
            items.iter().flat_map(|item| item.path.ancestors().map(Some)).chain([None]).collect();
        if are_many(folders.len()) {
            return self.sync_systems();
        }
        folders.par_iter().try_for_each(|folder| match self.disk.folder(folder.as_ref())? {
            Some(open) => rustix::fs::fsync(&open).map_err(io("sync the folder", self.disk.place_of(folder.as_ref()))),
            None => Ok(()),
        })
    }

    /// For many files one step instead of hundreds, and it takes in the objects of the safety checkpoint.
    fn sync_systems(&self) -> Result<()> {
        self.systems
            .values()
            .try_for_each(|folder| sync_system(folder).map_err(io("sync the file system of", self.disk.place_of(None))))
    }
}

/// Whether to sync whole file systems, which only Linux does.
const fn are_many(files: usize) -> bool {
    files > FEW && cfg!(target_os = "linux")
}

#[cfg(target_os = "linux")]
fn sync_system(folder: &File) -> rustix::io::Result<()> {
    rustix::fs::syncfs(folder)
}

#[cfg(not(target_os = "linux"))]
fn sync_system(folder: &File) -> rustix::io::Result<()> {
    rustix::fs::fsync(folder)
}

/// The folders in which something changes.
fn folders(items: &[PlanItem]) -> BTreeSet<Option<RepoPath>> {
    items.iter().map(|item| item.path.parent()).collect()
}

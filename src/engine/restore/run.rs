//! Carries out the items of a plan in their order: each is compared with the disk just before it is touched.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::thread::JoinHandle;

use rayon::prelude::*;
use rustix::io::Errno;

use super::compare::Compare;
use super::dirs::{WorkTree, io};
use super::order::Order;
use super::place::{self, Placed};
use super::render::Made;
use super::systems::{self, sync_system};
use super::write::{Staged, Writer};
use super::{Applied, remove};
use crate::base::RepoPath;
use crate::base::file::{self, Durability};
use crate::base::progress::Progress;
use crate::engine::error::DriverProblem;
use crate::engine::plan::{Action, Conversion, Names, PlanItem};
use crate::engine::stat_cache::Stamp;
use crate::engine::{Error, Result, Stamps, journal};
use crate::git::{FileMode, Oid, Repo};

/// Files that are made at a time, two open handles each. So many are synced one by one, more by their file system.
const FEW: usize = 64;
/// Files that wait beside their places at a time.
const MANY: usize = 4096;
/// Files that are worth a second thread.
pub(super) const WORTH_THREADS: usize = 16;

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
    /// Whether the journal lies on the one file system concerned, and that is synced as a whole.
    syncs_journal: bool,
    /// Whether it was, since the journal was written.
    is_synced: bool,
    /// What filter drivers made, by path.
    made: BTreeMap<RepoPath, Made>,
    /// A sync that was begun.
    begun: Option<JoinHandle<rustix::io::Result<()>>>,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        repo: &'a Repo,
        disk: &'a WorkTree,
        modes: &'a BTreeMap<RepoPath, u32>,
        stamps: &'a Stamps,
        keep: &Path,
    ) -> Result<Self> {
        let keep = keep.canonicalize().unwrap_or_else(|_| keep.to_path_buf());
        Ok(Self {
            disk,
            names: Names::of(repo)?,
            compare: Compare::new(repo, disk, stamps)?,
            writer: Writer::new(repo, disk, modes)?,
            keep: RepoPath::below(repo.work_dir()?, &keep).ok(),
            applied: Applied::default(),
            systems: BTreeMap::new(),
            syncs_journal: false,
            is_synced: false,
            made: BTreeMap::new(),
            begun: None,
        })
    }

    /// Takes over what filter drivers made for these items.
    ///
    /// # Errors
    /// Where one of them was not asked.
    pub(super) fn with_made(mut self, items: &[PlanItem], bytes: &BTreeMap<RepoPath, Conversion>) -> Result<Self> {
        for item in items {
            let Some(via) = bytes.get(&item.path).and_then(|conversion| conversion.new.as_ref()) else { continue };
            let Some(made) = &via.made else {
                let (path, driver, problem) = (item.path.clone(), via.driver.clone(), DriverProblem::NotAsked);
                return Err(Error::Driver { path, driver, problem, more: 0 });
            };
            self.made.insert(item.path.clone(), made.clone());
        }
        Ok(self)
    }

    /// Before the first change: every folder concerned can be written in.
    pub(super) fn prepare(&mut self, repo: &Repo, items: &[PlanItem]) -> Result<()> {
        let folders = folders(items);
        let device = |folder: &Option<RepoPath>| {
            let open = remove::writable(self.disk, folder.as_ref())?;
            let stat = rustix::fs::fstat(&open).map_err(io("look at", self.disk.place_of(folder.as_ref())))?;
            Ok(Stamp::of(&stat).dev)
        };
        let devices: Vec<u64> = folders.par_iter().map(device).collect::<Result<_>>()?;
        // One folder of each stays open, not all of them.
        for (device, folder) in devices.into_iter().zip(&folders) {
            if !self.systems.contains_key(&device) {
                self.systems.insert(device, remove::writable(self.disk, folder.as_ref())?);
            }
        }
        if are_many(items.len()) {
            let device = |folder: &Path| rustix::fs::stat(folder).map(|stat| Stamp::of(&stat).dev);
            let here = device(&journal::folder(repo)).is_ok_and(|device| self.systems.keys().eq([&device]));
            self.syncs_journal = here && self.systems.values().all(systems::keeps_order);
            // What is replaced shall be in the store for sure.
            let objects = repo.common_dir.join("objects");
            if let (Ok(device), Ok(folder)) = (device(&objects), file::open_dir(&objects)) {
                self.systems.entry(device).or_insert(folder);
            }
        }
        Ok(())
    }

    /// Begins to sync the file system where that is done before the first change, beside the making of the files: of what lies
    /// there already, such as the objects of the safety checkpoint, nothing is left to wait for then.
    pub(super) fn begin_sync(&mut self, items: &[PlanItem]) -> Result<()> {
        if are_many(items.len())
            && let Some(top) = self.disk.folder(None)?
        {
            // Without a thread for it there is more to wait for later.
            self.begun = std::thread::Builder::new().spawn(move || sync_system(&top)).ok();
        }
        Ok(())
    }

    /// Whether all that is written is made beside its place before anything is changed.
    pub(super) fn reads_all_first(&self, items: &[PlanItem]) -> bool {
        let order = Order::of(items, self.names);
        let writes = order.writes.len();
        order.first.is_empty() && order.attributes.is_empty() && writes <= at_a_time(writes)
    }

    /// How sure the journal has to be when it is written, and when it is gone. Where its file system is synced before the first
    /// change, it is sure by then; and that file system keeps the order of renames and of the journal's removal.
    pub(super) const fn journal_durability(&self) -> Durability {
        if self.syncs_journal { Durability::Process } else { Durability::Power }
    }

    /// Before a change: whoever goes by the journal after a loss of power must find it.
    fn secure(&mut self) -> Result<()> {
        if self.syncs_journal && !self.is_synced { self.sync_systems() } else { Ok(()) }
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
        for part in [&order.first, &order.attributes] {
            self.delete(part, progress, on_change)?;
            self.write(part, progress, on_change)?;
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
            self.secure()?;
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
        for batch in items.chunks(at_a_time(items.len())) {
            let staged = self.stage(batch, are_many, on_change)?;
            if are_many {
                self.sync_systems()?;
            } else {
                staged.par_iter().try_for_each(|(_, file)| file.sync())?;
                self.secure()?;
            }
            self.place(staged, on_change)?;
            progress.advance(u64::try_from(batch.iter().filter(|i| i.new.is_some()).count()).unwrap_or(0));
        }
        Ok(())
    }

    /// Makes the files beside their places, and reads those that they replace where nothing else tells what these are; a
    /// change of nothing but the exec bit is carried out.
    fn stage<'p>(
        &mut self,
        items: &[&'p PlanItem],
        are_many: bool,
        on_change: &mut OnChange<'_>,
    ) -> Result<Vec<(&'p PlanItem, Staged<'a>)>> {
        let mut wanted = Vec::new();
        for item in items {
            let Some(new) = item.new else { continue };
            if item.action == Action::Mode && !self.writer.is_shared(&item.path)? {
                self.change_mode(item, new.0, on_change)?;
            } else {
                wanted.push((*item, new, self.made.get(&item.path).cloned()));
            }
        }
        let (maker, compare) = (self.writer.maker(wanted.len())?, &self.compare);
        let stage = |(item, new, made): &(&'p PlanItem, (FileMode, Oid), Option<Made>)| {
            let made = made.as_ref().map(|made| made.bytes(&item.path)).transpose()?;
            let Some(mut file) = maker.stage(&item.path, *new, made.as_deref())? else { return Ok((*item, None)) };
            let read = item.old.and_then(|(_, oid)| compare.read_ahead(&item.path, oid, &file));
            if are_many {
                file.close();
            }
            Ok((*item, Some((file, read))))
        };
        let made: Vec<_> = if wanted.len() >= WORTH_THREADS {
            wanted.par_iter().map(stage).collect::<Result<_>>()?
        } else {
            wanted.iter().map(stage).collect::<Result<_>>()?
        };
        let mut staged = Vec::with_capacity(made.len());
        for (item, made) in made {
            match made {
                Some((file, read)) => {
                    self.compare.know(&item.path, read);
                    staged.push((item, file));
                }
                None => on_change(&item.path)?,
            }
        }
        Ok(staged)
    }

    fn place(&mut self, staged: Vec<(&PlanItem, Staged<'_>)>, on_change: &mut OnChange<'_>) -> Result<()> {
        let mut staged = staged.into_iter();
        loop {
            let some: Vec<_> = staged.by_ref().take(place::AT_ONCE).collect();
            if some.is_empty() {
                return Ok(());
            }
            let placed = place::some(self.disk, &self.compare, some);
            for (item, placed) in &placed {
                let Ok(Placed::Now(stamp)) = placed else { continue };
                if let (Some(stamp), Some((_, oid))) = (stamp, item.new) {
                    self.applied.files.insert(item.path.clone(), (*stamp, oid));
                }
                match item.action {
                    Action::Mode => self.applied.modes += 1,
                    Action::Write | Action::Delete => self.applied.written += 1,
                }
            }
            for (item, placed) in placed {
                if placed? == Placed::Changed {
                    on_change(&item.path)?;
                }
            }
        }
    }

    fn change_mode(&mut self, item: &PlanItem, mode: FileMode, on_change: &mut OnChange<'_>) -> Result<()> {
        self.secure()?;
        let executable = mode == FileMode::Executable;
        if self.compare.holds(&item.path, item.old)? && self.writer.set_exec(&item.path, executable)? {
            self.applied.modes += 1;
        } else if !self.compare.holds(&item.path, item.new)? {
            return on_change(&item.path);
        }
        Ok(())
    }

    /// Syncs the folders in which names were made or removed, and those above, which may be new themselves.
    pub(super) fn sync_folders(&mut self, items: &[PlanItem]) -> Result<()> {
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
    fn sync_systems(&mut self) -> Result<()> {
        let failed = || io("sync the file system of", self.disk.place_of(None));
        if let Some(begun) = self.begun.take() {
            // A thread that panicked has synced nothing.
            begun.join().unwrap_or(Err(Errno::IO)).map_err(failed())?;
        }
        let mut systems = self.systems.values();
        systems.try_for_each(|s| sync_system(s).map_err(failed()))?;
        self.is_synced = true;
        Ok(())
    }
}

/// Whether to sync whole file systems.
const fn are_many(files: usize) -> bool {
    files > FEW && systems::CAN_SYNC
}

/// How many of so many files are made at a time.
const fn at_a_time(files: usize) -> usize {
    if are_many(files) { MANY } else { FEW }
}

/// The folders in which something changes.
fn folders(items: &[PlanItem]) -> BTreeSet<Option<RepoPath>> {
    items.iter().map(|item| item.path.parent()).collect()
}

//! The one writer of work trees: applies a plan file by file, re-checking each, never through a symlink (design 3.7).
//!
//! [`check`] and [`Checked::apply`] carry out a plan that was just made; [`settle`] ends one that was killed. Both are [`run::Run`].

pub(in crate::engine) mod compare;
pub(in crate::engine) mod dirs;
mod order;
mod place;
mod remove;
mod render;
mod run;
mod settle;
mod systems;
mod write;

#[cfg(test)]
pub(in crate::engine) mod testing;

use std::collections::BTreeMap;
use std::path::Path;

use super::plan::Action;
use super::stat_cache::Stamp;
use super::{Error, Plan, Result, Stamps};
use crate::base::RepoPath;
use crate::base::file::Durability;
use crate::base::progress::Progress;
use crate::git::{Oid, Repo};
use run::Run;

pub use dirs::WorkTree;
pub use render::Made;
pub use settle::{Settled, settle};

/// What a restore did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Those of the written files that need no second reading: what each is now, and its blob.
    pub files: BTreeMap<RepoPath, (Stamp, Oid)>,
    /// Files written.
    pub written: usize,
    /// Files deleted.
    pub deleted: usize,
    /// Files whose exec bit alone changed.
    pub modes: usize,
}

/// A plan that can be applied: nothing is changed yet.
pub struct Checked<'a> {
    plan: &'a Plan,
    run: Run<'a>,
}

impl std::fmt::Debug for Checked<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checked").field("plan", self.plan).finish_non_exhaustive()
    }
}

/// Finds out whether a plan can be applied at all, before its journal is written. `modes` are permission bits to give to
/// written files. `stamps` are those of the snapshot that the plan was made with. `keep` is a folder that is not removed even
/// when it becomes empty, nor those above it (where the command was started).
///
/// # Errors
/// Obstacles in the plan, a start folder in the way, a folder that must not be written to.
pub fn check<'a>(
    repo: &'a Repo,
    disk: &'a WorkTree,
    plan: &'a Plan,
    modes: &'a BTreeMap<RepoPath, u32>,
    stamps: &'a Stamps,
    keep: &Path,
) -> Result<Checked<'a>> {
    if let Some(first) = plan.obstacles.first() {
        let (path, reason) = (first.path.clone(), first.reason.clone());
        return Err(Error::Refused { path, reason, more: plan.obstacles.len() - 1 });
    }
    let mut run = Run::new(repo, disk, modes, stamps, keep)?.with_made(&plan.items, &plan.bytes)?;
    if let Some(kept) = run.keep.as_ref()
        && let Some(item) = plan.items.iter().find(|i| i.action == Action::Write && kept.is_at_or_below(&i.path))
    {
        let reason = "the command was started in a folder that it would replace".to_owned();
        return Err(Error::Refused { path: item.path.clone(), reason, more: 0 });
    }
    run.prepare(repo, &plan.items)?;
    Ok(Checked { plan, run })
}

impl Checked<'_> {
    /// Whether all contents are read before the first change, so that one that is damaged stops nothing half-way.
    pub fn reads_all_first(&self) -> bool {
        self.run.reads_all_first(&self.plan.items)
    }

    /// How sure the journal has to be when it is written before this is applied, and when it is removed.
    pub fn journal_durability(&self) -> Durability {
        self.run.journal_durability()
    }

    /// Applies the plan; the journal is the caller's. What was done is told also where it ended early. If that is nothing,
    /// there is nothing to settle.
    ///
    /// # Errors
    /// A file that changed since the snapshot (what was done so far stays, the journal tells).
    pub fn apply(mut self, progress: &dyn Progress) -> (Applied, Result<()>) {
        let items = &self.plan.items;
        if items.is_empty() {
            return (Applied::default(), Ok(()));
        }
        progress.start("restoring files", u64::try_from(items.len()).ok());
        let stop = &mut |path: &RepoPath| Err(Error::ChangedMeanwhile { path: path.clone() });
        let done = self.run.begin_sync(items).and_then(|()| self.run.carry_out(items, progress, stop));
        progress.finish();
        // What was done stays done, also when it ends early: its folders are synced in either case, unless their order is kept.
        let synced = match self.run.journal_durability() {
            Durability::Process => Ok(()),
            Durability::Power => self.run.sync_folders(items),
        };
        (self.run.applied, done.and(synced))
    }
}

/// [`check`] and [`Checked::apply`].
///
/// # Errors
/// Those of both.
pub fn apply(
    repo: &Repo,
    plan: &Plan,
    modes: &BTreeMap<RepoPath, u32>,
    keep: &Path,
    progress: &dyn Progress,
) -> Result<Applied> {
    let disk = WorkTree::open(repo)?;
    let stamps = Stamps::default();
    let (applied, done) = check(repo, &disk, plan, modes, &stamps, keep)?.apply(progress);
    done.map(|()| applied)
}

#[cfg(test)]
mod tests;

//! The one writer of work trees: applies a plan file by file, re-checking each, never through a symlink (design 3.7).
//!
//! [`apply`] carries out a plan that was just made; [`settle`] ends one that was killed. Both are [`run::Run`].

pub(in crate::engine) mod compare;
pub(in crate::engine) mod dirs;
mod order;
mod remove;
mod run;
mod settle;
mod write;

#[cfg(test)]
pub(in crate::engine) mod testing;

use std::collections::BTreeMap;
use std::path::Path;

use super::plan::Action;
use super::{Error, Plan, Result};
use crate::base::RepoPath;
use crate::base::progress::Progress;
use crate::git::Repo;
use dirs::WorkTree;
use run::Run;

pub use settle::{Settled, settle};

/// What a restore did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Files written.
    pub written: usize,
    /// Files deleted.
    pub deleted: usize,
    /// Files whose exec bit alone changed.
    pub modes: usize,
}

/// Finds out whether a plan can be applied at all, before its journal is written: nothing is changed.
///
/// # Errors
/// Obstacles in the plan, a start folder in the way, a folder that must not be written to.
pub fn check(repo: &Repo, plan: &Plan, modes: &BTreeMap<RepoPath, u32>, keep: &Path) -> Result<()> {
    if let Some(first) = plan.obstacles.first() {
        let (path, reason) = (first.path.clone(), first.reason.clone());
        return Err(Error::Refused { path, reason, more: plan.obstacles.len() - 1 });
    }
    let disk = WorkTree::open(repo)?;
    let run = Run::new(repo, &disk, &plan.items, modes, keep)?;
    if let Some(kept) = run.keep.as_ref()
        && let Some(item) = plan.items.iter().find(|i| i.action == Action::Write && kept.is_at_or_below(&i.path))
    {
        let reason = "the command was started in a folder that it would replace".to_owned();
        return Err(Error::Refused { path: item.path.clone(), reason, more: 0 });
    }
    run.prepare(&plan.items)
}

/// Applies a plan that was just made; the journal is the caller's. `modes` are permission bits to give to
/// written files. `keep` is a folder that is not removed even when it becomes empty, nor those above it (where the command was started).
///
/// # Errors
/// Obstacles in the plan; a file that changed since the snapshot (what was done so far stays, the journal tells).
pub fn apply(
    repo: &Repo,
    plan: &Plan,
    modes: &BTreeMap<RepoPath, u32>,
    keep: &Path,
    progress: &dyn Progress,
) -> Result<Applied> {
    check(repo, plan, modes, keep)?;
    let (applied, done) = apply_checked(repo, plan, modes, keep, progress)?;
    done.map(|()| applied)
}

/// [`apply`] after a [`check`] of one's own: what was done, also where it ended early. If that is nothing, there is nothing to
/// settle.
///
/// # Errors
/// As [`apply`]; the outer one before anything was done.
pub fn apply_checked(
    repo: &Repo,
    plan: &Plan,
    modes: &BTreeMap<RepoPath, u32>,
    keep: &Path,
    progress: &dyn Progress,
) -> Result<(Applied, Result<()>)> {
    if plan.is_empty() {
        return Ok((Applied::default(), Ok(())));
    }
    let disk = WorkTree::open(repo)?;
    let mut run = Run::new(repo, &disk, &plan.items, modes, keep)?;
    progress.start("restoring files", u64::try_from(plan.items.len()).ok());
    let done = run.carry_out(&plan.items, progress, &mut |path| Err(Error::ChangedMeanwhile { path: path.clone() }));
    progress.finish();
    // What was done stays done, also when it ends early: its folders are synced in either case.
    let synced = run::sync_folders(&disk, &plan.items);
    Ok((run.applied, done.and(synced)))
}

#[cfg(test)]
mod tests;

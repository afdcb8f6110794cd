//! Ends a restore that was killed: finishes it, or takes it back where an object is gone. May itself be killed and run again.

use std::path::Path;

use super::dirs::WorkTree;
use super::render;
use super::run::Run;
use crate::base::RepoPath;
use crate::base::progress::Progress;
use crate::engine::journal::Journal;
use crate::engine::plan::Via;
use crate::engine::{PlanItem, Result, Stamps};
use crate::git::{FileMode, Oid, Repo};

/// How an interrupted restore can be settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Every item now has its planned content.
    Finished,
    /// Objects were missing; every item has its old content again.
    TakenBack,
}

/// Finishes an interrupted restore, or takes it back where an object is missing. A path that holds neither its old nor its
/// planned content is someone's work: it is left and returned. `keep` as for [`super::apply`].
pub fn settle(
    repo: &Repo,
    journal: &Journal,
    keep: &Path,
    progress: &dyn Progress,
) -> Result<(Settled, Vec<RepoPath>)> {
    let all = &journal.plan.items;
    let disk = WorkTree::open(repo)?;
    let stamps = Stamps::default();
    let mut run = Run::new(repo, &disk, &journal.modes, &stamps, keep)?;
    run.prepare(repo, all)?;
    run.remove_leftovers(all)?;

    let (mut done, mut to_do, mut left) = (Vec::new(), Vec::new(), Vec::new());
    for item in all {
        // Where only permission bits change, content does not tell whether it was done; doing it again is no harm.
        if item.old != item.new && run.compare.holds(&item.path, item.new)? {
            done.push(item);
        } else if run.compare.holds(&item.path, item.old)? {
            to_do.push(item);
        } else {
            left.push(item.path.clone());
        }
    }
    // What a driver makes of a blob need not be stored itself.
    let is_here = |entry: Option<(FileMode, Oid)>, via: Option<&Via>| {
        entry.is_none_or(|(_, oid)| repo.objects.exists(via.map_or(oid, |via| via.blob)))
    };
    let conversion = |item: &PlanItem| journal.plan.bytes.get(&item.path).cloned().unwrap_or_default();
    let new_is_here = |item: &&PlanItem| is_here(item.new, conversion(item).new.as_ref());
    let mut bytes = journal.plan.bytes.clone();
    let (outcome, mut items): (_, Vec<PlanItem>) = if to_do.iter().all(new_is_here) {
        (Settled::Finished, to_do.into_iter().cloned().collect())
    } else {
        for conversion in bytes.values_mut() {
            std::mem::swap(&mut conversion.old, &mut conversion.new);
        }
        let old_is_here = |item: &&PlanItem| is_here(item.old, conversion(item).old.as_ref());
        let (back, lost): (Vec<_>, Vec<_>) = done.into_iter().partition(old_is_here);
        left.extend(lost.into_iter().map(|item| item.path.clone()));
        let reversed = |item: &PlanItem| PlanItem::new(item.path.clone(), item.new, item.old);
        (Settled::TakenBack, back.into_iter().map(reversed).collect())
    };

    // Before the first change: a driver that fails now leaves all as it is.
    render::render(repo, render::wanted(&mut items, &mut bytes), true)?;
    let mut run = run.with_made(&items, &bytes)?;

    progress.start("settling an interrupted restore", u64::try_from(items.len()).ok());
    let carried_out = run.carry_out(&items, progress, &mut |path| {
        left.push(path.clone());
        Ok(())
    });
    progress.finish();
    // The death may have come between the removal of a file and that of its folder.
    let is_gone = |item: &&PlanItem| match outcome {
        Settled::Finished => item.new.is_none(),
        Settled::TakenBack => item.old.is_none(),
    };
    let swept = run.sweep(all.iter().filter(is_gone));
    let synced = run.sync_folders(all);
    carried_out?;
    swept?;
    synced?;
    left.sort();
    Ok((outcome, left))
}

//! Moves finished files into their places, each compared with the disk just before.

use rayon::prelude::*;

use super::compare::Compare;
use super::dirs::{Place, WorkTree};
use super::remove;
use super::run::WORTH_THREADS;
use super::write::Staged;
use crate::engine::Result;
use crate::engine::plan::PlanItem;
use crate::engine::stat_cache::Stamp;

/// So many are moved at a time: little more happens once one of them is found changed.
pub(super) const AT_ONCE: usize = 64;

/// What came of moving a file into its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placed {
    /// It is there; what it is, where that shows every later change.
    Now(Option<Stamp>),
    /// What it holds was there before.
    Already,
    /// Something else is there, which stays.
    Changed,
}

/// Moves some files, on several threads where that is worth it. All are tried.
pub(super) fn some<'p>(
    disk: &WorkTree,
    compare: &Compare<'_>,
    files: Vec<(&'p PlanItem, Staged<'_>)>,
) -> Vec<(&'p PlanItem, Result<Placed>)> {
    let place = |(item, file)| (item, one(disk, compare, item, file));
    if files.len() >= WORTH_THREADS {
        files.into_par_iter().map(place).collect()
    } else {
        files.into_iter().map(place).collect()
    }
}

fn one(disk: &WorkTree, compare: &Compare<'_>, item: &PlanItem, file: Staged<'_>) -> Result<Placed> {
    // The folder as it is reached now: a link may have taken its place since.
    let Some(folder) = disk.folder(item.path.parent().as_ref())? else { return Ok(Placed::Changed) };
    if !compare.holds_in(&folder, &item.path, item.old)? {
        // Someone may have brought it where it shall be; then it is done, and keeps its inode.
        let is_done = compare.holds_in(&folder, &item.path, item.new)?;
        return Ok(if is_done { Placed::Already } else { Placed::Changed });
    }
    if item.old.is_none()
        && Place::of(disk.stat_in(&folder, &item.path)?.as_ref()) == Place::Folder
        && !remove::empty_folders(disk, &item.path)?
    {
        return Ok(Placed::Changed);
    }
    file.place(&folder, item.old.is_some())
}

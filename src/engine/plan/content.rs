//! Whether the contents that a plan writes can be had: read once before anything is changed.

use std::collections::BTreeSet;

use rayon::prelude::*;

use super::{Action, Plan};
use crate::engine::Result;
use crate::git::{FileMode, Oid, Repo};

/// Larger contents are read one at a time and in pieces, so that they never lie in memory.
const LARGE: u64 = 4 << 20;

/// Reads every content that the plan writes, and throws it away.
///
/// # Errors
/// The first that is missing, or is not what its id says.
pub fn contents_are_sound(repo: &Repo, plan: &Plan) -> Result<()> {
    let writes = plan.items.iter().filter(|item| item.action == Action::Write);
    // What a driver makes is made by then; else it is made of another blob.
    let content = |item: &super::PlanItem| match plan.bytes.get(&item.path).and_then(|bytes| bytes.new.as_ref()) {
        Some(via) if via.made.is_some() => None,
        Some(via) => item.new.map(|(mode, _)| (mode, via.blob)),
        None => item.new,
    };
    are_sound(repo, writes.filter_map(content))
}

/// [`contents_are_sound`] of files as they stand in a tree.
///
/// # Errors
/// The same.
pub fn are_sound(repo: &Repo, files: impl Iterator<Item = (FileMode, Oid)>) -> Result<()> {
    let contents: BTreeSet<Oid> = files.filter(|(mode, _)| mode.is_blob()).map(|(_, oid)| oid).collect();
    let objects = repo.objects.reader_of(contents.len())?;
    let is_large = |oid: &Oid| objects.blob_size(*oid).is_some_and(|size| size > LARGE);
    let (large, small): (Vec<Oid>, Vec<Oid>) = contents.into_iter().partition(is_large);
    small.par_iter().try_for_each(|oid| objects.blob_checked(*oid, u64::MAX).map(drop))?;
    for oid in large {
        objects.copy_blob::<crate::engine::Error>(oid, &mut |_| Ok(()))?;
    }
    Ok(())
}

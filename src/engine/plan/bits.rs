//! Permission bits in a plan: files whose content is as it shall be and whose recorded bits are not, and the bits that
//! written files get. What a checkpoint does not know of its bits is left alone.

use std::collections::{BTreeMap, BTreeSet};

use super::{Plan, PlanItem, Target, is_among};
use crate::base::RepoPath;
use crate::engine::{Result, Snapshot};
use crate::git::{FileMode, Repo, tree};
use crate::model::Scope;
use crate::model::snapshot::Modes;

/// Adds an item for each file that differs from the target in its permission bits alone.
///
/// # Errors
/// A tree that cannot be read.
pub fn add_bits(repo: &Repo, plan: &mut Plan, present: &Snapshot, target: &Target<'_>, recorded: &Modes) -> Result<()> {
    if target.scope != Scope::Full {
        return Ok(());
    }
    let now = Modes::new(present.umask, &present.modes);
    let planned: BTreeSet<&RepoPath> = plan.items.iter().map(|item| &item.path).collect();
    let unusual: BTreeSet<&RepoPath> = now.paths.keys().chain(recorded.paths.keys()).collect();
    let mut found = Vec::new();
    for path in unusual.difference(&planned).copied() {
        if target.only.is_some_and(|only| !is_among(path, only)) || is_among(path, target.leave) {
            continue;
        }
        let entry = tree::lookup(&repo.objects, target.tree, path)?;
        let Some((mode @ (FileMode::File | FileMode::Executable), _)) = entry else { continue };
        let (wanted, have) = (recorded.of(path, mode), now.of(path, mode));
        if wanted.is_some() && wanted != have && tree::lookup(&repo.objects, plan.present, path)? == entry {
            found.push(PlanItem::new(path.clone(), entry, entry));
        }
    }
    plan.items.extend(found);
    plan.items.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(())
}

/// The permission bits that files of the plan get, where they are not left to the umask or to the file that is replaced.
pub fn bits(plan: &Plan, present: &Snapshot, recorded: &Modes) -> BTreeMap<RepoPath, u32> {
    let mut bits = recorded.bits();
    for item in &plan.items {
        let is_unusual_now = present.modes.contains_key(&item.path);
        if let Some((mode, _)) = item.new
            && is_unusual_now
            && let Some(wanted) = recorded.of(&item.path, mode)
        {
            bits.insert(item.path.clone(), wanted);
        }
    }
    bits
}

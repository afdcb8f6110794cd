//! Permission bits in a plan: files whose content is as it shall be and whose recorded bits are not, and the bits that
//! written files get. What a checkpoint does not know of its bits is left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;

use super::{Names, Obstacle, Plan, PlanItem, Target, is_among};
use crate::base::{Error as BaseError, RepoPath};
use crate::engine::restore::dirs::WorkTree;
use crate::engine::{Result, Snapshot};
use crate::git::{FileMode, Repo, tree};
use crate::model::Scope;
use crate::model::snapshot::Modes;

/// Adds an item for each file that differs from the target in its permission bits alone, and an obstacle for each that no
/// checkpoint holds: such a file is not touched, and as it is it is not what the target had.
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
        let is_left = is_among(path, target.leave) || target.managed.contains(path);
        if is_left || target.only.is_some_and(|only| !only.matches(path)) {
            continue;
        }
        // Of what could not be taken the bits are not known either.
        if present.skipped.is_unseen(path) || target.skipped.is_unseen(path) {
            continue;
        }
        let entry = tree::lookup(&repo.objects, target.tree, path)?;
        let Some((mode @ (FileMode::File | FileMode::Executable), _)) = entry else { continue };
        let (wanted, have) = (recorded.of(path, mode), now.of(path, mode));
        if wanted.is_some() && wanted != have && tree::lookup(&repo.objects, plan.present, path)? == entry {
            found.push(PlanItem::new(path.clone(), entry, entry));
        }
    }
    let unseen = unseen_with_other_bits(repo, plan, recorded)?;
    plan.obstacles.extend(unseen);
    plan.items.extend(found);
    plan.items.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(())
}

/// Files on disk that the present snapshot does not hold, whose content is already as it shall be and whose bits are not.
fn unseen_with_other_bits(repo: &Repo, plan: &Plan, recorded: &Modes) -> Result<Vec<Obstacle>> {
    // Where case does not count, what is there may be a file that goes under its other spelling.
    if Names::of(repo)? != Names::Exact {
        return Ok(Vec::new());
    }
    let disk = WorkTree::open(repo)?;
    let mut found = Vec::new();
    for item in plan.items.iter().filter(|item| item.old.is_none()) {
        let Some((mode @ (FileMode::File | FileMode::Executable), _)) = item.new else { continue };
        let Some(wanted) = recorded.of(&item.path, mode) else { continue };
        // Never through a link that is about to make room for a folder.
        let Some(there) = disk.open_file(&item.path)? else { continue };
        let bits = there.metadata().map_err(BaseError::io("look at", disk.on_disk(&item.path)))?.permissions().mode();
        let differs = bits & 0o777 != wanted;
        if differs && !plan.obstacles.iter().any(|known| known.path == item.path) {
            let reason = "an ignored file with other permissions is in its place".to_owned();
            found.push(Obstacle { path: item.path.clone(), reason });
        }
    }
    Ok(found)
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

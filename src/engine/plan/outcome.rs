//! Whether a work tree became what its plan said. Where the restore changed ignore rules, files that it did not touch come
//! into sight or go out of it; that is no fault.

use std::collections::HashMap;

use super::{Plan, PlanItem, rules_in};
use crate::base::RepoPath;
use crate::engine::Result;
use crate::engine::Snapshot;
use crate::git::exclude::Exclude;
use crate::git::{FileMode, Oid, Repo, tree};

/// The paths in which `found`, the tree after the restore, is not what was planned.
///
/// # Errors
/// A tree or a file of rules that cannot be read.
pub fn unplanned(repo: &Repo, plan: &Plan, present: &Snapshot, found: &Snapshot) -> Result<Vec<RepoPath>> {
    let before = |folder: Option<&RepoPath>| rules_in(repo, plan.present, folder);
    let after = |folder: Option<&RepoPath>| rules_in(repo, plan.result, folder);
    let (mut before, mut after) = (Exclude::new(repo, &before)?, Exclude::new(repo, &after)?);
    let mut paths = Vec::new();
    let items: HashMap<&RepoPath, &PlanItem> = plan.items.iter().map(|item| (&item.path, item)).collect();
    // Where attributes are other ones than then, another driver, or none, made another blob of the same bytes.
    let has_bytes = |path: &RepoPath, (mode, blob): (FileMode, Oid), (now, stored): (FileMode, Oid)| -> Result<bool> {
        let wanted = match items.get(path) {
            Some(item) => item.new.map(|(_, id)| id),
            None => {
                tree::lookup(&repo.objects, present.tree, path)?.map(|(_, blob)| present.passed.on_disk(path, blob))
            }
        };
        Ok(mode == now && wanted.unwrap_or(blob) == found.passed.on_disk(path, stored))
    };
    for item in plan.items.iter().filter(|item| plan.is_converted && !found.skipped.is_unseen(&item.path)) {
        let stored = tree::lookup(&repo.objects, found.tree, &item.path)?;
        if let (Some(wanted), Some(stored)) = (item.new, stored)
            && wanted.0.is_blob()
            && !has_bytes(&item.path, wanted, stored)?
        {
            paths.push(item.path.clone());
        }
    }
    for change in tree::diff(&repo.objects, plan.result, found.tree)? {
        let is_explained = match (change.old, change.new) {
            (Some(old), Some(new)) => has_bytes(&change.path, old, new)?,
            (Some(_), None) => after.is_ignored(&change.path, false)?,
            (None, Some(_)) => before.is_ignored(&change.path, false)?,
            (None, None) => true,
        };
        if !is_explained && !paths.contains(&change.path) {
            paths.push(change.path);
        }
    }
    Ok(paths)
}

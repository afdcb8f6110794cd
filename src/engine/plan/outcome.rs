//! Whether a work tree became what its plan said. Where the restore changed ignore rules, files that it did not touch come
//! into sight or go out of it; that is no fault.

use super::{Plan, rules_in};
use crate::base::RepoPath;
use crate::engine::Result;
use crate::git::exclude::Exclude;
use crate::git::{Oid, Repo, tree};

/// The paths in which `found`, the tree after the restore, is not what was planned.
///
/// # Errors
/// A tree or a file of rules that cannot be read.
pub fn unplanned(repo: &Repo, plan: &Plan, found: Oid) -> Result<Vec<RepoPath>> {
    let before = |folder: Option<&RepoPath>| rules_in(repo, plan.present, folder);
    let after = |folder: Option<&RepoPath>| rules_in(repo, plan.result, folder);
    let (mut before, mut after) = (Exclude::new(repo, &before)?, Exclude::new(repo, &after)?);
    let mut paths = Vec::new();
    for change in tree::diff(&repo.objects, plan.result, found)? {
        let is_explained = match (change.old, change.new) {
            (Some(_), None) => after.is_ignored(&change.path, false)?,
            (None, Some(_)) => before.is_ignored(&change.path, false)?,
            _ => false,
        };
        if !is_explained {
            paths.push(change.path);
        }
    }
    Ok(paths)
}

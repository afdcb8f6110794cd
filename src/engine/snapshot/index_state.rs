//! The staged tree, the conflict stages and what is to be added, as a checkpoint keeps them.

use std::path::Path;

use super::IndexState;
use crate::engine::Result;
use crate::engine::stat_cache::IndexRecord;
use crate::git::{Oid, Repo, index};

/// What differs from HEAD's tree.
pub(super) fn against(index: &IndexRecord, head_tree: Oid) -> IndexState {
    let staged = (index.staged != head_tree).then_some(index.staged);
    IndexState { staged, conflicts: index.conflicts, intended: index.intended }
}

/// The same of a copy that was made of the index at another moment, when HEAD was at this commit; `None` where it cannot be
/// read.
pub fn of_copy(repo: &Repo, copy: &Path, head: Option<Oid>) -> Result<Option<IndexState>> {
    let Some(index) = index::of_copy(repo, copy)? else { return Ok(None) };
    let tree = match head {
        Some(commit) => repo.objects.read_commit(commit)?.tree,
        None => repo.caps.object_format.empty_tree(),
    };
    let staged = index::staged_tree(repo, &index)?;
    let conflict = |stage| index::conflict_tree(repo, &index, stage);
    Ok(Some(IndexState {
        staged: (staged != tree).then_some(staged),
        conflicts: [conflict(1)?, conflict(2)?, conflict(3)?],
        intended: index::intended_tree(repo, &index)?,
    }))
}

/// The tree of HEAD's commit; the empty one while unborn.
pub(super) fn head_tree(repo: &Repo) -> Result<Oid> {
    match repo.head()?.commit {
        Some(commit) => Ok(repo.objects.read_commit(commit)?.tree),
        None => Ok(repo.caps.object_format.empty_tree()),
    }
}

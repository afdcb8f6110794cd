//! The staged tree, the conflict stages and what is to be added, as a checkpoint keeps them.

use super::IndexState;
use crate::engine::Result;
use crate::engine::stat_cache::IndexRecord;
use crate::git::Oid;

/// What differs from HEAD's tree.
pub(super) fn against(index: &IndexRecord, head_tree: Oid) -> IndexState {
    let staged = (index.staged != head_tree).then_some(index.staged);
    IndexState { staged, conflicts: index.conflicts, intended: index.intended }
}

/// The tree of HEAD's commit; the empty one while unborn.
pub(super) fn head_tree(repo: &crate::git::Repo) -> Result<Oid> {
    match repo.head()?.commit {
        Some(commit) => Ok(repo.objects.read_commit(commit)?.tree),
        None => Ok(repo.caps.object_format.empty_tree()),
    }
}

//! The commit of the project that a fork stands on: no user's branch ever reaches a commit of ours.

use crate::git::{Oid, Repo, signature};
use crate::model::Checkpoint;
use crate::ops::Result;

/// The newest ancestor, the commit itself included, that neither is ours nor reaches one of ours; `None` where all do.
///
/// A person may have checked out our code and worked on from there, so that even a commit of their own reaches ours.
pub fn newest_of_project(repo: &Repo, commit: Oid) -> Result<Option<Oid>> {
    let mut at = commit;
    loop {
        let read = repo.objects.read_commit(at)?;
        let below = if signature::is_ours(&read) {
            // The trailer of a session commit says where HEAD was; below a code commit lies the code before it.
            let base = Checkpoint::from_commit(&read).ok().and_then(|c| c.base);
            base.or(read.parents.first().copied())
        } else {
            match signature::newest_of_ours(repo, at)? {
                None => return Ok(Some(at)),
                ours => ours,
            }
        };
        let Some(below) = below else { return Ok(None) };
        at = below;
    }
}

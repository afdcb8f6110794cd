//! The commit of the project that a fork stands on: no user's branch ever reaches a commit of ours.

use crate::engine::ours;
use crate::git::{Oid, RefName, Repo};
use crate::model::Checkpoint;
use crate::ops::Result;

/// The newest ancestor, the commit itself included, that neither is ours nor reaches one of ours; `None` where all do.
///
/// A person may have checked out our code and worked on from there, so that even a commit of their own reaches ours.
pub fn newest_of_project(repo: &Repo, commit: Oid) -> Result<Option<Oid>> {
    // What a remote has was judged when it was pushed.
    let pushed = repo.refs.list(RefName::remote_branches())?.into_iter().map(|(_, oid)| oid).collect::<Vec<_>>();
    let mut at = commit;
    loop {
        let read = repo.objects.read_commit(at)?;
        let below = if ours::is_ours(&read) {
            // The trailer of a session commit says where HEAD was; below a code commit lies the code before it.
            let base = Checkpoint::from_commit(&read).ok().and_then(|c| c.base);
            base.or(read.parents.first().copied())
        } else {
            match ours::reached(repo, &[at], &pushed)?.first() {
                None => return Ok(Some(at)),
                Some(newest) => Some(newest.commit),
            }
        };
        let Some(below) = below else { return Ok(None) };
        at = below;
    }
}

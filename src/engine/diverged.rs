//! Two lines of one session: what they have in common, and one's own line gone on as a fork.
//!
//! The fork's id and its first commit are made of nothing but what both clones have, so that every clone makes the same one.

use std::collections::HashSet;

use super::store::Tip;
use super::{Error, Result, layout, store};
use crate::base::SessionId;
use crate::git::{Error as GitError, FileMode, NewCommit, ObjectFormat, Oid, Repo, tree};
use crate::model::session::Lineage;
use crate::model::{Checkpoint, Kind, codec};

/// Ids that are tried where the first is taken by another line.
const TRIES: u32 = 64;

/// Where one's own line parts from another.
#[derive(Clone, Debug)]
pub struct Parting {
    /// Number of the last common checkpoint; 0 where there is none.
    pub common: u64,
    /// One's own first checkpoint after it.
    pub first: Oid,
}

/// Where the line that ends in `own` parts from one whose commits are `theirs`; `None` where it is part of it.
pub fn parting(repo: &Repo, own: Oid, theirs: &HashSet<Oid>) -> Result<Option<Parting>> {
    let mut first = None;
    let mut next = Some(own);
    while let Some(oid) = next {
        if theirs.contains(&oid) {
            let common = store::checkpoint(repo, oid)?.number;
            return Ok(first.map(|first| Parting { common, first }));
        }
        first = Some(oid);
        next = store::checkpoint(repo, oid)?.previous.first().copied();
    }
    Ok(first.map(|first| Parting { common: 0, first }))
}

/// The id of the fork of a session at a parting; `nth` counts where that id is taken.
pub fn fork_id(session: SessionId, first: Oid, nth: u32) -> Result<SessionId> {
    let seed = format!("session fork\n{session}\n{first}\n{nth}\n");
    let hash = ObjectFormat::Sha1.hash_blob(seed.as_bytes())?;
    let bytes = hash.as_bytes().first_chunk::<16>().copied();
    let bytes = bytes.ok_or_else(|| GitError::BadOid { text: hash.to_string() })?;
    Ok(SessionId::derived(bytes))
}

/// The label of the fork of a session: the remote's line keeps the label, and every clone gives the fork the same one.
pub fn label(label: &str, fork: SessionId) -> String {
    format!("{label}-{}", &fork.to_string()[..4])
}

/// The fork for one's own line: its id, its tip, and whether its head is there already (from a pull that was cut short).
///
/// # Errors
/// Every id that could be derived is taken by another line.
pub fn fork(repo: &Repo, own: &Tip, parting: &Parting) -> Result<(SessionId, Oid, bool)> {
    for nth in 0..TRIES {
        let id = fork_id(own.session.id, parting.first, nth)?;
        match store::tip(repo, id)? {
            None => return Ok((id, first_checkpoint(repo, own, id, parting.common)?, false)),
            Some(there) if repo.objects.is_ancestor(own.checkpoint.commit, there.checkpoint.commit)? => {
                return Ok((id, there.checkpoint.commit, true));
            }
            Some(_) => {}
        }
    }
    Err(Error::Moved(own.session.id))
}

/// The commit that goes on with one's own line under the fork's id. Its time and author are those of the tip.
fn first_checkpoint(repo: &Repo, own: &Tip, id: SessionId, common: u64) -> Result<Oid> {
    let objects = &repo.objects;
    let old = &own.checkpoint;
    let mut session = own.session.clone();
    session.id = id;
    session.label = session.label.map(|own| label(&own, id));
    session.lineage = Some(Lineage { parent_session: own.session.id, checkpoint: common, branch: None });
    let blob = objects.write_blob(&codec::encode("session.json", &session)?)?;
    let meta_tree = tree::edit(objects, old.meta_tree, vec![(layout::session()?, Some((FileMode::File, blob)))])?;
    let checkpoint = Checkpoint {
        session: id,
        number: old.number + 1,
        kind: Kind::Fork,
        turn: None,
        previous: vec![old.commit],
        movement: None,
        parent_session: Some(own.session.id),
        title: session.title.clone().unwrap_or_default().into(),
        meta_tree,
        extra: Vec::new(),
        ..old.clone()
    };
    let tip = objects.read_commit(old.commit)?;
    Ok(objects.write_commit(&NewCommit {
        tree: meta_tree,
        parents: &[old.code, old.commit],
        author: &tip.author,
        committer: &tip.committer,
        message: &checkpoint.message(),
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forks_id_depends_on_the_session_and_the_parting_alone() {
        let session = SessionId::parse("094320c0-d68c-4670-b77b-7456115d8c99").expect("an id");
        let oid = |c: char| Oid::parse(&c.to_string().repeat(40)).expect("an id");
        let id = fork_id(session, oid('a'), 0).expect("an id");
        assert_eq!(id, fork_id(session, oid('a'), 0).expect("an id"));
        assert_ne!(id, fork_id(session, oid('b'), 0).expect("an id"));
        assert_ne!(id, fork_id(id, oid('a'), 0).expect("an id"));
        assert_ne!(id, fork_id(session, oid('a'), 1).expect("an id"));
        assert_eq!(SessionId::parse(&id.to_string()).expect("a version 4"), id);
    }
}

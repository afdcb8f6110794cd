//! Sessions whose commits git rewrote (`filter-branch --all`, a filter that keeps messages, a bundle of such a repository):
//! their trailers name commits that are no parents any more.
//!
//! A rewriter keeps the order of parents, so trailers and parents pair up, and the chain can be joined up again as git left
//! it: same trees, new trailers. Never from what was there before, which the user may have meant to be rid of. A chain of
//! which commits were dropped, or whose records were filtered away, cannot be.

use std::collections::HashMap;

use bstr::ByteSlice as _;

use super::notes::{self, Link};
use super::writers::Writers;
use super::{Error, Result, layout, store};
use crate::base::{SessionId, Timestamp};
use crate::git::{Commit, Error as GitError, Expected, NewCommit, Oid, RefEdit, RefName, Repo};
use crate::model::trailers::Message;
use crate::model::{Checkpoint, Kind};

/// Checkpoints of one chain; more are nobody's.
const LONGEST: usize = 1_000_000;

/// A session that was rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// Its head.
    pub tip: Oid,
    /// Whether it can be joined up again.
    pub whole: bool,
}

/// Whether git rewrote a session; `None` where it did not.
pub fn look(repo: &Repo, id: SessionId) -> Result<Option<Rewritten>> {
    // One that leads nowhere is damaged in another way.
    let Ok(Some(tip)) = repo.refs.read(&RefName::session_head(id)) else { return Ok(None) };
    let Ok(commit) = repo.objects.read_commit(tip) else { return Ok(None) };
    if names_no_parents(&commit) {
        let whole = chain(repo, tip).is_ok_and(|chain| !chain.is_empty());
        return Ok(Some(Rewritten { tip, whole }));
    }
    Ok(None)
}

/// Whether a session commit names commits that are none of its parents.
fn names_no_parents(commit: &Commit) -> bool {
    let message = Message::parse(commit.message.as_bstr());
    let named = ["Code", "Previous"].into_iter().flat_map(|key| message.all(key));
    let mut named = named.filter_map(|id| Oid::parse(&id.to_str_lossy()).ok());
    message.get("Checkpoint").is_some() && named.any(|id| !commit.parents.contains(&id))
}

/// A checkpoint as git left it: what its trailers say, and what its parents are.
struct Left {
    commit: Commit,
    said: Checkpoint,
}

impl Left {
    fn read(repo: &Repo, oid: Oid) -> Result<Self> {
        let commit = repo.objects.read_commit(oid)?;
        let message = Message::parse(commit.message.as_bstr());
        let named = ["Code", "Previous"].into_iter().flat_map(|key| message.all(key));
        let parents = named.filter_map(|id| Oid::parse(&id.to_str_lossy()).ok()).collect();
        let said = Checkpoint::from_commit(&Commit { parents, ..commit.clone() })?;
        if commit.parents.len() <= said.previous.len() {
            return Err(GitError::Damaged { what: format!("checkpoint {oid}: a parent of it was dropped") }.into());
        }
        Ok(Self { commit, said })
    }

    fn code(&self) -> Oid {
        self.commit.parents[0]
    }

    fn previous(&self) -> &[Oid] {
        &self.commit.parents[1..=self.said.previous.len()]
    }

    fn base(&self) -> Option<Oid> {
        self.commit.parents.get(1 + self.said.previous.len()).copied()
    }
}

/// The chain down to its beginning, the newest first.
fn chain(repo: &Repo, tip: Oid) -> Result<Vec<Left>> {
    let mut chain: Vec<Left> = Vec::new();
    let mut next = Some(tip);
    while let Some(oid) = next {
        let left = Left::read(repo, oid)?;
        let follows = chain.last().is_none_or(|newer| newer.said.number == left.said.number + 1);
        if !follows || chain.len() >= LONGEST {
            return Err(
                GitError::Damaged { what: format!("checkpoint {oid}: checkpoints beside it were dropped") }.into()
            );
        }
        layout::read_session(&repo.objects, left.commit.tree)?;
        repo.objects.read_commit(left.code())?;
        next = left.previous().first().copied();
        chain.push(left);
    }
    Ok(chain)
}

/// Joins a rewritten chain up again; how many checkpoints it has.
///
/// # Errors
/// Whatever of it cannot be read or was dropped; nothing was changed then.
pub fn relink(repo: &Repo, writers: &mut Writers<'_>, id: SessionId, now: Timestamp) -> Result<usize> {
    let name = RefName::session_head(id);
    let Some(tip) = repo.refs.read(&name)? else { return Err(Error::NoSession(id)) };
    let mut chain = chain(repo, tip)?;
    chain.reverse();
    // What became of commits: of ours, and of the project's.
    let mut became: HashMap<Oid, Oid> = HashMap::new();
    let mut links = Vec::new();
    let mut last_base = None;
    for left in &chain {
        let pairs = left.said.previous.iter().copied().zip(left.previous().iter().copied());
        became.extend(pairs.chain([(left.said.code, left.code())]));
        became.extend(left.said.base.zip(left.base()));
        if let Some((old, new)) = first_parents(repo, left) {
            became.insert(old, new);
        }
        let base = left.said.base.map(|base| became.get(&base).copied().or(last_base).unwrap_or(base));
        last_base = base.or(last_base);
        let previous: Vec<Oid> = left.previous().iter().map(|p| became.get(p).copied().unwrap_or(*p)).collect();
        let parents: Vec<Oid> = [left.code()].into_iter().chain(previous.iter().copied()).chain(left.base()).collect();
        let checkpoint = Checkpoint { code: left.code(), previous, base, ..left.said.clone() };
        let new = repo.objects.write_commit(&NewCommit {
            tree: left.commit.tree,
            parents: &parents,
            author: &left.commit.author,
            committer: &left.commit.committer,
            message: &checkpoint.message(),
        })?;
        became.insert(left.commit.id, new);
        links.extend(base.filter(|_| checkpoint.kind == Kind::Commit).map(|base| (base, checkpoint.number, new)));
    }
    let Some(new) = became.get(&tip).copied() else { return Err(Error::NoSession(id)) };
    let written = store::load(repo, new)?;
    if written.session.id != id {
        return Err(GitError::Damaged { what: format!("session {id}: its records are of another session") }.into());
    }
    let message = "session: joined up after git rewrote it".to_owned();
    writers.update(&RefEdit { name, new: Some(new), expected: Expected::Exactly(tip), message })?;
    // Commits that were rewritten lost their notes.
    for (commit, number, checkpoint) in links {
        if repo.objects.exists(commit) {
            notes::link(repo, writers, &[commit], Link { session: id, number, commit: checkpoint }, now)?;
        }
    }
    Ok(chain.len())
}

/// The project's commit on which a session's first code commit stands, before and after.
fn first_parents(repo: &Repo, left: &Left) -> Option<(Oid, Oid)> {
    let new = repo.objects.read_commit(left.code()).ok()?.parents.first().copied()?;
    let old = match repo.objects.read_commit(left.said.code) {
        Ok(old) => old.parents.first().copied()?,
        // Where git has forgotten it: the first checkpoint stands on its base.
        Err(_) if left.said.previous.is_empty() => left.said.base?,
        Err(_) => return None,
    };
    Some((old, new))
}

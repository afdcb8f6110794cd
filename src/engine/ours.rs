//! Commits of ours where they must not be: reachable from a branch or a tag, or about to be published.
//!
//! A commit of ours is known by its trailers and its committer. What a user made of one (a cherry-pick keeps the message)
//! has the user as committer and is theirs.

use std::collections::{HashMap, HashSet};

use bstr::ByteSlice as _;

use super::{Result, store};
use crate::base::{SessionId, Timestamp};
use crate::git::{Commit, Oid, RefName, Repo, Signature, committer, walk};
use crate::model::trailers::Message;

/// One such commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ours {
    /// Its id.
    pub commit: Oid,
    /// The session that it was made for.
    pub session: SessionId,
    /// Number of the checkpoint.
    pub checkpoint: u64,
}

/// Commits that are looked through; more than any push has.
const MOST: usize = 1_000_000;

/// Trailers of every commit that we store for ourselves. The clean commit of a fork's branch has none, and may have our
/// committer, where git knows no identity of the user's.
const TRAILERS: [&str; 2] = ["Session: ", "Checkpoint: "];

/// Whether this is a code or session commit. What someone made of one since (a rebase, a cherry-pick) is theirs.
pub fn is_ours(commit: &Commit) -> bool {
    let has = |trailer: &str| commit.message.lines().any(|line| line.starts_with(trailer.as_bytes()));
    commit.committer.email == by().email && TRAILERS.into_iter().all(has)
}

fn by() -> Signature {
    committer(Timestamp::from_seconds(0), 0)
}

/// Whether a ref of these tips, in their order, reaches a commit of ours that `hidden` does not reach, and one such commit.
/// Two walks at most, however many tips there are. What only looks like ours is the project's.
pub fn reached_by(repo: &Repo, tips: &[Oid], hidden: &[Oid]) -> Result<Vec<Option<Ours>>> {
    let ours = held(repo, newest(repo, tips, hidden, MOST)?)?;
    let by_commit: HashMap<Oid, &Ours> = ours.iter().map(|ours| (ours.commit, ours)).collect();
    let reaching = walk::reaching(repo, tips, hidden, &by_commit.keys().copied().collect())?;
    let found = |commit: Option<Oid>| commit.and_then(|commit| by_commit.get(&commit).copied().cloned());
    Ok(reaching.into_iter().map(found).collect())
}

/// Of commits that look like ours those that our refs hold: a commit can say anything of itself.
fn held(repo: &Repo, mut found: Vec<Ours>) -> Result<Vec<Ours>> {
    if found.is_empty() {
        return Ok(found);
    }
    let mut wanted: HashSet<Oid> = found.iter().map(|ours| ours.commit).collect();
    let (mut seen, mut held) = (HashSet::new(), HashSet::new());
    for (_, tip) in repo.refs.list(RefName::all_prefix())? {
        let mut open = vec![tip];
        while let Some(oid) = open.pop().filter(|_| !wanted.is_empty()) {
            // Other refs of ours, and a chain that is damaged, hold no more that can be told.
            let Some(checkpoint) = seen.insert(oid).then(|| store::checkpoint(repo, oid).ok()).flatten() else {
                continue;
            };
            held.extend([oid, checkpoint.code].into_iter().filter(|oid| wanted.remove(oid)));
            open.extend(checkpoint.previous);
        }
    }
    found.retain(|ours| held.contains(&ours.commit));
    Ok(found)
}

/// Commits that look like ours and that `tips` reach and `hidden` do not; the newest few, none where there are none.
pub fn reached(repo: &Repo, tips: &[Oid], hidden: &[Oid]) -> Result<Vec<Ours>> {
    newest(repo, tips, hidden, 20)
}

fn newest(repo: &Repo, tips: &[Oid], hidden: &[Oid], most: usize) -> Result<Vec<Ours>> {
    let committer = format!("{} <{}>", by().name, by().email);
    let wanted = walk::Wanted { committer: &committer, lines: &TRAILERS };
    let mut found = Vec::new();
    for oid in walk::find(repo, tips, hidden, wanted, most)? {
        let commit = repo.objects.read_commit(oid)?;
        let message = Message::parse(commit.message.as_bstr());
        let text = |key| message.get(key).map(|v| v.to_string());
        if let (Some(Ok(session)), Some(Ok(checkpoint))) =
            (text("Session").map(|t| SessionId::parse(&t)), text("Checkpoint").map(|t| t.parse()))
        {
            found.push(Ours { commit: oid, session, checkpoint });
        }
    }
    Ok(found)
}

//! Commits of ours where they must not be: reachable from a branch or a tag, or about to be published.
//!
//! A commit of ours is known by its trailers and its committer. What a user made of one (a cherry-pick keeps the message)
//! has the user as committer and is theirs.

use bstr::ByteSlice as _;

use super::Result;
use crate::base::{SessionId, Timestamp};
use crate::git::{Oid, Repo, committer, walk};
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

/// Commits of ours that `tips` reach and `hidden` do not; the newest few, none where there are none.
pub fn reached(repo: &Repo, tips: &[Oid], hidden: &[Oid]) -> Result<Vec<Ours>> {
    let by = committer(Timestamp::from_seconds(0), 0);
    let committer = format!("{} <{}>", by.name, by.email);
    let wanted = walk::Wanted { committer: &committer, lines: &["Session: ", "Checkpoint: "] };
    let mut found = Vec::new();
    for oid in walk::find(repo, tips, hidden, wanted, 20)? {
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

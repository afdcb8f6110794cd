//! Which checkpoints of a session that is here came from somebody else. Only this clone can know: what a commit says of who made
//! it is its maker's own word.
//!
//! `<common git dir>/session/theirs/<id>` holds the numbers of the checkpoints that came by pulls, and the last tip that did. It is
//! a note, not a record: where it was deleted, what came counts as one's own, and a pull keeps it as such.

use serde::{Deserialize, Serialize};

use super::{Result, local};
use crate::base::SessionId;
use crate::base::file::{self, Durability};
use crate::git::{Oid, Repo};

/// Stretches that are kept; more become one.
const MOST: usize = 64;

/// The note of one session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    /// The tip that came last.
    tip: Oid,
    /// Numbers of checkpoints, first and last of each stretch.
    came: Vec<(u64, u64)>,
}

fn path(repo: &Repo, id: SessionId) -> std::path::PathBuf {
    repo.common_dir.join("session").join("theirs").join(id.to_string())
}

fn read(repo: &Repo, id: SessionId) -> Result<Option<Note>> {
    let bytes = file::read_optional(&path(repo, id))?;
    // Damaged is as good as absent.
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

fn write(repo: &Repo, id: SessionId, mut note: Note) -> Result<()> {
    if note.came.len() > MOST {
        let (first, last) = (note.came.first().map_or(1, |c| c.0), note.came.last().map_or(1, |c| c.1));
        note.came = vec![(first, last)];
    }
    file::create_private_dir(&local::shared_dir(repo)?.join("theirs"))?;
    if let Ok(bytes) = serde_json::to_vec(&note) {
        file::write_atomic(&path(repo, id), &bytes, Some(repo.shared.private_file()), Durability::Process)?;
    }
    Ok(())
}

/// Notes that a session became what a remote has, from checkpoint `first` to `last`, which is `tip`.
pub fn taken(repo: &Repo, id: SessionId, tip: Oid, first: u64, last: u64) -> Result<()> {
    let mut came: Vec<(u64, u64)> = read(repo, id)?.map(|note| note.came).unwrap_or_default();
    came.retain(|(begin, _)| *begin < first);
    if let Some(before) = came.last_mut() {
        before.1 = before.1.min(first.saturating_sub(1));
    }
    came.push((first, last));
    write(repo, id, Note { tip, came })
}

/// Notes that a session went on at a remote, from the head `from` to `tip`.
pub fn went_on(repo: &Repo, id: SessionId, from: Oid, number: u64, tip: Oid, last: u64) -> Result<()> {
    let note = read(repo, id)?;
    let is_theirs = note.as_ref().is_some_and(|note| note.tip == from);
    let mut came = note.map(|note| note.came).unwrap_or_default();
    came.push((number + 1, last));
    // Only where nothing was added here is the tip all theirs; else it goes on from one's own.
    let tip = if is_theirs { tip } else { from };
    write(repo, id, Note { tip, came })
}

/// Notes for a fork what is noted of the session that it was made from, up to that checkpoint.
pub fn inherit(repo: &Repo, from: SessionId, to: SessionId, up_to: u64) -> Result<()> {
    let Some(note) = read(repo, from)? else { return Ok(()) };
    let came = note.came.into_iter().filter(|(begin, _)| *begin <= up_to).map(|(b, end)| (b, end.min(up_to))).collect();
    write(repo, to, Note { came, ..note })
}

/// Whether a session's head is what came, and nothing of one's own.
pub fn is_at(repo: &Repo, id: SessionId, head: Oid) -> Result<bool> {
    Ok(read(repo, id)?.is_some_and(|note| note.tip == head))
}

/// Whether a checkpoint of a session came from somebody else.
pub fn came(repo: &Repo, id: SessionId, number: u64) -> Result<bool> {
    Ok(read(repo, id)?.is_some_and(|note| note.came.iter().any(|(begin, end)| (*begin..=*end).contains(&number))))
}

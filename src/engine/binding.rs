//! Which session an agent's own id is bound to: `native/<id>` in the shared directory.
//!
//! An id is bound where a hook of this machine names it, or where it is minted here for a new conversation. What is bound
//! stays bound: no record, and so nothing that was pulled, gives it to another session. The one move is of a line of one's
//! own that goes on as a fork. Where the note is gone, `ops::find` looks for the session among those that never left here.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Result;
use super::local::{component, entries, shared_dir, write_json};
use crate::base::SessionId;
use crate::base::file;
use crate::git::Repo;

/// What is known of an agent's own session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Native {
    /// Our session.
    pub session: SessionId,
    /// Its transcript file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<PathBuf>,
    /// The file's inode when it was last stored; another one means that the agent wrote it anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inode: Option<u64>,
    /// The session commit from which `resume` wrote the file, until an agent goes on with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumes: Option<String>,
}

/// What an agent's id is bound to.
pub fn of(repo: &Repo, id: &str) -> Result<Option<Native>> {
    let bytes = file::read_optional(&place(repo, id))?;
    Ok(bytes.and_then(|b| serde_json::from_slice(&b).ok()))
}

/// What all agents' ids are bound to, with those of them that stand as they are in a file's name.
pub fn all(repo: &Repo) -> Result<Vec<(String, Native)>> {
    let mut found = Vec::new();
    for path in entries(&repo.common_dir.join("session").join("native"))? {
        let known = file::read_optional(&path)?.and_then(|b| serde_json::from_slice::<Native>(&b).ok());
        let id = path.file_name().and_then(|n| n.to_str()).filter(|n| !n.contains('%'));
        found.extend(id.map(str::to_owned).zip(known));
    }
    Ok(found)
}

/// What an agent's id is bound to, where that is this session.
pub fn to(repo: &Repo, id: &str, session: SessionId) -> Result<Option<Native>> {
    Ok(of(repo, id)?.filter(|known| known.session == session))
}

/// A hook of this machine named the id: it is bound to `session` unless it is bound already. Gives the session that it is
/// bound to. The transcript is where the hook says.
pub fn by_hook(repo: &Repo, id: &str, session: SessionId, transcript: Option<&Path>) -> Result<SessionId> {
    let known = of(repo, id)?;
    let session = known.as_ref().map_or(session, |known| known.session);
    let inode = known.as_ref().and_then(|known| known.inode);
    // Until its first prompt a file that `resume` wrote waits to be gone on with.
    let resumes = known.as_ref().and_then(|known| known.resumes.clone());
    let now = Native { session, transcript: transcript.map(Path::to_owned), inode, resumes };
    if known.as_ref() != Some(&now) {
        put(repo, id, &now)?;
    }
    Ok(session)
}

/// The id was minted here just now, for a conversation of this session.
pub fn minted(repo: &Repo, id: &str, known: &Native) -> Result<()> {
    put(repo, id, known)
}

/// Notes the file from which the conversation was stored, where the id is bound to this session; else nothing.
pub fn stored(repo: &Repo, id: &str, now: &Native) -> Result<()> {
    match of(repo, id)? {
        Some(known) if known.session == now.session && known != *now => put(repo, id, now),
        _ => Ok(()),
    }
}

/// A line of one's own goes on as another session: every id that is bound to it goes along.
pub(super) fn follow(repo: &Repo, from: SessionId, to: SessionId) -> Result<()> {
    for path in entries(&repo.common_dir.join("session").join("native"))? {
        let known = file::read_optional(&path)?.and_then(|b| serde_json::from_slice::<Native>(&b).ok());
        if let Some(known) = known.filter(|n| n.session == from) {
            write_json(repo, &path, &Native { session: to, ..known })?;
        }
    }
    Ok(())
}

/// Drops the note on an id that was minted for a conversation that is not made after all.
pub fn forget(repo: &Repo, id: &str) -> Result<()> {
    Ok(file::remove_optional(&place(repo, id)).map(drop)?)
}

fn put(repo: &Repo, id: &str, known: &Native) -> Result<()> {
    let dir = shared_dir(repo)?.join("native");
    repo.shared.make_private_dir(&dir)?;
    write_json(repo, &dir.join(component(id)), known)
}

fn place(repo: &Repo, id: &str) -> PathBuf {
    repo.common_dir.join("session").join("native").join(component(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::IdSource;
    use crate::git::matrix::Bench;

    #[test]
    fn what_is_bound_stays_bound_until_its_own_line_moves() {
        for bench in Bench::all() {
            let (repo, ids) = (bench.repo(), IdSource::seeded(1));
            let (mine, theirs, fork) = (ids.session(), ids.session(), ids.session());
            let file = Path::new("/t/a.jsonl");
            let known = |session| Native { session, transcript: Some(file.to_owned()), inode: Some(7), resumes: None };
            stored(&repo, "a", &known(theirs)).expect("does nothing");
            assert_eq!(of(&repo, "a").expect("reads"), None, "what was stored binds nothing");
            assert_eq!(by_hook(&repo, "a", mine, None).expect("binds"), mine);
            assert_eq!(by_hook(&repo, "a", theirs, Some(file)).expect("binds"), mine);
            stored(&repo, "a", &known(theirs)).expect("does nothing");
            stored(&repo, "a", &known(mine)).expect("notes");
            assert_eq!(of(&repo, "a").expect("reads"), Some(known(mine)));
            assert_eq!(to(&repo, "a", theirs).expect("reads"), None);
            follow(&repo, theirs, fork).expect("moves nothing");
            follow(&repo, mine, fork).expect("moves");
            assert_eq!(by_hook(&repo, "a", theirs, None).expect("binds"), fork, "{}", bench.kind);
        }
    }
}

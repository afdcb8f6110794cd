//! Small files of ours in the git dirs: which session a worktree is on, what `enable` wrote, the log.
//!
//! None is the only copy of anything: `current` only says what is meant by default. Agents' ids are in [`super::binding`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Error, Result};
use crate::base::file::{self, Durability};
use crate::base::{IdSource, SessionId, Timestamp};
use crate::git::Repo;

/// Bytes that the log may grow to before its older half is dropped.
pub const LOG_BYTES: u64 = 256 * 1024;

/// The folder shared by all worktrees, made where absent.
pub fn shared_dir(repo: &Repo) -> Result<PathBuf> {
    let dir = repo.common_dir.join("session");
    repo.shared.make_private_dir(&dir)?;
    Ok(dir)
}

/// The folder of this worktree, made where absent.
pub fn worktree_dir(repo: &Repo) -> Result<PathBuf> {
    let dir = repo.git_dir.join("session");
    repo.shared.make_private_dir(&dir)?;
    Ok(dir)
}

/// A temporary file that is older than this belongs to nobody who lives.
pub(super) const STALE: Duration = Duration::from_secs(10);

/// Removes what commands left in our folders when they were killed. `lock` was written a moment ago: its time is the present
/// by the file system's clock.
pub fn sweep(repo: &Repo, lock: &Path) -> Result<()> {
    let Some(limit) = std::fs::metadata(lock).and_then(|m| m.modified()).ok().and_then(|now| now.checked_sub(STALE))
    else {
        return Ok(());
    };
    let shared = repo.common_dir.join("session");
    for folder in [&repo.git_dir.join("session"), &shared, &shared.join("native"), &shared.join("facade")] {
        file::remove_leftovers(folder, limit)?;
    }
    Ok(())
}

/// What tells this clone from others of the same project: twelve random digits, made at their first use.
pub fn clone_id(repo: &Repo, ids: &IdSource) -> Result<String> {
    let path = repo.common_dir.join("session").join("actor");
    if let Some(bytes) = file::read_optional(&path)?
        && let Ok(id) = String::from_utf8(bytes)
        && !id.trim().is_empty()
    {
        return Ok(id.trim().to_owned());
    }
    let id = ids.hex12();
    file::write_atomic(
        &shared_dir(repo)?.join("actor"),
        format!("{id}\n").as_bytes(),
        Some(repo.shared.private_file()),
        Durability::Process,
    )?;
    Ok(id)
}

/// The session of this worktree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Current {
    /// Which.
    pub session: SessionId,
    /// Its agent just emptied the conversation; the next session start goes on with this session.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cleared: bool,
}

/// The session that commands in this worktree mean by default; `None` where none runs.
pub fn current(repo: &Repo) -> Result<Option<Current>> {
    let bytes = file::read_optional(&repo.git_dir.join("session").join("current"))?;
    // Damaged is as good as absent: it only names a default.
    Ok(bytes.and_then(|b| serde_json::from_slice(&b).ok()))
}

/// Sets or clears the session of this worktree.
pub fn set_current(repo: &Repo, current: Option<&Current>) -> Result<()> {
    let path = worktree_dir(repo)?.join("current");
    match current {
        None => file::remove_optional(&path).map(drop)?,
        Some(wanted) if self::current(repo)?.as_ref() == Some(wanted) => {}
        Some(wanted) => {
            write_json(repo, &path, wanted)?;
            note_recent(repo, wanted.session)?;
        }
    }
    Ok(())
}

/// Sessions of a worktree that are remembered.
const RECENT: usize = 8;

/// Sessions that ran in this worktree lately, the one that was begun or ended last first.
pub fn recent(repo: &Repo) -> Result<Vec<SessionId>> {
    let bytes = file::read_optional(&repo.git_dir.join("session").join("recent"))?;
    Ok(bytes.and_then(|b| serde_json::from_slice(&b).ok()).unwrap_or_default())
}

/// Notes that a session ran in this worktree.
pub fn note_recent(repo: &Repo, session: SessionId) -> Result<()> {
    let mut known = recent(repo)?;
    if known.first() == Some(&session) {
        return Ok(());
    }
    known.retain(|id| *id != session);
    known.insert(0, session);
    known.truncate(RECENT);
    write_json(repo, &worktree_dir(repo)?.join("recent"), &known)
}

/// What followed one session and now follows another: the current session of every worktree, and every agent's id.
pub fn follow(repo: &Repo, from: SessionId, to: SessionId) -> Result<()> {
    let others = entries(&repo.common_dir.join("worktrees"))?;
    for dir in std::iter::once(repo.common_dir.clone()).chain(others) {
        let path = dir.join("session").join("current");
        let current = file::read_optional(&path)?.and_then(|b| serde_json::from_slice::<Current>(&b).ok());
        if let Some(current) = current.filter(|c| c.session == from) {
            write_json(repo, &path, &Current { session: to, ..current })?;
        }
        let path = dir.join("session").join("recent");
        let recent = file::read_optional(&path)?.and_then(|b| serde_json::from_slice::<Vec<SessionId>>(&b).ok());
        if let Some(recent) = recent.filter(|ids| ids.contains(&from)) {
            let ids: Vec<SessionId> = recent.into_iter().map(|id| if id == from { to } else { id }).collect();
            write_json(repo, &path, &ids)?;
        }
    }
    super::binding::follow(repo, from, to)
}

/// What lies in a folder; nothing where there is none.
pub(super) fn entries(folder: &std::path::Path) -> Result<Vec<PathBuf>> {
    let listed = match std::fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(crate::base::Error::io("list", folder)(e).into()),
    };
    let mut paths = listed
        .map(|entry| entry.map(|e| e.path()))
        .collect::<std::io::Result<Vec<_>>>()
        .map_err(crate::base::Error::io("list", folder))?;
    paths.sort();
    Ok(paths)
}

/// A file of the work tree that `enable` wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// Relative to the top of the work tree.
    pub path: String,
    /// The worktree; an older note says none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worktree: Option<String>,
    /// Whether it was not there before.
    pub created: bool,
    /// What it held before, where it was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What it held then; `None` once someone else edited it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

impl Installed {
    /// Whether it lies in the worktree of this name.
    pub fn is_in(&self, worktree: &str) -> bool {
        self.worktree.as_deref().is_none_or(|of| of == worktree)
    }
}

/// What `enable` wrote into the work trees.
pub fn installed(repo: &Repo) -> Result<Vec<Installed>> {
    let bytes = file::read_optional(&repo.common_dir.join("session").join("installed"))?;
    Ok(bytes.and_then(|b| serde_json::from_slice(&b).ok()).unwrap_or_default())
}

/// Notes what `enable` wrote; nothing removes the note.
pub fn set_installed(repo: &Repo, files: &[Installed]) -> Result<()> {
    let path = shared_dir(repo)?.join("installed");
    if files.is_empty() {
        file::remove_optional(&path).map(drop).map_err(Into::into)
    } else {
        write_json(repo, &path, &files)
    }
}

/// Appends a line to the log; hooks have nowhere else to say what went wrong.
pub fn log(repo: &Repo, now: Timestamp, line: &str) -> Result<()> {
    let shared = shared_dir(repo)?;
    let dir = shared.join("log");
    repo.shared.make_private_dir(&dir)?;
    let path = dir.join("hooks.log");
    let line = format!("{now} {}", crate::base::text::sanitise(line));
    file::append_line_bounded(&path, &line, LOG_BYTES, repo.shared.private_file())?;
    // Root may have made them here for somebody else, who must be able to write to them.
    for made in [shared, dir, path] {
        file::give_to_owner_of(&made, &repo.common_dir)?;
    }
    Ok(())
}

/// A string from outside as one safe part of a path: letters, digits, `.`, `_` and `-` stay, the rest is percent-encoded;
/// a long one is cut and ends in a hash of the whole.
pub fn component(text: &str) -> String {
    let mut out = String::new();
    for (at, byte) in text.bytes().enumerate() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' || byte == b'.' && at > 0 {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02x}"));
        }
    }
    if out.len() > 120 {
        let hash =
            text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        out.truncate(100);
        out.push_str(&format!("%-{hash:016x}"));
    }
    if out.is_empty() { "%".to_owned() } else { out }
}

pub(super) fn write_json<T: Serialize>(repo: &Repo, path: &std::path::Path, value: &T) -> Result<()> {
    let bytes =
        serde_json::to_vec(value).map_err(|e| Error::Damaged { path: path.to_owned(), problem: e.to_string() })?;
    Ok(file::write_atomic(path, &bytes, Some(repo.shared.private_file()), Durability::Process)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_of_an_agent_leaves_its_folder() {
        assert_eq!(component("094320c0-d68c"), "094320c0-d68c");
        assert_eq!(component("../../x"), "%2e.%2f..%2fx");
        assert_eq!(component(".git"), "%2egit");
        assert_eq!(component(""), "%");
        let long = "a".repeat(500);
        assert!(component(&long).len() <= 120 && component(&long) != component(&"a".repeat(501)));
    }
}

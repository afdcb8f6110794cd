//! A worktree that git was adding for a fork when it, or we, died: git keeps it locked for ever. The path was noted before,
//! so that it is known to be ours, and there is nothing in it yet.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use bstr::ByteSlice as _;

use super::{Result, local, locks};
use crate::base::Error as BaseError;
use crate::base::file::{self, Durability};
use crate::git::Repo;

/// What git, in our language, writes into the lock of a worktree that it is adding.
const INITIALIZING: &[u8] = b"initializing";

/// What is there of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HalfAdded {
    /// Where it was to be.
    pub path: PathBuf,
    /// git's own folder for it.
    admin: PathBuf,
}

fn note_path(repo: &Repo) -> PathBuf {
    repo.git_dir.join("session").join("adding")
}

/// Notes that git is about to add a worktree there. Whoever calls holds the worktree's lock.
pub fn note(repo: &Repo, path: &Path) -> Result<()> {
    local::worktree_dir(repo)?;
    Ok(file::write_atomic(
        &note_path(repo),
        path.as_os_str().as_bytes(),
        Some(repo.shared.private_file()),
        Durability::Process,
    )?)
}

/// Takes the note back: git has added it, or there is nothing of it.
pub fn forget(repo: &Repo) -> Result<()> {
    Ok(file::remove_optional(&note_path(repo)).map(drop)?)
}

/// The worktree that was noted, where git never came to the end of adding it.
pub fn find(repo: &Repo) -> Result<Option<HalfAdded>> {
    let Some(path) = file::read_optional(&note_path(repo))? else { return Ok(None) };
    let path = PathBuf::from(OsString::from_vec(path));
    let worktrees = repo.common_dir.join("worktrees");
    let entries = match std::fs::read_dir(&worktrees) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(BaseError::io("list", &worktrees)(e).into()),
    };
    for entry in entries {
        let admin = entry.map_err(BaseError::io("list", &worktrees))?.path();
        if is_of(&admin, &path)? && has_nothing(&path, &admin)? {
            return Ok(Some(HalfAdded { path, admin }));
        }
    }
    Ok(None)
}

impl HalfAdded {
    /// Whether its git, which may outlive us for a moment, has come to its end.
    pub fn is_old(&self, repo: &Repo) -> Result<bool> {
        Ok(locks::is_old(&self.admin.join("locked"), locks::file_system_now(repo)?))
    }

    /// Takes it away, and the note. A folder stays, empty.
    pub fn take_away(&self, repo: &Repo) -> Result<()> {
        file::remove_optional(&self.path.join(".git"))?;
        std::fs::remove_dir_all(&self.admin).map_err(BaseError::io("remove", &self.admin))?;
        forget(repo)
    }
}

/// Whether git's folder is that of a worktree at this path which it is still adding.
fn is_of(admin: &Path, path: &Path) -> Result<bool> {
    if file::read_optional(&admin.join("locked"))?.is_none_or(|why| why.trim_ascii() != INITIALIZING) {
        return Ok(false);
    }
    let Some(gitdir) = file::read_optional(&admin.join("gitdir"))? else {
        // Its very beginning. The name is that of the worktree, with a number where that was taken.
        let name = |path: &Path| path.file_name().unwrap_or_default().as_bytes().to_vec();
        let (ours, wanted) = (name(admin), name(path));
        let number = ours.strip_prefix(wanted.as_slice());
        let is_alone = std::fs::read_dir(admin).is_ok_and(|entries| entries.count() == 1);
        return Ok(is_alone && number.is_some_and(|number| number.iter().all(u8::is_ascii_digit)));
    };
    let noted = admin.join(gitdir.trim_ascii().to_path_lossy());
    let real = |path: &Path| Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
    // git resolves links above it.
    Ok(noted.parent().is_some_and(|folder| folder == path || real(folder).is_some() && real(folder) == real(path)))
}

/// Whether nothing lies there but, perhaps, the file by which git finds its own folder.
fn has_nothing(path: &Path, admin: &Path) -> Result<bool> {
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(e) => return Ok(e.kind() == std::io::ErrorKind::NotFound),
    };
    for entry in entries {
        let entry = entry.map_err(BaseError::io("list", path))?;
        let text = if entry.file_name() == ".git" { file::read_optional(&entry.path())? } else { None };
        let leads = text.as_deref().and_then(|text| text.strip_prefix(b"gitdir: "));
        let leads = leads.map(|to| path.join(to.trim_ascii().to_path_lossy()));
        if leads.and_then(|to| to.canonicalize().ok())
            != Some(admin.canonicalize().map_err(BaseError::io("find", admin))?)
        {
            return Ok(false);
        }
    }
    Ok(true)
}

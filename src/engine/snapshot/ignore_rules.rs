//! Where the rules of `.gitignore` files come from in a snapshot: the disk, as git reads them.

use crate::base::RepoPath;
use crate::base::supplied::{Links, read_rules};
use crate::engine::stat_cache::{Folder, Records, Stamp};
use crate::git::{Repo, Result};

/// The text of a `.gitignore`: from disk, links not followed; where a sparse checkout left it out, from the index.
pub(super) fn of_folder(repo: &Repo, known: Option<&Records>, folder: Option<&RepoPath>) -> Result<Option<Vec<u8>>> {
    let path = match folder {
        Some(folder) => folder.join(b".gitignore")?,
        None => RepoPath::new(".gitignore")?,
    };
    let on_disk = path.on_disk(repo.work_dir()?);
    match std::fs::symlink_metadata(&on_disk) {
        Ok(meta) if meta.is_file() => Ok(read_rules(&on_disk, Links::Refuse).unwrap_or_default()),
        Ok(_) => Ok(None),
        Err(_) => match known.and_then(|known| known.tracked(known.find(path.as_bytes())?)) {
            Some(tracked) if tracked.skip_worktree => repo.objects.read_blob(tracked.oid).map(Some),
            _ => Ok(None),
        },
    }
}

/// Whether every `.gitignore` that the folders were listed under is still the same file.
pub(super) fn are_as_listed(repo: &Repo, folders: &[Folder]) -> crate::engine::Result<bool> {
    let root = repo.work_dir()?;
    for folder in folders.iter().filter(|folder| folder.ignore.is_some()) {
        let path = RepoPath::new([folder.path.as_slice(), b".gitignore"].concat())?;
        // One that cannot be looked at is not as listed either; the walk says why.
        if Stamp::of_path(&path.on_disk(root)).ok() != Some(folder.ignore) {
            return Ok(false);
        }
    }
    Ok(true)
}

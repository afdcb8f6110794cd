//! Repositories inside the work tree: submodules, clones, linked worktrees; which commit they stand at.
//!
//! Found by asking the folder itself, so every kind of repository that we can open is known, and a `.git` that is no
//! repository is none.

use std::path::Path;

use super::repo::RepoEnv;
use super::{Oid, Repo};

/// What a folder with a `.git` in it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nested {
    /// An ordinary folder; its `.git` is no repository.
    Folder,
    /// A worktree of the repository around it.
    LinkedWorktree,
    /// A repository of its own, at this commit; `None` while unborn, unreadable, or of another object format.
    Repository(Option<Oid>),
}

/// Looks at a folder of `outer`'s work tree that has a `.git` in it.
pub fn look(outer: &Repo, folder: &Path) -> Nested {
    let Ok(folder) = folder.canonicalize() else { return Nested::Folder };
    let Ok(inner) = Repo::discover(&folder, &RepoEnv::default()) else {
        return Nested::Repository(None);
    };
    if inner.work_dir.as_deref() != Some(folder.as_path()) {
        return Nested::Folder;
    }
    if inner.common_dir == outer.common_dir {
        return Nested::LinkedWorktree;
    }
    let commit = inner.head().ok().and_then(|head| head.commit);
    Nested::Repository(commit.filter(|oid| oid.format() == outer.caps.object_format))
}

//! Captures the work tree as it is on disk: raw bytes of every tracked and every untracked, not
//! ignored file (design 3.6).
//!
//! [`take`] looks at all of the tree (`full`) or at named files only (`hinted`). Nothing of the user's is written: not the
//! index, not a ref, not a file; only objects, which nothing refers to yet, and the stat cache.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use super::passed::PassedFiles;
use super::{Error, Result};
use crate::base::RepoPath;
use crate::base::progress::Progress;
use crate::git::{Oid, Repo};
use crate::model::{Scope, Skipped};

mod base_tree;
mod filtered;
mod folders;
mod full;
mod hash;
mod hinted;
mod ignore_rules;
mod index_state;
mod known;
mod look;
mod merged;
mod modes;
mod seed;
mod settings;
mod stamps;
#[cfg(test)]
mod tests;
mod touched;
mod walk;

pub(in crate::engine) use filtered::PATIENCE as FILTER_PATIENCE;
pub use index_state::of_copy as index_of_copy;
pub use look::DEEPEST;
pub use stamps::Stamps;
pub use touched::touched;

/// Limits and the part of the tree to look at.
#[derive(Clone, Debug)]
pub struct Options {
    /// Look only at these files (they may be gone); `None` for the whole tree.
    pub only: Option<Vec<RepoPath>>,
    /// Untracked files above this size are skipped.
    pub max_file_bytes: u64,
    /// More untracked files than this in one folder are skipped, all of that folder's.
    pub max_untracked_per_folder: usize,
    /// After this long, new files are no longer searched for (`Scope::Tracked`); `None` for no limit.
    pub budget: Option<Duration>,
    /// The user's home folder, which is refused as a root.
    pub home: Option<std::path::PathBuf>,
    /// All of the tree or nothing: a tree of which more than this has to be read, or that takes longer than the budget, is
    /// [`Error::TooMuch`], and little was done by then.
    pub at_once: Option<AtOnce>,
}

/// What can be read while somebody waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtOnce {
    /// Files.
    pub files: usize,
    /// Bytes of them.
    pub bytes: u64,
}

/// The staged tree, where it differs from HEAD's, conflict stages, and what is to be added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexState {
    /// The staged tree; `None` where it equals HEAD's tree.
    pub staged: Option<Oid>,
    /// Conflict stages 1 to 3 as trees.
    pub conflicts: [Option<Oid>; 3],
    /// What is to be added (`git add -N`), as a tree of empty files.
    pub intended: Option<Oid>,
}

/// What a snapshot cost; tests assert it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Files looked at.
    pub files: u64,
    /// Folders whose names were listed.
    pub listed: u64,
    /// Files whose content was read and hashed.
    pub hashed: u64,
    /// Bytes of them.
    pub hashed_bytes: u64,
}

/// A captured work tree. Its objects are written; nothing refers to them yet.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The tree.
    pub tree: Oid,
    /// How much was looked at.
    pub scope: Scope,
    /// What was left out, and why.
    pub skipped: Skipped,
    /// The index, where it differs from HEAD.
    pub index: IndexState,
    /// Permission bits other than the umask gives, by path.
    pub modes: BTreeMap<RepoPath, u32>,
    /// The umask that `modes` is relative to.
    pub umask: u32,
    /// Files that went through filter drivers.
    pub passed: PassedFiles,
    /// The ignore rules that lie outside of the tree.
    pub exclude: Vec<u8>,
    /// What its files were when they were taken.
    pub stamps: Stamps,
    /// What it cost.
    pub stats: Stats,
}

/// Takes a snapshot. `previous` is the last known tree, from which what was not looked at is carried over.
///
/// A snapshot of named files (`Options::only`) does not read the index: its `index` and `exclude` are
/// empty, and its `modes` are of the named files only.
///
/// # Errors
/// [`Error::RootRefused`] for the root of the file system and the user's home folder; whatever git or the disk refuse
/// that is not about a single path.
pub fn take(repo: &Repo, previous: Option<Oid>, options: &Options, progress: &dyn Progress) -> Result<Snapshot> {
    let deadline = options.budget.map(|budget| Instant::now() + budget);
    refuse_root(repo.work_dir()?, options.home.as_deref())?;
    match &options.only {
        Some(only) => hinted::take(repo, previous, options, only, deadline),
        None => full::take(repo, previous, options, deadline, progress),
    }
}

fn refuse_root(root: &Path, home: Option<&Path>) -> Result<()> {
    let refused = |why| Err(Error::RootRefused { root: root.to_owned(), why });
    if root.parent().is_none() {
        return refused("the root of the file system");
    }
    let home_itself = home.and_then(|home| home.canonicalize().ok());
    if home.is_some_and(|home| home == root) || home_itself.is_some_and(|home| home == root) {
        return refused("your home folder");
    }
    Ok(())
}

/// The repository's own folders where they lie in the work tree under another name than `.git`.
fn own_folders(repo: &Repo) -> Result<Vec<RepoPath>> {
    let root = repo.work_dir()?;
    let folders = [&repo.git_dir, &repo.common_dir].into_iter().filter_map(|folder| folder.canonicalize().ok());
    Ok(folders.filter_map(|folder| RepoPath::below(root, &folder).ok()).collect())
}

//! The plan of a restore: what would be written, deleted and changed; the same value that `--dry-run` prints (design 3.7).
//!
//! A plan never deletes what the target did not look at or would ignore, and says beforehand what stands in its way
//! ([`obstacles`]): the caller leaves that ([`leave_obstacles`]) or refuses the restore as a whole.

mod bits;
mod content;
mod convert;
mod left;
mod names;
mod obstacles;
mod outcome;

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::restore::dirs::{Place, WorkTree};
use super::{Result, Snapshot};
use crate::base::RepoPath;
use crate::git::exclude::Exclude;
use crate::git::{Error as GitError, FileMode, Oid, Pathspec, Repo, TreeChange, tree};
use crate::model::{Scope, Skipped};

pub use bits::{add_bits, bits};
pub use content::{are_sound, contents_are_sound};
pub use convert::{Conversion, Via, Wanted, WantedFiles, convert};
pub use left::{leave_obstacles, start_folder};
pub(super) use names::Names;
pub use outcome::unplanned;

/// What a restore does to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The file is made or its content replaced.
    Write,
    /// The file is removed.
    Delete,
    /// Only permission bits change; where `old` is `new`, not even the exec bit.
    Mode,
}

/// One path of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanItem {
    /// Which.
    pub path: RepoPath,
    /// What happens.
    pub action: Action,
    /// What is there now; `None` where nothing is.
    pub old: Option<(FileMode, Oid)>,
    /// What will be there; `None` where nothing will be.
    pub new: Option<(FileMode, Oid)>,
}

impl PlanItem {
    /// The item that takes `path` from one state to another; the action follows from them.
    pub fn new(path: RepoPath, old: Option<(FileMode, Oid)>, new: Option<(FileMode, Oid)>) -> Self {
        let is_file = |mode| matches!(mode, FileMode::File | FileMode::Executable);
        let action = match (old, new) {
            (_, None) => Action::Delete,
            (Some((was, before)), Some((is, after))) if before == after && is_file(was) && is_file(is) => Action::Mode,
            _ => Action::Write,
        };
        Self { path, action, old, new }
    }
}

/// Why a difference is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The target did not look at this path, or it is outside of a sparse checkout.
    NotLookedAt,
    /// What is there now could not be taken.
    Unseen,
    /// The rules of the target ignore it, those in its tree or those that lay outside.
    Ignored,
    /// A submodule or nested repository; its content is its own.
    Gitlink,
    /// The caller chose to leave it.
    Chosen,
    /// `enable` manages it.
    Managed,
}

/// Something on disk that a write would destroy and that no checkpoint holds.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Obstacle {
    /// The path of the plan.
    pub path: RepoPath,
    /// What is in the way, as a phrase: `an ignored file is in its place`.
    pub reason: String,
}

/// What to go to.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// The code tree.
    pub tree: Oid,
    /// How much its checkpoint looked at.
    pub scope: Scope,
    /// What its checkpoint left out.
    pub skipped: &'a Skipped,
    /// The ignore rules that lay outside of the tree then.
    pub rules: &'a [u8],
    /// Only these paths; `None` for all.
    pub only: Option<&'a Pathspec>,
    /// Leave these, and what is below them, as they are.
    pub leave: &'a [RepoPath],
    /// Files that `enable` manages: never touched.
    pub managed: &'a [RepoPath],
}

impl<'a> Target<'a> {
    /// All of a tree, by the ignore rules of now.
    pub const fn whole(tree: Oid, scope: Scope, skipped: &'a Skipped) -> Self {
        Self { tree, scope, skipped, rules: &[], only: None, leave: &[], managed: &[] }
    }
}

/// The plan.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The tree before.
    pub present: Oid,
    /// The tree after: the present one with all items applied.
    pub result: Oid,
    /// What happens, in the order of paths.
    pub items: Vec<PlanItem>,
    /// What differs and stays.
    pub kept: Vec<(RepoPath, Kept)>,
    /// What makes the restore impossible as a whole.
    pub obstacles: Vec<Obstacle>,
    /// What filter drivers have to do with items.
    pub bytes: BTreeMap<RepoPath, Conversion>,
    /// Whether items are about other blobs than the trees have, because of filter drivers.
    pub is_converted: bool,
    /// What stood in the way and is left as it is, by choice.
    pub left: Vec<Obstacle>,
}

impl Plan {
    /// Whether nothing would happen.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

/// Compares the present state with the target. Reads trees and the disk, changes nothing.
///
/// # Errors
/// An object that the plan needs is missing: what it would write, or the stored copy of what it would take away.
pub fn make(repo: &Repo, present: &Snapshot, target: &Target<'_>) -> Result<Plan> {
    let disk = WorkTree::open(repo)?;
    let (items, kept, is_whole) = sort(repo, &disk, present, target)?;
    let objects = repo.objects.reader_of(items.len())?;
    let is_missing = |(_, oid): &(FileMode, Oid)| !objects.exists(*oid);
    if let Some((_, oid)) = items.par_iter().flat_map_iter(|i| [i.new, i.old]).flatten().find_first(is_missing) {
        return Err(GitError::Missing { oid }.into());
    }
    let edits = || items.iter().map(|item| (item.path.clone(), item.new)).collect();
    let result = if is_whole { target.tree } else { tree::edit(&repo.objects, present.tree, edits())? };
    let (obstacles, left, bytes) = (Vec::new(), Vec::new(), BTreeMap::new());
    let mut plan = Plan { present: present.tree, result, items, kept, obstacles, bytes, is_converted: false, left };
    plan.obstacles = obstacles::find(repo, &disk, present, &plan)?;
    Ok(plan)
}

/// What happens, what stays, and whether all that differs is among the first.
type Sorted = (Vec<PlanItem>, Vec<(RepoPath, Kept)>, bool);

/// Parts the differences.
fn sort(repo: &Repo, disk: &WorkTree, present: &Snapshot, target: &Target<'_>) -> Result<Sorted> {
    let changes = tree::diff(&repo.objects, present.tree, target.tree)?;
    let gitlinks: Vec<RepoPath> = changes.iter().filter(|c| has_gitlink(c)).map(|c| c.path.clone()).collect();
    let sparse = repo.config.bool("core.sparseCheckout")?.unwrap_or(false);
    let rules = |folder: Option<&RepoPath>| rules_in(repo, target.tree, folder);
    let mut exclude = Exclude::new(repo, &rules)?;
    let mut exclude_then = Exclude::as_recorded(repo, &rules, target.rules)?;

    let mut items = Vec::new();
    let mut kept = Vec::new();
    let differ = changes.len();
    for change in changes {
        let path = &change.path;
        if target.only.is_some_and(|only| !only.matches(path)) {
            continue;
        }
        // A removal below a path that the target holds as a submodule would empty it.
        let in_gitlink = change.new.is_none() && is_among(path, &gitlinks);
        let stays = if target.managed.contains(path) {
            Some(Kept::Managed)
        } else if is_among(path, target.leave) {
            Some(Kept::Chosen)
        } else if has_gitlink(&change) || in_gitlink {
            Some(Kept::Gitlink)
        } else if !was_looked_at(&change, target) {
            Some(Kept::NotLookedAt)
        } else if change.new.is_none() && (exclude.is_ignored(path, false)? || exclude_then.is_ignored(path, false)?) {
            Some(Kept::Ignored)
        } else if sparse && is_outside(disk, present, &change)? {
            Some(Kept::NotLookedAt)
        } else {
            None
        };
        match stays {
            Some(why) => kept.push((change.path, why)),
            None => items.push(PlanItem::new(change.path, change.old, change.new)),
        }
    }
    let is_whole = items.len() == differ;
    // What is there and could not be taken has no difference to show, yet it is hardly what the target has.
    for path in present.skipped.unseen() {
        let has = tree::lookup(&repo.objects, target.tree, &path)?.is_some();
        let differs = items.iter().any(|item| item.path == path) || kept.iter().any(|(kept, _)| *kept == path);
        if has && !differs && target.only.is_none_or(|only| only.matches(&path)) {
            kept.push((path, Kept::Unseen));
        }
    }
    kept.sort_by(|a, b| a.0.cmp(&b.0));
    Ok((items, kept, is_whole))
}

/// Whether a path lies outside of a sparse checkout: it is in the snapshot and not on disk, or would be once it is gone.
fn is_outside(disk: &WorkTree, present: &Snapshot, change: &TreeChange) -> Result<bool> {
    let is_skipped = || present.stamps.tracked(&change.path).is_some_and(|tracked| tracked.skip_worktree);
    Ok(change.old.is_some() && (change.new.is_none() && is_skipped() || disk.look(&change.path)? == Place::Nothing))
}

/// Whether a file would have been ignored at a checkpoint with this tree and these rules outside of it: had it been there, the
/// checkpoint would not show it.
pub fn were_ignored(repo: &Repo, tree: Oid, rules: &[u8], paths: &[RepoPath]) -> Result<Vec<bool>> {
    let source = |folder: Option<&RepoPath>| rules_in(repo, tree, folder);
    let mut then = Exclude::as_recorded(repo, &source, rules)?;
    Ok(paths.iter().map(|path| then.is_ignored(path, false)).collect::<crate::git::Result<_>>()?)
}

/// The ignore rules of a folder as they stand in a tree.
fn rules_in(repo: &Repo, tree: Oid, folder: Option<&RepoPath>) -> crate::git::Result<Option<Vec<u8>>> {
    let file = folder.map_or_else(|| RepoPath::new(".gitignore"), |f| f.join(b".gitignore"))?;
    match tree::lookup(&repo.objects, tree, &file)? {
        Some((FileMode::File | FileMode::Executable, oid)) => repo.objects.read_blob(oid).map(Some),
        _ => Ok(None),
    }
}

fn has_gitlink(change: &TreeChange) -> bool {
    [change.old, change.new].into_iter().flatten().any(|(mode, _)| mode == FileMode::Gitlink)
}

fn is_among(path: &RepoPath, folders: &[RepoPath]) -> bool {
    folders.iter().any(|folder| path.is_at_or_below(folder))
}

/// Whether the target's checkpoint can vouch for this difference. Finding a path missing takes more than finding one.
fn was_looked_at(change: &TreeChange, target: &Target<'_>) -> bool {
    let is_removal = change.new.is_none();
    let named = is_among(&change.path, &target.skipped.only);
    let in_scope = match target.scope {
        Scope::Full => true,
        Scope::Paths => named || (!is_removal && target.only.is_some()),
        Scope::Tracked => !is_removal,
    };
    in_scope && !target.skipped.is_unseen(&change.path) && !(is_removal && target.skipped.covers(&change.path))
}

#[cfg(test)]
mod tests;

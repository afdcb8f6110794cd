//! The files of a commit alone: what a checkpoint holds where the work tree is in the middle of a rebase, or went on before
//! there was time to look at it; and what it must hold in any case.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::SystemTime;

use crate::base::RepoPath;
use crate::engine::store::Tip;
use crate::git::tree::{self, Edit};
use crate::git::{FileMode, Oid};
use crate::ops::{App, Result};

/// What a path is to be.
type Wanted = BTreeMap<RepoPath, Option<(FileMode, Oid)>>;

/// The tree of the tip with what the project's commits since have brought, up to this one; and the paths that this concerns.
pub fn tree(app: &App<'_>, tip: Option<&Tip>, commit: Oid) -> Result<(Oid, Vec<RepoPath>)> {
    let objects = &app.repo.objects;
    let new = objects.read_commit(commit)?.tree;
    let parent = parent_tree(app, commit)?;
    // What the tip stands on may be gone by now, where history was rewritten.
    let base =
        tip.and_then(|t| t.checkpoint.base).and_then(|base| objects.read_commit(base).ok()).map(|base| base.tree);
    let mut wanted = Wanted::new();
    for from in [Some(parent), base].into_iter().flatten() {
        wanted.extend(tree::diff(objects, from, new)?.into_iter().map(|change| (change.path, change.new)));
    }
    let start = tip.map_or(parent, |tip| tip.code_tree);
    let paths = wanted.keys().cloned().collect();
    Ok((tree::edit(objects, start, edits(wanted))?, paths))
}

/// A snapshot taken some time after `at`, with those files as they were committed that only changed since; `None` where
/// there are none.
pub fn as_committed(app: &App<'_>, snapshot: Oid, commit: Oid, at: SystemTime) -> Result<Option<Oid>> {
    let objects = &app.repo.objects;
    let new = objects.read_commit(commit)?.tree;
    let mut wanted = Wanted::new();
    for change in tree::diff(objects, parent_tree(app, commit)?, new)? {
        let there = tree::lookup(objects, snapshot, &change.path)?;
        if there != change.new && is_younger(app.repo.work_dir()?, &change.path, at) {
            wanted.insert(change.path, change.new);
        }
    }
    if wanted.is_empty() {
        return Ok(None);
    }
    Ok(Some(tree::edit(objects, snapshot, edits(wanted))?))
}

/// Whether a file changed, or came or went, after that moment.
pub fn is_younger(root: &Path, path: &RepoPath, at: SystemTime) -> bool {
    let place = path.on_disk(root);
    if let Ok(meta) = place.symlink_metadata() {
        return changed(&meta) > at;
    }
    // Of what is gone, the folder that held it tells.
    let above = place.ancestors().skip(1).find_map(|folder| folder.symlink_metadata().ok());
    above.is_some_and(|folder| changed(&folder) > at)
}

fn changed(meta: &Metadata) -> SystemTime {
    let seconds = std::time::Duration::from_secs(u64::try_from(meta.ctime()).unwrap_or(0));
    let nanos = std::time::Duration::from_nanos(u64::try_from(meta.ctime_nsec()).unwrap_or(0));
    SystemTime::UNIX_EPOCH + seconds + nanos
}

/// Removals first: a file may stand where a folder was.
fn edits(wanted: Wanted) -> Vec<Edit> {
    let (gone, there): (Vec<Edit>, Vec<Edit>) = wanted.into_iter().partition(|(_, entry)| entry.is_none());
    gone.into_iter().chain(there).collect()
}

fn parent_tree(app: &App<'_>, commit: Oid) -> Result<Oid> {
    let objects = &app.repo.objects;
    match objects.read_commit(commit)?.parents.first() {
        // In a shallow clone it is not here.
        Some(parent) if objects.exists(*parent) => Ok(objects.read_commit(*parent)?.tree),
        _ => Ok(objects.format().empty_tree()),
    }
}

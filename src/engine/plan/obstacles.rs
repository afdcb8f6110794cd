//! What stands in the way of a plan: whatever is on disk where something would be written, that no checkpoint holds
//! and the plan does not delete.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Kept, Names, Obstacle, Plan};
use crate::base::RepoPath;
use crate::engine::restore::compare::Compare;
use crate::engine::restore::dirs::{Place, WorkTree};
use crate::engine::{Error, Result, Snapshot};
use crate::git::{Repo, tree};
use crate::model::SkipReason;

/// All obstacles of a plan, at most one a path.
pub(super) fn find(repo: &Repo, disk: &WorkTree, present: &Snapshot, plan: &Plan) -> Result<Vec<Obstacle>> {
    let names = Names::of(repo)?;
    let deleted = |item: &&super::PlanItem| item.action == Action::Delete;
    let search = Search {
        disk,
        present,
        names,
        compare: Compare::new(repo, disk, &present.stamps)?,
        deleted: plan.items.iter().filter(deleted).map(|item| names.key(&item.path)).collect(),
        gitlinks: plan.kept.iter().filter(|(_, why)| *why == Kept::Gitlink).map(|(path, _)| path).collect(),
        clear: RefCell::default(),
    };
    let twins = twins(repo, names, plan)?;
    let mut found = Vec::new();
    for item in &plan.items {
        let mut reason = search.unread(&item.path);
        if reason.is_none() && item.new.is_some() {
            reason = match twins.get(&names.key(&item.path)) {
                Some(count) if *count > 1 => Some("another path differs from it only by case".to_owned()),
                _ => search.in_the_way(item)?,
            };
        }
        found.extend(reason.map(|reason| Obstacle { path: item.path.clone(), reason }));
    }
    Ok(found)
}

/// How many paths of the tree that results share a name; nothing where names are compared exactly.
fn twins(repo: &Repo, names: Names, plan: &Plan) -> Result<BTreeMap<Vec<u8>, usize>> {
    let mut counts = BTreeMap::new();
    if names == Names::CaseFolded && !plan.items.is_empty() {
        let items: BTreeMap<&RepoPath, bool> = plan.items.iter().map(|item| (&item.path, item.new.is_some())).collect();
        for (path, _, _) in tree::list_files(&repo.objects, plan.present)? {
            if !items.contains_key(&path) {
                *counts.entry(names.key(&path)).or_insert(0) += 1;
            }
        }
        for (path, _) in items.into_iter().filter(|(_, is_there)| *is_there) {
            *counts.entry(names.key(path)).or_insert(0) += 1;
        }
    }
    Ok(counts)
}

struct Search<'a> {
    disk: &'a WorkTree,
    present: &'a Snapshot,
    names: Names,
    compare: Compare<'a>,
    deleted: BTreeSet<Vec<u8>>,
    gitlinks: Vec<&'a RepoPath>,
    /// Folders above the last path, from the top, that are in their places.
    clear: RefCell<Vec<RepoPath>>,
}

impl Search<'_> {
    fn is_deleted(&self, path: &RepoPath) -> bool {
        self.deleted.contains(&self.names.key(path))
    }

    /// Why the present snapshot does not hold what is at this path. A folder with too many new files, or one that was not
    /// searched to the end, says nothing of the files that are in the snapshot: for others the disk is looked at.
    fn unread(&self, path: &RepoPath) -> Option<String> {
        let vague = |reason| matches!(reason, SkipReason::TooManyFiles | SkipReason::TimeBudget);
        let mut covering = self.present.skipped.covering(path).filter(|skipped| !vague(skipped.reason));
        covering.next().map(|skipped| phrase(skipped.reason).to_owned())
    }

    /// What to call a file in the way.
    fn file_phrase(&self, path: &RepoPath) -> &'static str {
        let reason = self.present.skipped.covering(path).next().map(|skipped| skipped.reason);
        reason.map_or("an ignored file is in its place", phrase)
    }

    /// What a write would meet on disk.
    fn in_the_way(&self, item: &super::PlanItem) -> Result<Option<String>> {
        let path = &item.path;
        if self.gitlinks.iter().any(|link| path.is_at_or_below(link) || link.is_at_or_below(path)) {
            return Ok(Some("a submodule or nested repository is in its place".to_owned()));
        }
        // The snapshot has just met it there.
        if item.old.is_some() && self.present.stamps.met(path) {
            return Ok(None);
        }
        let mut folders: Vec<RepoPath> = path.ancestors().collect();
        folders.reverse();
        // Paths come in order: nearly all are in the folder of the one before, or near it.
        let clear = self.clear.take();
        let known = folders.iter().zip(&clear).take_while(|(folder, clear)| folder == clear).count();
        self.clear.replace(folders[..known].to_vec());
        for folder in folders.drain(known..) {
            let what = match self.disk.look(&folder) {
                Ok(Place::Nothing) => return Ok(None),
                Ok(Place::Folder) => {
                    self.clear.borrow_mut().push(folder);
                    continue;
                }
                Ok(_) if self.is_deleted(&folder) => return Ok(None),
                Ok(Place::File) => "a file is in the place of its folder",
                Ok(Place::Link) => "a symbolic link is in the place of its folder",
                Ok(Place::Special) => "a special file is in the place of its folder",
                Err(Error::Refused { reason, .. }) => return Ok(Some(reason)),
                Err(error) => return Err(error),
            };
            return Ok(Some(what.to_owned()));
        }
        if item.old.is_some() {
            return Ok(None);
        }
        let place = match self.disk.look(path) {
            Err(Error::Refused { reason, .. }) => return Ok(Some(reason)),
            other => other?,
        };
        let what = match place {
            Place::Nothing => None,
            Place::Folder if self.would_be_empty(path)? => None,
            Place::Folder => Some("a folder with files that no checkpoint holds is in its place"),
            Place::Special => Some("a special file is in its place"),
            // Already as it will be, or about to go under its other spelling.
            Place::File | Place::Link if self.is_deleted(path) || self.compare.holds(path, item.new)? => None,
            Place::File => Some(self.file_phrase(path)),
            Place::Link => Some("an ignored symbolic link is in its place"),
        };
        Ok(what.map(str::to_owned))
    }

    /// Whether nothing but empty folders would be left in a folder once the plan's deletions are done.
    fn would_be_empty(&self, folder: &RepoPath) -> Result<bool> {
        for name in self.disk.names(Some(folder))? {
            // A name that cannot be a path is git's own, or as good as.
            let Ok(path) = folder.join(&name) else { return Ok(false) };
            let goes = match self.disk.look(&path)? {
                Place::Nothing => true,
                Place::Folder => self.would_be_empty(&path)?,
                Place::File | Place::Link | Place::Special => self.is_deleted(&path),
            };
            if !goes {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn phrase(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::TooLarge => "what is there now is too large to be in a checkpoint",
        SkipReason::Special => "a special file is in its place",
        SkipReason::NestedRepository => "a nested repository is in its place",
        SkipReason::Unreadable => "what is there now could not be read",
        SkipReason::FilterFailed => "the filter driver failed for what is there now",
        SkipReason::FilterTooSlow => "the filter driver took too long for what is there now",
        SkipReason::RefusedName => "git refuses its name",
        SkipReason::TooManyFiles => "its folder holds more new files than a checkpoint takes",
        SkipReason::Changing => "it changes all the time",
        SkipReason::TimeBudget => "the time ran out before it was looked at",
        SkipReason::TooDeep => "it lies deeper than a snapshot goes",
    }
}

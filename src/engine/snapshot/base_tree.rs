//! The tree that a snapshot starts from, and the edits that make the new tree of it.
//!
//! What the base holds of a path is had without listing it: the cached tree is known by its records, and a base that is
//! another tree is compared with that one.

use std::collections::HashMap;

use crate::base::RepoPath;
use crate::engine::Result;
use crate::engine::stat_cache::{Record, StatCache, Taken};
use crate::git::tree::{self, Edit};
use crate::git::{FileMode, Oid, Repo};

/// The base, by path.
pub(super) struct BaseTree {
    /// Its id.
    pub id: Oid,
    /// Where it differs from the cached tree; all of it where nothing is cached.
    differs: HashMap<RepoPath, Option<(FileMode, Oid)>>,
    /// Whether the cached tree stands behind `differs`.
    cached: bool,
}

impl BaseTree {
    /// Compares the base with the cached tree; lists it where that is not possible.
    pub(super) fn open(repo: &Repo, id: Oid, cache: &StatCache) -> Result<Self> {
        let objects = &repo.objects;
        if cache.tree == Some(id) {
            return Ok(Self { id, differs: HashMap::new(), cached: true });
        }
        if let Some(cached) = cache.tree
            && let Ok(changes) = tree::diff(objects, cached, id)
        {
            let differs = changes.into_iter().map(|change| (change.path, change.new)).collect();
            return Ok(Self { id, differs, cached: true });
        }
        let files = tree::list_files(objects, id)?;
        let differs = files.into_iter().map(|(path, mode, oid)| (path, Some((mode, oid)))).collect();
        Ok(Self { id, differs, cached: false })
    }

    /// What the base holds at a path; `taken` is what the cached tree holds there.
    pub(super) fn get(&self, path: &RepoPath, taken: Option<&Taken>) -> Option<(FileMode, Oid)> {
        // Almost always there is no difference at all, and then no path has to be hashed.
        let differs = if self.differs.is_empty() { None } else { self.differs.get(path) };
        match differs {
            Some(entry) => *entry,
            None => taken.filter(|_| self.cached).map(|t| (t.mode, t.oid)),
        }
    }

    /// All files of the base, in no order.
    pub(super) fn files<'b>(
        &'b self,
        known: &'b [Record],
    ) -> impl Iterator<Item = (&'b RepoPath, (FileMode, Oid))> + 'b {
        let unchanged = known.iter().filter(|r| !self.differs.contains_key(&r.path));
        let unchanged = unchanged.filter_map(|r| self.get(&r.path, r.taken.as_ref()).map(|entry| (&r.path, entry)));
        unchanged.chain(self.differs.iter().filter_map(|(path, entry)| Some((path, (*entry)?))))
    }

    /// Writes the tree that holds exactly the taken paths of `records`.
    pub(super) fn write(&self, repo: &Repo, known: &[Record], records: &[Record]) -> Result<Oid> {
        let mut known = known.iter().peekable();
        let (mut removed, mut set): (Vec<Edit>, Vec<Edit>) = (Vec::new(), Vec::new());
        let mut gone = |path: &RepoPath, old: Option<(FileMode, Oid)>| {
            if old.is_some() {
                removed.push((path.clone(), None));
            }
        };
        let mut seen = self.differs.clone();
        for record in records {
            while let Some(old) = known.next_if(|old| old.path < record.path) {
                gone(&old.path, self.get(&old.path, old.taken.as_ref()));
                seen.remove(&old.path);
            }
            let old = known.next_if(|old| old.path == record.path);
            let old = self.get(&record.path, old.and_then(|old| old.taken.as_ref()));
            seen.remove(&record.path);
            match record.taken.map(|t| (t.mode, t.oid)) {
                None => gone(&record.path, old),
                Some(new) if old != Some(new) => set.push((record.path.clone(), Some(new))),
                Some(_) => {}
            }
        }
        for old in known {
            gone(&old.path, self.get(&old.path, old.taken.as_ref()));
            seen.remove(&old.path);
        }
        for (path, old) in seen {
            gone(&path, old);
        }
        if removed.is_empty() && set.is_empty() {
            return Ok(self.id);
        }
        // First what goes, so that a file can take the place of a folder and the other way round.
        let left = if removed.is_empty() { self.id } else { tree::edit(&repo.objects, self.id, removed)? };
        Ok(if set.is_empty() { left } else { tree::edit(&repo.objects, left, set)? })
    }
}

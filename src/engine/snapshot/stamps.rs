//! What a snapshot knows of its files: with it a restore tells by one `lstat` whether a file still is what was taken.

use std::sync::Arc;

use super::merged::Merged;
use crate::base::RepoPath;
use crate::engine::stat_cache::{Stamp, StatCache, Taken, Tracked};
use crate::git::Oid;

/// The stamps of the files of a snapshot of the whole tree; none of one of named files. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Stamps(Option<Arc<Known>>);

#[derive(Debug)]
struct Known {
    /// The cache as it was before what is `merged`, except for its end.
    cache: StatCache,
    /// By the place of the record: whether its file is as it says. All are, where none is named.
    settled: Vec<bool>,
    /// What became of the others, in the order of paths.
    merged: Vec<Merged>,
}

impl Stamps {
    pub(super) fn new(cache: StatCache, settled: Vec<bool>, merged: Vec<Merged>) -> Self {
        Self(Some(Arc::new(Known { cache, settled, merged })))
    }

    /// Whether the file at this path, of which `lstat` says `now`, is the one that was taken as `oid`. A file that was too
    /// young then is never known. All of the stamp counts, whatever git is told to trust: of others the content tells.
    pub fn vouch_for(&self, path: &RepoPath, oid: Oid, now: &Stamp) -> bool {
        self.find(path).is_some_and(|taken| taken.oid == oid && taken.stamp == Some(*now))
    }

    /// Whether a file or link was there, reached through folders alone.
    pub fn met(&self, path: &RepoPath) -> bool {
        self.find(path).is_some_and(|taken| taken.stamp.is_some())
    }

    /// What the index says of a path.
    pub fn tracked(&self, path: &RepoPath) -> Option<Tracked> {
        let known = self.0.as_deref()?;
        match known.merged(path) {
            Some(merged) => merged.new.as_ref()?.tracked,
            None => known.cache.records.tracked(known.cache.records.find(path.as_bytes())?),
        }
    }

    /// How many files there are at most that the index does not have.
    pub(super) fn untracked(&self) -> usize {
        let Some(known) = self.0.as_deref() else { return 0 };
        let records = &known.cache.records;
        let new = known.merged.iter().filter(|m| m.new.as_ref().is_some_and(|new| new.tracked.is_none()));
        (0..records.len()).filter(|at| !records.is_tracked(*at)).count() + new.count()
    }

    /// The stat cache as the snapshot left it, to add to: its records are those before, with the tracked entries of now.
    pub(super) fn cache(&self) -> Option<&StatCache> {
        self.0.as_ref().map(|known| &known.cache)
    }

    fn find(&self, path: &RepoPath) -> Option<Taken> {
        let known = self.0.as_deref()?;
        if let Some(merged) = known.merged(path) {
            return merged.new.as_ref()?.taken;
        }
        let at = known.cache.records.find(path.as_bytes())?;
        let is_settled = known.settled.get(at).is_none_or(|settled| *settled);
        known.cache.records.taken(at).filter(|_| is_settled)
    }
}

impl Known {
    fn merged(&self, path: &RepoPath) -> Option<&Merged> {
        let found = self.merged.binary_search_by(|merged| merged.path(&self.cache.records).cmp(path.as_bytes()));
        found.ok().map(|at| &self.merged[at])
    }
}

//! What a snapshot knows of its files: with it a restore tells by one `lstat` whether a file still is what was taken.

use std::sync::Arc;

use super::merged::Merged;
use crate::base::RepoPath;
use crate::engine::stat_cache::{Stamp, StatCache, StatRules, Taken};
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
    rules: StatRules,
}

impl Stamps {
    pub(super) fn new(cache: StatCache, settled: Vec<bool>, merged: Vec<Merged>, rules: StatRules) -> Self {
        Self(Some(Arc::new(Known { cache, settled, merged, rules })))
    }

    /// Whether the file at this path, of which `lstat` says `now`, is the one that was taken as `oid`. A file that was too
    /// young then is never known.
    pub fn vouch_for(&self, path: &RepoPath, oid: Oid, now: &Stamp) -> bool {
        let Some((known, taken)) = self.find(path) else { return false };
        taken.oid == oid && taken.stamp.is_some_and(|stamp| stamp.matches(now, known.rules))
    }

    /// Whether a file or link was there, reached through folders alone.
    pub fn met(&self, path: &RepoPath) -> bool {
        self.find(path).is_some_and(|(_, taken)| taken.stamp.is_some())
    }

    /// The stat cache as the snapshot left it, to add to: its records are those before, with the tracked entries of now.
    pub(super) fn cache(&self) -> Option<&StatCache> {
        self.0.as_ref().map(|known| &known.cache)
    }

    fn find(&self, path: &RepoPath) -> Option<(&Known, Taken)> {
        let known = self.0.as_deref()?;
        let path = path.as_bytes();
        let taken = match known.merged.binary_search_by(|m| m.path(&known.cache.records).cmp(path)) {
            Ok(at) => known.merged[at].new.as_ref().and_then(|new| new.taken),
            Err(_) => {
                let at = known.cache.records.find(path)?;
                let is_settled = known.settled.get(at).is_none_or(|settled| *settled);
                known.cache.records.taken(at).filter(|_| is_settled)
            }
        };
        taken.map(|taken| (known, taken))
    }
}

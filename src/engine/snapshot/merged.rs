//! What the look and the reading made of the known records, and what follows for the tree and the cache.

use super::base_tree::BaseTree;
use super::known::Known;
use crate::base::RepoPath;
use crate::engine::Result;
use crate::engine::stat_cache::{Change, Record, Records};
use crate::git::tree::Edit;

/// What became of a path that is not settled.
#[derive(Debug)]
pub(super) struct Merged {
    /// The place of its record; `None` for a new path.
    pub at: Option<usize>,
    /// What is known of it now; `None` where it is gone.
    pub new: Option<Record>,
}

impl Merged {
    /// Its path.
    pub(super) fn path<'m>(&'m self, known: &'m Records) -> &'m [u8] {
        match (&self.new, self.at) {
            (Some(new), _) => new.path.as_bytes(),
            (None, at) => at.map_or(&[], |at| known.path(at)),
        }
    }
}

/// Where the new tree differs from what the base has at the merged paths.
pub(super) fn edits(known: &Known, base: &BaseTree, merged: &[Merged]) -> Result<Vec<Edit>> {
    let mut edits = Vec::new();
    for change in merged {
        let path = change.path(&known.records);
        let now = change.new.as_ref().and_then(|r| r.taken).map(|t| (t.mode, t.oid));
        if base.get(path, &known.records, change.at) != now {
            edits.push((RepoPath::new(path)?, now));
        }
    }
    Ok(edits)
}

/// Where the new records differ from the known ones.
pub(super) fn changes<'m>(known: &Records, merged: &'m [Merged]) -> Vec<Change<&'m Record>> {
    let change = |merged: &'m Merged| match (merged.at, &merged.new) {
        (Some(at), Some(new)) if (known.tracked(at), known.taken(at)) == (new.tracked, new.taken) => None,
        (_, Some(new)) => Some(Change::Put(new)),
        (at, None) => at.map(|at| Change::Remove(known.path(at).to_vec())),
    };
    merged.iter().filter_map(change).collect()
}

/// The records of the new cache: the settled ones as they are, and the merged ones.
pub(super) fn records(known: Records, settled: &[bool], merged: &[Merged]) -> Records {
    if merged.is_empty() {
        return known;
    }
    known.with(|at| settled[at], merged.iter().filter_map(|m| m.new.as_ref()))
}

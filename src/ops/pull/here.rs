//! What this clone has of a remote's sessions, read at once: refs are listed, never asked for one by one.

use std::collections::{HashMap, HashSet};

use crate::base::SessionId;
use crate::engine::store;
use crate::git::{Oid, Remote};
use crate::ops::{App, Result};

/// Sessions of one remote that are looked at in a pull. Those that are known here come first.
pub const MOST_SESSIONS: usize = 50_000;
/// Refs that are no sessions and are named.
pub const MOST_ODD: usize = 20;

/// Refs of sessions.
#[derive(Debug)]
pub struct Here {
    /// Heads.
    pub heads: HashMap<SessionId, Oid>,
    /// What was fetched from this remote.
    pub tracked: HashMap<SessionId, Oid>,
    /// What was fetched from any remote.
    elsewhere: Vec<(SessionId, Oid)>,
    /// Sessions that were deleted here.
    deleted: HashSet<SessionId>,
}

impl Here {
    /// Reads them.
    pub fn read(app: &App<'_>, remote: &Remote) -> Result<Self> {
        let all = store::tracked(&app.repo)?;
        let tracked = all.iter().filter(|(key, _, _)| *key == remote.key).map(|(_, id, oid)| (*id, *oid)).collect();
        Ok(Self {
            heads: store::heads(&app.repo)?.into_iter().collect(),
            tracked,
            elsewhere: all.into_iter().map(|(_, id, oid)| (id, oid)).collect(),
            deleted: store::deleted(&app.repo)?.into_iter().collect(),
        })
    }

    /// Tips that were judged before, or made here.
    pub fn known(&self) -> impl Iterator<Item = (SessionId, Oid)> {
        self.heads.iter().map(|(id, oid)| (*id, *oid)).chain(self.elsewhere.iter().copied())
    }

    /// Whether this very tip is here, with all that it stands on.
    pub fn has(&self, id: SessionId, tip: Oid) -> bool {
        self.heads.get(&id) == Some(&tip) || self.tracked.get(&id) == Some(&tip)
    }
}

/// Of the sessions of a remote: those to look at, those that were deleted here, and how many more there are.
pub fn choose(there: &[(SessionId, Oid)], here: &Here) -> (Vec<(SessionId, Oid)>, Vec<SessionId>, usize) {
    let is_deleted = |id: &SessionId| here.deleted.contains(id) && !here.heads.contains_key(id);
    let (deleted, mut wanted): (Vec<_>, Vec<_>) = there.iter().copied().partition(|(id, _)| is_deleted(id));
    let left = wanted.len().saturating_sub(MOST_SESSIONS);
    if left > 0 {
        let is_new = |id: &SessionId| !here.heads.contains_key(id) && !here.tracked.contains_key(id);
        wanted.sort_by_key(|(id, _)| (is_new(id), *id));
        wanted.truncate(MOST_SESSIONS);
    }
    (wanted, deleted.into_iter().map(|(id, _)| id).collect(), left)
}

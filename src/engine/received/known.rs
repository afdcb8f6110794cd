//! Checkpoints that need no judging: they were judged before, or made here.
//!
//! The chains of the repository are not walked as such, since a pull must not cost what is old. Only where a new chain comes to a
//! checkpoint that its session's known tip must have below it, that one chain is walked.

use std::collections::{HashMap, HashSet};

use crate::base::SessionId;
use crate::engine::store;
use crate::git::{Oid, Repo};
use crate::model::Checkpoint;

/// A new chain that is so long is looked for in all chains that are known.
const LONG: usize = 1_024;

/// Commits of known checkpoints, as far as they were looked at.
#[derive(Debug)]
pub(super) struct Known<'r> {
    repo: &'r Repo,
    commits: HashSet<Oid>,
    /// Tips whose chains were not walked yet.
    tips: HashMap<SessionId, Vec<Oid>>,
}

impl<'r> Known<'r> {
    /// By the tips of sessions.
    pub fn new(repo: &'r Repo, known: impl IntoIterator<Item = (SessionId, Oid)>) -> Self {
        let mut tips: HashMap<SessionId, Vec<Oid>> = HashMap::new();
        for (session, tip) in known {
            tips.entry(session).or_default().push(tip);
        }
        let commits = tips.values().flatten().copied().collect();
        Self { repo, commits, tips }
    }

    /// Adds what was judged good.
    pub fn add(&mut self, commits: Vec<Oid>) {
        self.commits.extend(commits);
    }

    /// Whether this checkpoint is known; `new` of its chain were not.
    pub fn has(&mut self, checkpoint: &Checkpoint, new: usize) -> bool {
        if self.commits.contains(&checkpoint.commit) {
            return true;
        }
        let tips = self.tips.get(&checkpoint.session).map(Vec::as_slice).unwrap_or_default();
        let reaches = |tip: &Oid| store::checkpoint(self.repo, *tip).is_ok_and(|c| c.number >= checkpoint.number);
        if tips.iter().any(reaches) {
            for tip in self.tips.remove(&checkpoint.session).unwrap_or_default() {
                self.walk(tip);
            }
        } else if new == LONG {
            for tip in std::mem::take(&mut self.tips).into_values().flatten() {
                self.walk(tip);
            }
        }
        self.commits.contains(&checkpoint.commit)
    }

    /// Takes in a chain. One that is damaged ends where it cannot be read: what is below it is not known.
    fn walk(&mut self, tip: Oid) {
        let mut at = store::checkpoint(self.repo, tip).ok();
        while let Some(checkpoint) = at {
            let next = checkpoint.previous.first().copied().filter(|oid| self.commits.insert(*oid));
            at = next.and_then(|oid| store::checkpoint(self.repo, oid).ok());
        }
    }
}

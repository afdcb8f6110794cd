//! What came from a remote, judged as hostile input before any ref of ours moves.
//!
//! A chain is good where every new checkpoint reads, the trailers tell the truth about parents, numbers fall by one down to a
//! chain that is known already (or to 1), records are of a version, size and form that we read, no tree holds a path that could
//! leave the work tree or that git refuses, and all of it stays within the [`budget`]. What is judged good may still say
//! foolish things in words; those are only ever shown.
//!
//! Each checkpoint is judged once, however many sessions are forked from it: the time is linear in what is new.

mod budget;
mod known;
mod records;
mod trees;

use std::collections::{HashMap, HashSet};
use std::fmt;

use self::budget::Budget;
use self::known::Known;
use self::records::Records;
use self::trees::Trees;
use super::Error;
use crate::base::SessionId;
use crate::git::{Commit, Objects, Oid, Repo};
use crate::model::Checkpoint;

/// A chain that is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// How many of its checkpoints are new.
    pub new: usize,
    /// The newest that was known; `None` where all are new.
    pub met: Option<Oid>,
}

/// Why a chain is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The commit at which it was found.
    pub at: Oid,
    /// What is wrong, a sentence without its end.
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (commit {})", self.problem, self.at.short())
    }
}

type Judged<T> = std::result::Result<T, String>;

/// Judges chains; remembers the checkpoints, trees and records that it has seen.
#[derive(Debug)]
pub struct Judge<'r> {
    repo: &'r Repo,
    known: Known<'r>,
    faulty: HashMap<Oid, Fault>,
    trees: Trees<'r>,
    records: Records<'r>,
}

impl<'r> Judge<'r> {
    /// For one repository, in which the sessions with these tips were judged before, or made.
    pub fn new(repo: &'r Repo, known: impl IntoIterator<Item = (SessionId, Oid)>) -> Self {
        Self {
            repo,
            known: Known::new(repo, known),
            faulty: HashMap::new(),
            trees: Trees::new(repo),
            records: Records::new(repo),
        }
    }

    /// Judges the chain that ends in `tip` and is said to be that of `session`, down to the first commit that is known.
    ///
    /// # Errors
    /// The first fault that was found, from the tip down.
    pub fn chain(&mut self, session: SessionId, tip: Oid) -> std::result::Result<Chain, Fault> {
        let mut new = Vec::new();
        match self.walk(session, tip, &mut new) {
            Ok(met) => {
                let chain = Chain { new: new.len(), met };
                self.known.add(new);
                Ok(chain)
            }
            Err(fault) => {
                // What is wrong with a tip may be wrong for this session alone.
                if fault.at != tip {
                    self.faulty.extend(new.into_iter().map(|oid| (oid, fault.clone())));
                    self.faulty.insert(fault.at, fault.clone());
                }
                Err(fault)
            }
        }
    }

    fn walk(&mut self, session: SessionId, tip: Oid, new: &mut Vec<Oid>) -> std::result::Result<Option<Oid>, Fault> {
        let mut budget = Budget::of_a_chain();
        let mut newer: Option<Checkpoint> = None;
        let mut next = Some(tip);
        while let Some(oid) = next {
            let fault = |problem| Fault { at: oid, problem };
            if let Some(known) = self.faulty.get(&oid) {
                return Err(known.clone());
            }
            let commit = self.commit(oid).map_err(fault)?;
            let checkpoint = Checkpoint::from_commit(&commit).map_err(|e| fault(e.to_string()))?;
            match &newer {
                Some(newer) => self.link(newer, &checkpoint).map_err(|problem| Fault { at: newer.commit, problem })?,
                None if checkpoint.session != session => {
                    return Err(fault(format!("it says that it is of session {}", checkpoint.session)));
                }
                None => {}
            }
            if self.known.has(&checkpoint, new.len()) {
                return Ok(Some(oid));
            }
            budget.checkpoint().map_err(fault)?;
            self.checkpoint(&commit, &checkpoint, newer.is_none(), &mut budget).map_err(fault)?;
            next = checkpoint.previous.first().copied();
            if next.is_none() && checkpoint.number != 1 {
                return Err(fault(format!("the chain begins with checkpoint {}", checkpoint.number)));
            }
            new.push(oid);
            newer = Some(checkpoint);
        }
        Ok(None)
    }

    /// A checkpoint and the one before it.
    fn link(&self, newer: &Checkpoint, older: &Checkpoint) -> Judged<()> {
        if Some(newer.number) != older.number.checked_add(1) {
            return Err(format!("checkpoint {} follows checkpoint {}", newer.number, older.number));
        }
        if newer.session != older.session && newer.parent_session.is_none() {
            return Err(format!("the chain goes over from session {} without a fork", older.session));
        }
        if newer.code != older.code && self.commit(newer.code)?.parents != [older.code] {
            return Err("the code commit does not follow the one before".to_owned());
        }
        let commit = self.commit(newer.commit)?;
        if newer.base.is_some_and(|base| Some(base) != older.base && !commit.parents.contains(&base)) {
            return Err("its trailer Base names a commit that is no parent of it".to_owned());
        }
        Ok(())
    }

    /// One checkpoint for itself.
    fn checkpoint(
        &mut self,
        commit: &Commit,
        checkpoint: &Checkpoint,
        is_tip: bool,
        budget: &mut Budget,
    ) -> Judged<()> {
        let parents: HashSet<&Oid> = commit.parents.iter().collect();
        if checkpoint.previous.len() > 2 || checkpoint.number == 0 || parents.len() != commit.parents.len() {
            return Err("it is no checkpoint of a chain".to_owned());
        }
        if let Some(m) = checkpoint.movement
            && [Some(m.from), Some(m.target), m.redone].iter().flatten().any(|n| *n >= checkpoint.number)
        {
            return Err("it goes back to a checkpoint that is not before it".to_owned());
        }
        let code = self.commit(checkpoint.code)?;
        if code.parents.len() > 1 {
            return Err(format!("its code commit has {} parents", code.parents.len()));
        }
        let begins = checkpoint.previous.is_empty();
        if begins
            && checkpoint.base.is_some_and(|base| !code.parents.contains(&base) && !commit.parents.contains(&base))
        {
            return Err("its trailer Base names a commit that is no parent of it".to_owned());
        }
        self.trees.code(code.tree, budget)?;
        self.trees.session(checkpoint.meta_tree, budget)?;
        self.records.judge(checkpoint, is_tip, budget)
    }

    fn commit(&self, oid: Oid) -> Judged<Commit> {
        let objects = &self.repo.objects;
        if objects.commit_size(oid).map_err(said)? > budget::LARGEST_COMMIT {
            return Err(format!("commit {} is larger than any of a session", oid.short()));
        }
        objects.read_commit(oid).map_err(said)
    }
}

fn said(error: impl Into<Error>) -> String {
    error.into().to_string()
}

/// Whether a tip that was promised came at all.
pub fn is_here(objects: &Objects, tip: Oid) -> bool {
    tip.format() == objects.format() && objects.exists(tip)
}

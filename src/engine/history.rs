//! A session's chain of checkpoints, read from the tip backwards: the live line, stops, windows of turns.
//!
//! Nothing is ever cut off: a rewind is a new checkpoint that points at its `Target`. The live line is what a reader
//! finds who goes on at the target of each rewind (docs/storage-format.md).

use std::collections::{HashMap, HashSet};

use super::{Result, store};
use crate::git::{Error as GitError, Oid, Repo};
use crate::model::{Checkpoint, Kind, Mode};

/// The checkpoints of a session, the newest first, back through the sessions that it was forked from.
#[derive(Clone, Debug)]
pub struct History {
    checkpoints: Vec<Checkpoint>,
    by_number: HashMap<u64, usize>,
}

impl History {
    /// Reads the whole chain.
    ///
    /// # Errors
    /// A checkpoint that cannot be read; numbers that do not fall.
    pub fn load(repo: &Repo, tip: Oid) -> Result<Self> {
        let mut checkpoints: Vec<Checkpoint> = Vec::new();
        let mut next = Some(tip);
        while let Some(oid) = next {
            let checkpoint = store::checkpoint(repo, oid)?;
            if checkpoints.last().is_some_and(|newer| newer.number <= checkpoint.number) {
                return Err(GitError::Damaged { what: format!("the chain of checkpoints at {oid}") }.into());
            }
            next = checkpoint.previous.first().copied();
            checkpoints.push(checkpoint);
        }
        let by_number = checkpoints.iter().enumerate().map(|(at, c)| (c.number, at)).collect();
        Ok(Self { checkpoints, by_number })
    }

    /// All, the newest first.
    pub fn all(&self) -> &[Checkpoint] {
        &self.checkpoints
    }

    /// The newest.
    pub fn tip(&self) -> Option<&Checkpoint> {
        self.checkpoints.first()
    }

    /// The one of a number.
    pub fn number(&self, number: u64) -> Option<&Checkpoint> {
        self.by_number.get(&number).map(|at| &self.checkpoints[*at])
    }

    /// The one before, on the chain.
    pub fn before(&self, checkpoint: &Checkpoint) -> Option<&Checkpoint> {
        self.by_number.get(&checkpoint.number).and_then(|at| self.checkpoints.get(at + 1))
    }

    /// The live line of the code or of the chat from a checkpoint (itself first) backwards: at a rewind or redo that
    /// moved this half it goes on at the target.
    pub fn live_line<'h>(&'h self, from: &'h Checkpoint, half: Half) -> impl Iterator<Item = &'h Checkpoint> {
        std::iter::successors(Some(from), move |c| self.live_previous(c, half))
    }

    /// The one before on the live line. A move of some paths leaves the rest of the code where it was.
    pub fn live_previous(&self, checkpoint: &Checkpoint, half: Half) -> Option<&Checkpoint> {
        match checkpoint.movement {
            Some(m) if m.picked && half == Half::Code => self.before(checkpoint),
            Some(m) if checkpoint.kind.is_move() && half.is_moved_by(m.mode) => self.number(m.target),
            _ => self.before(checkpoint),
        }
    }

    /// Numbers on the live line of the code.
    pub fn live_numbers(&self, half: Half) -> HashSet<u64> {
        self.tip().into_iter().flat_map(|tip| self.live_line(tip, half)).map(|c| c.number).collect()
    }

    /// The rewind that a `redo` undoes, read from the tip back: rewinds that a redo names are passed over, a stop or a
    /// revert that comes first ends the search.
    pub fn redoable(&self) -> Redoable<'_> {
        let mut undone: HashSet<u64> = HashSet::new();
        for c in &self.checkpoints {
            match (c.kind, c.movement) {
                (Kind::Redo, Some(m)) => undone.extend(m.redone),
                (Kind::Rewind, Some(_)) if undone.contains(&c.number) => {}
                (Kind::Rewind, Some(_)) => return Redoable::Rewind(c),
                // A revert is work: it is gone back from by number, like any other.
                (Kind::Revert, Some(m)) => return Redoable::EndedByWork(Some(m.from)),
                (kind, _) if kind.is_stop() => {
                    // The rewinds before new work can still be reached by number.
                    let older = self.checkpoints.iter().skip_while(|o| o.number >= c.number);
                    let last = older
                        .filter(|o| o.kind == Kind::Rewind && !undone.contains(&o.number))
                        .find_map(|o| o.movement);
                    return Redoable::EndedByWork(last.map(|m| m.from));
                }
                _ => {}
            }
        }
        Redoable::Nothing
    }

    /// For each checkpoint, by number: whether a turn of this session was open right after it.
    pub fn open_after(&self) -> HashMap<u64, bool> {
        let mut open = false;
        let mut out = HashMap::with_capacity(self.checkpoints.len());
        for c in self.checkpoints.iter().rev() {
            match c.kind {
                Kind::TurnStart => open = true,
                Kind::TurnEnd | Kind::End | Kind::Fork | Kind::Clear => open = false,
                _ => {}
            }
            out.insert(c.number, open);
        }
        out
    }
}

/// Which half of a session is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// The files.
    Code,
    /// The conversation.
    Chat,
}

impl Half {
    const fn is_moved_by(self, mode: Mode) -> bool {
        match self {
            Self::Code => mode.code(),
            Self::Chat => mode.chat(),
        }
    }
}

/// What a redo would undo.
#[derive(Clone, Copy, Debug)]
pub enum Redoable<'h> {
    /// This rewind.
    Rewind(&'h Checkpoint),
    /// New work came after the last rewind, or is itself a revert; the state before that one is this checkpoint.
    EndedByWork(Option<u64>),
    /// There was no rewind.
    Nothing,
}

//! Paths that were rewound by themselves: they lie further back than the rest, and a rewind that chooses its own target
//! leaves them there until the rest has come as far.

use super::{App, Result};
use crate::base::RepoPath;
use crate::engine::history::{Half, History};
use crate::engine::store;
use crate::git::tree;

/// The moves of some paths on the live line of the code.
#[derive(Debug)]
pub struct FurtherBack {
    moves: Vec<Picked>,
}

#[derive(Debug)]
struct Picked {
    /// Number of the checkpoint that the move made.
    number: u64,
    /// Number of the one that it went to.
    target: u64,
    /// What it changed.
    paths: Vec<RepoPath>,
}

impl FurtherBack {
    /// Reads them. Without such a move no tree is looked at.
    pub fn load(app: &App<'_>, history: &History) -> Result<Self> {
        let mut moves = Vec::new();
        let Some(tip) = history.tip() else { return Ok(Self { moves }) };
        for checkpoint in history.live_line(tip, Half::Code) {
            let Some(movement) = checkpoint.movement.filter(|m| m.picked && m.mode.code()) else { continue };
            let Some(from) = history.number(movement.from) else { continue };
            let (before, after) = (store::code_tree(&app.repo, from)?, store::code_tree(&app.repo, checkpoint)?);
            let changes = tree::diff(&app.repo.objects, before, after)?;
            let paths = changes.into_iter().map(|change| change.path).collect();
            moves.push(Picked { number: checkpoint.number, target: movement.target, paths });
        }
        Ok(Self { moves })
    }

    /// The paths that went further back than the checkpoint of this number, after it was made.
    pub fn than(&self, number: u64) -> Vec<RepoPath> {
        let further = self.moves.iter().filter(|m| m.target < number && number < m.number);
        let mut paths: Vec<RepoPath> = further.flat_map(|m| m.paths.iter().cloned()).collect();
        paths.sort();
        paths.dedup();
        paths
    }
}

//! On what terms a move is made: what a person can say of any rewind, redo or revert.

use std::path::PathBuf;

use crate::ops::choice::Foreign;
use crate::ops::{App, Caller};

/// What holds for every move.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// Which session; the default one where `None`.
    pub session: Option<String>,
    /// Show the plan, change nothing.
    pub dry_run: bool,
    /// What to do with paths that someone else changed.
    pub foreign: Foreign,
    /// Leave what stands in the way and take the rest, instead of refusing.
    pub leave_obstacles: bool,
    /// Only these paths, relative to the folder of the command.
    pub paths: Vec<PathBuf>,
    /// The index goes there too.
    pub staged: bool,
    /// HEAD goes there too, without moving a branch.
    pub head: bool,
    /// Write configuration of somebody else that runs commands, too.
    pub trust: bool,
    /// Go on although a merge or rebase is under way, or the target is empty.
    pub force: bool,
}

impl Terms {
    /// What a line to type has to add to mean the same session; nothing in an agent, whose lines mean its own.
    pub fn same_session(&self, app: &App<'_>) -> String {
        match &self.session {
            Some(session) if app.caller == Caller::Explicit => format!(" --session {session}"),
            _ => String::new(),
        }
    }
}

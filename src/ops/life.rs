//! Whether a session runs now: by what its agent told, and by whether the agent's process is still there.
//!
//! A process is noted at a session's start and at each prompt, so a killed agent is seen without a word from it. Of sessions
//! that ran on another machine, or before processes were noted, nothing is known.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::{App, Result};
use crate::base::SessionId;
use crate::engine::{layout, local, running};
use crate::git::Oid;
use crate::model::Session;

/// What a session does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Life {
    /// Its agent answers a prompt.
    Running,
    /// Its agent waits for a prompt.
    Waiting,
    /// Its agent ended it.
    Ended,
    /// Its agent's process is gone without a word.
    Killed,
}

impl Life {
    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Ended => "ended",
            Self::Killed => "killed",
        }
    }

    /// Whether an agent has it open now.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Running | Self::Waiting)
    }
}

/// How many of the last rows are looked at for a turn that is open.
const LAST_ROWS: u32 = 8;

/// The agents of this repository whose processes are known: read once, asked for each session.
#[derive(Debug)]
pub struct Lives {
    /// Whether the process of a native session is there.
    running: HashMap<String, bool>,
    /// Native sessions with a note.
    noted: HashSet<String>,
    /// The session of this worktree.
    current: Option<SessionId>,
}

impl Lives {
    /// Reads the notes and looks at the processes.
    pub fn load(app: &App<'_>) -> Result<Self> {
        let noted = running::all(&app.repo)?;
        Ok(Self {
            noted: noted.keys().cloned().collect(),
            running: noted.into_iter().filter_map(|(native, process)| Some((native, process.is_running()?))).collect(),
            current: local::current(&app.repo)?.map(|current| current.session),
        })
    }

    /// What a session does, `meta_tree` being the session tree of its tip; `None` where nothing is known of its agent.
    pub fn of(&self, app: &App<'_>, session: &Session, meta_tree: Oid) -> Result<Option<Life>> {
        let known: Vec<(&String, bool)> =
            session.agent.native_ids.iter().filter_map(|id| Some((id, *self.running.get(id)?))).collect();
        if known.is_empty() {
            // An end without news makes no checkpoint; what ran here and is not on has ended.
            let is_over = session.ended_at.is_some()
                || !session.agent.native_ids.is_empty() && self.current.is_none_or(|current| current != session.id);
            return Ok(is_over.then_some(Life::Ended));
        }
        let live: Vec<&String> = known.into_iter().filter(|(_, is_running)| *is_running).map(|(id, _)| id).collect();
        if live.is_empty() {
            return Ok(Some(Life::Killed));
        }
        let from = session.rows.saturating_sub(LAST_ROWS);
        let rows = layout::read_rows(&app.repo.objects, meta_tree, session, from)?;
        let is_open = |native: &&String| rows.iter().rev().find(|r| r.stream == **native).is_some_and(|r| r.is_open());
        Ok(Some(if live.iter().any(is_open) { Life::Running } else { Life::Waiting }))
    }

    /// Whether the session did not come to its end, be its agent there or not.
    pub fn is_noted(&self, session: &Session) -> bool {
        self.current == Some(session.id) || session.agent.native_ids.iter().any(|id| self.noted.contains(id))
    }

    /// Whether an agent has the session open now; cheaper than [`Self::of`].
    pub fn is_live(&self, session: &Session) -> bool {
        session.agent.native_ids.iter().any(|id| self.running.get(id) == Some(&true))
    }
}

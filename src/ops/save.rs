//! `save [TITLE]`: a checkpoint now. Begins a session (without an agent) where there is none to join.

use serde::Serialize;

use super::record::{Purpose, Recording};
use super::{App, Failure, FailureKind, Result, find, join, moving, settle, signs};
use crate::base::SessionId;
use crate::engine::{local, store};
use crate::git::Oid;
use crate::model::session::TitleSource;
use crate::model::snapshot::SkippedPath;
use crate::model::{Kind, Scope};

/// What to save.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which session; the one that runs here where `None`.
    pub session: Option<String>,
    /// A title to set.
    pub title: Option<String>,
    /// Also write the state file, though `enable` never ran here.
    pub state: bool,
}

/// What was saved.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The session.
    pub session: SessionId,
    /// Its label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// The newest checkpoint.
    pub checkpoint: u64,
    /// Whether it was made now; otherwise nothing had changed.
    pub saved: bool,
    /// Whether the session was begun now.
    pub begun: bool,
    /// The code commit.
    pub commit: Oid,
    /// The session commit.
    pub session_commit: Oid,
    /// The tree of the code.
    pub tree: Oid,
    /// How much was looked at.
    pub scope: Scope,
    /// What was not taken.
    pub skipped: Vec<SkippedPath>,
    /// What is to be said of the state file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
}

/// Saves.
pub fn run(app: &App<'_>, options: &Options) -> Result<Outcome> {
    let custom = options.title.as_deref().map(str::trim);
    if custom == Some("") {
        return Err(Failure::new(FailureKind::Usage, "title.empty", "a title cannot be empty")
            .hint("Leave it out to keep the old one."));
    }
    let _lock = app.lock_worktree()?;
    settle::settle(app)?;
    let tip = match &options.session {
        Some(named) => Some(find::own_session(app, Some(named))?),
        None => join::session(app)?,
    };
    let begun = tip.is_none();
    let mut recording = match tip {
        Some(tip) => moving::begin(app, tip)?,
        None => begin(app)?,
    };
    let taken = recording.capture_code(app, None)?;
    if let Some(title) = custom {
        recording.session.title = Some(title.to_owned());
        recording.session.title_source = Some(TitleSource::Custom);
    }
    if begun {
        let day = app.now().local_minutes();
        recording.session.offer_title(&format!("Saved {day}"), TitleSource::FirstMessage);
    }
    let title = options.title.clone().unwrap_or_else(|| recording.session.title.clone().unwrap_or_default());
    let turn = recording.open_live_row().map(|at| recording.rows[at].turn);
    signs::note_late_in_open(app, &mut recording)?;
    recording.state.write_file = options.state;
    let (appended, notices) = recording.finish_and_tell(app, Purpose::new(Kind::Save, turn, title))?;
    let tip = appended.tip;
    if begun || options.session.is_some() {
        local::set_current(&app.repo, Some(&local::Current { session: tip.session.id, cleared: false }))?;
    }
    Ok(Outcome {
        session: tip.session.id,
        label: tip.session.label,
        title: tip.session.title,
        checkpoint: tip.checkpoint.number,
        saved: appended.news,
        begun,
        commit: tip.checkpoint.code,
        session_commit: tip.checkpoint.commit,
        tree: tip.code_tree,
        scope: tip.checkpoint.scope,
        skipped: taken.skipped.paths,
        notices,
    })
}

/// Begins a session without an agent.
pub fn begin(app: &App<'_>) -> Result<Recording> {
    Recording::begin(app, app.ids.session(), "none")
}

/// The session that runs here: the agent's in whose shell we are, else the one of this worktree.
pub fn running(app: &App<'_>) -> Result<Option<store::Tip>> {
    match of_agent(app)? {
        Some(tip) => Ok(Some(tip)),
        None => of_worktree(app),
    }
}

/// The session of the agent in whose shell we are.
pub fn of_agent(app: &App<'_>) -> Result<Option<store::Tip>> {
    let Some(native) = app.agent_session.as_deref() else { return Ok(None) };
    match find::by_native(app, native)? {
        Some(id) => Ok(store::tip(&app.repo, id)?),
        None => Ok(None),
    }
}

/// The session of this worktree, as hooks and `--session` set it.
pub fn of_worktree(app: &App<'_>) -> Result<Option<store::Tip>> {
    match local::current(&app.repo)? {
        Some(current) => Ok(store::tip(&app.repo, current.session)?),
        None => Ok(None),
    }
}

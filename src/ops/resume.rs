//! `resume [SESSION]`, `continue`: how to go on with a conversation; the agent's file is written where it is gone or behind.

use std::path::PathBuf;

use serde::Serialize;

use super::life::Lives;
use super::native::{Native, RunsIn};
use super::{App, Failure, FailureKind, Result, find, native, settle, trust};
use crate::agents::Agent;
use crate::base::SessionId;
use crate::engine::binding;
use crate::engine::store::Tip;
use crate::git::worktree;

/// What to resume.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which session; the newest that does not run now where `None`.
    pub session: Option<String>,
    /// Whether the agent is started at once; otherwise it is only said how.
    pub start: bool,
}

/// How to go on.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The session.
    pub session: SessionId,
    /// Its title.
    pub title: Option<String>,
    /// Turns of the conversation.
    pub turns: u32,
    /// The model last used.
    pub model: Option<String>,
    /// The agent's mode last seen.
    pub mode: Option<String>,
    /// How to go on.
    pub native: Native,
    /// Whether the agent's file was written anew.
    pub written: bool,
    /// The worktree that the session last ran in, where that is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worktree: Option<String>,
    /// Whose session it is, where it was only pulled until now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whose: Option<trust::Whose>,
}

/// Prepares a session for going on: finds the agent's file, or writes one. No ref and no default session moves: that a
/// session is gone on with is recorded by its agent's first event.
pub fn run(app: &App<'_>, options: &Options) -> Result<Outcome> {
    let _lock = match options.start {
        true => Some(app.lock_worktree()?),
        false => None,
    };
    if options.start {
        settle::settle(app)?;
    }
    let tip = match options.session.as_deref() {
        Some(word) if find::is_latest(word) => newest(app)?,
        Some(named) => find::session(app, Some(named))?,
        None => newest(app)?,
    };
    let whose = trust::whose(app, &tip)?;
    let none = || {
        Failure::new(
            FailureKind::Failed,
            "resume.none",
            format!("session {} has no conversation to resume", tip.session.id),
        )
        .hint("`session rewind code` brings its files back; a new agent session can start from them.")
    };
    let agent = crate::agents::of_session(&tip.session.agent.kind).ok_or_else(none)?;
    let live = tip.session.agent.live.clone();
    // A fork's own file was written when it was made, and is live once the agent speaks.
    let own = tip.session.agent.native_ids.last().cloned().or(live).ok_or_else(none)?;
    let here = app.repo.worktree_name();
    let elsewhere = (tip.session.worktree != here).then(|| tip.session.worktree.clone());
    // A worktree of that name on another machine says nothing of one here.
    let dir = match &elsewhere {
        Some(name) if !find::is_only_pulled(app, &tip)? => worktree::dir_of(&app.repo, name)?,
        _ => None,
    };
    let mut outcome = Outcome {
        session: tip.session.id,
        title: tip.session.title.clone(),
        turns: tip.session.turns,
        model: tip.session.model.clone(),
        mode: tip.session.mode.clone(),
        native: native::existing(agent, &own, PathBuf::new()),
        written: false,
        worktree: elsewhere,
        whose,
    };
    let found = match intact(app, agent, &tip, &own)? {
        Some(found) => Some(found),
        None => native::waiting(app, agent, &tip)?,
    };
    outcome.native = match found {
        Some(found) => found,
        None => {
            outcome.written = true;
            let mut talk = native::conversation_at(app, &tip, tip.checkpoint.meta_tree)?.ok_or_else(none)?;
            talk.cut = None;
            let worktree = if dir.is_some() { tip.session.worktree.as_str() } else { here.as_str() };
            let runs = RunsIn { cwd: dir.as_deref().unwrap_or(&app.cwd), worktree };
            let written = native::write(app, agent, &tip.session, &talk, runs, None)?.native;
            let known = binding::Native {
                session: tip.session.id,
                transcript: Some(written.path.clone()),
                inode: None,
                resumes: Some(tip.checkpoint.commit.to_string()),
            };
            binding::minted(&app.repo, &written.session_id, &known)?;
            written
        }
    };
    outcome.native.dir = dir;
    Ok(outcome)
}

/// The agent's own file, where it still is what is stored.
fn intact(app: &App<'_>, agent: &dyn Agent, tip: &Tip, own: &String) -> Result<Option<Native>> {
    let ids = &tip.session.agent.native_ids;
    for id in [tip.session.agent.live.as_ref().unwrap_or(own), own] {
        if ids.contains(id)
            && let Some(path) = native::intact_file(app, agent, tip, id)?
        {
            return Ok(Some(native::existing(agent, id, path)));
        }
    }
    Ok(None)
}

/// The newest session that has a conversation and does not run now.
fn newest(app: &App<'_>) -> Result<Tip> {
    let runs = Lives::load(app)?;
    let mut live = None;
    for found in find::all(app)? {
        let Ok(session) = &found.session else { continue };
        if session.turns == 0 {
            continue;
        }
        if runs.is_live(session) {
            live = live.or(Some(found.id));
        } else {
            return find::load(app, found.id);
        }
    }
    let failure = Failure::new(FailureKind::NotFound, "session.none", "no sessions to continue");
    Err(match live {
        Some(id) => failure
            .hint(format!("Session {} runs now; `session resume {id}` goes on with it all the same.", id.short())),
        None => failure.hint("`session enable` saves every turn of your agent from now on."),
    })
}

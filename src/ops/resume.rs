//! `resume [SESSION]`, `continue`: how to go on with a conversation; the agent's file is written where it is gone or behind.

use serde::Serialize;

use super::native::Native;
use super::record::{Purpose, Recording};
use super::{App, Failure, FailureKind, Result, find, native, settle};
use crate::base::SessionId;
use crate::engine::local;
use crate::engine::stream::{Check, Source};
use crate::model::Kind;

/// What to resume.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which session; the newest where `None`.
    pub session: Option<String>,
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
}

/// Prepares a session for going on.
pub fn run(app: &App<'_>, options: &Options) -> Result<Outcome> {
    let _lock = app.lock_worktree()?;
    settle::settle(app)?;
    let tip = match &options.session {
        Some(named) => find::own_session(app, Some(named))?,
        None => newest(app)?,
    };
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
    let mut outcome = Outcome {
        session: tip.session.id,
        title: tip.session.title.clone(),
        turns: tip.session.turns,
        model: tip.session.model.clone(),
        mode: tip.session.mode.clone(),
        native: native::existing(agent, &own, std::path::PathBuf::new()),
        written: false,
        worktree: elsewhere,
    };
    let live = tip.session.agent.live.clone().unwrap_or_else(|| own.clone());
    for id in [&live, &own] {
        if tip.session.agent.native_ids.contains(id)
            && let Some(path) = native::intact_file(app, agent, &tip, id)?
        {
            outcome.native = native::existing(agent, id, path);
            local::set_current(&app.repo, Some(&local::Current { session: tip.session.id, cleared: false }))?;
            return Ok(outcome);
        }
    }
    let mut talk = native::conversation_at(app, &tip, tip.checkpoint.meta_tree)?.ok_or_else(none)?;
    talk.cut = None;
    let written = native::write(app, agent, &tip.session, &talk, &app.cwd, None)?;
    let id = written.native.session_id.clone();
    let mut recording = Recording::on(app, tip.clone())?;
    recording.session.add_native_id(&id);
    recording.session.agent.live = Some(id.clone());
    recording.session.agent.transcript_path = Some(written.native.path.to_string_lossy().into_owned());
    recording.store_stream(app, &id, &Source::Bytes(&written.bytes), Check::Full)?;
    recording.parsed = Some(agent.parse(&written.bytes, 0));
    super::turn::adopt_copied_turns(&mut recording, &id, None);
    recording.finish(app, Purpose::new(Kind::Tail, None, "resumed in a new file"))?;
    let known = local::Native { session: tip.session.id, transcript: Some(written.native.path.clone()), inode: None };
    local::set_native(&app.repo, &id, &known)?;
    local::set_current(&app.repo, Some(&local::Current { session: tip.session.id, cleared: false }))?;
    outcome.native = written.native;
    outcome.written = true;
    Ok(outcome)
}

/// The newest session that has a conversation.
fn newest(app: &App<'_>) -> Result<crate::engine::store::Tip> {
    let all = find::all(app)?;
    let newest = all.iter().find(|f| f.session.as_ref().is_ok_and(|s| s.turns > 0));
    match newest {
        Some(found) => find::load(app, found.id),
        None => Err(Failure::new(FailureKind::NotFound, "session.none", "no sessions to continue")
            .hint("`session enable` saves every turn of your agent from now on.")),
    }
}

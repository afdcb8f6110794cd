//! What agents' hooks do: attach a session, save at the start and end of turns and for tools, close what is open.
//!
//! A line that is for us (`/rewind code 3`) is the command line's to answer: it is handed back. Nothing here waits long,
//! and the caller turns every failure into a line of the log.

use super::later::{self, Work};
use super::record::{Purpose, Recording};
use super::turn::{self, Prompt};
use super::turn_rest::Rest;
use super::{App, Result, find, outside, settle};
use crate::agents::{Event, HookInput};
use crate::base::SessionId;
use crate::base::pid::ProcessId;
use crate::engine::local::{self, Current};
use crate::engine::stream::Check;
use crate::engine::{binding, rewritten, running, store};
use crate::model::{Kind, Scope};

/// What a hook did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing that could be seen.
    Nothing,
    /// A checkpoint was made, or there was no news.
    Saved {
        /// The session.
        session: SessionId,
        /// Its newest checkpoint.
        checkpoint: u64,
        /// The agent's last text is not in its transcript yet; it has to be waited for, detached.
        tail_missing: bool,
        /// Files of the turn are left for a process of its own.
        rest: bool,
    },
}

/// Whether hooks are switched off here.
pub fn is_off(app: &App<'_>) -> Result<bool> {
    Ok(app.repo.config.bool("session.enabled")? == Some(false))
}

/// Handles one event of an agent of this kind.
pub fn run(app: &App<'_>, kind: &str, input: &HookInput) -> Result<Outcome> {
    let transcript = input.transcript.as_deref();
    if settle::pending(app) {
        local::log(&app.repo, app.now(), "a restore was interrupted here; the next command that writes settles it")?;
    }
    match &input.event {
        Event::Ignored | Event::SubagentEnd { .. } => Ok(Outcome::Nothing),
        Event::SessionStart { cleared, .. } => attach(app, input, *cleared),
        // What a subagent does belongs to the turn of its parent; it starts and ends none.
        Event::Prompt { .. } | Event::TurnEnd { .. } if input.in_subagent => Ok(Outcome::Nothing),
        Event::Prompt { text } => {
            let _lock = app.lock_worktree()?;
            let recording = match session_of(app, input)? {
                Some(recording) => recording,
                None => match resumed(app, input)? {
                    Some(recording) => recording,
                    None => begin(app, kind, input)?,
                },
            };
            // Hooks in a person's and in the project's settings both fire for one prompt.
            let open = recording.open_row(&input.native_id).and_then(|at| recording.rows[at].key.as_deref());
            if open.is_some() && open == input.prompt_key.as_deref() {
                return Ok(Outcome::Nothing);
            }
            local::set_current(&app.repo, Some(&Current { session: recording.session.id, cleared: false }))?;
            remember(app, input, recording.session.id)?;
            let prompt = Prompt {
                native: &input.native_id,
                transcript,
                key: input.prompt_key.as_deref(),
                text,
                mode: input.mode.as_deref(),
            };
            Ok(saved(turn::start(app, recording, &prompt)?, false))
        }
        Event::Tool { paths, failed, .. } => {
            let _lock = app.lock_worktree()?;
            let Some(mut recording) = session_of(app, input)? else { return Ok(Outcome::Nothing) };
            if *failed {
                if app.repo.config.bool("session.autosave.onError")? == Some(false) {
                    return Ok(Outcome::Nothing);
                }
                recording.capture_chat(app, &input.native_id, transcript, Check::Tail)?;
                recording.capture_code(app, None)?;
                let turn = recording.open_row(&input.native_id).map(|at| recording.rows[at].turn);
                return Ok(saved(recording.finish(app, Purpose::new(Kind::Error, turn, "a tool failed"))?, false));
            }
            let elsewhere = outside::of(app, &input.cwd, paths)?;
            let paths = app.inside(&input.cwd, paths)?;
            let done = turn::tool(app, recording, &input.native_id, paths, elsewhere)?;
            Ok(done.map_or(Outcome::Nothing, |appended| saved(appended, false)))
        }
        Event::TurnEnd { last_message } => {
            let _lock = app.lock_worktree()?;
            let Some(recording) = session_of(app, input)? else { return Ok(Outcome::Nothing) };
            let key = input.prompt_key.as_deref();
            let (appended, complete) =
                turn::end(app, recording, &input.native_id, transcript, key, last_message.as_deref())?;
            let rest = leave_rest(app, input, &appended)?;
            Ok(with_rest(saved(appended, !complete), rest))
        }
        Event::PreCompact => {
            let _lock = app.lock_worktree()?;
            let Some(mut recording) = session_of(app, input)? else { return Ok(Outcome::Nothing) };
            recording.capture_chat(app, &input.native_id, transcript, Check::Full)?;
            recording.capture_code(app, None)?;
            let turn = recording.open_row(&input.native_id).map(|at| recording.rows[at].turn);
            Ok(saved(recording.finish(app, Purpose::new(Kind::Compact, turn, "before compaction"))?, false))
        }
        Event::SessionEnd { cleared } => {
            let _lock = app.lock_worktree()?;
            running::forget(&app.repo, &input.native_id)?;
            let Some(recording) = session_of(app, input)? else {
                forget_pending(app, input)?;
                return Ok(Outcome::Nothing);
            };
            let id = recording.session.id;
            let appended = turn::session_end(app, recording, &input.native_id, transcript)?;
            local::note_recent(&app.repo, id)?;
            let rest = leave_rest(app, input, &appended)?;
            let mine = local::current(&app.repo)?.is_some_and(|c| c.session == id);
            if mine {
                let current = cleared.then_some(Current { session: id, cleared: true });
                local::set_current(&app.repo, current.as_ref())?;
            }
            Ok(with_rest(saved(appended, false), rest))
        }
    }
}

fn saved(appended: store::Appended, tail_missing: bool) -> Outcome {
    let (session, checkpoint) = (appended.tip.session.id, appended.tip.checkpoint.number);
    Outcome::Saved { session, checkpoint, tail_missing, rest: false }
}

fn with_rest(outcome: Outcome, left: bool) -> Outcome {
    match outcome {
        Outcome::Saved { session, checkpoint, tail_missing, .. } => {
            Outcome::Saved { session, checkpoint, tail_missing, rest: left }
        }
        Outcome::Nothing => Outcome::Nothing,
    }
}

/// Where the time ended before all files of a turn were taken, the rest is left for later; whether it was.
fn leave_rest(app: &App<'_>, input: &HookInput, appended: &store::Appended) -> Result<bool> {
    let newest = &appended.tip.checkpoint;
    if !appended.news || newest.kind != Kind::TurnEnd || newest.scope != Scope::Tracked {
        return Ok(false);
    }
    let rest = Rest { session: newest.session, native: input.native_id.clone(), checkpoint: newest.number };
    later::leave(app, &Work::Turn(rest))?;
    Ok(true)
}

/// A session start: nothing durable, only what the next event needs to find its session.
fn attach(app: &App<'_>, input: &HookInput, cleared: bool) -> Result<Outcome> {
    let known = find::by_native(app, &input.native_id)?;
    let after_clear = local::current(&app.repo)?.filter(|c| cleared && c.cleared).map(|c| c.session);
    let id = known.or(after_clear).unwrap_or_else(|| free_id(app, &input.native_id));
    remember(app, input, id)?;
    local::set_current(&app.repo, Some(&Current { session: id, cleared: false }))?;
    if let Some(id) = after_clear
        && let Some(tip) = store::tip(&app.repo, id)?
    {
        let _lock = app.lock_worktree()?;
        let mut recording = Recording::on(app, tip)?;
        recording.session.add_native_id(&input.native_id);
        recording.session.agent.live = Some(input.native_id.clone());
        recording.session.agent.transcript_path = input.transcript.as_ref().map(|p| p.to_string_lossy().into_owned());
        recording.session.ended_at = None;
        return Ok(saved(recording.finish(app, Purpose::new(Kind::Clear, None, "an empty conversation"))?, false));
    }
    Ok(Outcome::Nothing)
}

/// The session that an event belongs to, where it is durable already.
fn session_of(app: &App<'_>, input: &HookInput) -> Result<Option<Recording>> {
    let Some(id) = find::by_native(app, &input.native_id)? else { return Ok(None) };
    if binding::of(&app.repo, &input.native_id)?.is_none() {
        remember(app, input, id)?;
    }
    match store::tip(&app.repo, id) {
        Err(broken) if is_rewritten(app, id)? => {
            // What git rewrote keeps nobody from saving: the agent goes on in a session of its own.
            local::log(&app.repo, app.now(), &format!("session {id} cannot be gone on with: {broken}"))?;
            Ok(None)
        }
        found => found?.map(|tip| Recording::on_tail(app, tip, &input.native_id)).transpose(),
    }
}

/// A session that was only pulled becomes one's own when its conversation is gone on with.
fn resumed(app: &App<'_>, input: &HookInput) -> Result<Option<Recording>> {
    let Some(known) = binding::of(&app.repo, &input.native_id)?.filter(|n| n.resumes.is_some()) else {
        return Ok(None);
    };
    let tip = find::load(app, known.session)?;
    find::take_up(app, &tip)?;
    Recording::on_tail(app, tip, &input.native_id).map(Some)
}

/// Begins a session for an agent's first prompt: under the agent's own id where that is a free UUIDv4.
fn begin(app: &App<'_>, kind: &str, input: &HookInput) -> Result<Recording> {
    let id = match binding::of(&app.repo, &input.native_id)? {
        Some(known) if !is_rewritten(app, known.session)? => known.session,
        _ => free_id(app, &input.native_id),
    };
    Recording::begin(app, id, input.agent.as_deref().unwrap_or(kind))
}

fn is_rewritten(app: &App<'_>, id: SessionId) -> Result<bool> {
    Ok(rewritten::look(&app.repo, id)?.is_some())
}

fn free_id(app: &App<'_>, native: &str) -> SessionId {
    let taken = |id: SessionId| !matches!(store::tip(&app.repo, id), Ok(None));
    SessionId::parse(native).ok().filter(|id| !taken(*id)).unwrap_or_else(|| app.ids.session())
}

/// Notes whose id this is, where nobody has it yet, and in which process it runs.
fn remember(app: &App<'_>, input: &HookInput, session: SessionId) -> Result<()> {
    if let Some(process) = input.pid.and_then(ProcessId::of) {
        running::note(&app.repo, &input.native_id, &process)?;
    }
    let bound = binding::by_hook(&app.repo, &input.native_id, session, input.transcript.as_deref())?;
    // What git rewrote the agent cannot go on with: this hook gives its id to the session that goes on instead.
    if bound != session && is_rewritten(app, bound)? {
        let transcript = input.transcript.clone();
        let known = binding::Native { session, transcript, inode: None, resumes: None };
        binding::minted(&app.repo, &input.native_id, &known)?;
    }
    Ok(())
}

/// A session that ended before its first prompt leaves nothing.
fn forget_pending(app: &App<'_>, input: &HookInput) -> Result<()> {
    if let Some(known) = binding::of(&app.repo, &input.native_id)?
        && local::current(&app.repo)?.is_some_and(|c| c.session == known.session)
    {
        local::set_current(&app.repo, None)?;
    }
    Ok(())
}

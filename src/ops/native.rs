//! The agent's own transcript files that we write: cut for a chat rewind, whole for a fork or a resume. Never over a file that exists.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{App, Failure, FailureKind, Result, find};
use crate::agents::{Agent, Keep, Rewrite, Rewritten};
use crate::base::file::{self, Durability};
use crate::engine::store::Tip;
use crate::engine::{binding, layout, local, stream};
use crate::git::Oid;
use crate::model::{Session, TurnRow};

/// What resumes a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Native {
    /// The agent's kind.
    pub agent: String,
    /// Its own session id.
    pub session_id: String,
    /// The transcript file.
    pub path: PathBuf,
    /// The command that resumes it from a shell.
    pub command: Vec<String>,
    /// The line that resumes it inside the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// The directory in which the command has to be run, where that is not the present one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
}

/// Where an agent will go on with a conversation.
#[derive(Clone, Copy, Debug)]
pub struct RunsIn<'a> {
    /// The directory.
    pub cwd: &'a Path,
    /// The name of its worktree.
    pub worktree: &'a str,
}

/// A conversation up to a checkpoint: its bytes, the turns that are kept, and where it is cut.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// The native id of the stream.
    pub stream: String,
    /// The stream's bytes, as far as they are stored anywhere.
    pub bytes: Vec<u8>,
    /// The rows that are kept, in order.
    pub rows: Vec<TurnRow>,
    /// The first row that is cut off: its key and where it begins.
    pub cut: Option<(Option<String>, u64)>,
    /// Turns that are cut off.
    pub removed: usize,
}

/// The conversation as it stood at a checkpoint, an open turn left out. `tip` may hold more of the same stream.
pub fn conversation_at(app: &App<'_>, tip: &Tip, meta_tree: Oid) -> Result<Option<Conversation>> {
    let objects = &app.repo.objects;
    let then = layout::read_session(objects, meta_tree)?;
    let Some(stream_id) = then.agent.live.clone() else { return Ok(None) };
    let rows_then = layout::read_rows(objects, meta_tree, &then, 0)?;
    let live_then: Vec<TurnRow> = layout::live_rows(&then, &rows_then).into_iter().map(|(_, r)| r).collect();
    // The tip's copy of the stream has what came late, and the rows of later turns.
    let as_live = |session: &Session| Session {
        agent: crate::model::session::AgentInfo { live: Some(stream_id.clone()), ..session.agent.clone() },
        ..session.clone()
    };
    let rows_now = layout::read_rows(objects, tip.checkpoint.meta_tree, &tip.session, 0)?;
    let now: Vec<TurnRow> = layout::live_rows(&as_live(&tip.session), &rows_now).into_iter().map(|(_, r)| r).collect();
    // The turn that was open then is found again by its first checkpoint: its number moves when copies come before it.
    let open = live_then.last().filter(|r| r.is_open()).and_then(TurnRow::start_checkpoint);
    let reopened = now.iter().position(|r| open.is_some() && r.start_checkpoint() == open);
    let kept: Vec<TurnRow> = match reopened {
        Some(at) => now[..at].to_vec(),
        None => live_then.into_iter().filter(|r| !r.is_open()).collect(),
    };
    let last = kept.last().map_or(0, |r| r.turn);
    let next = now.iter().find(|r| r.turn > last);
    let bytes = match (tip.session.stream(&stream_id), then.stream(&stream_id)) {
        (Some(stream), _) => layout::read_stream(objects, tip.checkpoint.meta_tree, stream)?,
        (None, Some(stream)) => layout::read_stream(objects, meta_tree, stream)?,
        (None, None) => return Ok(None),
    };
    Ok(Some(Conversation {
        stream: stream_id,
        bytes,
        cut: next.map(|r| (r.key.clone(), r.start)),
        removed: now.iter().filter(|r| r.turn > last).count(),
        rows: kept,
    }))
}

/// A new native file and what is in it.
#[derive(Clone, Debug)]
pub struct Written {
    /// How to resume it.
    pub native: Native,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The prompt that was cut off first.
    pub removed_prompt: Option<String>,
}

/// Where a new native file would lie, and under which id; writes nothing. It lies beside the live transcript: the agent may
/// have a folder of its own that our environment does not tell. For another worktree it lies where that agent, with that
/// folder, looks for it.
pub fn plan(app: &App<'_>, agent: &dyn Agent, session: &Session, runs: RunsIn<'_>, id: String) -> Result<Native> {
    let live = live_here(app, session)?.filter(|live| live.parent().is_some_and(Path::is_dir));
    let same_place = runs.worktree == session.worktree;
    let by_agent = || {
        let env = live.as_deref().map(|live| agent.env_of(&app.agent_env, live));
        agent.transcript_path(env.as_ref().unwrap_or(&app.agent_env), runs.cwd, &id)
    };
    let path = match &live {
        Some(live) if same_place => beside(live, &id),
        _ => by_agent(),
    };
    let path = match path {
        Some(path) => Some(path),
        None => in_reach(app, session, &id)?,
    };
    let Some(path) = path else {
        return Err(crate::agents::Error::NoResume { agent: agent.kind() }.into());
    };
    let command = agent.resume_command(&id).unwrap_or_default();
    let line = agent.resume_line(&id);
    Ok(Native { agent: agent.kind().to_owned(), line, session_id: id, path, command, dir: None })
}

/// Where the live transcript of a session lies, as its agent said; of a fork that nobody resumed yet it is its parent's.
fn live_here(app: &App<'_>, session: &Session) -> Result<Option<PathBuf>> {
    let live = transcript_here(app, session)?;
    match (&live, &session.agent.live) {
        (None, Some(native)) if !find::is_shared(app, session.id)? => {
            Ok(binding::of(&app.repo, native)?.and_then(|known| known.transcript))
        }
        _ => Ok(live),
    }
}

/// A file of that id beside another.
fn beside(live: &Path, id: &str) -> Option<PathBuf> {
    let extension = live.extension().and_then(|e| e.to_str());
    extension.map(|extension| live.with_file_name(format!("{id}.{extension}")))
}

/// For an agent whose folders are not known: beside the live transcript wherever that is said to lie; in a folder of ours
/// where none lies on this machine.
fn in_reach(app: &App<'_>, session: &Session, id: &str) -> Result<Option<PathBuf>> {
    let shared = find::is_shared(app, session.id)?;
    Ok(match live_here(app, session)? {
        Some(live) => beside(&live, id),
        None if shared => Some(local::shared_dir(&app.repo)?.join("transcripts").join(format!("{id}.jsonl"))),
        None => None,
    })
}

/// The live transcript on this machine: where the agent's hooks said that it lies, else what the record says. The record of
/// a session that a remote has is not believed: it may be of another machine, or name any file of this one. None of it is
/// where the agent's id is bound to another session.
pub fn transcript_here(app: &App<'_>, session: &Session) -> Result<Option<PathBuf>> {
    let known = session.agent.live.as_ref().map(|live| binding::of(&app.repo, live)).transpose()?.flatten();
    if known.as_ref().is_some_and(|known| known.session != session.id) {
        return Ok(None);
    }
    let told = known.and_then(|known| known.transcript);
    let recorded = session.agent.transcript_path.as_ref().map(PathBuf::from);
    Ok(match (told, recorded) {
        (Some(told), _) => Some(told),
        (None, Some(recorded)) if !find::is_shared(app, session.id)? => Some(recorded),
        _ => None,
    })
}

/// Writes a new native file for a conversation, for resuming in some place.
pub fn write(
    app: &App<'_>,
    agent: &dyn Agent,
    session: &Session,
    talk: &Conversation,
    runs: RunsIn<'_>,
    title: Option<&str>,
) -> Result<Written> {
    let native = plan(app, agent, session, runs, app.ids.uuid().to_string())?;
    let rewritten = rewritten(app, agent, talk, runs.cwd, title, &native.session_id)?;
    place(&native.path, &rewritten.bytes)?;
    Ok(Written { native, bytes: rewritten.bytes, removed_prompt: rewritten.removed_prompt })
}

/// What a new native file would hold.
pub fn rewritten(
    app: &App<'_>,
    agent: &dyn Agent,
    talk: &Conversation,
    cwd: &Path,
    title: Option<&str>,
    new_id: &str,
) -> Result<Rewritten> {
    let keep = match &talk.cut {
        None => Keep::All,
        Some((key, offset)) => Keep::Before { key: key.as_deref(), offset: *offset },
    };
    let how = Rewrite { keep, new_id, old_id: &talk.stream, cwd, title, ids: &app.ids, now: app.now() };
    Ok(agent.rewrite(&talk.bytes, &how)?)
}

/// Puts a file where the agent looks for it; one that is there already is never replaced.
fn place(path: &Path, bytes: &[u8]) -> Result<()> {
    if std::fs::symlink_metadata(path).is_ok() {
        return Err(Failure::new(
            FailureKind::Conflict,
            "native.exists",
            format!("{} exists already and is not replaced", path.display()),
        )
        .target(path.display().to_string()));
    }
    if let Some(folder) = path.parent() {
        file::create_private_dir(folder)?;
    }
    Ok(file::write_atomic(path, bytes, Some(0o600), Durability::Process)?)
}

/// The agent's own file of a stream, where it still holds everything that is stored of it (it may have grown).
pub fn intact_file(app: &App<'_>, agent: &dyn Agent, tip: &Tip, native: &str) -> Result<Option<PathBuf>> {
    let known = binding::of(&app.repo, native)?;
    if known.as_ref().is_some_and(|known| known.session != tip.session.id) {
        return Ok(None);
    }
    let known = known.and_then(|known| known.transcript);
    let recorded = tip.session.agent.transcript_path.as_ref().map(PathBuf::from);
    let recorded = recorded.filter(|p| p.file_stem().is_some_and(|s| s.to_string_lossy() == native));
    let known = known.filter(|p| p.is_file());
    // What another clone on this machine has of the same session is that clone's.
    let found = if known.is_none() && find::is_shared(app, tip.session.id)? {
        agent.transcript_path(&app.agent_env, &app.cwd, native).filter(|p| p.is_file())
    } else {
        let recorded = recorded.filter(|p| p.is_file());
        known.or(recorded).or_else(|| agent.find_transcript(&app.agent_env, native))
    };
    let Some(path) = found else { return Ok(None) };
    let Some(stored) = tip.session.stream(native) else { return Ok(Some(path)) };
    Ok(stream::begins_with(&app.repo.objects, tip.checkpoint.meta_tree, stored, &path)?.then_some(path))
}

/// How to resume a native session whose file is there.
pub fn existing(agent: &dyn Agent, id: &str, path: PathBuf) -> Native {
    Native {
        agent: agent.kind().to_owned(),
        session_id: id.to_owned(),
        path,
        command: agent.resume_command(id).unwrap_or_default(),
        line: agent.resume_line(id),
        dir: None,
    }
}

/// A file that an earlier `resume` wrote from this very checkpoint and no agent has gone on with.
pub fn waiting(app: &App<'_>, agent: &dyn Agent, tip: &Tip) -> Result<Option<Native>> {
    let written = tip.checkpoint.commit.to_string();
    for (id, known) in binding::all(&app.repo)? {
        let is_it = known.session == tip.session.id && known.resumes.as_ref() == Some(&written);
        if is_it && let Some(path) = known.transcript.filter(|path| path.is_file()) {
            return Ok(Some(existing(agent, &id, path)));
        }
    }
    Ok(None)
}

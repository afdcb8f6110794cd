//! The agent's own transcript files that we write: cut for a chat rewind, whole for a fork or a resume. Never over a file that exists.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{App, Failure, FailureKind, Result, find};
use crate::agents::{Agent, Keep, Rewrite};
use crate::base::file::{self, Durability};
use crate::engine::store::Tip;
use crate::engine::{layout, local};
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

/// Where a new native file would lie, and under which id; writes nothing. For an agent whose folders are not known it lies
/// beside the live transcript.
pub fn plan(app: &App<'_>, agent: &dyn Agent, session: &Session, cwd: &Path, id: String) -> Result<Native> {
    let path = match agent.transcript_path(&app.agent_env, cwd, &id) {
        Some(path) => Some(path),
        None => beside(app, session, &id)?,
    };
    let Some(path) = path else {
        return Err(crate::agents::Error::NoResume { agent: agent.kind() }.into());
    };
    let command = agent.resume_command(&id).unwrap_or_default();
    Ok(Native { agent: agent.kind().to_owned(), line: agent.resume_line(&id), session_id: id, path, command })
}

/// A file of that id beside the live transcript; in a folder of ours where no transcript lies on this machine.
fn beside(app: &App<'_>, session: &Session, id: &str) -> Result<Option<PathBuf>> {
    let Some(live) = transcript_here(app, session)? else {
        return Ok(match find::is_shared(app, session.id)? {
            true => Some(local::shared_dir(&app.repo)?.join("transcripts").join(format!("{id}.jsonl"))),
            false => None,
        });
    };
    let extension = live.extension().and_then(|e| e.to_str());
    Ok(extension.map(|extension| live.with_file_name(format!("{id}.{extension}"))))
}

/// The live transcript on this machine: where the agent's hooks said that it lies, else what the record says. The record of
/// a session that a remote has is not believed: it may be of another machine, or name any file of this one.
pub fn transcript_here(app: &App<'_>, session: &Session) -> Result<Option<PathBuf>> {
    let told = match &session.agent.live {
        Some(live) => local::native(&app.repo, live)?.and_then(|n| n.transcript),
        None => None,
    };
    let recorded = session.agent.transcript_path.as_ref().map(PathBuf::from);
    Ok(match (told, recorded) {
        (Some(told), _) => Some(told),
        (None, Some(recorded)) if !find::is_shared(app, session.id)? => Some(recorded),
        _ => None,
    })
}

/// Writes a new native file for a conversation, for resuming in `cwd`.
pub fn write(
    app: &App<'_>,
    agent: &dyn Agent,
    session: &Session,
    talk: &Conversation,
    cwd: &Path,
    title: Option<&str>,
) -> Result<Written> {
    let native = plan(app, agent, session, cwd, app.ids.uuid().to_string())?;
    let keep = match &talk.cut {
        None => Keep::All,
        Some((key, offset)) => Keep::Before { key: key.as_deref(), offset: *offset },
    };
    let rewritten = agent.rewrite(
        &talk.bytes,
        &Rewrite { keep, new_id: &native.session_id, old_id: &talk.stream, cwd, title, ids: &app.ids, now: app.now() },
    )?;
    place(&native.path, &rewritten.bytes)?;
    Ok(Written { native, bytes: rewritten.bytes, removed_prompt: rewritten.removed_prompt })
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
        std::fs::create_dir_all(folder).map_err(crate::base::Error::io("create the folder", folder))?;
    }
    Ok(file::write_atomic(path, bytes, Some(0o600), Durability::Process)?)
}

/// The agent's own file of a stream, where it still holds everything that is stored of it (it may have grown).
pub fn intact_file(app: &App<'_>, agent: &dyn Agent, tip: &Tip, stream: &str) -> Result<Option<PathBuf>> {
    let known = local::native(&app.repo, stream)?.and_then(|n| n.transcript);
    let recorded = tip.session.agent.transcript_path.as_ref().map(PathBuf::from);
    let recorded = recorded.filter(|p| p.file_stem().is_some_and(|s| s.to_string_lossy() == stream));
    let known = known.filter(|p| p.is_file());
    // What another clone on this machine has of the same session is that clone's.
    let found = if known.is_none() && find::is_shared(app, tip.session.id)? {
        agent.transcript_path(&app.agent_env, &app.cwd, stream).filter(|p| p.is_file())
    } else {
        let recorded = recorded.filter(|p| p.is_file());
        known.or(recorded).or_else(|| agent.find_transcript(&app.agent_env, stream))
    };
    let Some(path) = found else { return Ok(None) };
    let Some(bytes) = file::read_optional(&path)? else { return Ok(None) };
    let Some(stored) = tip.session.stream(stream) else { return Ok(Some(path)) };
    let stored = layout::read_stream(&app.repo.objects, tip.checkpoint.meta_tree, stored)?;
    Ok(bytes.starts_with(&stored).then_some(path))
}

/// How to resume a native session whose file is there.
pub fn existing(agent: &dyn Agent, id: &str, path: PathBuf) -> Native {
    Native {
        agent: agent.kind().to_owned(),
        session_id: id.to_owned(),
        path,
        command: agent.resume_command(id).unwrap_or_default(),
        line: agent.resume_line(id),
    }
}

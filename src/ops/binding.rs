//! Where an agent's session belongs: to the repository and worktree of its first prompt, wherever its shell goes meanwhile.
//!
//! It moves only when the agent itself says that its project did: it starts or resumes elsewhere, or its transcript goes to
//! another project's folder. A hook that comes from another repository has to find this out, so the note lies with the user's
//! own state, one small file a session. Without it the agent's project variable decides, then the folder of the event.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::record::{Purpose, Recording};
use super::{App, Result, find, turn};
use crate::agents::{Agent, AgentEnv, Event, HookInput};
use crate::base::file::{self, Durability};
use crate::engine::{local, running, store};
use crate::model::Kind;

/// Notes are looked through for old ones when there are more than this.
const MANY: usize = 512;
/// A note that was not written for so long is of a session that nobody goes on with.
const OLD: Duration = Duration::from_secs(60 * 24 * 3600);

/// What is noted of a native session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Bound {
    /// Top of the work tree, or the folder where there is none.
    top: PathBuf,
    /// The agent's project variable then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    project: Option<PathBuf>,
    /// The folder of its transcript then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    transcripts: Option<PathBuf>,
}

/// Where an event belongs.
#[derive(Clone, Debug)]
pub struct Place {
    /// A folder in the work tree.
    pub dir: PathBuf,
    note: Option<PathBuf>,
    was: Option<Bound>,
    told: (Option<PathBuf>, Option<PathBuf>),
}

/// Finds where an event belongs. `notes` is the folder of the notes.
pub fn place(notes: Option<&Path>, agent: &dyn Agent, env: &AgentEnv, input: &HookInput) -> Place {
    let note = notes.map(|dir| dir.join(local::component(&input.native_id)));
    let was = note.as_deref().and_then(read);
    let project = agent.project(env);
    let transcripts = input.transcript.as_deref().and_then(Path::parent).map(Path::to_owned);
    let by_transcript = || input.transcript.as_deref().and_then(|file| agent.project_of(file, &input.cwd));
    let anew = || project.clone().unwrap_or_else(|| input.cwd.clone());
    let dir = match &was {
        None => by_transcript().unwrap_or_else(anew),
        Some(_) if matches!(input.event, Event::SessionStart { .. }) => anew(),
        Some(bound) if project.is_some() && project != bound.project => anew(),
        Some(bound) => {
            let is_prompt = matches!(input.event, Event::Prompt { .. });
            let goes_elsewhere = transcripts.is_some() && transcripts != bound.transcripts;
            let moved = if goes_elsewhere { by_transcript() } else { None };
            // A conversation that now lies in the place of a project that cannot be told by its name; and where the work tree is
            // gone, a prompt is sent from somewhere else.
            let is_gone = is_prompt && (goes_elsewhere && bound.transcripts.is_some() || !bound.top.is_dir());
            moved.unwrap_or_else(|| if is_gone { anew() } else { bound.top.clone() })
        }
    };
    Place { dir, note, was, told: (project, transcripts) }
}

impl Place {
    /// The folder of an event as far as it lies in this work tree, else its top: what relative paths mean.
    pub fn folder(&self, app: &App<'_>, cwd: &Path) -> Result<PathBuf> {
        let top = app.repo.work_dir()?;
        let Ok(cwd) = cwd.canonicalize() else { return Ok(top.to_owned()) };
        let mut between = cwd.ancestors().take_while(|above| *above != top);
        let is_own = cwd.starts_with(top) && between.all(|above| above.join(".git").symlink_metadata().is_err());
        Ok(if is_own { cwd } else { top.to_owned() })
    }

    /// The work tree that the session was bound to, where it is another one now.
    pub fn left(&self, app: &App<'_>) -> Result<Option<&Path>> {
        let top = app.repo.work_dir()?;
        Ok(self.was.as_ref().map(|bound| bound.top.as_path()).filter(|before| *before != top))
    }

    /// Notes where the session belongs from now on: at a prompt, and where the agent said that it moved. Its end ends that.
    pub fn note(&self, top: &Path, input: &HookInput) -> Result<()> {
        let Some(path) = &self.note else { return Ok(()) };
        let (mut project, mut transcripts) = self.told.clone();
        // Events that do not say it take nothing back.
        if let Some(was) = &self.was {
            project = project.or_else(|| was.project.clone());
            transcripts = transcripts.or_else(|| was.transcripts.clone());
        }
        let wanted = Bound { top: top.to_owned(), project, transcripts };
        if matches!(input.event, Event::SessionEnd { .. }) {
            // Whoever goes on with it later begins anew, wherever that is.
            return Ok(file::remove_optional(path).map(drop)?);
        }
        let begins = matches!(input.event, Event::Prompt { .. }) && !input.in_subagent;
        if self.was.as_ref() == Some(&wanted) || self.was.is_none() && !begins {
            return Ok(());
        }
        if let Some(dir) = path.parent() {
            file::create_private_dir(dir)?;
            if self.was.is_none() {
                forget_old(dir)?;
            }
        }
        let bytes = serde_json::to_vec(&wanted)
            .map_err(|e| crate::engine::Error::Damaged { path: path.clone(), problem: e.to_string() })?;
        Ok(file::write_atomic(path, &bytes, Some(0o600), Durability::Process)?)
    }
}

/// The session goes elsewhere. A turn that is open is told in both worktrees of one repository: the one that it leaves as it
/// is, and the one that it goes on in as it was before. In another repository it cannot go on, and is closed.
pub fn leave(old: &App<'_>, new: Option<&App<'_>>, input: &HookInput) -> Result<()> {
    let Some(id) = find::by_native(old, &input.native_id)? else { return Ok(()) };
    let same = new.filter(|new| new.repo.common_dir == old.repo.common_dir);
    let left = {
        let _lock = old.lock_worktree()?;
        let Some(tip) = store::tip(&old.repo, id)? else { return Ok(()) };
        let mut recording = Recording::on_tail(old, tip, &input.native_id)?;
        if local::current(&old.repo)?.is_some_and(|current| current.session == id) {
            local::set_current(&old.repo, None)?;
        }
        let Some(open) = recording.open_row(&input.native_id) else { return Ok(()) };
        if same.is_none() {
            turn::session_end(old, recording, &input.native_id, None)?;
            running::forget(&old.repo, &input.native_id)?;
            return Ok(());
        }
        recording.capture_code(old, None)?;
        let (turn, number) = (recording.rows[open].turn, recording.number());
        recording.row_mut(open).checkpoints.push(number);
        recording.finish(old, Purpose::new(Kind::Tool, Some(turn), "left for another worktree").always())?
    };
    let Some(new) = same else { return Ok(()) };
    let _lock = new.lock_worktree()?;
    let mut recording = Recording::on_tail(new, left.tip, &input.native_id)?;
    let Some(open) = recording.open_row(&input.native_id) else { return Ok(()) };
    recording.capture_code(new, None)?;
    let (turn, number) = (recording.rows[open].turn, recording.number());
    recording.row_mut(open).checkpoints.push(number);
    local::set_current(&new.repo, Some(&local::Current { session: id, cleared: false }))?;
    recording.finish(new, Purpose::new(Kind::Save, Some(turn), "went on in this worktree").always())?;
    Ok(())
}

/// A damaged note is as good as none.
fn read(path: &Path) -> Option<Bound> {
    file::read_optional(path).ok().flatten().and_then(|bytes| serde_json::from_slice(&bytes).ok())
}

fn forget_old(dir: &Path) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Ok(()) };
    let dated = entries.flatten().filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())));
    let dated: Vec<_> = dated.collect();
    let newest = dated.iter().map(|(time, _)| *time).max();
    let Some(limit) = newest.and_then(|newest| newest.checked_sub(OLD)).filter(|_| dated.len() > MANY) else {
        return Ok(());
    };
    for (_, path) in dated.into_iter().filter(|(time, _)| *time < limit) {
        file::remove_optional(&path)?;
    }
    Ok(())
}

//! What git's hooks do: a commit, merge, rebase or checkout makes a checkpoint, and notes link commits to checkpoints.
//!
//! A commit waits for us, so nothing here waits for others, and in a large repository all is done detached. During a rebase
//! nothing is saved: its end makes one checkpoint. Failures are the caller's to log.

use bstr::{BString, ByteSlice as _};

use serde::{Deserialize, Serialize};

use super::record::{Purpose, Recording};
use super::{App, Result, join, moving, save, settle};
use crate::base::{SessionId, text};
use crate::engine::local::{self, Current};
use crate::engine::notes::{self, Link};
use crate::features::title;
use crate::git::head::Operation;
use crate::git::{Oid, index_size};
use crate::model::Kind;
use crate::model::session::TitleSource;

/// Index entries beyond which a save is detached.
const AT_ONCE: u64 = 5_000;
/// What git tells a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A commit was made.
    Commit,
    /// HEAD was switched from one commit to another, or to another branch.
    Checkout {
        /// Where HEAD was; `None` in a new clone or worktree.
        from: Option<Oid>,
        /// A switch, not a checkout of single files.
        switched: bool,
    },
    /// A merge or a fast-forward was made.
    Merge,
    /// Commits were rewritten.
    Rewrite {
        /// By a rebase; otherwise by an amend.
        rebase: bool,
        /// The new commits, the last one last.
        new: Vec<Oid>,
    },
}

/// Work that a hook has to do: one checkpoint, and the commits to link to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// What it is called where the commit's subject does not say it.
    pub title: Option<String>,
    /// Begin a session where none runs.
    pub begin: bool,
    /// These commits are linked.
    pub link: Vec<Oid>,
    /// These are linked where nothing links them yet.
    pub link_new: Vec<Oid>,
}

/// What came of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was to do.
    Nothing,
    /// A checkpoint was made, or there was no news.
    Saved {
        /// The session.
        session: SessionId,
        /// Its newest checkpoint.
        checkpoint: u64,
    },
    /// To be done by a process of its own.
    Detach(Task),
}

/// Handles an event.
pub fn run(app: &App<'_>, event: &Event) -> Result<Outcome> {
    if app.repo.work_dir.is_none() {
        return Ok(Outcome::Nothing);
    }
    if settle::pending(app) {
        local::log(&app.repo, app.now(), "a restore was interrupted here; the next command that writes settles it")?;
    }
    let Some(task) = task(app, event)? else { return Ok(Outcome::Nothing) };
    if index_size::entries(&app.repo) > AT_ONCE {
        return Ok(Outcome::Detach(task));
    }
    match perform(app, &task) {
        // Someone else is at work here; a commit does not wait for them.
        Err(failure) if failure.kind == super::FailureKind::Conflict => Ok(Outcome::Detach(task)),
        done => done,
    }
}

/// What an event asks for; `None` where it is only to be noted, or nothing at all.
fn task(app: &App<'_>, event: &Event) -> Result<Option<Task>> {
    let head = app.repo.head()?;
    let rebasing = app.repo.operation()? == Some(Operation::Rebase);
    let begin = begins(app)?;
    let task = |title: Option<String>| Task { title, begin, link: Vec::new(), link_new: Vec::new() };
    let commit = head.commit;
    Ok(match event {
        Event::Commit if rebasing => {
            // The one checkpoint comes at the end; a commit that replays a linked one gets its links from git.
            if let (Some(commit), Some(tip)) = (commit, save::running(app)?)
                && !is_replay_of_linked(app)?
            {
                notes::link(&app.repo, &mut app.writers()?, &[commit], Link::to(&tip.checkpoint), app.now())?;
            }
            None
        }
        Event::Commit => commit.map(|commit| Task { link: vec![commit], ..task(None) }),
        Event::Checkout { from: None, .. } | Event::Checkout { switched: false, .. } => None,
        Event::Checkout { .. } if rebasing || app.repo.is_rebase_starting()? => None,
        Event::Checkout { .. } => {
            let branch = head.branch.as_ref().and_then(|b| b.as_branch());
            let place = branch.map(str::to_owned).or_else(|| commit.map(|c| c.short())).unwrap_or_default();
            Some(Task { begin: false, ..task(Some(format!("switched to {place}"))) })
        }
        Event::Merge => {
            // A fast-forward made no commit: what it brought is somebody else's.
            let made = commit.filter(|c| is_merge_of_here(app, *c).unwrap_or(false));
            Some(Task { link: made.into_iter().collect(), ..task(None) })
        }
        Event::Rewrite { rebase: true, new } => {
            let title = format!("rebased {}", text::count(new.len(), "commit"));
            Some(Task { link: commit.into_iter().collect(), link_new: new.clone(), ..task(Some(title)) })
        }
        Event::Rewrite { rebase: false, new } => {
            // The commit's own hook saved it. With `notes.rewriteMode` git may have replaced the link that it made.
            if let (Some(commit), Some(tip)) = (commit, save::running(app)?)
                && new.contains(&commit)
                && tip.checkpoint.base == Some(commit)
            {
                notes::link(&app.repo, &mut app.writers()?, &[commit], Link::to(&tip.checkpoint), app.now())?;
            }
            None
        }
    })
}

/// Whether a commit without a running session begins one: not with `session.git.autosave=session`.
fn begins(app: &App<'_>) -> Result<bool> {
    let value = app.repo.config.bytes("session.git.autosave")?;
    Ok(value.is_none_or(|v| !v.eq_ignore_ascii_case(b"session")))
}

/// Makes the checkpoint and the links.
pub fn perform(app: &App<'_>, task: &Task) -> Result<Outcome> {
    let _lock = app.lock_worktree()?;
    // Where commits begin no session they belong to none that has ended either.
    let running = if task.begin { join::session(app)? } else { save::running(app)? };
    if running.is_none() && !task.begin {
        return Ok(Outcome::Nothing);
    }
    let begun = running.is_none();
    let mut recording = match running {
        Some(tip) => moving::begin(app, tip)?,
        None => Recording::begin(app, app.ids.session(), "none")?,
    };
    recording.capture_code(app, None)?;
    let title = match (&task.title, recording.head.commit) {
        (Some(title), _) => title.clone(),
        (None, Some(commit)) => subject(app, commit)?,
        (None, None) => String::new(),
    };
    if begun {
        recording.session.offer_title(&title::of_text(&title, app.title_limit()), TitleSource::FirstMessage);
    }
    let turn = recording.open_live_row().map(|at| recording.rows[at].turn);
    let tip = recording.finish(app, Purpose::new(Kind::Commit, turn, title))?.tip;
    if begun {
        local::set_current(&app.repo, Some(&Current { session: tip.session.id, cleared: false }))?;
    }
    let mut linked = task.link.clone();
    for commit in &task.link_new {
        if !linked.contains(commit) && notes::read(&app.repo, *commit)?.is_empty() {
            linked.push(*commit);
        }
    }
    if !linked.is_empty() {
        notes::link(&app.repo, &mut app.writers()?, &linked, Link::to(&tip.checkpoint), app.now())?;
    }
    Ok(Outcome::Saved { session: tip.session.id, checkpoint: tip.checkpoint.number })
}

/// First line of a commit's message.
fn subject(app: &App<'_>, commit: Oid) -> Result<String> {
    let message: BString = app.repo.objects.read_commit(commit)?.message;
    Ok(message.lines().next().unwrap_or_default().to_str_lossy().into_owned())
}

/// Whether HEAD's commit is a merge that was made here just now: git notes in `ORIG_HEAD` where HEAD was before one.
fn is_merge_of_here(app: &App<'_>, commit: Oid) -> Result<bool> {
    let parents = app.repo.objects.read_commit(commit)?.parents;
    Ok(parents.len() > 1 && app.repo.orig_head()? == parents.first().copied())
}

/// Whether the commit that a rebase replays now is linked: git will carry its note over.
fn is_replay_of_linked(app: &App<'_>) -> Result<bool> {
    match app.repo.replayed()? {
        Some(commit) => Ok(!notes::read(&app.repo, commit)?.is_empty()),
        None => Ok(false),
    }
}

//! How every move begins: the worktree is ours alone, what a death left is settled, the session is found and read.

use super::Terms;
use crate::base::lock::FileLock;
use crate::engine::history::History;
use crate::engine::store::Tip;
use crate::engine::stream::Check;
use crate::git::head::Operation;
use crate::model::Mode;
use crate::ops::record::Recording;
use crate::ops::{App, Failure, FailureKind, Result, find, native, settle, turn};

/// A session that is about to move. Nobody else moves this worktree while it lives.
#[derive(Debug)]
pub struct Started {
    _lock: FileLock,
    /// Its newest checkpoint.
    pub tip: Tip,
    /// Its chain.
    pub history: History,
    /// Whether it never ran here until now.
    pub was_only_pulled: bool,
}

impl Started {
    /// With the session that the terms name. One that was only pulled is taken up once nothing refuses the move.
    pub fn new(app: &App<'_>, terms: &Terms) -> Result<Self> {
        let lock = app.lock_worktree()?;
        if !terms.dry_run {
            settle::settle(app)?;
        }
        let tip = find::session(app, terms.session.as_deref())?;
        let was_only_pulled = find::is_only_pulled(app, &tip)?;
        let history = History::load(&app.repo, tip.checkpoint.commit)?;
        Ok(Self { _lock: lock, tip, history, was_only_pulled })
    }

    /// Begins the recording of the move. Nothing of the conversation is read yet: the move may be refused.
    pub fn recording(&self, app: &App<'_>, mode: Mode, terms: &Terms) -> Result<Recording> {
        refuse_during_operation(app, mode, terms.force)?;
        Recording::on(app, self.tip.clone())
    }
}

/// Goes on with a session, for a verb that will not refuse any more: with what its conversation has grown by.
pub fn begin(app: &App<'_>, tip: Tip) -> Result<Recording> {
    let mut recording = Recording::on(app, tip)?;
    catch_up(app, &mut recording)?;
    Ok(recording)
}

/// Takes what the conversation has grown by since the last hook, so that nothing of it is lost.
pub fn catch_up(app: &App<'_>, recording: &mut Recording) -> Result<()> {
    let agent = &recording.session.agent;
    // A fork that has not been resumed yet still has its parent's stream as its live one; that goes on as the parent's.
    let live = agent.live.clone().filter(|id| agent.native_ids.contains(id));
    let path = native::transcript_here(app, &recording.session)?;
    if let (Some(native), Some(path)) = (live, path)
        && path.is_file()
    {
        recording.capture_chat(app, &native, Some(&path), Check::Tail)?;
        turn::extend(app, recording, &native);
    }
    Ok(())
}

/// Files are not moved while git is in the middle of something.
pub fn refuse_during_operation(app: &App<'_>, mode: Mode, force: bool) -> Result<()> {
    let what = match app.repo.operation()? {
        Some(Operation::Merge) => "a merge",
        Some(Operation::Rebase) => "a rebase",
        Some(Operation::CherryPick) => "a cherry-pick",
        Some(Operation::Revert) => "a revert",
        Some(Operation::Bisect) | None => return Ok(()),
    };
    if !mode.code() || force {
        return Ok(());
    }
    Err(Failure::new(FailureKind::Refused, "rewind.operation", format!("{what} is in progress; nothing was changed"))
        .hint("Finish or abort it first, or add --force."))
}

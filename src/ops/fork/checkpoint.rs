//! A fork's first checkpoint: the fork point's code and trees, or the present ones, under a new id.

use std::path::Path;

use bstr::ByteSlice as _;

use crate::base::SessionId;
use crate::engine::store::Tip;
use crate::git::{Head, RefName, Repo};
use crate::model::Kind;
use crate::model::session::{Lineage, TitleSource};
use crate::ops::record::{Purpose, Recording};
use crate::ops::{App, Result, label, native};

/// What a fork is, and where it will run.
#[derive(Debug)]
pub struct Fork<'a> {
    /// Its id.
    pub id: SessionId,
    /// Its title.
    pub title: &'a str,
    /// Where it comes from.
    pub lineage: Lineage,
    /// Its own conversation.
    pub native: Option<&'a native::Native>,
    /// The worktree that it runs in.
    pub repo: &'a Repo,
    /// What its code stands on.
    pub head: Head,
    /// The folder that it runs in.
    pub cwd: &'a Path,
}

/// What a checkpoint's code stands on. HEAD may have moved since, and the code has not.
pub fn head_at(point: &Tip) -> Head {
    let branch = point.checkpoint.head.as_ref().and_then(|b| RefName::branch(b.to_str().ok()?).ok());
    Head { branch, commit: point.checkpoint.base }
}

/// Appends it to the fork point. `unsaved` is what the present state adds to that.
pub fn first(app: &App<'_>, point: &Tip, unsaved: Option<Recording>, fork: Fork<'_>) -> Result<Tip> {
    let now = app.now();
    let mut recording = match unsaved {
        Some(recording) => recording,
        None => Recording::on(app, point.clone())?,
    };
    recording.head = fork.head;
    // A turn that was open at the fork point is not part of the fork's conversation.
    if let Some(open) = recording.open_live_row() {
        if open + 1 == recording.rows.len() {
            recording.withdraw_last_row()?;
        } else {
            let row = recording.row_mut(open);
            row.ended_at = Some(point.checkpoint.time.max(row.started_at));
            row.interrupted = true;
            row.end = Some(row.start);
        }
    }
    let session = &mut recording.session;
    session.id = fork.id;
    session.label = Some(label::next(app)?);
    session.name = None;
    session.title = Some(fork.title.to_owned());
    session.title_source = Some(TitleSource::Custom);
    let parent = fork.lineage.parent_session;
    session.lineage = Some(fork.lineage);
    session.agent.native_ids = fork.native.map(|n| n.session_id.clone()).into_iter().collect();
    session.agent.transcript_path = fork.native.map(|n| n.path.to_string_lossy().into_owned());
    session.worktree = fork.repo.worktree_name();
    session.cwd = fork.cwd.to_string_lossy().into_owned();
    session.created_at = now;
    session.updated_at = now;
    session.active_ms = 0;
    session.ended_at = None;
    let mut purpose = Purpose::new(Kind::Fork, None, fork.title).always();
    purpose.parent_session = Some(parent);
    Ok(recording.finish(app, purpose)?.tip)
}

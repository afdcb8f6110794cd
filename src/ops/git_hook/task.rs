//! What an event asks for.

use super::{Event, Occasion, own};
use crate::base::text;
use crate::engine::seen;
use crate::git::{Oid, subject};
use crate::ops::{App, Result};

/// One checkpoint, and the commits to link to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Save {
    /// What it is called.
    pub title: String,
    /// Begin a session where none runs.
    pub begin: bool,
    /// The commit whose files it must hold.
    pub commit: Option<Oid>,
    /// It holds no more than that: the work tree is in the middle of something, or has gone on.
    pub alone: bool,
    /// These commits are linked.
    pub link: Vec<Oid>,
    /// These are linked where nothing links them yet.
    pub link_new: Vec<Oid>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// A checkpoint.
    Save(Save),
    /// git rewrote the note of this commit: the link is put back.
    Relink(Oid),
}

/// Whether an event asks for nothing, as far as that is seen without a look at refs.
pub fn is_nothing(occasion: &Occasion) -> bool {
    let during = occasion.during;
    match &occasion.event {
        Event::Commit => during.replay,
        // The rebase of a kind that applies patches.
        Event::Applied => during.rebase,
        Event::Checkout { switched, .. } => !switched || during.rebase || during.bisect,
        Event::Merge { .. } | Event::Rewrite { .. } => false,
    }
}

/// What an event asks for; `None` for nothing at all.
pub fn of(app: &App<'_>, occasion: &Occasion) -> Result<Option<Task>> {
    if is_nothing(occasion) {
        return Ok(None);
    }
    let begin = begins(app)?;
    let save =
        |title: String| Save { title, begin, commit: None, alone: false, link: Vec::new(), link_new: Vec::new() };
    let Some(head) = occasion.commit else { return Ok(None) };
    Ok(match &occasion.event {
        Event::Commit | Event::Applied => {
            let (commit, other) = own::commit(app, head)?;
            let alone = other || occasion.during.rebase;
            let save = save(subject::of(&app.repo, commit)?);
            Some(Task::Save(Save { commit: Some(commit), link: vec![commit], alone, ..save }))
        }
        Event::Checkout { from: None, .. } => {
            seen::note(&app.repo, head, app.now())?;
            None
        }
        Event::Checkout { .. } if is_rebase_start(app, head)? => None,
        Event::Checkout { .. } => {
            let branch = occasion.head()?.branch;
            let place = branch.as_ref().and_then(|b| b.as_branch()).map_or_else(|| head.short(), str::to_owned);
            Some(Task::Save(Save { begin: false, ..save(format!("switched to {place}")) }))
        }
        Event::Merge { squash } => {
            // A fast-forward made no commit: what it brought is somebody else's.
            let made = !squash && is_merge_of_here(app, head)?;
            let commit = made.then_some(head);
            Some(Task::Save(Save { commit, link: commit.into_iter().collect(), ..save(subject::of(&app.repo, head)?) }))
        }
        Event::Rewrite { rebase: true, new } => {
            let save = save(format!("rebased {}", text::count(new.len(), "commit")));
            Some(Task::Save(Save { commit: Some(head), link: vec![head], link_new: new.clone(), ..save }))
        }
        // The commit's own hook saved it. With `notes.rewriteMode` git may have replaced the link that it made.
        Event::Rewrite { rebase: false, new } => new.contains(&head).then_some(Task::Relink(head)),
    })
}

/// Whether a commit without a running session begins one: not with `session.git.autosave=session`.
fn begins(app: &App<'_>) -> Result<bool> {
    let value = app.repo.config.bytes("session.git.autosave")?;
    Ok(value.is_none_or(|v| !v.eq_ignore_ascii_case(b"session")))
}

/// Whether HEAD came there by the start of a rebase, which switches before it leaves any other sign.
fn is_rebase_start(app: &App<'_>, head: Oid) -> Result<bool> {
    Ok(app.repo.head_log(20)?.iter().find(|moved| moved.new == head).is_some_and(|moved| moved.is_rebase_start()))
}

/// Whether this is a merge commit that was made here just now. HEAD's reflog tells it from one that a fast-forward brought;
/// where there is none, it has to stand on where HEAD was, and be by the same person.
fn is_merge_of_here(app: &App<'_>, commit: Oid) -> Result<bool> {
    let merge = app.repo.objects.read_commit(commit)?;
    if merge.parents.len() < 2 {
        return Ok(false);
    }
    if let Some(moved) = app.repo.head_log(20)?.iter().find(|moved| moved.new == commit) {
        return Ok(!moved.is_fast_forward() && moved.old.is_none_or(|old| merge.parents.contains(&old)));
    }
    let now = app.now();
    let is_mine = merge.committer.email == app.repo.author(now, now.local_offset())?.email;
    Ok(is_mine && app.repo.orig_head()? == merge.parents.first().copied())
}

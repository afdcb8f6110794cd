//! Makes the checkpoint and the links that an event asks for, at once or later.

use std::path::PathBuf;
use std::time::SystemTime;

use super::task::{self, Save, Task};
use super::{Occasion, Outcome, alone};
use crate::engine::local::{self, Current};
use crate::engine::notes::{self, Link};
use crate::engine::passed::PassedFiles;
use crate::engine::snapshot;
use crate::engine::store::{DraftCode, Extras, Tip};
use crate::engine::{layout, seen};
use crate::features::title;
use crate::git::{Head, Oid};
use crate::model::session::TitleSource;
use crate::model::{Kind, Scope, Skipped};
use crate::ops::record::{Purpose, Recording};
use crate::ops::{App, FailureKind, Result, join, later, moving, save};

/// What a hook left, where its work is done later.
#[derive(Clone, Debug)]
pub struct Later {
    /// When it left it.
    pub at: SystemTime,
    /// The index as it was then.
    pub index: Option<PathBuf>,
}

/// Handles an event: now, or as it was when it was left.
pub fn perform(app: &App<'_>, occasion: &Occasion, later: Option<&Later>) -> Result<Outcome> {
    // Of a work tree that went on the files of then are not to be had any more.
    let gone_on = later.is_some() && !occasion.head_is_there(app)?;
    let _lock = match later {
        Some(_) if !gone_on => later::whole_tree(app)?,
        _ => app.lock_worktree()?,
    };
    let Some(task) = task::of(app, occasion)? else { return Ok(Outcome::Nothing) };
    let running = running(app, &task)?;
    let save = match task {
        Task::Save(save) => save,
        Task::Relink(commit) => {
            if let Some(tip) = running.filter(|tip| tip.checkpoint.base == Some(commit)) {
                notes::link(&app.repo, &mut app.writers()?, &[commit], Link::to(&tip.checkpoint), app.now())?;
            }
            return Ok(Outcome::Nothing);
        }
    };
    if running.is_none() && !save.begin {
        return Ok(Outcome::Nothing);
    }
    let alone = save.alone || gone_on;
    if alone && save.commit.is_none() {
        return Ok(Outcome::Nothing);
    }
    let tip = checkpoint(app, occasion, later, running, &save, alone)?;
    let mut linked = save.link.clone();
    for commit in notes::unlinked(&app.repo, &save.link_new)? {
        if !linked.contains(&commit) {
            linked.push(commit);
        }
    }
    if !linked.is_empty() {
        notes::link(&app.repo, &mut app.writers()?, &linked, Link::to(&tip.checkpoint), app.now())?;
    }
    if let Some(head) = occasion.commit {
        seen::note(&app.repo, head, app.now())?;
    }
    Ok(Outcome::Saved { session: tip.session.id, checkpoint: tip.checkpoint.number })
}

/// The session that runs here. One that cannot be read any more (git rewrote it, say) keeps nobody from saving.
fn running(app: &App<'_>, task: &Task) -> Result<Option<Tip>> {
    // Where commits begin no session they belong to none that has ended either.
    let begins = matches!(task, Task::Save(save) if save.begin);
    match if begins { join::session(app) } else { save::running(app) } {
        Err(failure) if failure.kind == FailureKind::Damaged => {
            local::log(&app.repo, app.now(), &format!("the session that ran here cannot be gone on with: {failure}"))?;
            Ok(None)
        }
        found => found,
    }
}

fn checkpoint(
    app: &App<'_>,
    occasion: &Occasion,
    later: Option<&Later>,
    running: Option<Tip>,
    save: &Save,
    alone: bool,
) -> Result<Tip> {
    let begun = running.is_none();
    let mut recording = match running {
        Some(tip) => moving::begin(app, tip)?,
        None => Recording::begin(app, app.ids.session(), "none")?,
    };
    let head = occasion.head()?;
    recording.head = Head { commit: save.commit.or(head.commit), ..head };
    match (save.commit, later) {
        (Some(commit), _) if alone => {
            let code = files_of(app, recording.tip.as_ref(), commit, later)?;
            recording.set_code(code);
        }
        (commit, Some(later)) => {
            let taken = recording.capture_code(app, None)?;
            let committed = commit.map(|commit| alone::as_committed(app, taken.tree, commit, later.at)).transpose()?;
            let index = match &later.index {
                Some(copy) if !occasion.index_is_there(app) => {
                    snapshot::index_of_copy(&app.repo, copy, head_of(occasion))?
                }
                _ => None,
            };
            recording.correct_code(committed.flatten(), index);
        }
        (_, None) => {
            recording.capture_code(app, None)?;
        }
    }
    if begun {
        recording.session.offer_title(&title::of_text(&save.title, app.title_limit()), TitleSource::FirstMessage);
    }
    let turn = recording.open_live_row().map(|at| recording.rows[at].turn);
    let tip = recording.finish(app, Purpose::new(Kind::Commit, turn, save.title.clone()))?.tip;
    if begun {
        local::set_current(&app.repo, Some(&Current { session: tip.session.id, cleared: false }))?;
    }
    Ok(tip)
}

fn head_of(occasion: &Occasion) -> Option<Oid> {
    occasion.commit
}

/// The files of a commit alone, with the index as it was.
fn files_of(app: &App<'_>, tip: Option<&Tip>, commit: Oid, later: Option<&Later>) -> Result<DraftCode> {
    let (tree, only) = alone::tree(app, tip, commit)?;
    let present = app.repo.git_dir.join("index");
    let index = later.map_or(Some(present), |later| later.index.clone());
    let index = index.map(|path| snapshot::index_of_copy(&app.repo, &path, Some(commit))).transpose()?.flatten();
    let modes = tip.map(|tip| layout::read_modes(&app.repo.objects, tip.checkpoint.meta_tree)).transpose()?;
    let exclude = tip.map(|tip| layout::read_exclude(&app.repo.objects, tip.checkpoint.meta_tree)).transpose()?;
    let extras =
        index.map(|index| Extras { index, modes: modes.unwrap_or_default(), exclude: exclude.unwrap_or_default() });
    Ok(DraftCode {
        tree,
        scope: Scope::Paths,
        skipped: Skipped { only, ..Skipped::default() },
        extras,
        passed: PassedFiles::default(),
    })
}

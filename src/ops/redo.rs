//! `redo`: brings back byte for byte what a rewind replaced. n rewinds take n redos; new work ends them.

use std::path::PathBuf;

use super::choice::Foreign;
use super::moving::{self, ChatMove, Destination};
use super::rewind::Outcome;
use super::{App, Failure, FailureKind, Result, find, native, settle};
use crate::engine::history::{History, Redoable};
use crate::engine::layout;
use crate::engine::store::Tip;
use crate::model::checkpoint::Movement;
use crate::model::{Checkpoint, Kind};

/// How to redo.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which session; the default one where `None`.
    pub session: Option<String>,
    /// Show the plan, change nothing.
    pub dry_run: bool,
    /// What to do with paths that someone else changed.
    pub foreign: Foreign,
    /// Only these paths, relative to the folder of the command.
    pub paths: Vec<PathBuf>,
    /// Go on although a merge or rebase is under way.
    pub force: bool,
}

/// Redoes the last rewind that is not redone yet.
///
/// # Errors
/// Nothing to redo (1), a choice is needed (6).
pub fn run(app: &App<'_>, options: &Options) -> Result<Outcome> {
    let _lock = app.lock_worktree()?;
    if !options.dry_run {
        settle::settle(app)?;
    }
    let tip = find::session(app, options.session.as_deref())?;
    if !options.dry_run {
        find::take_up(app, &tip)?;
    }
    let history = History::load(&app.repo, tip.checkpoint.commit)?;
    let (rewind, movement) = last_rewind(&history)?;
    let target = history.number(movement.from).ok_or_else(nothing)?;
    moving::refuse_during_operation(app, movement.mode, options.force)?;
    let mut recording = moving::begin(app, tip.clone())?;
    let present = if movement.mode.code() { Some(recording.capture_code(app, None)?) } else { None };
    let paths = moving::paths(app, &options.paths)?;
    let plan = match &present {
        Some(present) => Some(moving::plan(app, &history, target, present, &paths)?),
        None => None,
    };
    let chat = if movement.mode.chat() { former(app, moving::tip_of(&recording)?, target)? } else { None };
    let destination = Destination {
        kind: Kind::Redo,
        mode: movement.mode,
        target,
        redone: Some(rewind.number),
        foreign: options.foreign,
        dry_run: options.dry_run,
        force: options.force,
        paths: &paths,
    };
    if !options.dry_run {
        moving::make_current(app, options.session.as_deref(), &tip)?;
    }
    moving::go(app, recording, &history, &destination, present, plan, chat)
}

fn last_rewind(history: &History) -> Result<(&Checkpoint, Movement)> {
    match history.redoable() {
        Redoable::Rewind(rewind) => Ok((rewind, rewind.movement.ok_or_else(nothing)?)),
        Redoable::EndedByWork(Some(from)) => Err(nothing().hint(format!(
            "New work came after the last rewind. `session rewind code {from}` goes to the state before it."
        ))),
        Redoable::EndedByWork(None) | Redoable::Nothing => Err(nothing()),
    }
}

fn nothing() -> Failure {
    Failure::new(FailureKind::Failed, "redo.nothing", "nothing to redo")
}

/// The stream that was live before the rewind.
fn former(app: &App<'_>, tip: &Tip, target: &Checkpoint) -> Result<Option<ChatMove>> {
    let then = layout::read_session(&app.repo.objects, target.meta_tree)?;
    let Some(stream) = then.agent.live else { return Ok(None) };
    let talk = native::conversation_at(app, tip, target.meta_tree)?;
    Ok(talk.map(|talk| ChatMove::Former { stream, talk }))
}

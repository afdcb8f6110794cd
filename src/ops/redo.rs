//! `redo`: brings back byte for byte what a rewind replaced. n rewinds take n redos; new work ends them.

use super::moving::{self, ChatMove, CodeMove, Destination, Moved, Started, Terms};
use super::rewind::Outcome;
use super::{App, Failure, FailureKind, Result, native};
use crate::engine::history::{History, Redoable};
use crate::engine::layout;
use crate::engine::store::Tip;
use crate::model::checkpoint::Movement;
use crate::model::{Checkpoint, Kind};

/// Redoes the last rewind that is not redone yet.
///
/// # Errors
/// Nothing to redo (1), a choice is needed (6).
pub fn run(app: &App<'_>, terms: &Terms) -> Result<Outcome> {
    let started = Started::new(app, terms)?;
    let history = &started.history;
    let (rewind, movement) = last_rewind(history, &terms.same_session(app))?;
    let target = history.number(movement.from).ok_or_else(nothing)?;
    let mut recording = started.recording(app, movement.mode, terms)?;
    let paths = moving::paths(app, &terms.paths)?;
    let code = if movement.mode.code() {
        let present = recording.capture_code(app, None)?;
        moving::refuse_unknown(app, &paths, &present, history, Some(target))?;
        Some(CodeMove::to(app, history, target, present, &paths)?)
    } else {
        None
    };
    let chat = if movement.mode.chat() { former(app, moving::tip_of(&recording)?, target)? } else { None };
    let (mode, redone) = (movement.mode, Some(rewind.number));
    let destination = Destination { kind: Kind::Redo, mode, target, redone, terms, paths: &paths, further_back: &[] };
    moving::go(app, recording, history, &destination, Moved { code, chat, foreign: None })
}

fn last_rewind<'h>(history: &'h History, session: &str) -> Result<(&'h Checkpoint, Movement)> {
    match history.redoable() {
        Redoable::Rewind(rewind) => Ok((rewind, rewind.movement.ok_or_else(nothing)?)),
        Redoable::EndedByWork(Some(from)) => Err(nothing().hint(format!(
            "New work came after the last move. `session rewind code {from}{session}` goes to the state before that move."
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

//! The rest of a turn: its end came with more new files than its hook had time for, and they are the turn's all the same.
//!
//! What changed after the end of the turn is not taken: that may be somebody else's by then.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::git_hook::is_younger;
use super::record::{Purpose, Recording};
use super::{App, Result, later};
use crate::base::SessionId;
use crate::engine::store;
use crate::git::tree;
use crate::model::{Kind, Scope};

/// The turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    /// The session.
    pub session: SessionId,
    /// The agent's own id.
    pub native: String,
    /// The checkpoint that did not get all.
    pub checkpoint: u64,
}

/// Adds a checkpoint with what was missing, where nothing came after.
pub fn run(app: &App<'_>, rest: &Rest, at: SystemTime) -> Result<()> {
    let _lock = later::whole_tree(app)?;
    let Some(tip) = store::tip(&app.repo, rest.session)? else { return Ok(()) };
    if !is_unfinished(&tip, rest) {
        return Ok(());
    }
    let before = tip.code_tree;
    let mut recording = Recording::on_tail(app, tip, &rest.native)?;
    let taken = recording.capture_code(app, None)?;
    let root = app.repo.work_dir()?;
    let changes = tree::diff(&app.repo.objects, before, taken.tree)?;
    let since = changes.into_iter().filter(|change| is_younger(root, &change.path, at));
    let since: Vec<_> = since.map(|change| (change.path, change.old)).collect();
    if !since.is_empty() {
        let tree = tree::edit(&app.repo.objects, taken.tree, since)?;
        recording.correct_code(Some(tree), None);
        recording.set_scope(Scope::Tracked);
    }
    let number = recording.number();
    let Some(at) = recording.last_row(&rest.native) else { return Ok(()) };
    let row = recording.row_mut(at);
    row.checkpoints.push(number);
    row.end_checkpoint = Some(number);
    let turn = row.turn;
    recording.finish(app, Purpose::new(Kind::Tail, Some(turn), "the rest of the turn's files"))?;
    Ok(())
}

/// Whether the turn's end is the newest, but for transcript that came late.
fn is_unfinished(tip: &store::Tip, rest: &Rest) -> bool {
    let newest = &tip.checkpoint;
    let is_late = newest.kind == Kind::Tail && newest.number == rest.checkpoint + 1;
    newest.scope == Scope::Tracked && (newest.number == rest.checkpoint || is_late)
}

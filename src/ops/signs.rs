//! Signs of life: up to when an agent is known to have worked in a turn, and what changed after that.
//!
//! An interrupt fires no hook and a killed agent says nothing, so such a turn is closed by whatever comes next. What a person
//! did meanwhile must not become the turn's: files that changed after the last sign are noted in its row.

use std::path::Path;

use super::record::Recording;
use super::{App, Result};
use crate::agents::{self, Parsed};
use crate::base::{Clock, RepoPath, Timestamp};
use crate::engine::late;
use crate::git::tree;
use crate::model::{Session, TurnRow};

/// The last sign of a turn: of its hooks, and of its transcript as far as it was parsed.
pub fn last(row: &TurnRow, parsed: Option<&Parsed>) -> Timestamp {
    let turns = parsed.iter().flat_map(|parsed| std::iter::once(&parsed.before).chain(&parsed.turns));
    let of_turn = |at: &Timestamp| *at >= row.started_at;
    let told = turns.filter(|turn| turn.key.is_none() || turn.key == row.key).filter_map(|turn| turn.last_at);
    told.filter(of_turn).max().map_or(row.last_sign(), |at| at.max(row.last_sign()))
}

/// The last sign of the turn that is open in the live stream; `None` where none is, or where times of files are of another clock.
pub fn of_open_turn(app: &App<'_>, session: &Session, rows: &[TurnRow]) -> Result<Option<Timestamp>> {
    let Some(live) = session.agent.live.as_deref() else { return Ok(None) };
    let row = rows.iter().rev().find(|row| row.stream == live);
    let Some(row) = row.filter(|row| row.is_open() && has_file_times(app)) else { return Ok(None) };
    let agent = agents::of_session(&session.agent.kind);
    let file = session.agent.transcript_path.as_deref().map(Path::new).filter(|path| path.is_file());
    let parsed = match (agent, file) {
        (Some(agent), Some(file)) => {
            let end = std::fs::metadata(file).map(|m| m.len()).unwrap_or(row.start);
            let from = row.start.min(end);
            let from = from.max(end.saturating_sub(super::record::PARSED));
            let (from, bytes) = super::record::read_lines(file, from, end)?;
            Some(agent.parse(&bytes, from))
        }
        _ => None,
    };
    Ok(Some(last(row, parsed.as_ref())))
}

/// Notes in a row what the files that were just captured show to have changed after the last sign.
pub fn note_late(app: &App<'_>, recording: &mut Recording, at: usize, sign: Timestamp) -> Result<()> {
    let before = recording.tip.as_ref().map(|tip| tip.code_tree);
    let (Some(before), Some(now)) = (before, recording.code_tree()) else { return Ok(()) };
    if !has_file_times(app) || before == now {
        return Ok(());
    }
    let top = app.repo.work_dir()?;
    let changed = tree::diff(&app.repo.objects, before, now)?.into_iter().map(|change| change.path);
    let found: Vec<RepoPath> = changed.filter(|path| late::changed_after(top, path, sign)).collect();
    if !found.is_empty() {
        let row = recording.row_mut(at);
        row.late.extend(found);
        row.late.sort();
        row.late.dedup();
    }
    Ok(())
}

/// [`note_late`] for the turn that is open, where one is: somebody saves while it may have been cut short.
pub fn note_late_in_open(app: &App<'_>, recording: &mut Recording) -> Result<()> {
    match recording.open_live_row() {
        Some(at) => {
            let sign = last(&recording.rows[at], recording.parsed.as_ref());
            note_late(app, recording, at, sign)
        }
        None => Ok(()),
    }
}

/// A clock that was set from outside says nothing of the file system's times.
const fn has_file_times(app: &App<'_>) -> bool {
    matches!(app.clock, Clock::System)
}

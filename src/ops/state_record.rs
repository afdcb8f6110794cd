//! The state as the next checkpoint stores it: what was read so far, what was noted since, and what somebody set.

use serde_json::{Map, Value};

use super::net_changes::NetChanges;
use super::record::Recording;
use super::{App, Result, state_file};
use crate::agents::Noted;
use crate::engine::history::History;
use crate::engine::layout;
use crate::engine::store::Tip;
use crate::features::state::{derive, git_diff, merge, next_prompts};
use crate::git::tree::Edit;
use crate::git::{FileMode, Oid};
use crate::model::codec;
use crate::model::state::{FACTS, Files, Seen, State, StateRecord};

/// What a recording does to the state.
#[derive(Clone, Debug, Default)]
pub struct StateChange {
    /// Goes on from this record instead of the tip's.
    pub from: Option<StateRecord>,
    /// Notes of the live stream, in order; some may have been taken in before.
    pub notes: Vec<Noted>,
    /// A merge patch over what was set; `null` gives a value back to what is derived.
    pub patch: Map<String, Value>,
    /// The set facts (label, times, files) stay until the next save; for an import.
    pub keeps_facts: bool,
    /// Writes the file although hooks would not.
    pub write_file: bool,
}

/// The record of a tip; an empty one where it has none.
pub fn of_tip(app: &App<'_>, tip: &Tip) -> Result<StateRecord> {
    Ok(layout::read_state(&app.repo.objects, tip.checkpoint.meta_tree)?.unwrap_or_default())
}

/// The edit that stores the new record; `None` where the tip's says the same.
pub fn advance(app: &App<'_>, recording: &Recording, changes: &mut NetChanges) -> Result<Option<Edit>> {
    let before = recording.tip.as_ref().map(|tip| layout::read_state(&app.repo.objects, tip.checkpoint.meta_tree));
    let before = before.transpose()?.flatten();
    let record = next(app, recording, before.clone().unwrap_or_default(), changes)?;
    if before.is_some_and(|before| before == record) {
        return Ok(None);
    }
    let blob = app.repo.objects.write_blob(&codec::encode("state.json", &record)?)?;
    Ok(Some((layout::state()?, Some((FileMode::File, blob)))))
}

fn next(app: &App<'_>, recording: &Recording, before: StateRecord, changes: &mut NetChanges) -> Result<StateRecord> {
    let session = &recording.session;
    let change = &recording.state;
    let same_session = recording.tip.as_ref().filter(|tip| tip.session.id == session.id);
    let mut record = change.from.clone().unwrap_or(before);
    record.base = match same_session {
        Some(tip) => Some(base(app, tip, &record)?),
        None => None,
    };
    if !change.keeps_facts {
        record.set = merge::without(std::mem::take(&mut record.set), FACTS);
    }
    merge::merge_patch(&mut record.set, &change.patch);

    read_on(app, recording, &mut record)?;
    let code = recording.code_tree().or(same_session.map(|tip| tip.code_tree));
    let files = match (record.base, code) {
        (Some(base), Some(code)) => git_diff::files(changes.between(app, base, code)?, &state_file::own_paths(app)?),
        _ => Files::default(),
    };
    let derived = derive::state(&record.derived, session, files);
    let mut map = derived.to_map()?;
    merge::merge_patch(&mut map, &record.set);
    let set_prompts = next_prompts::set_in(&record.set);
    // An imported list shows as it is until the next save, as the facts do.
    if set_prompts.is_none() || !change.keeps_facts {
        let merged = State::from_map(map.clone())?;
        let derived = next_prompts::of(&merged, record.derived.test_command.as_deref());
        let prompts = next_prompts::with_set(set_prompts.unwrap_or_default(), derived);
        map.insert("next_prompts".to_owned(), prompts.into());
    }
    let elsewhere = |key: &str| FACTS.contains(&key) && key != "files";
    map.retain(|key, _| !elsewhere(key));
    record.state = map;
    Ok(record)
}

/// Takes in what the conversation says beyond what was read.
fn read_on(app: &App<'_>, recording: &Recording, record: &mut StateRecord) -> Result<()> {
    let session = &recording.session;
    let derived = &mut record.derived;
    if let Some(live) = session.agent.live.as_deref() {
        let upto = derived.seen.as_ref().filter(|seen| seen.stream == live).map_or(0, |seen| seen.upto);
        let root = app.repo.work_dir()?;
        for noted in recording.state.notes.iter().filter(|n| n.at >= upto) {
            derive::absorb(derived, &noted.what, root);
        }
        let last = recording.state.notes.last().map_or(0, |n| n.at + 1);
        derived.seen = Some(Seen { stream: live.to_owned(), upto: upto.max(last) });
    }
    if derived.objective.is_empty() {
        let rows = recording.live_rows();
        let rows = rows.iter().map(|at| &recording.rows[*at]);
        derived.objective = derive::first_prompt(rows, derived.cleared_after.unwrap_or(0));
    }
    Ok(())
}

/// The code commit of the session's first checkpoint.
pub fn base(app: &App<'_>, tip: &Tip, record: &StateRecord) -> Result<Oid> {
    if let Some(base) = record.base {
        return Ok(base);
    }
    if tip.checkpoint.number == 1 || tip.checkpoint.parent_session.is_some() {
        return Ok(tip.checkpoint.code);
    }
    let history = History::load(&app.repo, tip.checkpoint.commit)?;
    let first = history.all().iter().rev().find(|c| c.session == tip.session.id);
    Ok(first.map_or(tip.checkpoint.code, |c| c.code))
}

/// The record with which a session goes on after its conversation was moved to a checkpoint: what was derived there, and
/// what is set now.
pub fn moved_to(app: &App<'_>, recording: &Recording, target_meta: Oid) -> Result<StateRecord> {
    let now = match &recording.tip {
        Some(tip) => of_tip(app, tip)?,
        None => StateRecord::default(),
    };
    let there = layout::read_state(&app.repo.objects, target_meta)?.unwrap_or_default();
    let mut derived = there.derived;
    let live = recording.session.agent.live.clone();
    if let Some(stream) = live.filter(|live| derived.seen.as_ref().is_none_or(|seen| seen.stream != *live)) {
        let upto = recording.session.stream(&stream).map_or(0, |s| s.bytes);
        derived.seen = Some(Seen { stream, upto });
    }
    Ok(StateRecord { derived, set: now.set, base: now.base, ..StateRecord::default() })
}

/// The record of a session whose state was emptied: nothing set, nothing read, files counted from the tip on.
pub fn cleared(recording: &Recording) -> StateRecord {
    let last = recording.live_rows().last().map_or(0, |at| recording.rows[*at].turn);
    let live = recording.session.agent.live.clone();
    let seen = live.map(|stream| Seen { upto: recording.session.stream(&stream).map_or(0, |s| s.bytes), stream });
    let derived = crate::model::state::Derived { cleared_after: Some(last), seen, ..Default::default() };
    StateRecord { derived, base: recording.tip.as_ref().map(|t| t.checkpoint.code), ..StateRecord::default() }
}

/// The whole state of a tip: what is stored, and the facts.
pub fn document(app: &App<'_>, tip: &Tip, changes: &mut NetChanges) -> Result<State> {
    let record = of_tip(app, tip)?;
    let session = &tip.session;
    let stored = State::from_map(record.state.clone())?;
    let base = base(app, tip, &record)?;
    let own = state_file::own_paths(app)?;
    let mut state = State {
        session_id: session.label.clone().unwrap_or_else(|| session.id.to_string()),
        timestamp: to_the_second(session.updated_at),
        duration_minutes: crate::features::state::duration::minutes(session.active_ms),
        ..stored
    };
    let changes = changes.between(app, base, tip.code_tree)?;
    state.files = git_diff::files(changes, &own);
    if app.repo.config.bool("session.state.includeGitDiff")? != Some(false) {
        state.git_diff = Some(git_diff::make(&app.repo.objects, base, changes, &own)?);
    }
    let facts: Map<String, Value> = record.set.into_iter().filter(|(key, _)| FACTS.contains(&key.as_str())).collect();
    if facts.is_empty() {
        return Ok(state);
    }
    let mut map = state.to_map()?;
    merge::merge_patch(&mut map, &facts);
    Ok(State::from_map(map)?)
}

/// `2026-04-16T20:00:00Z`.
fn to_the_second(time: crate::base::Timestamp) -> String {
    let text = time.to_string();
    text.split_once('.').map_or(text.clone(), |(second, _)| format!("{second}Z"))
}

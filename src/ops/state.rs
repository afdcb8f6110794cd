//! `state show|set|export|import|clear`: the state of a session, and what somebody says of it.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Map, Value};

use super::net_changes::NetChanges;
use super::record::{Purpose, Recording};
use super::{App, Failure, FailureKind, Result, find, moving, save, settle, state_file, state_record};
use crate::base::SessionId;
use crate::base::file::{self, Durability};
use crate::engine::store::Tip;
use crate::features::state::merge;
use crate::model::Kind;
use crate::model::state::{FACTS, STATUSES, State};

/// The state, and what came of the command.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The session.
    pub session: SessionId,
    /// Its newest checkpoint.
    pub checkpoint: u64,
    /// Whether a checkpoint was made.
    pub saved: bool,
    /// What somebody set.
    pub set: Map<String, Value>,
    /// The file that was written, relative to where the command was started if it was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// What is to be said of the state file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
    /// The state.
    pub state: State,
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Action {
    /// Show it.
    Show,
    /// Apply a merge patch to what is set.
    Set(Map<String, Value>),
    /// Write it to a file; the project's own where `None`.
    Export(Option<PathBuf>),
    /// Set all that these bytes say.
    Import(Vec<u8>),
    /// Empty it.
    Clear,
}

/// Does it.
pub fn run(app: &App<'_>, session: Option<&str>, action: Action) -> Result<Outcome> {
    match action {
        Action::Show => outcome(app, &find::session(app, session)?, false, Vec::new()),
        Action::Export(Some(path)) => {
            let mut outcome = outcome(app, &find::session(app, session)?, false, Vec::new())?;
            let bytes = outcome.state.encode()?;
            file::write_atomic(&app.cwd.join(&path), &bytes, None, Durability::Process)?;
            outcome.file = Some(path);
            Ok(outcome)
        }
        Action::Export(None) => {
            let path = state_file::path(app)?;
            let mut outcome = change(app, session, Kind::Save, "state export", |r| r.state.write_file = true)?;
            outcome.file = Some(path.to_path().to_owned());
            Ok(outcome)
        }
        Action::Set(patch) => {
            check(&patch)?;
            let title = format!("state: {}", patch.keys().cloned().collect::<Vec<_>>().join(", "));
            change(app, session, Kind::Save, &title, |recording| recording.state.patch = patch)
        }
        Action::Import(bytes) => {
            let state = State::decode(&bytes).map_err(|e| invalid(&e.to_string()))?;
            // What the file leaves out stays what it is.
            let said: Map<String, Value> = serde_json::from_slice(&bytes).map_err(|e| invalid(&e.to_string()))?;
            let mut all = merge::without(state.to_map()?, &["git_diff"]);
            all.retain(|key, _| said.contains_key(key));
            check_status(&all)?;
            change(app, session, Kind::Import, "state import", |recording| {
                recording.state.patch = all;
                recording.state.keeps_facts = true;
            })
        }
        Action::Clear => {
            // What is there now stays in the history.
            change(app, session, Kind::Save, "before the state is cleared", |_| {})?;
            change(app, session, Kind::Save, "state cleared", |recording| {
                recording.state.from = Some(state_record::cleared(recording));
            })
        }
    }
}

/// One checkpoint with a changed state. A session is begun where there is none.
fn change(
    app: &App<'_>,
    session: Option<&str>,
    kind: Kind,
    title: &str,
    with: impl FnOnce(&mut Recording),
) -> Result<Outcome> {
    let _lock = app.lock_worktree()?;
    settle::settle(app)?;
    let tip = match session {
        Some(named) => Some(find::own_session(app, Some(named))?),
        None => match find::default(app)? {
            Some(id) => Some(find::load(app, id)?),
            None => None,
        },
    };
    let mut recording = match tip {
        Some(tip) => moving::begin(app, tip)?,
        None => save::begin(app)?,
    };
    recording.capture_code(app, None)?;
    with(&mut recording);
    let turn = recording.open_live_row().map(|at| recording.rows[at].turn);
    let begun = recording.tip.is_none();
    let (appended, notices) = recording.finish_and_tell(app, Purpose::new(kind, turn, title))?;
    if begun {
        let current = crate::engine::local::Current { session: appended.tip.session.id, cleared: false };
        crate::engine::local::set_current(&app.repo, Some(&current))?;
    }
    outcome(app, &appended.tip, appended.news, notices)
}

fn outcome(app: &App<'_>, tip: &Tip, saved: bool, notices: Vec<String>) -> Result<Outcome> {
    Ok(Outcome {
        session: tip.session.id,
        checkpoint: tip.checkpoint.number,
        saved,
        set: state_record::of_tip(app, tip)?.set,
        file: None,
        notices,
        state: state_record::document(app, tip, &mut NetChanges::load(app)?)?,
    })
}

/// A patch that can be applied: no facts, and every value of its form.
fn check(patch: &Map<String, Value>) -> Result<()> {
    if let Some(key) = patch.keys().find(|key| FACTS.contains(&key.as_str())) {
        return Err(Failure::new(
            FailureKind::Usage,
            "state.derived",
            format!("{key} comes from the session and its files, and cannot be set"),
        )
        .target(key.clone())
        .hint("`session rewind` changes what it tells of; `session state show` lists what can be set."));
    }
    let mut map = State::default().to_map()?;
    merge::merge_patch(&mut map, patch);
    State::from_map(map).map_err(|e| invalid(&e.to_string()))?;
    check_status(patch)
}

fn check_status(patch: &Map<String, Value>) -> Result<()> {
    let word = patch.get("objectives").and_then(|o| o.get("status")).and_then(Value::as_str);
    match word.filter(|word| !word.is_empty() && !STATUSES.contains(word)) {
        Some(word) => Err(Failure::new(FailureKind::Usage, "state.status", format!("{word:?} is no status"))
            .target("objectives.status")
            .hint(format!("One of {}.", STATUSES.join(", ")))),
        None => Ok(()),
    }
}

fn invalid(problem: &str) -> Failure {
    Failure::new(FailureKind::Usage, "state.invalid", problem.to_owned())
        .hint("docs/state-file.md shows the form; `session state show --json` an example.")
}

/// A key and a value as typed, as a patch: JSON where it is of the form that the key wants, else a text.
///
/// # Errors
/// Neither fits.
pub fn typed(key: &str, value: &str) -> Result<Map<String, Value>> {
    if key.split('.').any(str::is_empty) {
        return Err(Failure::new(FailureKind::Usage, "state.key", format!("{key:?} is no key of the state"))
            .target(key)
            .hint("For example objectives.primary, todos, context.key_decisions."));
    }
    let text = merge::at_path(key, Value::from(value));
    let Ok(json) = serde_json::from_str::<Value>(value) else {
        check(&text)?;
        return Ok(text);
    };
    let json = merge::at_path(key, json);
    match (check(&json), check(&text)) {
        (Ok(()), _) => Ok(json),
        (Err(_), Ok(())) => Ok(text),
        (Err(failure), Err(_)) => Err(failure),
    }
}

/// A merge patch in JSON.
///
/// # Errors
/// Not an object.
pub fn patch(bytes: &[u8]) -> Result<Map<String, Value>> {
    serde_json::from_slice(bytes).map_err(|e| invalid(&format!("cannot read the merge patch: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_json_where_that_fits_and_a_text_otherwise() {
        let of = |key, value| typed(key, value).map(Value::Object).map_err(|e| e.code);
        assert_eq!(of("todos", "[\"a\"]"), Ok(serde_json::json!({"todos":["a"]})));
        assert_eq!(of("objectives.primary", "42"), Ok(serde_json::json!({"objectives":{"primary":"42"}})));
        assert_eq!(of("tests.failing", "2"), Ok(serde_json::json!({"tests":{"failing":2}})));
        assert_eq!(of("todos", "null"), Ok(serde_json::json!({"todos":null})));
        assert_eq!(of("todos", "one"), Err("state.invalid"));
        assert_eq!(of("objectives.status", "finished"), Err("state.status"));
        assert_eq!(of("timestamp", "now"), Err("state.derived"));
        assert_eq!(of("a..b", "x"), Err("state.key"));
    }
}

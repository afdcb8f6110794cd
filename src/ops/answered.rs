//! Lines that were typed in an agent and answered: one that reaches us twice is done once, and both get the same answer.
//!
//! Hooks that stand in two settings files both fire, at the same time, for one prompt. The first carries the line out under a
//! lock in which it then notes its answer; the second waits for it. A death before the note leaves the line to be done again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{App, Result};
use crate::base::lock::FileLock;
use crate::base::text::Shown;
use crate::engine::local;

/// Answers that are kept; several agents may be at work here.
const KEPT: usize = 8;
/// How long to wait for the one who does it: as long as an agent waits for a prompt's hook.
const PATIENCE: Duration = Duration::from_secs(110);

#[derive(Debug, Serialize, Deserialize)]
struct Answered {
    native: String,
    key: String,
    line: String,
    answer: String,
}

/// The answer to a line: that which was given to the same prompt before, else what `answer` gives. Without a key nobody
/// knows whether it is the same.
pub fn once(
    app: &App<'_>,
    native: &str,
    key: Option<&str>,
    line: &str,
    answer: impl FnOnce() -> Option<Shown>,
) -> Result<Option<Shown>> {
    let Some(key) = key else { return Ok(answer()) };
    let mut lock =
        FileLock::acquire(&local::worktree_dir(&app.repo)?.join("answered"), PATIENCE, app.repo.shared.private_file())?;
    // Damaged is as good as empty: nobody waits for an answer of a process that died.
    let mut known: Vec<Answered> = serde_json::from_str(&lock.note()?).unwrap_or_default();
    if let Some(same) = known.iter().find(|a| a.native == native && a.key == key && a.line == line) {
        return Ok(Some(Shown::lines(&same.answer)));
    }
    let Some(answer) = answer() else { return Ok(None) };
    let (native, key, line) = (native.to_owned(), key.to_owned(), line.to_owned());
    known.push(Answered { native, key, line, answer: answer.as_str().to_owned() });
    known.drain(..known.len().saturating_sub(KEPT));
    if let Ok(note) = serde_json::to_string(&known) {
        lock.set_note(&note)?;
    }
    Ok(Some(answer))
}

//! An interrupted restore is settled by the next explicit command that writes: finished, or taken back.

use super::record::{Purpose, Recording};
use super::{App, Failure, Result, find, moving};
use crate::base::RepoPath;
use crate::base::file::Durability;
use crate::engine::history::History;
use crate::engine::restore::Settled;
use crate::engine::{journal, restore, store};
use crate::model::Kind;
use crate::model::checkpoint::Movement;

/// What was settled.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How.
    pub settled: Settled,
    /// Paths that hold someone's work and were left.
    pub left: Vec<RepoPath>,
}

/// What a journal says of the checkpoint to come.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Then {
    /// `rewind` or `redo`.
    pub kind: Kind,
    /// Numbers and mode.
    pub from: u64,
    /// Number of the checkpoint that was gone to.
    pub target: u64,
    /// Which half; after a death only the code is brought to its end.
    pub mode: crate::model::Mode,
    /// On a redo: the rewind.
    pub redone: Option<u64>,
    /// What was asked for besides the files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<moving::Asked>,
    /// Only some paths went there.
    #[serde(default)]
    pub picked: bool,
}

/// Whether a restore was interrupted here; for commands that only read.
pub fn pending(app: &App<'_>) -> bool {
    !matches!(journal::read(&app.repo), Ok(None))
}

/// Settles an interrupted restore, if there is one. The caller holds the worktree's lock.
pub fn settle(app: &App<'_>) -> Result<Option<Outcome>> {
    let Some(journal) = journal::read(&app.repo)? else { return Ok(None) };
    let (settled, left) = restore::settle(&app.repo, &journal, &app.cwd, app.progress)?;
    if settled == Settled::Finished
        && let Some(tip) = store::tip(&app.repo, journal.purpose.session)?
    {
        let then: Then = serde_json::from_value(journal.purpose.then.clone()).map_err(|e| {
            Failure::new(
                super::FailureKind::Damaged,
                "journal.damaged",
                format!("cannot read the journal of a restore: {e}"),
            )
        })?;
        let already = tip.checkpoint.movement.is_some_and(|m| m.from == then.from && m.target == then.target);
        if !already {
            if let Some(asked) = &then.git
                && let Some(target) = History::load(&app.repo, tip.checkpoint.commit)?.number(then.target)
            {
                moving::finish_git_state(app, target, asked)?;
            }
            let mut recording = Recording::on(app, find::load(app, journal.purpose.session)?)?;
            recording.capture_code(app, None)?;
            let mut purpose = Purpose::new(then.kind, None, "finished after an interruption").always();
            // The conversation was not moved: its file is written last, and is not part of the journal.
            let mode = crate::model::Mode::Code;
            let Then { from, target, redone, picked, .. } = then;
            purpose.movement = Some(Movement { from, target, mode, redone, picked });
            recording.finish(app, purpose)?;
        }
    }
    journal::remove(&app.repo, Durability::Power)?;
    Ok(Some(Outcome { settled, left }))
}

//! What hooks left for later, done by one detached process a worktree: commits that were not saved at once, and the rest of a
//! turn whose files were too many for its hook.
//!
//! It goes on in short stretches and lets go of the worktree between them, so that no hook of an agent has to wait for it.
//! A death leaves the work where it is; whoever comes next does it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::git_hook::{self, Later, Occasion};
use super::turn_rest::{self, Rest};
use super::{App, FailureKind, Result, save};
use crate::base::lock::FileLock;
use crate::base::progress::Silent;
use crate::engine::spool::{self, Entry};
use crate::engine::{local, snapshot};
use crate::model::Scope;

/// How long the worktree is held at first, and the most by which that is multiplied where it brought nothing.
const STRETCH: Duration = Duration::from_millis(250);
/// How often work is tried that others are in the way of.
const TRIES: u32 = 5;

/// One piece of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// What a hook of git came for.
    Git(Box<Occasion>),
    /// The files of a turn that its end did not get.
    Turn(Rest),
}

/// Leaves work; the caller starts [`run`] in a process of its own.
pub fn leave(app: &App<'_>, work: &Work) -> Result<()> {
    let bytes = serde_json::to_vec(work)
        .map_err(|e| crate::model::Error::Damaged { what: "work for later".to_owned(), problem: e.to_string() })?;
    Ok(spool::add(&app.repo, &bytes)?)
}

/// Whether somebody works it off already.
pub fn is_under_way(app: &App<'_>) -> Result<bool> {
    Ok(spool::turn(&app.repo)?.is_none())
}

/// Works off what is there, in order; returns where somebody else does.
pub fn run(app: &mut App<'_>) -> Result<()> {
    // What is left while the right is given back is seen by one of both.
    while !spool::is_empty(&app.repo) {
        let Some(turn) = spool::turn(&app.repo)? else { return Ok(()) };
        spool::sweep(&app.repo, &turn)?;
        let mut done = 0;
        loop {
            let entries = spool::list(&app.repo)?;
            if entries.is_empty() {
                break;
            }
            for entry in entries {
                if !work_off(app, &entry)? {
                    return Ok(());
                }
                done += 1;
            }
        }
        if done == 0 {
            // Somebody is just writing the first of it, and starts a process.
            return Ok(());
        }
    }
    Ok(())
}

/// Does one piece; whether to go on with the next.
fn work_off(app: &mut App<'_>, entry: &Entry) -> Result<bool> {
    let log = |app: &App<'_>, line: String| local::log(&app.repo, app.now(), &line);
    let Ok(work) = serde_json::from_slice::<Work>(&entry.bytes) else {
        log(app, "work that another version left was dropped".to_owned())?;
        entry.remove()?;
        return Ok(true);
    };
    for tried in 1.. {
        let done = match &work {
            Work::Git(occasion) => {
                app.agent_session.clone_from(&occasion.agent);
                let later = Later { at: entry.at, index: entry.index() };
                git_hook::perform(app, occasion, Some(&later)).map(drop)
            }
            Work::Turn(rest) => turn_rest::run(app, rest, entry.at),
        };
        match done {
            Ok(()) => break,
            Err(failure) if failure.kind == FailureKind::Conflict && tried < TRIES => {}
            Err(failure) if failure.kind == FailureKind::Conflict => {
                log(app, format!("left for the next time: {failure}"))?;
                return Ok(false);
            }
            Err(failure) => {
                log(app, format!("save: {failure}"))?;
                break;
            }
        }
    }
    entry.remove()?;
    Ok(true)
}

/// Reads all of the tree, in stretches; gives the worktree once a snapshot of it is quick.
pub fn whole_tree(app: &App<'_>) -> Result<FileLock> {
    let mut stretch = STRETCH;
    let mut previous = None;
    loop {
        let lock = app.lock_worktree()?;
        if previous.is_none() {
            previous = save::running(app).ok().flatten().map(|tip| tip.code_tree);
        }
        let options = snapshot::Options { budget: Some(stretch), ..app.snapshot_options(None)? };
        let taken = snapshot::take(&app.repo, previous, &options, &Silent)?;
        if taken.scope == Scope::Full {
            return Ok(lock);
        }
        if taken.stats.hashed == 0 {
            stretch *= 2;
        }
        previous = Some(taken.tree);
    }
}

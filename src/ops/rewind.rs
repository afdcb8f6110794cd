//! `rewind code|chat|both`: the files, the conversation or both go back to a checkpoint; undoable, and never over someone's work unasked.

use std::path::PathBuf;

use serde::Serialize;

use super::choice::{self, Foreign};
use super::moving::{self, ChatMove, Destination, Files};
use super::record::Recording;
use super::{App, Failure, FailureKind, Result, address, find, settle};
use crate::base::{RepoPath, SessionId};
use crate::engine::Plan;
use crate::engine::history::{Half, History};
use crate::engine::store::Tip;
use crate::model::{Checkpoint, Kind, Mode, Scope};

/// What to rewind, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which session; the default one where `None`.
    pub session: Option<String>,
    /// Which half.
    pub mode: Mode,
    /// Where to; chosen where `None`.
    pub target: Option<String>,
    /// To the previous checkpoint of any kind.
    pub step: bool,
    /// Show the plan, change nothing.
    pub dry_run: bool,
    /// What to do with paths that someone else changed.
    pub foreign: Foreign,
    /// Only these paths, relative to the folder of the command.
    pub paths: Vec<PathBuf>,
    /// Go on although a merge or rebase is under way, or the target is empty.
    pub force: bool,
}

/// What a rewind or redo did, or would do.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The session.
    pub session: SessionId,
    /// Which half.
    pub mode: Mode,
    /// Whether this only says what would happen.
    pub dry_run: bool,
    /// The checkpoint that was gone to.
    pub target: Place,
    /// The checkpoint that holds the state before; `redo` goes there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// The new checkpoint; absent in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<u64>,
    /// Its code commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<crate::git::Oid>,
    /// The tree that the files have now, or would have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tree: Option<crate::git::Oid>,
    /// What happened to files.
    pub files: Files,
    /// Paths that someone else changed and that were left, or need a choice.
    pub foreign: Vec<RepoPath>,
    /// How to go on with the conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub native: Option<super::native::Native>,
    /// Turns that the conversation has now, or would have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turns: Option<usize>,
    /// The prompt that was cut off first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed_prompt: Option<String>,
    /// Whether paths need a choice before anything happens.
    pub needs_choice: bool,
}

/// A checkpoint as named in outcomes.
#[derive(Clone, Debug, Serialize)]
pub struct Place {
    /// Its number.
    pub number: u64,
    /// Its kind.
    pub kind: Kind,
    /// Its turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<u32>,
    /// Its title.
    pub title: String,
    /// When it was made.
    pub time: crate::base::Timestamp,
}

impl From<&Checkpoint> for Place {
    fn from(c: &Checkpoint) -> Self {
        Self { number: c.number, kind: c.kind, turn: c.turn, title: c.title.to_string(), time: c.time }
    }
}

/// Rewinds.
///
/// # Errors
/// Nothing further back (1), no such target (3), a choice is needed (6).
pub fn run(app: &App<'_>, options: &Options) -> Result<Outcome> {
    let _lock = app.lock_worktree()?;
    if !options.dry_run {
        settle::settle(app)?;
    }
    let tip = find::session(app, options.session.as_deref())?;
    let pulled = find::is_only_pulled(app, &tip)?;
    if !options.dry_run {
        find::take_up(app, &tip)?;
    }
    let mut recording = moving::begin(app, tip)?;
    moving::refuse_during_operation(app, options.mode, options.force)?;
    let present = if options.mode.code() { Some(recording.capture_code(app, None)?) } else { None };
    let tip = moving::tip_of(&recording)?.clone();
    let history = History::load(&app.repo, tip.checkpoint.commit)?;
    let paths = moving::paths(app, &options.paths)?;
    // A session that never ran here knows nothing of these files; where they are HEAD's, nobody's work is at stake.
    let head = recording.head.commit.map(|c| app.repo.objects.read_commit(c)).transpose()?.map(|c| c.tree);
    let untouched = pulled && present.as_ref().is_some_and(|p| Some(p.tree) == head);
    let foreign = if untouched { Foreign::All } else { options.foreign };

    let (target, plan) = match (&options.target, &present) {
        (Some(text), _) => {
            let target = address::checkpoint(app, &tip, &history, text)?;
            let plan = match &present {
                Some(present) => Some(moving::plan(app, &history, target, present, &paths)?),
                None => None,
            };
            (target, plan)
        }
        (None, Some(present)) if options.mode == Mode::Code => {
            let (target, plan) = choose(app, options, &tip, &history, present, &paths)?;
            (target, Some(plan))
        }
        (None, _) => {
            let target = last_turn(&recording, &history)?;
            let plan = match &present {
                Some(present) => Some(moving::plan(app, &history, target, present, &paths)?),
                None => None,
            };
            (target, plan)
        }
    };
    let chat = if options.mode.chat() { Some(ChatMove::back_to(app, &tip, target)?) } else { None };
    let destination = Destination {
        kind: Kind::Rewind,
        mode: options.mode,
        target,
        redone: None,
        foreign,
        dry_run: options.dry_run,
        force: options.force,
        paths: &paths,
    };
    if !options.dry_run {
        moving::make_current(app, options.session.as_deref(), &tip)?;
    }
    moving::go(app, recording, &history, &destination, present, plan, chat)
}

/// The newest stop (or with `--step` the previous checkpoint of any kind) on the live line whose plan is not empty.
fn choose<'h>(
    app: &App<'_>,
    options: &Options,
    tip: &Tip,
    history: &'h History,
    present: &crate::engine::Snapshot,
    paths: &[RepoPath],
) -> Result<(&'h Checkpoint, Plan)> {
    let start = history.tip().ok_or_else(nothing_further)?;
    for candidate in history.live_line(start, Half::Code) {
        let fits = options.step || candidate.kind.is_stop() && candidate.scope == Scope::Full;
        if !fits {
            continue;
        }
        let mut plan = moving::plan(app, history, candidate, present, paths)?;
        if options.foreign == Foreign::Mine && !plan.is_empty() {
            let foreign = choice::foreign_paths(app, tip, history, candidate, present, &plan)?;
            plan = moving::leave(app, history, candidate, present, paths, &foreign)?;
        }
        if !plan.is_empty() {
            return Ok((candidate, plan));
        }
    }
    Err(nothing_further())
}

fn nothing_further() -> Failure {
    Failure::new(
        FailureKind::Failed,
        "rewind.nothing",
        "nothing further back: the files are as they were at the first checkpoint",
    )
    .hint("`session log` shows the checkpoints; `session redo` goes forth again.")
}

/// The start of the last turn of the live stream.
fn last_turn<'h>(recording: &Recording, history: &'h History) -> Result<&'h Checkpoint> {
    let live = recording.live_rows();
    live.iter().rev().find_map(|at| history.number(recording.rows[*at].start_checkpoint()?)).ok_or_else(|| {
        Failure::new(
            FailureKind::Failed,
            "rewind.no-turn",
            "nothing further back: the conversation has no turn to take back",
        )
        .hint("`session log` shows the checkpoints; `session redo` goes forth again.")
    })
}

//! `revert TURN`: takes one turn's changes back and keeps later ones, by a three-way merge. Nothing is half applied.

use super::choice::Foreign;
use super::moving::{self, Destination};
use super::rewind::Outcome;
use super::{App, Failure, FailureKind, Result, address, find, settle};
use crate::base::text;
use crate::engine::history::History;
use crate::engine::plan::{self, Target};
use crate::engine::store;
use crate::git::merge::{self, Merged};
use crate::model::{Kind, Mode, Scope, Skipped};

/// What to take back.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which session; the default one where `None`.
    pub session: Option<String>,
    /// The turn's number.
    pub turn: u32,
    /// Show the plan, change nothing.
    pub dry_run: bool,
    /// Go on although a merge or rebase is under way.
    pub force: bool,
}

/// Takes a turn's changes back.
///
/// # Errors
/// No such turn (3), later changes touch the same lines (5), nothing to take back (1).
pub fn run(app: &App<'_>, options: &Options) -> Result<Outcome> {
    let _lock = app.lock_worktree()?;
    if !options.dry_run {
        settle::settle(app)?;
    }
    let tip = find::session(app, options.session.as_deref())?;
    if !options.dry_run {
        find::take_up(app, &tip)?;
    }
    moving::refuse_during_operation(app, Mode::Code, options.force)?;
    let mut recording = moving::begin(app, tip)?;
    let present = recording.capture_code(app, None)?;
    let tip = moving::tip_of(&recording)?.clone();
    let history = History::load(&app.repo, tip.checkpoint.commit)?;
    let start = address::checkpoint(app, &tip, &history, &format!("turn:{}", options.turn))?;
    let end = address::checkpoint(app, &tip, &history, &format!("turn:{}.end", options.turn))?;
    let (before, after) = (store::code_tree(&app.repo, start)?, store::code_tree(&app.repo, end)?);
    let tree = match merge::trees(&app.repo.objects, after, present.tree, before)? {
        Merged::Clean(tree) => tree,
        Merged::Conflicts(paths) => {
            let what = text::count(paths.len(), "file");
            return Err(Failure::new(
                FailureKind::Conflict,
                "revert.conflict",
                format!("later changes touch what turn {} did to {what}; nothing was changed", options.turn),
            )
            .target(options.turn.to_string())
            .hint(format!("`session diff turn:{0} turn:{0}.end` shows the turn; `session rewind code turn:{0}` goes back before it.", options.turn))
            .details(paths.iter().map(ToString::to_string).collect()));
        }
    };
    let skipped = Skipped::default();
    let target = Target { tree, scope: Scope::Full, skipped: &skipped, only: None, leave: &[] };
    let plan = plan::make(&app.repo, &present, &target)?;
    let destination = Destination {
        kind: Kind::Revert,
        mode: Mode::Code,
        target: start,
        redone: None,
        // What others changed meanwhile is kept by the merge.
        foreign: Foreign::All,
        dry_run: options.dry_run,
        force: options.force,
        paths: &[],
    };
    moving::go(app, recording, &history, &destination, Some(present), Some(plan), None)
}

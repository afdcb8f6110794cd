//! The files' half of a move: the plan, what makes it impossible, and carrying it out under a journal.

use std::path::PathBuf;

use serde::Serialize;

use super::{Destination, tip_of};
use crate::base::file::Durability;
use crate::base::{RepoPath, text};
use crate::engine::history::{Half, History};
use crate::engine::plan::{Action, Kept, Target, WantedFiles};
use crate::engine::restore::{Applied, WorkTree};
use crate::engine::store::{DraftCode, Extras};
use crate::engine::{Error as EngineError, Plan, Snapshot, journal, layout, plan, restore, snapshot};
use crate::model::snapshot::Modes;
use crate::model::{Checkpoint, Scope};
use crate::ops::record::Recording;
use crate::ops::settle::Then;
use crate::ops::{App, Failure, FailureKind, Result};

/// The files' half of a move: what is there, what becomes of it, and the permission bits that were recorded.
#[derive(Debug)]
pub struct CodeMove {
    /// The files as they are.
    pub present: Snapshot,
    /// What becomes of them.
    pub plan: Plan,
    /// Permission bits there.
    pub modes: Modes,
}

impl CodeMove {
    /// By a plan to a checkpoint.
    pub fn new(app: &App<'_>, target: &Checkpoint, present: Snapshot, plan: Plan) -> Result<Self> {
        let modes = layout::read_modes(&app.repo.objects, target.meta_tree)?;
        Ok(Self { present, plan, modes })
    }

    /// To a checkpoint.
    pub fn to(
        app: &App<'_>,
        history: &History,
        target: &Checkpoint,
        present: Snapshot,
        paths: &[RepoPath],
    ) -> Result<Self> {
        let plan = plan(app, history, target, &present, paths)?;
        Self::new(app, target, present, plan)
    }
}

/// Files of a plan, as told.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Files {
    /// Made or replaced.
    pub written: Vec<RepoPath>,
    /// Removed.
    pub deleted: Vec<RepoPath>,
    /// Only permission bits changed.
    pub modes: Vec<RepoPath>,
    /// Different, and left: the path and why.
    pub kept: Vec<(RepoPath, &'static str)>,
}

impl Files {
    /// From a plan.
    pub fn of(plan: &Plan) -> Self {
        let of = |action: Action| {
            plan.items.iter().filter(|i| i.action == action).map(|i| i.path.clone()).collect::<Vec<_>>()
        };
        Self {
            written: of(Action::Write),
            deleted: of(Action::Delete),
            modes: of(Action::Mode),
            kept: plan.kept.iter().map(|(path, why)| (path.clone(), reason(*why))).collect(),
        }
    }

    /// How many change.
    pub fn len(&self) -> usize {
        self.written.len() + self.deleted.len() + self.modes.len()
    }

    /// Whether none changes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

const fn reason(kept: Kept) -> &'static str {
    match kept {
        Kept::NotLookedAt => "the checkpoint did not look at it",
        Kept::Unseen => "what is there now cannot be saved",
        Kept::Ignored => "the rules of the checkpoint ignore it",
        Kept::Gitlink => "a repository of its own",
        Kept::Chosen => "as asked",
    }
}

/// Paths as typed, relative to the folder of the command, as paths of the tree.
pub fn paths(app: &App<'_>, typed: &[PathBuf]) -> Result<Vec<RepoPath>> {
    let root = app.repo.work_dir()?;
    typed.iter().map(|p| Ok(RepoPath::below(root, &normal(&app.cwd.join(p)))?)).collect()
}

/// Without `.` and `..`, by text alone: the path may be gone.
pub(in crate::ops) fn normal(path: &std::path::Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

/// The plan to a checkpoint. For one that looked at named paths only, the paths that later such checkpoints named.
pub fn plan(
    app: &App<'_>,
    history: &History,
    target: &Checkpoint,
    present: &Snapshot,
    paths: &[RepoPath],
) -> Result<Plan> {
    leave(app, history, target, present, paths, &[])
}

/// [`plan`], leaving some paths as they are.
pub fn leave(
    app: &App<'_>,
    history: &History,
    target: &Checkpoint,
    present: &Snapshot,
    paths: &[RepoPath],
    leave: &[RepoPath],
) -> Result<Plan> {
    let objects = &app.repo.objects;
    let mut skipped = layout::read_skipped(objects, target.meta_tree)?;
    if target.scope == Scope::Paths {
        let tip = history.tip().unwrap_or(target);
        for later in history.live_line(tip, Half::Code).take_while(|c| c.number != target.number) {
            if later.scope == Scope::Paths {
                skipped.only.extend(layout::read_skipped(objects, later.meta_tree)?.only);
            }
        }
        skipped.only.sort();
        skipped.only.dedup();
    }
    let tree = crate::engine::store::code_tree(&app.repo, target)?;
    let only = (!paths.is_empty()).then_some(paths);
    let modes = layout::read_modes(objects, target.meta_tree)?;
    let wanted = WantedFiles::of_checkpoint(&app.repo, target.meta_tree)?;
    let target = Target { tree, scope: target.scope, skipped: &skipped, only, leave };
    let mut plan = plan::make(&app.repo, present, &target)?;
    plan::add_bits(&app.repo, &mut plan, present, &target, &modes)?;
    plan::convert(&app.repo, &mut plan, present, &target, &wanted)?;
    Ok(plan)
}

/// What makes a restore impossible as a whole, before the first write.
pub(super) fn refuse_obstacles(app: &App<'_>, to: &Destination<'_>, plan: Option<&Plan>) -> Result<()> {
    let Some(plan) = plan else { return Ok(()) };
    if let Some(first) = plan.obstacles.first() {
        let more = plan.obstacles.len() - 1;
        let refused = EngineError::Refused { path: first.path.clone(), reason: first.reason.clone(), more };
        let details = plan.obstacles.iter().map(|o| format!("{}: {}", o.path, o.reason)).collect();
        return Err(Failure::from(refused).details(details));
    }
    let empties = plan.result == app.repo.objects.format().empty_tree() && plan.present != plan.result;
    if empties && to.target.scope != Scope::Full && !to.terms.force {
        return Err(Failure::new(
            FailureKind::Refused,
            "rewind.empty",
            format!("this would delete all {}; nothing was changed", text::count(plan.items.len(), "file")),
        )
        .hint("Add --force if that is what you want."));
    }
    Ok(())
}

/// What was written.
#[derive(Debug)]
pub(super) struct Written {
    applied: Applied,
    /// How sure the end of the journal has to be.
    pub durability: Durability,
}

/// Writes the files, under a journal that stays until the checkpoint at the end is made.
pub(super) fn write(app: &App<'_>, recording: &Recording, code: &CodeMove, then: &Then) -> Result<Written> {
    let plan = &code.plan;
    let tip = tip_of(recording)?;
    let then = serde_json::to_value(then)
        .map_err(|e| Failure::new(FailureKind::Internal, "internal", format!("cannot write the journal: {e}")))?;
    let purpose = journal::Purpose { session: tip.session.id, tip: tip.checkpoint.commit, then };
    let modes = plan::bits(plan, &code.present, &code.modes);
    let disk = WorkTree::open(&app.repo)?;
    let checked = restore::check(&app.repo, &disk, plan, &modes, &code.present.stamps, &app.cwd)?;
    let durability = checked.journal_durability();
    journal::write(&app.repo, &purpose, plan, &modes, durability)?;
    let (applied, done) = checked.apply(app.progress);
    // Such as where a filter driver fails: nobody has to settle what was never begun.
    if done.is_err() && applied == Applied::default() {
        journal::remove(&app.repo, Durability::Power)?;
    }
    done?;
    Ok(Written { applied, durability })
}

/// Looks at the files again: the code as it is now, which must be what was planned. `is_alone`: nothing else moved.
pub(super) fn verify(app: &App<'_>, code: &CodeMove, written: &Written, is_alone: bool) -> Result<DraftCode> {
    let CodeMove { plan, present, .. } = code;
    let options = app.snapshot_options(None)?;
    let written = &written.applied.files;
    let touched = if is_alone { snapshot::touched(&app.repo, present, plan, written, &options)? } else { None };
    let after = match touched {
        Some(after) => after,
        None => snapshot::take(&app.repo, Some(plan.result), &options, app.progress)?,
    };
    if after.tree != plan.result || plan.is_converted {
        let differ = plan::unplanned(&app.repo, plan, present, &after)?;
        if let Some(first) = differ.first() {
            return Err(EngineError::NotVerified { first: first.clone(), count: differ.len() }.into());
        }
    }
    let extras = Extras { index: after.index.clone(), modes: Modes::new(after.umask, &after.modes) };
    let Snapshot { tree, scope, skipped, passed, .. } = after;
    Ok(DraftCode { passed, tree, scope, skipped, extras: Some(extras) })
}

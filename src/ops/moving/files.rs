//! The files' half of a move: the plan, what makes it impossible, and carrying it out under a journal.

use std::collections::BTreeMap;

use serde::Serialize;

use super::tip_of;
use crate::base::RepoPath;
use crate::base::file::Durability;
use crate::engine::history::{Half, History};
use crate::engine::plan::{Action, Kept, Target, WantedFiles};
use crate::engine::restore::{Applied, Checked, WorkTree};
use crate::engine::store::{DraftCode, Extras};
use crate::engine::{Error as EngineError, Plan, Snapshot, journal, layout, plan, restore, snapshot};
use crate::git::Pathspec;
use crate::model::snapshot::Modes;
use crate::model::{Checkpoint, Scope};
use crate::ops::record::Recording;
use crate::ops::settle::Then;
use crate::ops::{App, Failure, FailureKind, Result, managed, modes};

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
        let modes = modes::recorded(app, target, crate::engine::store::code_tree(&app.repo, target)?)?;
        Ok(Self { present, plan, modes })
    }

    /// To a checkpoint.
    pub fn to(
        app: &App<'_>,
        history: &History,
        target: &Checkpoint,
        present: Snapshot,
        paths: &Pathspec,
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
    pub kept: Vec<(RepoPath, String)>,
}

impl Files {
    /// From a plan.
    pub fn of(plan: &Plan) -> Self {
        let of = |action: Action| {
            plan.items.iter().filter(|i| i.action == action).map(|i| i.path.clone()).collect::<Vec<_>>()
        };
        let mut kept: Vec<_> = plan.kept.iter().map(|(path, why)| (path.clone(), reason(*why).to_owned())).collect();
        kept.extend(plan.left.iter().map(|left| (left.path.clone(), left.reason.clone())));
        kept.sort();
        kept.dedup_by(|a, b| a.0 == b.0);
        Self { written: of(Action::Write), deleted: of(Action::Delete), modes: of(Action::Mode), kept }
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
        Kept::Ignored => "it was ignored at the checkpoint",
        Kept::Gitlink => "a repository of its own",
        Kept::Chosen => "as asked",
        Kept::Managed => "`session enable` manages it",
    }
}

/// The plan to a checkpoint. For one that looked at named paths only, the paths that later such checkpoints named.
pub fn plan(
    app: &App<'_>,
    history: &History,
    target: &Checkpoint,
    present: &Snapshot,
    paths: &Pathspec,
) -> Result<Plan> {
    leave(app, history, target, present, paths, &[])
}

/// [`plan`], leaving some paths as they are.
pub fn leave(
    app: &App<'_>,
    history: &History,
    target: &Checkpoint,
    present: &Snapshot,
    paths: &Pathspec,
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
    let modes = modes::recorded(app, target, tree)?;
    let wanted = WantedFiles::of_checkpoint(&app.repo, target.meta_tree)?;
    let rules = layout::read_exclude(objects, target.meta_tree)?;
    let managed = managed::paths(app, &[present.tree, tree])?;
    let whole = Target::whole(tree, target.scope, &skipped);
    make(app, present, &Target { only, leave, rules: &rules, managed: &managed, ..whole }, (&modes, &wanted))
}

/// A plan with its permission bits, what filter drivers have to do with it, and all that stands in its way.
pub fn make(
    app: &App<'_>,
    present: &Snapshot,
    target: &Target<'_>,
    (modes, wanted): (&Modes, &WantedFiles),
) -> Result<Plan> {
    let mut plan = plan::make(&app.repo, present, target)?;
    plan::add_bits(&app.repo, &mut plan, present, target, modes)?;
    plan::convert(&app.repo, &mut plan, present, target, wanted)?;
    if let Ok(started_in) = RepoPath::below(app.repo.work_dir()?, &app.cwd) {
        let obstacles = plan::start_folder(&plan, &started_in);
        plan.obstacles.extend(obstacles);
    }
    plan.obstacles.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(plan)
}

/// A restore that can begin: what it needs is held, and was found good.
#[derive(Debug)]
pub(super) struct Ready {
    disk: WorkTree,
    modes: BTreeMap<RepoPath, u32>,
}

impl Ready {
    /// Opens the work tree for a move.
    pub(super) fn new(app: &App<'_>, code: &CodeMove) -> Result<Self> {
        let modes = plan::bits(&code.plan, &code.present, &code.modes);
        Ok(Self { disk: WorkTree::open(&app.repo)?, modes })
    }

    /// Finds out whether all of the plan can be done; changes nothing.
    ///
    /// # Errors
    /// Content that is damaged, a folder that must not be written to.
    pub(super) fn check<'a>(&'a self, app: &'a App<'_>, code: &'a CodeMove, dry_run: bool) -> Result<Checked<'a>> {
        let stamps = &code.present.stamps;
        let checked = restore::check(&app.repo, &self.disk, &code.plan, &self.modes, stamps, &app.cwd)?;
        // Else the restore reads them before its first change anyway.
        if dry_run || !checked.reads_all_first() {
            plan::contents_are_sound(&app.repo, &code.plan)?;
        }
        Ok(checked)
    }
}

/// What was written.
#[derive(Debug)]
pub(super) struct Written {
    applied: Applied,
    /// How sure the end of the journal has to be.
    pub durability: Durability,
}

/// Writes the files, under a journal that stays until the checkpoint at the end is made.
pub(super) fn write(
    app: &App<'_>,
    recording: &Recording,
    (code, ready, checked): (&CodeMove, &Ready, Checked<'_>),
    then: &Then,
) -> Result<Written> {
    let tip = tip_of(recording)?;
    let then = serde_json::to_value(then)
        .map_err(|e| Failure::new(FailureKind::Internal, "internal", format!("cannot write the journal: {e}")))?;
    let purpose = journal::Purpose { session: tip.session.id, tip: tip.checkpoint.commit, then };
    let durability = checked.journal_durability();
    journal::write(&app.repo, &purpose, &code.plan, &ready.modes, durability)?;
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
    let extras = Extras::of(&after);
    let Snapshot { tree, scope, skipped, passed, .. } = after;
    Ok(DraftCode { passed, tree, scope, skipped, extras: Some(extras) })
}

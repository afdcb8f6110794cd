//! `fork --switch`: this worktree goes on as the fork. The files move by a rewind of the fork, so that `redo` there brings
//! back what was here, and the session that was forked is left alone.

use super::made::Made;
use super::point::Point;
use crate::base::RepoPath;
use crate::engine::history::History;
use crate::engine::store::Tip;
use crate::engine::{layout, plan, restore, snapshot};
use crate::git::{Oid, RefName, index_write, worktree};
use crate::model::{Kind, Mode};
use crate::ops::choice::{self, Foreign};
use crate::ops::moving::{self, CodeMove, Destination, Files, Moved, Terms};
use crate::ops::record::Recording;
use crate::ops::{App, Failure, FailureKind, Result, settle};

/// What moves in this work tree.
#[derive(Debug, Default)]
pub struct Switch {
    /// Files; none where the fork point is the present state.
    pub files: Files,
}

impl Switch {
    /// What the fork point changes here, or why it must not.
    pub fn plan(app: &App<'_>, point: &Point) -> Result<Self> {
        let (tip, target) = (&point.parent, &point.at.checkpoint);
        let present = snapshot::take(&app.repo, Some(tip.code_tree), &app.snapshot_options(None)?, app.progress)?;
        let history = History::load(&app.repo, tip.checkpoint.commit)?;
        let mut plan = moving::plan(app, &history, target, &present, &[])?;
        plan.render(&app.repo)?;
        let foreign = choice::foreign_paths(app, tip, &history, target, &present, &plan)?;
        if !foreign.is_empty() {
            return Err(in_the_way(target.number, &foreign));
        }
        let modes = plan::bits(&plan, &present, &layout::read_modes(&app.repo.objects, target.meta_tree)?);
        restore::check(&app.repo, &restore::WorkTree::open(&app.repo)?, &plan, &modes, &present.stamps, &app.cwd)?;
        Ok(Self { files: Files::of(&plan) })
    }

    /// Moves the files, HEAD, and the index where the base is another one.
    pub fn go(&self, app: &App<'_>, fork: &Tip, branch: &RefName, base: Oid, made: &mut Made<'_>) -> Result<()> {
        let before = app.repo.head()?;
        if !self.files.is_empty() {
            let moved = bring_files(app, fork);
            // What was here before is now held by the fork alone.
            let id = fork.session.id;
            if moved.is_ok() || settle::pending(app) {
                made.keep();
            } else if let Some(tip) = app.repo.refs.read(&RefName::session_head(id))? {
                // No file was moved: the safety checkpoint on the fork holds nothing that is not there.
                made.session(id, tip);
            }
            moved?;
        }
        worktree::point_head_at(&app.repo, branch.as_branch().unwrap_or(branch.as_str()))?;
        made.head(&before);
        if before.commit != Some(base) {
            let tree = app.repo.objects.read_commit(base)?.tree;
            index_write::set_index(&app.repo, tree, [None; 3], None)?;
        }
        Ok(())
    }
}

fn bring_files(app: &App<'_>, fork: &Tip) -> Result<()> {
    let mut recording = Recording::on(app, fork.clone())?;
    let present = recording.capture_code(app, None)?;
    let history = History::load(&app.repo, fork.checkpoint.commit)?;
    let code = CodeMove::to(app, &history, &fork.checkpoint, present, &[])?;
    if code.plan.is_empty() {
        return Ok(());
    }
    let destination = Destination {
        kind: Kind::Rewind,
        mode: Mode::Code,
        target: &fork.checkpoint,
        redone: None,
        terms: &Terms { foreign: Foreign::All, ..Terms::default() },
        paths: &[],
        further_back: &[],
    };
    moving::go(app, recording, &history, &destination, Moved { code: Some(code), chat: None, foreign: None }).map(drop)
}

fn in_the_way(number: u64, foreign: &[RepoPath]) -> Failure {
    let what = if let [one] = foreign { format!("{one} was") } else { format!("{} files were", foreign.len()) };
    let message = format!("{what} changed outside of this session since checkpoint {number}; nothing was changed");
    Failure::new(FailureKind::Refused, "rewind.foreign", message)
        .hint(format!(
            "Fork with `--worktree PATH`, which leaves this work tree alone, or first run `session rewind code {number} --all`."
        ))
        .details(foreign.iter().map(RepoPath::escaped).collect())
}

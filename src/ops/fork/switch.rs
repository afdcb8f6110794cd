//! `fork --switch`: this worktree goes on as the fork. The files move by a rewind of the fork, so that `redo` there brings
//! back what was here, and the session that was forked is left alone.

use super::Options;
use super::made::Made;
use super::point::Point;
use crate::base::{RepoPath, text};
use crate::engine::history::History;
use crate::engine::plan::{self, Obstacle};
use crate::engine::snapshot;
use crate::engine::store::Tip;
use crate::git::{Oid, Pathspec, RefName, index_write, worktree};
use crate::model::{Kind, Mode};
use crate::ops::choice::{self, Foreign};
use crate::ops::moving::{self, CodeMove, Destination, Files, Moved, Terms};
use crate::ops::record::Recording;
use crate::ops::{App, Failure, Result, settle};

/// What moves in this work tree.
#[derive(Debug, Default)]
pub struct Switch {
    /// Files; none where the fork point is the present state.
    pub files: Files,
    /// What stays as it is, by choice.
    leave: Vec<RepoPath>,
}

impl Switch {
    /// What the fork point changes here, or why it must not.
    pub fn plan(app: &App<'_>, options: &Options, point: &Point) -> Result<Self> {
        let (tip, target) = (&point.parent, &point.at.checkpoint);
        let present = snapshot::take(&app.repo, Some(tip.code_tree), &app.snapshot_options(None)?, app.progress)?;
        let history = History::load(&app.repo, tip.checkpoint.commit)?;
        let everything = Pathspec::default();
        let mut plan = moving::plan(app, &history, target, &present, &everything)?;
        let foreign = choice::foreign_paths(app, tip, &history, target, &present, &plan)?;
        let asks = options.foreign == Foreign::Ask;
        if asks && !(foreign.is_empty() && plan.obstacles.is_empty()) {
            return Err(in_the_way(options, target.number, &foreign, &plan.obstacles));
        }
        let mut leave = if options.foreign == Foreign::Mine { foreign } else { Vec::new() };
        plan = moving::leave(app, &history, target, &present, &everything, &leave)?;
        plan = plan::leave_obstacles(&app.repo, &present, plan)?;
        plan.render(&app.repo)?;
        let code = CodeMove::new(app, target, present, plan)?;
        moving::rehearse(app, &code)?;
        leave.extend(code.plan.left.iter().map(|left| left.path.clone()));
        Ok(Self { files: Files::of(&code.plan), leave })
    }

    /// Moves the files, HEAD, and the index where the base is another one.
    pub fn go(&self, app: &App<'_>, fork: &Tip, branch: &RefName, base: Oid, made: &mut Made<'_>) -> Result<()> {
        let before = app.repo.head()?;
        if !self.files.is_empty() {
            let moved = bring_files(app, fork, &self.leave);
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

fn bring_files(app: &App<'_>, fork: &Tip, leave: &[RepoPath]) -> Result<()> {
    let mut recording = Recording::on(app, fork.clone())?;
    let present = recording.capture_code(app, None)?;
    let history = History::load(&app.repo, fork.checkpoint.commit)?;
    let everything = Pathspec::default();
    let plan = moving::leave(app, &history, &fork.checkpoint, &present, &everything, leave)?;
    let code = CodeMove::new(app, &fork.checkpoint, present, plan)?;
    if code.plan.is_empty() {
        return Ok(());
    }
    let destination = Destination {
        kind: Kind::Rewind,
        mode: Mode::Code,
        target: &fork.checkpoint,
        redone: None,
        terms: &Terms { foreign: Foreign::All, ..Terms::default() },
        paths: &everything,
        further_back: &[],
    };
    moving::go(
        app,
        recording,
        &history,
        &destination,
        Moved { code: Some(code), chat: None, foreign: Some(Vec::new()) },
    )
    .map(drop)
}

fn in_the_way(options: &Options, number: u64, foreign: &[RepoPath], obstacles: &[Obstacle]) -> Failure {
    let title = options.title.as_deref().map(|title| format!(" {}", text::quoted(title))).unwrap_or_default();
    let session = options.session.as_deref().map(|session| format!(" --session {session}")).unwrap_or_default();
    let branch = options.branch.as_deref().map(|branch| format!(" --branch {branch}")).unwrap_or_default();
    let line = format!("session fork{title} --at {number} --switch{branch}{session}");
    let failure = moving::refusal(&line, foreign, obstacles).target(number.to_string());
    failure.hint(format!(
        "`{line} --mine` leaves them here as they are, `{line} --all` takes them away too (`session redo` in the fork brings them back); with `--worktree PATH` in place of `--switch` this work tree is left alone."
    ))
}

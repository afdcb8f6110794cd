//! Paths of a plan that someone else changed: found, and the choice that they need.

use serde::Serialize;

use super::{App, Failure, FailureKind, Result, find};
use crate::base::RepoPath;
use crate::engine::foreign::{self, Question, Window};
use crate::engine::history::History;
use crate::engine::store::Tip;
use crate::engine::{Plan, Snapshot, layout, local};
use crate::model::Checkpoint;

/// What to do with paths that someone else changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Foreign {
    /// Ask; where nobody can be asked, refuse.
    #[default]
    Ask,
    /// Leave them as they are (`--mine`).
    Mine,
    /// Take the whole tree back (`--all`).
    All,
}

impl Foreign {
    /// By two flags.
    pub const fn of(mine: bool, all: bool) -> Self {
        match (mine, all) {
            (true, _) => Self::Mine,
            (_, true) => Self::All,
            _ => Self::Ask,
        }
    }
}

/// The foreign paths of a plan. In a session without an agent the person's changes are its own.
pub fn foreign_paths(
    app: &App<'_>,
    tip: &Tip,
    history: &History,
    target: &Checkpoint,
    present: &Snapshot,
    plan: &Plan,
) -> Result<Vec<RepoPath>> {
    let paths: Vec<RepoPath> = plan.items.iter().map(|i| i.path.clone()).collect();
    if paths.is_empty() || tip.session.agent.kind == "none" {
        return Ok(Vec::new());
    }
    let others = windows_of_others(app, tip, target)?;
    let question = Question { history, present, now: app.now(), target, others: &others };
    let found = foreign::find(&app.repo, &question, &paths)?;
    with_installed(app, found, &paths)
}

/// The foreign ones of paths that changed in a turn of this session: those of which another session may have done it, too.
pub fn foreign_in_turn(
    app: &App<'_>,
    tip: &Tip,
    history: &History,
    (start, end): (&Checkpoint, &Checkpoint),
    present: &Snapshot,
    paths: &[RepoPath],
) -> Result<Vec<RepoPath>> {
    let others = windows_of_others(app, tip, start)?;
    let question = Question { history, present, now: app.now(), target: start, others: &others };
    let found = foreign::find_up_to(&app.repo, &question, end, paths)?;
    with_installed(app, found, paths)
}

/// Adds the files that `enable` wrote: they are always foreign.
fn with_installed(app: &App<'_>, mut found: Vec<RepoPath>, paths: &[RepoPath]) -> Result<Vec<RepoPath>> {
    let ours = installed_paths(app)?;
    found.extend(paths.iter().filter(|p| ours.contains(p)).cloned());
    found.sort();
    found.dedup();
    Ok(found)
}

/// Stretches since the target in which other sessions of this worktree had a turn open. A turn from before a fork is in both
/// sessions and is no other's, up to where they part.
fn windows_of_others(app: &App<'_>, tip: &Tip, target: &Checkpoint) -> Result<Vec<Window>> {
    let here = app.repo.worktree_name();
    let own = layout::read_rows(&app.repo.objects, tip.checkpoint.meta_tree, &tip.session, 0)?;
    let mut windows = Vec::new();
    for found in find::all(app)? {
        let (Ok(session), Some(tip_there)) = (found.session, found.tip) else { continue };
        if found.id == tip.session.id || session.worktree != here || session.updated_at < target.time {
            continue;
        }
        let tree = app.repo.objects.read_commit(tip_there)?.tree;
        for row in layout::read_rows(&app.repo.objects, tree, &session, 0)? {
            let Some(start) = row.start_checkpoint() else { continue };
            let shared = own.iter().find(|o| o.start_checkpoint() == Some(start) && o.started_at == row.started_at);
            let from = match shared.map(|o| o.ended_at) {
                None => row.started_at,
                Some(Some(parted)) if row.ended_at.is_none_or(|end| end > parted) => parted,
                Some(_) => continue,
            };
            if row.ended_at.is_none_or(|end| end >= target.time) {
                windows.push(Window { from, to: row.ended_at });
            }
        }
    }
    Ok(windows)
}

/// Files that `enable` wrote into the work tree.
fn installed_paths(app: &App<'_>) -> Result<Vec<RepoPath>> {
    let mut paths = super::git_install::in_work_tree(app)?;
    paths.extend(local::installed(&app.repo)?.iter().filter_map(|f| RepoPath::new(f.path.as_str()).ok()));
    Ok(paths)
}

/// The refusal that names the paths and what to type.
pub fn needed(verb: &str, foreign: &[RepoPath]) -> Failure {
    let message = format!(
        "{} changed outside of this session since then; nothing was changed",
        if let [one] = foreign { format!("{one} was") } else { format!("{} files were", foreign.len()) }
    );
    Failure::new(FailureKind::Refused, "rewind.foreign", message)
        .hint(format!(
            "`{verb} --mine` leaves them as they are, `{verb} --all` takes them back too, `{verb} -- PATH...` picks paths."
        ))
        .details(foreign.iter().map(RepoPath::escaped).collect())
}

//! Paths of a plan that someone else changed: found, and the choice that they need.

use std::collections::HashSet;

use serde::Serialize;

use super::life::Lives;
use super::{App, Result, find, signs};
use crate::base::{RepoPath, SessionId, Timestamp};
use crate::engine::foreign::{self, Home, Question, Window};
use crate::engine::history::History;
use crate::engine::store::{self, Tip};
use crate::engine::{Plan, Snapshot, layout, local};
use crate::git::Oid;
use crate::model::{Checkpoint, Session, TurnRow};

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

/// The foreign paths of a plan.
pub fn foreign_paths(
    app: &App<'_>,
    tip: &Tip,
    history: &History,
    target: &Checkpoint,
    present: &Snapshot,
    plan: &Plan,
) -> Result<Vec<RepoPath>> {
    let paths: Vec<RepoPath> = plan.items.iter().map(|i| i.path.clone()).collect();
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let known = Known::of(app, tip, target)?;
    let found = foreign::find(&app.repo, &known.question(app, history, present, target), &paths)?;
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
    let known = Known::of(app, tip, start)?;
    let found = foreign::find_up_to(&app.repo, &known.question(app, history, present, start), end, paths)?;
    with_installed(app, found, paths)
}

/// What has to be known to say whose a change is.
struct Known {
    others: Vec<Window>,
    rows: Vec<TurnRow>,
    sign: Option<Timestamp>,
    home: Home,
    shared: HashSet<SessionId>,
    has_agent: bool,
}

impl Known {
    fn of(app: &App<'_>, tip: &Tip, target: &Checkpoint) -> Result<Self> {
        let rows = layout::read_rows(&app.repo.objects, tip.checkpoint.meta_tree, &tip.session, 0)?;
        Ok(Self {
            others: windows_of_others(app, tip, &rows, target)?,
            sign: signs::of_open_turn(app, &tip.session, &rows)?,
            rows,
            home: Home { clone: Some(local::clone_id(&app.repo, &app.ids)?), worktree: app.repo.worktree_name() },
            shared: store::tracked(&app.repo)?.into_iter().map(|(_, id, _)| id).collect(),
            has_agent: tip.session.agent.kind != "none",
        })
    }

    fn question<'a>(
        &'a self,
        app: &App<'_>,
        history: &'a History,
        present: &'a Snapshot,
        target: &'a Checkpoint,
    ) -> Question<'a> {
        Question {
            history,
            present,
            now: app.now(),
            target,
            others: &self.others,
            has_agent: self.has_agent,
            rows: &self.rows,
            sign: self.sign,
            home: &self.home,
            shared: &self.shared,
        }
    }
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
fn windows_of_others(app: &App<'_>, tip: &Tip, own: &[TurnRow], target: &Checkpoint) -> Result<Vec<Window>> {
    let here = app.repo.worktree_name();
    let lives = Lives::load(app)?;
    let mut windows = Vec::new();
    for found in find::all(app)? {
        let (Ok(session), Some(tip_there)) = (found.session, found.tip) else { continue };
        // A turn that was begun before may still be open, its agent at work since without a word.
        let is_old = session.updated_at < target.time;
        if found.id == tip.session.id || session.worktree != here || is_old && session.ended_at.is_some() {
            continue;
        }
        let tree = app.repo.objects.read_commit(tip_there)?.tree;
        // Of a session whose rows are damaged all of its life counts: one session's damage stops no other's rewind.
        if is_old && !lives.is_noted(&session) && !has_open_turn(app, &session, tree).unwrap_or(false) {
            continue;
        }
        let Ok(rows) = layout::read_rows(&app.repo.objects, tree, &session, 0) else {
            windows.push(Window { from: session.created_at, to: Some(session.updated_at) });
            continue;
        };
        for row in rows {
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

/// Whether one of the last turns is open.
fn has_open_turn(app: &App<'_>, session: &Session, tree: Oid) -> Result<bool> {
    const LAST: u32 = 4;
    let rows = layout::read_rows(&app.repo.objects, tree, session, session.rows.saturating_sub(LAST))?;
    Ok(rows.iter().any(TurnRow::is_open))
}

/// Files that `enable` wrote into the work tree.
fn installed_paths(app: &App<'_>) -> Result<Vec<RepoPath>> {
    let mut paths = super::git_install::in_work_tree(app)?;
    paths.extend(local::installed(&app.repo)?.iter().filter_map(|f| RepoPath::new(f.path.as_str()).ok()));
    Ok(paths)
}

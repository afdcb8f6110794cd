//! `fork [TITLE]`: an independent session from any checkpoint, with a branch, and if wanted a worktree of its own.
//!
//! The fork shares everything up to the fork point. Its branch never reaches a commit of ours: it is one clean commit on the
//! base, or the base itself where the files are put into a worktree as uncommitted work. What can be refused is refused before
//! anything is made; what fails later is taken back ([`made`]).

mod base;
mod branch;
mod checkpoint;
mod made;
mod point;
mod switch;
mod worktree;

use std::path::PathBuf;

use serde::Serialize;

use self::branch::Branch;
use self::checkpoint::Fork;
use self::made::Made;
use self::point::Point;
use self::switch::Switch;
use self::worktree::Site;
use super::choice::Foreign;
use super::moving::Files;
use super::native::RunsIn;
use super::rewind::Place;
use super::{App, Result, find, moving, native, settle, trust};
use crate::base::{RepoPath, SessionId};
use crate::engine::{binding, local, theirs};
use crate::git::{Head, Oid};
use crate::model::session::Lineage;
use crate::model::{Mode, Scope};

/// How to fork.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Title of the fork; `Fork of ...` where `None`.
    pub title: Option<String>,
    /// Which session; the default one where `None`.
    pub session: Option<String>,
    /// The checkpoint; the present state where `None`.
    pub at: Option<String>,
    /// The branch's name; made from the title where `None`.
    pub branch: Option<String>,
    /// Make no branch.
    pub no_branch: bool,
    /// Make a worktree there and put the files into it.
    pub worktree: Option<PathBuf>,
    /// Switch this worktree to the branch, and its files to the fork point.
    pub switch: bool,
    /// With `switch`: what to do with files that someone else changed. Unless it is asked, what cannot be touched is left.
    pub foreign: Foreign,
    /// Say what would be made, make nothing.
    pub dry_run: bool,
    /// Take configuration of somebody else that runs commands along, too.
    pub trust: bool,
}

impl Options {
    /// Whether the files become uncommitted work on the base.
    const fn as_work(&self) -> bool {
        self.switch || self.worktree.is_some()
    }
}

/// The fork, or what it would be.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Whether this only says what would happen.
    pub dry_run: bool,
    /// Its id; absent in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// Its title.
    pub title: String,
    /// The session that was forked.
    pub parent_session: SessionId,
    /// The fork point.
    pub at: Place,
    /// How much the fork point looked at; for the rest it stands for what the checkpoints before it held.
    pub scope: Scope,
    /// The fork's first checkpoint; absent in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<u64>,
    /// The branch that was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The commit that it points at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch_commit: Option<Oid>,
    /// The commit of the project that the fork stands on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<Oid>,
    /// Why there is no branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_branch: Option<&'static str>,
    /// Paths that the branch, or the work on it, has otherwise than the base.
    pub files: Vec<RepoPath>,
    /// Untracked files that look like secrets, left out of the branch.
    pub left_out: Vec<RepoPath>,
    /// With `--switch`: what changes in this work tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub here: Option<Files>,
    /// The worktree that was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worktree: Option<PathBuf>,
    /// Whose session it is, where it was only pulled until now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whose: Option<trust::Whose>,
    /// Files of somebody else's checkpoint that run commands.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub executable: Vec<RepoPath>,
    /// How to resume the fork's conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub native: Option<native::Native>,
}

/// Forks.
///
/// # Errors
/// A name or folder that is taken (5), no first commit, or files that need a choice (6): nothing was changed then.
pub fn run(app: &App<'_>, options: &Options) -> Result<Outcome> {
    app.repo.work_dir()?;
    let _lock = app.lock_worktree()?;
    if !options.dry_run {
        settle::settle(app)?;
        worktree::clear_half_added(app)?;
    }
    let tip = find::session(app, options.session.as_deref())?;
    if options.switch {
        moving::refuse_during_operation(app, Mode::Code, false)?;
    }
    let given = options.title.clone().filter(|t| !t.trim().is_empty());
    let title = given.unwrap_or_else(|| format!("Fork of {}", tip.session.display_title()));
    let site = options.worktree.as_deref().map(|path| Site::look(app, path)).transpose()?;
    let point = Point::find(app, tip, options.at.as_deref())?;
    let branch = Branch::plan(app, options, &title, &point.at)?;
    let switch = match (options.switch, options.at.is_some()) {
        (true, true) => Some(Switch::plan(app, options, &point)?),
        (true, false) => Some(Switch::default()),
        (false, _) => None,
    };
    let mut outcome = Outcome {
        dry_run: options.dry_run,
        session: None,
        title,
        parent_session: point.parent.session.id,
        at: Place::from(&point.at.checkpoint),
        scope: point.at.checkpoint.scope,
        checkpoint: None,
        branch: branch.short_name(),
        branch_commit: None,
        base: branch.base,
        no_branch: branch.why_none,
        files: branch.files.clone(),
        left_out: branch.left_out.clone(),
        here: switch.as_ref().map(|s| s.files.clone()),
        worktree: site.as_ref().map(|site| site.path.clone()),
        native: None,
        whose: trust::whose(app, &point.parent)?,
        executable: Vec::new(),
    };
    if trust::is_theirs(app, &point.parent, point.at.checkpoint.number)? {
        let here = switch.iter().flat_map(|s| &s.files.written);
        outcome.executable = trust::executable(app, point.at.code_tree, outcome.files.iter().chain(here))?;
        outcome.executable.sort();
        outcome.executable.dedup();
    }
    if options.dry_run {
        app.writers()?;
        if site.is_some() {
            branch.can_be_filled(app, &point.at)?;
        }
        return Ok(outcome);
    }
    if !options.trust && !outcome.executable.is_empty() {
        let line =
            format!("session fork --session {} --at {}", point.parent.session.id.short(), point.at.checkpoint.number);
        return Err(trust::needed(&line, outcome.whose.as_ref(), &outcome.executable));
    }
    find::take_up(app, &point.parent)?;
    let mut made = Made::new(app);
    let parts = Parts { point, branch: &branch, site: site.as_ref(), switch: switch.as_ref() };
    match make(app, parts, &mut made, &mut outcome) {
        Ok(()) => Ok(outcome),
        Err(failure) => Err(made.take_back(failure)),
    }
}

/// What a fork is made from.
struct Parts<'a> {
    point: Point,
    branch: &'a Branch,
    site: Option<&'a Site>,
    switch: Option<&'a Switch>,
}

/// Makes everything, step by step.
fn make(app: &App<'_>, parts: Parts<'_>, made: &mut Made<'_>, outcome: &mut Outcome) -> Result<()> {
    let Parts { point, branch, .. } = parts;
    let (parent, at) = (&point.parent, &point.at);
    let placed = branch.make(app, &outcome.title, made)?;
    outcome.branch = placed.as_ref().and_then(|(name, _)| name.as_branch()).map(str::to_owned);
    outcome.branch_commit = placed.as_ref().map(|(_, commit)| *commit);
    let there = match (parts.site, &placed) {
        (Some(site), Some((name, commit))) => Some(site.fill(app, name, *commit, at, made)?),
        _ => None,
    };
    let place = there.as_ref().unwrap_or(&app.repo);
    let cwd = if let Some(there) = &there { there.work_dir()?.to_owned() } else { app.cwd.clone() };
    outcome.worktree = there.as_ref().map(|_| cwd.clone());

    let talk = native::conversation_at(app, point.talks(), at.checkpoint.meta_tree)?;
    if let (Some(talk), Some(agent)) = (&talk, crate::agents::of_session(&parent.session.agent.kind)) {
        let worktree = place.worktree_name();
        let runs = RunsIn { cwd: &cwd, worktree: &worktree };
        let mut written = native::write(app, agent, &parent.session, talk, runs, Some(&outcome.title))?.native;
        made.file(&written.path);
        written.dir = there.as_ref().map(|_| cwd.clone());
        outcome.native = Some(written);
    }
    let id = app.ids.session();
    if let Some(native) = &outcome.native {
        let known = binding::Native { session: id, transcript: Some(native.path.clone()), inode: None, resumes: None };
        made.native(&native.session_id);
        binding::minted(&app.repo, &native.session_id, &known)?;
    }
    // The fork stands on its branch only where that is checked out.
    let on_branch = there.is_some() || parts.switch.is_some();
    let head = match &placed {
        Some((name, commit)) if on_branch => Head { branch: Some(name.clone()), commit: Some(*commit) },
        _ => checkpoint::head_at(at),
    };
    let lineage =
        Lineage { parent_session: parent.session.id, checkpoint: at.checkpoint.number, branch: outcome.branch.clone() };
    let fork =
        Fork { id, title: &outcome.title, lineage, native: outcome.native.as_ref(), repo: place, head, cwd: &cwd };
    let first = checkpoint::first(app, at, point.unsaved, fork)?;
    made.session(id, first.checkpoint.commit);
    theirs::inherit(&app.repo, parent.session.id, id, at.checkpoint.number)?;
    if let (Some(switch), Some((name, commit))) = (parts.switch, &placed) {
        switch.go(app, &first, name, *commit, made)?;
    }
    local::set_current(place, Some(&local::Current { session: id, cleared: false }))?;
    outcome.session = Some(id);
    outcome.checkpoint = Some(first.checkpoint.number);
    Ok(())
}

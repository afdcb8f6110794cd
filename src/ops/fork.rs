//! `fork [TITLE]`: an independent session from any checkpoint, with a branch, and if wanted a worktree of its own.
//!
//! The fork shares everything up to the fork point. Its branch never reaches a commit of ours: it is one clean commit on the
//! base, or the base itself where the files are put into a worktree as uncommitted work.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::record::{Purpose, Recording};
use super::rewind::Place;
use super::{App, Failure, FailureKind, Result, address, find, label, moving, native, settle};
use crate::base::{RepoPath, SessionId, text};
use crate::engine::history::History;
use crate::engine::plan::Target;
use crate::engine::store::Tip;
use crate::engine::{layout, local, plan, restore, snapshot, store};
use crate::features::secret_names::looks_secret;
use crate::git::tree::Edit;
use crate::git::{Expected, NewCommit, Oid, RefEdit, RefName, Repo, tree, worktree};
use crate::model::session::{Lineage, TitleSource};
use crate::model::{Kind, Mode};

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
}

/// The fork.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Its id.
    pub session: SessionId,
    /// Its title.
    pub title: String,
    /// The session that was forked.
    pub parent_session: SessionId,
    /// The fork point.
    pub at: Place,
    /// The fork's first checkpoint.
    pub checkpoint: u64,
    /// The branch that was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The commit that it points at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch_commit: Option<Oid>,
    /// Why there is no branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_branch: Option<&'static str>,
    /// Untracked files that look like secrets, left out of the branch.
    pub left_out: Vec<RepoPath>,
    /// The worktree that was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worktree: Option<PathBuf>,
    /// How to resume the fork's conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub native: Option<native::Native>,
}

/// Forks.
pub fn run(app: &App<'_>, options: &Options) -> Result<Outcome> {
    let _lock = app.lock_worktree()?;
    settle::settle(app)?;
    let tip = find::session(app, options.session.as_deref())?;
    let pulled = find::is_only_pulled(app, &tip)?;
    find::take_up(app, &tip)?;
    // Without a checkpoint named, the fork point is now; of a session that never ran here, its newest checkpoint.
    let tip = match &options.at {
        Some(_) => tip,
        None if pulled => tip,
        None => {
            let mut recording = moving::begin(app, tip)?;
            recording.capture_code(app, None)?;
            let turn = recording.open_live_row().map(|at| recording.rows[at].turn);
            recording.finish(app, Purpose::new(Kind::Save, turn, "before a fork"))?.tip
        }
    };
    let history = History::load(&app.repo, tip.checkpoint.commit)?;
    let at = match &options.at {
        Some(text) => address::checkpoint(app, &tip, &history, text)?,
        None => &tip.checkpoint,
    };
    let point = store::load(&app.repo, at.commit)?;
    let branch = Branch::plan(app, options, &tip, &point)?;
    let title = options
        .title
        .clone()
        .filter(|t| !t.trim().is_empty())
        .unwrap_or_else(|| format!("Fork of {}", tip.session.display_title()));
    let talk = native::conversation_at(app, &tip, point.checkpoint.meta_tree)?;
    if options.switch && options.at.is_some() {
        bring_files(app, &tip, at)?;
    }

    // Everything that can be refused was looked at: from here on things are made.
    let made = branch.make(app, options)?;
    let there = match &options.worktree {
        Some(path) => Some(fill_worktree(app, path, &made, &point)?),
        None => None,
    };
    let folder = there.as_ref().map(|there| there.work_dir().map(Path::to_owned)).transpose()?;
    let cwd = folder.clone().unwrap_or_else(|| app.cwd.clone());
    let native = match (&talk, crate::agents::of_session(&tip.session.agent.kind)) {
        (Some(talk), Some(agent)) => Some(native::write(app, agent, &tip.session, talk, &cwd, Some(&title))?.native),
        _ => None,
    };
    let id = app.ids.session();
    let place = there.as_ref().unwrap_or(&app.repo);
    let lineage =
        Lineage { parent_session: tip.session.id, checkpoint: point.checkpoint.number, branch: made.name.clone() };
    let fork = Fork { id, title: &title, lineage, native: native.as_ref(), repo: place, cwd: &cwd };
    let forked = first_checkpoint(app, &point, fork)?;
    if let Some(native) = &native {
        let known = local::Native { session: id, transcript: Some(native.path.clone()), inode: None };
        local::set_native(&app.repo, &native.session_id, &known)?;
    }
    let current = local::Current { session: id, cleared: false };
    local::set_current(place, Some(&current))?;
    Ok(Outcome {
        session: id,
        title,
        parent_session: tip.session.id,
        at: Place::from(at),
        checkpoint: forked.checkpoint.number,
        branch: made.name,
        branch_commit: made.commit,
        no_branch: made.why_none,
        left_out: made.left_out,
        worktree: folder,
        native,
    })
}

/// What a fork is, and where it will run.
struct Fork<'a> {
    id: SessionId,
    title: &'a str,
    lineage: Lineage,
    native: Option<&'a native::Native>,
    repo: &'a Repo,
    cwd: &'a Path,
}

/// The fork's first checkpoint: the fork point's code and trees, under a new id.
fn first_checkpoint(app: &App<'_>, point: &Tip, fork: Fork<'_>) -> Result<Tip> {
    let now = app.now();
    let mut recording = Recording::on(app, point.clone())?;
    recording.head = fork.repo.head()?;
    // A turn that was open at the fork point is not part of the fork's conversation.
    if let Some(open) = recording.open_live_row() {
        if open + 1 == recording.rows.len() {
            recording.withdraw_last_row()?;
        } else {
            let row = recording.row_mut(open);
            row.ended_at = Some(point.checkpoint.time.max(row.started_at));
            row.interrupted = true;
            row.end = Some(row.start);
        }
    }
    let session = &mut recording.session;
    session.id = fork.id;
    session.label = Some(label::next(app)?);
    session.name = None;
    session.title = Some(fork.title.to_owned());
    session.title_source = Some(TitleSource::Custom);
    let parent = fork.lineage.parent_session;
    session.lineage = Some(fork.lineage);
    session.agent.native_ids = fork.native.map(|n| n.session_id.clone()).into_iter().collect();
    session.agent.transcript_path = fork.native.map(|n| n.path.to_string_lossy().into_owned());
    session.worktree = fork.repo.worktree_name();
    session.cwd = fork.cwd.to_string_lossy().into_owned();
    session.created_at = now;
    session.updated_at = now;
    session.active_ms = 0;
    session.ended_at = None;
    let mut purpose = Purpose::new(Kind::Fork, None, fork.title).always();
    purpose.parent_session = Some(parent);
    Ok(recording.finish(app, purpose)?.tip)
}

/// A branch to be made.
struct Branch {
    name: Option<RefName>,
    base: Option<Oid>,
    /// The tree of the clean commit; `None` where the branch is the base itself.
    tree: Option<Oid>,
    left_out: Vec<RepoPath>,
    title: String,
    why_none: Option<&'static str>,
}

/// A branch that was made.
#[derive(Default)]
struct Made {
    name: Option<String>,
    commit: Option<Oid>,
    left_out: Vec<RepoPath>,
    why_none: Option<&'static str>,
}

impl Branch {
    fn plan(app: &App<'_>, options: &Options, tip: &Tip, point: &Tip) -> Result<Self> {
        let title = options.title.clone().unwrap_or_else(|| format!("Fork of {}", tip.session.display_title()));
        let none = |why| Self {
            name: None,
            base: None,
            tree: None,
            left_out: Vec::new(),
            title: title.clone(),
            why_none: Some(why),
        };
        let as_work = options.switch || options.worktree.is_some();
        let Some(base) = point.checkpoint.base else {
            if as_work {
                return Err(Failure::new(
                    FailureKind::Refused,
                    "fork.unborn",
                    "the repository had no commit at that checkpoint; nothing was changed",
                )
                .hint("Commit something first, or fork without --worktree and --switch."));
            }
            return Ok(none("the repository had no commit at that checkpoint"));
        };
        if options.no_branch {
            let mut branch = none("as asked");
            branch.base = Some(base);
            return Ok(branch);
        }
        let name = match &options.branch {
            Some(wanted) => {
                let name = RefName::branch(wanted)?;
                if app.repo.refs.read(&name)?.is_some() {
                    return Err(Failure::new(
                        FailureKind::Conflict,
                        "branch.exists",
                        format!("branch {wanted} already exists"),
                    )
                    .target(wanted.clone())
                    .hint("Choose another name with --branch."));
                }
                name
            }
            None => free_name(app, &title)?,
        };
        let (tree, left_out) = if as_work { (None, Vec::new()) } else { clean_tree(app, base, point.code_tree)? };
        Ok(Self { name: Some(name), base: Some(base), tree, left_out, title, why_none: None })
    }

    fn make(self, app: &App<'_>, options: &Options) -> Result<Made> {
        let (Some(base), Some(name)) = (self.base, self.name) else {
            return Ok(Made { why_none: self.why_none, commit: self.base, ..Made::default() });
        };
        let commit = match self.tree {
            None => base,
            Some(tree) => {
                let author = app.repo.author(app.now(), app.now().local_offset())?;
                app.repo.objects.write_commit(&NewCommit {
                    tree,
                    parents: &[base],
                    author: &author,
                    committer: &author,
                    message: format!("{}\n", text::first_line(&self.title, 72)).as_bytes(),
                })?
            }
        };
        let short = name.as_branch().unwrap_or_default().to_owned();
        // A worktree's branch is made by git together with the worktree.
        if options.worktree.is_none() {
            app.repo.refs.update(&RefEdit {
                name,
                new: Some(commit),
                expected: Expected::Absent,
                message: "branch: created by session fork".to_owned(),
            })?;
        }
        if options.switch {
            worktree::point_head_at(&app.repo, &short)?;
            if app.repo.head()?.commit == Some(base) {
                worktree::fill_index(&app.repo)?;
            }
        }
        Ok(Made { name: Some(short), commit: Some(commit), left_out: self.left_out, why_none: None })
    }
}

/// The checkpoint's tree without untracked files that look like secrets; those are named.
fn clean_tree(app: &App<'_>, base: Oid, tree: Oid) -> Result<(Option<Oid>, Vec<RepoPath>)> {
    let objects = &app.repo.objects;
    let committed = objects.read_commit(base)?.tree;
    let secret: Vec<RepoPath> = tree::diff(objects, committed, tree)?
        .into_iter()
        .filter(|c| c.old.is_none() && looks_secret(&c.path))
        .map(|c| c.path)
        .collect();
    let edits: Vec<Edit> = secret.iter().map(|p| (p.clone(), None)).collect();
    Ok((Some(tree::edit(objects, tree, edits)?), secret))
}

/// `session/<slug>`, or `session-<slug>` where a branch `session` is in the way; numbered until it is free.
fn free_name(app: &App<'_>, title: &str) -> Result<RefName> {
    let slug = slug(title);
    let in_the_way = app.repo.refs.read(&RefName::branch("session")?)?.is_some();
    let separator = if in_the_way { '-' } else { '/' };
    for n in 1..1000 {
        let name = if n == 1 { format!("session{separator}{slug}") } else { format!("session{separator}{slug}-{n}") };
        let name = RefName::branch(&name)?;
        if app.repo.refs.read(&name)?.is_none() {
            return Ok(name);
        }
    }
    Err(Failure::new(FailureKind::Conflict, "branch.exists", "no free branch name was found")
        .hint("Choose one with --branch."))
}

/// Lower-case words of the title with hyphens, at most 40 characters.
fn slug(title: &str) -> String {
    let mut out = String::new();
    for c in title.to_lowercase().chars() {
        if c.is_alphanumeric() {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
        if out.chars().count() >= 40 {
            break;
        }
    }
    let out = out.trim_matches('-').to_owned();
    if out.is_empty() { "fork".to_owned() } else { out }
}

/// With `--switch`: brings the files to the fork point by a rewind of the parent session, with all its care.
fn bring_files(app: &App<'_>, tip: &Tip, at: &crate::model::Checkpoint) -> Result<()> {
    let mut recording = moving::begin(app, tip.clone())?;
    moving::refuse_during_operation(app, Mode::Code, false)?;
    let present = recording.capture_code(app, None)?;
    let history = History::load(&app.repo, tip.checkpoint.commit)?;
    let plan = moving::plan(app, &history, at, &present, &[])?;
    if plan.is_empty() {
        return Ok(());
    }
    let destination = moving::Destination {
        kind: Kind::Rewind,
        mode: Mode::Code,
        target: at,
        redone: None,
        foreign: super::choice::Foreign::Ask,
        dry_run: false,
        force: false,
        paths: &[],
    };
    moving::go(app, recording, &history, &destination, Some(present), Some(plan), None).map(drop)
}

/// Makes the worktree through git, then puts the fork point's files into it through the one writer.
fn fill_worktree(app: &App<'_>, path: &Path, made: &Made, point: &Tip) -> Result<Repo> {
    let path = app.cwd.join(path);
    let Some(commit) = made.commit else {
        return Err(Failure::new(FailureKind::Internal, "internal", "a worktree without a commit"));
    };
    worktree::add(&app.repo, &path, made.name.as_deref(), commit)?;
    let there = Repo::discover(&path, &crate::git::repo::RepoEnv::default())?;
    worktree::fill_index(&there)?;
    let options = app.snapshot_options(None)?;
    let present = snapshot::take(&there, None, &options, app.progress)?;
    let skipped = layout::read_skipped(&app.repo.objects, point.checkpoint.meta_tree)?;
    let target =
        Target { tree: point.code_tree, scope: crate::model::Scope::Full, skipped: &skipped, only: None, leave: &[] };
    let modes = layout::read_modes(&app.repo.objects, point.checkpoint.meta_tree)?;
    let mut plan = plan::make(&there, &present, &target)?;
    plan::add_bits(&there, &mut plan, &present, &target, &modes)?;
    let modes = plan::bits(&plan, &present, &modes);
    let root = there.work_dir()?.to_owned();
    restore::apply(&there, &plan, &modes, &root, app.progress)?;
    Ok(there)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_plain_words() {
        assert_eq!(slug("Fork of Fix: the PARSER!"), "fork-of-fix-the-parser");
        assert_eq!(slug("日本語 テスト"), "日本語-テスト");
        assert_eq!(slug("///"), "fork");
    }
}

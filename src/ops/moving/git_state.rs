//! The index and HEAD of a checkpoint, put back where the user asked for that very thing (`--staged`, `--head`).
//!
//! Whether git's locks are free is looked at before a file moves. Where the move is interrupted all the same, the journal
//! says what was asked and what was there, and whoever settles it completes that ([`finish`]).

use serde::{Deserialize, Serialize};

use super::Destination;
use crate::base::Error as BaseError;
use crate::engine::layout;
use crate::git::{FileMode, Head, Oid, RefName, branch_use, index, index_write, tree};
use crate::model::Checkpoint;
use crate::ops::{App, Result};

/// Where HEAD goes.
#[derive(Clone, Debug, Serialize)]
pub struct HeadMove {
    /// The branch that it is on before; none where it is detached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_branch: Option<String>,
    /// The branch that it is on afterwards; none where it is detached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The commit that it is at afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<Oid>,
    /// The branch that it was on at the checkpoint, where it does not go back there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_on: Option<String>,
}

/// What git itself held besides the files.
#[derive(Clone, Debug)]
pub struct GitState {
    index: Standing,
    head: Head,
}

/// An index, as three kinds of trees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Standing {
    staged: Oid,
    conflicts: [Option<Oid>; 3],
    intended: Option<Oid>,
}

/// What was asked for besides the files, and what was there before: as a journal keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    staged: bool,
    head: bool,
    index_before: Standing,
    branch_before: Option<String>,
    commit_before: Option<Oid>,
}

impl Standing {
    /// The user's index now.
    fn now(app: &App<'_>) -> Result<Self> {
        let repo = &app.repo;
        let index = index::read(repo)?;
        let conflict = |stage| index::conflict_tree(repo, &index, stage);
        Ok(Self {
            staged: index::staged_tree(repo, &index)?,
            conflicts: [conflict(1)?, conflict(2)?, conflict(3)?],
            intended: index::intended_tree(repo, &index)?,
        })
    }
}

impl GitState {
    /// Of a checkpoint. Where it stored no index of its own, the staged tree was HEAD's. A branch that another worktree uses
    /// by now is not taken from it: HEAD goes to the commit then.
    pub fn of(app: &App<'_>, checkpoint: &Checkpoint) -> Result<Self> {
        let objects = &app.repo.objects;
        let folder = |at| -> Result<Option<Oid>> {
            let entry = tree::lookup(objects, checkpoint.meta_tree, &at)?;
            Ok(entry.filter(|(mode, _)| *mode == FileMode::Tree).map(|(_, oid)| oid))
        };
        let committed = match checkpoint.base {
            Some(base) => objects.read_commit(base)?.tree,
            None => objects.format().empty_tree(),
        };
        let branch = checkpoint.head.as_ref().and_then(|b| RefName::branch(std::str::from_utf8(b).ok()?).ok());
        let branch = match branch {
            Some(branch) if branch_use::in_another_worktree(&app.repo, &branch)?.is_some() => None,
            branch => branch,
        };
        let index = Standing {
            staged: folder(layout::index()?)?.unwrap_or(committed),
            conflicts: [
                folder(layout::index_conflict(1)?)?,
                folder(layout::index_conflict(2)?)?,
                folder(layout::index_conflict(3)?)?,
            ],
            intended: folder(layout::index_intended()?)?,
        };
        Ok(Self { index, head: Head { branch, commit: checkpoint.base } })
    }

    /// What has to be done where what was asked for differs from what is there; `None` where nothing does.
    ///
    /// # Errors
    /// Another git holds a lock that this takes.
    pub fn needed(&self, app: &App<'_>, to: &Destination<'_>) -> Result<Option<Asked>> {
        let (head, index) = (app.repo.head()?, Standing::now(app)?);
        let asked = Asked {
            staged: to.terms.staged && index != self.index,
            head: to.terms.head && head != self.head,
            index_before: index,
            branch_before: head.branch.map(|branch| branch.as_str().to_owned()),
            commit_before: head.commit,
        };
        if !asked.staged && !asked.head {
            return Ok(None);
        }
        // HEAD may go to another commit than the index was of.
        let asked = Asked { staged: to.terms.staged, head: to.terms.head, ..asked };
        are_free(app, &asked)?;
        Ok(Some(asked))
    }

    /// Where HEAD goes, if it was asked for and it moves.
    pub fn head_move(&self, app: &App<'_>, to: &Destination<'_>) -> Result<Option<HeadMove>> {
        let (before, after) = (app.repo.head()?, index_write::head_after(&app.repo, &self.head)?);
        if !to.terms.head || before == after {
            return Ok(None);
        }
        let name = |branch: &Option<RefName>| Some(branch.as_ref()?.as_branch()?.to_owned());
        let was_on = to.target.head.as_ref().map(ToString::to_string);
        let not_on = was_on.filter(|_| after.branch.is_none());
        let (from_branch, branch) = (name(&before.branch), name(&after.branch));
        Ok(Some(HeadMove { from_branch, branch, commit: after.commit, not_on }))
    }

    /// Puts back what was asked for. No branch moves, no file is touched.
    pub fn restore(&self, app: &App<'_>, asked: &Asked) -> Result<()> {
        if asked.head {
            index_write::set_head(&app.repo, &self.head)?;
        }
        if asked.staged {
            let Standing { staged, conflicts, intended } = self.index;
            index_write::set_index(&app.repo, staged, conflicts, intended)?;
        }
        Ok(())
    }
}

/// Completes what an interrupted move was asked to do besides the files. What someone staged or switched to since stays.
///
/// # Errors
/// Another git holds a lock that this takes; nothing was changed then.
pub fn finish(app: &App<'_>, target: &Checkpoint, asked: &Asked) -> Result<()> {
    are_free(app, asked)?;
    let state = GitState::of(app, target)?;
    let (head, index) = (app.repo.head()?, Standing::now(app)?);
    let branch = head.branch.as_ref().map(RefName::as_str);
    let head_is_ours =
        head == state.head || (branch, head.commit) == (asked.branch_before.as_deref(), asked.commit_before);
    // A death may have come after the tree was read and before its conflicts were.
    let index_is_ours = index == asked.index_before || index.staged == state.index.staged;
    let left = Asked { staged: asked.staged && index_is_ours, head: asked.head && head_is_ours, ..asked.clone() };
    state.restore(app, &left)
}

/// Whether nobody holds the locks that git takes for this.
fn are_free(app: &App<'_>, asked: &Asked) -> Result<()> {
    let head = if app.repo.caps.ref_format == "files" { "HEAD.lock" } else { "reftable/tables.list.lock" };
    for (is_asked, name) in [(asked.staged, "index.lock"), (asked.head, head)] {
        let path = app.repo.git_dir.join(name);
        if is_asked && path.symlink_metadata().is_ok() {
            return Err(BaseError::Locked { path, holder: None }.into());
        }
    }
    Ok(())
}

//! The worktree of a fork: where it may lie, and how it gets the fork point's files.

use std::path::{Path, PathBuf};

use super::made::Made;
use crate::base::file;
use crate::engine::plan::{Target, WantedFiles};
use crate::engine::store::Tip;
use crate::engine::{half_added, plan, restore, snapshot};
use crate::git::{FileMode, Oid, RefName, Repo, tree, worktree};
use crate::model::{Scope, Skipped};
use crate::ops::{App, Failure, FailureKind, Result, modes};

/// A place where a worktree may be made.
#[derive(Debug)]
pub struct Site {
    /// The absolute path.
    pub path: PathBuf,
    /// Whether an empty folder is there.
    was_there: bool,
}

impl Site {
    /// Looks whether a worktree can be made there; makes nothing.
    ///
    /// # Errors
    /// Something is there (5); it lies in a git dir, or in this work tree where git would take it for untracked files (6).
    pub fn look(app: &App<'_>, typed: &Path) -> Result<Self> {
        let path = file::normal(&app.cwd.join(typed));
        let was_there = match std::fs::symlink_metadata(&path) {
            Err(_) => false,
            Ok(there) if there.is_dir() => {
                let mut entries = std::fs::read_dir(&path).map_err(crate::base::Error::io("read the folder", &path))?;
                if entries.next().is_some() {
                    return Err(taken(&path, "is not empty"));
                }
                true
            }
            Ok(_) => return Err(taken(&path, "exists already")),
        };
        if let Some(known) = worktree::missing_at(&app.repo, &path)? {
            return Err(still_known(&path, known));
        }
        let (real, rest) = existing(&path);
        if !real.is_dir() {
            return Err(taken(&real, "is not a folder"));
        }
        let real = real.join(rest);
        let repo = &app.repo;
        if [&repo.git_dir, &repo.common_dir].iter().any(|dir| real.starts_with(dir)) {
            return Err(misplaced(&path, "in git's own folder"));
        }
        if let Ok(below) = real.strip_prefix(repo.work_dir()?)
            && !worktree::is_ignored(repo, below)?
        {
            return Err(misplaced(&path, "inside this work tree, and git would take it for untracked files"));
        }
        Ok(Self { path, was_there })
    }

    /// Makes the worktree through git, then puts the fork point's files into it through the one writer.
    pub fn fill(&self, app: &App<'_>, branch: &RefName, base: Oid, point: &Tip, made: &mut Made<'_>) -> Result<Repo> {
        made.folders_above(&self.path);
        half_added::note(&app.repo, &self.path)?;
        if let Err(error) = worktree::add(&app.repo, &self.path, branch) {
            // Where git was killed its own cleaning up did not run.
            if let Some(half) = half_added::find(&app.repo)? {
                half.take_away(&app.repo)?;
                if !self.was_there && self.path.is_dir() {
                    std::fs::remove_dir(&self.path).map_err(crate::base::Error::io("remove the folder", &self.path))?;
                }
            }
            half_added::forget(&app.repo)?;
            return Err(error.into());
        }
        half_added::forget(&app.repo)?;
        made.worktree(&self.path, self.was_there);
        let there = worktree::open(&app.repo, &self.path)?;
        worktree::fill_index(&there)?;
        worktree::copy_sparse(&app.repo, &there, base)?;
        let present = snapshot::take(&there, None, &app.snapshot_options(None)?, app.progress)?;
        // Nothing else is here: a partial checkpoint, and what was left out of one, stands for its whole tree.
        let skipped = Skipped::default();
        let target = Target::whole(point.code_tree, Scope::Full, &skipped);
        let modes = modes::recorded(app, &point.checkpoint, point.code_tree)?;
        let mut plan = plan::make(&there, &present, &target)?;
        plan::add_bits(&there, &mut plan, &present, &target, &modes)?;
        let wanted = WantedFiles::of_checkpoint(&app.repo, point.checkpoint.meta_tree)?;
        plan::convert(&there, &mut plan, &present, &target, &wanted)?;
        plan.render(&there)?;
        let modes = plan::bits(&plan, &present, &modes);
        let root = there.work_dir()?.to_owned();
        restore::apply(&there, &plan, &modes, &root, app.progress)?;
        // As git does: a submodule that is not there yet has its empty folder.
        for (path, mode, _) in tree::list_files(&app.repo.objects, point.code_tree)? {
            if mode == FileMode::Gitlink {
                let folder = root.join(path.to_path());
                std::fs::create_dir_all(&folder).map_err(crate::base::Error::io("create the folder", &folder))?;
            }
        }
        Ok(there)
    }
}

/// Takes away what a fork that died left of its worktree, so that its path can be had again.
pub fn clear_half_added(app: &App<'_>) -> Result<()> {
    if let Some(half) = half_added::find(&app.repo)?
        && half.is_old(&app.repo)?
    {
        half.take_away(&app.repo)?;
    }
    Ok(())
}

fn taken(path: &Path, why: &str) -> Failure {
    let message = format!("{} {why}; nothing was changed", path.display());
    Failure::new(FailureKind::Conflict, "worktree.exists", message)
        .target(path.display().to_string())
        .hint("Give a path to a new folder.")
}

/// git would refuse it, too: the directory may have been moved, and `git worktree repair` finds it again.
fn still_known(path: &Path, known: worktree::Missing) -> Failure {
    let message =
        format!("git still knows a worktree at {}, whose directory is gone; nothing was changed", path.display());
    let forget = match known {
        worktree::Missing::Locked => format!("`git worktree remove --force --force '{}'`", path.display()),
        worktree::Missing::Unlocked => "`git worktree prune`".to_owned(),
    };
    Failure::new(FailureKind::Conflict, "worktree.missing", message)
        .target(path.display().to_string())
        .hint(format!("{forget} makes git forget it, if it was deleted and not moved. Else give another path."))
}

fn misplaced(path: &Path, place: &str) -> Failure {
    let message = format!("{} lies {place}; nothing was changed", path.display());
    Failure::new(FailureKind::Refused, "worktree.place", message)
        .target(path.display().to_string())
        .hint("Choose a folder beside the work tree, or one that git ignores.")
}

/// The nearest folder above, or the path itself, that exists, with links resolved; and the rest.
fn existing(path: &Path) -> (PathBuf, PathBuf) {
    let there = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    match there {
        Some((above, real)) => (real, path.strip_prefix(above).unwrap_or(Path::new("")).to_owned()),
        None => (path.to_owned(), PathBuf::new()),
    }
}

//! Whether another worktree uses a branch: has it checked out, rebases it, or bisects from it. git lets no second worktree
//! have such a branch, and neither do we.
//!
//! A worktree whose folder is gone and that git still knows counts, as it does for git.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use bstr::ByteSlice as _;

use super::cli::Git;
use super::{RefName, Repo, Result};
use crate::base::{Error as BaseError, file};

/// Where an operation that git has begun in a worktree notes the branch that it goes back to at its end.
const GOES_BACK_TO: [&str; 3] = ["rebase-merge/head-name", "rebase-apply/head-name", "BISECT_START"];

/// Branches that a rebase moves at its end beside its own: three lines each, the first of them the name.
const MOVES_TOO: &str = "rebase-merge/update-refs";

/// The git dir of another worktree that uses the branch, if there is one.
pub fn in_another_worktree(repo: &Repo, branch: &RefName) -> Result<Option<PathBuf>> {
    for git_dir in others(repo)? {
        if is_checked_out(repo, &git_dir, branch)? || is_under_way(&git_dir, branch)? {
            return Ok(Some(git_dir));
        }
    }
    Ok(None)
}

/// The git dirs of all worktrees but this one.
fn others(repo: &Repo) -> Result<Vec<PathBuf>> {
    let mut dirs = Vec::new();
    // A bare repository's HEAD says which branch a clone gets, and is no worktree's.
    if repo.config.bool("core.bare")? != Some(true) {
        dirs.push(repo.common_dir.clone());
    }
    let linked = repo.common_dir.join("worktrees");
    match std::fs::read_dir(&linked) {
        Ok(entries) => {
            for entry in entries {
                dirs.push(entry.map_err(BaseError::io("list", &linked))?.path());
            }
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(BaseError::io("list", &linked)(e).into()),
    }
    dirs.sort();
    dirs.retain(|dir| *dir != repo.git_dir);
    Ok(dirs)
}

fn is_checked_out(repo: &Repo, git_dir: &Path, branch: &RefName) -> Result<bool> {
    if repo.caps.ref_format == "files" {
        let head = file::read_optional(&git_dir.join("HEAD"))?.unwrap_or_default();
        return Ok(head.strip_prefix(b"ref:").is_some_and(|name| name.trim_ascii() == branch.as_str().as_bytes()));
    }
    let head = Git::at(git_dir, None, &repo.env).args(["symbolic-ref", "-q", "HEAD"]).output()?;
    Ok(head.ok() && head.stdout.trim_ascii() == branch.as_str().as_bytes())
}

fn is_under_way(git_dir: &Path, branch: &RefName) -> Result<bool> {
    let is_it = |line: &[u8]| {
        let name = line.trim_ascii();
        name == branch.as_str().as_bytes() || branch.as_branch().is_some_and(|short| name == short.as_bytes())
    };
    for name in GOES_BACK_TO {
        if file::read_optional(&git_dir.join(OsStr::from_bytes(name.as_bytes())))?.is_some_and(|text| is_it(&text)) {
            return Ok(true);
        }
    }
    let moved = file::read_optional(&git_dir.join(MOVES_TOO))?.unwrap_or_default();
    Ok(moved.lines().step_by(3).any(is_it))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::matrix::Bench;

    #[test]
    fn a_branch_is_used_where_git_would_not_check_it_out_again() {
        for bench in Bench::all() {
            let other = bench.top.with_file_name("other");
            let there = other.display().to_string();
            let branch = |name: &str| RefName::branch(name).expect("a name");
            bench.git(&["branch", "topic"]);
            bench.git(&["branch", "below"]);
            bench.git(&["worktree", "add", "-q", &there, "topic"]);
            let used = |name: &str| in_another_worktree(&bench.repo(), &branch(name)).expect("looks").is_some();
            let in_other = |args: &[&str]| bench.git_with(&[&["-C", there.as_str()], args].concat(), Vec::new());
            let own = bench.git(&["symbolic-ref", "--short", "HEAD"]);
            assert!(used("topic") && !used("below") && !used(&own), "{}", bench.kind);
            // A rebase that stopped has HEAD detached.
            std::fs::write(other.join("a"), "theirs\n").expect("writes");
            in_other(&["commit", "-q", "-a", "-m", "theirs"]);
            bench.write("a", "ours\n");
            bench.git(&["commit", "-q", "-a", "-m", "ours"]);
            in_other(&["rebase", &own]);
            assert!(used("topic"), "{}: rebasing", bench.kind);
            in_other(&["rebase", "--abort"]);
            in_other(&["bisect", "start"]);
            in_other(&["checkout", "-q", "--detach"]);
            assert!(used("topic"), "{}: bisecting", bench.kind);
            in_other(&["bisect", "reset"]);
            in_other(&["checkout", "-q", "--detach"]);
            assert!(!used("topic"), "{}", bench.kind);
        }
    }
}

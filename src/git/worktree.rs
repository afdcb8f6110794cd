//! Linked worktrees and branches: what `fork` makes through git itself.

use std::path::Path;

use super::cli::Git;
use super::{Oid, RefName, Repo, Result};

/// `git worktree add --no-checkout` at `path`, on a new branch or detached at `commit`.
pub fn add(repo: &Repo, path: &Path, branch: Option<&str>, commit: Oid) -> Result<()> {
    let mut git = Git::new(repo).args(["worktree", "add", "--quiet", "--no-checkout"]);
    git = match branch {
        Some(branch) => {
            RefName::branch(branch)?;
            git.args(["--no-track", "-b", branch])
        }
        None => git.args(["--detach"]),
    };
    git.args(["--"]).args([path]).args([commit.to_string()]).run(&format!("add a worktree at {}", path.display()))?;
    Ok(())
}

/// Fills a new worktree's index from its HEAD (`git read-tree HEAD`), touching no file.
pub fn fill_index(worktree: &Repo) -> Result<()> {
    Git::new(worktree).args(["read-tree", "HEAD"]).run("fill the index from HEAD")?;
    Ok(())
}

/// Points HEAD of this worktree at a branch that exists (`git symbolic-ref`), touching neither index nor files.
pub fn point_head_at(repo: &Repo, branch: &str) -> Result<()> {
    let name = RefName::branch(branch)?;
    let message = format!("session: switch to {branch}");
    Git::new(repo)
        .args(["symbolic-ref", "-m", &message, "HEAD", name.as_str()])
        .run(&format!("point HEAD at {branch}"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::matrix::Bench;

    #[test]
    fn a_new_worktree_has_an_index_and_no_files() {
        for bench in Bench::all() {
            let repo = bench.repo();
            let commit = repo.head().expect("reads").commit.expect("born");
            for (name, branch) in [("new", Some("session/new")), ("-detached", None)] {
                let path = bench.top.with_file_name(name);
                add(&repo, &path, branch, commit).expect("adds");
                let new = bench.repo_in(&path);
                fill_index(&new).expect("fills");
                let index = crate::git::index::read(&new).expect("reads");
                assert_eq!(index.entries.len(), 2, "{}", bench.kind);
                assert!(!path.join("a").exists());
                let head = new.head().expect("reads");
                assert_eq!(head.branch.as_ref().and_then(RefName::as_branch), branch, "{}", bench.kind);
                assert_eq!(head.commit, Some(commit));
            }
            assert!(add(&repo, &bench.top.with_file_name("x"), Some("a..b"), commit).is_err());
        }
    }

    #[test]
    fn head_moves_to_a_branch_and_nothing_else_moves() {
        for bench in Bench::all() {
            bench.git(&["branch", "other"]);
            bench.write("a", "uncommitted\n");
            let repo = bench.repo();
            point_head_at(&repo, "other").expect("points");
            assert_eq!(bench.git(&["symbolic-ref", "--short", "HEAD"]), "other", "{}", bench.kind);
            assert_eq!(bench.git(&["status", "--porcelain"]), " M a");
        }
    }
}

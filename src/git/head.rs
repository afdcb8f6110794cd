//! Where HEAD is: a branch, a commit, or a branch that has no commit yet; and what operation is under way.

use bstr::ByteSlice as _;

use super::cli::{Git, failure};
use super::{Error, Oid, RefName, Repo, Result};

/// HEAD of one worktree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The branch it is on; `None` when detached.
    pub branch: Option<RefName>,
    /// The commit; `None` while unborn.
    pub commit: Option<Oid>,
}

/// An operation that git has begun in this worktree and not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `MERGE_HEAD` exists.
    Merge,
    /// `rebase-merge` or `rebase-apply` exists.
    Rebase,
    /// `CHERRY_PICK_HEAD` exists.
    CherryPick,
    /// `REVERT_HEAD` exists.
    Revert,
    /// `BISECT_LOG` exists (restores are fine during one).
    Bisect,
}

impl Repo {
    /// HEAD of this worktree.
    pub fn head(&self) -> Result<Head> {
        if self.caps.libgit2_opens && self.caps.ref_format == "files" {
            self.head_by_libgit2()
        } else {
            self.head_by_git()
        }
    }

    fn head_by_libgit2(&self) -> Result<Head> {
        let attempted = || format!("read HEAD of {}", self.git_dir.display());
        let head = self.objects.repo.find_reference("HEAD").map_err(Error::libgit2(attempted()))?;
        match head.symbolic_target_bytes() {
            Some(target) => {
                let branch = ref_name(target)?;
                let commit = self.refs.read(&branch)?;
                Ok(Head { branch: Some(branch), commit })
            }
            None => Ok(Head { branch: None, commit: head.target().map(Oid::from_git2) }),
        }
    }

    fn head_by_git(&self) -> Result<Head> {
        let attempted = "read HEAD";
        let symbolic = Git::new(self).args(["symbolic-ref", "-q", "HEAD"]).output()?;
        let branch = match symbolic.code {
            Some(0) => Some(ref_name(symbolic.stdout.trim_ascii())?),
            Some(1) => None,
            _ => return Err(failure(attempted, &symbolic)),
        };
        let resolved = Git::new(self).args(["rev-parse", "-q", "--verify", "HEAD^{commit}"]).output()?;
        let commit = match resolved.code {
            Some(0) => Some(Oid::parse(&resolved.stdout.trim_ascii().to_str_lossy())?),
            Some(1) if branch.is_some() => None,
            _ => return Err(failure(attempted, &resolved)),
        };
        Ok(Head { branch, commit })
    }

    /// The operation under way in this worktree; the one that the others are part of first.
    pub fn operation(&self) -> Result<Option<Operation>> {
        const SIGNS: &[(&str, Operation)] = &[
            ("rebase-merge", Operation::Rebase),
            ("rebase-apply", Operation::Rebase),
            ("MERGE_HEAD", Operation::Merge),
            ("CHERRY_PICK_HEAD", Operation::CherryPick),
            ("REVERT_HEAD", Operation::Revert),
        ];
        if let Some((_, operation)) = SIGNS.iter().find(|(name, _)| self.git_dir.join(name).exists()) {
            return Ok(Some(*operation));
        }
        if self.caps.ref_format != "files"
            && let Some(operation) = self.operation_in_refs()?
        {
            return Ok(Some(operation));
        }
        Ok(self.git_dir.join("BISECT_LOG").exists().then_some(Operation::Bisect))
    }

    /// Other formats keep these two as refs, and no file says that they are there.
    fn operation_in_refs(&self) -> Result<Option<Operation>> {
        let names = [("CHERRY_PICK_HEAD", Operation::CherryPick), ("REVERT_HEAD", Operation::Revert)];
        let input: String = names.iter().map(|(name, _)| format!("{name}\n")).collect();
        let git = Git::new(self).args(["cat-file", "--batch-check=%(objecttype)"]).stdin(input.into_bytes());
        let out = git.run("see what git has begun")?;
        let found = out.lines().zip(names).find(|(line, _)| *line == b"commit");
        Ok(found.map(|(_, (_, operation))| operation))
    }
}

fn ref_name(bytes: &[u8]) -> Result<RefName> {
    let bad = || Error::BadRefName { name: bytes.to_str_lossy().into_owned() };
    RefName::from_git(bytes.to_str().map_err(|_| bad())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::matrix::Bench;

    #[test]
    fn head_is_a_branch_a_commit_or_unborn() {
        for bench in Bench::all() {
            let commit = Oid::parse(&bench.git(&["rev-parse", "HEAD"])).expect("an id");
            let on = bench.git(&["symbolic-ref", "--short", "HEAD"]);
            let head = bench.repo().head().expect("reads");
            assert_eq!(head.branch.as_ref().and_then(RefName::as_branch), Some(on.as_str()), "{}", bench.kind);
            assert_eq!(head.commit, Some(commit), "{}", bench.kind);
            bench.git(&["checkout", "-q", "--detach"]);
            assert_eq!(
                bench.repo().head().expect("reads"),
                Head { branch: None, commit: Some(commit) },
                "{}",
                bench.kind
            );
            bench.git(&["checkout", "-q", "--orphan", "new"]);
            let head = bench.repo().head().expect("reads");
            assert_eq!(head.branch.as_ref().and_then(RefName::as_branch), Some("new"), "{}", bench.kind);
            assert_eq!(head.commit, None, "{}", bench.kind);
        }
    }

    #[test]
    fn operations_that_git_began_are_seen() {
        for bench in Bench::all() {
            assert_eq!(bench.repo().operation().expect("looks"), None);
            bench.git(&["bisect", "start"]);
            assert_eq!(bench.repo().operation().expect("looks"), Some(Operation::Bisect), "{}", bench.kind);
            bench.git(&["bisect", "reset"]);
            bench.git(&["checkout", "-q", "-b", "other"]);
            bench.write("a", "theirs\n");
            bench.git(&["commit", "-q", "-a", "-m", "theirs"]);
            bench.git(&["checkout", "-q", "-b", "ours", "HEAD^"]);
            bench.write("a", "ours\n");
            bench.git(&["commit", "-q", "-a", "-m", "ours"]);
            for (args, abort, seen) in [
                (&["merge", "other"][..], &["merge", "--abort"][..], Operation::Merge),
                (&["cherry-pick", "other"], &["cherry-pick", "--abort"], Operation::CherryPick),
                (&["rebase", "other"], &["rebase", "--abort"], Operation::Rebase),
            ] {
                bench.git_with(args, Vec::new());
                assert_eq!(bench.repo().operation().expect("looks"), Some(seen), "{}", bench.kind);
                bench.git(abort);
            }
        }
    }
}

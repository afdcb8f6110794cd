//! Writing the user's index and HEAD, through git itself, where the user asked for that very thing (`--staged`, `--head`).
//!
//! Neither touches a file of the work tree, and no branch moves.

use super::cli::Git;
use super::tree::list_files;
use super::{Head, Oid, Repo, Result};

/// Makes the index hold this tree, these conflict stages (1 to 3) on top of it, and what is to be added (`git add -N`).
pub fn set_index(repo: &Repo, staged: Oid, conflicts: [Option<Oid>; 3], intended: Option<Oid>) -> Result<()> {
    // `--reset` keeps what git knows of unchanged files, and drops conflicts that are there now.
    Git::new(repo).args(["read-tree", "--reset", &staged.to_string()]).run("restore the index")?;
    let mut lines = Vec::new();
    for (stage, tree) in (1_u8..).zip(conflicts) {
        let Some(tree) = tree else { continue };
        for (path, mode, oid) in list_files(&repo.objects, tree)? {
            lines.extend_from_slice(format!("{} {oid} {stage}\t", mode.octal()).as_bytes());
            lines.extend_from_slice(path.as_bytes());
            lines.push(0);
        }
    }
    if !lines.is_empty() {
        Git::new(repo)
            .args(["update-index", "-z", "--index-info"])
            .stdin(lines)
            .run("restore the conflicts in the index")?;
    }
    if let Some(intended) = intended {
        add_intended(repo, intended)?;
    }
    // Exits with 1 where files differ from the index, which is nothing wrong.
    Git::new(repo).args(["update-index", "-q", "--refresh"]).output()?;
    Ok(())
}

/// Names the files of a tree for `git add -N`. A file that is not on disk cannot be named.
fn add_intended(repo: &Repo, intended: Oid) -> Result<()> {
    let root = repo.work_dir()?;
    let mut lines = Vec::new();
    for (path, _, _) in list_files(&repo.objects, intended)? {
        if path.on_disk(root).symlink_metadata().is_ok_and(|there| !there.is_dir()) {
            lines.extend_from_slice(path.as_bytes());
            lines.push(0);
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    let args = ["--literal-pathspecs", "add", "--intent-to-add", "--force", "--sparse"];
    Git::new(repo)
        .args(args)
        .args(["--pathspec-from-file=-", "--pathspec-file-nul"])
        .stdin(lines)
        .run("restore what is to be added in the index")
        .map(drop)
}

/// Where [`set_head`] puts HEAD.
pub fn head_after(repo: &Repo, wanted: &Head) -> Result<Head> {
    let branch_is_there = match &wanted.branch {
        Some(branch) => repo.refs.read(branch)? == wanted.commit,
        None => false,
    };
    match wanted.commit {
        _ if branch_is_there => Ok(wanted.clone()),
        Some(commit) => Ok(Head { branch: None, commit: Some(commit) }),
        None => repo.head(),
    }
}

/// Puts HEAD where it was: on the branch, if that still is at the commit, else on the commit itself.
pub fn set_head(repo: &Repo, wanted: &Head) -> Result<()> {
    let after = head_after(repo, wanted)?;
    match (&after.branch, after.commit) {
        (Some(_), _) if after != *wanted => Ok(()),
        (Some(branch), _) => super::worktree::point_head_at(repo, branch.as_branch().unwrap_or(branch.as_str())),
        (None, Some(commit)) => {
            let args = ["update-ref", "--no-deref", "-m", "session: detach", "HEAD"].map(str::to_owned);
            Git::new(repo).args(args).args([commit.to_string()]).run("detach HEAD").map(drop)
        }
        (None, None) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::index;
    use crate::git::matrix::Bench;

    #[test]
    fn a_staged_tree_comes_back_as_git_shows_it() {
        for bench in Bench::all() {
            bench.write("a", "staged\n");
            bench.write("new", "new\n");
            bench.git(&["add", "a", "new"]);
            bench.write("a", "in the tree only\n");
            let shown = || (bench.git(&["diff", "--cached"]), bench.git(&["status", "--porcelain"]));
            let before = shown();
            let repo = bench.repo();
            let read = index::read(&repo).expect("reads");
            let staged = index::staged_tree(&repo, &read).expect("writes");
            bench.git(&["reset", "-q"]);
            assert_ne!(shown(), before, "{}", bench.kind);
            set_index(&repo, staged, [None; 3], None).expect("restores");
            assert_eq!(shown(), before, "{}", bench.kind);
        }
    }

    #[test]
    fn conflicts_come_back_with_their_stages() {
        let bench = Bench::plain();
        bench.git(&["checkout", "-q", "-b", "other"]);
        bench.write("a", "theirs\n");
        bench.git(&["commit", "-q", "-a", "-m", "theirs"]);
        bench.git(&["checkout", "-q", "-"]);
        bench.write("a", "ours\n");
        bench.git(&["commit", "-q", "-a", "-m", "ours"]);
        let repo = bench.repo();
        let _conflict = Git::new(&repo).args(["merge", "-q", "other"]).output().expect("runs");
        let before = bench.git(&["ls-files", "-s"]);
        assert!(before.contains(" 2\t"), "{before}");
        let read = index::read(&repo).expect("reads");
        let staged = index::staged_tree(&repo, &read).expect("writes");
        let stages = [1, 2, 3].map(|n| index::conflict_tree(&repo, &read, n).expect("writes"));
        bench.git(&["read-tree", "--empty"]);
        set_index(&repo, staged, stages, None).expect("restores");
        assert_eq!(bench.git(&["ls-files", "-s"]), before);
    }

    #[test]
    fn head_goes_back_to_a_branch_that_stayed_and_is_detached_where_it_moved() {
        for bench in Bench::all() {
            let repo = bench.repo();
            let was = repo.head().expect("reads");
            let name = was.branch.clone().expect("on a branch");
            bench.git(&["checkout", "-q", "-b", "elsewhere"]);
            set_head(&repo, &was).expect("goes back");
            assert_eq!(repo.head().expect("reads"), was, "{}", bench.kind);
            bench.git(&["commit", "-q", "--allow-empty", "-m", "on"]);
            bench.git(&["checkout", "-q", "elsewhere"]);
            set_head(&repo, &was).expect("goes back");
            let head = repo.head().expect("reads");
            assert_eq!((head.branch, head.commit), (None, was.commit), "{}", bench.kind);
            let moved = repo.refs.read(&name).expect("reads");
            assert_ne!(moved, was.commit, "no branch moved");
        }
    }
}

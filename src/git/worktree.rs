//! Linked worktrees and branches: what `fork` makes through git itself.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use bstr::ByteSlice as _;

use super::cli::Git;
use super::{Oid, RefName, Repo, RepoEnv, Result, index, tree};

/// `git worktree add --no-checkout` at `path`, on a branch that exists.
pub fn add(repo: &Repo, path: &Path, branch: &RefName) -> Result<()> {
    let branch = branch.as_branch().unwrap_or(branch.as_str());
    let git = Git::new(repo).args(["worktree", "add", "--quiet", "--no-checkout", "--"]).args([path]).args([branch]);
    git.run(&format!("add a worktree at {}", path.display()))?;
    Ok(())
}

/// Where the worktree of a name (`main`, or that of a linked one) lies, as git noted it; it may be gone.
pub fn dir_of(repo: &Repo, name: &str) -> Result<Option<PathBuf>> {
    let out = Git::new(repo).args(["worktree", "list", "--porcelain", "-z"]).run("list the worktrees")?;
    for line in out.split(|b| *b == 0).filter_map(|line| line.strip_prefix(b"worktree ")) {
        let path = Path::new(std::ffi::OsStr::from_bytes(line));
        if path.is_dir() && open(repo, path)?.worktree_name() == name {
            return Ok(Some(path.to_owned()));
        }
    }
    Ok(None)
}

/// A worktree that git knows of and whose directory is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// `git worktree prune` forgets it.
    Unlocked,
    /// It is locked: on a disk that is not always there, say.
    Locked,
}

/// What git knows of a worktree at `path`, where there is none any more.
pub fn missing_at(repo: &Repo, path: &Path) -> Result<Option<Missing>> {
    if path.join(".git").symlink_metadata().is_ok() {
        return Ok(None);
    }
    // The directory is gone; those above it may be reached through links.
    let real = path.parent().and_then(|above| above.canonicalize().ok()).zip(path.file_name());
    let wanted = real.map_or_else(|| path.to_owned(), |(above, name)| above.join(name));
    let out = Git::new(repo).args(["worktree", "list", "--porcelain", "-z"]).run("list the worktrees")?;
    // Lines of one worktree, an empty one after them.
    for lines in out.split_str(b"\0\0") {
        let mut lines = lines.split_str(b"\0");
        let known = lines.next().and_then(|first| first.strip_prefix(b"worktree "));
        if known.is_some_and(|known| known.to_path_lossy() == wanted || known.to_path_lossy() == path) {
            let is_locked = lines.any(|line| line.starts_with(b"locked"));
            return Ok(Some(if is_locked { Missing::Locked } else { Missing::Unlocked }));
        }
    }
    Ok(None)
}

/// The repository as seen from another worktree of it.
pub fn open(repo: &Repo, path: &Path) -> Result<Repo> {
    Repo::discover(path, &RepoEnv { git_dir: None, work_tree: None, ..repo.env.clone() })
}

/// Takes a worktree away with all that is in it.
pub fn remove(repo: &Repo, path: &Path) -> Result<()> {
    let git = Git::new(repo).args(["worktree", "remove", "--force", "--force", "--"]).args([path]);
    git.run(&format!("remove the worktree at {}", path.display()))?;
    Ok(())
}

/// Whether a folder of the work tree, which need not be there, is one that git ignores.
pub fn is_ignored(repo: &Repo, folder: &Path) -> Result<bool> {
    let mut path = folder.as_os_str().to_owned();
    path.push("/");
    let out = Git::new(repo).args(["check-ignore", "--quiet", "--"]).args([path]).output()?;
    Ok(out.ok())
}

/// A new worktree leaves out what a sparse one leaves out, as far as it is the same in `base`. git copies the patterns, and
/// would mark the entries only by checking files out.
pub fn copy_sparse(from: &Repo, to: &Repo, base: Oid) -> Result<()> {
    if from.config.bool("core.sparseCheckout")? != Some(true) {
        return Ok(());
    }
    let tree = from.objects.read_commit(base)?.tree;
    let mut left_out = Vec::new();
    for entry in index::read(from)?.entries.iter().filter(|e| e.skip_worktree) {
        if tree::lookup(&from.objects, tree, &entry.path)?.is_some() {
            left_out.extend_from_slice(entry.path.as_bytes());
            left_out.push(0);
        }
    }
    let git = Git::new(to).args(["update-index", "-z", "--skip-worktree", "--stdin"]).stdin(left_out);
    git.run("leave out of the worktree what is left out here")?;
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
    fn a_new_worktree_has_an_index_and_no_files_and_can_be_taken_away() {
        for bench in Bench::all() {
            let repo = bench.repo();
            let commit = repo.head().expect("reads").commit.expect("born");
            bench.git(&["branch", "session/new"]);
            let (path, branch) = (bench.top.with_file_name("new"), RefName::branch("session/new").expect("valid"));
            add(&repo, &path, &branch).expect("adds");
            let new = open(&repo, &path).expect("opens");
            fill_index(&new).expect("fills");
            assert_eq!(index::read(&new).expect("reads").entries.len(), 2, "{}", bench.kind);
            assert!(!path.join("a").exists());
            let head = new.head().expect("reads");
            assert_eq!((head.branch, head.commit), (Some(branch), Some(commit)), "{}", bench.kind);
            std::fs::write(path.join("untracked"), "").expect("writes");
            assert_eq!(dir_of(&repo, &new.worktree_name()).expect("lists"), Some(path.clone()));
            let first = dir_of(&new, &repo.worktree_name()).expect("lists");
            assert_eq!(first, Some(bench.top.clone()), "{}", bench.kind);
            assert_eq!(dir_of(&repo, "absent").expect("lists"), None);
            remove(&repo, &path).expect("removes");
            assert!(!path.exists());
            let absent = RefName::branch("absent").expect("valid");
            assert!(add(&repo, &bench.top.with_file_name("x"), &absent).is_err());
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_ignored_by_the_rules() {
        let bench = Bench::plain();
        bench.write(".gitignore", "trees/\n");
        let repo = bench.repo();
        for (folder, ignored) in [("trees", true), ("trees/x", true), ("tree", false)] {
            assert_eq!(is_ignored(&repo, Path::new(folder)).expect("asks"), ignored, "{folder}");
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

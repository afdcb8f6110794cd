//! Repositories inside the work tree: submodules, clones, linked worktrees; which commit they stand at.
//!
//! Found by asking the folder itself, so every kind of repository that we can open is known, and a `.git` that is no
//! repository is none.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::cli::Git;
use super::repo::RepoEnv;
use super::{Oid, Repo, Result};
use crate::base::RepoPath;

/// What a folder with a `.git` in it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nested {
    /// An ordinary folder; its `.git` is no repository.
    Folder,
    /// A worktree of the repository around it.
    LinkedWorktree,
    /// A repository of its own, at this commit; `None` while unborn, unreadable, or of another object format.
    Repository(Option<Oid>),
}

/// Looks at a folder of `outer`'s work tree that has a `.git` in it.
pub fn look(outer: &Repo, folder: &Path) -> Nested {
    let Ok(folder) = folder.canonicalize() else { return Nested::Folder };
    // By the same configuration, but by what lies there: GIT_DIR and GIT_WORK_TREE name the outer one.
    let env = RepoEnv { git_dir: None, work_tree: None, ..outer.env.clone() };
    let Ok(inner) = Repo::discover(&folder, &env) else {
        return Nested::Repository(None);
    };
    if inner.work_dir.as_deref() != Some(folder.as_path()) {
        return Nested::Folder;
    }
    if inner.common_dir == outer.common_dir {
        return Nested::LinkedWorktree;
    }
    let commit = inner.head().ok().and_then(|head| head.commit);
    Nested::Repository(commit.filter(|oid| oid.format() == outer.caps.object_format))
}

/// Those of these submodules in which something is changed or new, so that their commits are not all that is there. One git
/// for all; in its own words, so that what git calls unchanged is.
pub fn changed(outer: &Repo, submodules: &[RepoPath], time: Duration) -> Result<Vec<RepoPath>> {
    use std::os::unix::ffi::OsStringExt as _;
    if submodules.is_empty() {
        return Ok(Vec::new());
    }
    let args =
        ["--literal-pathspecs", "status", "--porcelain=v2", "-z", "--no-renames", "--ignore-submodules=none", "--"];
    let paths = submodules.iter().map(|path| OsString::from_vec(path.as_bytes().to_vec()));
    let git = Git::new(outer).args(args).args(paths).deadline(time);
    let out = git.run("look for changes in submodules")?;
    // "1 XY S<c><m><u> <mode> <mode> <mode> <id> <id> <path>": m is for changed files, u for untracked ones.
    let changed = out.split(|byte| *byte == 0).filter_map(|line| {
        let mut words = line.splitn(9, |byte| *byte == b' ');
        let state = words.nth(2).filter(|_| line.starts_with(b"1 "))?;
        let path = words.nth(5)?;
        (state.starts_with(b"S") && (state.get(2) == Some(&b'M') || state.get(3) == Some(&b'U'))).then_some(path)
    });
    changed.map(|path| Ok(RepoPath::new(path)?)).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::Command;

    use super::*;
    use crate::git::matrix::Bench;

    /// What git would store for a folder: the commit of a gitlink.
    fn by_git(bench: &Bench, folder: &str) -> Option<Oid> {
        bench.git_with(&["-c", "advice.addEmbeddedRepo=false", "add", folder], Vec::new());
        let listed = bench.git(&["ls-files", "-s", folder]);
        let gitlink = listed.strip_prefix("160000 ").and_then(|rest| rest.split(' ').next());
        gitlink.map(|oid| Oid::parse(oid).expect("an id"))
    }

    #[test]
    fn a_repository_inside_stands_where_git_says_it_stands_in_every_kind() {
        for bench in Bench::all() {
            for (refs, folder) in [("files", "in-files"), ("reftable", "in-reftable")] {
                let hash = bench.kind.split('/').next().unwrap_or_default();
                let format = format!("--object-format={hash}");
                bench.git(&["init", "-q", &format, &format!("--ref-format={refs}"), folder]);
                let path = bench.top.join(folder);
                assert_eq!(look(&bench.repo(), &path), Nested::Repository(None), "unborn");
                bench.git(&[
                    "-C",
                    folder,
                    "-c",
                    "user.name=T",
                    "-c",
                    "user.email=t@x",
                    "commit",
                    "-q",
                    "--allow-empty",
                    "-m",
                    "1",
                ]);
                let found = look(&bench.repo(), &path);
                assert_eq!(found, Nested::Repository(by_git(&bench, folder)), "{} {folder}", bench.kind);
                assert_ne!(found, Nested::Repository(None), "{} {folder}", bench.kind);
            }
        }
    }

    #[test]
    fn the_callers_configuration_says_whose_repositories_are_safe_and_git_dir_does_not_reach_inside() {
        for refs in ["files", "reftable"] {
            let mut bench = Bench::plain();
            bench.git(&["init", "-q", &format!("--ref-format={refs}"), "inside"]);
            let commit = ["-c", "user.name=T", "-c", "user.email=t@x", "commit", "-q", "--allow-empty", "-m", "1"];
            bench.git(&[&["-C", "inside"], commit.as_slice()].concat());
            let inside = bench.top.join("inside");
            let chown = Command::new("chown").args(["-R", "65534:65534"]).arg(&inside).status();
            if !chown.is_ok_and(|status| status.success()) {
                let _told = writeln!(std::io::stderr(), "SKIPPED: chown does not work here");
                return;
            }
            assert_eq!(look(&bench.repo(), &inside), Nested::Repository(None), "not declared safe");
            let config = bench.top.with_file_name("gitconfig");
            std::fs::write(&config, "[safe]\n\tdirectory = *\n").expect("writes");
            bench.env.config_global = Some(config);
            bench.env.git_dir = Some(bench.top.join(".git"));
            bench.env.work_tree = Some(bench.top.clone());
            let found = look(&bench.repo(), &inside);
            assert_eq!(found, Nested::Repository(by_git(&bench, "inside")), "{refs}");
            assert_ne!(found, Nested::Repository(None), "{refs}");
        }
    }
}

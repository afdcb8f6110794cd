//! git's own rules of trust, one gate before anything of a repository is read or started: whose the work tree, the `.git`
//! file and the git directory are (`safe.directory`), and whether a bare repository is used that one only came across
//! (`safe.bareRepository`).
//!
//! What is one's own throughout is taken without a question and without a process. Of all else git itself is asked, in the
//! environment as it is, so that its answer is its own in every version: which configuration counts (`-c`,
//! `GIT_CONFIG_COUNT`, never the repository's own) and whom `sudo` acts for. A repository that `GIT_DIR` names is
//! trusted, as by git.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use bstr::ByteSlice as _;

use super::cli::Git;
use super::repo::RepoEnv;
use super::{Error, Result};

/// Files of a git directory that are read before anything else. What is no regular file there is a trap: a FIFO is waited
/// for, a device has no end.
const READ_FIRST: [&str; 9] = [
    "HEAD",
    "config",
    "config.worktree",
    "commondir",
    "gitdir",
    "index",
    "packed-refs",
    "shallow",
    "objects/info/alternates",
];

/// A repository that a search came across.
#[derive(Debug)]
pub(super) struct Found {
    /// Its git directory.
    pub git_dir: PathBuf,
    /// The directory in which its `.git` was found; `None` in a git directory itself.
    pub beside: Option<PathBuf>,
}

impl Found {
    /// Whether it is a git directory that was come across as such, and is neither some work tree's `.git` nor in one.
    fn is_implicit_bare(&self) -> bool {
        let path = self.git_dir.as_os_str().as_encoded_bytes();
        self.beside.is_none()
            && !path.ends_with(b"/.git")
            && !path.contains_str("/.git/worktrees/")
            && !path.contains_str("/.git/modules/")
    }

    /// Whether all of it belongs to the user of this process.
    fn is_own(&self) -> bool {
        let user = rustix::process::geteuid().as_raw();
        let is_own = |path: &Path| std::fs::symlink_metadata(path).is_ok_and(|meta| meta.uid() == user);
        let beside = self.beside.as_deref();
        is_own(&self.git_dir) && beside.is_none_or(|dir| is_own(dir) && is_own(&dir.join(".git")))
    }
}

/// Passes what git would use from `cwd`. Whether git was asked: then it knows the repository's format too.
///
/// # Errors
/// [`Error::Untrusted`] where git does not use it, or uses another one.
pub(super) fn check(cwd: &Path, found: &Found, env: &RepoEnv) -> Result<bool> {
    if found.is_own() && !found.is_implicit_bare() {
        return Ok(false);
    }
    let untrusted = |reason: String| Error::Untrusted { path: found.git_dir.clone(), reason };
    let out = Git::as_the_user(cwd, env).args(["rev-parse", "--absolute-git-dir"]).output()?;
    if !out.ok() {
        let said = out.stderr.to_str_lossy();
        return Err(untrusted(if said.contains("dubious ownership") {
            "it belongs to another user and git's safe.directory does not list it".to_owned()
        } else if said.contains("bareRepository") || said.contains("bare repository") {
            "it is a bare repository inside of another place, and git's safe.bareRepository asks for it to be named"
                .to_owned()
        } else {
            let line = said.lines().next().unwrap_or_default();
            format!("git does not use it: {}", line.trim_start_matches("fatal: "))
        }));
    }
    let used = out.stdout.strip_suffix(b"\n").unwrap_or(&out.stdout);
    let used = Path::new(OsStr::from_bytes(used)).canonicalize().ok();
    if used.is_some() && used == found.git_dir.canonicalize().ok() {
        Ok(true)
    } else {
        Err(untrusted("git uses another repository there".to_owned()))
    }
}

/// Refuses a git directory in which one of the files that are read first is no regular file, through links or not.
pub(super) fn check_files(git_dir: &Path) -> Result<()> {
    for name in READ_FIRST {
        let path = git_dir.join(name);
        if std::fs::metadata(&path).is_ok_and(|meta| !meta.is_file()) {
            return Err(Error::Unsupported { path, reason: "it is not a regular file".to_owned() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::Command;

    use super::*;
    use crate::git::Repo;
    use crate::git::matrix::Bench;

    /// Whether git uses the repository of a directory, and whether we do; they must agree.
    fn is_used(bench: &Bench, cwd: &Path) -> bool {
        let by_git = Git::bare(cwd, &bench.env).args(["rev-parse", "--git-dir"]).output().expect("git runs").ok();
        let ours = Repo::discover(cwd, &bench.env);
        assert_eq!(by_git, ours.is_ok(), "{} {}: {ours:?}", bench.kind, cwd.display());
        by_git
    }

    fn give(path: &Path, owner: &str) -> bool {
        let chown = Command::new("chown").args(["-h", owner]).arg(path).status();
        let done = chown.is_ok_and(|status| status.success());
        if !done {
            let _told = writeln!(std::io::stderr(), "SKIPPED: chown does not work here");
        }
        done
    }

    #[test]
    fn what_belongs_to_another_user_in_part_is_used_where_git_uses_it() {
        for mut bench in Bench::all() {
            let dot_git = bench.top.join(".git");
            for part in [bench.top.clone(), dot_git.clone()] {
                if !give(&part, "65534:65534") {
                    return;
                }
                assert!(!is_used(&bench, &bench.top), "{}: {}", bench.kind, part.display());
                assert!(!is_used(&bench, &bench.top.join("dir")));
                let users = bench.top.with_file_name("users");
                for (listed, used) in [("/elsewhere", false), (bench.top.to_str().expect("UTF-8"), true), ("*", true)] {
                    std::fs::write(&users, format!("[safe]\n\tdirectory = {listed}\n")).expect("writes");
                    bench.env.config_global = Some(users.clone());
                    assert_eq!(is_used(&bench, &bench.top), used, "{}: {listed}", bench.kind);
                }
                bench.env.config_global = Some("/dev/null".into());
                // The repository cannot vouch for itself.
                std::fs::write(&users, "").expect("writes");
                assert!(give(&part, "0:0"));
                bench.git(&["config", "safe.directory", "*"]);
                assert!(give(&part, "65534:65534"));
                assert!(!is_used(&bench, &bench.top), "{}: its own word", bench.kind);
                assert!(give(&part, "0:0"));
                bench.git(&["config", "--unset", "safe.directory"]);
                assert!(is_used(&bench, &bench.top));
            }
        }
    }

    #[test]
    fn a_bare_repository_that_is_come_across_is_used_where_git_uses_it() {
        let mut bench = Bench::plain();
        bench.git(&["init", "-q", "--bare", "sub/inner"]);
        bench.git(&["init", "-q", "--bare", "sub/inner.git"]);
        let users = bench.top.with_file_name("users");
        for (word, used) in [("all", true), ("explicit", false)] {
            std::fs::write(&users, format!("[safe]\n\tbareRepository = {word}\n")).expect("writes");
            bench.env.config_global = Some(users.clone());
            for place in ["sub/inner", "sub/inner.git", "sub/inner/refs"] {
                assert_eq!(is_used(&bench, &bench.top.join(place)), used, "{word}: {place}");
            }
            for own in [".git", ".git/refs", "dir"] {
                assert!(is_used(&bench, &bench.top.join(own)), "{word}: {own}");
            }
        }
    }

    #[test]
    fn a_file_of_gits_that_is_none_is_not_waited_for() {
        let bench = Bench::plain();
        for name in ["config.worktree", "packed-refs", "shallow", "config"] {
            let path = bench.top.join(".git").join(name);
            let kept = std::fs::read(&path).ok();
            drop(std::fs::remove_file(&path));
            rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("makes it");
            let error = Repo::discover(&bench.top, &bench.env).expect_err("is refused").to_string();
            assert!(error.contains(name) && error.contains("not a regular file"), "{error}");
            std::fs::remove_file(&path).expect("removes");
            std::os::unix::fs::symlink("/dev/zero", &path).expect("links");
            assert!(Repo::discover(&bench.top, &bench.env).is_err(), "{name}");
            std::fs::remove_file(&path).expect("removes");
            if let Some(kept) = kept {
                std::fs::write(&path, kept).expect("writes");
            }
        }
        assert!(Repo::discover(&bench.top, &bench.env).is_ok());
    }
}

//! Where git looks for the hooks of a repository, and whether that directory is ours to edit.
//!
//! Judged by where the directory really is, behind every link. One in the git dir is this clone's alone; one in the work
//! tree is committed; one elsewhere serves other repositories, too. One that is not there means that git runs no hooks.

use std::path::{Path, PathBuf};

use super::{Repo, Result};
use crate::base::file;

/// Whose the directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the git dir: this clone's alone.
    GitDir,
    /// In the work tree: committed, everyone's.
    WorkTree,
    /// Somewhere else: other repositories' too.
    Outside,
    /// No directory: git's hooks are switched off.
    Off,
}

/// The directory in which hooks are to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HooksDir {
    /// Absolute; behind a link, where it leads out of the git dir.
    pub path: PathBuf,
    /// Whose it is.
    pub place: Place,
    /// `core.hooksPath` names it.
    pub named: bool,
    /// husky runs what is in it by `sh`, whatever its mode.
    pub by_sh: bool,
}

/// The directory of this repository's own hooks, used while `core.hooksPath` names no other.
pub fn own(repo: &Repo) -> PathBuf {
    repo.common_dir.join("hooks")
}

/// Finds the directory. Of husky's generated one (`.husky/_`) it is the one above, where people write their hooks.
pub fn find(repo: &Repo) -> Result<HooksDir> {
    let Some(named) = repo.config.path("core.hooksPath")? else {
        return Ok(of(repo, &own(repo)));
    };
    if named.as_os_str().is_empty() {
        return Ok(HooksDir { path: named, place: Place::Off, named: true, by_sh: false });
    }
    // A relative path counts from where hooks run.
    let top = repo.work_dir.as_deref().unwrap_or(&repo.git_dir);
    let raw = top.join(named);
    let mut path = file::normal(&raw);
    if let (Ok(real), Ok(by_text)) = (raw.canonicalize(), path.canonicalize())
        && real != by_text
    {
        path = real;
    }
    let by_sh = path.file_name().is_some_and(|n| n == "_") && path.join("h").is_file();
    if by_sh {
        path.pop();
    }
    Ok(HooksDir { named: true, by_sh, ..of(repo, &path) })
}

/// One directory, wherever it is named.
pub fn of(repo: &Repo, path: &Path) -> HooksDir {
    let found = |path: PathBuf, place| HooksDir { path, place, named: false, by_sh: false };
    if path == own(repo) && path.symlink_metadata().is_err() {
        // git makes none for a template without hooks; a hook that is put there runs.
        return found(path.to_owned(), Place::GitDir);
    }
    let Some(real) = path.canonicalize().ok().filter(|real| real.is_dir()) else {
        return found(path.to_owned(), Place::Off);
    };
    if real.starts_with(&repo.common_dir) {
        return found(path.to_owned(), Place::GitDir);
    }
    let top = repo.work_dir.as_deref();
    let place = if top.is_some_and(|top| real.starts_with(top)) { Place::WorkTree } else { Place::Outside };
    found(real, place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::matrix::Bench;

    #[test]
    fn the_directory_is_the_one_that_git_names() {
        for bench in Bench::all() {
            let repo = bench.repo();
            let found = find(&repo).expect("finds");
            let own = HooksDir { path: own(&repo), place: Place::GitDir, named: false, by_sh: false };
            assert_eq!(found, own);
            let git = bench.git(&["rev-parse", "--path-format=absolute", "--git-path", "hooks"]);
            assert_eq!(found.path.display().to_string(), git, "{}", bench.kind);
            let outside = bench.top.with_file_name("elsewhere");
            let inside = repo.common_dir.join("other-hooks");
            for made in [&outside, &inside, &bench.top.join(".githooks"), &bench.top.with_file_name("hooks")] {
                std::fs::create_dir(made).expect("makes the directory");
            }
            let named = [
                (".githooks".to_owned(), Place::WorkTree),
                ("dir/../.githooks".to_owned(), Place::WorkTree),
                (outside.display().to_string(), Place::Outside),
                ("~/hooks".to_owned(), Place::Outside),
                (inside.display().to_string(), Place::GitDir),
            ];
            for (path, place) in named {
                bench.git(&["config", "core.hooksPath", &path]);
                let found = find(&bench.repo()).expect("finds");
                assert_eq!((found.place, found.named), (place, true), "{path} in {}", bench.kind);
                let git = bench.git(&["rev-parse", "--path-format=absolute", "--git-path", "hooks/x"]);
                let real = Path::new(&git).parent().and_then(|p| p.canonicalize().ok()).expect("is there");
                assert_eq!(found.path.canonicalize().expect("is there"), real, "{path} in {}", bench.kind);
            }
        }
    }

    #[test]
    fn a_directory_behind_a_link_is_whose_it_really_is() {
        for bench in Bench::all() {
            let repo = bench.repo();
            let own = own(&repo);
            let outside = bench.top.with_file_name("elsewhere");
            let (tree, inside) = (bench.top.join("team"), repo.common_dir.join("other-hooks"));
            for (behind, place) in [(&outside, Place::Outside), (&tree, Place::WorkTree), (&inside, Place::GitDir)] {
                std::fs::create_dir(behind).expect("makes the directory");
                for named in [false, true] {
                    let link = if named { bench.top.with_file_name("link") } else { own.clone() };
                    drop(std::fs::remove_dir_all(&link));
                    drop(std::fs::remove_file(&link));
                    std::os::unix::fs::symlink(behind, &link).expect("links");
                    if named {
                        bench.git(&["config", "core.hooksPath", &link.display().to_string()]);
                    }
                    let found = find(&bench.repo()).expect("finds");
                    assert_eq!((found.place, found.named), (place, named), "{} in {}", behind.display(), bench.kind);
                    assert_eq!(found.path.canonicalize().expect("is there"), *behind);
                }
                bench.git(&["config", "--unset", "core.hooksPath"]);
            }
        }
    }

    #[test]
    fn where_no_directory_is_git_runs_no_hooks() {
        for bench in Bench::all() {
            let own = own(&bench.repo());
            for named in ["/dev/null", "/nowhere/at/all", "nowhere", "a", "a/below-a-file", ""] {
                bench.git(&["config", "core.hooksPath", named]);
                let found = find(&bench.repo()).expect("finds");
                assert_eq!((found.place, found.named), (Place::Off, true), "{named:?} in {}", bench.kind);
            }
            bench.git(&["config", "--unset", "core.hooksPath"]);
            std::fs::remove_dir_all(&own).expect("removes");
            assert_eq!(find(&bench.repo()).expect("finds").place, Place::GitDir, "one can be made");
            std::os::unix::fs::symlink("nowhere", &own).expect("links");
            assert_eq!(find(&bench.repo()).expect("finds").place, Place::Off, "a link to nothing");
        }
    }

    #[test]
    fn of_huskys_own_directory_it_is_the_one_above() {
        let bench = Bench::plain();
        bench.write(".husky/_/h", "#!/bin/sh\n");
        bench.git(&["config", "core.hooksPath", ".husky/_"]);
        let found = find(&bench.repo()).expect("finds");
        let husky = HooksDir { path: bench.top.join(".husky"), place: Place::WorkTree, named: true, by_sh: true };
        assert_eq!(found, husky);
    }
}

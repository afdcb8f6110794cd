//! Where git looks for the hooks of a repository, and whether that folder is ours to edit.
//!
//! A folder in the git dir is. One in the work tree is committed, one elsewhere belongs to other repositories too.

use std::path::{Component, Path, PathBuf};

use super::{Repo, Result};

/// Whose the folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the git dir: this clone's alone.
    GitDir,
    /// In the work tree: committed, everyone's.
    WorkTree,
    /// Somewhere else: other repositories' too.
    Outside,
}

/// The folder in which hooks are to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HooksDir {
    /// Absolute.
    pub path: PathBuf,
    /// Whose it is.
    pub place: Place,
}

/// The folder of this repository's own hooks, used while `core.hooksPath` names no other.
pub fn own(repo: &Repo) -> PathBuf {
    repo.common_dir.join("hooks")
}

/// Finds the folder. Of husky's generated folder (`.husky/_`) it is the one above, where people write their hooks.
pub fn find(repo: &Repo) -> Result<HooksDir> {
    let Some(named) = repo.config.path("core.hooksPath")?.filter(|p| !p.as_os_str().is_empty()) else {
        return Ok(HooksDir { path: own(repo), place: Place::GitDir });
    };
    // A relative path counts from where hooks run.
    let top = repo.work_dir.as_deref().unwrap_or(&repo.git_dir);
    let mut path = plain(&top.join(named));
    if path.file_name().is_some_and(|n| n == "_") && path.join("h").is_file() {
        path.pop();
    }
    let real = canonical(&path);
    let place = if real.starts_with(&repo.common_dir) {
        Place::GitDir
    } else if real.starts_with(top) {
        Place::WorkTree
    } else {
        Place::Outside
    };
    Ok(HooksDir { path, place })
}

/// Without `.` and `..`, as far as the text alone says.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

/// Canonical, as far down as it exists.
fn canonical(path: &Path) -> PathBuf {
    for above in path.ancestors() {
        if let (Ok(real), Ok(rest)) = (above.canonicalize(), path.strip_prefix(above)) {
            return if rest.as_os_str().is_empty() { real } else { real.join(rest) };
        }
    }
    path.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::matrix::Bench;

    #[test]
    fn the_folder_is_the_one_that_git_names() {
        for bench in Bench::all() {
            let repo = bench.repo();
            let found = find(&repo).expect("finds");
            assert_eq!(found, HooksDir { path: own(&repo), place: Place::GitDir });
            let git = bench.git(&["rev-parse", "--path-format=absolute", "--git-path", "hooks"]);
            assert_eq!(found.path.display().to_string(), git, "{}", bench.kind);
            let outside = bench.top.with_file_name("elsewhere");
            let inside = repo.common_dir.join("other-hooks");
            let named = [
                (".githooks".to_owned(), Place::WorkTree),
                ("dir/../.githooks".to_owned(), Place::WorkTree),
                (outside.display().to_string(), Place::Outside),
                ("~/hooks".to_owned(), Place::Outside),
                (inside.display().to_string(), Place::GitDir),
            ];
            for (path, place) in named {
                bench.git(&["config", "core.hooksPath", &path]);
                assert_eq!(find(&bench.repo()).expect("finds").place, place, "{path} in {}", bench.kind);
            }
        }
    }

    #[test]
    fn of_huskys_own_folder_it_is_the_one_above() {
        let bench = Bench::plain();
        bench.write(".husky/_/h", "#!/bin/sh\n");
        bench.git(&["config", "core.hooksPath", ".husky/_"]);
        let found = find(&bench.repo()).expect("finds");
        assert_eq!(found, HooksDir { path: bench.top.join(".husky"), place: Place::WorkTree });
    }
}

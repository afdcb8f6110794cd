//! Where a repository's folders are, by git's own rules, without opening it: works for kinds that libgit2 cannot open.
//!
//! Found by the files alone: `.git` folders and files, `commondir`, `gitdir`, `core.worktree`, `core.bare`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::repo::RepoEnv;
use super::trust::{self, Found};
use super::{Error, Result};
use crate::base::supplied::{self, Links};
use crate::base::{self};

/// The folders of one repository as seen from one worktree.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// This worktree's own git dir, canonical.
    pub git_dir: PathBuf,
    /// The git dir that all worktrees share, canonical.
    pub common_dir: PathBuf,
    /// Top of the work tree, canonical; `None` in a bare repository.
    pub work_dir: Option<PathBuf>,
    /// Whether git was asked, and uses it.
    pub is_gits_word: bool,
}

/// Finds the repository of `cwd`: what the environment names, else the nearest folder upwards. Nothing of it is read
/// before git's rules of trust let it.
pub(super) fn locate(cwd: &Path, env: &RepoEnv) -> Result<Place> {
    let cwd = canonical(cwd)?;
    let (git_dir, beside, is_gits_word) = match &env.git_dir {
        Some(named) => {
            (follow(&cwd.join(named))?.ok_or_else(|| Error::NotARepository { path: cwd.join(named) })?, None, false)
        }
        None => {
            let found = search(&cwd)?;
            let is_gits_word = trust::check(&cwd, &found, env)?;
            (found.git_dir, found.beside, is_gits_word)
        }
    };
    let git_dir = canonical(&git_dir)?;
    trust::check_files(&git_dir)?;
    let common_dir = common_dir(&git_dir)?;
    let work_dir = match &env.work_tree {
        Some(named) => Some(cwd.join(named)),
        None => work_dir(&cwd, &git_dir, &common_dir, beside, env.git_dir.is_some())?,
    };
    let work_dir = work_dir.map(|dir| canonical(&dir)).transpose()?;
    if common_dir != git_dir {
        trust::check_files(&common_dir)?;
    }
    Ok(Place { git_dir, common_dir, work_dir, is_gits_word })
}

/// The git dir above `cwd`, and the folder in which its `.git` was found (`None`: `cwd` is inside of a git dir).
fn search(cwd: &Path) -> Result<Found> {
    let device = |path: &Path| std::fs::metadata(path).map(|m| m.dev()).ok();
    let start = device(cwd);
    for dir in cwd.ancestors() {
        // git does not look for a repository beyond the file system it starts on.
        if device(dir) != start {
            break;
        }
        if let Some(git_dir) = follow(&dir.join(".git"))? {
            return Ok(Found { git_dir, beside: Some(dir.to_owned()) });
        }
        if is_git_dir(dir) {
            let inside = dir.file_name() == Some(OsStr::new(".git"));
            let beside = inside.then(|| dir.parent().map(Path::to_owned)).flatten();
            return Ok(Found { git_dir: dir.to_owned(), beside });
        }
    }
    Err(Error::NotARepository { path: cwd.to_owned() })
}

/// The git dir that `path` is or, being a `gitdir:` file, names; `None` where it is neither.
fn follow(path: &Path) -> Result<Option<PathBuf>> {
    if path.is_dir() {
        return Ok(is_git_dir(path).then(|| path.to_owned()));
    }
    if !path.is_file() {
        return Ok(None);
    }
    let target = supplied::read(path, Links::Follow, LONGEST)?.unwrap_or_default();
    let target = target.strip_prefix(b"gitdir:").map(|t| t.trim_ascii());
    let folder = path.parent().unwrap_or(Path::new("/"));
    let target = target.map(|t| folder.join(OsStr::from_bytes(t))).filter(|t| is_git_dir(t));
    // A `.git` file that leads nowhere ends the search in git too; what is above is another repository.
    target.map(Some).ok_or_else(|| Error::Unsupported {
        path: path.to_owned(),
        reason: "it is a file that does not lead to a repository".to_owned(),
    })
}

/// Bytes of the longest file that names a directory; git reads no more either.
const LONGEST: u64 = 1 << 20;

fn is_git_dir(dir: &Path) -> bool {
    let head = dir.join("HEAD").symlink_metadata().is_ok();
    head && (dir.join("commondir").is_file() || (dir.join("objects").is_dir() && dir.join("refs").is_dir()))
}

fn common_dir(git_dir: &Path) -> Result<PathBuf> {
    match supplied::read(&git_dir.join("commondir"), Links::Follow, LONGEST)? {
        Some(text) => canonical(&git_dir.join(OsStr::from_bytes(text.trim_ascii()))),
        None => Ok(git_dir.to_owned()),
    }
}

fn work_dir(
    cwd: &Path,
    git_dir: &Path,
    common_dir: &Path,
    beside: Option<PathBuf>,
    named: bool,
) -> Result<Option<PathBuf>> {
    if git_dir != common_dir {
        if let Some(beside) = beside {
            return Ok(Some(beside));
        }
        let back = supplied::read(&git_dir.join("gitdir"), Links::Follow, LONGEST)?.unwrap_or_default();
        return Ok(git_dir.join(OsStr::from_bytes(back.trim_ascii())).parent().map(Path::to_owned));
    }
    let own = Own::read(git_dir)?;
    if let Some(named) = own.work_tree {
        return Ok(Some(git_dir.join(named)));
    }
    if own.bare == Some(true) {
        return Ok(None);
    }
    // git's rule: with GIT_DIR and nothing else, the present folder is the top.
    Ok(if named { Some(cwd.to_owned()) } else { beside })
}

/// What a repository's own config says of its work tree.
struct Own {
    bare: Option<bool>,
    work_tree: Option<PathBuf>,
}

impl Own {
    fn read(git_dir: &Path) -> Result<Self> {
        let mut own = Self { bare: None, work_tree: None };
        for name in ["config", "config.worktree"] {
            let path = git_dir.join(name);
            if !path.is_file() {
                continue;
            }
            let attempted = || format!("read {}", path.display());
            let config = git2::Config::open(&path).map_err(Error::libgit2(attempted()))?;
            if name == "config" || own_worktree_config(git_dir) {
                own.bare = config.get_bool("core.bare").ok().or(own.bare);
                own.work_tree = config.get_path("core.worktree").ok().or(own.work_tree);
            }
        }
        Ok(own)
    }
}

/// Whether `config.worktree` counts.
pub(super) fn own_worktree_config(common_dir: &Path) -> bool {
    let config = git2::Config::open(&common_dir.join("config"));
    config.and_then(|c| c.get_bool("extensions.worktreeConfig")).unwrap_or(false)
}

fn canonical(path: &Path) -> Result<PathBuf> {
    path.canonicalize().map_err(|e| base::Error::io("find the folder", path)(e).into())
}

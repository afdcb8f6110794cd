//! When two paths are one file: on a file system that takes `A.txt` and `a.txt` for the same name.

use crate::base::RepoPath;
use crate::engine::Result;
use crate::git::Repo;

/// How the work tree's file system compares names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Names {
    /// By their bytes.
    Exact,
    /// Without regard to case.
    CaseFolded,
}

impl Names {
    /// As git found it when the repository was made (`core.ignoreCase`).
    pub(in crate::engine) fn of(repo: &Repo) -> Result<Self> {
        let folded = repo.config.bool("core.ignoreCase")?.unwrap_or(false);
        Ok(if folded { Self::CaseFolded } else { Self::Exact })
    }

    /// Equal for paths that are one file.
    pub(in crate::engine) fn key(self, path: &RepoPath) -> Vec<u8> {
        match self {
            Self::Exact => path.as_bytes().to_vec(),
            Self::CaseFolded => std::str::from_utf8(path.as_bytes())
                .map_or_else(|_| path.as_bytes().to_ascii_lowercase(), |text| text.to_lowercase().into_bytes()),
        }
    }
}

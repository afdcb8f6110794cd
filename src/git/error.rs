//! Errors of the git floor: what was tried, on what, and what git or libgit2 said.

use std::path::PathBuf;

use super::Oid;

/// What can fail on this floor.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No repository at or above a folder.
    #[error("not in a git repository: {}", .path.display())]
    NotARepository {
        /// Where the search began.
        path: PathBuf,
    },
    /// A repository without a work tree, where one is needed.
    #[error("{} is a bare repository: it has no work tree", .path.display())]
    Bare {
        /// The git dir.
        path: PathBuf,
    },
    /// A kind of repository that we do not serve.
    #[error("{}: {reason}", .path.display())]
    Unsupported {
        /// The git dir.
        path: PathBuf,
        /// Why, as a phrase.
        reason: String,
    },
    /// An object is not there.
    #[error("object {oid} is missing from the repository")]
    Missing {
        /// Which.
        oid: Oid,
    },
    /// An object needs more memory than there is.
    #[error("there is not enough memory to read object {oid}")]
    NoMemory {
        /// Which.
        oid: Oid,
    },
    /// Something stored is not what it should be.
    #[error("damaged: {what}")]
    Damaged {
        /// What it is and what is wrong.
        what: String,
    },
    /// Not an object id.
    #[error("{text:?} is not an object id")]
    BadOid {
        /// What was given.
        text: String,
    },
    /// Several objects begin with the digits given.
    #[error("{prefix} begins the id of several objects")]
    AmbiguousOid {
        /// The digits.
        prefix: String,
    },
    /// Not a ref name that we may form.
    #[error("{name:?} cannot be a ref name")]
    BadRefName {
        /// What was given.
        name: String,
    },
    /// A ref did not have the expected value, or someone else holds its lock.
    #[error("{name} was changed by another process")]
    Lost {
        /// Which ref.
        name: String,
        /// What it holds now, where known.
        actual: Option<Oid>,
    },
    /// A ref's lock file is in the way.
    #[error("{name} is locked")]
    RefLocked {
        /// Which ref.
        name: String,
    },
    /// libgit2 failed.
    #[error("cannot {attempted}: {source}")]
    Libgit2 {
        /// What was tried, on what.
        attempted: String,
        /// What libgit2 said.
        source: git2::Error,
    },
    /// A repository that git would not use there, by its rules of trust.
    #[error("{}: {reason}", .path.display())]
    Untrusted {
        /// Its git directory.
        path: std::path::PathBuf,
        /// Why.
        reason: String,
    },
    /// The git command failed.
    #[error("cannot {attempted}: git said: {said}")]
    Git {
        /// What was tried, on what.
        attempted: String,
        /// First line of standard error.
        said: String,
    },
    /// Nothing can be sent to a remote or had from it.
    #[error("{remote}: {said}")]
    Remote {
        /// The remote as it was named; its URL masked.
        remote: String,
        /// What sort of trouble.
        problem: RemoteProblem,
        /// What is wrong, in our words or git's.
        said: String,
    },
    /// Something below.
    #[error(transparent)]
    Base(#[from] crate::base::Error),
}

/// Why a remote cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteProblem {
    /// No remote is configured under that name, or none at all.
    Unknown,
    /// Several are configured and none is the default.
    Several,
    /// It is a mirror: git sends it every ref there is.
    Mirror,
    /// It cannot be reached, or is no repository.
    Unreachable,
    /// It does not let this user in.
    Denied,
    /// History that is cut is in the way.
    Shallow,
    /// It was there and went away in the middle.
    Vanished,
    /// Anything else that git said.
    Other,
}

/// Result of this floor.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Wraps a libgit2 error with what was tried; shaped for `map_err`.
    pub fn libgit2(attempted: impl Into<String>) -> impl FnOnce(git2::Error) -> Self {
        let attempted = attempted.into();
        move |source| Self::Libgit2 { attempted, source }
    }
}

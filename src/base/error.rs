//! Errors of the base floor: input and output on named paths, locks, child processes.

use std::path::PathBuf;

/// What can fail on this floor. Messages say what was tried, on what.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file operation failed.
    #[error("cannot {attempted} {}: {source}", .path.display())]
    Io {
        /// The verb: `read`, `write`, `create`.
        attempted: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something that is not read or written, because it is no plain file or is reached through a link.
    #[error("cannot {attempted} {}: {found}", .path.display())]
    NotPlain {
        /// The verb.
        attempted: &'static str,
        /// On what.
        path: PathBuf,
        /// What it is instead.
        found: &'static str,
    },
    /// A file that holds more than we read of any such file.
    #[error("cannot read {}: it is larger than {most} bytes", .path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// How much we read.
        most: u64,
    },
    /// Another process holds a lock for longer than the caller waits.
    #[error("{} is locked by another process{}", .path.display(), .holder.as_ref().map(|h| format!(" ({h})")).unwrap_or_default())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// What the holder wrote of itself, if anything.
        holder: Option<String>,
    },
    /// A child process could not be started, failed, or overran its deadline.
    #[error("{program} {problem}")]
    Child {
        /// The program as it was named.
        program: String,
        /// What happened, a phrase that follows the program's name.
        problem: String,
    },
    /// A path that cannot be a path inside a work tree.
    #[error("not a path inside a work tree: {path:?}")]
    BadPath {
        /// The path, as text.
        path: String,
    },
    /// Text that is not what it should be (an id, a time).
    #[error("{text:?} is not {wanted}")]
    BadText {
        /// What was given.
        text: String,
        /// What it should have been: `a session id`, `an RFC 3339 time`.
        wanted: &'static str,
    },
}

/// Result of this floor.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Wraps an input/output error with the verb and the path; shaped for `map_err`.
    pub fn io(attempted: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { attempted, path, source }
    }

    /// Says of a path that it is no plain file.
    pub fn not_plain(attempted: &'static str, path: impl Into<PathBuf>, found: &'static str) -> Self {
        Self::NotPlain { attempted, path: path.into(), found }
    }

    /// Whether there is no file, because its name, or a directory on the way to it, is not there.
    pub fn is_absent(&self) -> bool {
        use std::io::ErrorKind::{NotADirectory, NotFound};
        matches!(self, Self::Io { source, .. } if matches!(source.kind(), NotFound | NotADirectory))
    }

    /// Whether this is "no such file or folder".
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }
}

//! Errors of the engine: snapshots, restores, the store of checkpoints.

use std::path::PathBuf;

use crate::base::{RepoPath, SessionId};

/// What can fail on this floor.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The root is a home folder or `/`.
    #[error("{} is not snapshotted: it is {why}", .root.display())]
    RootRefused {
        /// The top of the work tree.
        root: PathBuf,
        /// `your home folder`, `the root of the file system`.
        why: &'static str,
    },
    /// No such session.
    #[error("session not found: {0}")]
    NoSession(SessionId),
    /// A session's chain was moved by another process meanwhile.
    #[error("session {0} was changed by another process")]
    Moved(SessionId),
    /// A restore would touch what it must not.
    #[error("cannot restore {path}: {reason}")]
    Refused {
        /// The first such path.
        path: RepoPath,
        /// Why, as a phrase.
        reason: String,
        /// How many more there are.
        more: usize,
    },
    /// A file changed between the plan and its turn to be written.
    #[error("{path} changed while the restore ran; it was left as it is")]
    ChangedMeanwhile {
        /// Which.
        path: RepoPath,
    },
    /// After a restore the tree is not the one planned.
    #[error("the work tree is not what the restore planned; {count} paths differ, the first is {first}")]
    NotVerified {
        /// The first that differs.
        first: RepoPath,
        /// How many.
        count: usize,
    },
    /// A filter driver does not give what a restore needs of it.
    #[error("cannot restore {path}: its filter driver {driver} {problem}{}", more_files(*.more))]
    Driver {
        /// The first such path.
        path: RepoPath,
        /// The driver's name.
        driver: String,
        /// What it does instead.
        problem: DriverProblem,
        /// How many more such paths there are.
        more: usize,
    },
    /// A snapshot that had to be quick would not have been.
    #[error("there is more to be read than can be done at once")]
    TooMuch,
    /// A restore was interrupted and has to be settled first.
    #[error("a restore was interrupted in this worktree")]
    Interrupted,
    /// More than is held in memory at once.
    #[error("{what} is longer than {most} bytes")]
    TooLong {
        /// What.
        what: String,
        /// How much would be held.
        most: u64,
    },
    /// A record of ours in the git dir cannot be read.
    #[error("damaged {}: {problem}", .path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Something below.
    #[error(transparent)]
    Git(#[from] crate::git::Error),
    /// Something below.
    #[error(transparent)]
    Model(#[from] crate::model::Error),
    /// Something below.
    #[error(transparent)]
    Base(#[from] crate::base::Error),
}

/// Result of this floor.
pub type Result<T> = std::result::Result<T, Error>;

/// What is wrong with a filter driver.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DriverProblem {
    /// It has no command any more that makes files of what is stored.
    #[error("is not configured here")]
    Missing,
    /// It gives other bytes than the file had.
    #[error("gives other bytes now than the file had")]
    OtherBytes,
    /// It failed.
    #[error("failed: {0}")]
    Failed(String),
    /// It took too long.
    #[error("took too long")]
    TooSlow,
    /// Nobody asked it before the restore began, which is a fault of ours.
    #[error("was not asked")]
    NotAsked,
}

fn more_files(more: usize) -> String {
    match more {
        0 => String::new(),
        1 => " (and 1 more file)".to_owned(),
        more => format!(" (and {more} more files)"),
    }
}

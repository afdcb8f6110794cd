//! Errors of the agents floor: payloads, transcripts and settings that cannot be used.

use std::path::PathBuf;

/// What can fail on this floor.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What a hook got is not what the agent sends.
    #[error("cannot read the {event} hook of {agent}: {problem}")]
    Payload {
        /// Which agent.
        agent: &'static str,
        /// Which event.
        event: String,
        /// What is wrong.
        problem: String,
    },
    /// A settings file that we will not edit.
    #[error("cannot edit {}: {problem}", .path.display())]
    Settings {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The agent cannot resume from a file of ours.
    #[error("{agent} cannot resume from a transcript file")]
    NoResume {
        /// Which agent.
        agent: &'static str,
    },
    /// A transcript from which nothing can be resumed.
    #[error("cannot cut the transcript: {problem}")]
    Transcript {
        /// What is wrong.
        problem: String,
    },
    /// Something below.
    #[error(transparent)]
    Base(#[from] crate::base::Error),
}

/// Result of this floor.
pub type Result<T> = std::result::Result<T, Error>;

//! Floor 0: clock, ids, paths as bytes, files, locks, child processes, text for terminals, progress.
//!
//! Knows nothing of git and nothing of sessions. Every other floor may use it.

pub mod beneath;
pub mod clock;
pub mod error;
pub mod file;
pub mod guarded;
pub mod ids;
pub mod lock;
pub mod pid;
pub mod process;
pub mod progress;
pub mod repo_path;
pub mod supplied;
pub mod text;
pub mod visible;

pub use clock::{Clock, Timestamp};
pub use error::{Error, Result};
pub use ids::{IdSource, SessionId};
pub use repo_path::RepoPath;

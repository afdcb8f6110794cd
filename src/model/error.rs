//! Errors of the model floor: stored records that do not say what they should.

/// What can fail on this floor.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A record that cannot be decoded.
    #[error("damaged {what}: {problem}")]
    Damaged {
        /// Which record: `session.json`, `the trailers of <commit>`.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Written by a newer version.
    #[error("{what} has format version {found}, this program reads up to {known}: update git-session")]
    TooNew {
        /// Which record.
        what: String,
        /// Its version.
        found: u32,
        /// The newest that we read.
        known: u32,
    },
}

/// Result of this floor.
pub type Result<T> = std::result::Result<T, Error>;

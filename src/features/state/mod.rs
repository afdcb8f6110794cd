//! The state of a session, derived: what a transcript's notes, the session's record and its trees say about objectives,
//! progress, errors and tests. Pure functions; `ops::state` reads and stores.

pub mod changes;
pub mod derive;
pub mod diagnostics;
pub mod duration;
pub mod errors;
pub mod git_diff;
pub mod merge;
pub mod next_prompts;
pub mod tests_output;

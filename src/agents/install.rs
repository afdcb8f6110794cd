//! Installing into an agent: edits of files as values, planned by adapters, shown and applied by `ops`.

use std::path::PathBuf;

use super::AgentEnv;

/// How to install.
#[derive(Clone, Debug)]
pub struct InstallOptions {
    /// The program that hooks start, as an absolute path or a name on PATH.
    pub program: String,
    /// Write the settings that are committed, for the whole team.
    pub shared: bool,
    /// Leave the agent's own `/rewind` alone.
    pub keep_builtin_rewind: bool,
    /// Where the person's own settings lie.
    pub env: AgentEnv,
}

/// Our hooks in a work tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hooks {
    /// Not there.
    Absent,
    /// There, and the agent runs them.
    There,
    /// There, and the agent does not run them.
    Idle {
        /// The file that is the reason, relative to the top of the work tree or absolute.
        path: PathBuf,
        /// What about it.
        why: String,
    },
}

/// One file before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEdit {
    /// Relative to the top of the work tree.
    pub path: PathBuf,
    /// Its bytes now; `None` where there is no file.
    pub before: Option<Vec<u8>>,
    /// Its bytes afterwards; `None` removes it (and its folder, if that became empty and was ours).
    pub after: Option<Vec<u8>>,
    /// Whether the file is personal and belongs into `info/exclude`.
    pub exclude: bool,
    /// What it is, for people: `hooks`, `command /rewind`.
    pub what: String,
}

/// A file of the work tree that an install may write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedFile {
    /// Relative to the top of the work tree.
    pub path: String,
    /// Whether it is a person's own in any case, never the project's.
    pub is_personal: bool,
}

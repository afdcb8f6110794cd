//! `skipped.json`: what a snapshot did not take, and why; the conversion settings that were in force.

use serde::{Deserialize, Serialize};

use crate::base::RepoPath;
use crate::base::repo_path::{escape, unescape};
use crate::git::FileMode;

/// Why a path was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SkipReason {
    /// Untracked and larger than `session.snapshot.maxFileBytes`.
    TooLarge,
    /// A FIFO, socket or device.
    Special,
    /// A repository of its own without a commit, or a linked worktree.
    NestedRepository,
    /// It could not be read.
    Unreadable,
    /// Its filter driver failed, and is required.
    FilterFailed,
    /// Its filter driver took too long, in a hook.
    FilterTooSlow,
    /// A name that git refuses (`.GIT`, `git~1`).
    RefusedName,
    /// More untracked files in one folder than we take.
    TooManyFiles,
    /// It changed each time it was read.
    Changing,
    /// The time ran out.
    TimeBudget,
    /// Folders lie in each other deeper than we go.
    TooDeep,
}

/// One path that was not taken; a folder stands for all below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedPath {
    /// Which; bytes that are not UTF-8 as `\xNN`. Text, because a refused name is no valid path.
    pub path: String,
    /// Why.
    pub reason: SkipReason,
    /// Its size, where that is the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

impl SkippedPath {
    /// Whether it was there, as a file, and could not be taken.
    const fn is_unseen(&self) -> bool {
        matches!(
            self.reason,
            SkipReason::Unreadable
                | SkipReason::Changing
                | SkipReason::FilterFailed
                | SkipReason::FilterTooSlow
                | SkipReason::TooDeep
        )
    }
}

/// The record. Nothing skipped and full scope: the file is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// What was not taken, in the order of paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<SkippedPath>,
    /// Scope `paths`: what was looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<RepoPath>,
    /// Conversion settings that would change bytes in git's own checkout (`core.autocrlf`, `core.eol`), where set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conversion: Vec<String>,
}

impl Skipped {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }

    /// Whether the path, or a folder above it, was left out.
    pub fn covers(&self, path: &RepoPath) -> bool {
        self.covering(path).next().is_some()
    }

    /// Whether something was there that could not be taken, so that the tree holds what an earlier one had there.
    pub fn is_unseen(&self, path: &RepoPath) -> bool {
        self.covering(path).any(SkippedPath::is_unseen)
    }

    /// Paths of which that is so.
    pub fn unseen(&self) -> impl Iterator<Item = RepoPath> {
        let unseen = self.paths.iter().filter(|skipped| skipped.is_unseen());
        unseen.filter_map(|skipped| RepoPath::new(unescape(&skipped.path)).ok())
    }

    /// The records of the path and of folders above it. `.` stands for the files directly at the top.
    pub fn covering(&self, path: &RepoPath) -> impl Iterator<Item = &SkippedPath> {
        let text = escape(path.as_bytes());
        let at_top = path.parent().is_none();
        self.paths.iter().filter(move |skipped| {
            let rest = text.strip_prefix(skipped.path.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) || skipped.path == "." && at_top
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skipped_folder_covers_what_is_below_it_and_a_name_need_not_be_text() {
        let skipped = |path: &[u8]| Skipped {
            paths: vec![SkippedPath { path: escape(path), reason: SkipReason::Unreadable, bytes: None }],
            ..Skipped::default()
        };
        let path = |bytes: &[u8]| RepoPath::new(bytes).expect("a path");
        assert!(skipped(b"a\xff").covers(&path(b"a\xff/b")));
        assert!(!skipped(b"a").covers(&path(b"ab")));
        assert!(skipped(b".").covers(&path(b"top")) && !skipped(b".").covers(&path(b"a/b")));
    }
}

/// `modes`: the umask, and permission bits other than it gives. Absent where no full snapshot was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modes {
    /// The umask that they are relative to, octal.
    pub umask: String,
    /// Permission bits by path, octal.
    #[serde(default)]
    pub paths: std::collections::BTreeMap<RepoPath, String>,
}

impl Modes {
    /// From numbers.
    pub fn new(umask: u32, modes: &std::collections::BTreeMap<RepoPath, u32>) -> Self {
        Self {
            umask: format!("{umask:04o}"),
            paths: modes.iter().map(|(path, bits)| (path.clone(), format!("{bits:04o}"))).collect(),
        }
    }

    /// The bits that a file of that mode had; `None` where the umask is not known.
    pub fn of(&self, path: &RepoPath, mode: FileMode) -> Option<u32> {
        let octal = |text: &str| u32::from_str_radix(text, 8).ok();
        if let Some(bits) = self.paths.get(path) {
            return octal(bits).map(|bits| bits & 0o777);
        }
        let all = if mode == FileMode::Executable { 0o777 } else { 0o666 };
        octal(&self.umask).map(|umask| all & !umask)
    }

    /// The bits as numbers; what is no octal number is left out.
    pub fn bits(&self) -> std::collections::BTreeMap<RepoPath, u32> {
        self.paths
            .iter()
            .filter_map(|(path, bits)| Some((path.clone(), u32::from_str_radix(bits, 8).ok()? & 0o777)))
            .collect()
    }
}

//! Every ref name that we form or read is formed and parsed here; nothing else contains the text `refs/`.
//!
//! Layout (docs/storage-format.md): `refs/sessions/heads/<uuid>` a session's newest checkpoint,
//! `refs/sessions/trash/<uuid>` a deleted one. No leaf is ever also a folder. `refs/notes/sessions` links commits of the
//! project to checkpoints.

use std::fmt;

use super::{Error, Result};
use crate::base::SessionId;

const HEADS: &str = "refs/sessions/heads/";
/// All that is ours.
const ALL: &str = "refs/sessions/";
const BRANCHES: &str = "refs/heads/";
const TAGS: &str = "refs/tags/";
const NOTES: &str = "refs/notes/sessions";

/// A full, valid ref name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefName(String);

impl RefName {
    /// `refs/sessions/heads/<uuid>`.
    pub fn session_head(id: SessionId) -> Self {
        Self(format!("{HEADS}{id}"))
    }

    /// `refs/heads/<name>`, checked by git's rules for branches.
    pub fn branch(name: &str) -> Result<Self> {
        let full = format!("{BRANCHES}{name}");
        if name.is_empty() || name.starts_with('-') || name == "HEAD" || !git2::Reference::is_valid_name(&full) {
            return Err(Error::BadRefName { name: name.to_owned() });
        }
        Ok(Self(full))
    }

    /// A full name that git told us.
    pub fn from_git(full: &str) -> Result<Self> {
        if full != "HEAD" && !git2::Reference::is_valid_name(full) {
            return Err(Error::BadRefName { name: full.to_owned() });
        }
        Ok(Self(full.to_owned()))
    }

    /// The prefix of all session heads, for listing.
    pub const fn session_heads_prefix() -> &'static str {
        HEADS
    }

    /// The prefix of everything that is ours.
    pub const fn all_prefix() -> &'static str {
        ALL
    }

    /// The prefix of branches.
    pub const fn branches_prefix() -> &'static str {
        BRANCHES
    }

    /// The prefix of tags.
    pub const fn tags_prefix() -> &'static str {
        TAGS
    }

    /// The prefix of what was fetched from a remote of that name.
    pub fn tracking_prefix(remote: &str) -> String {
        format!("refs/remotes/{remote}/")
    }

    /// `refs/notes/sessions`.
    pub fn notes() -> Self {
        Self(NOTES.to_owned())
    }

    /// Whether the left side of a refspec takes refs of ours with it: it names one, or a pattern that covers them.
    pub fn is_source_of_ours(source: &str) -> bool {
        let source = source.trim_start_matches('+');
        match source.split_once('*') {
            Some((before, after)) => after.is_empty() && (ALL.starts_with(before) || before.starts_with(ALL)),
            None => source.starts_with(ALL),
        }
    }

    /// Whether a value of `notes.rewriteRef` covers our notes.
    pub fn covers_notes(value: &str) -> bool {
        value == NOTES || value.strip_suffix('*').is_some_and(|before| NOTES.starts_with(before))
    }

    /// The session whose head this is.
    pub fn as_session_head(&self) -> Option<SessionId> {
        self.0.strip_prefix(HEADS).and_then(|id| SessionId::parse(id).ok())
    }

    /// The branch's short name, where this is a branch.
    pub fn as_branch(&self) -> Option<&str> {
        self.0.strip_prefix(BRANCHES)
    }

    /// The full name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_head_parses_back_to_its_session() {
        let id = SessionId::parse("094320c0-d68c-4670-b77b-7456115d8c99").expect("an id");
        assert_eq!(RefName::session_head(id).as_session_head(), Some(id));
        assert!(RefName::session_head(id).as_str().len() <= 100);
    }

    #[test]
    fn refspecs_that_take_sessions_along_are_known() {
        for spec in ["refs/*", "+refs/*", "refs/sessions/*", "+refs/sessions/heads/*", "refs/sessions/heads/x", "*"] {
            assert!(RefName::is_source_of_ours(spec), "{spec}");
        }
        for spec in ["refs/heads/*", "main", "refs/notes/*", "refs/*/main", "refs/sess"] {
            assert!(!RefName::is_source_of_ours(spec), "{spec}");
        }
        assert!(RefName::covers_notes("refs/notes/*") && RefName::covers_notes("refs/notes/sessions"));
        assert!(!RefName::covers_notes("refs/notes/commits"));
    }

    #[test]
    fn branch_names_that_git_refuses_are_refused() {
        for bad in ["", "-x", "a..b", "a b", "x.lock", "a/", "HEAD", "a\u{7f}"] {
            assert!(RefName::branch(bad).is_err(), "{bad:?}");
        }
        assert_eq!(RefName::branch("session/fix").expect("valid").as_branch(), Some("session/fix"));
    }
}

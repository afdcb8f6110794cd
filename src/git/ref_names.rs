//! Every ref name that we form or read is formed and parsed here; nothing else contains the text `refs/`.
//!
//! Layout (docs/storage-format.md): `refs/sessions/heads/<uuid>` a session's newest checkpoint,
//! `refs/sessions/trash/<uuid>` a deleted one. No leaf is ever also a folder.

use std::fmt;

use super::{Error, Result};
use crate::base::SessionId;

const HEADS: &str = "refs/sessions/heads/";
/// All that is ours.
const ALL: &str = "refs/sessions/";
const BRANCHES: &str = "refs/heads/";

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
    fn branch_names_that_git_refuses_are_refused() {
        for bad in ["", "-x", "a..b", "a b", "x.lock", "a/", "HEAD", "a\u{7f}"] {
            assert!(RefName::branch(bad).is_err(), "{bad:?}");
        }
        assert_eq!(RefName::branch("session/fix").expect("valid").as_branch(), Some("session/fix"));
    }
}

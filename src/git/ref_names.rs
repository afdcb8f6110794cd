//! Every ref name that we form or read is formed and parsed here; nothing else contains the text `refs/`.
//!
//! Layout (docs/storage-format.md): `refs/sessions/heads/<uuid>` a session's newest checkpoint,
//! `refs/sessions/remotes/<r>/heads/<uuid>` the newest that was fetched from a remote,
//! `refs/sessions/trash/<uuid>` a deleted one. No leaf is ever also a folder. `refs/notes/sessions` links commits of the
//! project to checkpoints.

use std::fmt;

use super::{Error, ObjectFormat, Result};
use crate::base::SessionId;

const HEADS: &str = "refs/sessions/heads/";
/// All that is ours.
const ALL: &str = "refs/sessions/";
const BRANCHES: &str = "refs/heads/";
const TAGS: &str = "refs/tags/";
const NOTES: &str = "refs/notes/sessions";
const TRASH: &str = "refs/sessions/trash/";
const REMOTES: &str = "refs/sessions/remotes/";
/// What a tracking ref has between the remote and the session.
const TRACKED_HEADS: &str = "/heads/";
/// So long may the remote's part be that the whole name stays within 100 characters.
const REMOTE_LENGTH: usize = 35;
/// What a remote shows of itself when asked what it has of a project: its branches, its tags and its sessions.
pub const ADVERTISED: [&str; 3] = ["refs/heads/*", "refs/tags/*", "refs/sessions/heads/*"];

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

    /// `refs/sessions/remotes/<r>/heads/<uuid>`.
    pub fn tracking(remote: &RemoteKey, id: SessionId) -> Self {
        Self(format!("{REMOTES}{}{TRACKED_HEADS}{id}", remote.0))
    }

    /// The prefix of all tracking refs, for listing.
    pub const fn tracking_prefix() -> &'static str {
        REMOTES
    }

    /// The prefix of the branches of all remotes as git itself tracks them.
    pub const fn remote_branches() -> &'static str {
        "refs/remotes/"
    }

    /// The same of one remote.
    pub fn remote_branches_prefix(remote: &str) -> String {
        format!("{}{remote}/", Self::remote_branches())
    }

    /// Whether a refspec's side takes in sessions, as `refs/*` does.
    pub fn pattern_takes_sessions(pattern: &str) -> bool {
        match pattern.split_once('*') {
            Some((before, after)) => after.is_empty() && (HEADS.starts_with(before) || before.starts_with(HEADS)),
            None => pattern.starts_with(HEADS),
        }
    }

    /// The session that was deleted, where this is a ref of the trash.
    pub fn as_deleted(&self) -> Option<SessionId> {
        self.0.strip_prefix(TRASH).and_then(|id| SessionId::parse(id).ok())
    }

    /// The prefix of deleted sessions, for listing.
    pub const fn trash_prefix() -> &'static str {
        TRASH
    }

    /// A refspec that takes all sessions of a remote; where git would put them, were it to move refs.
    pub fn all_sessions_of(remote: &RemoteKey) -> String {
        format!("+{HEADS}*:{REMOTES}{}{TRACKED_HEADS}*", remote.0)
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

    /// `refs/notes/sessions`.
    pub fn notes() -> Self {
        Self(NOTES.to_owned())
    }

    /// What `notes.rewriteRef` gets: a pattern that our notes alone match. Of a plain name git warns where there is no such
    /// ref yet, of a pattern it does not.
    pub const fn notes_pattern() -> &'static str {
        "refs/notes/session[s]"
    }

    /// Whether a value of `notes.rewriteRef` covers our notes.
    pub fn covers_notes(value: &str) -> bool {
        value == NOTES
            || value == Self::notes_pattern()
            || value.strip_suffix('*').is_some_and(|before| NOTES.starts_with(before))
    }

    /// Where `git filter-branch` keeps what a ref was before.
    pub fn before_filter_branch(&self) -> Self {
        Self(format!("refs/original/{}", self.0))
    }

    /// The prefix of what stands in for other objects (`git replace`); the rest of the name is the other's id.
    pub const fn replaced_prefix() -> &'static str {
        "refs/replace/"
    }

    /// The session whose head this is.
    pub fn as_session_head(&self) -> Option<SessionId> {
        self.0.strip_prefix(HEADS).and_then(|id| SessionId::parse(id).ok())
    }

    /// The remote and the session, where this is a tracking ref.
    pub fn as_tracking(&self) -> Option<(RemoteKey, SessionId)> {
        let (remote, id) = self.0.strip_prefix(REMOTES)?.split_once(TRACKED_HEADS)?;
        Some((RemoteKey::parse(remote)?, SessionId::parse(id).ok()?))
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

/// A remote's part of a tracking ref: its name percent-encoded as one part of a path, so that pruning remote `team` never
/// touches remote `team/alice`; for a URL, or a name that is too long, 12 hex digits of its hash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemoteKey(String);

impl RemoteKey {
    /// Of a configured remote.
    pub fn of_name(name: &str) -> Result<Self> {
        let mut encoded = String::new();
        for byte in name.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
                encoded.push(char::from(byte));
            } else {
                encoded.push_str(&format!("%{byte:02x}"));
            }
        }
        if encoded.is_empty() || encoded.len() > REMOTE_LENGTH || is_hash(&encoded) {
            return Self::of_url(name);
        }
        Ok(Self(encoded))
    }

    /// Of a URL.
    pub fn of_url(url: &str) -> Result<Self> {
        Ok(Self(ObjectFormat::Sha1.hash_blob(url.as_bytes())?.to_string().chars().take(HASH_DIGITS).collect()))
    }

    /// As shown: the remote's name; the hash where that is all there is.
    pub fn shown(&self) -> String {
        let mut bytes = Vec::new();
        let mut rest = self.0.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            match (first, after.get(..2).and_then(hex_byte)) {
                (b'%', Some(byte)) => {
                    bytes.push(byte);
                    rest = &after[2..];
                }
                _ => {
                    bytes.push(*first);
                    rest = after;
                }
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// From a ref: only what we would have formed.
    fn parse(text: &str) -> Option<Self> {
        let key = Self(text.to_owned());
        (is_hash(text) || Self::of_name(&key.shown()).ok().as_ref() == Some(&key)).then_some(key)
    }
}

const HASH_DIGITS: usize = 12;

fn is_hash(text: &str) -> bool {
    text.len() == HASH_DIGITS && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    std::str::from_utf8(digits).ok().and_then(|d| u8::from_str_radix(d, 16).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn some_id() -> SessionId {
        SessionId::parse("094320c0-d68c-4670-b77b-7456115d8c99").expect("an id")
    }

    proptest! {
        #[test]
        fn a_tracking_ref_of_any_remote_is_valid_and_parses_back(name in "\\PC{1,40}", other in "[a-z/%.]{1,12}") {
            let key = RemoteKey::of_name(&name).expect("a key");
            let full = RefName::tracking(&key, some_id());
            prop_assert!(full.as_str().len() <= 100 && RefName::from_git(full.as_str()).is_ok(), "{}", full);
            prop_assert_eq!(full.as_tracking(), Some((key.clone(), some_id())));
            prop_assert!(is_hash(&key.0) || key.shown() == name);
            let second = RemoteKey::of_name(&other).expect("a key");
            prop_assert_eq!(key == second, name == other);
        }
    }

    #[test]
    fn remotes_that_begin_alike_do_not_share_a_folder() {
        let key = |name: &str| RemoteKey::of_name(name).expect("a key").0;
        assert_eq!((key("team").as_str(), key("team/alice").as_str()), ("team", "team%2falice"));
        let long = "long".repeat(20);
        assert!(is_hash(&key(&long)) && is_hash(&key("0123456789ab")) && key("0123456789ab") != "0123456789ab");
        assert!(is_hash(&RemoteKey::of_url("https://example.org/x.git").expect("a key").0));
    }

    #[test]
    fn a_refspec_that_takes_in_sessions_is_known() {
        for wide in ["refs/*", "refs/sessions/*", "refs/sessions/heads/*", "refs/sessions/heads/x", "*"] {
            assert!(RefName::pattern_takes_sessions(wide), "{wide}");
        }
        for narrow in [
            "refs/heads/*",
            "refs/tags/*",
            "refs/heads/main",
            "HEAD",
            "refs/sessions/lessons",
            "refs/*/main",
            "refs/sess",
        ] {
            assert!(!RefName::pattern_takes_sessions(narrow), "{narrow}");
        }
    }

    #[test]
    fn what_we_never_form_is_no_tracking_ref() {
        for text in ["a.b", "a/b", "%", "%2F", "%61", ""] {
            let name = RefName(format!("{REMOTES}{text}{TRACKED_HEADS}{}", some_id()));
            assert_eq!(name.as_tracking(), None, "{text}");
        }
        assert_eq!(RefName::session_head(some_id()).as_tracking(), None);
    }

    #[test]
    fn a_session_head_parses_back_to_its_session() {
        let id = SessionId::parse("094320c0-d68c-4670-b77b-7456115d8c99").expect("an id");
        assert_eq!(RefName::session_head(id).as_session_head(), Some(id));
        assert!(RefName::session_head(id).as_str().len() <= 100);
    }

    #[test]
    fn a_rewrite_setting_that_covers_our_notes_is_known() {
        assert!(RefName::covers_notes("refs/notes/*") && RefName::covers_notes(RefName::notes_pattern()));
        assert!(RefName::covers_notes("refs/notes/sessions"));
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

//! `session.json`: what a session is, beside its turns and its conversation.
//!
//! Fields that are absent stay absent; unknown ones are kept, so that an older program does not lose what a newer wrote.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::base::{SessionId, Timestamp};

/// Where a title came from; a higher one is never replaced by a lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TitleSource {
    /// First line of the first prompt, or a commit's subject.
    FirstMessage,
    /// The agent's own title.
    Agent,
    /// A person set it.
    Custom,
}

/// One native transcript file of the agent, as stored under `chat/<id>/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// The native id; a subagent's is `<native-id>.agent-<id>`.
    pub id: String,
    /// Bytes stored.
    pub bytes: u64,
    /// Pieces stored.
    pub pieces: u32,
    /// Of these, the first so many are full segments that are never written again.
    pub sealed: u32,
    /// Bytes in them.
    pub sealed_bytes: u64,
}

/// The agent of a session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AgentInfo {
    /// Its kind, as the folders in `agents/` are named, or `none`.
    pub kind: String,
    /// Its version, where the transcript tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its own ids for this session, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub native_ids: Vec<String>,
    /// The native id whose stream is live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<String>,
    /// Where the live transcript lies on the machine that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript_path: Option<String>,
}

/// Where a session came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// The session that was forked.
    pub parent_session: SessionId,
    /// Number of the checkpoint at which it was forked.
    pub checkpoint: u64,
    /// The branch that was made, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
}

/// Token counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Fresh input tokens.
    pub input: u64,
    /// Output tokens.
    pub output: u64,
    /// Input tokens that were written to a cache.
    #[serde(default)]
    pub cache_write: u64,
    /// Input tokens that were read from a cache.
    #[serde(default)]
    pub cache_read: u64,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input += other.input;
        self.output += other.output;
        self.cache_write += other.cache_write;
        self.cache_read += other.cache_read;
    }
}

impl Usage {
    /// What is left after taking another's away; never below nothing.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_sub(other.input),
            output: self.output.saturating_sub(other.output),
            cache_write: self.cache_write.saturating_sub(other.cache_write),
            cache_read: self.cache_read.saturating_sub(other.cache_read),
        }
    }
}

/// The record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// The id; also in the ref's name.
    pub id: SessionId,
    /// `sess_YYYYMMDD_NNN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// A unique alias that a person gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Where the title came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title_source: Option<TitleSource>,
    /// The agent.
    pub agent: AgentInfo,
    /// The model last used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The agent's mode last seen (such as a permission mode).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Where it came from, for a fork.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<Lineage>,
    /// Name of the project: the work tree's folder.
    pub project: String,
    /// Folder where it was begun, on the machine that began it.
    pub cwd: String,
    /// The worktree that it last ran in (`main` or a linked worktree's name).
    pub worktree: String,
    /// The clone that it last ran in; absent in records from before clones were told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clone: Option<String>,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When its last event happened.
    pub updated_at: Timestamp,
    /// When it ended; absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Streams stored under `chat/`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<Stream>,
    /// Rows under `turns/`, of all streams.
    #[serde(default)]
    pub rows: u32,
    /// Turns of the live stream.
    #[serde(default)]
    pub turns: u32,
    /// Tokens of the live stream's turns.
    #[serde(default)]
    pub usage: Usage,
    /// Time in which something happened, pauses of more than half an hour left out.
    #[serde(default)]
    pub active_ms: u64,
    /// What we do not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Session {
    /// The stream of a native id, where one is stored.
    pub fn stream(&self, id: &str) -> Option<&Stream> {
        self.streams.iter().find(|s| s.id == id)
    }

    /// The title as shown.
    pub fn display_title(&self) -> &str {
        self.title.as_deref().unwrap_or("(untitled)")
    }

    /// Notes a native id of the agent, once.
    pub fn add_native_id(&mut self, native: &str) {
        if !self.agent.native_ids.iter().any(|n| n == native) {
            self.agent.native_ids.push(native.to_owned());
        }
    }

    /// Sets the title unless a better one is there.
    pub fn offer_title(&mut self, title: &str, source: TitleSource) {
        if !title.is_empty() && self.title_source.is_none_or(|have| source > have) {
            self.title = Some(title.to_owned());
            self.title_source = Some(source);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::codec;

    const OLD: &str = r#"{"id":"094320c0-d68c-4670-b77b-7456115d8c99","agent":{"kind":"claude-code"},"project":"p","cwd":"/p",
        "worktree":"main","created_at":"2026-11-21T10:00:00.000Z","updated_at":"2026-11-21T10:00:00.000Z","future":{"a":[1]}}"#;

    #[test]
    fn unknown_fields_survive_and_absent_ones_stay_absent() {
        let session: Session = codec::decode("session.json", OLD.as_bytes()).expect("reads");
        let text = String::from_utf8(codec::encode("session.json", &session).expect("writes")).expect("text");
        assert!(text.contains("\"future\"") && !text.contains("\"name\"") && !text.contains("null"), "{text}");
    }

    #[test]
    fn a_title_that_a_person_set_is_never_replaced() {
        let mut session: Session = codec::decode("session.json", OLD.as_bytes()).expect("reads");
        session.offer_title("first", TitleSource::FirstMessage);
        session.offer_title("second", TitleSource::FirstMessage);
        assert_eq!(session.display_title(), "first");
        session.offer_title("mine", TitleSource::Custom);
        session.offer_title("the agent's", TitleSource::Agent);
        assert_eq!(session.display_title(), "mine");
    }
}

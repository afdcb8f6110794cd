//! `state.json` and the file that shows it, `.session-state.json`: what a session is about, how far it is, what is open.
//!
//! [`State`] is the file, with the keys of the format in their order. [`StateRecord`] is what a checkpoint stores: the state
//! without the facts that lie elsewhere in it (label, times, files' patch), what somebody set by hand, and what is needed to
//! derive on from here. Unknown fields are kept (docs/state-file.md).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Result, codec};
use crate::git::Oid;

/// Keys that are always derived from the session, its times and its trees; setting them has no meaning.
pub const FACTS: &[&str] = &["session_id", "timestamp", "duration_minutes", "files", "git_diff"];

/// The words of `objectives.status`.
pub const STATUSES: &[&str] = &["not-started", "in-progress", "blocked", "done"];

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// The session's label.
    pub session_id: String,
    /// The project's name.
    pub project: String,
    /// When it was last saved, to the second.
    pub timestamp: String,
    /// Active minutes.
    pub duration_minutes: u64,
    /// What is to be reached.
    pub objectives: Objectives,
    /// How far it is.
    pub progress: Progress,
    /// What changed since the session's first checkpoint.
    pub files: Files,
    /// What went wrong.
    pub errors: Errors,
    /// The last run of tests.
    pub tests: Tests,
    /// What is to do.
    pub todos: Vec<String>,
    /// What to know.
    pub context: Context,
    /// What to ask for next.
    pub next_prompts: Vec<String>,
    /// The changes themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_diff: Option<GitDiff>,
    /// What we do not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// What is to be reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Objectives {
    /// In a line.
    pub primary: String,
    /// Beside it.
    pub secondary: Vec<String>,
    /// One of [`STATUSES`].
    pub status: String,
    /// What we do not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// How far it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Done.
    pub completed: Vec<String>,
    /// Begun.
    pub in_progress: Vec<String>,
    /// Stuck.
    pub blocked: Vec<String>,
    /// What we do not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Paths that changed. A rename is a deletion and a creation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Files {
    /// Not there before.
    pub created: Vec<String>,
    /// Other content or mode.
    pub modified: Vec<String>,
    /// Gone.
    pub deleted: Vec<String>,
    /// What we do not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// What went wrong.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Errors {
    /// Still there.
    pub unresolved: Vec<OpenError>,
    /// Gone, and how.
    pub resolved: Vec<ResolvedError>,
    /// What we do not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// An error that is still there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OpenError {
    /// Relative to the top; empty where none was named.
    pub file: String,
    /// Its line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The message.
    pub error: String,
    /// How often it was met.
    pub attempts: u64,
    /// What makes it the same error (docs/state-file.md).
    pub fingerprint: String,
    /// What we do not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// An error that is gone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResolvedError {
    /// Relative to the top; empty where none was named.
    pub file: String,
    /// The message.
    pub error: String,
    /// What was done.
    pub resolution: String,
    /// As it was while open.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fingerprint: String,
    /// What we do not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The last run of tests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tests {
    /// How many passed.
    pub passing: u64,
    /// How many failed.
    pub failing: u64,
    /// `path:test name` of those that failed.
    pub failed_paths: Vec<String>,
    /// What we do not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// What to know.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Context {
    /// Languages, frameworks.
    pub tech_stack: Vec<String>,
    /// What was decided.
    pub key_decisions: Vec<String>,
    /// How it is built.
    pub architecture_notes: String,
    /// What we do not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The changes since the session's first checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GitDiff {
    /// The code commit of the session's first checkpoint.
    pub base: String,
    /// `3 files changed, 10 insertions(+), 2 deletions(-)`.
    pub stat: String,
    /// A unified diff, cut at 64 KiB.
    pub patch: String,
}

impl State {
    /// The file's bytes: two spaces, a line end.
    pub fn encode(&self) -> Result<Vec<u8>> {
        codec::encode("state file", self)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// Not JSON, or not of this form.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        codec::decode("state file", bytes)
    }

    /// As a JSON object, keys in order.
    pub fn to_map(&self) -> Result<Map<String, Value>> {
        codec::decode("state file", &self.encode()?)
    }

    /// From a JSON object.
    pub fn from_map(map: Map<String, Value>) -> Result<Self> {
        codec::from_value("state file", Value::Object(map))
    }
}

/// How far a todo is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TodoStatus {
    /// To do.
    #[default]
    Pending,
    /// Begun.
    InProgress,
    /// Done.
    Completed,
}

/// One item of an agent's todo list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Todo {
    /// The agent's own id, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What.
    pub content: String,
    /// How far.
    pub status: TodoStatus,
}

/// An open error with what closes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tracked {
    /// The error.
    #[serde(flatten)]
    pub error: OpenError,
    /// The tool and what it was run on; its success resolves the error.
    pub by: String,
    /// What was done since it was last met.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
}

/// How much of the conversation is in [`Derived`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The live stream.
    pub stream: String,
    /// The byte before which all was read.
    pub upto: u64,
}

/// What was read from the conversation so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Derived {
    /// The first prompt's line.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub objective: String,
    /// The state was cleared after this turn; the next one's prompt is the objective.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cleared_after: Option<u32>,
    /// The agent's todo list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub todos: Vec<Todo>,
    /// Open errors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unresolved: Vec<Tracked>,
    /// Errors that are gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resolved: Vec<ResolvedError>,
    /// The last run of tests.
    pub tests: Tests,
    /// The command that ran them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_command: Option<String>,
    /// How far it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
}

/// What a checkpoint stores as `state.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StateRecord {
    /// The state, without the [`FACTS`] but `files`.
    pub state: Map<String, Value>,
    /// What an agent or a person set, as a merge patch over what is derived.
    pub set: Map<String, Value>,
    /// What was read so far.
    pub derived: Derived,
    /// The code commit that `files` compares with; absent while the session has one checkpoint only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<Oid>,
    /// What we do not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &[u8] = include_bytes!("../../tests/fixtures/session-resume/session-state.json");

    #[test]
    fn the_example_reads_back_byte_for_byte() {
        let state = State::decode(EXAMPLE).expect("reads");
        assert_eq!(state.errors.unresolved[0].line, Some(42));
        assert_eq!(state.extra, Map::new());
        assert_eq!(state.encode().expect("writes"), EXAMPLE);
    }

    #[test]
    fn unknown_fields_are_kept_at_every_depth() {
        let text = br#"{"mood":"good","errors":{"unresolved":[{"file":"a","who":"me"}],"n":1},"tests":{"skipped":3}}"#;
        let map = State::decode(text).expect("reads").to_map().expect("a map");
        assert_eq!(map["mood"], "good");
        assert_eq!(map["errors"]["unresolved"][0]["who"], "me");
        assert_eq!((&map["errors"]["n"], &map["tests"]["skipped"]), (&1.into(), &3.into()));
    }

    #[test]
    fn what_is_of_another_form_is_refused() {
        for bad in [&b"[1]"[..], b"{", b"{\"todos\":\"one\"}", b"{\"tests\":{\"passing\":-1}}"] {
            assert!(State::decode(bad).is_err());
        }
    }
}

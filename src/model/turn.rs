//! `turns/NN/NN`: one small record a turn, in the order of writing. A turn is a human message and all up to the next one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::session::Usage;
use crate::base::{RepoPath, Timestamp};

/// The record of a turn in one stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TurnRow {
    /// Its number in its stream, from 1.
    pub turn: u32,
    /// The native id of its stream.
    pub stream: String,
    /// The agent's own key of the prompt, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// First byte of the turn in its stream.
    pub start: u64,
    /// The byte after it; absent while the turn is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<u64>,
    /// When the prompt was sent.
    pub started_at: Timestamp,
    /// When the turn was closed; absent while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Whether it was closed by a later event instead of its own end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// First line of the prompt.
    pub prompt: String,
    /// Numbers of its checkpoints: the start first, the end last.
    pub checkpoints: Vec<u64>,
    /// Number of the checkpoint that closed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_checkpoint: Option<u64>,
    /// Files that tools named as written, relative to the top.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Files that tools named as written outside of the work tree, or in a repository inside it: relative to the top where that
    /// can be said so. They are in no checkpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<String>,
    /// The agent's last sign of life in the turn, where a tool gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_at: Option<Timestamp>,
    /// Files that changed after the last sign of life of a turn that did not come to its own end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<RepoPath>,
    /// Tool calls by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tools: BTreeMap<String, u32>,
    /// Tool calls that failed.
    #[serde(default)]
    pub errors: u32,
    /// Tokens.
    #[serde(default)]
    pub tokens: Usage,
    /// What we do not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl TurnRow {
    /// Whether the turn goes on: everything that changes now is the agent's.
    pub const fn is_open(&self) -> bool {
        self.ended_at.is_none()
    }

    /// The agent's last sign of life that hooks gave.
    pub fn last_sign(&self) -> Timestamp {
        self.seen_at.map_or(self.started_at, |seen| seen.max(self.started_at))
    }

    /// Number of the checkpoint just before the turn was answered.
    pub fn start_checkpoint(&self) -> Option<u64> {
        self.checkpoints.first().copied()
    }
}

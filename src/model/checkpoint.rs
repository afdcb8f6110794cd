//! A checkpoint: what the trailers of a session commit say (docs/storage-format.md).
//!
//! The order of parents is never guessed; the trailers name them.

use bstr::{BStr, BString, ByteSlice as _};
use serde::{Deserialize, Serialize};

use super::trailers::Message;
use super::{Error, Result};
use crate::base::{SessionId, Timestamp, text};
use crate::git::{Commit, Oid};

/// Declares an enum that is stored and shown by fixed words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),+ }
        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The word.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
            /// From its word.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.pad(self.word()) }
        }
    };
}

words! {
    /// Why a checkpoint was made.
    Kind {
        /// A prompt was sent.
        TurnStart = "turn-start",
        /// A turn was answered.
        TurnEnd = "turn-end",
        /// Transcript that came late.
        Tail = "tail",
        /// A tool wrote named files.
        Tool = "tool",
        /// The user committed.
        Commit = "commit",
        /// Somebody asked for it.
        Save = "save",
        /// A tool failed.
        Error = "error",
        /// The agent is about to compact its conversation.
        Compact = "compact",
        /// The conversation was emptied.
        Clear = "clear",
        /// The state before a rewind or redo.
        PreRewind = "pre-rewind",
        /// The state after a rewind.
        Rewind = "rewind",
        /// The state after a redo.
        Redo = "redo",
        /// One turn's changes were taken back.
        Revert = "revert",
        /// A session began as a fork.
        Fork = "fork",
        /// A twin's work came home.
        Join = "join",
        /// A session came from outside.
        Import = "import",
        /// The session was deleted.
        Delete = "delete",
        /// The agent's session ended with news.
        End = "end",
    }
}

words! {
    /// How much of the work tree was looked at.
    Scope {
        /// All of it.
        Full = "full",
        /// Only named paths (`only` in `skipped.json`).
        Paths = "paths",
        /// Tracked files, but not all new ones.
        Tracked = "tracked",
    }
}

words! {
    /// Which half of a session a rewind moved.
    Mode {
        /// The files.
        Code = "code",
        /// The conversation.
        Chat = "chat",
        /// Both.
        Both = "both",
    }
}

impl Mode {
    /// Whether files are concerned.
    pub const fn code(self) -> bool {
        matches!(self, Self::Code | Self::Both)
    }

    /// Whether the conversation is concerned.
    pub const fn chat(self) -> bool {
        matches!(self, Self::Chat | Self::Both)
    }
}

impl Kind {
    /// Whether a bare `rewind code` may stop here (design: starts of turns, and save, commit, fork and import).
    pub const fn is_stop(self) -> bool {
        matches!(self, Self::TurnStart | Self::Save | Self::Commit | Self::Fork | Self::Import)
    }

    /// Whether this checkpoint moved the session back or forth.
    pub const fn is_move(self) -> bool {
        matches!(self, Self::Rewind | Self::Redo)
    }
}

/// What a rewind, redo or revert did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    /// Number of the checkpoint that held the state before.
    pub from: u64,
    /// Number of the checkpoint whose state was taken.
    pub target: u64,
    /// Which half.
    pub mode: Mode,
    /// On a redo: the number of the rewind that it undid.
    pub redone: Option<u64>,
    /// Only some paths went there: the line of the code does not go on at the target.
    pub picked: bool,
}

/// The facts of one checkpoint.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The session commit; where the ref points. Meaningless in a draft.
    pub commit: Oid,
    /// The session tree.
    pub meta_tree: Oid,
    /// The session.
    pub session: SessionId,
    /// Its number on the chain, from 1.
    pub number: u64,
    /// Why.
    pub kind: Kind,
    /// The turn that it belongs to.
    pub turn: Option<u32>,
    /// How much was looked at.
    pub scope: Scope,
    /// The code commit.
    pub code: Oid,
    /// Previous session commits; the first is the chain.
    pub previous: Vec<Oid>,
    /// HEAD's commit; `None` while unborn.
    pub base: Option<Oid>,
    /// HEAD's branch, short; `None` when detached.
    pub head: Option<BString>,
    /// The agent's kind, or `none`.
    pub agent: String,
    /// For a rewind, redo, revert.
    pub movement: Option<Movement>,
    /// On a fork's first commit: the session that was forked.
    pub parent_session: Option<SessionId>,
    /// When it was made, to the second.
    pub time: Timestamp,
    /// The subject after `<kind> <n>: `; empty where there is none.
    pub title: BString,
    /// Trailers that we do not know.
    pub extra: Vec<(String, BString)>,
}

/// Characters of a title in which something had to be made visible.
const LONGEST_SHOWN: usize = 60;

const KNOWN: &[&str] = &[
    "Session",
    "Checkpoint",
    "Kind",
    "Turn",
    "Scope",
    "Code",
    "Previous",
    "Base",
    "Head",
    "Agent",
    "From",
    "Target",
    "Mode",
    "Redone",
    "Picked",
    "Parent-Session",
];

/// The trailer of a checkpoint that took over the code before it without a look.
const CARRIED: (&str, &str) = ("Files", "carried");

impl Checkpoint {
    /// Reads a session commit.
    ///
    /// # Errors
    /// A trailer that is missing or does not say what it should, or that names a commit which is no parent.
    pub fn from_commit(commit: &Commit) -> Result<Self> {
        let message = Message::parse(commit.message.as_bstr());
        let bad = |problem: String| Error::Damaged { what: format!("checkpoint {}", commit.id), problem };
        let text = |key: &str| -> Result<Option<&str>> {
            message.get(key).map(|v| v.to_str().map_err(|_| bad(format!("its trailer {key} is not text")))).transpose()
        };
        let need = |key: &str| text(key)?.ok_or_else(|| bad(format!("it has no trailer {key}")));
        let number = |key: &str| -> Result<Option<u64>> {
            text(key)?
                .map(|v| v.parse().map_err(|_| bad(format!("its trailer {key} is not a number: {v:?}"))))
                .transpose()
        };
        let oid = |key: &str, v: &str| Oid::parse(v).map_err(|_| bad(format!("its trailer {key} is not an id: {v:?}")));
        let word = |key: &str, v: &str| bad(format!("its trailer {key} is unknown: {v:?}"));

        let code = oid("Code", need("Code")?)?;
        let previous =
            message.all("Previous").map(|v| oid("Previous", &v.to_str_lossy())).collect::<Result<Vec<_>>>()?;
        for parent in std::iter::once(&code).chain(&previous) {
            if !commit.parents.contains(parent) {
                return Err(bad(format!("its trailers name {parent}, which is no parent of it")));
            }
        }
        let kind = need("Kind")?;
        let kind = Kind::from_word(kind).ok_or_else(|| word("Kind", kind))?;
        let scope = text("Scope")?.unwrap_or("full");
        let scope = Scope::from_word(scope).ok_or_else(|| word("Scope", scope))?;
        let session = |key: &str, v: &str| SessionId::parse(v).map_err(|_| word(key, v));
        let turn = number("Turn")?
            .map(|n| u32::try_from(n).map_err(|_| bad("its trailer Turn is too large".to_owned())))
            .transpose()?;
        let movement = match (number("From")?, number("Target")?, text("Mode")?) {
            (Some(from), Some(target), Some(mode)) => Some(Movement {
                from,
                target,
                mode: Mode::from_word(mode).ok_or_else(|| word("Mode", mode))?,
                redone: number("Redone")?,
                picked: text("Picked")?.is_some(),
            }),
            _ => None,
        };
        if kind.is_move() && movement.is_none() {
            return Err(bad("it is a rewind without the trailers From, Target and Mode".to_owned()));
        }
        let title = message.subject.find(b": ").map_or_else(BString::default, |at| message.subject[at + 2..].into());
        Ok(Self {
            commit: commit.id,
            meta_tree: commit.tree,
            session: session("Session", need("Session")?)?,
            number: number("Checkpoint")?.ok_or_else(|| bad("it has no trailer Checkpoint".to_owned()))?,
            kind,
            turn,
            scope,
            code,
            previous,
            base: text("Base")?.map(|v| oid("Base", v)).transpose()?,
            head: message.get("Head").map(BStr::to_owned),
            agent: text("Agent")?.unwrap_or("none").to_owned(),
            movement,
            parent_session: text("Parent-Session")?.map(|v| session("Parent-Session", v)).transpose()?,
            time: commit.committer.time,
            title,
            extra: message.trailers.iter().filter(|(k, _)| !KNOWN.contains(&k.as_str())).cloned().collect(),
        })
    }

    /// Whether the files were looked at; otherwise the code is the one before, as it was.
    pub fn looked_at_files(&self) -> bool {
        !self.extra.iter().any(|(key, value)| key == CARRIED.0 && value == CARRIED.1)
    }

    /// Notes that the files were not looked at.
    pub fn set_carried(&mut self) {
        self.extra.push((CARRIED.0.to_owned(), CARRIED.1.into()));
    }

    /// The message of the session commit.
    pub fn message(&self) -> Vec<u8> {
        let mut subject = format!("{} {}", self.kind, self.number).into_bytes();
        if !self.title.is_empty() {
            subject.extend_from_slice(b": ");
            subject.extend_from_slice(visible(self.title.as_bstr()).as_bytes());
        }
        let mut message = Message { subject: subject.into(), trailers: Vec::new() };
        message.push("Session", self.session.to_string());
        message.push("Checkpoint", self.number.to_string());
        message.push("Kind", self.kind.word());
        if let Some(turn) = self.turn {
            message.push("Turn", turn.to_string());
        }
        message.push("Scope", self.scope.word());
        message.push("Code", self.code.to_string());
        for previous in &self.previous {
            message.push("Previous", previous.to_string());
        }
        if let Some(base) = self.base {
            message.push("Base", base.to_string());
        }
        if let Some(head) = &self.head {
            message.push("Head", head);
        }
        message.push("Agent", &self.agent);
        if let Some(movement) = self.movement {
            message.push("From", movement.from.to_string());
            message.push("Target", movement.target.to_string());
            message.push("Mode", movement.mode.word());
            if let Some(redone) = movement.redone {
                message.push("Redone", redone.to_string());
            }
            if movement.picked {
                message.push("Picked", "paths");
            }
        }
        if let Some(parent) = self.parent_session {
            message.push("Parent-Session", parent.to_string());
        }
        message.trailers.extend(self.extra.iter().cloned());
        message.render()
    }
}

/// A title as it stands in a subject, which every git shows as it is: with nothing in it that acts on a terminal.
fn visible(title: &BStr) -> String {
    let shown = text::sanitise_bytes(title);
    if shown.as_bytes() == title.as_bytes() { shown } else { text::first_line(&shown, LONGEST_SHOWN) }
}

/// The message of a code commit: what changed, and nothing of the conversation.
pub fn code_message(kind: Kind, number: u64, session: SessionId, changed: &BStr) -> Vec<u8> {
    let mut subject = format!("{kind} {number}").into_bytes();
    if !changed.is_empty() {
        subject.extend_from_slice(b": ");
        subject.extend_from_slice(changed);
    }
    let mut message = Message { subject: subject.into(), trailers: Vec::new() };
    message.push("Session", session.to_string());
    message.push("Checkpoint", number.to_string());
    message.render()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::Signature;

    fn sample() -> Checkpoint {
        let oid = |c: char| Oid::parse(&c.to_string().repeat(40)).expect("an id");
        Checkpoint {
            commit: oid('a'),
            meta_tree: oid('b'),
            session: SessionId::parse("094320c0-d68c-4670-b77b-7456115d8c99").expect("an id"),
            number: 7,
            kind: Kind::Rewind,
            turn: Some(3),
            scope: Scope::Full,
            code: oid('c'),
            previous: vec![oid('d')],
            base: Some(oid('e')),
            head: Some("main".into()),
            agent: "claude-code".to_owned(),
            movement: Some(Movement { from: 6, target: 2, mode: Mode::Both, redone: None, picked: true }),
            parent_session: None,
            time: Timestamp::from_seconds(1_000),
            title: "fix: the parser".into(),
            extra: vec![("Future".to_owned(), "kept".into())],
        }
    }

    fn as_commit(c: &Checkpoint) -> Commit {
        let who = Signature { name: "n".into(), email: "e".into(), time: c.time, offset: 0 };
        Commit {
            id: c.commit,
            tree: c.meta_tree,
            parents: std::iter::once(c.code).chain(c.previous.iter().copied()).chain(c.base).collect(),
            author: who.clone(),
            committer: who,
            encoding: None,
            message: c.message().into(),
        }
    }

    #[test]
    fn a_checkpoint_reads_back_from_its_commit() {
        let one = sample();
        let back = Checkpoint::from_commit(&as_commit(&one)).expect("reads");
        assert_eq!(format!("{one:?}"), format!("{back:?}"));
    }

    #[test]
    fn trailers_that_name_a_stranger_as_parent_are_damage() {
        let one = sample();
        let mut commit = as_commit(&one);
        commit.parents.remove(1);
        assert!(Checkpoint::from_commit(&commit).is_err());
    }

    #[test]
    fn every_kind_reads_back_from_its_word() {
        assert!(Kind::ALL.iter().all(|k| Kind::from_word(k.word()) == Some(*k)));
        assert_eq!(Kind::ALL.len(), 18);
    }
}

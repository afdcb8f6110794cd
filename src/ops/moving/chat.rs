//! The conversation's half of a move: a new file of the agent's, cut, or the former one.

use crate::engine::local;
use crate::engine::store::Tip;
use crate::engine::stream::{Check, Source};
use crate::model::Checkpoint;
use crate::ops::native::{self, Conversation};
use crate::ops::record::Recording;
use crate::ops::{App, Failure, FailureKind, Result};

use super::tip_of;

/// How the conversation moves.
#[derive(Clone, Debug)]
pub enum ChatMove {
    /// A new native file, cut.
    Cut(Conversation),
    /// A former stream becomes live again; its file where that is intact.
    Former {
        /// The stream.
        stream: String,
        /// The conversation in it, in case a file must be written.
        talk: Conversation,
    },
}

impl ChatMove {
    /// Back to a checkpoint.
    ///
    /// # Errors
    /// The session has no conversation, or nothing of it would be cut off.
    pub fn back_to(app: &App<'_>, tip: &Tip, target: &Checkpoint) -> Result<Self> {
        match native::conversation_at(app, tip, target.meta_tree)? {
            Some(talk) => Ok(Self::Cut(talk)),
            None => Err(Failure::new(FailureKind::Failed, "chat.none", "this session has no conversation to rewind")
                .hint("`session rewind code` rewinds the files.")),
        }
    }

    const fn talk(&self) -> &Conversation {
        match self {
            Self::Cut(talk) | Self::Former { talk, .. } => talk,
        }
    }

    /// Turns that the conversation will have.
    pub(super) const fn turns(&self) -> usize {
        self.talk().rows.len()
    }

    /// Whether the conversation already is where it shall be.
    pub(super) fn stays(&self, recording: &Recording) -> bool {
        match self {
            Self::Cut(talk) => is_where_it_is(recording, talk),
            Self::Former { stream, .. } => recording.session.agent.live.as_deref() == Some(stream.as_str()),
        }
    }

    /// Makes the conversation what it shall be: a new native file, or the former one. Gives also the prompt that was cut off.
    pub(super) fn carry_out(
        &self,
        app: &App<'_>,
        recording: &mut Recording,
    ) -> Result<(native::Native, Option<String>)> {
        let agent = recording.agent().ok_or_else(|| {
            Failure::new(FailureKind::Failed, "chat.none", "this session has no agent that could resume")
        })?;
        if let Self::Former { stream, .. } = self {
            let tip = tip_of(recording)?.clone();
            if let Some(path) = native::intact_file(app, agent, &tip, stream)? {
                recording.session.agent.live = Some(stream.clone());
                recording.session.agent.transcript_path = Some(path.to_string_lossy().into_owned());
                return Ok((native::existing(agent, stream, path), None));
            }
        }
        let talk = self.talk();
        let written = native::write(app, agent, &recording.session, talk, &app.cwd, None)?;
        let id = written.native.session_id.clone();
        recording.session.add_native_id(&id);
        recording.session.agent.live = Some(id.clone());
        recording.session.agent.transcript_path = Some(written.native.path.to_string_lossy().into_owned());
        recording.store_stream(app, &id, &Source::Bytes(&written.bytes), Check::Full)?;
        // The turns that are kept get their rows again, with their ranges in the new file.
        let parsed = agent.parse(&written.bytes, 0);
        // A turn that the agent itself had rewound is not in the new file, and gets none.
        for (at, turn) in parsed.turns.iter().enumerate() {
            let by_key = talk.rows.iter().find(|row| turn.key.is_some() && row.key == turn.key);
            let Some(mut row) = by_key.or_else(|| talk.rows.get(at).filter(|_| turn.key.is_none())).cloned() else {
                continue;
            };
            row.stream.clone_from(&id);
            row.start = turn.start;
            row.end = Some(turn.end);
            recording.push_row(row);
        }
        let inode = std::fs::metadata(&written.native.path).ok().map(|m| std::os::unix::fs::MetadataExt::ino(&m));
        let known =
            local::Native { session: recording.session.id, transcript: Some(written.native.path.clone()), inode };
        local::set_native(&app.repo, &id, &known)?;
        Ok((written.native, written.removed_prompt))
    }
}

/// Whether the live conversation already ends where it shall.
fn is_where_it_is(recording: &Recording, talk: &Conversation) -> bool {
    let live: Vec<_> = recording.live_rows().into_iter().map(|at| &recording.rows[at]).collect();
    let same =
        |(a, b): (&&crate::model::TurnRow, &crate::model::TurnRow)| a.turn == b.turn && a.checkpoints == b.checkpoints;
    live.len() == talk.rows.len() && live.iter().zip(&talk.rows).all(same)
}

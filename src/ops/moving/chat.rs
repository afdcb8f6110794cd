//! The conversation's half of a move: a new file of the agent's, cut, or the former one.

use crate::agents::{Parsed, ParsedTurn};
use crate::engine::store::Tip;
use crate::engine::stream::{Check, Source};
use crate::engine::{binding, layout};
use crate::features::title;
use crate::model::{Checkpoint, TurnRow};
use crate::ops::native::{self, Conversation, RunsIn};
use crate::ops::record::Recording;
use crate::ops::{App, Failure, FailureKind, Result, turn};

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

    /// Turns that the conversation will have: as many as the file that is written, or is there, makes live.
    pub(super) fn turns(&self, app: &App<'_>, recording: &Recording) -> Result<usize> {
        if self.stays(recording) {
            return Ok(recording.live_rows().len());
        }
        let Some(agent) = recording.agent() else { return Ok(self.talk().rows.len()) };
        if let Self::Former { stream, .. } = self
            && native::intact_file(app, agent, tip_of(recording)?, stream)?.is_some()
        {
            return Ok(layout::rows_of(stream, &recording.rows).len());
        }
        let talk = self.talk();
        let bytes = native::rewritten(app, agent, talk, &app.cwd, None, &talk.stream)?.bytes;
        Ok(kept_rows(talk, &agent.parse(&bytes, 0)).len())
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
        let worktree = app.repo.worktree_name();
        // Where it lies is decided by where it ran until now.
        let session = &tip_of(recording)?.session;
        let written = native::write(app, agent, session, talk, RunsIn { cwd: &app.cwd, worktree: &worktree }, None)?;
        let id = written.native.session_id.clone();
        recording.session.add_native_id(&id);
        recording.session.agent.live = Some(id.clone());
        recording.session.agent.transcript_path = Some(written.native.path.to_string_lossy().into_owned());
        recording.store_stream(app, &id, &Source::Bytes(&written.bytes), Check::Full)?;
        for row in kept_rows(talk, &agent.parse(&written.bytes, 0)) {
            recording.push_row(TurnRow { stream: id.clone(), ..row });
        }
        let inode = std::fs::metadata(&written.native.path).ok().map(|m| std::os::unix::fs::MetadataExt::ino(&m));
        let known = binding::Native {
            session: recording.session.id,
            transcript: Some(written.native.path.clone()),
            inode,
            resumes: None,
        };
        binding::minted(&app.repo, &id, &known)?;
        Ok((written.native, written.removed_prompt))
    }
}

/// The turns that are kept, with their ranges in the new file. A turn that the agent itself had rewound is not in there.
fn kept_rows(talk: &Conversation, new: &Parsed) -> Vec<TurnRow> {
    let mut next = 0;
    let row_of = |turn: &ParsedTurn| {
        let by_key = talk.rows.iter().position(|row| turn.key.is_some() && row.key == turn.key);
        // The agent's file may know a prompt by another key than its hook did, or by none.
        let same = |row: &TurnRow| row.prompt == title::prompt_line(&turn.prompt, turn::PROMPT_CHARS);
        let by_text = || talk.rows.iter().skip(next).position(same).map(|at| next + at);
        let at = by_key.or_else(by_text).or_else(|| Some(next).filter(|_| turn.key.is_none()))?;
        next = at + 1;
        talk.rows.get(at).map(|row| TurnRow { start: turn.start, end: Some(turn.end), ..row.clone() })
    };
    new.turns.iter().filter_map(row_of).collect()
}

/// Whether the live conversation already ends where it shall.
fn is_where_it_is(recording: &Recording, talk: &Conversation) -> bool {
    let live: Vec<_> = recording.live_rows().into_iter().map(|at| &recording.rows[at]).collect();
    let same = |(a, b): (&&TurnRow, &TurnRow)| a.turn == b.turn && a.checkpoints == b.checkpoints;
    live.len() == talk.rows.len() && live.iter().zip(&talk.rows).all(same)
}

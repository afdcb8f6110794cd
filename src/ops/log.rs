//! `log`: the checkpoints of a session, the newest first, with what each changed.

use serde::Serialize;

use super::{App, Result, find};
use crate::base::{SessionId, Timestamp};
use crate::engine::history::{Half, History};
use crate::engine::store;
use crate::git::{Oid, tree};
use crate::model::{Kind, Mode, Scope};

/// Which part.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which session; the default one where `None`.
    pub session: Option<String>,
    /// At most so many checkpoints.
    pub limit: Option<usize>,
}

/// One checkpoint.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Its number.
    pub number: u64,
    /// Why it was made.
    pub kind: Kind,
    /// How much was looked at.
    pub scope: Scope,
    /// Its turn.
    pub turn: Option<u32>,
    /// The code commit.
    pub commit: Oid,
    /// The session commit.
    pub session_commit: Oid,
    /// The tree of the code.
    pub tree: Oid,
    /// When.
    pub time: Timestamp,
    /// Files that differ from the checkpoint before.
    pub files: usize,
    /// First line of the prompt, or a title.
    pub title: String,
    /// Whether it lies on the live line of the code.
    pub live: bool,
    /// The session that made it, where that is another one (a fork's past).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// What a rewind or redo did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// Where a rewind or redo went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<u64>,
    /// Which half a rewind or redo moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Branch that HEAD was on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
}

/// The log.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The session.
    pub session: SessionId,
    /// Its title.
    pub title: Option<String>,
    /// Its agent.
    pub agent: String,
    /// The checkpoints, the newest first.
    pub checkpoints: Vec<Row>,
    /// How many older ones there are.
    pub more: usize,
    /// The moment of the listing.
    #[serde(skip)]
    pub now: Timestamp,
}

/// Reads the log.
pub fn run(app: &App<'_>, options: &Options) -> Result<Outcome> {
    let tip = find::session(app, options.session.as_deref())?;
    let history = History::load(&app.repo, tip.checkpoint.commit)?;
    let live = history.live_numbers(Half::Code);
    let all = history.all();
    let shown = options.limit.unwrap_or(all.len()).min(all.len());
    let objects = &app.repo.objects;
    let mut checkpoints = Vec::with_capacity(shown);
    for (at, c) in all.iter().take(shown).enumerate() {
        let tree = store::code_tree(&app.repo, c)?;
        let before = match all.get(at + 1) {
            Some(before) if before.code == c.code => tree,
            Some(before) => store::code_tree(&app.repo, before)?,
            None => match c.base {
                Some(base) => objects.read_commit(base)?.tree,
                None => objects.format().empty_tree(),
            },
        };
        checkpoints.push(Row {
            number: c.number,
            kind: c.kind,
            scope: c.scope,
            turn: c.turn,
            commit: c.code,
            session_commit: c.commit,
            tree,
            time: c.time,
            files: tree::diff(objects, before, tree)?.len(),
            title: c.title.to_string(),
            live: live.contains(&c.number),
            session: (c.session != tip.session.id).then_some(c.session),
            from: c.movement.map(|m| m.from),
            target: c.movement.map(|m| m.target),
            mode: c.movement.map(|m| m.mode),
            head: c.head.as_ref().map(ToString::to_string),
        });
    }
    Ok(Outcome {
        session: tip.session.id,
        title: tip.session.title,
        agent: tip.session.agent.kind,
        checkpoints,
        more: all.len() - shown,
        now: app.now(),
    })
}

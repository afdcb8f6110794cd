//! `show`: one session as it stands, or one checkpoint of it.

use serde::Serialize;

use super::rewind::Place;
use super::{App, Result, address, find};
use crate::base::{SessionId, Timestamp};
use crate::engine::history::History;
use crate::engine::{layout, store};
use crate::git::{FileMode, Objects, Oid, tree};
use crate::model::session::{Lineage, Usage};
use crate::model::snapshot::SkippedPath;
use crate::model::{Scope, TurnRow};

/// What to show.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which session; the default one where `None`.
    pub session: Option<String>,
    /// A checkpoint of it; the session where `None`.
    pub checkpoint: Option<String>,
}

/// One turn as told.
#[derive(Clone, Debug, Serialize)]
pub struct Turn {
    /// Its number.
    pub turn: u32,
    /// First line of the prompt.
    pub prompt: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was closed.
    pub ended_at: Option<Timestamp>,
    /// Whether it was cut short.
    pub interrupted: bool,
    /// Its checkpoints.
    pub checkpoints: Vec<u64>,
    /// Tool calls.
    pub tool_calls: u32,
    /// Of these, failed.
    pub errors: u32,
    /// Tokens.
    pub tokens: Usage,
    /// Files that tools wrote outside of the work tree.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<String>,
}

impl From<&TurnRow> for Turn {
    fn from(row: &TurnRow) -> Self {
        Self {
            turn: row.turn,
            prompt: row.prompt.clone(),
            started_at: row.started_at,
            ended_at: row.ended_at,
            interrupted: row.interrupted,
            checkpoints: row.checkpoints.clone(),
            tool_calls: row.tools.values().sum(),
            errors: row.errors,
            tokens: row.tokens,
            outside: row.outside.clone(),
        }
    }
}

/// A file that a checkpoint changed.
#[derive(Clone, Debug, Serialize)]
pub struct Changed {
    /// Which.
    pub path: crate::base::RepoPath,
    /// `created`, `modified` or `deleted`.
    pub change: &'static str,
}

/// A file whose filter driver loses bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeptRaw {
    /// Which.
    pub path: crate::base::RepoPath,
    /// The driver.
    pub driver: String,
}

/// Those of a checkpoint.
pub fn kept_raw(objects: &Objects, meta_tree: Oid) -> Result<Vec<KeptRaw>> {
    let filters = layout::read_filters(objects, meta_tree)?.unwrap_or_default();
    Ok(filters.raw().map(|(path, by)| KeptRaw { path: path.clone(), driver: by.driver.clone() }).collect())
}

/// A checkpoint as shown.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// Which.
    #[serde(flatten)]
    pub place: Place,
    /// How much was looked at.
    pub scope: Scope,
    /// The code commit.
    pub commit: Oid,
    /// The session commit.
    pub session_commit: Oid,
    /// The tree of the code.
    pub tree: Oid,
    /// HEAD's commit then.
    pub base: Option<Oid>,
    /// HEAD's branch then.
    pub head: Option<String>,
    /// What differs from the checkpoint before.
    pub changed: Vec<Changed>,
    /// What was not taken.
    pub skipped: Vec<SkippedPath>,
    /// Files whose bytes are kept beside the code, because their filter driver would lose some.
    pub kept_raw: Vec<KeptRaw>,
    /// Whether the staged tree differed from HEAD's.
    pub staged: bool,
}

/// The outcome.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The id.
    pub id: SessionId,
    /// Its day label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// Its agent's kind.
    pub agent: String,
    /// The agent's version.
    pub agent_version: Option<String>,
    /// The agent's own ids.
    pub native_ids: Vec<String>,
    /// The live one.
    pub live: Option<String>,
    /// The model last used.
    pub model: Option<String>,
    /// Where it came from.
    pub lineage: Option<Lineage>,
    /// Name of the project.
    pub project: String,
    /// Folder where it was begun.
    pub cwd: String,
    /// The worktree it last ran in.
    pub worktree: String,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When its last event happened.
    pub updated_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Turns of the live conversation.
    pub turns: u32,
    /// The turns.
    pub turn_list: Vec<Turn>,
    /// Tokens.
    pub usage: Usage,
    /// Bytes of transcript stored.
    pub transcript_bytes: u64,
    /// How many checkpoints there are.
    pub checkpoints: usize,
    /// The checkpoint asked for, else the newest.
    pub checkpoint: Shown,
    /// Whether a checkpoint was asked for.
    #[serde(skip)]
    pub one: bool,
    /// The moment.
    #[serde(skip)]
    pub now: Timestamp,
}

/// Shows.
pub fn run(app: &App<'_>, options: &Options) -> Result<Outcome> {
    let tip = find::session(app, options.session.as_deref())?;
    let objects = &app.repo.objects;
    let history = History::load(&app.repo, tip.checkpoint.commit)?;
    let rows = layout::read_rows(objects, tip.checkpoint.meta_tree, &tip.session, 0)?;
    let live = layout::live_rows(&tip.session, &rows);
    let at = match &options.checkpoint {
        Some(text) => address::checkpoint(app, &tip, &history, text)?,
        None => &tip.checkpoint,
    };
    let tree = store::code_tree(&app.repo, at)?;
    let before = match (history.before(at), at.base) {
        (Some(before), _) => store::code_tree(&app.repo, before)?,
        (None, Some(base)) => objects.read_commit(base)?.tree,
        (None, None) => objects.format().empty_tree(),
    };
    let changed = tree::diff(objects, before, tree)?
        .into_iter()
        .map(|c| Changed {
            change: match (c.old, c.new) {
                (None, _) => "created",
                (_, None) => "deleted",
                _ => "modified",
            },
            path: c.path,
        })
        .collect();
    let staged = matches!(tree::lookup(objects, at.meta_tree, &layout::index()?)?, Some((FileMode::Tree, _)));
    let shown = Shown {
        place: Place::from(at),
        scope: at.scope,
        commit: at.code,
        session_commit: at.commit,
        tree,
        base: at.base,
        head: at.head.as_ref().map(ToString::to_string),
        changed,
        skipped: layout::read_skipped(objects, at.meta_tree)?.paths,
        kept_raw: kept_raw(objects, at.meta_tree)?,
        staged,
    };
    let s = tip.session;
    Ok(Outcome {
        id: s.id,
        label: s.label,
        name: s.name,
        title: s.title,
        agent: s.agent.kind,
        agent_version: s.agent.version,
        native_ids: s.agent.native_ids,
        live: s.agent.live,
        model: s.model,
        lineage: s.lineage,
        project: s.project,
        cwd: s.cwd,
        worktree: s.worktree,
        created_at: s.created_at,
        updated_at: s.updated_at,
        ended_at: s.ended_at,
        turns: s.turns,
        turn_list: live.iter().map(|(_, row)| Turn::from(row)).collect(),
        usage: s.usage,
        transcript_bytes: s.streams.iter().map(|s| s.bytes).sum(),
        checkpoints: history.all().len(),
        checkpoint: shown,
        one: options.checkpoint.is_some(),
        now: app.now(),
    })
}

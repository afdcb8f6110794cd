//! `rewind code|chat|both`: the files, the conversation or both go back to a checkpoint; undoable, and never over someone's work unasked.

use serde::Serialize;

use super::choice::{self, Foreign};
use super::further_back::FurtherBack;
use super::moving::{self, ChatMove, CodeMove, Destination, Files, HeadMove, Moved, Started, Terms};
use super::record::Recording;
use super::{App, Failure, FailureKind, Result, address};
use crate::base::{RepoPath, SessionId};
use crate::engine::history::{Half, History};
use crate::engine::plan::{self, Obstacle};
use crate::engine::store::Tip;
use crate::engine::{Plan, Snapshot};
use crate::git::Pathspec;
use crate::model::{Checkpoint, Kind, Mode, Scope};

/// What to rewind, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which half.
    pub mode: Mode,
    /// Where to; chosen where `None`.
    pub target: Option<String>,
    /// To the previous checkpoint of any kind.
    pub step: bool,
    /// On what terms.
    pub terms: Terms,
}

/// What a rewind or redo did, or would do.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The session.
    pub session: SessionId,
    /// Which verb.
    #[serde(skip)]
    pub kind: Kind,
    /// Which half.
    pub mode: Mode,
    /// Whether this only says what would happen.
    pub dry_run: bool,
    /// The checkpoint that was gone to.
    pub target: Place,
    /// The checkpoint that holds the state before; `redo` goes there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// The new checkpoint; absent in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<u64>,
    /// Its code commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<crate::git::Oid>,
    /// The tree that the files have now, or would have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tree: Option<crate::git::Oid>,
    /// What happened to files.
    pub files: Files,
    /// Paths that someone else changed and that were left, or need a choice.
    pub foreign: Vec<RepoPath>,
    /// Files that tools wrote outside of the work tree in the turns that go; they stay as they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<String>,
    /// What cannot be touched: left, or in need of a choice.
    pub obstacles: Vec<Obstacle>,
    /// Whether the index was asked to go there too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub staged: bool,
    /// Whether HEAD was asked to go there too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub head: bool,
    /// Where HEAD goes, or would go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_move: Option<HeadMove>,
    /// How to go on with the conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub native: Option<super::native::Native>,
    /// Turns that the conversation has now, or would have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turns: Option<usize>,
    /// The prompt that was cut off first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed_prompt: Option<String>,
    /// Whose session it is, where it was only pulled until now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whose: Option<super::trust::Whose>,
    /// Files of somebody else's checkpoint that run commands.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub executable: Vec<RepoPath>,
    /// Whether these need a yes before anything happens.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub needs_trust: bool,
    /// Whether paths need a choice before anything happens.
    pub needs_choice: bool,
    /// In a dry run: what the real run would fail with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
}

impl Outcome {
    /// The exit code: a dry run ends as the real one would.
    pub fn exit_code(&self) -> u8 {
        self.error.as_ref().map_or(0, |error| error.kind.exit_code())
    }
}

/// A checkpoint as named in outcomes.
#[derive(Clone, Debug, Serialize)]
pub struct Place {
    /// Its number.
    pub number: u64,
    /// Its kind.
    pub kind: Kind,
    /// Its turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<u32>,
    /// Its title.
    pub title: String,
    /// When it was made.
    pub time: crate::base::Timestamp,
}

impl From<&Checkpoint> for Place {
    fn from(c: &Checkpoint) -> Self {
        Self { number: c.number, kind: c.kind, turn: c.turn, title: c.title.to_string(), time: c.time }
    }
}

/// Rewinds.
///
/// # Errors
/// Nothing further back (1), paths of a conversation (2), no such target (3), a choice is needed (6).
pub fn run(app: &App<'_>, options: &Options) -> Result<Outcome> {
    if options.mode == Mode::Chat && !options.terms.paths.is_empty() {
        return Err(Failure::new(FailureKind::Usage, "rewind.paths", "a conversation has no paths to pick")
            .hint("`session rewind code CHECKPOINT -- PATH...` takes files back."));
    }
    let started = Started::new(app, &options.terms)?;
    let (tip, history) = (&started.tip, &started.history);
    let mut recording = started.recording(app, options.mode, &options.terms)?;
    let present = options.mode.code().then(|| recording.capture_code(app, None)).transpose()?;
    let paths = moving::paths(app, &options.terms.paths)?;
    // A session that never ran here knows nothing of these files; where they are HEAD's, nobody's work is at stake.
    let head = recording.head.commit.map(|c| app.repo.objects.read_commit(c)).transpose()?.map(|c| c.tree);
    let untouched = started.was_only_pulled && present.as_ref().is_some_and(|p| Some(p.tree) == head);
    let foreign = if untouched { Foreign::All } else { options.terms.foreign };
    let terms = Terms { foreign, ..options.terms.clone() };

    let (target, code, further_back) = match (&options.target, present) {
        (None, Some(present)) if options.mode == Mode::Code => {
            moving::refuse_unknown(app, &paths, &present, history, None)?;
            let (target, plan, left) = choose(app, options, tip, history, &present, &paths)?;
            (target, Some(CodeMove::new(app, target, present, plan)?), left)
        }
        (None, Some(present)) => {
            let target = last_turn(&recording, history)?;
            moving::refuse_unknown(app, &paths, &present, history, Some(target))?;
            let left = FurtherBack::load(app, history)?.than(target.number);
            let plan = moving::leave(app, history, target, &present, &paths, &left)?;
            (target, Some(CodeMove::new(app, target, present, plan)?), left)
        }
        (None, None) => (last_turn(&recording, history)?, None, Vec::new()),
        (Some(text), present) => {
            let target = address::checkpoint(app, tip, history, text)?;
            if let Some(present) = &present {
                moving::refuse_unknown(app, &paths, present, history, Some(target))?;
            }
            let code = present.map(|present| CodeMove::to(app, history, target, present, &paths)).transpose()?;
            (target, code, Vec::new())
        }
    };
    let chat = if options.mode.chat() { Some(ChatMove::back_to(app, tip, target)?) } else { None };
    let mode = options.mode;
    let destination = Destination {
        kind: Kind::Rewind,
        mode,
        target,
        redone: None,
        terms: &terms,
        paths: &paths,
        further_back: &further_back,
    };
    moving::go(app, recording, history, &destination, Moved { code, chat, foreign: None })
}

/// The newest stop (or with `--step` the previous checkpoint of any kind) on the live line whose plan is not empty, and the
/// paths that lie further back already.
fn choose<'h>(
    app: &App<'_>,
    options: &Options,
    tip: &Tip,
    history: &'h History,
    present: &Snapshot,
    paths: &Pathspec,
) -> Result<(&'h Checkpoint, Plan, Vec<RepoPath>)> {
    let further_back = FurtherBack::load(app, history)?;
    let start = history.tip().ok_or_else(nothing_further)?;
    for candidate in history.live_line(start, Half::Code) {
        let fits = options.step || candidate.kind.is_stop() && candidate.scope == Scope::Full;
        if !fits {
            continue;
        }
        let left = further_back.than(candidate.number);
        let mut plan = moving::leave(app, history, candidate, present, paths, &left)?;
        if options.terms.foreign == Foreign::Mine && !plan.is_empty() {
            let foreign = choice::foreign_paths(app, tip, history, candidate, present, &plan)?;
            plan = moving::leave(app, history, candidate, present, paths, &[foreign, left.clone()].concat())?;
        }
        if options.terms.leave_obstacles {
            plan = plan::leave_obstacles(&app.repo, present, plan)?;
        }
        if !plan.is_empty() {
            return Ok((candidate, plan, left));
        }
    }
    Err(nothing_further())
}

fn nothing_further() -> Failure {
    Failure::new(
        FailureKind::Failed,
        "rewind.nothing",
        "nothing further back: the files are as they were at the first checkpoint",
    )
    .hint("`session log` shows the checkpoints; `session redo` goes forth again.")
}

/// The start of the last turn of the live stream.
fn last_turn<'h>(recording: &Recording, history: &'h History) -> Result<&'h Checkpoint> {
    let live = recording.live_rows();
    live.iter().rev().find_map(|at| history.number(recording.rows[*at].start_checkpoint()?)).ok_or_else(|| {
        Failure::new(
            FailureKind::Failed,
            "rewind.no-turn",
            "nothing further back: the conversation has no turn to take back",
        )
        .hint("`session log` shows the checkpoints; `session redo` goes forth again.")
    })
}

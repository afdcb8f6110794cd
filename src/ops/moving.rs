//! What rewind and redo share: plan, choice, safety checkpoint, journal, writing, verification, and the checkpoint at the end.

use std::path::PathBuf;

use serde::Serialize;

use super::choice::{self, Foreign};
use super::native::{self, Conversation};
use super::record::{Purpose, Recording};
use super::rewind::{Outcome, Place};
use super::settle::Then;
use super::{App, Failure, FailureKind, Result};
use crate::base::{RepoPath, text};
use crate::engine::history::{Half, History};
use crate::engine::plan::{Action, Kept, Target};
use crate::engine::store::{DraftCode, Extras, Tip};
use crate::engine::stream::{Check, Source};
use crate::engine::{Error as EngineError, Plan, Snapshot, journal, layout, plan, restore, snapshot};
use crate::git::head::Operation;
use crate::model::checkpoint::Movement;
use crate::model::snapshot::Modes;
use crate::model::{Checkpoint, Kind, Mode, Scope};

/// Files of a plan, as told.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Files {
    /// Made or replaced.
    pub written: Vec<RepoPath>,
    /// Removed.
    pub deleted: Vec<RepoPath>,
    /// Only permission bits changed.
    pub modes: Vec<RepoPath>,
    /// Different, and left: the path and why.
    pub kept: Vec<(RepoPath, &'static str)>,
}

impl Files {
    /// From a plan.
    pub fn of(plan: &Plan) -> Self {
        let of = |action: Action| {
            plan.items.iter().filter(|i| i.action == action).map(|i| i.path.clone()).collect::<Vec<_>>()
        };
        Self {
            written: of(Action::Write),
            deleted: of(Action::Delete),
            modes: of(Action::Mode),
            kept: plan.kept.iter().map(|(path, why)| (path.clone(), reason(*why))).collect(),
        }
    }

    /// How many change.
    pub fn len(&self) -> usize {
        self.written.len() + self.deleted.len() + self.modes.len()
    }

    /// Whether none changes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

const fn reason(kept: Kept) -> &'static str {
    match kept {
        Kept::NotLookedAt => "the checkpoint did not look at it",
        Kept::Ignored => "the rules of the checkpoint ignore it",
        Kept::Gitlink => "a repository of its own",
        Kept::Chosen => "as asked",
    }
}

/// Where a move goes and on what terms.
#[derive(Clone, Copy, Debug)]
pub struct Destination<'a> {
    /// `rewind` or `redo`.
    pub kind: Kind,
    /// Which half.
    pub mode: Mode,
    /// The checkpoint to go to.
    pub target: &'a Checkpoint,
    /// On a redo: the number of the rewind.
    pub redone: Option<u64>,
    /// What to do with paths that someone else changed.
    pub foreign: Foreign,
    /// Only say it.
    pub dry_run: bool,
    /// Also to an empty tree.
    pub force: bool,
    /// Only these paths.
    pub paths: &'a [RepoPath],
}

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
}

/// Takes up what the conversation has grown by since the last hook, so that nothing of it is lost.
pub fn begin(app: &App<'_>, tip: Tip) -> Result<Recording> {
    // A fork that has not been resumed yet still has its parent's stream as its live one; that goes on as the parent's.
    let live = tip.session.agent.live.clone().filter(|id| tip.session.agent.native_ids.contains(id));
    let path = live.as_deref().and_then(|id| {
        let known = crate::engine::local::native(&app.repo, id).ok().flatten().and_then(|n| n.transcript);
        known.or_else(|| tip.session.agent.transcript_path.as_ref().map(PathBuf::from))
    });
    let mut recording = Recording::on(app, tip)?;
    if let (Some(native), Some(path)) = (live, path)
        && path.is_file()
    {
        recording.capture_chat(app, &native, Some(&path), Check::Tail)?;
        super::turn::extend(&mut recording, &native);
    }
    Ok(recording)
}

/// Commands that name a session make it the one of this worktree.
pub fn make_current(app: &App<'_>, named: Option<&str>, tip: &Tip) -> Result<()> {
    if named.is_some() {
        let current = crate::engine::local::Current { session: tip.session.id, cleared: false };
        crate::engine::local::set_current(&app.repo, Some(&current))?;
    }
    Ok(())
}

/// The tip that a recording goes on.
pub fn tip_of(recording: &Recording) -> Result<&Tip> {
    recording.tip.as_ref().ok_or_else(|| Failure::new(FailureKind::Internal, "internal", "a recording without a tip"))
}

/// Files are not moved while git is in the middle of something.
pub fn refuse_during_operation(app: &App<'_>, mode: Mode, force: bool) -> Result<()> {
    let what = match app.repo.operation()? {
        Some(Operation::Merge) => "a merge",
        Some(Operation::Rebase) => "a rebase",
        Some(Operation::CherryPick) => "a cherry-pick",
        Some(Operation::Revert) => "a revert",
        Some(Operation::Bisect) | None => return Ok(()),
    };
    if !mode.code() || force {
        return Ok(());
    }
    Err(Failure::new(FailureKind::Refused, "rewind.operation", format!("{what} is in progress; nothing was changed"))
        .hint("Finish or abort it first, or add --force."))
}

/// Paths as typed, relative to the folder of the command, as paths of the tree.
pub fn paths(app: &App<'_>, typed: &[PathBuf]) -> Result<Vec<RepoPath>> {
    let root = app.repo.work_dir()?;
    typed.iter().map(|p| Ok(RepoPath::below(root, &normal(&app.cwd.join(p)))?)).collect()
}

/// Without `.` and `..`, by text alone: the path may be gone.
pub(super) fn normal(path: &std::path::Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

/// The plan to a checkpoint. For one that looked at named paths only, the paths that later such checkpoints named.
pub fn plan(
    app: &App<'_>,
    history: &History,
    target: &Checkpoint,
    present: &Snapshot,
    paths: &[RepoPath],
) -> Result<Plan> {
    leave(app, history, target, present, paths, &[])
}

/// [`plan`], leaving some paths as they are.
pub fn leave(
    app: &App<'_>,
    history: &History,
    target: &Checkpoint,
    present: &Snapshot,
    paths: &[RepoPath],
    leave: &[RepoPath],
) -> Result<Plan> {
    let objects = &app.repo.objects;
    let mut skipped = layout::read_skipped(objects, target.meta_tree)?;
    if target.scope == Scope::Paths {
        let tip = history.tip().unwrap_or(target);
        for later in history.live_line(tip, Half::Code).take_while(|c| c.number != target.number) {
            if later.scope == Scope::Paths {
                skipped.only.extend(layout::read_skipped(objects, later.meta_tree)?.only);
            }
        }
        skipped.only.sort();
        skipped.only.dedup();
    }
    let tree = crate::engine::store::code_tree(&app.repo, target)?;
    let only = (!paths.is_empty()).then_some(paths);
    let modes = layout::read_modes(objects, target.meta_tree)?;
    let target = Target { tree, scope: target.scope, skipped: &skipped, only, leave };
    let mut plan = plan::make(&app.repo, present, &target)?;
    plan::add_bits(&app.repo, &mut plan, present, &target, &modes)?;
    Ok(plan)
}

/// Carries a move out, or says what it would do.
pub fn go(
    app: &App<'_>,
    recording: Recording,
    history: &History,
    to: &Destination<'_>,
    present: Option<Snapshot>,
    plan: Option<Plan>,
    chat: Option<ChatMove>,
) -> Result<Outcome> {
    let tip = tip_of(&recording)?.clone();
    let (mut plan, mut foreign) = (plan, Vec::new());
    if let (Some(present), Some(full)) = (&present, &plan)
        && to.kind != Kind::Revert
    {
        foreign = choice::foreign_paths(app, &tip, history, to.target, present, full)?;
        // Paths that were picked by name are chosen.
        if !to.paths.is_empty() {
            foreign.clear();
        }
        if to.foreign == Foreign::Mine && !foreign.is_empty() {
            plan = Some(leave(app, history, to.target, present, to.paths, &foreign)?);
        }
    }
    let needs_choice = to.foreign == Foreign::Ask && !foreign.is_empty();
    let files = plan.as_ref().map(Files::of).unwrap_or_default();
    let mut outcome = Outcome {
        session: tip.session.id,
        mode: to.mode,
        dry_run: to.dry_run,
        target: Place::from(to.target),
        from: None,
        checkpoint: None,
        commit: None,
        tree: plan.as_ref().map(|p| p.result),
        files,
        foreign,
        native: None,
        turns: chat.as_ref().map(|c| c.talk().rows.len()),
        removed_prompt: None,
        needs_choice,
    };
    if to.dry_run {
        return Ok(outcome);
    }
    if needs_choice {
        let verb = match to.kind {
            Kind::Redo => "session redo".to_owned(),
            _ => format!("session rewind {} {}", to.mode, to.target.number),
        };
        return Err(choice::needed(&verb, &outcome.foreign).target(to.target.number.to_string()));
    }
    let chat_stays = match &chat {
        Some(ChatMove::Cut(talk)) => is_where_it_is(&recording, talk),
        Some(ChatMove::Former { stream, .. }) => tip.session.agent.live.as_deref() == Some(stream.as_str()),
        None => true,
    };
    if plan.as_ref().is_none_or(Plan::is_empty) && chat_stays {
        return Err(nothing_to_do(to));
    }
    refuse_obstacles(app, to, plan.as_ref())?;

    // The safety checkpoint: what is there now can be had back.
    let turn = recording.live_rows().last().map(|at| recording.rows[*at].turn);
    let before = recording.finish(app, Purpose::new(Kind::PreRewind, turn, "the state before a move"))?.tip;
    let from = before.checkpoint.number;
    let mut recording = Recording::on(app, before)?;
    let then = Then { kind: to.kind, from, target: to.target.number, mode: to.mode, redone: to.redone };
    let restored = match (&plan, &present) {
        (Some(plan), Some(present)) if !plan.is_empty() => {
            Some(write_files(app, &recording, to, present, plan, &then)?)
        }
        _ => None,
    };
    // Without a restore the files are as they shall be, and as the safety checkpoint has them.
    if let Some(code) = &restored {
        recording.set_code(code.clone());
    }
    if let Some(chat) = &chat
        && !chat_stays
    {
        let (native, removed) = move_chat(app, &mut recording, chat)?;
        outcome.native = Some(native);
        outcome.removed_prompt = removed;
    }
    let mut purpose = Purpose::new(to.kind, to.target.turn, title(to)).always();
    purpose.movement = Some(Movement { from, target: to.target.number, mode: to.mode, redone: to.redone });
    let appended = recording.finish(app, purpose)?;
    if restored.is_some() {
        journal::remove(&app.repo)?;
    }
    outcome.from = Some(from);
    outcome.checkpoint = Some(appended.tip.checkpoint.number);
    outcome.commit = Some(appended.tip.checkpoint.code);
    outcome.tree = Some(appended.tip.code_tree);
    outcome.turns = outcome.turns.map(|_| appended.tip.session.turns as usize);
    Ok(outcome)
}

/// Whether the live conversation already ends where it shall.
fn is_where_it_is(recording: &Recording, talk: &Conversation) -> bool {
    let live: Vec<_> = recording.live_rows().into_iter().map(|at| &recording.rows[at]).collect();
    let same =
        |(a, b): (&&crate::model::TurnRow, &crate::model::TurnRow)| a.turn == b.turn && a.checkpoints == b.checkpoints;
    live.len() == talk.rows.len() && live.iter().zip(&talk.rows).all(same)
}

fn title(to: &Destination<'_>) -> String {
    if to.kind == Kind::Revert {
        return format!("turn {} taken back", to.target.turn.unwrap_or_default());
    }
    let what = match to.mode {
        Mode::Code => "code",
        Mode::Chat => "chat",
        Mode::Both => "code and chat",
    };
    let title = to.target.title.to_string();
    // What a move says of its own target would only be said again.
    let about = match to.target.kind {
        Kind::Rewind | Kind::Redo | Kind::PreRewind => String::new(),
        _ if title.is_empty() => String::new(),
        _ => format!(": {}", text::first_line(&title, 60)),
    };
    format!("{what} to {}{about}", to.target.number)
}

fn nothing_to_do(to: &Destination<'_>) -> Failure {
    if to.kind == Kind::Revert {
        let turn = to.target.turn.unwrap_or_default();
        let message = format!("turn {turn} changed nothing that is still there: nothing to take back");
        return Failure::new(FailureKind::Failed, "revert.nothing", message).target(turn.to_string());
    }
    let what = match to.mode {
        Mode::Code => "the files are",
        Mode::Chat => "the conversation is",
        Mode::Both => "files and conversation are",
    };
    Failure::new(
        FailureKind::Failed,
        "rewind.nothing",
        format!("{what} already as at checkpoint {}: nothing to do", to.target.number),
    )
    .target(to.target.number.to_string())
}

/// What makes a restore impossible as a whole, before the first write.
fn refuse_obstacles(app: &App<'_>, to: &Destination<'_>, plan: Option<&Plan>) -> Result<()> {
    let Some(plan) = plan else { return Ok(()) };
    if let Some(first) = plan.obstacles.first() {
        let more = plan.obstacles.len() - 1;
        let refused = EngineError::Refused { path: first.path.clone(), reason: first.reason.clone(), more };
        let details = plan.obstacles.iter().map(|o| format!("{}: {}", o.path, o.reason)).collect();
        return Err(Failure::from(refused).details(details));
    }
    let empties = plan.result == app.repo.objects.format().empty_tree() && plan.present != plan.result;
    if empties && to.target.scope != Scope::Full && !to.force {
        return Err(Failure::new(
            FailureKind::Refused,
            "rewind.empty",
            format!("this would delete all {}; nothing was changed", text::count(plan.items.len(), "file")),
        )
        .hint("Add --force if that is what you want."));
    }
    Ok(())
}

/// Journal, writing, verification. The code as it is afterwards.
fn write_files(
    app: &App<'_>,
    recording: &Recording,
    to: &Destination<'_>,
    present: &Snapshot,
    plan: &Plan,
    then: &Then,
) -> Result<DraftCode> {
    let tip = tip_of(recording)?;
    let then = serde_json::to_value(then)
        .map_err(|e| Failure::new(FailureKind::Internal, "internal", format!("cannot write the journal: {e}")))?;
    let purpose = journal::Purpose { session: tip.session.id, tip: tip.checkpoint.commit, then };
    let modes = plan::bits(plan, present, &layout::read_modes(&app.repo.objects, to.target.meta_tree)?);
    restore::check(&app.repo, plan, &modes, &app.cwd)?;
    journal::write(&app.repo, &purpose, plan, &modes)?;
    restore::apply(&app.repo, plan, &modes, &app.cwd, app.progress)?;
    let after = snapshot::take(&app.repo, Some(plan.result), &app.snapshot_options(None)?, app.progress)?;
    if after.tree != plan.result {
        let differ = plan::unplanned(&app.repo, plan, after.tree)?;
        if let Some(first) = differ.first() {
            return Err(EngineError::NotVerified { first: first.clone(), count: differ.len() }.into());
        }
    }
    let extras = Extras { index: after.index.clone(), modes: Modes::new(after.umask, &after.modes) };
    Ok(DraftCode { tree: after.tree, scope: after.scope, skipped: after.skipped, extras: Some(extras) })
}

/// Makes the conversation what it shall be: a new native file, or the former one.
fn move_chat(app: &App<'_>, recording: &mut Recording, chat: &ChatMove) -> Result<(native::Native, Option<String>)> {
    let agent = recording
        .agent()
        .ok_or_else(|| Failure::new(FailureKind::Failed, "chat.none", "this session has no agent that could resume"))?;
    if let ChatMove::Former { stream, .. } = chat {
        let tip = tip_of(recording)?.clone();
        if let Some(path) = native::intact_file(app, agent, &tip, stream)? {
            recording.session.agent.live = Some(stream.clone());
            recording.session.agent.transcript_path = Some(path.to_string_lossy().into_owned());
            return Ok((native::existing(agent, stream, path), None));
        }
    }
    let talk = chat.talk();
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
    let known = crate::engine::local::Native {
        session: recording.session.id,
        transcript: Some(written.native.path.clone()),
        inode,
    };
    crate::engine::local::set_native(&app.repo, &id, &known)?;
    Ok((written.native, written.removed_prompt))
}

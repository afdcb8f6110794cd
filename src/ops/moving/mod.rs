//! What rewind, redo and revert share: the choice, the safety checkpoint, the two halves, and the checkpoint at the end.

mod chat;
mod files;
mod git_state;
mod paths;
mod start;
mod terms;
mod verdict;

use super::choice::{self, Foreign};
use super::record::{Purpose, Recording};
use super::rewind::{Outcome, Place};
use super::settle::Then;
use super::{App, Failure, FailureKind, Result, find, outside, signs, state_record, trust};
use crate::base::{RepoPath, text};
use crate::engine::history::History;
use crate::engine::store::Tip;
use crate::engine::{journal, local, plan};
use crate::git::Pathspec;
use crate::model::checkpoint::Movement;
use crate::model::{Checkpoint, Kind, Mode};
use files::Ready;
use git_state::GitState;

pub use chat::ChatMove;
pub use files::{CodeMove, Files, leave, make, plan};
pub use git_state::{Asked, HeadMove, finish as finish_git_state};
pub use paths::{paths, refuse_unknown, refuse_unmatched};
pub use start::{Started, begin, catch_up, refuse_during_operation};
pub use terms::Terms;
pub use verdict::{refusal, rehearse};

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
    /// On what terms.
    pub terms: &'a Terms,
    /// Only these paths.
    pub paths: &'a Pathspec,
    /// Paths that an earlier move took further back than the target; they stay.
    pub further_back: &'a [RepoPath],
}

impl Destination<'_> {
    /// Whether only some paths go there.
    fn is_picked(&self) -> bool {
        !self.paths.is_empty() || !self.further_back.is_empty()
    }
}

/// What moves.
#[derive(Debug)]
pub struct Moved {
    /// The files; `None` where only the conversation moves.
    pub code: Option<CodeMove>,
    /// The conversation.
    pub chat: Option<ChatMove>,
    /// The paths of the plan that someone else changed, where the caller knows and has left what shall be left.
    pub foreign: Option<Vec<RepoPath>>,
}

/// Commands that name a session make it the one of this worktree.
fn make_current(app: &App<'_>, named: Option<&str>, tip: &Tip) -> Result<()> {
    if named.is_some() {
        let current = local::Current { session: tip.session.id, cleared: false };
        local::set_current(&app.repo, Some(&current))?;
    }
    Ok(())
}

/// The tip that a recording goes on.
pub fn tip_of(recording: &Recording) -> Result<&Tip> {
    recording.tip.as_ref().ok_or_else(|| Failure::new(FailureKind::Internal, "internal", "a recording without a tip"))
}

/// Carries a move out, or says what it would do.
pub fn go(
    app: &App<'_>,
    mut recording: Recording,
    history: &History,
    to: &Destination<'_>,
    mut moved: Moved,
) -> Result<Outcome> {
    let tip = tip_of(&recording)?.clone();
    let foreign = settle_foreign(app, &tip, history, to, &mut moved)?;
    if let Some(code) = moved.code.as_mut().filter(|_| to.terms.leave_obstacles) {
        code.plan = plan::leave_obstacles(&app.repo, &code.present, code.plan.clone())?;
    }
    if let Some(code) = &mut moved.code {
        code.plan.render(&app.repo)?;
    }
    let whose = trust::whose(app, &tip)?;
    let executable = match &moved.code {
        Some(code) if trust::is_theirs(app, &tip, to.target.number)? => trust::executable_in_plan(app, &code.plan)?,
        _ => Vec::new(),
    };
    let git = match &moved.code {
        Some(_) if to.terms.staged || to.terms.head => {
            let state = GitState::of(app, to.target)?;
            state.needed(app, to)?.map(|asked| (state, asked))
        }
        _ => None,
    };
    let mut outcome = planned(&tip, to, &moved, foreign);
    outcome.needs_trust = !to.terms.trust && !executable.is_empty();
    (outcome.executable, outcome.whose) = (executable, whose);
    outcome.outside = if to.mode.code() { outside::since(app, &tip, to)? } else { Vec::new() };
    outcome.turns = moved.chat.as_ref().map(|chat| chat.turns(app, &recording)).transpose()?;
    outcome.head_move = git.as_ref().map(|(state, _)| state.head_move(app, to)).transpose()?.flatten();
    if to.terms.dry_run {
        let judged = verdict::judge(app, &recording, to, &mut moved, (git.is_some(), &outcome));
        let rehearsed = judged.and_then(|()| moved.code.as_ref().map_or(Ok(()), |code| rehearse(app, code)));
        outcome.error = rehearsed.err();
        return Ok(outcome);
    }
    verdict::judge(app, &recording, to, &mut moved, (git.is_some(), &outcome))?;
    // Where no file moves the index or HEAD do, under a journal all the same.
    let code = moved.code.as_ref().filter(|code| !code.plan.is_empty() || git.is_some());
    let ready = code.map(|code| Ready::new(app, code)).transpose()?;
    let ready = code.zip(ready.as_ref());
    let ready = ready.map(|(code, ready)| Ok((code, ready, ready.check(app, code, false)?))).transpose();
    let ready = ready.map_err(|failure: Failure| failure)?;

    // Nothing is refused any more: the session is one's own now, and what its conversation has grown by is taken.
    find::take_up(app, &tip)?;
    make_current(app, to.terms.session.as_deref(), &tip)?;
    start::catch_up(app, &mut recording)?;
    // The safety checkpoint: what is there now can be had back.
    signs::note_late_in_open(app, &mut recording)?;
    let turn = recording.live_rows().last().map(|at| recording.rows[*at].turn);
    let before = recording.finish(app, Purpose::new(Kind::PreRewind, turn, "the state before a move"))?.tip;
    let from = before.checkpoint.number;
    let mut recording = Recording::on(app, before)?;
    let asked = git.as_ref().map(|(_, asked)| asked.clone());
    let then = Then {
        kind: to.kind,
        from,
        target: to.target.number,
        mode: to.mode,
        redone: to.redone,
        picked: to.is_picked(),
        git: asked,
    };
    let restored = match ready {
        Some((code, ready, checked)) => Some((code, files::write(app, &recording, (code, ready, checked), &then)?)),
        None => None,
    };
    if let Some((state, asked)) = &git {
        state.restore(app, asked)?;
        recording.head = app.repo.head()?;
    }
    // Where neither moved, the files are as they shall be, and as the safety checkpoint has them.
    if let Some((code, written)) = &restored {
        recording.set_code(files::verify(app, code, written, git.is_none())?);
    }
    if let Some(chat) = &moved.chat {
        let (native, removed) = chat.carry_out(app, &mut recording)?;
        // The conversation's own half of the state goes with it; what was set stays.
        recording.state.from = Some(state_record::moved_to(app, &recording, to.target.meta_tree)?);
        outcome.native = Some(native);
        outcome.removed_prompt = removed;
    }
    let mut purpose = Purpose::new(to.kind, to.target.turn, title(to)).always();
    let Destination { mode, redone, .. } = *to;
    purpose.movement = Some(Movement { from, target: to.target.number, mode, redone, picked: to.is_picked() });
    let appended = recording.finish(app, purpose)?;
    if let Some((_, written)) = &restored {
        journal::remove(&app.repo, written.durability)?;
    }
    outcome.from = Some(from);
    outcome.checkpoint = Some(appended.tip.checkpoint.number);
    outcome.commit = Some(appended.tip.checkpoint.code);
    outcome.tree = Some(appended.tip.code_tree);
    outcome.turns = outcome.turns.map(|_| appended.tip.session.turns as usize);
    Ok(outcome)
}

/// What a move would come to.
fn planned(tip: &Tip, to: &Destination<'_>, moved: &Moved, foreign: Vec<RepoPath>) -> Outcome {
    let plan = moved.code.as_ref().map(|code| &code.plan);
    let asks = plan.map(|plan| plan.obstacles.as_slice()).unwrap_or_default();
    let left = plan.map(|plan| plan.left.as_slice()).unwrap_or_default();
    Outcome {
        session: tip.session.id,
        kind: to.kind,
        mode: to.mode,
        dry_run: to.terms.dry_run,
        target: Place::from(to.target),
        from: None,
        checkpoint: None,
        commit: None,
        tree: plan.map(|p| p.result),
        files: plan.map(Files::of).unwrap_or_default(),
        needs_choice: to.terms.foreign == Foreign::Ask && !foreign.is_empty() || !asks.is_empty(),
        foreign,
        obstacles: asks.iter().chain(left).cloned().collect(),
        outside: Vec::new(),
        staged: to.terms.staged,
        head: to.terms.head,
        head_move: None,
        native: None,
        turns: None,
        removed_prompt: None,
        needs_trust: false,
        executable: Vec::new(),
        whose: None,
        error: None,
    }
}

/// The paths that someone else changed; with `--mine` the plan then leaves them. Paths that were picked by name are chosen.
fn settle_foreign(
    app: &App<'_>,
    tip: &Tip,
    history: &History,
    to: &Destination<'_>,
    moved: &mut Moved,
) -> Result<Vec<RepoPath>> {
    if let Some(found) = moved.foreign.take() {
        return Ok(found);
    }
    let Some(CodeMove { present, plan, .. }) = &mut moved.code else { return Ok(Vec::new()) };
    if !to.paths.is_empty() {
        return Ok(Vec::new());
    }
    let foreign = choice::foreign_paths(app, tip, history, to.target, present, plan)?;
    if to.terms.foreign == Foreign::Mine && !foreign.is_empty() {
        let left = [foreign.as_slice(), to.further_back].concat();
        *plan = leave(app, history, to.target, present, to.paths, &left)?;
    }
    Ok(foreign)
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

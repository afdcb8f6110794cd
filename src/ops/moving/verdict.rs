//! What stops a move before anything is changed: one judgement for the real run and for the dry one, which ends as that would.

use super::files::Ready;
use super::{ChatMove, CodeMove, Destination, Files, Moved};
use crate::base::{RepoPath, text};
use crate::engine::plan::Obstacle;
use crate::git::RefName;
use crate::model::{Kind, Mode, Scope};
use crate::ops::choice::Foreign;
use crate::ops::record::Recording;
use crate::ops::rewind::Outcome;
use crate::ops::{App, Failure, FailureKind, Result, outside, trust};

/// Whether the move can be made. A conversation that already is where it shall be is taken out of it.
///
/// # Errors
/// A choice is needed (6), nothing is to be done (1), somebody holds a lock (5).
pub(super) fn judge(
    app: &App<'_>,
    recording: &Recording,
    to: &Destination<'_>,
    moved: &mut Moved,
    (git_moves, outcome): (bool, &Outcome),
) -> Result<()> {
    if outcome.needs_choice {
        let foreign = if to.terms.foreign == Foreign::Ask { outcome.foreign.as_slice() } else { &[] };
        let obstacles = moved.code.as_ref().map(|code| code.plan.obstacles.as_slice()).unwrap_or_default();
        let refused = refusal(&line(app, to), foreign, obstacles);
        return Err(if foreign.is_empty() { refused } else { refused.target(to.target.number.to_string()) });
    }
    if outcome.needs_trust {
        let needed = trust::needed(&line(app, to), outcome.whose.as_ref(), &outcome.executable);
        return Err(needed.target(to.target.number.to_string()));
    }
    if moved.chat.as_ref().is_some_and(|chat| ChatMove::stays(chat, recording)) {
        moved.chat = None;
    }
    let plan = moved.code.as_ref().map(|code| &code.plan);
    if plan.is_none_or(|plan| plan.is_empty()) && moved.chat.is_none() && !git_moves {
        let kept = plan.map(|plan| Files::of(plan).kept).unwrap_or_default();
        let kept = kept.iter().map(|(path, why)| format!("{path} stays: {why}")).chain(outside::line(&outcome.outside));
        return Err(nothing_to_do(to).details(kept.collect()));
    }
    if let Some(plan) = plan {
        let empties = plan.result == app.repo.objects.format().empty_tree() && plan.present != plan.result;
        if empties && to.target.scope != Scope::Full && !to.terms.force {
            let files = text::count(plan.items.len(), "file");
            let message = format!("this would delete all {files}; nothing was changed");
            return Err(Failure::new(FailureKind::Refused, "rewind.empty", message)
                .hint("Add --force if that is what you want."));
        }
    }
    Ok(app.writers()?.wait_for(&RefName::session_head(recording.session.id))?)
}

/// What the real run finds out when it begins to move files, found out without it.
///
/// # Errors
/// Content that is damaged (7), a folder that must not be written to (1).
pub fn rehearse(app: &App<'_>, code: &CodeMove) -> Result<()> {
    if !code.plan.is_empty() {
        Ready::new(app, code)?.check(app, code, true)?;
    }
    Ok(())
}

/// The line to type for the same move, to which a choice can be added.
fn line(app: &App<'_>, to: &Destination<'_>) -> String {
    let mut line = match to.kind {
        Kind::Redo => "session redo".to_owned(),
        Kind::Revert => format!("session revert {}", to.target.turn.unwrap_or_default()),
        _ => format!("session rewind {} {}", to.mode, to.target.number),
    };
    for (flag, is_set) in [(" --staged", to.terms.staged), (" --head", to.terms.head), (" --force", to.terms.force)] {
        line.push_str(if is_set { flag } else { "" });
    }
    line + &to.terms.same_session(app)
}

/// The refusal that names what needs a choice, and what to type.
pub fn refusal(line: &str, foreign: &[RepoPath], obstacles: &[Obstacle]) -> Failure {
    let mut details: Vec<String> = foreign.iter().map(RepoPath::escaped).collect();
    details.extend(obstacles.iter().map(|obstacle| format!("{}: {}", obstacle.path.escaped(), obstacle.reason)));
    let failure = if foreign.is_empty() {
        let (path, reason) =
            obstacles.first().map_or_else(Default::default, |o| (o.path.to_string(), o.reason.clone()));
        let more = match obstacles.len().saturating_sub(1) {
            0 => String::new(),
            more => format!(" (and {} more)", text::grouped(more)),
        };
        let message = format!("cannot restore {path}: {reason}{more}; nothing was changed");
        let hint = format!(
            "`{line} --mine` leaves what cannot be touched and takes the rest back; or move it away, or pick paths: `{line} -- PATH...`."
        );
        Failure::new(FailureKind::Refused, "restore.obstacle", message).hint(hint)
    } else {
        let files = match foreign {
            [one] => format!("{one} was"),
            all => format!("{} files were", text::grouped(all.len())),
        };
        let also = match obstacles.len() {
            0 => String::new(),
            1 => ", and one more cannot be touched".to_owned(),
            n => format!(", and {} more cannot be touched", text::grouped(n)),
        };
        let message = format!("{files} changed outside of this session since then{also}; nothing was changed");
        let hint = format!(
            "`{line} --mine` leaves them as they are, `{line} --all` takes them back too, `{line} -- PATH...` picks paths."
        );
        Failure::new(FailureKind::Refused, "rewind.foreign", message).hint(hint)
    };
    let failure = failure.details(details);
    match obstacles.first().filter(|_| foreign.is_empty()) {
        Some(first) => failure.target(first.path.to_string()),
        None => failure,
    }
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

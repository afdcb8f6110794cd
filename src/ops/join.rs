//! Which session a `save` or a commit goes on with: the one that runs here, else the one that ended here a short while ago.
//!
//! An agent that ended leaves work behind that a person looks through and commits: it belongs to that session. After
//! `session.joinWithin` (12 hours) it is work of its own, and a session without an agent opens.

use std::time::Duration;

use super::life::Lives;
use super::{App, Caller, Failure, FailureKind, Result, find, save};
use crate::base::SessionId;
use crate::engine::local;
use crate::engine::store::{self, Tip};
use crate::model::Session;

/// Where nothing else is set.
const WITHIN: Duration = Duration::from_secs(12 * 3600);

/// The session to go on with; `None` where one has to be opened.
pub fn session(app: &App<'_>) -> Result<Option<Tip>> {
    if let Some(tip) = save::of_agent(app)? {
        return Ok(Some(tip));
    }
    let within = within(app)?;
    if let Some(tip) = save::of_worktree(app)?
        && (tip.session.agent.kind == "none"
            || is_recent(app, &tip.session, within)
            // An agent that waits for a prompt since yesterday still runs.
            || Lives::load(app)?.is_live(&tip.session))
    {
        return Ok(Some(tip));
    }
    let here = app.repo.worktree_name();
    let mut newest: Option<Tip> = None;
    for id in candidates(app)? {
        // One that cannot be read must not keep a commit from being saved; `list` and `doctor` name it.
        let Some(tip) = store::tip(&app.repo, id).ok().flatten() else { continue };
        let fits = tip.session.worktree == here && is_recent(app, &tip.session, within);
        if fits && newest.as_ref().is_none_or(|n| n.session.updated_at < tip.session.updated_at) {
            newest = Some(tip);
        }
    }
    Ok(newest)
}

/// Sessions that ran in this worktree lately: from a note of ours, else all that there are.
fn candidates(app: &App<'_>) -> Result<Vec<SessionId>> {
    let noted = local::recent(&app.repo)?;
    if noted.is_empty() { Ok(find::all(app)?.into_iter().map(|f| f.id).collect()) } else { Ok(noted) }
}

/// Whether its last event is so short a while ago. A clock that was set back makes none older.
fn is_recent(app: &App<'_>, session: &Session, within: Duration) -> bool {
    let age = app.now().millis().saturating_sub(session.updated_at.millis());
    u64::try_from(age).is_ok_and(|age| u128::from(age) < within.as_millis()) || age < 0 && !within.is_zero()
}

/// The setting: hours, or a number with `s`, `m`, `h`, `d` or `w`; 0 joins none.
fn within(app: &App<'_>) -> Result<Duration> {
    let Some(value) = app.repo.config.bytes("session.joinWithin")? else { return Ok(WITHIN) };
    let text = value.to_string();
    match parse(text.trim()) {
        Some(within) => Ok(within),
        // Nobody is there to read it, and a commit has to be saved.
        None if app.caller != Caller::Explicit => Ok(WITHIN),
        None => Err(Failure::new(
            FailureKind::Usage,
            "config.value",
            format!("session.joinWithin is no length of time: {text:?}"),
        )
        .hint("Set it to hours, or to a number with a unit, such as 90m, 12h or 2d.")),
    }
}

fn parse(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.trim_end().parse().ok()?;
    let unit = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "" | "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    number.checked_mul(unit).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_hours_or_has_a_unit() {
        let hours = |n: u64| Some(Duration::from_secs(n * 3600));
        assert_eq!(
            [parse("12"), parse("12h"), parse("720m"), parse("0"), parse("2 d")],
            [hours(12), hours(12), hours(12), hours(0), hours(48)]
        );
        for bad in ["", "h", "-1h", "1.5h", "12 hours", "18446744073709551615w"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}

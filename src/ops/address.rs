//! Which checkpoint is meant: `7`, `#7`, `~2`, `turn:3`, `turn:3.end`, `@{10 minutes ago}`, or a commit id.

use super::{App, Failure, FailureKind, Result};
use crate::base::Timestamp;
use crate::engine::history::History;
use crate::engine::layout;
use crate::engine::store::Tip;
use crate::model::Checkpoint;

/// The checkpoint that a person named on a session's chain.
///
/// # Errors
/// Usage (2) where the text has no such form, not found (3) where there is no such checkpoint.
pub fn checkpoint<'h>(app: &App<'_>, tip: &Tip, history: &'h History, text: &str) -> Result<&'h Checkpoint> {
    let not_found = |what: String| {
        Failure::new(FailureKind::NotFound, "checkpoint.not-found", what)
            .target(text)
            .hint("`session log` shows the checkpoints of the session.")
    };
    let digits = text.strip_prefix('#').unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        let number = digits.parse().map_err(|_| not_found(format!("checkpoint {digits} not found")))?;
        return history.number(number).ok_or_else(|| not_found(format!("checkpoint {number} not found")));
    }
    if let Some(back) = text.strip_prefix('~') {
        let back: usize = if back.is_empty() { 1 } else { back.parse().map_err(|_| malformed(text))? };
        return history
            .all()
            .get(back)
            .ok_or_else(|| not_found(format!("there is no checkpoint {back} before the newest")));
    }
    if let Some(turn) = text.strip_prefix("turn:") {
        return by_turn(app, tip, history, text, turn);
    }
    if let Some(time) = text.strip_prefix("@{").and_then(|t| t.strip_suffix('}')) {
        let at = moment(time, app.now()).ok_or_else(|| malformed(text))?;
        return history
            .all()
            .iter()
            .find(|c| c.time.seconds() <= at.seconds())
            .ok_or_else(|| not_found(format!("the session has no checkpoint as old as {time}")));
    }
    if text.len() >= 4 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        let lower = text.to_ascii_lowercase();
        let is = |oid: crate::git::Oid| oid.to_string().starts_with(&lower);
        // Several checkpoints may share a code commit; the oldest of them made it.
        let found: Vec<&Checkpoint> = history.all().iter().filter(|c| is(c.commit)).collect();
        let by_code = || history.all().iter().rev().find(|c| is(c.code));
        return match found.as_slice() {
            [one] => Ok(one),
            [] => by_code().ok_or_else(|| not_found(format!("no checkpoint of this session is commit {text}"))),
            _ => Err(Failure::new(
                FailureKind::Ambiguous,
                "checkpoint.ambiguous",
                format!("{text} names several checkpoints"),
            )
            .target(text)
            .hint("Give more digits.")),
        };
    }
    Err(malformed(text))
}

fn malformed(text: &str) -> Failure {
    Failure::new(FailureKind::Usage, "checkpoint.malformed", format!("{text:?} does not name a checkpoint"))
        .target(text)
        .hint("Write 7, ~2, turn:3, turn:3.end, @{10 minutes ago} or a commit id.")
}

fn by_turn<'h>(app: &App<'_>, tip: &Tip, history: &'h History, text: &str, turn: &str) -> Result<&'h Checkpoint> {
    let (number, end) = match turn.strip_suffix(".end") {
        Some(number) => (number, true),
        None => (turn, false),
    };
    let number: u32 = number.parse().map_err(|_| malformed(text))?;
    let rows = layout::read_rows(&app.repo.objects, tip.checkpoint.meta_tree, &tip.session, 0)?;
    let live = layout::live_rows(&tip.session, &rows);
    let row = live.iter().map(|(_, row)| row).find(|row| row.turn == number).ok_or_else(|| {
        let have = match live.len() {
            0 => "the conversation has no turns".to_owned(),
            n => format!("the conversation has {}", crate::base::text::count(n, "turn")),
        };
        Failure::new(FailureKind::NotFound, "turn.not-found", format!("turn {number} not found: {have}"))
            .target(text)
            .hint("`session rewind` shows the turns.")
    })?;
    let wanted = if end { row.end_checkpoint } else { row.start_checkpoint() };
    wanted.and_then(|n| history.number(n)).ok_or_else(|| {
        let what = if end { "is not answered yet" } else { "has no checkpoint of its own" };
        let hint = if end {
            "`session log` shows the checkpoints."
        } else {
            "It was answered before its turns were saved here; `session log` shows the checkpoints."
        };
        Failure::new(FailureKind::NotFound, "turn.no-checkpoint", format!("turn {number} {what}"))
            .target(text)
            .hint(hint)
    })
}

/// `10 minutes ago`, `yesterday`, an RFC 3339 time, or `2026-11-21 14:03` in local time.
fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(at) = Timestamp::parse(text) {
        return Some(at);
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let back = |seconds: i64| Some(Timestamp::from_millis(now.millis() - seconds.checked_mul(1000)?));
    match words.as_slice() {
        ["now"] => Some(now),
        ["yesterday"] => back(86_400),
        [count, unit, "ago"] => {
            let count: i64 = if matches!(*count, "a" | "an") { 1 } else { count.parse().ok()? };
            let unit = match unit.trim_end_matches('s') {
                "second" | "sec" => 1,
                "minute" | "min" => 60,
                "hour" => 3_600,
                "day" => 86_400,
                "week" => 604_800,
                "month" => 2_592_000,
                "year" => 31_536_000,
                _ => return None,
            };
            back(count.checked_mul(unit)?)
        }
        _ => Timestamp::parse_local(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_people_write_them() {
        let now = Timestamp::from_seconds(1_000_000);
        assert_eq!(moment("10 minutes ago", now), Some(Timestamp::from_seconds(1_000_000 - 600)));
        assert_eq!(moment("an hour ago", now), Some(Timestamp::from_seconds(1_000_000 - 3600)));
        assert_eq!(moment("1970-01-12T13:46:40Z", now), Some(now));
        assert_eq!(moment("1 month ago", now), Some(Timestamp::from_seconds(1_000_000 - 30 * 86_400)));
        assert_eq!(moment("2 years ago", now), Some(Timestamp::from_seconds(1_000_000 - 730 * 86_400)));
        assert_eq!(moment("someday", now), None);
        assert_eq!(moment("99999999999999999 weeks ago", now), None);
    }
}

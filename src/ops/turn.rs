//! The turns of a session as its agent's hooks tell them: start, tool, end; closing what was left open.

use std::path::Path;

use super::record::{Purpose, Recording};
use super::{App, Result, signs};
use crate::agents::ParsedTurn;
use crate::base::RepoPath;
use crate::engine::local;
use crate::engine::store::Appended;
use crate::engine::stream::Check;
use crate::features::title;
use crate::model::session::TitleSource;
use crate::model::{Kind, TurnRow};

/// Characters of a prompt's first line that a row keeps.
pub(super) const PROMPT_CHARS: usize = 200;

/// A prompt as the agent's hook delivers it.
#[derive(Clone, Copy, Debug)]
pub struct Prompt<'a> {
    /// The agent's own session id.
    pub native: &'a str,
    /// Its transcript, where known.
    pub transcript: Option<&'a Path>,
    /// The agent's key of the prompt.
    pub key: Option<&'a str>,
    /// The text.
    pub text: &'a str,
    /// The agent's mode.
    pub mode: Option<&'a str>,
}

/// A turn begins: the state before it is answered. A turn that is still open (an interrupt fires no hook) is closed first.
pub fn start(app: &App<'_>, mut recording: Recording, prompt: &Prompt<'_>) -> Result<Appended> {
    recording.session.agent.live = Some(prompt.native.to_owned());
    recording.capture_chat(app, prompt.native, prompt.transcript, Check::Tail)?;
    adopt_copied_turns(&mut recording, prompt.native, Some(prompt));
    if let Some(open) = recording.open_row(prompt.native) {
        recording.capture_code(app, None)?;
        let closed = close(app, recording, open, true)?;
        recording = Recording::on_tail(app, closed.tip, prompt.native)?;
        recording.capture_chat(app, prompt.native, prompt.transcript, Check::Tail)?;
    }
    recording.capture_code(app, None)?;
    let line = title::prompt_line(prompt.text, PROMPT_CHARS);
    let turn = recording.last_row(prompt.native).map_or(0, |at| recording.rows[at].turn) + 1;
    let start = stored_bytes(&recording, prompt.native);
    let number = recording.number();
    recording.push_row(TurnRow {
        turn,
        stream: prompt.native.to_owned(),
        key: prompt.key.map(str::to_owned),
        start,
        end: None,
        started_at: app.now(),
        ended_at: None,
        interrupted: false,
        prompt: line.clone(),
        checkpoints: vec![number],
        end_checkpoint: None,
        files: Vec::new(),
        outside: Vec::new(),
        seen_at: None,
        late: Vec::new(),
        tools: std::collections::BTreeMap::new(),
        errors: 0,
        tokens: crate::model::session::Usage::default(),
        extra: serde_json::Map::new(),
    });
    recording.session.ended_at = None;
    if let Some(mode) = prompt.mode {
        recording.session.mode = Some(mode.to_owned());
    }
    recording.session.offer_title(&title::of_prompt(prompt.text, app.title_limit()), TitleSource::FirstMessage);
    recording.finish(app, Purpose::new(Kind::TurnStart, Some(turn), line).always())
}

/// A tool wrote named files: only they are looked at. What it wrote elsewhere is noted in the row.
pub fn tool(
    app: &App<'_>,
    mut recording: Recording,
    native: &str,
    paths: Vec<RepoPath>,
    elsewhere: Vec<String>,
) -> Result<Option<Appended>> {
    let row = recording.open_row(native);
    let is_new = |at: &usize| elsewhere.iter().any(|path| !recording.rows[*at].outside.contains(path));
    let noted = row.filter(is_new);
    if let Some(at) = noted {
        add(&mut recording.row_mut(at).outside, elsewhere.into_iter());
    }
    if paths.is_empty() {
        let Some(at) = noted else { return Ok(None) };
        let (number, turn, now) = (recording.number(), recording.rows[at].turn, app.now());
        let row = recording.row_mut(at);
        row.checkpoints.push(number);
        row.seen_at = Some(now);
        return recording.finish(app, Purpose::new(Kind::Tool, Some(turn), "outside of the work tree")).map(Some);
    }
    let taken = recording.capture_code(app, Some(paths.clone()))?;
    // Without a change there is no checkpoint, so the row is left alone too.
    if noted.is_none() && recording.tip.as_ref().is_some_and(|t| t.code_tree == taken.tree) {
        return Ok(None);
    }
    let (number, now) = (recording.number(), app.now());
    let turn = row.map(|at| recording.rows[at].turn);
    if let Some(at) = row {
        let row = recording.row_mut(at);
        row.checkpoints.push(number);
        row.seen_at = Some(now);
        add_files(row, paths.iter().map(ToString::to_string));
    }
    let title = paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    recording.finish(app, Purpose::new(Kind::Tool, turn, title)).map(Some)
}

/// The turn was answered. In a closed turn (a Stop that fires again) it makes a `tail`. One of another prompt, which was never
/// told (a line for the agent's own shell), says nothing of the turn before it, but that it was cut short where it is open.
/// Whether the agent's last text was there is returned too; it lags its own hook.
pub fn end(
    app: &App<'_>,
    mut recording: Recording,
    native: &str,
    transcript: Option<&Path>,
    key: Option<&str>,
    last_message: Option<&str>,
) -> Result<(Appended, bool)> {
    recording.capture_chat(app, native, transcript, Check::Tail)?;
    if let Some(file) = transcript.filter(|file| !file.exists()) {
        // At a session's start there is none yet; after an answer there is.
        let problem = format!("the transcript {} is not there: the files were saved without it", file.display());
        local::log(&app.repo, app.now(), &problem)?;
    }
    adopt_copied_turns(&mut recording, native, None);
    let complete = is_complete(&recording, last_message);
    recording.capture_code(app, None)?;
    let is_own = |row: &TurnRow| row.key.as_deref().zip(key).is_none_or(|(have, key)| have == key);
    if let Some(open) = recording.open_row(native) {
        let interrupted = !is_own(&recording.rows[open]);
        return Ok((close(app, recording, open, interrupted)?, complete));
    }
    let again = recording.last_row(native).is_some_and(|at| is_own(&recording.rows[at]));
    let turn = extend(app, &mut recording, native).filter(|_| again);
    Ok((recording.finish(app, Purpose::new(Kind::Tail, turn, ""))?, complete))
}

/// Transcript that came late, and nothing else. Without news nothing is made.
pub fn tail(
    app: &App<'_>,
    mut recording: Recording,
    native: &str,
    transcript: &Path,
    check: Check,
) -> Result<Appended> {
    recording.capture_chat(app, native, Some(transcript), check)?;
    adopt_copied_turns(&mut recording, native, None);
    let turn = extend(app, &mut recording, native);
    recording.finish(app, Purpose::new(Kind::Tail, turn, ""))
}

/// The agent's session ended: closes an open turn, else tells what is new.
pub fn session_end(
    app: &App<'_>,
    mut recording: Recording,
    native: &str,
    transcript: Option<&Path>,
) -> Result<Appended> {
    recording.capture_chat(app, native, transcript, Check::Full)?;
    adopt_copied_turns(&mut recording, native, None);
    recording.capture_code(app, None)?;
    let now = app.now();
    if let Some(open) = recording.open_row(native) {
        recording.session.ended_at = Some(now);
        return close(app, recording, open, true);
    }
    let turn = extend(app, &mut recording, native);
    let was_ended = recording.session.ended_at;
    recording.session.ended_at = Some(was_ended.unwrap_or(now));
    recording.finish(app, Purpose::new(Kind::End, turn, ""))
}

/// Closes the open turn at a place with a `turn-end`.
fn close(app: &App<'_>, mut recording: Recording, at: usize, interrupted: bool) -> Result<Appended> {
    let number = recording.number();
    let now = app.now();
    let sign = signs::last(&recording.rows[at], recording.parsed.as_ref());
    let next = take_over_parsed(app, &mut recording, at);
    if interrupted {
        signs::note_late(app, &mut recording, at, sign)?;
    } else if !recording.rows[at].late.is_empty() {
        recording.row_mut(at).late.clear();
    }
    let stream = recording.rows[at].stream.clone();
    let bytes = stored_bytes(&recording, &stream);
    let row = recording.row_mut(at);
    // The next prompt may stand in the transcript before its hook comes.
    row.end = Some(next.filter(|_| interrupted).unwrap_or(bytes).max(row.start));
    row.ended_at = Some(now);
    row.interrupted = interrupted;
    row.checkpoints.push(number);
    row.end_checkpoint = Some(number);
    let (turn, prompt) = (row.turn, row.prompt.clone());
    recording.finish(app, Purpose::new(Kind::TurnEnd, Some(turn), prompt).always())
}

/// Bytes stored of a stream.
fn stored_bytes(recording: &Recording, native: &str) -> u64 {
    recording.session.stream(native).map_or(0, |s| s.bytes)
}

/// Whether the agent's last text already stands in what was read.
fn is_complete(recording: &Recording, last_message: Option<&str>) -> bool {
    let Some(wanted) = last_message.map(str::trim).filter(|m| !m.is_empty()) else { return true };
    let parsed = recording.parsed.as_ref();
    let last = parsed.and_then(|p| p.turns.last().unwrap_or(&p.before).last_text.as_deref());
    last.is_some_and(|text| text.trim().ends_with(wanted))
}

/// Gives the row what the transcript says of its turn. Counts are replaced, files added. Where the next turn begins, where
/// one was read.
fn take_over_parsed(app: &App<'_>, recording: &mut Recording, at: usize) -> Option<u64> {
    let parsed = recording.parsed.take()?;
    let row = recording.row_mut(at);
    let by_key = |t: &&ParsedTurn| row.key.is_some() && t.key == row.key;
    let found = parsed.turns.iter().rev().find(by_key);
    let found = found.or_else(|| parsed.turns.iter().find(|t| t.start == row.start));
    let found = found.or(parsed.turns.last().filter(|_| row.is_open())).unwrap_or(&parsed.before);
    if !std::ptr::eq(found, &parsed.before) {
        row.start = found.start;
        if row.key.is_none() {
            row.key.clone_from(&found.key);
        }
    }
    row.tools.clone_from(&found.tools);
    row.errors = found.errors;
    row.tokens = found.tokens;
    add(&mut row.outside, found.outside.iter().cloned());
    add_files(row, found.files.iter().map(|f| f.to_string_lossy().into_owned()));
    let next = parsed.turns.iter().map(|t| t.start).find(|start| *start > row.start);
    let session = &mut recording.session;
    session.model = parsed.model.or(session.model.take());
    session.agent.version = parsed.version.or(session.agent.version.take());
    if let Some(title) = parsed.title {
        session.offer_title(&title::of_text(&title, app.title_limit()), TitleSource::Agent);
    }
    next
}

/// A late stretch of transcript belongs to the last turn of its stream; its number.
pub fn extend(app: &App<'_>, recording: &mut Recording, native: &str) -> Option<u32> {
    let at = recording.last_row(native)?;
    let bytes = stored_bytes(recording, native);
    if recording.rows[at].end.is_some_and(|end| end < bytes) {
        recording.row_mut(at).end = Some(bytes);
        take_over_parsed(app, recording, at);
    }
    Some(recording.rows[at].turn)
}

fn add_files(row: &mut TurnRow, files: impl Iterator<Item = String>) {
    add(&mut row.files, files);
}

fn add(to: &mut Vec<String>, more: impl Iterator<Item = String>) {
    to.extend(more);
    to.sort();
    to.dedup();
}

/// A native file that is new to us may begin with turns that were copied from another: they get their rows again, with
/// the same turn and checkpoint numbers where they are known, and their own ranges.
///
/// An agent's own fork writes the copies only after its first prompt was told: that turn then moves behind them.
pub fn adopt_copied_turns(recording: &mut Recording, native: &str, current: Option<&Prompt<'_>>) {
    let Some(parsed) = recording.parsed.clone() else { return };
    let from_the_start = parsed.before.start == 0;
    let mut turns: Vec<ParsedTurn> = parsed.turns.into_iter().filter(|t| t.active).collect();
    let rows: Vec<usize> = (0..recording.rows.len()).filter(|at| recording.rows[*at].stream == native).collect();
    let first = match rows.as_slice() {
        [] => None,
        // Also where it is closed by now: on a busy machine the agent's file comes after its turn. Without a key the same
        // prompt sent twice would look like a copy.
        [only] if from_the_start && recording.rows[*only].key.is_some() => Some(*only),
        _ => return,
    };
    if let Some(at) = first {
        let row = &recording.rows[at];
        let Some(place) = turns.iter().rposition(|t| is_prompt(t, row.key.as_deref(), &row.prompt)) else { return };
        turns.truncate(place);
    } else if let (Some(prompt), Some(last)) = (current, turns.last())
        && let line = title::prompt_line(prompt.text, PROMPT_CHARS)
        && (is_prompt(last, prompt.key, &line) || is_unanswered(last) && is_prompt(last, None, &line))
    {
        // The prompt that is being sent stands in the file already; it is no copy.
        turns.pop();
    }
    let moved = first.filter(|_| !turns.is_empty()).map(|at| (at, recording.rows[at].clone()));
    let known = recording.rows.clone();
    let mut last = 0;
    for (nth, turn) in turns.iter().enumerate() {
        let same = known.iter().rev().find(|r| turn.key.is_some() && r.key == turn.key);
        // The first rows of a session whose first hook came late are made from the transcript alone.
        let at = turn.at.unwrap_or(recording.session.created_at);
        let mut row = same.cloned().unwrap_or_else(|| TurnRow {
            turn: last + 1,
            stream: native.to_owned(),
            key: turn.key.clone(),
            start: turn.start,
            end: Some(turn.end),
            started_at: at,
            ended_at: Some(at),
            interrupted: false,
            prompt: title::prompt_line(&turn.prompt, PROMPT_CHARS),
            checkpoints: Vec::new(),
            end_checkpoint: None,
            files: turn.files.iter().map(|f| f.to_string_lossy().into_owned()).collect(),
            outside: turn.outside.clone(),
            seen_at: None,
            late: Vec::new(),
            tools: turn.tools.clone(),
            errors: turn.errors,
            tokens: turn.tokens,
            extra: serde_json::Map::new(),
        });
        last = row.turn;
        row.stream = native.to_owned();
        row.start = turn.start;
        row.end = Some(turn.end);
        if row.ended_at.is_none() {
            row.ended_at = Some(at);
        }
        match &moved {
            Some((place, _)) if nth == 0 => *recording.row_mut(*place) = row,
            _ => recording.push_row(row),
        }
    }
    if let Some((_, mut row)) = moved {
        row.turn = last + 1;
        recording.push_row(row);
    }
}

/// Whether a turn of the transcript is that of a prompt. The key alone does not tell: an agent's own fork gives it to the
/// copies too.
fn is_prompt(turn: &ParsedTurn, key: Option<&str>, line: &str) -> bool {
    key.is_none_or(|key| turn.key.as_deref() == Some(key)) && title::prompt_line(&turn.prompt, PROMPT_CHARS) == line
}

/// Whether nothing of the agent's stands after the prompt. Such a one is that which is being sent, by whatever key the
/// agent's file knows it.
fn is_unanswered(turn: &ParsedTurn) -> bool {
    turn.last_text.is_none() && turn.tools.is_empty() && turn.tokens == crate::model::session::Usage::default()
}

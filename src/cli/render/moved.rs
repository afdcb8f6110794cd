//! What a rewind, redo or revert did, or would do, as a person reads it.

use super::paths::{listed, shown, tell_left};
use crate::base::text;
use crate::cli::Ui;
use crate::cli::commands::resume::how_to;
use crate::cli::commands::rewind::{executable, whose};
use crate::cli::line::{Line, line};
use crate::cli::theme::paint;
use crate::model::{Kind, Mode};
use crate::ops::moving::HeadMove;
use crate::ops::outside;
use crate::ops::rewind::{Outcome, Place};

/// Tells it.
pub fn tell(ui: &mut Ui, o: &Outcome) {
    let first = first_line(ui, o);
    ui.data_line(first);
    let theme = ui.theme();
    for (sign, style, paths) in [
        ("write ", theme.added, &o.files.written),
        ("delete", theme.removed, &o.files.deleted),
        ("mode  ", theme.warn, &o.files.modes),
    ] {
        for path in listed(ui, paths, shown) {
            ui.data_line(line!["  ", paint(style, sign), "  ", path]);
        }
    }
    if o.mode.code() && o.files.is_empty() {
        ui.data_line("  no file differs");
    }
    if let Some(head) = &o.head_move {
        ui.data_line(where_head_goes(head, o.dry_run));
    }
    tell_left(ui, &o.files.kept);
    if let Some(elsewhere) = outside::line(&o.outside) {
        ui.note(&elsewhere);
    }
    whose(ui, o.whose.as_ref());
    executable(ui, &o.executable, o.needs_trust);
    if let Some(turns) = o.turns {
        let have = if o.dry_run { "would have" } else { "has" };
        ui.data_line(format!("The conversation {have} {}.", text::count(turns, "turn")));
    }
    if let Some(prompt) = &o.removed_prompt {
        ui.data_line(format!("Cut off first: {}", text::sanitise(&text::first_line(prompt, 200))));
    }
    if let Some(from) = o.from.filter(|_| !o.dry_run) {
        let back = match o.kind {
            Kind::Redo | Kind::Revert => format!("`{} {} {from}` goes there", ui.command("rewind"), o.mode),
            _ => format!("`{}` brings it back", ui.command("redo")),
        };
        ui.note(&format!("The state before is checkpoint {from}; {back}."));
    }
    if let Some(native) = &o.native {
        how_to(ui, native);
    }
}

fn first_line(ui: &Ui, o: &Outcome) -> Line {
    let what = match o.mode {
        Mode::Code => "code",
        Mode::Chat => "chat",
        Mode::Both => "code and chat",
    };
    if let (Kind::Revert, Some(turn)) = (o.kind, o.target.turn) {
        return Line::from(match o.dry_run {
            true => format!("Would take turn {turn} back; what came later stays:"),
            false => format!("Reverted: turn {turn}; what came later stays."),
        });
    }
    let number = paint(ui.theme().id, format!("checkpoint {}", o.target.number));
    let place = line![number, format!(" ({})", what_it_is(&o.target))];
    let (before, after) = match (o.dry_run, o.kind) {
        (true, Kind::Redo) => (format!("Would redo: {what} to "), ":"),
        (true, _) => (format!("Would take {what} to "), ":"),
        (false, Kind::Redo) => (format!("Redone: {what} to "), "."),
        (false, _) => (format!("Rewound: {what} to "), "."),
    };
    line![before, place, after]
}

fn where_head_goes(head: &HeadMove, dry_run: bool) -> String {
    let is = if dry_run { "would be" } else { "is" };
    let at = head.commit.map(|commit| format!(" at {}", commit.short())).unwrap_or_default();
    match (&head.branch, &head.not_on) {
        (Some(branch), _) => format!("  HEAD    {is} on the branch {branch}{at}"),
        (None, Some(branch)) => {
            format!("  HEAD    {is} detached{at}: the branch {branch} has moved on, or is in use elsewhere")
        }
        (None, None) => format!("  HEAD    {is} detached{at}, as it was at the checkpoint"),
    }
}

/// What a checkpoint is to a person: where in the conversation it lies, else its kind.
fn what_it_is(place: &Place) -> String {
    let title = text::truncate(&text::sanitise(&place.title), 60);
    let what = match (place.kind, place.turn) {
        (Kind::TurnStart, Some(turn)) => format!("before turn {turn}"),
        (Kind::TurnEnd | Kind::Tail, Some(turn)) => format!("after turn {turn}"),
        (Kind::End, _) => "when the agent ended".to_owned(),
        (Kind::PreRewind, _) => return "the state before that move".to_owned(),
        (kind, _) => kind.to_string(),
    };
    if title.is_empty() { what } else { format!("{what}: {title}") }
}

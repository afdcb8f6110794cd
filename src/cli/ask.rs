//! Asking a person on a terminal: one question, one key and Enter. Never called from a hook or without a terminal.

use std::io::BufRead as _;

use super::Ui;
use super::render::paths::listed;
use crate::ops::Failure;
use crate::ops::choice::Foreign;

/// Whether a person says yes; anything but `y` or `yes` is no.
pub fn yes(ui: &mut Ui, question: &str) -> bool {
    ui.note(&format!("{question} [y/N]"));
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.is_ok() && matches!(line.trim().to_lowercase().as_str(), "y" | "yes")
}

/// Whether what runs commands may be written.
pub fn trust(ui: &mut Ui, failure: &Failure) -> bool {
    ui.warning(&failure.message.replace("; nothing was changed", ""));
    for path in listed(ui, &failure.details, Clone::clone) {
        ui.note(&format!("  {path}"));
    }
    yes(ui, "Write these files?")
}

/// What to do with files that someone else changed, or that cannot be touched; `None` takes nothing back at all.
pub fn foreign(ui: &mut Ui, refused: &Failure) -> Option<Foreign> {
    ui.note(&refused.message);
    for line in listed(ui, &refused.details, Clone::clone) {
        ui.note(&format!("  {line}"));
    }
    ui.note("[m]ine: leave them    [a]ll: take back all that can be    Enter: change nothing");
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).ok()?;
    match line.trim().to_lowercase().as_str() {
        "m" | "mine" => Some(Foreign::Mine),
        "a" | "all" => Some(Foreign::All),
        _ => None,
    }
}

//! Lists of paths for people: never more than a screen can hold, and a count of the rest. `--json` has all.

use crate::base::{RepoPath, text};
use crate::cli::Ui;

/// How many are listed.
pub const LISTED: usize = 20;
/// Columns of a line in an agent, where an answer has to stay short.
const IN_AGENT: usize = 120;

/// A path for a terminal.
pub fn shown(path: &RepoPath) -> String {
    text::sanitise_bytes(path.as_bytes())
}

/// The first lines of a list, and how many more there are.
pub fn listed<T>(ui: &Ui, list: &[T], line: impl Fn(&T) -> String) -> Vec<String> {
    let cut = |line: String| if ui.is_in_agent() { text::truncate(&line, IN_AGENT) } else { line };
    let mut lines: Vec<String> = list.iter().take(LISTED).map(|one| cut(line(one))).collect();
    if list.len() > LISTED {
        lines.push(format!("and {} more", text::grouped(list.len() - LISTED)));
    }
    lines
}

/// Says what differs and stays.
pub fn tell_left(ui: &mut Ui, kept: &[(RepoPath, String)]) {
    for line in listed(ui, kept, |(path, why)| format!("{} ({why})", shown(path))) {
        ui.note(&format!("  left    {line}"));
    }
}

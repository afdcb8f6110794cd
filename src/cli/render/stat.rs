//! The diffstat: how many lines came and went in each file, and in all.

use crate::base::RepoPath;
use crate::base::text::{count, sanitise_bytes, truncate, width};
use crate::cli::line::{Line, line};
use crate::cli::theme::{Theme, paint};
use crate::features::patch::LineCount;

/// What happened to one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStat {
    /// Which.
    pub path: RepoPath,
    /// Lines that came and lines that went; `None` where the content is binary.
    pub lines: Option<LineCount>,
}

/// One line a file (`path | 12 +++---`), then the total; within `columns` (80 where `None`).
pub fn diffstat(stats: &[FileStat], columns: Option<usize>, theme: &Theme) -> Vec<Line> {
    let columns = columns.unwrap_or(80).max(30);
    let names: Vec<String> =
        stats.iter().map(|s| truncate(&sanitise_bytes(s.path.as_bytes()), columns * 2 / 3)).collect();
    let numbers: Vec<String> =
        stats.iter().map(|s| s.lines.map_or_else(|| "Bin".to_owned(), |l| (l.added + l.removed).to_string())).collect();
    let name_width = names.iter().map(|n| width(n)).max().unwrap_or(0);
    let number_width = numbers.iter().map(String::len).max().unwrap_or(0);
    let most = stats.iter().filter_map(|s| s.lines).map(|l| l.added + l.removed).max().unwrap_or(0);
    let bar = columns.saturating_sub(name_width + number_width + 6).max(2).min(most);

    let mut lines: Vec<Line> = Vec::with_capacity(stats.len() + 1);
    for ((stat, name), number) in stats.iter().zip(&names).zip(&numbers) {
        let space = " ".repeat(name_width - width(name));
        let mut line = Line::from(format!(" {name}{space} | {number:>number_width$}"));
        if let Some(LineCount { added, removed }) = stat.lines
            && added + removed > 0
        {
            let plus = paint(theme.added, "+".repeat(scaled(added, bar, most)));
            let minus = paint(theme.removed, "-".repeat(scaled(removed, bar, most)));
            line.push(line![" ", plus, minus]);
        }
        lines.push(line);
    }
    lines.push(total(stats).into());
    lines
}

/// The last line: ` 3 files changed, 5 insertions(+), 2 deletions(-)`.
fn total(stats: &[FileStat]) -> String {
    let added: usize = stats.iter().filter_map(|s| s.lines).map(|l| l.added).sum();
    let removed: usize = stats.iter().filter_map(|s| s.lines).map(|l| l.removed).sum();
    let mut line = format!(" {} changed", count(stats.len(), "file"));
    if added > 0 {
        line.push_str(&format!(", {}(+)", count(added, "insertion")));
    }
    if removed > 0 {
        line.push_str(&format!(", {}(-)", count(removed, "deletion")));
    }
    line
}

/// Its share of the bar; what is there at all shows.
fn scaled(lines: usize, bar: usize, most: usize) -> usize {
    (lines * bar).checked_div(most).map_or(0, |share| share.max(usize::from(lines > 0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::line::text;

    fn stat(path: &str, added: usize, removed: usize) -> FileStat {
        FileStat { path: RepoPath::new(path).expect("a path"), lines: Some(LineCount { added, removed }) }
    }

    #[test]
    fn small_changes_are_drawn_one_sign_a_line() {
        let binary = FileStat { path: RepoPath::new("logo.png").expect("a path"), lines: None };
        let stats = [stat("src/main.rs", 3, 1), stat("a", 0, 2), stat("mode", 0, 0), binary];
        insta::assert_snapshot!(text(&diffstat(&stats, None, &Theme::plain())), @"
        src/main.rs |   4 +++-
        a           |   2 --
        mode        |   0
        logo.png    | Bin
        4 files changed, 3 insertions(+), 3 deletions(-)
        ");
    }

    #[test]
    fn large_changes_stay_within_the_width_and_small_ones_stay_seen() {
        let long = "folder/".repeat(30) + "file";
        let lines = diffstat(&[stat(&long, 5000, 3), stat("b", 1, 0)], Some(60), &Theme::plain());
        assert!(lines[..2].iter().all(|l| width(l.as_str()) <= 60), "{lines:#?}");
        assert!(lines[0].as_str().contains('-') && lines[1].as_str().ends_with('+'), "{lines:#?}");
    }
}

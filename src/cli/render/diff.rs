//! The unified diff of one file for a terminal: sanitised and coloured.

use crate::cli::line::Line;
use crate::cli::theme::{Theme, paint};
use crate::features::patch::{FileDiff, NO_LINE_END, Part};

/// The lines for a person, in the theme's colours.
pub fn lines(diff: &FileDiff<'_>, theme: &Theme) -> Vec<Line> {
    let shown = |(part, line): (Part, Vec<u8>)| {
        let text = Line::content(&line);
        match part {
            Part::Header => paint(theme.title, text),
            Part::Hunk => paint(theme.kind, text),
            Part::Added => paint(theme.added, text),
            Part::Removed => paint(theme.removed, text),
            Part::Context => text,
        }
    };
    // The marker of a missing line end shares the entry of its line; a person sees two lines.
    diff.parts().into_iter().flat_map(split_marker).map(shown).collect()
}

fn split_marker((part, line): (Part, Vec<u8>)) -> Vec<(Part, Vec<u8>)> {
    match line.strip_suffix(NO_LINE_END) {
        Some(text) => vec![(part, text.to_vec()), (Part::Context, NO_LINE_END[1..].to_vec())],
        None => vec![(part, line)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::RepoPath;
    use crate::cli::line::text;
    use crate::features::patch::Side;
    use crate::git::FileMode;

    fn shown(name: &str, bytes: &[u8]) -> String {
        let path = RepoPath::new(name).expect("a path");
        let new = Some(Side::new(FileMode::File, bytes));
        text(&lines(&FileDiff { path: &path, old: None, new }, &Theme::plain()))
    }

    #[test]
    fn a_terminal_is_never_driven_by_content_or_name() {
        let text = shown("e\x1b[2J", b"\x1b]0;x\x07\ttab\r\n\xff\n");
        assert!(!text.contains(['\x1b', '\x07', '\r']), "{text}");
        assert!(text.contains("\ttab") && text.contains("\\xff"), "{text}");
    }

    #[test]
    fn a_missing_line_end_is_told_on_a_line_of_its_own() {
        assert!(shown("x", b"a").ends_with("+a\n\\ No newline at end of file"));
    }
}

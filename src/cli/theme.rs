//! The few styles that output is made of. Colour never carries meaning alone: without it every line still reads.

use anstyle::{AnsiColor, Style};

use super::line::Line;

/// Named styles; all of them plain where colour is off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Theme {
    /// Ids and numbers of checkpoints.
    pub id: Style,
    /// Kinds of checkpoint, states.
    pub kind: Style,
    /// Titles and headings.
    pub title: Style,
    /// Paths.
    pub path: Style,
    /// What came in.
    pub added: Style,
    /// What went away, and errors.
    pub removed: Style,
    /// What matters less.
    pub dim: Style,
    /// Warnings, and what needs a choice.
    pub warn: Style,
    /// Done, live.
    pub good: Style,
}

impl Theme {
    /// No colour at all.
    pub const fn plain() -> Self {
        let plain = Style::new();
        Self {
            id: plain,
            kind: plain,
            title: plain,
            path: plain,
            added: plain,
            removed: plain,
            dim: plain,
            warn: plain,
            good: plain,
        }
    }

    /// The colours of a terminal, from its own sixteen.
    pub const fn colour() -> Self {
        Self {
            id: AnsiColor::Yellow.on_default(),
            kind: AnsiColor::Cyan.on_default(),
            title: Style::new().bold(),
            path: Style::new().underline(),
            added: AnsiColor::Green.on_default(),
            removed: AnsiColor::Red.on_default(),
            dim: Style::new().dimmed(),
            warn: AnsiColor::Yellow.on_default().bold(),
            good: AnsiColor::Green.on_default().bold(),
        }
    }
}

/// The text in that style.
pub fn paint(style: Style, text: impl Into<Line>) -> Line {
    text.into().styled(style)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colour_text_stays_as_it_is() {
        assert_eq!(paint(Theme::plain().id, "x").as_str(), "x");
        assert_eq!(paint(Theme::colour().added, "x").as_str(), "\u{1b}[32mx\u{1b}[0m");
    }
}

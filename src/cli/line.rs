//! A line of output: text that was made visible, and styles of our own around parts of it.
//!
//! Whatever text comes in is made visible on the way, and only [`crate::cli::theme::paint`] puts a style around it. So a line
//! can carry no other escape sequence, whoever wrote the text. It has no `Display`: put into a text it would be text again.

use anstyle::Style;

use crate::base::text::{self, Shown};

/// One line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line(String);

impl Line {
    /// A line of a file's content: tabs stay.
    pub fn content(line: &[u8]) -> Self {
        Self(text::sanitise_content(line))
    }

    /// The same in a style.
    #[must_use]
    pub fn styled(self, style: Style) -> Self {
        Self(format!("{style}{}{style:#}", self.0))
    }

    /// A line that another process of ours wrote, with its colours; nothing else in it passes.
    pub fn with_colours(text: &str) -> Self {
        let mut line = String::new();
        let mut parts = text.split("\x1b[");
        line.push_str(&text::sanitise(parts.next().unwrap_or_default()));
        for part in parts {
            let end = part.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(part.len());
            match part[end..].strip_prefix('m') {
                Some(rest) => line.push_str(&format!("\x1b[{}m{}", &part[..end], text::sanitise(rest))),
                None => line.push_str(&text::sanitise(&format!("\x1b[{part}"))),
            }
        }
        Self(line)
    }

    /// Adds to its end.
    pub fn push(&mut self, part: impl Into<Self>) {
        self.0.push_str(&part.into().0);
    }

    /// With a text of ours in the place of another.
    #[must_use]
    pub fn replace(&self, from: &'static str, to: &'static str) -> Self {
        Self(self.0.replace(from, to))
    }

    /// Without blanks at its end.
    #[must_use]
    pub fn trim_end(mut self) -> Self {
        self.0.truncate(self.0.trim_end().len());
        self
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Line {
    fn from(text: &str) -> Self {
        Self(text::sanitise(text))
    }
}

impl From<String> for Line {
    fn from(text: String) -> Self {
        Self(text::sanitise(&text))
    }
}

impl From<&String> for Line {
    fn from(text: &String) -> Self {
        Self(text::sanitise(text))
    }
}

impl From<&Self> for Line {
    fn from(line: &Self) -> Self {
        line.clone()
    }
}

impl From<Shown> for Line {
    fn from(text: Shown) -> Self {
        Self(text::sanitise(text.as_str()))
    }
}

impl<const N: usize> From<[Self; N]> for Line {
    fn from(parts: [Self; N]) -> Self {
        Self(parts.iter().map(Self::as_str).collect())
    }
}

/// Lines as one text, for tests.
#[cfg(test)]
pub fn text(lines: &[Line]) -> String {
    lines.iter().map(Line::as_str).collect::<Vec<_>>().join("\n")
}

/// A [`Line`] of its parts, in order: texts, which are made visible, and lines.
macro_rules! line {
    ($($part:expr),* $(,)?) => {
        $crate::cli::line::Line::from([$($crate::cli::line::Line::from($part)),*])
    };
}
pub(crate) use line;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::theme::{Theme, paint};

    #[test]
    fn only_our_own_styles_get_into_a_line() {
        let hostile = "a\x1b[31m\u{9b}b\u{202e}\n";
        let made = line!["> ", paint(Theme::colour().added, hostile), hostile.to_owned(), Line::content(b"\tx\x07")];
        let seen = "a\\x1b[31m\\x9bb\\u{202e}\\n";
        assert_eq!(made.as_str(), format!("> \u{1b}[32m{seen}\u{1b}[0m{seen}\tx\\x07"));
        let child = Line::with_colours("\x1b[1;31mred\x1b[0m \x1b[2J\x1b]0;x\x07\x1b[");
        assert_eq!(child.as_str(), "\u{1b}[1;31mred\u{1b}[0m \\x1b[2J\\x1b]0;x\\x07\\x1b[");
    }
}

//! Insertions into, and removals from, JSON text with comments, such that a removal undoes an insertion byte for byte.
//!
//! Positions come from a parser; everything between them stays the user's. What a person lays out over lines gets lines, what
//! stands in one line stays in one.

use jsonc_parser::common::Range;

/// The layout of a file: its line end and one step of indentation.
#[derive(Debug)]
pub(super) struct Layout<'t> {
    newline: &'static str,
    step: &'t str,
}

impl<'t> Layout<'t> {
    /// As the file has it; two blanks where it has none.
    pub(super) fn of(text: &'t str) -> Self {
        let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let indents = text.lines().map(|line| &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]);
        Self { newline, step: indents.into_iter().find(|i| !i.is_empty()).unwrap_or("  ") }
    }

    /// The value over several lines, the first of them at `depth` steps.
    pub(super) fn pretty(&self, value: &serde_json::Value, depth: usize) -> String {
        use serde_json::Value::{Array, Object};
        let lines: Vec<String> = match value {
            Array(items) => items.iter().map(|item| self.pretty(item, depth + 1)).collect(),
            Object(fields) => fields
                .iter()
                .map(|(name, item)| {
                    format!("{}: {}", serde_json::Value::from(name.as_str()), self.pretty(item, depth + 1))
                })
                .collect(),
            _ => return value.to_string(),
        };
        let (open, close) = if value.is_array() { ('[', ']') } else { ('{', '}') };
        let inner = self.line(depth + 1);
        format!("{open}{inner}{}{}{close}", lines.join(&format!(",{inner}")), self.line(depth))
    }

    fn line(&self, depth: usize) -> String {
        format!("{}{}", self.newline, self.step.repeat(depth))
    }
}

/// Adds a last item to the container at `range`, whose items lie at `items`, `depth` steps deep. `name` for an object.
pub(super) fn insert(
    text: &str,
    range: Range,
    items: &[Range],
    depth: usize,
    name: Option<&str>,
    value: &serde_json::Value,
) -> String {
    let layout = Layout::of(text);
    let inside = &text[range.start + 1..range.end - 1];
    let key = name.map(|n| format!("{}: ", serde_json::Value::from(n))).unwrap_or_default();
    let in_line = !items.is_empty() && !inside.contains('\n');
    let item = if in_line { format!("{key}{value}") } else { key + &layout.pretty(value, depth + 1) };
    let gap = if in_line { " ".to_owned() } else { layout.line(depth + 1) };
    let mut out = text.to_owned();
    match items.last() {
        None => {
            let blank = inside.trim_end_matches([' ', '\t', '\r', '\n']);
            let end = if inside.len() > blank.len() && !blank.is_empty() { String::new() } else { layout.line(depth) };
            let from = range.start + 1 + blank.len();
            let until = if blank.is_empty() { range.end - 1 } else { from };
            out.replace_range(from..until, &format!("{gap}{item}{end}"));
        }
        Some(last) => {
            let next = significant(text, last.end);
            let trailing = text[next..].starts_with(',');
            // A remark at the end of the last item's line stays with that item.
            let at = if in_line { last.end } else { end_of_line(text, if trailing { next + 1 } else { last.end }) };
            out.insert_str(at, &format!("{gap}{item}{}", if trailing { "," } else { "" }));
            if !trailing {
                out.insert(last.end, ',');
            }
        }
    }
    out
}

/// Takes the item at `place` out of the container at `range`.
pub(super) fn remove(text: &str, range: Range, items: &[Range], place: usize) -> String {
    let item = items[place];
    let mut out = text.to_owned();
    let before = text[..item.start].trim_end_matches([' ', '\t', '\r', '\n']).len();
    let next = significant(text, item.end);
    let end = if text[next..].starts_with(',') { next + 1 } else { item.end };
    out.replace_range(before..end, "");
    let mut close = range.end - (end - before);
    if end == item.end && place > 0 {
        // It was the last: the comma after the one before it goes too.
        let comma = significant(text, items[place - 1].end);
        out.replace_range(comma..=comma, "");
        close -= 1;
    }
    if out[range.start + 1..close - 1].trim().is_empty() {
        out.replace_range(range.start + 1..close - 1, "");
    }
    out
}

/// The first byte from `at` on that is neither blank nor part of a comment.
fn significant(text: &str, at: usize) -> usize {
    let rest = text[at..].trim_start();
    let here = text.len() - rest.len();
    let skip = if rest.starts_with("//") {
        rest.find('\n').map(|n| n + 1)
    } else if rest.starts_with("/*") {
        rest.find("*/").map(|n| n + 2)
    } else {
        None
    };
    skip.map_or(here, |skip| significant(text, here + skip))
}

/// The end of the line at `at`, if nothing but blanks and comments follow in it; else `at`.
fn end_of_line(text: &str, at: usize) -> usize {
    let line = &text[at..at + text[at..].find('\n').unwrap_or(text.len() - at)];
    let remark = line.trim();
    let is_remark =
        remark.starts_with("//") || (remark.starts_with("/*") && remark.find("*/") == Some(remark.len() - 2));
    if is_remark { at + line.trim_end().len() } else { at }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::settings::{with_hooks, without_hooks};

    /// Settings of every layout: step, line end, comments, trailing commas, hooks of others.
    fn settings() -> impl Strategy<Value = String> {
        let step = prop::sample::select(vec!["  ", "    ", "\t"]);
        let newline = prop::sample::select(vec!["\n", "\r\n"]);
        let lines = prop::collection::vec(
            prop::sample::select(vec![
                r#""model": "opus""#,
                r#""env": {"A": "a, // b"}"#,
                r#""hooks": {"Stop": [{"hooks": [{"type": "command", "command": "x"}]}], "Other": []}"#,
                r#""list": [ 1, 2 ]"#,
            ]),
            1..4,
        );
        let remark = prop::sample::select(vec!["", " // why", " /* { */"]);
        (step, newline, lines, remark, any::<bool>(), any::<bool>()).prop_map(
            |(step, newline, mut lines, remark, trailing, end)| {
                lines.sort_unstable();
                lines.dedup();
                let last = lines.len() - 1;
                let body: String = (lines.iter().enumerate())
                    .map(|(n, line)| {
                        format!("{step}{line}{}{remark}{newline}", if n < last || trailing { "," } else { "" })
                    })
                    .collect();
                format!("{{{newline}{body}}}{}", if end { newline } else { "" })
            },
        )
    }

    proptest! {
        #[test]
        fn what_was_put_in_comes_out_byte_for_byte(text in settings(), shared in any::<bool>()) {
            let with = with_hooks(&text, "/a b/session", shared).expect("edits");
            prop_assert_ne!(&with, &text);
            prop_assert_eq!(with_hooks(&with, "/a b/session", shared).expect("edits"), with.clone());
            prop_assert_eq!(without_hooks(&with).expect("edits"), Some(text));
        }
    }
}

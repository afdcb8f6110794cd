//! Text for terminals: cut to a width, counted, plural.
//!
//! Whatever comes from a repository, an agent or a remote is made visible first ([`sanitise`], [`Shown`]).

pub use super::visible::{Shown, sanitise, sanitise_bytes, sanitise_content, sanitise_lines, tame_json};

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Columns that the text takes on a terminal.
pub fn width(text: &str) -> usize {
    text.width()
}

/// Cuts to at most `columns`, with an ellipsis where something was cut.
pub fn truncate(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let w = c.width().unwrap_or(0);
        if used + w + 1 > columns {
            break;
        }
        used += w;
        out.push(c);
    }
    // What joined it to the part that is cut off joins nothing now.
    let kept = out.trim_end_matches(['\u{200c}', '\u{200d}']).len();
    out.truncate(kept);
    if columns > 0 {
        out.push('…');
    }
    out
}

/// The first line with anything on it, trimmed, cut to `max` graphemes at a word where possible. Not sanitised.
pub fn first_line(text: &str, max: usize) -> String {
    let line = text.lines().map(str::trim).find(|l| !l.is_empty()).unwrap_or_default();
    // A grapheme has at least one byte.
    let end = if line.len() <= max { None } else { line.grapheme_indices(true).nth(max).map(|(at, _)| at) };
    let Some(end) = end else { return line.to_owned() };
    let cut = &line[..end];
    match cut.rfind(' ') {
        // The cut may fall between two words.
        _ if line[end..].starts_with(' ') => cut.trim_end().to_owned(),
        Some(at) if at * 2 > cut.len() => cut[..at].trim_end().to_owned(),
        _ => cut.to_owned(),
    }
}

/// The text as one word of a shell.
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// `1 file`, `2 files`.
pub fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// A word as a shell reads it back.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%:,=".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// A number with its thousands apart: `2,980`.
pub fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// At most `max` bytes of a text of many lines: its beginning, a line that says so, and its last line.
pub fn within(text: &str, max: usize) -> String {
    const CUT: &str = "[...]";
    if text.len() <= max {
        return text.to_owned();
    }
    let cut = |text: &str, max: usize| text[..text.floor_char_boundary(max)].to_owned();
    let last = text.trim_end().rsplit('\n').next().unwrap_or_default();
    let last = cut(last, max / 4);
    let head = cut(text, max.saturating_sub(last.len() + CUT.len() + 2));
    let head = head.rsplit_once('\n').map_or(head.as_str(), |(whole, _)| whole);
    format!("{head}\n{CUT}\n{last}")
}

/// A size for people: `812 B`, `4.2 KiB`, `1.3 MiB`.
pub fn bytes(n: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
    let of = |unit: u64| n as f64 / unit as f64;
    match n {
        0..1024 => format!("{n} B"),
        1024..1_048_576 => format!("{:.1} KiB", of(1024)),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", of(1_048_576)),
        _ => format!("{:.1} GiB", of(1_073_741_824)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_count_columns_and_never_split_a_character() {
        assert_eq!(truncate("日本語テキスト", 5), "日本…");
        assert_eq!(truncate("short", 10), "short");
        assert_eq!(truncate("👩\u{200d}💻👩\u{200d}💻", 3), "👩…");
        assert_eq!(first_line("\n  fix the parser please \n more", 14), "fix the parser");
        assert_eq!(first_line("fix the parser please", 12), "fix the");
        assert_eq!(first_line("fix the parser please", 7), "fix the");
        let astronaut = "👩‍🚀";
        assert_eq!(first_line(&astronaut.repeat(9), 4), astronaut.repeat(4));
    }

    #[test]
    fn a_long_text_is_cut_to_whole_lines_and_keeps_its_last() {
        let lines = |n: usize| (0..n).map(|n| format!("日 {n}\n")).collect::<String>() + "hint: the end";
        assert_eq!(within(&lines(3), 4096), lines(3));
        let cut = within(&lines(3000), 4096);
        assert!(cut.len() <= 4096 && cut.len() > 3900, "{}", cut.len());
        assert!(cut.ends_with("\n[...]\nhint: the end") && cut.starts_with("日 0\n日 1\n"), "{cut}");
        let cut = within(&"日".repeat(5000), 100);
        assert!(cut.len() <= 100, "{}", cut.len());
    }

    #[test]
    fn counts_are_told_in_words() {
        assert_eq!((count(1, "file"), count(2, "file")), ("1 file".to_owned(), "2 files".to_owned()));
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!([0, 999, 1_000, 2_980, 1_234_567].map(grouped), ["0", "999", "1,000", "2,980", "1,234,567"]);
    }
}

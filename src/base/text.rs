//! Text for terminals: control characters made visible, cut to a width, counted, plural.
//!
//! Whatever comes from a repository, an agent or a remote passes [`sanitise`] before a terminal sees it.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The text with control and bidirectional-override characters made visible (`\n` as `\n`, ESC as `\x1b`), so that it
/// can neither move the cursor, nor colour, nor reverse what follows.
pub fn sanitise(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        push_visible(&mut out, c);
        out
    })
}

/// [`sanitise`] for bytes that may not be UTF-8; such bytes show as `\xNN`.
pub fn sanitise_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| push_visible(&mut out, c));
        chunk.invalid().iter().for_each(|b| out.push_str(&format!("\\x{b:02x}")));
    }
    out
}

/// Like [`sanitise`], but line ends and tabs stay; for content that is shown as lines.
pub fn sanitise_lines(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if matches!(c, '\n' | '\t') {
            out.push(c)
        } else {
            push_visible(&mut out, c)
        }
        out
    })
}

fn push_visible(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
        c if is_invisible(c) => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
        c => out.push(c),
    }
}

/// Characters without a shape of their own that reverse, join or break what is around them.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// JSON with such characters escaped: the same document, which a terminal can be shown too.
pub fn tame_json(json: &str) -> String {
    json.chars().fold(String::with_capacity(json.len()), |mut out, c| {
        if c.is_control() || is_invisible(c) {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
        out
    })
}

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
    if columns > 0 {
        out.push('…');
    }
    out
}

/// The first line with anything on it, trimmed, cut to `max` characters at a word where possible. Not sanitised.
pub fn first_line(text: &str, max: usize) -> String {
    let line = text.lines().map(str::trim).find(|l| !l.is_empty()).unwrap_or_default();
    if line.chars().count() <= max {
        return line.to_owned();
    }
    let cut: String = line.chars().take(max).collect();
    match cut.rfind(' ') {
        Some(at) if at * 2 > cut.len() => cut[..at].trim_end().to_owned(),
        _ => cut,
    }
}

/// `1 file`, `2 files`.
pub fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
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
    fn nothing_reaches_a_terminal_that_could_drive_it() {
        assert_eq!(sanitise("a\x1b[31mb\u{202e}c\n"), "a\\x1b[31mb\\u{202e}c\\n");
        let hostile = "\u{9b}31m\u{2028}\u{202e}\u{7f}\n";
        let json = serde_json::to_string(hostile).expect("writes");
        assert!(tame_json(&json).is_ascii());
        assert_eq!(serde_json::from_str::<String>(&tame_json(&json)).expect("reads"), hostile);
        assert_eq!(sanitise_bytes(b"\xff\x07ok"), "\\xff\\x07ok");
        assert_eq!(sanitise_lines("a\n\tb\x07"), "a\n\tb\\x07");
    }

    #[test]
    fn cuts_count_columns_and_never_split_a_character() {
        assert_eq!(truncate("日本語テキスト", 5), "日本…");
        assert_eq!(truncate("short", 10), "short");
        assert_eq!(first_line("\n  fix the parser please \n more", 14), "fix the parser");
        assert_eq!(first_line("fix the parser please", 12), "fix the");
    }

    #[test]
    fn counts_are_told_in_words() {
        assert_eq!((count(1, "file"), count(2, "file")), ("1 file".to_owned(), "2 files".to_owned()));
        assert_eq!(bytes(1536), "1.5 KiB");
    }
}

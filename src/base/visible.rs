//! Text that a terminal may be shown: whatever could drive it, hide there or reverse what follows is made visible.
//!
//! [`Shown`] is such text as a type; what answers a hook or is written for a person takes it (or builds on it, as the lines of
//! the command line do), so that raw text of a repository, an agent or a remote has no way to a terminal.
//!
//! Joiners are needed to spell Persian, Hindi and many others, and within emoji: there they stay. Making visible twice changes
//! nothing.

use std::fmt;

/// Text with nothing in it that acts on a terminal or cannot be seen. Lines and tabs may be in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown(String);

impl Shown {
    /// One line: line ends and tabs are made visible, too.
    pub fn of(text: &str) -> Self {
        Self(sanitise(text))
    }

    /// Lines, as they are.
    pub fn lines(text: &str) -> Self {
        Self(sanitise_lines(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The text with control and invisible characters made visible (`\n` as `\n`, ESC as `\x1b`), so that it can neither move the
/// cursor, nor colour, nor reverse what follows, nor hide.
pub fn sanitise(text: &str) -> String {
    made_visible(text, |_| false)
}

/// [`sanitise`] for bytes that may not be UTF-8; such bytes show as `\xNN`.
pub fn sanitise_bytes(bytes: &[u8]) -> String {
    bytes_made_visible(bytes, |_| false)
}

/// Like [`sanitise`], but line ends and tabs stay; for content that is shown as lines.
pub fn sanitise_lines(text: &str) -> String {
    made_visible(text, |c| matches!(c, '\n' | '\t'))
}

/// One line of a file's content: like [`sanitise_bytes`], but tabs stay, so that code keeps its shape.
pub fn sanitise_content(line: &[u8]) -> String {
    bytes_made_visible(line, |c| c == '\t')
}

/// JSON with such characters escaped: the same document, which a terminal can be shown too.
pub fn tame_json(json: &str) -> String {
    json.chars().fold(String::with_capacity(json.len()), |mut out, c| {
        if c != '\n' && (c.is_control() || is_invisible(c)) {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
        out
    })
}

fn bytes_made_visible(bytes: &[u8], stays: impl Fn(char) -> bool + Copy) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(&made_visible(chunk.valid(), stays));
        chunk.invalid().iter().for_each(|b| out.push_str(&format!("\\x{b:02x}")));
    }
    out
}

fn made_visible(text: &str, stays: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut before: Option<char> = None;
    while let Some(c) = chars.next() {
        if stays(c) || belongs(before, c, chars.peek().copied()) {
            out.push(c);
        } else {
            push_visible(&mut out, c);
        }
        before = out.chars().next_back();
    }
    out
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

/// Characters without a shape of their own: they reverse, join, break or annotate what is around them, or are blank where a
/// letter is expected.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}')
        || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}')
        // Of shorthand, of music, and all tags and selectors of plane 14; noncharacters.
        || matches!(c, '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
        || matches!(c, '\u{fdd0}'..='\u{fdef}' | '\u{fffe}' | '\u{ffff}')
}

/// Whether an invisible character is part of how the text around it is spelled.
fn belongs(before: Option<char>, c: char, after: Option<char>) -> bool {
    let Some(before) = before else { return false };
    match c {
        '\u{200c}' => is_joining_script(before) && after.is_some_and(is_joining_script),
        '\u{200d}' => {
            is_joining_script(before) && after.is_some_and(is_joining_script)
                || (is_emoji(before) || before == '\u{fe0f}') && after.is_some_and(is_emoji)
        }
        // As text, as emoji.
        '\u{fe0e}' | '\u{fe0f}' => {
            is_emoji(before) || matches!(before, '0'..='9' | '#' | '*') && after == Some('\u{20e3}')
        }
        _ => false,
    }
}

/// Whether joiners are part of the spelling of the character's script: Arabic and its like, the Indic scripts, Mongolian.
fn is_joining_script(c: char) -> bool {
    let script = matches!(c, '\u{590}'..='\u{109f}' | '\u{1700}'..='\u{18af}' | '\u{1900}'..='\u{1cff}' | '\u{a800}'..='\u{abff}')
        || matches!(c, '\u{fb1d}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' | '\u{10a00}'..='\u{11fff}')
        || matches!(c, '\u{1e900}'..='\u{1e95f}');
    script && !is_invisible(c) && !c.is_numeric()
}

/// Pictures, and what colours their skin or hair.
const fn is_emoji(c: char) -> bool {
    matches!(c, '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}' | '\u{2190}'..='\u{21ff}')
        || matches!(c, '\u{2300}'..='\u{23ff}' | '\u{24c2}' | '\u{25a0}'..='\u{27bf}' | '\u{2900}'..='\u{297f}')
        || matches!(c, '\u{2b00}'..='\u{2bff}' | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}' | '\u{1f000}'..='\u{1faff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_reaches_a_terminal_that_could_drive_it() {
        assert_eq!(sanitise("a\x1b[31mb\u{202e}c\n"), "a\\x1b[31mb\\u{202e}c\\n");
        let hostile = "\u{9b}31m\u{2028}\u{202e}\u{7f}\u{e0041}\u{3164}\n";
        let json = serde_json::to_string(hostile).expect("writes");
        assert!(tame_json(&json).is_ascii());
        assert_eq!(serde_json::from_str::<String>(&tame_json(&json)).expect("reads"), hostile);
        assert_eq!(sanitise_bytes(b"\xff\x07ok"), "\\xff\\x07ok");
        assert_eq!(sanitise_lines("a\n\tb\x07"), "a\n\tb\\x07");
        assert_eq!(sanitise_content(b"a\tb\r"), "a\tb\\r");
    }

    #[test]
    fn what_cannot_be_seen_is_made_visible() {
        let unseen = "\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{180e}\u{200b}\u{200e}\u{2060}\u{3164}\u{feff}\u{ffa0}\u{e0041}\u{e0100}";
        for c in unseen.chars() {
            let text = sanitise(&format!("a{c}b"));
            assert_eq!(text, format!("a\\u{{{:x}}}b", u32::from(c)));
        }
    }

    #[test]
    fn joiners_stay_where_a_script_or_an_emoji_needs_them() {
        for spelled in [
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "👩\u{200d}💻",
            "👩🏽\u{200d}🚀",
            "🏳\u{fe0f}\u{200d}🌈",
            "❤\u{fe0f}",
            "1\u{fe0f}\u{20e3}",
        ] {
            assert_eq!(sanitise(spelled), spelled);
            assert_eq!(sanitise_bytes(spelled.as_bytes()), spelled);
        }
        for hidden in [
            "ad\u{200d}min",
            "a\u{200c}b",
            "می\u{200c}",
            "\u{200d}💻",
            "👩\u{200d}\u{200d}💻",
            "a\u{fe0f}",
            "👩\u{200d} ",
            "1\u{fe0f}",
        ] {
            assert!(sanitise(hidden).contains("\\u{"), "{hidden:?}");
        }
    }

    proptest! {
        #[test]
        fn made_visible_twice_is_made_visible_once(text in any::<String>(), joined in "[a-zم❤👩\u{200c}\u{200d}\u{fe0f}\u{202e}\u{1b}]{0,12}") {
            for text in [text, joined] {
                let once = sanitise(&text);
                prop_assert_eq!(&sanitise(&once), &once);
                prop_assert!(!once.chars().any(char::is_control));
            }
        }
    }
}

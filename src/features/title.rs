//! Titles: the first line that a person wrote, without what was put around it, and short.
//!
//! Agents and editors wrap prompts: reminders and commands in tags, markers where an image or a long text was pasted. Nothing
//! of that is a title, and none is ever empty. Length is counted in graphemes, as people count characters.

use crate::base::text;

/// Stands for a prompt that is an image and nothing else.
const IMAGE: &str = "(image)";
/// Stands for a prompt that is a pasted text and nothing else.
const PASTED: &str = "(pasted text)";
/// Stands for a text in which nothing was written.
const NOTHING: &str = "(no text)";
/// Tags whose inside a person wrote, or pasted.
const INSIDE: &[&str] =
    &["pasted_content", "pasted-content", "pasted_text", "pasted-text", "user_query", "user_message", "prompt"];
/// Beginnings of the names of tags that agents and editors add.
const ADDED: &[&str] = &[
    "system",
    "ide_",
    "command-",
    "local-command",
    "bash-",
    "task-notification",
    "user-memory",
    "user_instructions",
    "environment_",
    "additional_",
    "attached_",
    "hook_",
    "context",
];
/// Quotes, with what closes each.
const QUOTES: &[(char, char)] = &[
    ('"', '"'),
    ('\'', '\''),
    ('`', '`'),
    ('“', '”'),
    ('„', '“'),
    ('‘', '’'),
    ('«', '»'),
    ('»', '«'),
    ('「', '」'),
    ('『', '』'),
];

/// A title from a prompt; at most `max` graphemes, 0 for any number.
pub fn of_prompt(prompt: &str, max: usize) -> String {
    let (written, marks) = without_marks(&written(prompt));
    of_line(&written, max).unwrap_or_else(|| marks.stand_in(prompt).to_owned())
}

/// A title from another text: a commit's subject, the agent's own title.
pub fn of_text(text: &str, max: usize) -> String {
    of_line(text, max).unwrap_or_else(|| NOTHING.to_owned())
}

/// The first line of a prompt as rows keep it: without what was put around it, at most `max` graphemes, never empty.
pub fn prompt_line(prompt: &str, max: usize) -> String {
    let line = text::first_line(&written(prompt), max);
    if line.is_empty() { Marks::default().stand_in(prompt).to_owned() } else { line }
}

/// The first line, without quotes around it and punctuation behind it; `None` where nothing is left to show.
fn of_line(text: &str, max: usize) -> Option<String> {
    let max = if max == 0 { usize::MAX } else { max };
    let whole = text::first_line(text, usize::MAX);
    let bare = bare(&whole);
    if bare.is_empty() {
        // `?` says more than a word of ours.
        return (!whole.is_empty()).then(|| text::first_line(&whole, max));
    }
    // Where the cut is may be punctuation, or a quote that the cut tore from its other half.
    let cut = text::first_line(&bare, max);
    let short = if cut.len() == bare.len() { cut } else { self::bare(&cut) };
    Some(if short.is_empty() { text::first_line(&bare, max) } else { short })
}

/// Takes quotes and final punctuation off, however they are nested.
fn bare(line: &str) -> String {
    let mut line = line.trim().to_owned();
    loop {
        let before = line.len();
        line.truncate(line.trim_end_matches(is_final).trim_end().len());
        unquote(&mut line);
        line = line.trim().to_owned();
        if line.len() == before {
            return line;
        }
    }
}

const fn is_final(c: char) -> bool {
    matches!(
        c,
        '.' | ','
            | ';'
            | ':'
            | '!'
            | '?'
            | '…'
            | '。'
            | '、'
            | '，'
            | '！'
            | '？'
            | '；'
            | '：'
            | '．'
            | '؟'
            | '।'
            | '‽'
    )
}

/// Takes off a quote that the line begins or ends with, and its other half.
fn unquote(line: &mut String) {
    let opens = line.chars().next().and_then(|first| QUOTES.iter().find(|(open, _)| *open == first));
    if let Some((open, close)) = opens {
        line.drain(..open.len_utf8());
        // Around all of it, else around its beginning.
        let last = line.strip_suffix(*close).map(str::len);
        if let Some(at) = last.or_else(|| line.find(*close)) {
            line.drain(at..at + close.len_utf8());
        }
        return;
    }
    let closes = line.chars().next_back().and_then(|last| QUOTES.iter().find(|(_, close)| *close == last));
    if let Some((open, close)) = closes {
        line.truncate(line.len() - close.len_utf8());
        // An apostrophe has no other half.
        if *open != '\''
            && let Some(at) = line.rfind(*open)
        {
            line.drain(at..at + open.len_utf8());
        }
    }
}

/// What was written in a prompt: without the tagged blocks that it begins with, and without such as are never a person's.
fn written(prompt: &str) -> String {
    let mut rest = prompt.trim();
    while let Some(block) = Block::at_start(rest) {
        let after = rest[block.end..].trim();
        match block.is_for(after.is_empty()) {
            Use::Drop => rest = after,
            // What was pasted is the title only where nothing was written.
            Use::Inside if after.is_empty() => rest = block.inside.trim(),
            Use::Inside => rest = after,
            Use::Keep => break,
        }
    }
    let mut out = String::with_capacity(rest.len());
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match Block::at_start(rest).filter(Block::is_added) {
            Some(block) => rest = &rest[block.end..],
            None => {
                out.push('<');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out.trim().to_owned()
}

/// A tag, what stands between it and its end, and where that is.
struct Block<'t> {
    name: &'t str,
    inside: &'t str,
    end: usize,
    /// The tag has a line of its own.
    own_line: bool,
}

enum Use {
    Drop,
    Inside,
    Keep,
}

impl<'t> Block<'t> {
    fn at_start(text: &'t str) -> Option<Self> {
        let rest = text.strip_prefix('<')?;
        let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))?;
        let name = &rest[..length];
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        let open = text.find('>')? + 1;
        let close = format!("</{name}>");
        let length = text[open..].find(&close)?;
        let inside = &text[open..open + length];
        Some(Self { name, inside, end: open + length + close.len(), own_line: inside.starts_with(['\n', '\r']) })
    }

    fn is_added(&self) -> bool {
        ADDED.iter().any(|name| self.name.starts_with(name))
    }

    fn is_for(&self, is_all: bool) -> Use {
        match () {
            () if INSIDE.contains(&self.name) => Use::Inside,
            () if self.is_added() => Use::Drop,
            () if is_all || self.own_line => Use::Inside,
            // `<b>this</b> is not bold` is what somebody wrote.
            () => Use::Keep,
        }
    }
}

/// What stood for something that cannot be shown in a line.
#[derive(Clone, Copy, Debug, Default)]
struct Marks {
    image: bool,
    pasted: bool,
}

impl Marks {
    const fn stand_in(self, prompt: &str) -> &'static str {
        match self {
            Self { image: true, .. } => IMAGE,
            Self { pasted: true, .. } => PASTED,
            // An agent hands over the text of a prompt alone: without any it was a picture.
            _ if prompt.trim_ascii().is_empty() => IMAGE,
            _ => NOTHING,
        }
    }
}

/// The text without `[Image #1]`, `[Pasted text #2 +9 lines]` and their like.
fn without_marks(text: &str) -> (String, Marks) {
    let (mut out, mut marks) = (String::with_capacity(text.len()), Marks::default());
    let mut rest = text;
    while let Some(at) = rest.find('[') {
        let length = rest[at..].find([']', '\n']).filter(|length| rest[at + length..].starts_with(']'));
        let inside = length.map(|length| rest[at + 1..at + length].trim_matches('.').to_lowercase());
        let is = |word: &str| {
            let after = inside.as_deref().and_then(|i| i.strip_prefix(word));
            after.is_some_and(|a| a.is_empty() || a.starts_with([' ', ':', '#']))
        };
        let (image, pasted) = (is("image"), is("pasted text") || is("truncated text") || is("pasted content"));
        (marks.image, marks.pasted) = (marks.image || image, marks.pasted || pasted);
        out.push_str(&rest[..at]);
        match length.filter(|_| image || pasted) {
            Some(length) => rest = rest[at + length + 1..].trim_start_matches(' '),
            None => {
                out.push('[');
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(rest);
    (out, marks)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_segmentation::UnicodeSegmentation as _;

    use super::*;

    #[test]
    fn a_title_is_what_was_written() {
        for (prompt, title) in [
            ("Mend the parser", "Mend the parser"),
            ("\"Mend the parser.\"", "Mend the parser"),
            ("“Mend the parser”!", "Mend the parser"),
            ("'Mend' the \"parser\"", "Mend the parser"),
            ("don't touch the users' files.", "don't touch the users' files"),
            ("Why does it fail?\nIt should not", "Why does it fail"),
            ("<system-reminder>\nbe brief\n</system-reminder>\n\nMend it", "Mend it"),
            ("Mend it <system-reminder>be brief</system-reminder>", "Mend it"),
            ("<ide_opened_file>a.rs</ide_opened_file>\n<x-1>\nlog\n</x-1>\nWhy", "Why"),
            ("<pasted_content id=\"8aff\">\nMend the parser\n</pasted_content>", "Mend the parser"),
            ("<pasted_content id=\"8aff\">\nlong\n</pasted_content>\nsum it up", "sum it up"),
            ("<b>this</b> is not bold", "<b>this</b> is not bold"),
            ("a < b and <c", "a < b and <c"),
            ("[Image #1] what is this?", "what is this"),
            ("see [Image #1] and [Image #2]", "see and"),
            ("[Image #1]", "(image)"),
            ("[Image: source: /tmp/a.png]", "(image)"),
            ("  \n ", "(image)"),
            ("[Pasted text #1 +23 lines]", "(pasted text)"),
            ("[...Truncated text #2 +9 lines...] mend it", "mend it"),
            ("a[0] is [wrong]", "a[0] is [wrong]"),
            ("?", "?"),
            ("\"\"", "\"\""),
            ("<system-reminder>x</system-reminder>", "(no text)"),
        ] {
            assert_eq!(of_prompt(prompt, 50), title, "{prompt}");
        }
        assert_eq!(prompt_line("<system-reminder>x</system-reminder>mend it. Now", 50), "mend it. Now");
        assert_eq!(prompt_line("", 50), "(image)");
    }

    #[test]
    fn a_title_is_cut_at_a_word_where_there_is_one() {
        assert_eq!(of_prompt("please mend the parser of dates", 12), "please mend");
        assert_eq!(of_prompt("please mend, the parser of dates", 12), "please mend");
        assert_eq!(of_prompt(&"x".repeat(60), 12), "x".repeat(12));
        assert_eq!(of_prompt(&"x".repeat(60), 0), "x".repeat(60));
        let family = "👨‍👩‍👧‍👦";
        assert_eq!(of_prompt(&family.repeat(60), 50), family.repeat(50));
    }

    proptest! {
        #[test]
        fn no_prompt_gives_an_empty_or_a_long_title_or_a_torn_character(
            parts in prop::collection::vec(prop_oneof![
                "[a-z]{0,8}",
                Just("<system-reminder>".to_owned()),
                Just("</system-reminder>".to_owned()),
                Just("<a>".to_owned()),
                Just("</a>\n".to_owned()),
                Just("[Image #1]".to_owned()),
                Just("👩‍🚀e\u{301}".to_owned()),
                "[\"'“”.?! \n\\[<]{0,3}",
            ], 0..12),
            max in 1usize..40,
        ) {
            let prompt = parts.concat();
            let title = of_prompt(&prompt, max);
            prop_assert!(!title.is_empty() && !title.contains('\n'));
            let stands_in = [IMAGE, PASTED, NOTHING].contains(&title.as_str());
            prop_assert!(stands_in || title.graphemes(true).count() <= max, "{title}");
            prop_assert!(!prompt_line(&prompt, max).is_empty());
        }
    }
}

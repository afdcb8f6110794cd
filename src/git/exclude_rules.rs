//! The lines of one ignore file and their verdict on a path below the file's folder, by git's rules (its `dir.c`).

use super::wildmatch::{self, Flags};

/// What a file of rules says of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A rule ignores it.
    Ignored,
    /// A `!` rule takes it back.
    Kept,
    /// No rule speaks of it.
    Silent,
}

/// The rules of one file, in its order.
#[derive(Debug)]
pub(super) struct Rules {
    rules: Vec<Rule>,
    fold_case: bool,
}

#[derive(Debug)]
struct Rule {
    /// Without `!`, a leading and a trailing slash.
    pattern: Vec<u8>,
    /// Bytes before the first special one.
    literal: usize,
    keeps: bool,
    only_folders: bool,
    /// Has no slash: matched against the last part of the path alone.
    by_name: bool,
}

impl Rules {
    /// Reads the text of a file. Every line is a rule or a comment; no line is an error.
    pub fn parse(text: &[u8], fold_case: bool) -> Self {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let mut rest = text;
        let mut rules = Vec::new();
        while !rest.is_empty() {
            let (line, after) = match rest.iter().position(|b| *b == b'\n') {
                Some(end) => (&rest[..end], &rest[end + 1..]),
                None => (rest, &rest[rest.len()..]),
            };
            rest = after;
            rules.extend(Rule::parse(line));
        }
        Self { rules, fold_case }
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The verdict on a path relative to the file's folder: the last rule that matches decides.
    pub fn judge(&self, path: &[u8], is_dir: bool) -> Verdict {
        let name = path.rsplit(|b| *b == b'/').next().unwrap_or(path);
        let matching = self
            .rules
            .iter()
            .rev()
            .find(|rule| (is_dir || !rule.only_folders) && rule.matches(path, name, self.fold_case));
        match matching {
            Some(rule) if rule.keeps => Verdict::Kept,
            Some(_) => Verdict::Ignored,
            None => Verdict::Silent,
        }
    }
}

impl Rule {
    fn parse(line: &[u8]) -> Option<Self> {
        if line.starts_with(b"#") {
            return None;
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // git's lines are C strings.
        let line = line.split(|b| *b == 0).next().unwrap_or(line);
        let line = trim_spaces(line);
        let (keeps, pattern) = line.strip_prefix(b"!").map_or((false, line), |rest| (true, rest));
        let (only_folders, pattern) = pattern.strip_suffix(b"/").map_or((false, pattern), |rest| (true, rest));
        let by_name = !pattern.contains(&b'/');
        let pattern = pattern.strip_prefix(b"/").unwrap_or(pattern);
        if pattern.is_empty() {
            return None;
        }
        let literal = pattern.iter().position(|b| wildmatch::is_special(*b)).unwrap_or(pattern.len());
        Some(Self { pattern: pattern.to_vec(), literal, keeps, only_folders, by_name })
    }

    fn matches(&self, path: &[u8], name: &[u8], fold_case: bool) -> bool {
        let text = if self.by_name { name } else { path };
        let equal = |a: &[u8], b: &[u8]| if fold_case { a.eq_ignore_ascii_case(b) } else { a == b };
        if self.literal == self.pattern.len() {
            return equal(&self.pattern, text);
        }
        if self.by_name {
            return wildmatch::matches(&self.pattern, text, Flags { pathname: false, fold_case });
        }
        // As git does it: the literal start is compared first and the globs only see the rest.
        let Some((start, rest)) = text.split_at_checked(self.literal) else { return false };
        equal(&self.pattern[..self.literal], start)
            && wildmatch::matches(&self.pattern[self.literal..], rest, Flags { pathname: true, fold_case })
    }
}

/// Without the spaces at the end that no backslash protects. Tabs stay.
fn trim_spaces(line: &[u8]) -> &[u8] {
    let mut end = 0;
    let mut at = 0;
    while at < line.len() {
        match line[at] {
            b' ' => {}
            b'\\' if at + 1 >= line.len() => return line,
            b'\\' => {
                at += 1;
                end = at + 1;
            }
            _ => end = at + 1,
        }
        at += 1;
    }
    &line[..end]
}

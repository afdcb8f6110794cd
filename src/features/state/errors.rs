//! Fingerprints: what makes two reports the same error. The form is fixed (docs/state-file.md), so that fingerprints of other
//! sessions, machines and versions can be compared.

use std::path::Path;

use crate::base::sha256;

/// Lines that share a fingerprint.
const BUCKET: u64 = 10;

/// What is reported of an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Its code or class: `TS2322`, `E0308`, `KeyError`, `panic`.
    pub class: String,
    /// Relative to the top of the work tree; empty where none is named.
    pub file: String,
    /// Its line.
    pub line: Option<u64>,
    /// What it says.
    pub message: String,
}

impl Report {
    /// `v1:` and 16 hex digits.
    pub fn fingerprint(&self) -> String {
        self.in_bucket(self.line.map(|line| line / BUCKET))
    }

    /// Whether a fingerprint is this error's, perhaps some lines further up or down.
    pub fn is(&self, fingerprint: &str) -> bool {
        let bucket = self.line.map(|line| line / BUCKET);
        let near = bucket.map_or(vec![None], |b| vec![Some(b), b.checked_sub(1), Some(b + 1)]);
        near.into_iter().filter(|b| b.is_some() == bucket.is_some()).any(|b| self.in_bucket(b) == fingerprint)
    }

    fn in_bucket(&self, bucket: Option<u64>) -> String {
        let bucket = bucket.map(|b| b.to_string()).unwrap_or_default();
        let text = [self.class.as_str(), &slashes(&self.file), &bucket, &normal_message(&self.message)].join("\0");
        format!("v1:{}", &sha256::hex(text.as_bytes())[..16])
    }
}

/// A path as a tool named it, relative to the top of the work tree: one elsewhere is cut to its name, since what lies
/// before it says where somebody keeps things and not what went wrong.
pub fn relative(path: &str, root: &Path) -> String {
    let path = slashes(path);
    let below = Path::new(&path).strip_prefix(root).ok().and_then(Path::to_str);
    match below {
        Some(below) => below.to_owned(),
        None if path.starts_with('/') || path.get(1..3) == Some(":/") => name_of(&path).to_owned(),
        None => path,
    }
}

fn slashes(path: &str) -> String {
    path.replace('\\', "/").trim_start_matches("./").to_owned()
}

fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The message without what differs from one report to the next: quoted values, numbers, hex digits, folders of paths.
pub fn normal_message(message: &str) -> String {
    let unquoted = without_quoted(message);
    let words = unquoted.split_whitespace().map(|word| {
        let word = word.replace('\\', "/");
        let word = if word.len() > 1 && word.contains('/') { name_of(&word).to_owned() } else { word };
        without_numbers(&word)
    });
    words.collect::<Vec<_>>().join(" ").to_lowercase()
}

/// What stands in quotes is a value. An apostrophe inside of a word opens none.
fn without_quoted(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        let close = match c {
            '\'' | '"' | '`' if !before.is_alphanumeric() => Some(c),
            '‘' => Some('’'),
            '“' => Some('”'),
            _ => None,
        };
        before = c;
        match close.and_then(|close| rest.find(close).map(|at| (at, close))) {
            Some((at, close)) => {
                out.push_str("'…'");
                rest = &rest[at + close.len_utf8()..];
                before = close;
            }
            None => out.push(c),
        }
    }
    out
}

/// Numbers and hex digits as `#`. A digit inside of a name (`utf8`, `E0308`) belongs to it.
fn without_numbers(word: &str) -> String {
    let mut out = String::new();
    for part in word.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let (core, mark) = match part.chars().last().filter(|c| !c.is_alphanumeric()) {
            Some(mark) => (&part[..part.len() - mark.len_utf8()], Some(mark)),
            None => (part, None),
        };
        let digits = core.strip_prefix("0x").unwrap_or(core);
        let is_hex = digits.chars().all(|c| c.is_ascii_hexdigit()) && digits.chars().any(|c| c.is_ascii_digit());
        let is_long = digits.len() >= 7 || core.starts_with("0x");
        let is_number = core.starts_with(|c: char| c.is_ascii_digit())
            && core.trim_start_matches(|c: char| c.is_ascii_digit()).len() <= 2;
        out.push_str(if !core.is_empty() && (is_number || is_hex && is_long) { "#" } else { core });
        out.extend(mark);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(class: &str, file: &str, line: u64, message: &str) -> Report {
        Report { class: class.to_owned(), file: file.to_owned(), line: Some(line), message: message.to_owned() }
    }

    /// The same error in two reports, or two errors.
    #[test]
    fn pairs_of_reports_are_told_apart_as_a_person_would() {
        let same = true;
        for (a, b, expected) in [
            (
                ("TS2322", "src/a.ts", 42, "Type 'string | undefined' is not assignable to type 'string'"),
                ("TS2322", "src/a.ts", 45, "Type 'number' is not assignable to type 'Date'"),
                same,
            ),
            (
                ("TS2322", "src/a.ts", 42, "Type 'A' is not assignable to type 'B'"),
                ("TS2345", "src/a.ts", 42, "Type 'A' is not assignable to type 'B'"),
                !same,
            ),
            (
                ("TS2307", "src/a.ts", 1, "Cannot find module 'x' or its corresponding type declarations."),
                ("TS2307", "src/b.ts", 1, "Cannot find module 'x' or its corresponding type declarations."),
                !same,
            ),
            (("E0308", "src/lib.rs", 9, "mismatched types"), ("E0308", "src/lib.rs", 11, "mismatched types"), same),
            (("E0308", "src/lib.rs", 9, "mismatched types"), ("E0308", "src/lib.rs", 39, "mismatched types"), !same),
            (
                ("E0425", "src/lib.rs", 4, "cannot find value `x` in this scope"),
                ("E0425", "src/lib.rs", 4, "cannot find value `y` in this scope"),
                same,
            ),
            (
                ("E0425", "src/lib.rs", 4, "cannot find value `x` in this scope"),
                ("E0425", "src/lib.rs", 4, "cannot find function `x` in this scope"),
                !same,
            ),
            (
                ("panic", "src/lib.rs", 4, "index out of bounds: the len is 3 but the index is 7"),
                ("panic", "src/lib.rs", 4, "index out of bounds: the len is 12 but the index is 12"),
                same,
            ),
            (
                ("panic", "src/lib.rs", 4, "index out of bounds: the len is 3 but the index is 7"),
                ("panic", "src/lib.rs", 4, "attempt to divide by zero"),
                !same,
            ),
            (("KeyError", "app.py", 10, "'name'"), ("KeyError", "app.py", 12, "'age'"), same),
            (("KeyError", "app.py", 10, "'name'"), ("ValueError", "app.py", 10, "'name'"), !same),
            (
                ("FileNotFoundError", "app.py", 5, "[Errno 2] No such file or directory: '/home/a/x'"),
                ("FileNotFoundError", "app.py", 5, "[Errno 2] No such file or directory: '/srv/b/x'"),
                same,
            ),
            (
                ("TypeError", "app.py", 5, "object at 0x7f3a2b of type A"),
                ("TypeError", "app.py", 5, "object at 0x11ffee of type A"),
                same,
            ),
            (("go", "a.go", 12, "undefined: foo"), ("go", "a.go", 13, "undefined: foo"), same),
            (("go", "a.go", 12, "undefined: foo"), ("go", "a.go", 12, "declared and not used: foo"), !same),
            (
                ("jest", "a.test.ts", 3, "expect(received).toBe(expected)"),
                ("jest", "a.test.ts", 8, "expect(received).toBe(expected)"),
                same,
            ),
            (
                ("jest", "a.test.ts", 3, "expect(received).toBe(expected)"),
                ("jest", "a.test.ts", 3, "expect(received).toEqual(expected)"),
                !same,
            ),
            (
                ("AssertionError", "test_a.py", 7, "assert 3 == 4"),
                ("AssertionError", "test_a.py", 7, "assert 5 == 6"),
                same,
            ),
            (
                ("AssertionError", "test_a.py", 7, "assert 3 == 4"),
                ("AssertionError", "test_a.py", 7, "assert 3 in 4"),
                !same,
            ),
            (
                ("shell", "", 0, "cat: /tmp/1/list.txt: No such file or directory"),
                ("shell", "", 0, "cat: /home/me/list.txt: No such file or directory"),
                same,
            ),
            (
                ("shell", "", 0, "cat: list.txt: No such file or directory"),
                ("shell", "", 0, "cat: list.txt: Permission denied"),
                !same,
            ),
            (("shell", "", 0, "commit 1a2b3c4d5e not found"), ("shell", "", 0, "commit 99aabbccdd0 not found"), same),
            (("shell", "src\\a.c", 3, "x"), ("shell", "./src/a.c", 3, "x"), same),
        ] {
            let (a, b) = (report(a.0, a.1, a.2, a.3), report(b.0, b.1, b.2, b.3));
            assert_eq!(a.is(&b.fingerprint()), expected, "{a:?} and {b:?}");
            assert_eq!(b.is(&a.fingerprint()), expected, "{b:?} and {a:?}");
        }
    }

    #[test]
    fn the_form_is_fixed() {
        let text = "TS2322\0src/a.ts\x004\0type '…' is not assignable to type '…'";
        let expected = format!("v1:{}", &sha256::hex(text.as_bytes())[..16]);
        let report = report("TS2322", "src/a.ts", 42, "Type 'A' is not  assignable to type 'B'");
        assert_eq!(report.fingerprint(), expected);
    }

    #[test]
    fn paths_are_told_from_the_top_of_the_work_tree() {
        let root = Path::new("/home/me/app");
        assert_eq!(relative("/home/me/app/src/x.rs", root), "src/x.rs");
        assert_eq!(relative("./src/x.rs", root), "src/x.rs");
        assert_eq!(relative("/usr/lib/python3/json.py", root), "json.py");
        assert_eq!(relative("C:\\app\\x.ts", root), "x.ts");
    }
}

//! The unified diff of one file, in git's form, exact as a patch; `cli::render::diff` shows it to people.
//!
//! What changes its type (a file that becomes a symlink) is deleted and created anew, as git shows it. Binary content
//! is only named, so such a patch does not apply.

use std::time::{Duration, Instant};

use bstr::ByteSlice as _;
use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices_deadline, group_diff_ops};

use crate::base::RepoPath;
use crate::git::FileMode;

/// Unchanged lines around a change.
const CONTEXT: usize = 3;
/// A NUL so early makes content binary, as git has it.
const BINARY_LOOK: usize = 8000;
/// A search for the shortest diff that takes longer settles for a longer one.
const PATIENCE: Duration = Duration::from_secs(2);

/// One side of a change.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// What kind of file.
    pub mode: FileMode,
    /// Its content; of a symlink its target, of a gitlink `Subproject commit <id>`; nothing where it is too large.
    pub bytes: &'a [u8],
    /// Whether it is too large to be looked into: it counts as binary, and as other content than any.
    pub is_large: bool,
}

impl<'a> Side<'a> {
    /// A side whose content is at hand.
    pub const fn new(mode: FileMode, bytes: &'a [u8]) -> Self {
        Self { mode, bytes, is_large: false }
    }
}

/// A file before and after; `None` where there is none.
#[derive(Clone, Copy, Debug)]
pub struct FileDiff<'a> {
    /// Which file.
    pub path: &'a RepoPath,
    /// Before.
    pub old: Option<Side<'a>>,
    /// After.
    pub new: Option<Side<'a>>,
}

/// What a line of a diff is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Names and modes.
    Header,
    /// Where a hunk begins.
    Hunk,
    /// Unchanged.
    Context,
    /// Came.
    Added,
    /// Went.
    Removed,
}

/// Lines that came and lines that went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineCount {
    /// Lines that came.
    pub added: usize,
    /// Lines that went.
    pub removed: usize,
}

impl FileDiff<'_> {
    /// The patch, byte for byte, for `git apply`.
    pub fn patch(&self) -> Vec<u8> {
        let mut patch = Vec::new();
        for (_, line) in self.parts() {
            patch.extend_from_slice(&line);
            patch.push(b'\n');
        }
        patch
    }

    /// How many lines came and went; `None` where a side is binary.
    pub fn line_count(&self) -> Option<LineCount> {
        if self.is_binary() {
            return (!self.has_other_content()).then(LineCount::default);
        }
        let (old, new) = (content(self.old), content(self.new));
        let (old, new) = (split_lines(old), split_lines(new));
        Some(ops(&old, &new).iter().fold(LineCount::default(), |count, op| match op.tag() {
            DiffTag::Equal => count,
            DiffTag::Delete | DiffTag::Insert | DiffTag::Replace => {
                LineCount { added: count.added + op.new_range().len(), removed: count.removed + op.old_range().len() }
            }
        }))
    }

    /// Lines without their end, each with what it is. The marker of a missing line end shares the entry of its line.
    pub fn parts(&self) -> Vec<(Part, Vec<u8>)> {
        match (self.old, self.new) {
            (Some(old), Some(new)) if !same_type(old.mode, new.mode) => {
                let mut parts = Self { new: None, ..*self }.parts();
                parts.extend(Self { old: None, ..*self }.parts());
                parts
            }
            _ => self.parts_of_one_type(),
        }
    }

    fn is_binary(&self) -> bool {
        [self.old, self.new].into_iter().flatten().any(|side| side.is_large || is_binary(side.bytes))
    }

    fn has_other_content(&self) -> bool {
        let is_large = [self.old, self.new].into_iter().flatten().any(|side| side.is_large);
        is_large || content(self.old) != content(self.new)
    }

    fn parts_of_one_type(&self) -> Vec<(Part, Vec<u8>)> {
        let (old, new) = (content(self.old), content(self.new));
        let modes = (self.old.map(|s| s.mode), self.new.map(|s| s.mode));
        let is_same = !self.has_other_content();
        if is_same && modes.0 == modes.1 {
            return Vec::new();
        }
        let (a, b) = (quoted(b"a/", self.path), quoted(b"b/", self.path));
        let mut parts = vec![(Part::Header, [b"diff --git ".as_slice(), &a, b" ", &b].concat())];
        let mut header = |text: &str, rest: &[u8]| parts.push((Part::Header, [text.as_bytes(), rest].concat()));
        match modes {
            (Some(old), Some(new)) if old != new => {
                header("old mode ", old.octal().as_bytes());
                header("new mode ", new.octal().as_bytes());
            }
            (None, Some(new)) => header("new file mode ", new.octal().as_bytes()),
            (Some(old), None) => header("deleted file mode ", old.octal().as_bytes()),
            (Some(_), Some(_)) | (None, None) => {}
        }
        if is_same {
            return parts;
        }
        let a = if self.old.is_some() { a } else { b"/dev/null".to_vec() };
        let b = if self.new.is_some() { b } else { b"/dev/null".to_vec() };
        if self.is_binary() {
            header("Binary files ", &[&a[..], b" and ", &b, b" differ"].concat());
            return parts;
        }
        // git ends a name with a tab where it holds a blank, so that no reader takes the rest for a date.
        let tab = |name: Vec<u8>| if name.contains(&b' ') { [&name[..], b"\t"].concat() } else { name };
        header("--- ", &tab(a));
        header("+++ ", &tab(b));
        let (old, new) = (split_lines(old), split_lines(new));
        for group in group_diff_ops(ops(&old, &new), CONTEXT) {
            hunk(&group, &old, &new, &mut parts);
        }
        parts
    }
}

fn hunk(group: &[DiffOp], old: &[&[u8]], new: &[&[u8]], parts: &mut Vec<(Part, Vec<u8>)>) {
    let (Some(first), Some(last)) = (group.first(), group.last()) else { return };
    let old_span = span(first.old_range().start, last.old_range().end);
    let new_span = span(first.new_range().start, last.new_range().end);
    parts.push((Part::Hunk, format!("@@ -{old_span} +{new_span} @@").into_bytes()));
    for op in group {
        let mut add = |part, sign, lines: &[&[u8]]| parts.extend(lines.iter().map(|line| (part, signed(sign, line))));
        match op.tag() {
            DiffTag::Equal => add(Part::Context, b' ', &old[op.old_range()]),
            DiffTag::Delete | DiffTag::Insert | DiffTag::Replace => {
                add(Part::Removed, b'-', &old[op.old_range()]);
                add(Part::Added, b'+', &new[op.new_range()]);
            }
        }
    }
}

/// Start and length as a hunk's header has them: lines count from 1, an empty span names the line before it.
fn span(start: usize, end: usize) -> String {
    match end - start {
        0 => format!("{start},0"),
        1 => format!("{}", start + 1),
        length => format!("{},{length}", start + 1),
    }
}

/// Follows a last line without an end.
pub const NO_LINE_END: &[u8] = b"\n\\ No newline at end of file";

fn signed(sign: u8, line: &[u8]) -> Vec<u8> {
    let mut out = vec![sign];
    match line.strip_suffix(b"\n") {
        Some(text) => out.extend_from_slice(text),
        None => {
            out.extend_from_slice(line);
            out.extend_from_slice(NO_LINE_END);
        }
    }
    out
}

fn ops(old: &[&[u8]], new: &[&[u8]]) -> Vec<DiffOp> {
    capture_diff_slices_deadline(Algorithm::Myers, old, new, Some(Instant::now() + PATIENCE))
}

/// Only a line feed ends a line: a lone carriage return is content.
fn split_lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|b| *b == b'\n').collect()
}

fn content(side: Option<Side<'_>>) -> &[u8] {
    side.map_or(&[], |s| s.bytes)
}

fn is_binary(bytes: &[u8]) -> bool {
    bytes[..bytes.len().min(BINARY_LOOK)].contains(&0)
}

fn same_type(a: FileMode, b: FileMode) -> bool {
    let is_file = |mode| matches!(mode, FileMode::File | FileMode::Executable);
    a == b || (is_file(a) && is_file(b))
}

/// The name as git writes it in a header: in quotes with C escapes where it holds what a line cannot.
fn quoted(prefix: &[u8], path: &RepoPath) -> Vec<u8> {
    let name = [prefix, path.as_bytes()].concat();
    let is_odd = |b: &u8| b.is_ascii_control() || matches!(b, b'"' | b'\\');
    if name.to_str().is_ok() && !name.iter().any(is_odd) {
        return name;
    }
    let mut out = vec![b'"'];
    for byte in name {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            b' '..=b'~' => out.push(byte),
            _ => out.extend(format!("\\{byte:03o}").bytes()),
        }
    }
    out.push(b'"');
    out
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::base::process::Run;

    const FILE: FileMode = FileMode::File;

    fn path(name: &[u8]) -> RepoPath {
        RepoPath::new(name).expect("a path")
    }

    fn side(mode: FileMode, bytes: &[u8]) -> Option<Side<'_>> {
        Some(Side::new(mode, bytes))
    }

    fn shown(name: &str, old: Option<Side<'_>>, new: Option<Side<'_>>) -> String {
        String::from_utf8(FileDiff { path: &path(name.as_bytes()), old, new }.patch()).expect("text")
    }

    #[test]
    fn changes_stand_in_hunks_with_three_lines_around() {
        let old: String = (1..=20).map(|n| format!("line {n}\n")).collect();
        let new = old.replace("line 2\n", "line two\n").replace("line 18\n", "").replace("line 20\n", "line 20");
        insta::assert_snapshot!(shown("src/x.rs", side(FILE, old.as_bytes()), side(FILE, new.as_bytes())), @r"
        diff --git a/src/x.rs b/src/x.rs
        --- a/src/x.rs
        +++ b/src/x.rs
        @@ -1,5 +1,5 @@
         line 1
        -line 2
        +line two
         line 3
         line 4
         line 5
        @@ -15,6 +15,5 @@
         line 15
         line 16
         line 17
        -line 18
         line 19
        -line 20
        +line 20
        \ No newline at end of file
        ");
    }

    #[test]
    fn a_new_executable_a_deletion_and_a_mode_are_named() {
        insta::assert_snapshot!(shown("run", None, side(FileMode::Executable, b"#!/bin/sh\n")), @"
        diff --git a/run b/run
        new file mode 100755
        --- /dev/null
        +++ b/run
        @@ -0,0 +1 @@
        +#!/bin/sh
        ");
        insta::assert_snapshot!(shown("a b", side(FILE, b"x"), None), @r"
        diff --git a/a b b/a b
        deleted file mode 100644
        --- a/a b	
        +++ /dev/null
        @@ -1 +0,0 @@
        -x
        \ No newline at end of file
        ");
        insta::assert_snapshot!(shown("m", side(FILE, b"x\n"), side(FileMode::Executable, b"x\n")), @"
        diff --git a/m b/m
        old mode 100644
        new mode 100755
        ");
    }

    #[test]
    fn a_file_that_becomes_a_link_is_deleted_and_created() {
        insta::assert_snapshot!(shown("l", side(FILE, b"x\n"), side(FileMode::Symlink, b"target")), @r"
        diff --git a/l b/l
        deleted file mode 100644
        --- a/l
        +++ /dev/null
        @@ -1 +0,0 @@
        -x
        diff --git a/l b/l
        new file mode 120000
        --- /dev/null
        +++ b/l
        @@ -0,0 +1 @@
        +target
        \ No newline at end of file
        ");
    }

    #[test]
    fn binary_content_is_only_named() {
        insta::assert_snapshot!(shown("logo.png", side(FILE, b"\0a"), side(FILE, b"\0b")), @"
        diff --git a/logo.png b/logo.png
        Binary files a/logo.png and b/logo.png differ
        ");
    }

    #[test]
    fn content_that_is_too_large_is_only_named() {
        let large = Some(Side { mode: FILE, bytes: b"", is_large: true });
        insta::assert_snapshot!(shown("core", large, large), @"
        diff --git a/core b/core
        Binary files a/core and b/core differ
        ");
        assert_eq!(FileDiff { path: &path(b"core"), old: large, new: side(FILE, b"") }.line_count(), None);
    }

    #[test]
    fn what_did_not_change_gives_nothing() {
        assert_eq!(shown("x", side(FILE, b"a"), side(FILE, b"a")), "");
    }

    #[test]
    fn lines_are_counted_as_they_are_shown() {
        let count = |old: &[u8], new: &[u8]| {
            FileDiff { path: &path(b"x"), old: side(FILE, old), new: side(FILE, new) }.line_count()
        };
        assert_eq!(count(b"a\nb\n", b"a\nc\nd\n"), Some(LineCount { added: 2, removed: 1 }));
        assert_eq!(count(b"\0", b"x"), None);
    }

    /// Lays the old side down, applies the patch with git, gives what lies there then.
    fn applied(name: &RepoPath, old: Option<Side<'_>>, new: Option<Side<'_>>) -> Option<Vec<u8>> {
        let dir = tempfile::tempdir().expect("a folder");
        let file = name.on_disk(dir.path());
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent).expect("makes folders");
        }
        if let Some(old) = old {
            std::fs::write(&file, old.bytes).expect("writes");
        }
        git(dir.path(), &["init", "-q"], None);
        let patch = FileDiff { path: name, old, new }.patch();
        git(dir.path(), &["apply", "--whitespace=nowarn", "-"], Some(patch));
        std::fs::read(file).ok()
    }

    fn git(cwd: &Path, args: &[&str], stdin: Option<Vec<u8>>) {
        let mut run = Run::new("git");
        run.args = args.iter().map(Into::into).collect();
        run.cwd = Some(cwd.to_owned());
        run.env_remove = ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"].map(Into::into).to_vec();
        run.env = [("HOME", "/nonexistent"), ("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")]
            .map(|(k, v)| (k.into(), v.into()))
            .to_vec();
        run.stdin = stdin;
        let out = run.output().expect("git runs");
        assert!(out.ok(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    }

    #[test]
    fn git_applies_what_odd_names_are_shown_as() {
        for name in [&b"a b/c d"[..], b"quo\"te", b"back\\slash", b"tab\tnew\nline", b"\xff\xfe", "\u{e9}".as_bytes()] {
            let name = path(name);
            assert_eq!(applied(&name, None, side(FILE, b"new")).as_deref(), Some(&b"new"[..]), "{name}");
            assert_eq!(applied(&name, side(FILE, b"old"), side(FILE, b"new\n")).as_deref(), Some(&b"new\n"[..]));
            assert_eq!(applied(&name, side(FILE, b"old\n"), None), None, "{name}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn git_applies_every_patch_to_the_new_bytes(
            old in proptest::collection::vec(proptest::sample::select(&b"ab\r\n\n"[..]), 1..60),
            new in proptest::collection::vec(proptest::sample::select(&b"ab\r\n\n"[..]), 1..60),
        ) {
            prop_assume!(old != new);
            let got = applied(&path(b"f"), side(FILE, &old), side(FILE, &new));
            prop_assert_eq!(got, Some(new));
        }
    }
}

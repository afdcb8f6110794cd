//! Paths inside a work tree: bytes, `/` between parts, never leaving the tree, never git's own folder.
//!
//! They need not be UTF-8. A name that is `.git` under any spelling some file system would take for it is refused,
//! so that neither a snapshot nor a hostile tree can reach a repository's own files.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use bstr::{BStr, BString, ByteSlice as _};

use super::{Error, Result};

/// A path relative to the top of the work tree, validated. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoPath(BString);

impl RepoPath {
    /// Checks and takes a path as git writes it.
    ///
    /// # Errors
    /// Empty, absolute, with empty, `.` or `..` parts, a NUL, or a part that is `.git` under any spelling.
    pub fn new(path: impl Into<BString>) -> Result<Self> {
        let path = path.into();
        let is_safe = |part: &[u8]| is_plain(part) || is_safe_part(part.as_bstr());
        let good = !path.is_empty() && path.find_byte(0).is_none() && path.split(|byte| *byte == b'/').all(is_safe);
        if good { Ok(Self(path)) } else { Err(Error::BadPath { path: path.to_str_lossy().into_owned() }) }
    }

    /// The path of `file` below `root`, where it lies below it.
    pub fn below(root: &Path, file: &Path) -> Result<Self> {
        let rest = file.strip_prefix(root).map_err(|_| Error::BadPath { path: file.display().to_string() })?;
        Self::new(rest.as_os_str().as_bytes())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, for printing through a sanitiser.
    pub fn as_bstr(&self) -> &BStr {
        self.0.as_bstr()
    }

    /// As a relative path of the operating system.
    pub fn to_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// The file's place on disk below `root`.
    pub fn on_disk(&self, root: &Path) -> PathBuf {
        root.join(self.to_path())
    }

    /// The last part.
    pub fn file_name(&self) -> &BStr {
        self.0.rsplit_str("/").next().unwrap_or_default().as_bstr()
    }

    /// The folder it is in; `None` at the top.
    pub fn parent(&self) -> Option<Self> {
        self.0.rfind_byte(b'/').map(|at| Self(BString::from(&self.0[..at])))
    }

    /// All the folders it is in, the nearest first.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(self.parent(), Self::parent)
    }

    /// This path with one more part; the part is checked.
    pub fn join(&self, part: &[u8]) -> Result<Self> {
        let mut path = self.0.clone();
        path.push(b'/');
        path.extend_from_slice(part);
        Self::new(path)
    }

    /// Whether this path is `folder` or lies below it.
    pub fn is_at_or_below(&self, folder: &Self) -> bool {
        self.0.strip_prefix(folder.0.as_slice()).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }

    /// The parts, from the top down.
    pub fn parts(&self) -> impl Iterator<Item = &BStr> {
        self.0.split_str("/").map(bstr::ByteSlice::as_bstr)
    }
}

impl RepoPath {
    /// As text from which the bytes can be had back: what JSON holds.
    pub fn escaped(&self) -> String {
        escape(&self.0)
    }
}

impl std::fmt::Display for RepoPath {
    /// Lossy; for messages only, which are sanitised before a terminal sees them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl serde::Serialize for RepoPath {
    /// As text; bytes that are not UTF-8 become `\xNN`, a backslash becomes `\\`.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.escaped())
    }
}

impl<'de> serde::Deserialize<'de> for RepoPath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        Self::new(unescape(&text)).map_err(serde::de::Error::custom)
    }
}

/// Text from which the bytes can be had back: `\` doubled, bytes that are not UTF-8 as `\xNN`.
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', "\\\\"));
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// The inverse of [`escape`]; an unknown escape stays as it is.
pub fn unescape(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let hex = rest.strip_prefix(b"\\x").and_then(|h| h.get(..2)).and_then(|h| std::str::from_utf8(h).ok());
        if rest.starts_with(b"\\\\") {
            out.push(b'\\');
            at += 2;
        } else if let Some(byte) = hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
            out.push(byte);
            at += 4;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}

/// Whether a part may stand in a path: not empty, not `.` or `..`, no NUL or slash, not `.git` under any spelling.
pub fn is_safe_part(part: &BStr) -> bool {
    !part.is_empty() && part != "." && part != ".." && !part.contains(&0) && !part.contains(&b'/') && !is_dot_git(part)
}

/// Whether a part begins so that it is neither `.` nor `..` nor any spelling of `.git`: nearly all do.
fn is_plain(part: &[u8]) -> bool {
    part.first().is_some_and(|first| first.is_ascii_alphanumeric() && !first.eq_ignore_ascii_case(&b'g'))
}

/// Whether some file system takes this name for `.git`: case, HFS+ ignorable characters, NTFS short name,
/// trailing dots and spaces, alternate streams.
pub fn is_dot_git(part: &BStr) -> bool {
    // Each of the spellings begins with one of these, and most names do not.
    if !matches!(part.first(), Some(b'.' | b'g' | b'G' | 0x80..)) {
        return false;
    }
    let ntfs = |name: &[u8]| {
        let end = name.find_byteset(b":\\").unwrap_or(name.len());
        let trimmed = name[..end].trim_end_with(|c| c == '.' || c == ' ');
        trimmed.eq_ignore_ascii_case(b".git") || trimmed.eq_ignore_ascii_case(b"git~1")
    };
    if ntfs(part) {
        return true;
    }
    if part.is_ascii() {
        return false;
    }
    // HFS+ drops these when it compares names (git's utf8.c, next_hfs_char).
    let kept: String = part
        .chars()
        .filter(
            |c| !matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}'),
        )
        .collect();
    kept.eq_ignore_ascii_case(".git")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_under_any_spelling_is_refused() {
        for name in
            [".git", ".GIT", ".git.", ".git ", "git~1", "GIT~1", ".gi\u{200c}t", ".git::$INDEX_ALLOCATION", ".git\\x"]
        {
            assert!(RepoPath::new(name).is_err(), "{name:?}");
            assert!(RepoPath::new(format!("a/{name}/b")).is_err(), "{name:?}");
        }
        for name in [".gitignore", "git", ".gitt", "git~2", "a.git"] {
            assert!(RepoPath::new(name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn a_path_never_leaves_the_tree() {
        for path in ["", "/a", "a//b", "../a", "a/..", "a/./b", "a/", "a\0b"] {
            assert!(RepoPath::new(path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn any_bytes_survive_json() {
        for bytes in [&b"a/b"[..], b"\xff\xfe\\x41", b"back\\slash", "\u{e9}\n".as_bytes()] {
            let path = RepoPath::new(bytes).expect("a valid path");
            let json = serde_json::to_string(&path).expect("encodes");
            assert_eq!(serde_json::from_str::<RepoPath>(&json).expect("decodes"), path);
        }
    }

    #[test]
    fn folders_are_listed_nearest_first() {
        let path = RepoPath::new("a/b/c").expect("a valid path");
        let up: Vec<_> = path.ancestors().map(|p| p.to_string()).collect();
        assert_eq!(up, ["a/b", "a"]);
        assert!(path.is_at_or_below(&RepoPath::new("a/b").expect("a valid path")));
        assert!(!path.is_at_or_below(&RepoPath::new("a/bb").expect("a valid path")));
    }
}

//! The ignore rules that lie outside of the tree (`info/exclude`, `core.excludesFile`) as one text that a checkpoint can keep.
//!
//! Comments and blank lines decide nothing and are left out. So are the lines that `enable` adds to `info/exclude`: they are
//! about files of ours, which no restore touches, and must not make every checkpoint after it differ.

use bstr::ByteSlice as _;

/// The line before what `enable` adds to `info/exclude`.
pub const BEGIN: &str = "# git-session: begin";
/// The line after it.
pub const END: &str = "# git-session: end";

/// The rules of several files, the one that decides last first: in one file the last rule that matches decides.
pub(super) fn one_text<'t>(files: impl Iterator<Item = &'t [u8]>) -> Vec<u8> {
    let mut rules = Vec::new();
    for text in files {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let lines: Vec<&[u8]> = text.split_str("\n").collect();
        let mut is_ours = false;
        for (at, line) in lines.iter().enumerate() {
            match *line {
                // Without its end it is no block of ours.
                line if line == BEGIN.as_bytes() => is_ours = lines[at..].contains(&END.as_bytes()),
                line if line == END.as_bytes() => is_ours = false,
                line if is_ours || line.is_empty() || line.starts_with(b"#") => {}
                line => {
                    rules.extend_from_slice(line);
                    rules.push(b'\n');
                }
            }
        }
    }
    rules
}

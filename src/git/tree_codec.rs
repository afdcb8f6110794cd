//! The bytes of a tree object, both ways, in git's order (folders sort as if their name ended in `/`).

use bstr::{BString, ByteSlice as _};

use super::{Error, FileMode, ObjectFormat, Oid, Result, TreeEntry};
use crate::base::repo_path::is_safe_part;

/// The bytes of a tree with these entries, which may come in any order.
pub(super) fn encode(format: ObjectFormat, entries: &[TreeEntry]) -> Result<Vec<u8>> {
    let mut sorted: Vec<&TreeEntry> = entries.iter().collect();
    sorted.sort_by(|a, b| sort_key(a).cmp(sort_key(b)));
    let mut names: Vec<&BString> = entries.iter().map(|e| &e.name).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::Damaged { what: format!("a tree that has {} twice", twice[0]) });
    }
    let mut bytes = Vec::with_capacity(entries.len() * (format.id_len() + 32));
    for entry in sorted {
        if !is_safe_part(entry.name.as_bstr()) {
            return Err(Error::Damaged { what: format!("a tree with the name {:?}, which git refuses", entry.name) });
        }
        if entry.oid.format() != format {
            return Err(Error::BadOid { text: entry.oid.to_string() });
        }
        bytes.extend_from_slice(format!("{:o} ", entry.mode.raw()).as_bytes());
        bytes.extend_from_slice(&entry.name);
        bytes.push(0);
        bytes.extend_from_slice(entry.oid.as_bytes());
    }
    Ok(bytes)
}

fn sort_key(entry: &TreeEntry) -> impl Iterator<Item = u8> {
    let end: &[u8] = if entry.mode == FileMode::Tree { b"/" } else { b"" };
    entry.name.iter().chain(end).copied()
}

/// The entries in the bytes of the tree `oid`. Names are not judged here: whoever forms a path of them does.
pub(super) fn decode(oid: Oid, bytes: &[u8]) -> Result<Vec<TreeEntry>> {
    let bad = || Error::Damaged { what: format!("tree {oid}: its bytes end within an entry") };
    let mut entries = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (mode, after) = rest.split_once_str(" ").ok_or_else(bad)?;
        let (name, after) = after.split_once_str("\0").ok_or_else(bad)?;
        let (raw, after) = after.split_at_checked(oid.as_bytes().len()).ok_or_else(bad)?;
        let mode = std::str::from_utf8(mode).ok().and_then(|m| u32::from_str_radix(m, 8).ok()).ok_or_else(bad)?;
        entries.push(TreeEntry { name: name.into(), mode: FileMode::from_raw(mode)?, oid: Oid::from_bytes(raw)? });
        rest = after;
    }
    Ok(entries)
}

//! The bytes of a tree object, both ways, in git's order (folders sort as if their name ended in `/`).

use std::cmp::Ordering;

use bstr::{BStr, BString, ByteSlice as _};

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
    key(entry.name.as_bstr(), entry.mode == FileMode::Tree)
}

fn key(name: &BStr, is_tree: bool) -> impl Iterator<Item = u8> {
    let end: &[u8] = if is_tree { b"/" } else { b"" };
    name.iter().chain(end).copied()
}

/// The entries in the bytes of the tree `oid`. Names are not judged here: whoever forms a path of them does.
pub(super) fn decode(oid: Oid, bytes: &[u8]) -> Result<Vec<TreeEntry>> {
    let mut entries = Vec::new();
    let mut rest = bytes;
    while let Some((entry, after)) = first(oid, rest)? {
        entries.push(TreeEntry { name: entry.name.to_owned(), mode: entry.mode()?, oid: entry.oid()? });
        rest = after;
    }
    Ok(entries)
}

/// One entry as its bytes are.
#[derive(Clone, Copy)]
pub(super) struct RawEntry<'t> {
    /// All of it.
    pub bytes: &'t [u8],
    /// Its name.
    pub name: &'t BStr,
    tree: Oid,
    mode: &'t [u8],
    id: &'t [u8],
}

impl RawEntry<'_> {
    pub(super) fn mode(&self) -> Result<FileMode> {
        let digits = std::str::from_utf8(self.mode).ok().and_then(|mode| u32::from_str_radix(mode, 8).ok());
        FileMode::from_raw(digits.ok_or_else(|| cut(self.tree))?)
    }

    pub(super) fn oid(&self) -> Result<Oid> {
        Oid::from_bytes(self.id)
    }

    /// How it compares with another by git's order of names.
    pub(super) fn cmp_name(&self, other: &Self) -> Ordering {
        self.key().cmp(other.key())
    }

    fn key(&self) -> impl Iterator<Item = u8> {
        key(self.name, matches!(self.mode, b"40000" | b"040000"))
    }
}

/// The first entry of the bytes of the tree `oid`, and the rest of them; `None` at their end.
pub(super) fn first(oid: Oid, bytes: &[u8]) -> Result<Option<(RawEntry<'_>, &[u8])>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let space = bytes.find_byte(b' ').ok_or_else(|| cut(oid))?;
    let end = bytes.find_byte(0).filter(|end| *end > space).ok_or_else(|| cut(oid))? + 1;
    let (whole, rest) = bytes.split_at_checked(end + oid.as_bytes().len()).ok_or_else(|| cut(oid))?;
    let name = whole[space + 1..end - 1].as_bstr();
    Ok(Some((RawEntry { bytes: whole, name, tree: oid, mode: &whole[..space], id: &whole[end..] }, rest)))
}

/// The error of bytes that end too early.
pub(super) fn cut(oid: Oid) -> Error {
    Error::Damaged { what: format!("tree {oid}: its bytes end within an entry") }
}

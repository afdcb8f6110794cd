//! The names of one tree, kept so that each is found without taking the whole tree apart again: a plan asks for thousands of
//! paths of the same directory.

use std::rc::Rc;

use bstr::BStr;

use super::tree_codec::{self, RawEntry};
use super::{Error, FileMode, Oid, Result};

/// The bytes of a tree, and where each entry begins, in the order of the names' bytes (git's own order needs the mode, and
/// old programs wrote trees that are not in it).
pub(super) struct TreeNames {
    tree: Oid,
    bytes: Rc<[u8]>,
    starts: Vec<u32>,
}

impl TreeNames {
    /// Finds the entries in the bytes of the tree `tree`.
    ///
    /// # Errors
    /// Bytes that are no tree, or are 4 GiB or more.
    pub(super) fn new(tree: Oid, bytes: Rc<[u8]>) -> Result<Self> {
        let mut found = Vec::new();
        let mut rest: &[u8] = &bytes;
        while let Some((entry, after)) = tree_codec::first(tree, rest)? {
            let start = u32::try_from(bytes.len() - rest.len());
            let start = start.map_err(|_| Error::Damaged { what: format!("tree {tree}: it is larger than 4 GiB") })?;
            found.push((entry.name, start));
            rest = after;
        }
        // Nearly sorted already; of a name that is there twice the first counts, as for git.
        found.sort_by(|a, b| a.0.cmp(b.0));
        let starts = found.into_iter().map(|(_, start)| start).collect();
        Ok(Self { tree, bytes, starts })
    }

    /// The entry of this name.
    ///
    /// # Errors
    /// An entry whose mode is none of git's.
    pub(super) fn find(&self, name: &BStr) -> Result<Option<(FileMode, Oid)>> {
        let before = self.starts.partition_point(|start| self.entry(*start).is_ok_and(|entry| entry.name < name));
        let Some(start) = self.starts.get(before) else { return Ok(None) };
        let entry = self.entry(*start)?;
        if entry.name != name {
            return Ok(None);
        }
        Ok(Some((entry.mode()?, entry.oid()?)))
    }

    /// Bytes of memory that it holds.
    pub(super) fn size(&self) -> usize {
        self.bytes.len() + self.starts.len() * size_of::<u32>()
    }

    fn entry(&self, start: u32) -> Result<RawEntry<'_>> {
        let rest = self.bytes.get(start as usize..).unwrap_or_default();
        let first = tree_codec::first(self.tree, rest)?;
        first.map(|(entry, _)| entry).ok_or_else(|| tree_codec::cut(self.tree))
    }
}

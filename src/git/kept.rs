//! What a command keeps at hand of the object store: it comes back to the same commits and trees again and again, and each
//! read of a loose object takes half a dozen system calls. An object never changes, so nothing here is ever out of date.

use std::collections::HashMap;
use std::rc::Rc;

use git2::ObjectType;

use super::tree_names::TreeNames;
use super::{Oid, TreeChange};

/// The most that one kept object may hold, and all of them together.
const EACH: usize = 128 * 1024;
const TOGETHER: usize = 16 * 1024 * 1024;
/// The most bytes that all trees whose names are at hand may hold.
const NAMES: usize = 32 * 1024 * 1024;
/// The most changes between two trees that are kept.
const CHANGES: usize = 10_000;

/// Small objects that were read, trees and commits that were written, the names of trees that were asked for a path, and the last comparison of trees: a command compares
/// the same two for its plan, for the state and for the checkpoint.
#[derive(Default)]
pub(super) struct Kept {
    objects: HashMap<Oid, (ObjectType, Rc<[u8]>)>,
    bytes: usize,
    names: HashMap<Oid, Rc<TreeNames>>,
    name_bytes: usize,
    compared: Option<((Oid, Oid), Vec<TreeChange>)>,
}

impl Kept {
    pub(super) fn has(&self, oid: Oid) -> bool {
        self.objects.contains_key(&oid)
    }

    pub(super) fn object(&self, oid: Oid) -> Option<(ObjectType, Rc<[u8]>)> {
        self.objects.get(&oid).map(|(kind, content)| (*kind, Rc::clone(content)))
    }

    /// Keeps an object if it is small and there is room.
    pub(super) fn keep(&mut self, oid: Oid, kind: ObjectType, content: &[u8]) {
        if content.len() <= EACH && self.bytes + content.len() <= TOGETHER && !self.has(oid) {
            self.bytes += content.len();
            self.objects.insert(oid, (kind, content.into()));
        }
    }

    pub(super) fn names(&self, oid: Oid) -> Option<Rc<TreeNames>> {
        self.names.get(&oid).map(Rc::clone)
    }

    /// Keeps the names of a tree; those of all others go where there is no room.
    pub(super) fn keep_names(&mut self, oid: Oid, names: &Rc<TreeNames>) {
        let size = names.size();
        if self.name_bytes + size > NAMES {
            self.names.clear();
            self.name_bytes = 0;
        }
        if size <= NAMES && self.names.insert(oid, Rc::clone(names)).is_none() {
            self.name_bytes += size;
        }
    }

    /// Bytes that more objects may hold.
    pub(super) const fn room(&self) -> usize {
        TOGETHER.saturating_sub(self.bytes)
    }

    pub(super) fn compared(&self, trees: (Oid, Oid)) -> Option<Vec<TreeChange>> {
        self.compared.as_ref().filter(|(kept, _)| *kept == trees).map(|(_, changes)| changes.clone())
    }

    pub(super) fn keep_compared(&mut self, trees: (Oid, Oid), changes: &[TreeChange]) {
        if changes.len() <= CHANGES {
            self.compared = Some((trees, changes.to_vec()));
        }
    }
}

//! The tree of a transcript: records name the one before them, and a rewind of the agent's own leaves a dead branch.
//!
//! The line of conversation runs from the last record to the root. A record whose parent is nowhere in the file hangs on the
//! one before it, as the agent itself reads it.

use std::borrow::Cow;
use std::collections::HashMap;

/// The records of a transcript that have an id, in the order of the file, without those of subagents.
#[derive(Debug, Default)]
pub(super) struct Tree<'a> {
    parents: Vec<Option<Cow<'a, str>>>,
    by_uuid: HashMap<Cow<'a, str>, usize>,
    /// The stretch does not begin where the file does: a parent that is not here lies before it.
    continued: bool,
}

impl<'a> Tree<'a> {
    /// Of a whole file, or of a later stretch of one.
    pub(super) fn new(continued: bool) -> Self {
        Self { continued, ..Self::default() }
    }

    /// Adds the next record; its place.
    pub(super) fn push(&mut self, uuid: Cow<'a, str>, parent: Option<Cow<'a, str>>) -> usize {
        let place = self.parents.len();
        self.by_uuid.insert(uuid, place);
        self.parents.push(parent);
        place
    }

    /// How many records it has.
    pub(super) fn len(&self) -> usize {
        self.parents.len()
    }

    /// The record before this one in the conversation.
    pub(super) fn parent(&self, place: usize) -> Option<usize> {
        let uuid = self.parents.get(place)?.as_ref()?;
        match self.by_uuid.get(uuid) {
            Some(parent) => Some(*parent),
            None if self.continued => None,
            None => place.checked_sub(1),
        }
    }

    /// Which records are on the line that ends at `leaf`.
    pub(super) fn line(&self, leaf: Option<usize>) -> Vec<bool> {
        let mut on = vec![false; self.len()];
        let mut at = leaf;
        while let Some(place) = at {
            // A ring of parents, which only a damaged file has, ends where it closes.
            if std::mem::replace(&mut on[place], true) {
                break;
            }
            at = self.parent(place);
        }
        on
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(records: &[(&'static str, Option<&'static str>)], continued: bool) -> Tree<'static> {
        let mut tree = Tree::new(continued);
        for (uuid, parent) in records {
            tree.push(Cow::Borrowed(uuid), parent.map(Cow::Borrowed));
        }
        tree
    }

    #[test]
    fn a_branch_that_was_rewound_away_is_off_the_line() {
        let tree = tree(&[("a", None), ("b", Some("a")), ("c", Some("b")), ("d", Some("a"))], false);
        assert_eq!(tree.line(Some(3)), [true, false, false, true]);
        assert_eq!(tree.line(Some(2)), [true, true, true, false]);
        assert_eq!(tree.line(None), [false; 4]);
    }

    #[test]
    fn a_missing_parent_is_the_record_before_unless_the_stretch_is_a_later_one() {
        let records = [("a", None), ("b", Some("gone")), ("c", Some("b"))];
        assert_eq!(tree(&records, false).line(Some(2)), [true, true, true]);
        assert_eq!(tree(&records, true).line(Some(2)), [false, true, true]);
    }

    #[test]
    fn a_ring_of_parents_ends() {
        assert_eq!(tree(&[("a", Some("b")), ("b", Some("a"))], false).line(Some(1)), [true, true]);
    }
}

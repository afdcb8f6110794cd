//! What a session changed from its first checkpoint to now, file by file, carried on from one save to the next: a save
//! compares what changed since the one before, however much the session changed by then.
//!
//! May be forgotten at any time: then all is compared anew, and says the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::RepoPath;
use crate::features::patch::{FileDiff, LineCount, Side};
use crate::git::{Error, FileMode, Objects, Oid, Result, tree};

/// More files are not carried on: reading their list would take as long as comparing the trees.
pub const CARRIED: usize = 2_000;

/// The changes between two trees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Changes {
    /// The tree before.
    pub base: Oid,
    /// The tree after.
    pub tree: Oid,
    /// Each file that differs, by path.
    pub files: BTreeMap<RepoPath, Change>,
}

/// How one file differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Before; `None` where it was not there.
    pub old: Option<Entry>,
    /// After; `None` where it is gone.
    pub new: Option<Entry>,
    /// Its part of a patch, once that was asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub part: Option<Part>,
}

/// An entry of a tree: mode and object, as git writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    mode: u32,
    oid: Oid,
}

/// One file's part of a patch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Bytes of both sides.
    pub compared: u64,
    /// Lines that came.
    pub added: usize,
    /// Lines that went.
    pub removed: usize,
    /// The unified diff; absent where the patch was full before it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub patch: Option<String>,
}

impl Changes {
    /// The changes from `base` to `tree`: made of the known ones where those have the same base.
    pub fn between(objects: &Objects, base: Oid, tree: Oid, known: Option<Self>) -> Result<Self> {
        let none = Self { base, tree: base, files: BTreeMap::new() };
        match known {
            Some(known) if known.base == base => match known.carry_on(objects, tree) {
                // What a session that was removed left may be gone.
                Err(Error::Missing { .. }) => none.carry_on(objects, tree),
                carried => carried,
            },
            _ => none.carry_on(objects, tree),
        }
    }

    fn carry_on(self, objects: &Objects, tree: Oid) -> Result<Self> {
        if self.tree == tree {
            return Ok(self);
        }
        let mut changes = self;
        for change in tree::diff(objects, changes.tree, tree)? {
            // What did not differ before is in the base as it was.
            let old = match changes.files.remove(&change.path) {
                Some(known) => known.old,
                None => change.old.map(Entry::of),
            };
            let new = change.new.map(Entry::of);
            if old != new {
                changes.files.insert(change.path, Change { old, new, part: None });
            }
        }
        changes.tree = tree;
        Ok(changes)
    }
}

impl Change {
    /// Its part of a patch, with the text where that is `wanted`. Compared only where it is not known.
    pub fn part(&mut self, objects: &Objects, path: &RepoPath, wanted: bool) -> Result<&Part> {
        let part = match self.part.take() {
            Some(part) if part.patch.is_some() || !wanted => part,
            _ => {
                let (old, new) = (content(objects, self.old)?, content(objects, self.new)?);
                let sides = [&old, &new].into_iter().flatten().filter(|(mode, _)| mode.is_blob());
                let compared = sides.map(|(_, bytes)| bytes.len() as u64).sum();
                let diff = FileDiff { path, old: side(&old), new: side(&new) };
                let LineCount { added, removed } = diff.line_count().unwrap_or_default();
                let patch = wanted.then(|| String::from_utf8_lossy(&diff.patch()).into_owned());
                Part { compared, added, removed, patch }
            }
        };
        Ok(self.part.insert(part))
    }

    /// Bytes of both sides.
    pub fn size(&self, objects: &Objects) -> Result<u64> {
        if let Some(part) = &self.part {
            return Ok(part.compared);
        }
        let mut bytes = 0;
        for entry in [self.old, self.new].into_iter().flatten() {
            bytes += if entry.mode()?.is_blob() { objects.blob_size(entry.oid)? } else { 0 };
        }
        Ok(bytes)
    }
}

impl Entry {
    fn of((mode, oid): (FileMode, Oid)) -> Self {
        Self { mode: mode.raw(), oid }
    }

    fn mode(self) -> Result<FileMode> {
        FileMode::from_raw(self.mode)
    }
}

fn side(content: &Option<(FileMode, Vec<u8>)>) -> Option<Side<'_>> {
    content.as_ref().map(|(mode, bytes)| Side::new(*mode, bytes))
}

fn content(objects: &Objects, entry: Option<Entry>) -> Result<Option<(FileMode, Vec<u8>)>> {
    let Some(entry) = entry else { return Ok(None) };
    let mode = entry.mode()?;
    let bytes = if mode.is_blob() {
        objects.read_blob(entry.oid)?
    } else {
        format!("Subproject commit {}\n", entry.oid).into_bytes()
    };
    Ok(Some((mode, bytes)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::features::state::git_diff;
    use crate::git::matrix::Bench;

    /// Few paths, among them one that is a file in one tree and a folder in the next.
    const PATHS: [&str; 6] = ["a", "a/x", "b", "d/one", "d/two", "d/e/three"];

    fn trees(objects: &Objects, steps: &[Vec<(usize, Option<u8>)>]) -> Vec<Oid> {
        let mut tree = objects.format().empty_tree();
        let step = |edits: &Vec<(usize, Option<u8>)>| {
            let edit = |(at, content): &(usize, Option<u8>)| {
                let blob = |text: u8| objects.write_blob(format!("{text}\nsame\n").as_bytes()).expect("writes");
                let path = RepoPath::new(PATHS[*at]).expect("a path");
                (path, content.map(|text| (FileMode::File, blob(text))))
            };
            tree = tree::edit(objects, tree, edits.iter().map(edit).collect()).expect("edits");
            tree
        };
        steps.iter().map(step).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn carried_on_they_are_those_made_anew(
            steps in prop::collection::vec(prop::collection::vec((0..PATHS.len(), prop::option::of(0..3_u8)), 0..4), 2..6),
            asked in prop::collection::vec(any::<bool>(), 6),
        ) {
            let bench = Bench::plain();
            let objects = &bench.repo().objects;
            let trees = trees(objects, &steps);
            let mut known = None;
            for (at, tree) in trees.iter().enumerate() {
                let mut carried = Changes::between(objects, trees[0], *tree, known).expect("compares");
                let mut anew = Changes::between(objects, trees[0], *tree, None).expect("compares");
                prop_assert_eq!(git_diff::files(&carried, &[]), git_diff::files(&anew, &[]));
                if asked[at] {
                    let carried = git_diff::make(objects, trees[0], &mut carried, &[]).expect("compares");
                    prop_assert_eq!(carried, git_diff::make(objects, trees[0], &mut anew, &[]).expect("compares"));
                }
                let kept = serde_json::to_vec(&carried).expect("encodes");
                known = Some(serde_json::from_slice(&kept).expect("decodes"));
            }
        }
    }

    #[test]
    fn carried_on_only_what_is_new_is_read_and_a_tree_that_is_gone_is_no_fault() {
        let bench = Bench::plain();
        let objects = &bench.repo().objects;
        let all: Vec<_> = (0..PATHS.len()).filter(|at| *at != 1).map(|at| (at, Some(1))).collect();
        let trees = trees(objects, &[Vec::new(), all, vec![(2, Some(2))]]);
        let mut known = Changes::between(objects, trees[0], trees[1], None).expect("compares");
        git_diff::make(objects, trees[0], &mut known, &[]).expect("compares");
        let objects = &bench.repo().objects;
        let mut carried = Changes::between(objects, trees[0], trees[2], Some(known.clone())).expect("compares");
        let diff = git_diff::make(objects, trees[0], &mut carried, &[]).expect("compares");
        assert_eq!(objects.cost().reads, 3, "two trees and the blob that is new");
        assert!(diff.patch.contains("+2\n") && diff.patch.contains("+1\n"), "{}", diff.patch);
        known.tree = objects.hash_blob(b"never written").expect("hashes");
        let anew = Changes::between(objects, trees[0], trees[2], Some(known)).expect("compares");
        assert_eq!(git_diff::files(&anew, &[]), git_diff::files(&carried, &[]));
    }
}

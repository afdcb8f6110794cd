//! What differs between two trees, level by level: the folders of a level are read in parallel, equal ones not at all.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use bstr::BStr;

use super::tree::{Entry, TreeChange, check_depth, child};
use super::tree_codec::{self, RawEntry};
use super::{FileMode, Objects, Oid, Result};
use crate::base::RepoPath;

/// So many changes are kept: a command compares the same trees for its plan, for the state and for the checkpoint.
const KEPT: usize = 10_000;

/// The files that differ, in the order of their paths' bytes. A change between file and folder gives a removal and additions.
///
/// # Errors
/// A tree that is missing or damaged.
pub fn diff(objects: &Objects, old: Oid, new: Oid) -> Result<Vec<TreeChange>> {
    if let Some((trees, changes)) = &*objects.compared.borrow()
        && *trees == (old, new)
    {
        return Ok(changes.clone());
    }
    let changes = compare(objects, old, new)?;
    if changes.len() <= KEPT {
        objects.compared.replace(Some(((old, new), changes.clone())));
    }
    Ok(changes)
}

fn compare(objects: &Objects, old: Oid, new: Oid) -> Result<Vec<TreeChange>> {
    let mut changes = Vec::new();
    let root = |oid| Some((FileMode::Tree, oid));
    let mut level = vec![(None, root(old), root(new))];
    level.retain(|(_, old, new)| old != new);
    for depth in 0.. {
        if level.is_empty() {
            break;
        }
        let trees = level.iter().flat_map(|(_, old, new)| [tree_of(*old), tree_of(*new)]).flatten();
        objects.read_ahead(&trees.collect::<Vec<_>>())?;
        let mut below = Vec::new();
        for (path, old, new) in &level {
            for (path, old, new) in pairs(objects, path.as_ref(), (*old, *new), depth)? {
                let is_file = |entry: &(FileMode, Oid)| entry.0 != FileMode::Tree;
                let files = (old.filter(is_file), new.filter(is_file));
                if files != (None, None) {
                    changes.push(TreeChange { path: path.clone(), old: files.0, new: files.1 });
                }
                if tree_of(old).or(tree_of(new)).is_some() {
                    below.push((Some(path), old, new));
                }
            }
        }
        level = below;
    }
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(changes)
}

fn tree_of(entry: Entry) -> Option<Oid> {
    entry.filter(|(mode, _)| *mode == FileMode::Tree).map(|(_, oid)| oid)
}

/// The entries that differ in one folder.
fn pairs(
    objects: &Objects,
    folder: Option<&RepoPath>,
    (old, new): (Entry, Entry),
    depth: usize,
) -> Result<Vec<(RepoPath, Entry, Entry)>> {
    let none = objects.format().empty_tree();
    let (old, new) = (tree_of(old).unwrap_or(none), tree_of(new).unwrap_or(none));
    check_depth(old, depth)?;
    check_depth(new, depth)?;
    let (old_bytes, new_bytes) = (objects.tree_bytes(old)?, objects.tree_bytes(new)?);
    let pairs = differing((old, &old_bytes), (new, &new_bytes))?.into_iter();
    let pairs = pairs.filter(|(_, (old, new))| old != new);
    pairs.map(|(name, (old, new))| Ok((child(folder, name.to_owned())?, old, new))).collect()
}

/// The names whose entries may differ in two trees. Nearly all entries are the same bytes in the same order, and those are
/// passed over without being taken apart.
fn differing<'t>(
    (old_tree, mut old): (Oid, &'t [u8]),
    (new_tree, mut new): (Oid, &'t [u8]),
) -> Result<BTreeMap<&'t BStr, (Entry, Entry)>> {
    let mut pairs: BTreeMap<&BStr, (Entry, Entry)> = BTreeMap::new();
    let entry = |raw: &RawEntry<'_>| Ok::<_, super::Error>(Some((raw.mode()?, raw.oid()?)));
    loop {
        let sides = (tree_codec::first(old_tree, old)?, tree_codec::first(new_tree, new)?);
        let order = match &sides {
            (None, None) => return Ok(pairs),
            (Some((a, _)), Some((b, _))) if a.bytes == b.bytes => {
                (old, new) = (&old[a.bytes.len()..], &new[b.bytes.len()..]);
                continue;
            }
            (Some((a, _)), Some((b, _))) => a.cmp_name(b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
        };
        if let Some((raw, rest)) = sides.0.filter(|_| order.is_le()) {
            pairs.entry(raw.name).or_default().0 = entry(&raw)?;
            old = rest;
        }
        if let Some((raw, rest)) = sides.1.filter(|_| order.is_ge()) {
            pairs.entry(raw.name).or_default().1 = entry(&raw)?;
            new = rest;
        }
    }
}

//! What differs between two trees, level by level: the folders of a level are read in parallel, equal ones not at all.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use bstr::BStr;

use super::tree::{Entry, TreeChange, check_depth, child};
use super::tree_codec::{self, RawEntry};
use super::{Error, FileMode, Objects, Oid, Result};
use crate::base::RepoPath;

/// More folders on one level are those of a tree that was made to exhaust the memory.
const WIDEST: usize = 2_000_000;

/// The files that differ, in the order of their paths' bytes. A change between file and folder gives a removal and additions.
///
/// # Errors
/// A tree that is missing or damaged.
pub fn diff(objects: &Objects, old: Oid, new: Oid) -> Result<Vec<TreeChange>> {
    if let Some(changes) = objects.kept.borrow().compared((old, new)) {
        return Ok(changes);
    }
    let changes = compare(objects, old, new)?;
    objects.kept.borrow_mut().keep_compared((old, new), &changes);
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
        if below.len() > WIDEST {
            let problem = format!("trees {old} and {new}: they differ in more folders than any work tree has");
            return Err(Error::Damaged { what: problem });
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

/// The bytes of a tree, and its id for messages.
type Tree<'t> = (Oid, &'t [u8]);

/// Names and what they are on either side.
type Pairs<'t> = BTreeMap<&'t BStr, (Entry, Entry)>;

/// The names whose entries may differ in two trees. Nearly all entries are the same bytes in the same order, and those are
/// passed over without being taken apart.
fn differing<'t>(old: Tree<'t>, new: Tree<'t>) -> Result<Pairs<'t>> {
    let mut pairs = Pairs::new();
    let (mut rests, mut lasts) = ([old.1, new.1], [None, None]);
    loop {
        let firsts = [tree_codec::first(old.0, rests[0])?, tree_codec::first(new.0, rests[1])?];
        let order = match &firsts {
            [None, None] => return Ok(pairs),
            [Some((a, _)), Some((b, _))] => a.cmp_name(b),
            [Some(_), None] => Ordering::Less,
            [None, Some(_)] => Ordering::Greater,
        };
        let is_same = matches!(&firsts, [Some((a, _)), Some((b, _))] if a.bytes == b.bytes);
        let is_next = [order.is_le(), order.is_ge()];
        for (side, first) in firsts.into_iter().enumerate() {
            let Some((raw, rest)) = first.filter(|_| is_next[side]) else { continue };
            if !is_same {
                put(&mut pairs, side, &raw)?;
            }
            if !is_behind(&mut lasts[side], raw) {
                return by_name(old, new);
            }
            rests[side] = rest;
        }
    }
}

/// Notes what a name is on a side: 0 the old one, 1 the new one.
fn put<'t>(pairs: &mut Pairs<'t>, side: usize, raw: &RawEntry<'t>) -> Result<()> {
    let pair = pairs.entry(raw.name).or_default();
    *(if side == 0 { &mut pair.0 } else { &mut pair.1 }) = Some((raw.mode()?, raw.oid()?));
    Ok(())
}

/// Whether an entry comes behind the last one, which it then is.
fn is_behind<'t>(last: &mut Option<RawEntry<'t>>, next: RawEntry<'t>) -> bool {
    let last = last.replace(next);
    last.is_none_or(|last| last.cmp_name(&next) == Ordering::Less)
}

/// The same of trees that are not in git's order, as old programs wrote some. Of a name that is there twice the last counts.
fn by_name<'t>(old: Tree<'t>, new: Tree<'t>) -> Result<Pairs<'t>> {
    let mut pairs = Pairs::new();
    for (side, (tree, mut rest)) in [old, new].into_iter().enumerate() {
        while let Some((raw, after)) = tree_codec::first(tree, rest)? {
            put(&mut pairs, side, &raw)?;
            rest = after;
        }
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::matrix::Bench;

    #[test]
    fn trees_out_of_order_or_with_a_name_twice_are_compared_by_name() {
        let bench = Bench::plain();
        let objects = &bench.repo().objects;
        let [one, two] = [b"1", b"2"].map(|blob| objects.write_blob(blob).expect("writes"));
        let tree = |entries: &[(&str, Oid)]| {
            let raw =
                entries.iter().flat_map(|(name, oid)| [b"100644 ", name.as_bytes(), b"\0", oid.as_bytes()].concat());
            let bytes: Vec<u8> = raw.collect();
            let git = bench.git_with(&["hash-object", "-t", "tree", "--literally", "-w", "--stdin"], bytes);
            Oid::parse(String::from_utf8_lossy(&git).trim()).expect("an id")
        };
        let sorted = tree(&[("a", one), ("b", one)]);
        let change = |path: &str, old, new| TreeChange {
            path: RepoPath::new(path).expect("a path"),
            old: Some((FileMode::File, old)),
            new: Some((FileMode::File, new)),
        };
        for (other, expected) in [
            (tree(&[("b", one), ("a", one)]), vec![]),
            (tree(&[("b", two), ("a", one)]), vec![change("b", one, two)]),
            (tree(&[("a", one), ("a", two), ("b", one)]), vec![change("a", one, two)]),
        ] {
            assert_eq!(diff(objects, sorted, other).expect("compares"), expected);
            assert_eq!(diff(objects, other, sorted).expect("compares").len(), expected.len());
        }
    }
}

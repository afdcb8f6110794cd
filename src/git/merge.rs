//! Three-way merge of trees, by libgit2; nothing but objects is written.

use super::{Error, Objects, Oid, Result};
use crate::base::RepoPath;

/// What a merge came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merged {
    /// A tree without conflicts.
    Clean(Oid),
    /// Paths that both sides changed in different ways, in order.
    Conflicts(Vec<RepoPath>),
}

/// Merges `ours` and `theirs`, which both come from `base`. Renames are followed.
pub fn trees(objects: &Objects, base: Oid, ours: Oid, theirs: Oid) -> Result<Merged> {
    let failed = || Error::libgit2(format!("merge the trees {ours} and {theirs}"));
    let repo = &objects.repo;
    // The empty tree needs no object to be named, but one to be found.
    for tree in [base, ours, theirs] {
        if tree == objects.format().empty_tree() && !objects.exists(tree) {
            objects.write_tree(&[])?;
        }
    }
    let tree = |oid: Oid| repo.find_tree(oid.git2()?).map_err(failed());
    let mut index = repo.merge_trees(&tree(base)?, &tree(ours)?, &tree(theirs)?, None).map_err(failed())?;
    if !index.has_conflicts() {
        return Ok(Merged::Clean(Oid::from_git2(index.write_tree_to(repo).map_err(failed())?)));
    }
    let mut paths = Vec::new();
    for conflict in index.conflicts().map_err(failed())? {
        let conflict = conflict.map_err(failed())?;
        let entry = conflict.our.or(conflict.their).or(conflict.ancestor);
        paths.extend(entry.map(|e| RepoPath::new(e.path)).transpose()?);
    }
    paths.sort();
    paths.dedup();
    Ok(Merged::Conflicts(paths))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::FileMode;
    use crate::git::matrix::Bench;
    use crate::git::tree::edit;

    #[test]
    fn changes_to_different_lines_merge_and_to_the_same_line_conflict() {
        let bench = Bench::plain();
        let repo = bench.repo();
        let objects = &repo.objects;
        let tree = |text: &str| {
            let blob = objects.write_blob(text.as_bytes()).expect("writes");
            let path = RepoPath::new("f").expect("a valid path");
            edit(objects, objects.format().empty_tree(), vec![(path, Some((FileMode::File, blob)))]).expect("edits")
        };
        let (base, ours) = (tree("a\nb\nc\nd\ne\n"), tree("A\nb\nc\nd\ne\n"));
        assert_eq!(
            trees(objects, base, ours, tree("a\nb\nc\nd\nE\n")).expect("merges"),
            Merged::Clean(tree("A\nb\nc\nd\nE\n"))
        );
        let conflict = trees(objects, base, ours, tree("X\nb\nc\nd\ne\n")).expect("merges");
        assert_eq!(conflict, Merged::Conflicts(vec![RepoPath::new("f").expect("a valid path")]));
    }

    #[test]
    fn trees_merge_in_every_kind_of_repository() {
        for bench in Bench::all() {
            let repo = bench.repo();
            let empty = repo.objects.format().empty_tree();
            assert_eq!(trees(&repo.objects, empty, empty, empty).expect("merges"), Merged::Clean(empty));
        }
    }
}

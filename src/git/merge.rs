//! Three-way merge of trees, by libgit2; nothing but objects is written.

use std::collections::BTreeMap;

use super::{Error, FileMode, Objects, Oid, Result, tree};
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
    let because = |error: Error| unreadable(objects, base, [ours, theirs]).err().unwrap_or(error);
    let merged = repo.merge_trees(&tree(base)?, &tree(ours)?, &tree(theirs)?, None);
    let mut index = merged.map_err(failed()).map_err(because)?;
    if !index.has_conflicts() {
        let merged = Oid::from_git2(index.write_tree_to(repo).map_err(failed()).map_err(because)?);
        objects.written_by_libgit2()?;
        let unsaid = unsaid_conflicts(objects, base, [ours, theirs], merged)?;
        return Ok(if unsaid.is_empty() { Merged::Clean(merged) } else { Merged::Conflicts(unsaid) });
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

/// Why a merge failed, where a content that it is about is missing or damaged: libgit2 does not say which.
fn unreadable(objects: &Objects, base: Oid, sides: [Oid; 2]) -> Result<()> {
    let reader = objects.reader()?;
    for side in sides {
        for change in tree::diff(objects, base, side)? {
            for (mode, oid) in [change.old, change.new].into_iter().flatten() {
                if mode.is_blob() {
                    reader.copy_blob::<Error>(oid, &mut |_| Ok(()))?;
                }
            }
        }
    }
    Ok(())
}

/// Conflicts that libgit2 takes for none. A file and a folder of one name, where a removal lies between them: it lets one of
/// them fall. One content that each side added with another mode: it takes the one.
fn unsaid_conflicts(objects: &Objects, base: Oid, sides: [Oid; 2], merged: Oid) -> Result<Vec<RepoPath>> {
    let mut found = Vec::new();
    let mut modes = BTreeMap::new();
    for side in sides {
        for change in tree::diff(objects, base, side)? {
            let Some((mode, _)) = change.new else { continue };
            let at = tree::lookup(objects, merged, &change.path)?;
            let mut is_lost = at.is_some_and(|(mode, _)| mode == FileMode::Tree);
            for above in change.path.ancestors() {
                is_lost |= tree::lookup(objects, merged, &above)?.is_some_and(|(mode, _)| mode != FileMode::Tree);
            }
            if change.old.is_none() {
                is_lost |= modes.insert(change.path.clone(), mode).is_some_and(|other| other != mode);
            }
            if is_lost {
                found.push(change.path);
            }
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
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

    /// A tree of few paths that are in each other's way; `None`: not there. No two contents are alike, so nothing is a rename.
    fn plant(objects: &Objects, values: &[Option<u8>]) -> Oid {
        let paths = ["a", "d", "d/x", "d/y", "d/y/z", "e", "run"];
        let mut edits = Vec::new();
        for (path, value) in paths.iter().zip(values) {
            let Some(value) = value else { continue };
            let lines = |n: u8, count: u8| format!("{path} {n}\n").repeat(usize::from(count) + 1);
            let text = [lines(1, value & 1), lines(2, 7), lines(3, (value >> 1) & 1)].concat();
            let blob = objects.write_blob(text.as_bytes()).expect("writes");
            let mode = if value & 4 == 0 { FileMode::File } else { FileMode::Executable };
            edits.push((RepoPath::new(*path).expect("a path"), Some((mode, blob))));
        }
        edit(objects, objects.format().empty_tree(), edits).expect("edits")
    }

    #[test]
    fn any_three_trees_merge_as_git_merges_them_or_conflict_where_it_does() {
        use proptest::prelude::*;
        let bench = Bench::plain();
        let repo = bench.repo();
        let objects = &repo.objects;
        let value = || prop_oneof![2 => Just(None), 3 => (0..8_u8).prop_map(Some)];
        // Sides that changed little are the usual case.
        let side = || proptest::collection::vec(proptest::option::weighted(0.3, value()), 7);
        let config = ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() };
        let counts = std::cell::Cell::new((0, 0));
        let ran = proptest::test_runner::TestRunner::new(config).run(
            &(proptest::collection::vec(value(), 7), side(), side()),
            |(base, ours, theirs)| {
                let changed = |side: &[Option<Option<u8>>]| -> Vec<Option<u8>> {
                    base.iter().zip(side).map(|(old, new)| new.unwrap_or(*old)).collect()
                };
                let [base, ours, theirs] = [base.clone(), changed(&ours), changed(&theirs)].map(|v| plant(objects, &v));
                let mut command = std::process::Command::new("git");
                command.current_dir(&bench.top).args(["-c", "merge.renames=false", "merge-tree", "--write-tree"]);
                command.arg("--merge-base").args([base, ours, theirs].map(|tree| tree.to_string()));
                let out = command.output().expect("git runs");
                let by_git = String::from_utf8_lossy(&out.stdout);
                let by_git = out.status.success().then(|| by_git.lines().next().unwrap_or_default().to_owned());
                let (clean, conflicts) = counts.get();
                match trees(objects, base, ours, theirs).expect("merges") {
                    Merged::Clean(tree) => {
                        counts.set((clean + 1, conflicts));
                        prop_assert_eq!(Some(tree.to_string()), by_git);
                    }
                    Merged::Conflicts(paths) => {
                        counts.set((clean, conflicts + 1));
                        prop_assert_eq!((by_git, paths.is_empty()), (None, false));
                    }
                }
                Ok(())
            },
        );
        assert!(ran.is_ok(), "{ran:?}");
        assert!(counts.get().0 > 5 && counts.get().1 > 5, "clean, conflicts: {:?}", counts.get());
    }
}

//! Trees by path: look up, list, edit, compare, without an index and touching only the folders concerned.

use std::collections::BTreeMap;

use bstr::{BStr, BString};

use super::{Error, FileMode, Objects, Oid, Result};
use crate::base::RepoPath;

/// One entry of one tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// Name, one part of a path.
    pub name: BString,
    /// Mode.
    pub mode: FileMode,
    /// Object.
    pub oid: Oid,
}

/// How a path differs between two trees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeChange {
    /// Which file (never a folder).
    pub path: RepoPath,
    /// Before; `None` where it was not there.
    pub old: Option<(FileMode, Oid)>,
    /// After; `None` where it is gone.
    pub new: Option<(FileMode, Oid)>,
}

pub use super::tree_diff::diff;

/// What a path of a tree shall become.
pub type Edit = (RepoPath, Option<(FileMode, Oid)>);

pub(super) type Entry = Option<(FileMode, Oid)>;

/// Deeper than any path that the operating system takes; a tree made to exhaust the stack ends here.
const DEEPEST: usize = 2048;

/// The entry at `path` below `root` (file, link, gitlink or folder); `None` where there is none.
pub fn lookup(objects: &Objects, root: Oid, path: &RepoPath) -> Result<Option<(FileMode, Oid)>> {
    let mut at = (FileMode::Tree, root);
    for part in path.parts() {
        if at.0 != FileMode::Tree {
            return Ok(None);
        }
        let Some(entry) = objects.tree_names(at.1)?.find(part)? else { return Ok(None) };
        at = entry;
    }
    Ok(Some(at))
}

/// All files below `root` (recursively; no folders), in the order of their paths' bytes.
pub fn list_files(objects: &Objects, root: Oid) -> Result<Vec<(RepoPath, FileMode, Oid)>> {
    let mut found = Vec::new();
    list_below(objects, root, None, 0, &mut found)?;
    Ok(found)
}

fn list_below(
    objects: &Objects,
    tree: Oid,
    folder: Option<&RepoPath>,
    depth: usize,
    found: &mut Vec<(RepoPath, FileMode, Oid)>,
) -> Result<()> {
    check_depth(tree, depth)?;
    // git's order of entries is that of the paths below them.
    for entry in objects.read_tree(tree)? {
        let path = child(folder, entry.name)?;
        if entry.mode == FileMode::Tree {
            list_below(objects, entry.oid, Some(&path), depth + 1, found)?;
        } else {
            found.push((path, entry.mode, entry.oid));
        }
    }
    Ok(())
}

pub(super) fn child(folder: Option<&RepoPath>, name: BString) -> Result<RepoPath> {
    Ok(match folder {
        Some(folder) => folder.join(&name)?,
        None => RepoPath::new(name)?,
    })
}

pub(super) fn check_depth(tree: Oid, depth: usize) -> Result<()> {
    if depth > DEEPEST {
        return Err(Error::Damaged { what: format!("tree {tree}: it is deeper than any path can be") });
    }
    Ok(())
}

/// The tree that `base` becomes when `edits` are applied in their order: `Some` sets a path (making folders, replacing a
/// file that is in the way of a folder and a folder that is in the way of a file), `None` removes it (no error where
/// absent). Folders that become empty vanish. An edit may also set or remove a whole folder (`FileMode::Tree`). An edit that a
/// later one of the same path, or of a folder above it, supersedes does not count. Only changed folders are read and written.
pub fn edit(objects: &Objects, base: Oid, edits: Vec<Edit>) -> Result<Oid> {
    let mut root = Node::default();
    for (path, value) in edits {
        let node = path.parts().fold(&mut root, |node, part| node.child(part));
        *node = Node { set: Some(value), below: BTreeMap::new() };
    }
    let result = apply(objects, &root, Some((FileMode::Tree, base)))?;
    match result {
        Some((_, oid)) => Ok(oid),
        None => objects.write_tree(&[]),
    }
}

/// Edits by part of path. `set` comes before what is `below`.
#[derive(Default)]
struct Node {
    set: Option<Entry>,
    below: BTreeMap<BString, Node>,
}

impl Node {
    fn child(&mut self, part: &BStr) -> &mut Self {
        self.below.entry(part.to_owned()).or_default()
    }
}

/// What an entry becomes; `None`: nothing is there any more.
fn apply(objects: &Objects, node: &Node, base: Entry) -> Result<Entry> {
    let base =
        node.set.unwrap_or(base).filter(|(mode, oid)| *mode != FileMode::Tree || *oid != objects.format().empty_tree());
    if node.below.is_empty() {
        return Ok(base);
    }
    let folder = base.filter(|(mode, _)| *mode == FileMode::Tree);
    let old = folder.map(|(_, oid)| objects.read_tree(oid)).transpose()?.unwrap_or_default();
    let mut entries: BTreeMap<BString, (FileMode, Oid)> = old.into_iter().map(|e| (e.name, (e.mode, e.oid))).collect();
    let mut changed = false;
    for (name, node) in &node.below {
        let before = entries.get(name).copied();
        let after = apply(objects, node, before)?;
        if before == after {
            continue;
        }
        changed = true;
        match after {
            Some(entry) => entries.insert(name.clone(), entry),
            None => entries.remove(name),
        };
    }
    // Removals below a file leave the file: there was nothing to remove.
    if !changed {
        return Ok(base);
    }
    if entries.is_empty() {
        return Ok(None);
    }
    let entries: Vec<_> = entries.into_iter().map(|(name, (mode, oid))| TreeEntry { name, mode, oid }).collect();
    Ok(Some((FileMode::Tree, objects.write_tree(&entries)?)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::git::matrix::Bench;

    fn path(text: &str) -> RepoPath {
        RepoPath::new(text).expect("a path")
    }

    type Model = BTreeMap<String, (FileMode, Oid)>;

    /// What `edit` promises, on paths.
    fn edit_model(model: &mut Model, path: &str, value: Option<(FileMode, Oid)>) {
        model.retain(|p, _| p != path && !p.starts_with(&format!("{path}/")));
        if let Some(value) = value {
            for (at, _) in path.match_indices('/') {
                model.remove(&path[..at]);
            }
            model.insert(path.to_owned(), value);
        }
    }

    fn listed(objects: &Objects, tree: Oid) -> Model {
        let files = list_files(objects, tree).expect("lists");
        assert!(files.is_sorted_by(|a, b| a.0 < b.0), "in the order of paths");
        files.into_iter().map(|(p, m, o)| (p.to_string(), (m, o))).collect()
    }

    fn git_tree(bench: &Bench, model: &Model) -> String {
        bench.git(&["read-tree", "--empty"]);
        let lines: String = model.iter().map(|(p, (m, o))| format!("{} {o}\t{p}\n", m.octal())).collect();
        bench.git_with(&["update-index", "--index-info"], lines.into_bytes());
        bench.git(&["write-tree"])
    }

    #[test]
    fn edits_diffs_and_lists_are_those_of_a_map_and_of_git() {
        let bench = Bench::plain();
        let repo = bench.repo();
        let objects = &repo.objects;
        let blobs: Vec<Oid> = (0..3_u8).map(|n| objects.write_blob(&[n]).expect("writes")).collect();
        let name = prop::sample::select(vec!["a", "b", "a.b", "a-b", "c"]);
        let paths = prop::collection::vec(name, 1..4).prop_map(|parts| parts.join("/"));
        let modes = prop::sample::select(vec![FileMode::File, FileMode::Executable, FileMode::Symlink]);
        let value = prop::option::weighted(0.7, (modes, prop::sample::select(blobs)));
        let edits = prop::collection::vec((paths, value), 0..12);
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
            cases: 120,
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        runner
            .run(&(edits.clone(), edits), |(first, second)| {
                let mut model = Model::new();
                let mut tree = objects.format().empty_tree();
                let mut before = (tree, model.clone());
                for step in [first, second] {
                    before = (tree, model.clone());
                    for (at, (p, v)) in step.iter().enumerate() {
                        let superseded =
                            |(later, _): &(String, Option<_>)| format!("{p}/").starts_with(&format!("{later}/"));
                        if !step[at + 1..].iter().any(superseded) {
                            edit_model(&mut model, p, *v);
                        }
                    }
                    tree = edit(objects, tree, step.iter().map(|(p, v)| (path(p), *v)).collect()).expect("edits");
                    prop_assert_eq!(&listed(objects, tree), &model);
                }
                prop_assert_eq!(tree.to_string(), git_tree(&bench, &model));
                let changes = diff(objects, before.0, tree).expect("compares");
                prop_assert!(changes.is_sorted_by(|a, b| a.path < b.path));
                for change in &changes {
                    let path = change.path.to_string();
                    prop_assert_eq!(change.old, before.1.get(&path).copied());
                    prop_assert_eq!(change.new, model.get(&path).copied());
                    prop_assert_ne!(change.old, change.new);
                }
                let differing = before.1.keys().chain(model.keys()).collect::<std::collections::BTreeSet<_>>();
                let differing = differing.into_iter().filter(|p| before.1.get(*p) != model.get(*p)).count();
                prop_assert_eq!(changes.len(), differing);
                let applied: Vec<Edit> = changes.into_iter().map(|c| (c.path, c.new)).collect();
                prop_assert_eq!(edit(objects, before.0, applied).expect("edits"), tree, "a diff is a list of edits");
                for (p, entry) in &model {
                    prop_assert_eq!(lookup(objects, tree, &path(p)).expect("looks"), Some(*entry));
                }
                Ok(())
            })
            .expect("holds for all");
    }

    #[test]
    fn many_paths_of_one_large_directory_read_its_tree_once() {
        let bench = Bench::plain();
        let repo = bench.repo();
        let objects = &repo.objects;
        let blob = objects.write_blob(b"x").expect("writes");
        let names: Vec<String> = (0..6_000).map(|n| format!("d/a-file-of-this-directory-{n:05}")).collect();
        let edits = names.iter().map(|name| (path(name), Some((FileMode::File, blob)))).collect();
        let tree = edit(objects, objects.format().empty_tree(), edits).expect("edits");
        let other = bench.repo();
        let before = other.objects.cost().reads;
        for name in &names {
            assert_eq!(lookup(&other.objects, tree, &path(name)).expect("looks"), Some((FileMode::File, blob)));
        }
        assert_eq!(lookup(&other.objects, tree, &path("d/a")).expect("looks"), None);
        assert_eq!(other.objects.cost().reads - before, 2, "the root and the directory");
    }

    #[test]
    fn whole_folders_are_set_and_removed() {
        let bench = Bench::plain();
        let repo = bench.repo();
        let objects = &repo.objects;
        let head = objects.read_commit(repo.head().expect("reads").commit.expect("born")).expect("reads").tree;
        let dir = lookup(objects, head, &path("dir")).expect("looks").expect("is there");
        let moved = edit(objects, head, vec![(path("dir"), None), (path("x/y"), Some(dir))]).expect("edits");
        assert_eq!(listed(objects, moved).keys().collect::<Vec<_>>(), ["a", "x/y/b"]);
        let none = edit(objects, moved, vec![(path("x"), None), (path("a"), None)]).expect("edits");
        assert_eq!(none, objects.format().empty_tree());
        let empty = Some((FileMode::Tree, none));
        assert_eq!(edit(objects, moved, vec![(path("x/y"), empty)]).expect("edits"), {
            edit(objects, moved, vec![(path("x"), None)]).expect("edits")
        });
    }
}

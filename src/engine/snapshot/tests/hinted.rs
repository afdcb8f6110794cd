//! Snapshots of named files.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

#[test]
fn a_hinted_snapshot_looks_at_the_named_files_only() {
    let bench = Bench::new(&[]);
    bench.file("a", b"a");
    bench.file("gone", b"g");
    bench.file("kept.log", b"tracked though ignored");
    bench.commit();
    bench.file(".gitignore", b"*.log\n");
    let first = bench.full(None);
    bench.file("a", b"changed");
    bench.file("new/folder/b", b"b");
    bench.file("unnamed", b"u");
    bench.file("x.log", b"ignored");
    bench.file("kept.log", b"changed too");
    fs::remove_file(bench.root.join("gone")).expect("removes");
    let named = ["a", "gone", "new/folder/b", "x.log", "kept.log", "never/was"];
    let hinted = bench.hinted(first.tree, &named);
    assert_eq!(hinted.scope, Scope::Paths);
    assert_eq!(hinted.skipped.only.len(), named.len());
    assert_eq!(hinted.stats.hashed, 3);
    let paths: Vec<_> = [".gitignore", "a", "kept.log", "new/folder/b"].map(|p| p.as_bytes().to_vec()).into();
    assert_eq!(bench.paths(&hinted), paths);
    assert_eq!(bench.entry(&hinted, "a"), Some((FileMode::File, b"changed".to_vec())));
    fs::remove_file(bench.root.join("unnamed")).expect("removes");
    assert_eq!(bench.full(Some(hinted.tree)).tree, hinted.tree);
}

#[test]
fn a_hinted_file_beyond_a_link_or_in_another_repository_is_not_taken() {
    let bench = Bench::new(&[]);
    bench.file("d/f", b"f");
    bench.commit();
    let first = bench.full(None);
    symlink(bench.dir.path(), bench.root.join("out")).expect("links");
    fs::write(bench.dir.path().join("secret"), b"s").expect("writes");
    fs::create_dir(bench.root.join("nested")).expect("makes the folder");
    bench.git_in(&bench.root.join("nested"), None, &["init", "-q"]);
    bench.file("nested/x", b"x");
    assert_eq!(bench.hinted(first.tree, &["out/secret", "nested/x"]).tree, first.tree);
}

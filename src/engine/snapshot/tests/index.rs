//! The user's index: what it vouches for, what is carried over from it, what is told of it.

use std::fs;
use std::process::Command;

use super::*;

#[test]
fn a_clean_checkout_is_vouched_for_by_the_index() {
    let bench = Bench::new(&[]);
    for n in 0..20 {
        bench.file(format!("d{}/f{n}", n % 3), format!("{n}").as_bytes());
    }
    bench.commit();
    assert_eq!(bench.full(None).stats.hashed, 0);
}

#[test]
fn under_attributes_that_convert_the_index_does_not_vouch() {
    let bench = Bench::new(&[]);
    bench.file(".gitattributes", b"*.txt text\n*.id ident\n");
    bench.file("crlf.txt", b"one\r\ntwo\r\n");
    bench.file("v.id", b"$Id$\n");
    bench.commit();
    fs::remove_file(bench.root.join("v.id")).expect("removes");
    bench.git(&["checkout", "-q", "."]);
    let snapshot = bench.full(None);
    let on_disk = fs::read(bench.root.join("v.id")).expect("reads");
    assert!(on_disk.len() > 5, "git expanded it");
    assert_eq!(bench.entry(&snapshot, "v.id"), Some((FileMode::File, on_disk)));
    assert_eq!(bench.entry(&snapshot, "crlf.txt"), Some((FileMode::File, b"one\r\ntwo\r\n".to_vec())));
}

#[test]
fn under_an_eol_attribute_a_converted_file_is_read_and_an_equal_one_is_not() {
    let bench = Bench::new(&[]);
    bench.file(".gitattributes", b"*.txt text\n");
    bench.file("crlf.txt", b"one\r\ntwo\r\n");
    bench.file("lf.txt", b"one\n");
    bench.commit();
    let snapshot = bench.full(None);
    assert_eq!(bench.entry(&snapshot, "crlf.txt"), Some((FileMode::File, b"one\r\ntwo\r\n".to_vec())));
    assert_eq!(snapshot.stats.hashed, 1);
}

#[test]
fn sparse_paths_are_carried_over_and_files_outside_of_the_cone_are_taken() {
    let bench = Bench::new(&[]);
    bench.file("in/a", b"a");
    bench.file("out/b", b"b");
    bench.commit();
    bench.git(&["sparse-checkout", "set", "in"]);
    assert!(!bench.root.join("out/b").exists(), "git took it away");
    let snapshot = bench.full(None);
    assert_eq!(bench.paths(&snapshot), [b"in/a".to_vec(), b"out/b".to_vec()]);
    bench.file("out/new", b"n");
    let snapshot = bench.full(Some(snapshot.tree));
    assert_eq!(bench.paths(&snapshot), [b"in/a".to_vec(), b"out/b".to_vec(), b"out/new".to_vec()]);
    let hinted = bench.hinted(snapshot.tree, &["out/b", "in/a"]);
    assert_eq!(hinted.tree, snapshot.tree);
}

#[test]
fn the_staged_tree_and_conflicts_are_told_where_they_differ_from_head() {
    let bench = Bench::new(&[]);
    bench.file("f", b"base\n");
    bench.commit();
    assert_eq!(bench.full(None).index, IndexState::default());
    bench.file("f", b"staged\n");
    bench.git(&["add", "f"]);
    let staged = Oid::parse(&bench.word(&["write-tree"])).expect("an id");
    for _ in 0..2 {
        assert_eq!(bench.full(None).index, IndexState { staged: Some(staged), ..IndexState::default() });
    }
    bench.git(&["commit", "-q", "-m", "ours"]);
    bench.git(&["checkout", "-q", "-b", "other", "HEAD^"]);
    bench.file("f", b"theirs\n");
    bench.commit();
    let mut merge = Command::new("git");
    merge.current_dir(&bench.root).args(["merge", "-q", "main"]).env("HOME", bench.dir.path());
    merge.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let merge = merge.output().expect("git runs");
    assert!(!merge.status.success(), "a conflict");
    let snapshot = bench.full(None);
    assert!(snapshot.index.conflicts.iter().all(Option::is_some));
    let (_, text) = bench.entry(&snapshot, "f").expect("taken as it is on disk");
    assert!(text.starts_with(b"<<<<<<<"));
}

#[test]
fn an_unborn_and_empty_repository_is_the_empty_tree() {
    let bench = Bench::new(&[]);
    let repo = bench.repo();
    let snapshot = bench.full(None);
    assert_eq!(snapshot.tree, repo.caps.object_format.empty_tree());
    assert_eq!(snapshot.index, IndexState::default());
    bench.file("f", b"f");
    bench.git(&["add", "-N", "f"]);
    let snapshot = bench.full(Some(snapshot.tree));
    assert_eq!(bench.paths(&snapshot), [b"f".to_vec()]);
    bench.git(&["add", "f"]);
    assert_eq!(bench.full(None).index.staged, Some(bench.git_tree()));
}

#[test]
fn attributes_of_the_user_count_too() {
    let bench = Bench::new(&[]);
    let folder = bench.dir.path().join(".config/git");
    fs::create_dir_all(&folder).expect("makes the folder");
    fs::write(folder.join("attributes"), b"*.txt text\n").expect("writes");
    bench.file("crlf.txt", b"one\r\ntwo\r\n");
    bench.commit();
    let snapshot = bench.full(None);
    assert_eq!(bench.entry(&snapshot, "crlf.txt"), Some((FileMode::File, b"one\r\ntwo\r\n".to_vec())));
}

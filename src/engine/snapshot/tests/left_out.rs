//! What a snapshot leaves out, and that it says so.

use std::fs;
use std::process::Command;

use super::*;
use crate::model::SkipReason;

#[test]
fn what_is_no_file_or_no_part_of_the_repository_is_skipped_and_said() {
    let bench = Bench::new(&[]);
    bench.file("f", b"f");
    bench.commit();
    let make = |folder: &str| {
        fs::create_dir_all(bench.root.join(folder)).expect("makes the folder");
        bench.git_in(&bench.root.join(folder), None, &["init", "-q"]);
    };
    make("unborn");
    make("in/born");
    bench.file("in/born/x", b"x");
    let born = bench.root.join("in/born");
    bench.git_in(&born, None, &["add", "x"]);
    bench.git_in(&born, None, &["-c", "user.name=T", "-c", "user.email=t@x", "commit", "-q", "-m", "c"]);
    bench.git(&["worktree", "add", "-q", "trees/linked"]);
    let fifo = Command::new("mkfifo").arg(bench.root.join("fifo")).status().expect("mkfifo runs");
    assert!(fifo.success(), "a FIFO is made");
    bench.file(".GIT/config", b"x");
    bench.file("git~1", b"x");
    bench.file(".session-restore-abc", b"ours");
    bench.file("big", &[0; 2000]);
    for n in 0..5 {
        bench.file(format!("many/{n}"), b"n");
    }
    let snapshot = bench.take(None, &Options { max_file_bytes: 1000, max_untracked_per_folder: 4, ..options() });
    assert_eq!(
        skipped(&snapshot),
        [
            (".GIT", SkipReason::RefusedName),
            ("big", SkipReason::TooLarge),
            ("fifo", SkipReason::Special),
            ("git~1", SkipReason::RefusedName),
            ("many", SkipReason::TooManyFiles),
            ("trees/linked", SkipReason::NestedRepository),
            ("unborn", SkipReason::NestedRepository),
        ]
    );
    assert_eq!(snapshot.skipped.paths[1].bytes, Some(2000));
    assert_eq!(bench.paths(&snapshot), [b"f".to_vec(), b"in/born".to_vec()]);
    let head = String::from_utf8(bench.git_in(&born, None, &["rev-parse", "HEAD"])).expect("text");
    let oid = Oid::parse(head.trim()).expect("an id");
    assert_eq!(bench.entry(&snapshot, "in/born"), Some((FileMode::Gitlink, oid.as_bytes().to_vec())));
}

#[test]
fn without_time_new_files_are_not_searched_and_known_ones_stay() {
    let bench = Bench::new(&[]);
    bench.file("tracked", b"1");
    bench.commit();
    bench.file("known/new", b"n");
    let first = bench.full(None);
    bench.file("tracked", b"2!");
    bench.file("later", b"l");
    fs::remove_file(bench.root.join("known/new")).expect("removes");
    let hurried = bench.take(Some(first.tree), &Options { budget: Some(Duration::ZERO), ..options() });
    assert_eq!(hurried.scope, Scope::Tracked);
    assert_eq!(bench.paths(&hurried), [b"known/new".to_vec(), b"tracked".to_vec()]);
    assert_eq!(bench.entry(&hurried, "tracked"), Some((FileMode::File, b"2!".to_vec())));
    let full = bench.full(Some(hurried.tree));
    assert_eq!(full.tree, bench.git_tree());
}

#[test]
fn a_home_folder_is_refused() {
    let bench = Bench::new(&[]);
    let options = Options { home: Some(bench.root.clone()), ..options() };
    let refused = take(&bench.repo(), None, &options, &Silent);
    assert!(matches!(refused, Err(Error::RootRefused { .. })), "{refused:?}");
    assert!(refuse_root(Path::new("/"), None).is_err());
}

#[test]
fn too_many_files_at_the_top_are_said_as_a_dot() {
    let bench = Bench::new(&[]);
    for n in 0..5 {
        bench.file(format!("{n}"), b"n");
    }
    bench.file("d/f", b"f");
    let snapshot = bench.take(None, &Options { max_untracked_per_folder: 4, ..options() });
    assert_eq!(skipped(&snapshot), [(".", SkipReason::TooManyFiles)]);
    assert_eq!(bench.paths(&snapshot), [b"d/f".to_vec()]);
    assert!(snapshot.skipped.covers(&repo_path("3")) && !snapshot.skipped.covers(&repo_path("d/f")));
}

//! The stat cache: what is not read again, and what must be.

use std::fs;
use std::time::Duration;

use super::*;

#[test]
fn a_second_snapshot_reads_nothing_and_one_changed_file_is_one_read() {
    let bench = Bench::new(&[]);
    awkward(&bench);
    let first = bench.full(None);
    let second = bench.full(Some(first.tree));
    assert_eq!((second.tree, second.stats.files), (first.tree, first.stats.files));
    assert_eq!(second.stats.hashed, links_are_young(&first, &second));
    bench.file("a.txt", b"changed");
    let third = bench.full(Some(first.tree));
    assert_eq!(third.stats.hashed, second.stats.hashed + 1);
    assert_eq!(third.tree, bench.git_tree());
}

/// Links cannot be aged without more machinery: those made within the racy window are read again, and only those.
fn links_are_young(first: &Snapshot, second: &Snapshot) -> u64 {
    assert!(second.stats.hashed <= 2 && first.stats.hashed > 2);
    second.stats.hashed
}

#[test]
fn a_rewrite_of_the_same_size_within_the_racy_window_is_seen() {
    let bench = Bench::new(&[]);
    bench.git(&["config", "core.trustctime", "false"]);
    let path = bench.root.join("f");
    fs::write(&path, b"one").expect("writes");
    let young = fs::metadata(&path).and_then(|m| m.modified()).expect("a time") + Duration::from_secs(60);
    let rewrite = |content: &[u8]| {
        fs::write(&path, content).expect("writes");
        fs::File::open(&path).and_then(|f| f.set_modified(young)).expect("sets the time");
    };
    rewrite(b"one");
    let first = bench.full(None);
    rewrite(b"two");
    let second = bench.full(Some(first.tree));
    assert_eq!(bench.entry(&second, "f"), Some((FileMode::File, b"two".to_vec())));
}

#[test]
fn a_base_that_is_not_the_cached_tree_gives_the_same_tree() {
    let bench = Bench::new(&[]);
    awkward(&bench);
    let empty = bench.repo().caps.object_format.empty_tree();
    let first = bench.full(None);
    let head = Oid::parse(&bench.word(&["rev-parse", "HEAD^{tree}"])).expect("an id");
    bench.file("d/added", b"later");
    for previous in [Some(empty), Some(head), None, Some(first.tree)] {
        assert_eq!(bench.full(previous).tree, bench.git_tree(), "{previous:?}");
    }
    fs::remove_dir_all(bench.root.join(".git/session")).expect("removes the cache");
    assert_eq!(bench.full(Some(first.tree)).tree, bench.git_tree());
}

#[test]
fn a_damaged_cache_costs_only_time() {
    let bench = Bench::new(&[]);
    awkward(&bench);
    let first = bench.full(None);
    fs::write(bench.root.join(".git/session/stat-cache"), b"gsstat\0\x01 nonsense").expect("writes");
    assert_eq!(bench.full(Some(first.tree)).tree, first.tree);
}

#[test]
fn an_object_that_is_gone_is_written_again() {
    let bench = Bench::new(&[]);
    bench.file("f", b"will be pruned");
    let first = bench.full(None);
    bench.git(&["prune", "--expire=now"]);
    let empty = bench.repo().caps.object_format.empty_tree();
    let again = bench.full(Some(empty));
    assert_eq!((again.tree, again.stats.hashed), (first.tree, 1));
    assert_eq!(bench.entry(&again, "f"), Some((FileMode::File, b"will be pruned".to_vec())));
}

#[test]
fn a_change_that_keeps_size_and_mtime_shows_in_the_ctime() {
    let bench = Bench::new(&[]);
    bench.file("f", b"one");
    let first = bench.full(None);
    bench.file("f", b"two");
    let second = bench.full(Some(first.tree));
    assert_eq!(bench.entry(&second, "f"), Some((FileMode::File, b"two".to_vec())));
}

/// Until a folder is out of the racy window it is listed; git, being asked, takes longer than that window is.
fn let_folders_age(bench: &Bench, tree: Oid) -> Snapshot {
    let mut last = bench.full(Some(tree));
    for _ in 0..50 {
        if last.stats.listed == 0 {
            break;
        }
        bench.git(&["status"]);
        last = bench.full(Some(tree));
    }
    assert_eq!(last.stats.listed, 0, "no folder is listed that did not change");
    last
}

#[test]
fn only_folders_that_changed_are_listed() {
    let bench = Bench::new(&[]);
    bench.commit();
    bench.file("a/b/f", b"1");
    bench.file("c/g", b"2");
    fs::create_dir_all(bench.root.join("empty/below")).expect("makes folders");
    let first = bench.full(None);
    let same = let_folders_age(&bench, first.tree);
    assert_eq!((same.tree, same.stats.files, same.stats.hashed), (first.tree, 2, 0));
    bench.file("c/g", b"changed in its place");
    bench.file("a/b/new", b"3");
    let second = bench.full(Some(first.tree));
    assert_eq!((second.tree, second.stats.listed), (bench.git_tree(), 1), "the folder with the new file");
    let second = let_folders_age(&bench, second.tree);
    bench.file("empty/below/later", b"4");
    fs::remove_file(bench.root.join("a/b/f")).expect("removes");
    let third = bench.full(Some(second.tree));
    assert_eq!((third.tree, third.stats.listed), (bench.git_tree(), 2));
}

#[test]
fn where_a_rule_changes_all_below_it_is_listed_again() {
    let bench = Bench::new(&[]);
    bench.commit();
    bench.file("a/b/x.log", b"1");
    bench.file("a/b/kept", b"2");
    bench.file("c/x.log", b"3");
    bench.file("c/hidden/f", b"4");
    bench.file(".gitignore", b"hidden/\n.gitignore\n");
    let mut last = let_folders_age(&bench, bench.full(None).tree);
    let users = bench.dir.path().join("users-rules");
    let steps: [&dyn Fn(); 7] = [
        &|| bench.file("a/.gitignore", b"*.log\n"),
        &|| bench.file("a/.gitignore", b"*.logs"),
        &|| bench.file(".gitignore", b".gitignore\n/c/x*"),
        &|| fs::remove_file(bench.root.join(".gitignore")).expect("removes"),
        &|| fs::write(bench.root.join(".git/info/exclude"), b"kept\n").expect("writes"),
        &|| fs::write(&users, b"x.log\n").expect("writes"),
        &|| drop(bench.git(&["config", "core.excludesFile", users.to_str().expect("text")])),
    ];
    for (n, step) in steps.iter().enumerate() {
        fs::create_dir_all(bench.root.join(".git/info")).expect("makes the folder");
        step();
        let now = bench.full(Some(last.tree));
        assert_eq!(now.tree, bench.git_tree(), "after step {n}");
        last = let_folders_age(&bench, now.tree);
        assert_eq!(last.tree, now.tree, "after step {n}");
    }
}

#[test]
fn what_the_index_forgets_is_judged_by_the_rules_again() {
    let bench = Bench::new(&[]);
    bench.file("a/f.log", b"tracked");
    bench.file("a/g", b"g");
    bench.commit();
    bench.file(".gitignore", b"*.log\n");
    let first = let_folders_age(&bench, bench.full(None).tree);
    bench.git(&["rm", "-q", "--cached", "a/f.log"]);
    let second = bench.full(Some(first.tree));
    assert_eq!(second.tree, bench.git_tree());
    let second = let_folders_age(&bench, second.tree);
    bench.git(&["add", "-f", "a/f.log"]);
    let third = bench.full(Some(second.tree));
    assert_eq!((third.tree, first.tree), (bench.git_tree(), first.tree));
}

#[test]
fn what_is_left_out_is_said_again_though_its_folder_did_not_change() {
    let bench = Bench::new(&[]);
    bench.file("a/big", &[0; 2000]);
    bench.file("a/f", b"f");
    bench.file("many/1", b"1");
    bench.file("many/2", b"2");
    let small = Options { max_file_bytes: 1000, ..options() };
    let first = bench.take(None, &small);
    for limits in [&small, &Options { max_untracked_per_folder: 1, ..options() }, &small] {
        bench.git(&["status"]);
        let again = bench.take(Some(first.tree), limits);
        let said = if limits.max_file_bytes == 1000 {
            vec![("a/big", SkipReason::TooLarge)]
        } else {
            vec![("a", SkipReason::TooManyFiles), ("many", SkipReason::TooManyFiles)]
        };
        assert_eq!(skipped(&again), said);
    }
    assert_eq!(bench.full(Some(first.tree)).tree, bench.git_tree());
}

#[test]
fn a_folder_with_rules_that_became_a_link_to_itself_is_a_link() {
    let bench = Bench::new(&[]);
    bench.file("a/.gitignore", b"*.log\n");
    bench.file("a/x.log", b"ignored");
    bench.file("b", b"b");
    bench.commit();
    let first = bench.full(None);
    fs::remove_dir_all(bench.root.join("a")).expect("removes");
    std::os::unix::fs::symlink("a", bench.root.join("a")).expect("links");
    assert_eq!(bench.full(Some(first.tree)).tree, bench.git_tree());
}

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

//! A restore does what its plan says and nothing else, whatever happens to the disk meanwhile.

mod killed;
mod looked;

use std::os::unix::fs::MetadataExt as _;

use proptest::prelude::*;

use super::testing::{Bench, p};
use super::*;
use crate::base::progress::Silent;
use crate::engine::Snapshot;

fn identity(bench: &Bench, path: &str) -> (u64, i64, i64) {
    let meta = std::fs::symlink_metadata(bench.at(path)).expect("is there");
    (meta.ino(), meta.mtime(), meta.mtime_nsec())
}

/// Every kind of change at once; the first state is on disk at the end.
fn every_kind(bench: &Bench) -> (Snapshot, Snapshot) {
    bench.put("new/deep/er/file", "new");
    bench.put("changed", "after");
    bench.put("tool", "#!");
    bench.bits("tool", 0o755);
    bench.link("link", "new target");
    bench.put("swap", "a file now");
    bench.put("pwas/file", "a folder now");
    bench.link("linkwas", "file");
    bench.put("same", "same");
    let after = bench.capture();
    bench.clear();
    bench.put("gone/deep/file", "gone");
    bench.put("changed", "before");
    bench.put("tool", "#!");
    bench.link("link", "old target");
    bench.put("swap/a/b", "a folder");
    bench.put("swap/c", "a folder");
    bench.put("pwas", "a file");
    bench.put("linkwas", "a file");
    bench.put("same", "same");
    (bench.capture(), after)
}

#[test]
fn a_restore_makes_the_disk_what_the_target_was() {
    let bench = Bench::new();
    let (before, after) = every_kind(&bench);
    let untouched = identity(&bench, "same");
    let plan = bench.plan(&before, &after);
    assert_eq!(plan.obstacles, []);
    let applied = bench.apply(&plan).expect("applies");
    assert_eq!((applied.written, applied.deleted, applied.modes), (6, 4, 1));
    assert_eq!(bench.capture().tree, after.tree);
    assert_eq!(identity(&bench, "same"), untouched, "an equal file keeps its inode and time");
    assert!(!bench.exists("gone"), "emptied folders go");
    bench.restore(&before);
    assert_eq!(bench.capture().tree, before.tree, "and back");
}

#[test]
fn the_index_and_head_stay_as_they_are() {
    let bench = Bench::new();
    let (_, after) = every_kind(&bench);
    bench.git(&["add", "changed"]);
    let read = |name: &str| std::fs::read(bench.repo.git_dir.join(name)).expect("reads");
    let before = (read("index"), read("HEAD"));
    bench.restore(&after);
    assert_eq!((read("index"), read("HEAD")), before);
}

#[test]
fn odd_names_come_back() {
    let bench = Bench::new();
    let names: [&[u8]; 5] = [b"not\xffutf8/\xfe", b"new\nline", b" space ", b"-dash", b"tab\tquote\""];
    for name in names {
        bench.put_bytes(name, name);
    }
    let all = bench.listing();
    assert_eq!(all.len(), names.len());
    let with = bench.capture();
    bench.clear();
    let without = bench.capture();
    bench.restore(&with);
    assert_eq!(bench.listing(), all);
    bench.restore(&without);
    assert!(bench.listing().is_empty());
}

#[test]
fn the_folder_that_the_command_was_started_in_stays_though_empty() {
    let bench = Bench::new();
    bench.put("a", "a");
    let before = bench.capture();
    bench.put("here/below/x", "x");
    bench.put("here/besides/x", "x");
    let after = bench.capture();
    let plan = bench.plan(&after, &before);
    apply(&bench.repo, &plan, &BTreeMap::new(), &bench.at("here/below"), &Silent).expect("applies");
    assert!(bench.exists("here/below") && !bench.exists("here/besides"));
}

#[test]
fn a_folder_that_the_command_was_started_in_is_not_replaced_by_a_file() {
    let bench = Bench::new();
    bench.put("here", "a file then");
    let before = bench.capture();
    bench.remove("here");
    bench.put("here/below/x", "x");
    let after = bench.capture();
    let plan = bench.plan(&after, &before);
    let error = apply(&bench.repo, &plan, &BTreeMap::new(), &bench.at("here/below"), &Silent);
    assert!(matches!(error, Err(Error::Refused { .. })));
    assert_eq!(bench.capture().tree, after.tree);
}

#[test]
fn a_replaced_file_keeps_its_bits_and_the_exec_bit_follows_the_tree() {
    let bench = Bench::new();
    bench.put("private", "one");
    bench.put("tool", "one");
    bench.bits("tool", 0o755);
    bench.put("new", "one");
    let before = bench.capture();
    bench.put("private", "two");
    bench.bits("private", 0o640);
    bench.put("tool", "two");
    bench.bits("tool", 0o600);
    bench.remove("new");
    let after = bench.capture();
    let plan = bench.plan(&after, &before);
    let modes = BTreeMap::from([(p("new"), 0o600)]);
    apply(&bench.repo, &plan, &modes, &bench.root(), &Silent).expect("applies");
    assert_eq!(["private", "tool", "new"].map(|path| bench.bits_of(path)), [0o640, 0o700, 0o600]);
}

#[test]
fn another_name_of_a_replaced_file_keeps_its_content_and_bits() {
    let bench = Bench::new();
    bench.put("a", "one");
    bench.put("tool", "tool");
    bench.bits("tool", 0o755);
    let before = bench.capture();
    bench.put("a", "two");
    bench.bits("tool", 0o644);
    let after = bench.capture();
    std::fs::hard_link(bench.at("a"), bench.outside("a")).expect("links");
    std::fs::hard_link(bench.at("tool"), bench.outside("tool")).expect("links");
    let plan = bench.plan(&after, &before);
    bench.apply(&plan).expect("applies");
    assert_eq!(bench.capture().tree, before.tree);
    assert_eq!(std::fs::read_to_string(bench.outside("a")).expect("reads"), "two");
    assert_eq!(std::fs::metadata(bench.outside("tool")).expect("is there").mode() & 0o777, 0o644);
}

#[test]
fn nothing_is_written_through_a_symbolic_link_that_took_a_folders_place() {
    let bench = Bench::new();
    bench.put("d/f", "one");
    bench.put("d/gone", "one");
    let present = bench.capture();
    bench.put("d/f", "two");
    bench.remove("d/gone");
    let target = bench.capture();
    bench.put("d/f", "one");
    bench.put("d/gone", "one");
    let plan = bench.plan(&present, &target);
    let elsewhere = bench.outside("elsewhere");
    std::fs::rename(bench.at("d"), &elsewhere).expect("moves");
    bench.link("d", elsewhere.to_str().expect("text"));
    let error = bench.apply(&plan).expect_err("is refused");
    assert!(matches!(&error, Error::ChangedMeanwhile { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(elsewhere.join("f")).expect("reads"), "one");
    assert_eq!(std::fs::read_dir(&elsewhere).expect("lists").count(), 2, "nothing was made or removed there");
}

#[test]
fn the_repositorys_own_folder_is_refused_under_any_name() {
    let bench = Bench::new();
    bench.put("store/x", "x");
    let with = bench.capture();
    bench.clear();
    let without = bench.capture();
    let git_dir = bench.at("store");
    std::fs::rename(bench.at(".git"), &git_dir).expect("moves");
    let env = crate::git::repo::RepoEnv {
        git_dir: Some(git_dir.clone()),
        work_tree: Some(bench.root()),
        ..crate::git::repo::RepoEnv::isolated(&bench.outside("home"))
    };
    let repo = Repo::discover(&bench.root(), &env).expect("opens");
    let target = super::super::plan::Target::whole(with.tree, with.scope, &with.skipped);
    let plan = super::super::plan::make(&repo, &without, &target).expect("plans");
    assert_eq!(plan.obstacles.len(), 1, "{plan:?}");
    assert!(!git_dir.join("x").exists());
}

#[test]
fn a_file_that_changed_since_the_plan_is_left_as_it_is() {
    type Change = fn(&Bench);
    let changes: [(&str, Change); 5] = [
        ("written", |b| b.put("f", "mine")),
        ("made executable", |b| b.bits("f", 0o755)),
        ("removed", |b| b.remove("f")),
        ("replaced by a link", |b| {
            b.remove("f");
            b.link("f", "one");
        }),
        ("replaced by a folder", |b| {
            b.remove("f");
            b.put("f/x", "mine");
        }),
    ];
    for to_delete in [false, true] {
        for (what, change) in changes {
            let bench = Bench::new();
            bench.put("f", "two");
            if to_delete {
                bench.remove("f");
            }
            let target = bench.capture();
            bench.put("f", "one");
            let plan = bench.plan(&bench.capture(), &target);
            change(&bench);
            let disk = bench.listing();
            let result = bench.apply(&plan);
            assert_eq!(bench.listing(), disk, "{what}");
            // What was to be deleted and is gone, is done.
            let is_done = to_delete && !disk.contains_key(b"f".as_slice());
            assert_eq!(matches!(result, Err(Error::ChangedMeanwhile { .. })), !is_done, "{what} {result:?}");
        }
    }
}

#[test]
fn a_file_that_appears_in_the_place_of_a_new_one_is_left_as_it_is() {
    for path in ["new", "folder/new"] {
        let bench = Bench::new();
        bench.put(path, "planned");
        let target = bench.capture();
        bench.clear();
        let plan = bench.plan(&bench.capture(), &target);
        bench.put(path.split('/').next().unwrap_or_default(), "mine");
        let error = bench.apply(&plan).expect_err("is refused");
        assert!(matches!(&error, Error::ChangedMeanwhile { path: at } if *at == p(path)), "{error}");
        let all: Vec<_> = bench.listing().into_values().collect();
        assert_eq!(all, [(0o644, b"mine".to_vec())], "and no temporary file is left");
    }
}

#[test]
fn a_file_that_appears_in_a_folder_that_becomes_a_file_is_left_as_it_is() {
    let bench = Bench::new();
    bench.put("d", "a file then");
    let target = bench.capture();
    bench.remove("d");
    bench.put("d/x", "x");
    let plan = bench.plan(&bench.capture(), &target);
    bench.put("d/mine", "mine");
    assert!(matches!(bench.apply(&plan), Err(Error::ChangedMeanwhile { .. })));
    assert_eq!(bench.read("d/mine"), "mine");
}

#[test]
fn a_read_only_file_is_replaced_and_stays_read_only() {
    let bench = Bench::new();
    bench.put("f", "two");
    let target = bench.capture();
    bench.put("f", "one");
    bench.bits("f", 0o444);
    bench.restore(&target);
    assert_eq!((bench.read("f").as_str(), bench.bits_of("f")), ("two", 0o444));
}

/// More files than are synced one by one, some of them new, some in folders of their own.
fn many_files(bench: &Bench) -> (Snapshot, Snapshot) {
    for n in 0..150 {
        bench.put(&format!("d{}/f{n}", n % 80), &format!("two {n}"));
    }
    let target = bench.capture();
    for n in 0..150 {
        match n % 3 {
            0 => bench.remove(&format!("d{}/f{n}", n % 80)),
            _ => bench.put(&format!("d{}/f{n}", n % 80), &format!("one {n}")),
        }
    }
    (bench.capture(), target)
}

#[test]
fn many_files_are_all_made_before_the_first_is_moved_and_come_back() {
    let bench = Bench::new();
    let (before, target) = many_files(&bench);
    let plan = bench.plan(&before, &target);
    assert_eq!(bench.apply(&plan).expect("applies").written, 150);
    assert_eq!(bench.capture().tree, target.tree);
    // The last path of the plan is found changed when 149 were moved.
    let back = bench.plan(&target, &before);
    let last = back.items.last().expect("has items").path.clone();
    bench.put(&last.to_string(), "mine");
    assert!(matches!(bench.apply(&back), Err(Error::ChangedMeanwhile { path }) if path == last));
    assert_eq!(bench.read(&last.to_string()), "mine");
    let listing = bench.listing();
    assert!(!format!("{listing:?}").contains(crate::engine::TEMP_PREFIX), "{listing:?}");
}

#[test]
fn a_folder_that_may_not_be_written_in_refuses_the_whole_plan() {
    let bench = Bench::new();
    bench.put("a", "two");
    bench.put("locked/f", "two");
    let target = bench.capture();
    bench.put("a", "one");
    bench.put("locked/f", "one");
    let plan = bench.plan(&bench.capture(), &target);
    bench.bits("locked", 0o555);
    let result = bench.apply(&plan);
    bench.bits("locked", 0o755);
    if rustix::process::geteuid().is_root() {
        assert!(result.is_ok(), "root may write everywhere");
    } else {
        assert!(matches!(result, Err(Error::Base(_))), "{result:?}");
        assert_eq!((bench.read("a"), bench.read("locked/f")), ("one".to_owned(), "one".to_owned()));
    }
}

/// One entry of a random tree: a place, and what is there.
#[derive(Clone, Debug)]
enum Thing {
    File(u8),
    Tool(u8),
    Link(u8),
}

fn tree() -> impl Strategy<Value = Vec<(String, Thing)>> {
    let thing =
        prop_oneof![(0..3_u8).prop_map(Thing::File), (0..3_u8).prop_map(Thing::Tool), (0..3_u8).prop_map(Thing::Link)];
    proptest::collection::vec(("[ab](/[ab]){0,2}", thing), 0..7)
}

fn put_all(bench: &Bench, things: &[(String, Thing)]) {
    bench.clear();
    bench.put("kept.ignored", "dear");
    let mut taken: Vec<&str> = Vec::new();
    for (path, thing) in things {
        let clashes = |other: &&str| p(path).is_at_or_below(&p(other)) || p(other).is_at_or_below(&p(path));
        if taken.iter().any(clashes) {
            continue;
        }
        taken.push(path);
        match thing {
            Thing::Link(n) => bench.link(path, &format!("{}", char::from(b'a' + n))),
            Thing::File(n) | Thing::Tool(n) => bench.put(path, &n.to_string()),
        }
        if matches!(thing, Thing::Tool(_)) {
            bench.bits(path, 0o755);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn between_any_two_trees_the_disk_is_the_target_afterwards(one in tree(), other in tree()) {
        let bench = Bench::new();
        std::fs::write(bench.repo.common_dir.join("info/exclude"), "*.ignored\n").expect("writes");
        put_all(&bench, &other);
        let (target, listing) = (bench.capture(), bench.listing());
        put_all(&bench, &one);
        let present = bench.capture();
        let plan = bench.plan(&present, &target);
        prop_assert_eq!(&plan.obstacles, &vec![]);
        prop_assert_eq!(plan.result, target.tree);
        apply(&bench.repo, &plan, &BTreeMap::new(), &bench.root(), &Silent).expect("applies");
        prop_assert_eq!(bench.listing(), listing);
    }
}

#[test]
fn a_snapshot_after_a_restore_is_the_tree_that_was_planned() {
    let bench = Bench::new();
    let options = crate::engine::snapshot::Options {
        only: None,
        max_file_bytes: 100,
        max_untracked_per_folder: 100,
        budget: None,
        home: None,
        at_once: None,
    };
    let take = || crate::engine::snapshot::take(&bench.repo, None, &options, &Silent).expect("captures");
    bench.put(".gitignore", "*.log\n");
    bench.put("tracked.log", "one");
    bench.git(&["add", "-f", "."]);
    bench.bits("tracked.log", 0o600);
    let before = take();
    let (_, after) = every_kind(&bench);
    bench.restore(&after);
    bench.put("large", &"x".repeat(200));
    let present = take();
    assert!(present.skipped.covers(&p("large")));
    let plan = bench.plan(&present, &before);
    assert_eq!(plan.obstacles, []);
    apply(&bench.repo, &plan, &before.modes, &bench.root(), &Silent).expect("applies");
    assert_eq!((take().tree, bench.bits_of("tracked.log")), (plan.result, 0o600));
    assert_eq!(bench.read("large").len(), 200, "what no snapshot holds stays");
}

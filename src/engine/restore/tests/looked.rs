//! A restore by what a snapshot looked at: files that its stamps vouch for are not read again, files that changed since are left
//! as they are, and the look at what was touched tells what a look at all of the tree would.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::{Thing, many_files, put_all, tree};
use crate::base::RepoPath;
use crate::base::file::Durability;
use crate::base::progress::Silent;
use crate::engine::plan::{self, Target, WantedFiles};
use crate::engine::restore::testing::{Bench, p};
use crate::engine::restore::{Applied, WorkTree, check};
use crate::engine::snapshot::{self, Options, touched};
use crate::engine::stat_cache::Stamp;
use crate::engine::{Error, Plan, Result, Snapshot};
use crate::git::Oid;
use crate::model::Scope;

const OPTIONS: Options = Options {
    only: None,
    max_file_bytes: 1000,
    max_untracked_per_folder: 500,
    budget: None,
    home: None,
    at_once: None,
};

fn look(bench: &Bench) -> Snapshot {
    snapshot::take(&bench.repo, None, &OPTIONS, &Silent).expect("captures")
}

type Written = BTreeMap<RepoPath, (Stamp, Oid)>;

fn again(bench: &Bench, present: &Snapshot, plan: &Plan, written: &Written) -> Option<Snapshot> {
    touched(&bench.repo, present, plan, written, &OPTIONS).expect("looks")
}

/// Makes all files so old that their stamps count.
fn age(bench: &Bench) {
    for (path, (mode, _)) in bench.listing() {
        if mode != 0o120_000 {
            age_one(bench, std::str::from_utf8(&path).expect("text"));
        }
    }
}

fn age_one(bench: &Bench, path: &str) {
    let past = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    std::fs::File::open(bench.at(path)).and_then(|file| file.set_modified(past)).expect("sets the time");
}

fn go(bench: &Bench, present: &Snapshot, plan: &Plan) -> Result<Applied> {
    let disk = WorkTree::open(&bench.repo).expect("opens");
    let (modes, root) = (snapshot_bits(present, plan), bench.root());
    let checked = check(&bench.repo, &disk, plan, &modes, &present.stamps, &root).expect("can be applied");
    let (applied, done) = checked.apply(&Silent);
    done.map(|()| applied)
}

fn snapshot_bits(present: &Snapshot, plan: &Plan) -> BTreeMap<RepoPath, u32> {
    crate::engine::plan::bits(plan, present, &crate::model::snapshot::Modes::default())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_look_at_what_was_touched_tells_what_a_look_at_all_would(
        one in tree(), other in tree(), are_old in any::<bool>(), bits in prop::sample::select(vec![0o600, 0o640, 0o644]),
    ) {
        let bench = Bench::new();
        put_all(&bench, &other);
        let target = look(&bench);
        put_all(&bench, &one);
        for (path, thing) in &one {
            if matches!(thing, Thing::File(0)) && bench.at(path).is_file() {
                bench.bits(path, bits);
            }
        }
        if are_old {
            age(&bench);
        }
        let present = look(&bench);
        let plan = bench.plan(&present, &target);
        let applied = go(&bench, &present, &plan).expect("applies");
        let after = again(&bench, &present, &plan, &applied.files).expect("all is as planned");
        // By the cache that it left, and without one.
        for by_cache in [true, false] {
            if !by_cache {
                std::fs::remove_file(bench.repo.git_dir.join("session/stat-cache")).expect("removes");
            }
            let all = look(&bench);
            prop_assert_eq!((after.tree, &after.modes, after.scope), (all.tree, &all.modes, all.scope));
            prop_assert_eq!((&after.skipped, &after.index), (&all.skipped, &all.index));
        }
        prop_assert_eq!(after.tree, bench.capture().tree);
    }
}

#[test]
fn the_next_look_reads_no_file_that_the_restore_wrote() {
    let bench = Bench::new();
    let (_, target) = many_files(&bench);
    age(&bench);
    // Nearly all files are written, then one by a look that wrote the cache anew, then one by a look that read it.
    for anew in [true, false] {
        let mut present = look(&bench);
        for one in [false, true] {
            if one {
                bench.put("d0/f0", if anew { "one" } else { "another" });
                age_one(&bench, "d0/f0");
                if anew {
                    std::fs::remove_file(bench.repo.git_dir.join("session/stat-cache")).expect("removes");
                }
                present = look(&bench);
            }
            let plan = bench.plan(&present, &target);
            go(&bench, &present, &plan).expect("applies");
            plan.items.iter().for_each(|item| age_one(&bench, &item.path.to_string()));
            // They are others than those that were written, to judge by their times, and are read here.
            let written = BTreeMap::new();
            let after = again(&bench, &present, &plan, &written).expect("all is as planned");
            present = look(&bench);
            assert_eq!((present.tree, present.stats.hashed), (after.tree, 0), "{one} {anew}");
        }
    }
}

#[test]
fn a_file_that_changed_since_the_look_is_left_as_it_is_whatever_its_times_say() {
    type Change = fn(&Bench);
    let changes: [(&str, Change); 4] = [
        ("written", |b| b.put("f", "mine")),
        ("written with its old size and times", |b| {
            let before = std::fs::metadata(b.at("f")).and_then(|m| m.modified()).expect("has a time");
            b.put("f", "ONE");
            std::fs::File::open(b.at("f")).and_then(|f| f.set_modified(before)).expect("sets the time");
        }),
        ("made executable", |b| b.bits("f", 0o755)),
        ("replaced by another file", |b| {
            b.remove("f");
            b.put("f", "two");
        }),
    ];
    for many in [false, true] {
        for (what, change) in changes {
            let bench = Bench::new();
            bench.put("f", "old");
            (0..if many { 100 } else { 3 }).for_each(|n| bench.put(&format!("more/{n}"), "old"));
            let target = look(&bench);
            bench.put("f", "one");
            (0..if many { 100 } else { 3 }).for_each(|n| bench.put(&format!("more/{n}"), "new"));
            age(&bench);
            let present = look(&bench);
            let plan = bench.plan(&present, &target);
            change(&bench);
            let mine = (bench.read("f"), bench.bits_of("f"));
            let result = go(&bench, &present, &plan);
            assert!(matches!(&result, Err(Error::ChangedMeanwhile { path }) if *path == p("f")), "{what} {result:?}");
            assert_eq!((bench.read("f"), bench.bits_of("f")), mine, "{what}");
        }
    }
}

#[test]
fn where_rules_changed_or_anything_is_not_as_planned_all_of_the_tree_is_looked_at() {
    let bench = Bench::new();
    bench.put("d/.gitignore", "*.log\n");
    bench.put("f", "old");
    let target = look(&bench);
    bench.put("f", "new");
    let present = look(&bench);
    let plan = bench.plan(&present, &target);
    let applied = go(&bench, &present, &plan).expect("applies");
    assert!(again(&bench, &present, &plan, &applied.files).is_some());
    let partial = Snapshot { scope: crate::model::Scope::Tracked, ..present.clone() };
    assert!(again(&bench, &partial, &plan, &applied.files).is_none());
    for (path, content) in [("f", "OLD"), ("f", "older")] {
        bench.put(path, content);
        assert!(again(&bench, &present, &plan, &applied.files).is_none(), "{content}");
    }
    bench.put("d/.gitignore", "*.tmp\n");
    let present = look(&bench);
    let plan = bench.plan(&present, &target);
    let applied = go(&bench, &present, &plan).expect("applies");
    assert!(again(&bench, &present, &plan, &applied.files).is_none(), "rules");
}

#[test]
fn of_a_written_file_is_known_what_it_is_where_a_change_since_would_show() {
    let bench = Bench::new();
    let (_, target) = many_files(&bench);
    let present = look(&bench);
    let plan = bench.plan(&present, &target);
    let applied = go(&bench, &present, &plan).expect("applies");
    for item in &plan.items {
        let place = item.path.on_disk(&bench.root());
        let meta = std::fs::metadata(&place).expect("is there");
        let shows = (meta.mtime(), meta.mtime_nsec()) < (meta.ctime(), meta.ctime_nsec());
        let known = applied.files.get(&item.path).map(|(stamp, oid)| (stamp.ino, stamp.size, Some(*oid)));
        let is = (meta.ino(), meta.len(), item.new.map(|(_, oid)| oid));
        assert_eq!(known, shows.then_some(is), "{}", item.path);
    }
}

/// Files that a snapshot leaves out though the target has them: what the index does not have and the rules ignore, what is
/// too large, what is one too many, what lies outside of a sparse checkout.
#[test]
fn what_a_snapshot_would_leave_out_is_looked_for_in_all_of_the_tree() {
    type Scene = fn(&mut Bench);
    let ignored: Scene = |b| {
        b.put("foo.log", "old");
        b.git(&["add", "-f", "foo.log"]);
    };
    let large: Scene = |b| {
        b.put("large", &"x".repeat(2000));
        b.git(&["add", "large"]);
    };
    for (what, scene, gone) in [("ignored", ignored, "foo.log"), ("large", large, "large")] {
        let mut bench = Bench::new();
        bench.put(".gitignore", "*.log\n");
        bench.put("f", "old");
        scene(&mut bench);
        let target = look(&bench);
        bench.git(&["rm", "-q", "--cached", gone]);
        bench.remove(gone);
        bench.put("f", "new");
        let present = look(&bench);
        let plan = bench.plan(&present, &target);
        let applied = go(&bench, &present, &plan).expect("applies");
        assert!(bench.exists(gone), "{what}");
        assert!(again(&bench, &present, &plan, &applied.files).is_none(), "{what}");
        let by_cache = look(&bench).tree;
        std::fs::remove_file(bench.repo.git_dir.join("session/stat-cache")).expect("removes");
        assert_eq!(by_cache, look(&bench).tree, "{what}");
    }
    let bench = Bench::new();
    bench.put("d/f", "old");
    let target = look(&bench);
    bench.remove("d");
    (0..500).for_each(|n| bench.put(&format!("d/{n}"), "new"));
    let present = look(&bench);
    let mut plan = bench.plan(&present, &target);
    plan.items.retain(|item| item.new.is_some());
    let applied = go(&bench, &present, &plan).expect("applies");
    assert!(again(&bench, &present, &plan, &applied.files).is_none(), "one too many");
}

#[test]
fn a_file_outside_of_a_sparse_checkout_that_is_there_all_the_same_stays() {
    let mut bench = Bench::new();
    bench.put("in/f", "old");
    let target = look(&bench);
    bench.put("in/f", "new");
    bench.put("out/f", "there");
    bench.git(&["add", "."]);
    bench.configure(&[("core.sparseCheckout", "true"), ("sparse.expectFilesOutsideOfPatterns", "true")]);
    bench.git(&["update-index", "--skip-worktree", "out/f"]);
    let present = look(&bench);
    let plan = bench.plan(&present, &target);
    assert_eq!(plan.kept, [(p("out/f"), crate::engine::plan::Kept::NotLookedAt)]);
    go(&bench, &present, &plan).expect("applies");
    assert_eq!((bench.read("in/f").as_str(), bench.read("out/f").as_str()), ("old", "there"));
    assert_eq!(look(&bench).tree, plan.result);
}

#[test]
fn where_nobody_recorded_the_drivers_the_attributes_of_the_target_tell() {
    let mut bench = Bench::new();
    bench.configure(&[("filter.rot.clean", "tr a-z n-za-m"), ("filter.rot.smudge", "tr a-z n-za-m")]);
    bench.put("x.secret", "plain");
    let plain = look(&bench);
    bench.put(".gitattributes", "*.secret filter=rot\n");
    bench.put("x.secret", "hello");
    let filtered = look(&bench);
    for (present, target, bytes) in [(&filtered, &plain, "plain"), (&plain, &filtered, "hello")] {
        let mut plan = bench.plan(present, target);
        let skipped = &target.skipped;
        let to = Target::whole(target.tree, Scope::Full, skipped);
        plan::convert(&bench.repo, &mut plan, present, &to, &WantedFiles(None)).expect("converts");
        plan.render(&bench.repo).expect("makes them");
        let applied = go(&bench, present, &plan).expect("applies");
        assert_eq!(bench.read("x.secret"), bytes);
        assert!(again(&bench, present, &plan, &applied.files).is_none(), "only a look at the whole tree tells");
        assert_eq!(look(&bench).tree, plan.result);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn the_journal_of_many_files_is_made_sure_with_them() {
    let bench = Bench::new();
    let (_, target) = many_files(&bench);
    let present = look(&bench);
    let disk = WorkTree::open(&bench.repo).expect("opens");
    let modes = BTreeMap::new();
    let mut plan = bench.plan(&present, &target);
    for (items, durability) in [(65, Durability::Process), (64, Durability::Power), (1, Durability::Power)] {
        plan.items.truncate(items);
        let checked = check(&bench.repo, &disk, &plan, &modes, &present.stamps, &bench.root()).expect("can be");
        assert_eq!(checked.journal_durability(), durability, "{items}");
    }
}

//! What a plan does, keeps and refuses.

use super::*;
use crate::engine::Error;
use crate::engine::restore::testing::{Bench, p, snapshot};
use crate::model::SkipReason;
use crate::model::snapshot::SkippedPath;

fn kept(plan: &Plan) -> Vec<(String, Kept)> {
    plan.kept.iter().map(|(path, why)| (path.to_string(), *why)).collect()
}

fn acts(plan: &Plan) -> Vec<(String, Action)> {
    plan.items.iter().map(|item| (item.path.to_string(), item.action)).collect()
}

fn reasons(plan: &Plan) -> Vec<(String, String)> {
    plan.obstacles.iter().map(|o| (o.path.to_string(), o.reason.clone())).collect()
}

/// Before: `a`, `tool`, `old/x`. After: `a` changed, `tool` executable, `new/y` for `old/x`.
fn two_states(bench: &Bench) -> (Snapshot, Snapshot) {
    bench.put("a", "one");
    bench.put("tool", "#!");
    bench.put("old/x", "x");
    let before = bench.capture();
    bench.put("a", "two");
    bench.bits("tool", 0o755);
    bench.remove("old");
    bench.put("new/y", "y");
    (before, bench.capture())
}

#[test]
fn a_plan_names_every_difference_and_the_tree_that_results() {
    let bench = Bench::new();
    let (before, after) = two_states(&bench);
    let plan = bench.plan(&after, &before);
    let expected = [("a", Action::Write), ("new/y", Action::Delete), ("old/x", Action::Write), ("tool", Action::Mode)];
    assert_eq!(acts(&plan), expected.map(|(path, action)| (path.to_owned(), action)));
    assert_eq!((plan.present, plan.result), (after.tree, before.tree));
    assert!(plan.kept.is_empty() && plan.obstacles.is_empty());
    assert!(bench.plan(&after, &after).is_empty());
}

#[test]
fn only_and_leave_choose_paths_and_folders() {
    let bench = Bench::new();
    let (before, after) = two_states(&bench);
    let (only, leave) = ([p("old"), p("a"), p("tool")], [p("tool")]);
    let only = Pathspec::of_paths(&only);
    let whole = Target::whole(before.tree, Scope::Full, &before.skipped);
    let target = Target { only: Some(&only), leave: &leave, ..whole };
    let plan = make(&bench.repo, &after, &target).expect("plans");
    assert_eq!(acts(&plan), [("a".to_owned(), Action::Write), ("old/x".to_owned(), Action::Write)]);
    assert_eq!(kept(&plan), [("tool".to_owned(), Kept::Chosen)]);
}

#[test]
fn what_stands_in_the_way_can_be_left_with_all_that_depends_on_it() {
    let bench = Bench::new();
    bench.put("a", "one");
    bench.put("d/f", "then");
    bench.put("d/g", "then");
    bench.put("e", "then");
    let before = bench.capture();
    bench.put("a", "two");
    bench.remove("d");
    bench.remove("e");
    bench.put("e/new", "now");
    bench.put("e/too", "large");
    let after = bench.capture();
    let mut after = Snapshot { skipped: after.skipped.clone(), ..after };
    bench.put("d", "a file that is ignored");
    let path = SkippedPath { path: "e/too".to_owned(), reason: SkipReason::Unreadable, bytes: None };
    after.skipped.paths.push(path);
    let plan = bench.plan(&after, &before);
    let paths = |list: &[Obstacle]| list.iter().map(|o| o.path.to_string()).collect::<Vec<_>>();
    assert_eq!(paths(&plan.obstacles), ["d/f", "d/g", "e/too"]);
    let plan = leave_obstacles(&bench.repo, &after, plan).expect("leaves");
    assert_eq!(paths(&plan.left), ["d/f", "d/g", "e", "e/too"], "a file cannot replace a folder in which one is left");
    let expected = [("a", Action::Write), ("e/new", Action::Delete)];
    assert_eq!(acts(&plan), expected.map(|(path, action)| (path.to_owned(), action)));
    assert!(plan.obstacles.is_empty());
    bench.apply(&plan).expect("applies");
    assert_eq!(
        (bench.read("a"), bench.read("d"), bench.read("e/too")),
        ("one".into(), "a file that is ignored".into(), "large".into())
    );
    assert!(!bench.exists("e/new"));
}

#[test]
fn a_file_that_the_rules_of_then_ignore_is_kept_wherever_these_rules_lay() {
    let bench = Bench::new();
    bench.put("a", "one");
    let before = bench.capture();
    bench.put("a", "two");
    bench.put("keep/p", "precious");
    bench.put("new", "new");
    let after = bench.capture();
    let recorded = Snapshot { exclude: b"keep/\n".to_vec(), ..before.clone() };
    let plan = bench.plan(&after, &recorded);
    assert_eq!(kept(&plan), [("keep/p".to_owned(), Kept::Ignored)]);
    assert_eq!(acts(&plan), [("a".to_owned(), Action::Write), ("new".to_owned(), Action::Delete)]);
    assert_eq!(kept(&bench.plan(&after, &before)), []);
}

#[test]
fn a_path_that_the_target_did_not_look_at_is_never_deleted() {
    let bench = Bench::new();
    bench.put("a", "one");
    let before = bench.capture();
    bench.put("a", "two");
    bench.put("new/y", "y");
    let after = bench.capture();
    let not_looked = [("new/y".to_owned(), Kept::NotLookedAt)];

    let tracked = Snapshot { scope: Scope::Tracked, ..before.clone() };
    assert_eq!(kept(&bench.plan(&after, &tracked)), not_looked);

    let mut too_large = before.clone();
    let path = SkippedPath { path: "new".to_owned(), reason: SkipReason::TooManyFiles, bytes: None };
    too_large.skipped.paths.push(path);
    assert_eq!(kept(&bench.plan(&after, &too_large)), not_looked);

    let mut hinted = Snapshot { scope: Scope::Paths, ..before.clone() };
    hinted.skipped.only = vec![p("a")];
    assert_eq!(kept(&bench.plan(&after, &hinted)), not_looked);
    hinted.skipped.only = vec![p("new/y")];
    let plan = bench.plan(&after, &hinted);
    assert_eq!(acts(&plan), [("new/y".to_owned(), Action::Delete)]);
    assert_eq!(kept(&plan), [("a".to_owned(), Kept::NotLookedAt)], "what it carried over is not restored");
}

#[test]
fn what_the_rules_of_the_target_ignore_is_kept() {
    let bench = Bench::new();
    bench.put(".gitignore", "*.log\n");
    bench.put("sub/.gitignore", "out/\n");
    let before = bench.capture();
    bench.remove(".gitignore");
    bench.remove("sub");
    bench.put("run.log", "dear");
    bench.put("sub/out/result", "dear");
    bench.put("sub/other", "not ignored");
    let plan = bench.plan(&bench.capture(), &before);
    let ignored = |path: &str| (path.to_owned(), Kept::Ignored);
    assert_eq!(kept(&plan), [ignored("run.log"), ignored("sub/out/result")]);
    assert!(plan.items.iter().any(|i| i.path == p("sub/other") && i.action == Action::Delete));
}

#[test]
fn an_ignored_file_in_the_way_is_an_obstacle_and_nothing_changes() {
    let bench = Bench::new();
    bench.put("settings", "tracked then");
    bench.put("out/report", "tracked then");
    bench.put("a", "one");
    let before = bench.capture();
    bench.put("a", "two");
    bench.put(".gitignore", "settings\nout\n");
    bench.put("settings", "precious");
    bench.remove("out");
    bench.put("out", "precious file");
    let after = bench.capture();
    let plan = bench.plan(&after, &before);
    let expected =
        [("out/report", "a file is in the place of its folder"), ("settings", "an ignored file is in its place")];
    assert_eq!(reasons(&plan), expected.map(|(path, why)| (path.to_owned(), why.to_owned())));
    let disk = bench.listing();
    let error = bench.apply(&plan).expect_err("is refused");
    assert!(matches!(&error, Error::Refused { path, more: 1, .. } if *path == p("out/report")), "{error}");
    assert_eq!(bench.listing(), disk);
}

#[test]
fn an_ignored_file_that_already_is_as_it_will_be_is_no_obstacle() {
    let bench = Bench::new();
    bench.put("settings", "the same");
    let before = bench.capture();
    bench.put(".gitignore", "settings\n");
    let plan = bench.plan(&bench.capture(), &before);
    assert_eq!(reasons(&plan), []);
    bench.apply(&plan).expect("applies");
    assert_eq!(bench.capture().tree, before.tree);
}

#[test]
fn a_folder_in_the_place_of_a_file_must_hold_nothing_that_would_be_lost() {
    let bench = Bench::new();
    bench.put("thing", "a file");
    let before = bench.capture();
    bench.remove("thing");
    bench.put("thing/x", "x");
    std::fs::create_dir_all(bench.at("thing/empty/deeper")).expect("makes");
    let after = bench.capture();
    assert_eq!(reasons(&bench.plan(&after, &before)), [], "empty folders hold nothing");
    std::fs::write(bench.repo.common_dir.join("info/exclude"), "secret\n").expect("writes");
    bench.put("thing/empty/secret", "precious");
    let plan = bench.plan(&after, &before);
    let reason = "a folder with files that no checkpoint holds is in its place";
    assert_eq!(reasons(&plan), [("thing".to_owned(), reason.to_owned())]);
}

#[test]
fn what_the_present_snapshot_could_not_take_is_an_obstacle() {
    let bench = Bench::new();
    bench.put("big", "small then");
    let before = bench.capture();
    bench.remove("big");
    let mut after = bench.capture();
    bench.put("big", "large now");
    let path = SkippedPath { path: "big".to_owned(), reason: SkipReason::TooLarge, bytes: Some(9) };
    after.skipped.paths.push(path);
    let reason = "what is there now is too large to be in a checkpoint";
    assert_eq!(reasons(&bench.plan(&after, &before)), [("big".to_owned(), reason.to_owned())]);
}

#[test]
fn a_folder_with_too_many_new_files_does_not_stand_in_the_way_of_its_other_files() {
    let bench = Bench::new();
    bench.put("d/known", "one");
    bench.put("d/new", "one");
    bench.put("d/absent", "one");
    let before = bench.capture();
    bench.put("d/known", "two");
    bench.remove("d/new");
    bench.remove("d/absent");
    let mut after = bench.capture();
    bench.put("d/new", "one of too many");
    let path = SkippedPath { path: "d".to_owned(), reason: SkipReason::TooManyFiles, bytes: None };
    after.skipped.paths.push(path);
    let plan = bench.plan(&after, &before);
    assert_eq!(plan.items.len(), 3);
    let reason = "its folder holds more new files than a checkpoint takes";
    assert_eq!(reasons(&plan), [("d/new".to_owned(), reason.to_owned())]);
}

#[test]
fn a_symbolic_link_or_special_file_in_the_way_is_an_obstacle() {
    let bench = Bench::new();
    bench.put("d/f", "then");
    bench.put("pipe", "then");
    let before = bench.capture();
    bench.clear();
    let after = bench.capture();
    std::fs::create_dir(bench.outside("elsewhere")).expect("makes");
    bench.link("d", &bench.outside("elsewhere").to_string_lossy());
    rustix::fs::mknodat(rustix::fs::CWD, bench.at("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .expect("makes a FIFO");
    let expected =
        [("d/f", "a symbolic link is in the place of its folder"), ("pipe", "a special file is in its place")];
    let plan = bench.plan(&after, &before);
    assert_eq!(reasons(&plan), expected.map(|(path, why)| (path.to_owned(), why.to_owned())));
}

#[test]
fn submodules_are_kept_and_are_obstacles_only_where_a_write_needs_the_place() {
    let bench = Bench::new();
    bench.put("a", "one");
    bench.put("vendor/x", "a plain folder then");
    let plain = bench.capture();
    bench.remove("vendor");
    bench.put("a", "two");
    let commit = "1".repeat(40);
    let entry = format!("160000,{commit},vendor");
    let index = bench.outside("with-link");
    let run = |args: &[&str]| bench.git_with_index(&index, args);
    run(&["add", "-A"]);
    run(&["update-index", "--add", "--cacheinfo", &entry]);
    let linked = snapshot(Oid::parse(run(&["write-tree"]).trim()).expect("an id"));

    let plan = bench.plan(&linked, &plain);
    let reason = "a submodule or nested repository is in its place";
    assert_eq!(kept(&plan), [("vendor".to_owned(), Kept::Gitlink)]);
    assert_eq!(reasons(&plan), [("vendor/x".to_owned(), reason.to_owned())]);

    bench.put("vendor/x", "a plain folder then");
    let plan = bench.plan(&bench.capture(), &linked);
    assert_eq!(kept(&plan), [("vendor".to_owned(), Kept::Gitlink), ("vendor/x".to_owned(), Kept::Gitlink)]);
    assert!(plan.items.is_empty() && plan.obstacles.is_empty());
}

#[test]
fn a_missing_object_is_an_error_that_names_it() {
    let bench = Bench::new();
    let (before, after) = two_states(&bench);
    let oid = bench.git(&["rev-parse", &format!("{}:old/x", before.tree)]);
    let oid = oid.trim();
    std::fs::remove_file(bench.repo.common_dir.join("objects").join(&oid[..2]).join(&oid[2..])).expect("removes");
    let disk = bench.listing();
    let error = bench.try_plan(&after, &before).expect_err("cannot be done");
    assert!(error.to_string().contains(oid), "{error}");
    assert_eq!(bench.listing(), disk);
}

#[test]
fn paths_that_differ_only_by_case_are_an_obstacle_where_case_does_not_count() {
    let mut bench = Bench::new();
    bench.put("b", "x");
    let without = bench.capture();
    bench.put("A.txt", "upper");
    bench.put("a.txt", "lower");
    if bench.read("A.txt") == "lower" {
        return; // This file system is one of those already.
    }
    let both = bench.capture();
    bench.clear();
    bench.put("b", "x");
    assert_eq!(reasons(&bench.plan(&without, &both)), []);
    bench.configure(&[("core.ignoreCase", "true")]);
    let paths: Vec<String> = reasons(&bench.plan(&without, &both)).into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["A.txt", "a.txt"]);
}

#[test]
fn files_outside_of_a_sparse_checkout_are_kept() {
    let bench = Bench::configured(&[("core.sparseCheckout", "true")]);
    bench.put("far/x", "one");
    let before = bench.capture();
    bench.put("far/x", "two");
    let after = bench.capture();
    bench.remove("far");
    assert_eq!(kept(&bench.plan(&after, &before)), [("far/x".to_owned(), Kept::NotLookedAt)]);
}

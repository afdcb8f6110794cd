//! A restore that was killed is finished or taken back, whatever it had done by then.

use super::super::testing::{Bench, p};
use super::super::*;
use super::every_kind;
use crate::base::SessionId;
use crate::base::progress::Silent;
use crate::engine::journal::{Journal, Purpose};
use crate::engine::plan::Names;
use crate::engine::{PlanItem, TEMP_PREFIX};

fn journal(plan: &Plan) -> Journal {
    let session = SessionId::parse("094320c0-d68c-4670-b77b-7456115d8c99").expect("an id");
    let purpose = Purpose { session, tip: plan.present, then: serde_json::Value::Null };
    Journal { purpose, plan: plan.clone(), modes: BTreeMap::new() }
}

fn settle_now(bench: &Bench, journal: &Journal) -> (Settled, Vec<RepoPath>) {
    settle(&bench.repo, journal, &bench.root(), &Silent).expect("settles")
}

/// Applies some of a plan's items, as a restore that was killed would have.
fn apply_part(bench: &Bench, items: &[PlanItem]) {
    let disk = WorkTree::open(&bench.repo).expect("opens");
    let (modes, stamps) = (BTreeMap::new(), Stamps::default());
    let mut run = Run::new(&bench.repo, &disk, &modes, &stamps, &bench.root()).expect("starts");
    run.carry_out(items, &Silent, &mut |_| Ok(())).expect("applies a part");
}

#[test]
fn files_left_by_a_killed_run_are_removed_where_it_is_settled() {
    let bench = Bench::new();
    bench.put("d/f", "two");
    let target = bench.capture();
    bench.put("d/f", "one");
    let plan = bench.plan(&bench.capture(), &target);
    let leftover = format!("d/{TEMP_PREFIX}0123456789ab");
    bench.apply(&plan).expect("applies");
    bench.put(&leftover, "half");
    settle_now(&bench, &journal(&plan));
    assert!(!bench.exists(&leftover));
}

#[test]
fn a_restore_killed_after_any_item_is_finished_and_settling_twice_is_settling_once() {
    let bench = Bench::new();
    let (before, after) = every_kind(&bench);
    let plan = bench.plan(&before, &after);
    for count in 0..=plan.items.len() {
        // In the order of the run: what blocks a write goes first.
        apply_part(&bench, &in_order(&plan)[..count]);
        for _ in 0..2 {
            assert_eq!(settle_now(&bench, &journal(&plan)), (Settled::Finished, vec![]), "after {count} items");
            assert_eq!(bench.capture().tree, after.tree, "after {count} items");
        }
        bench.restore(&before);
    }
}

#[test]
fn a_restore_killed_after_any_item_is_taken_back_where_an_object_is_gone() {
    let bench = Bench::new();
    let (before, after) = every_kind(&bench);
    let plan = bench.plan(&before, &after);
    let (items, old) = (in_order(&plan), bench.listing());
    let oid = bench.git(&["rev-parse", &format!("{}:new/deep/er/file", after.tree)]);
    let place = bench.repo.common_dir.join("objects").join(&oid[..2]).join(oid[2..].trim());
    let last = items.iter().position(|item| item.path == p("new/deep/er/file")).expect("is in the plan");
    for count in 0..=last {
        apply_part(&bench, &items[..count]);
        std::fs::rename(&place, bench.outside("object")).expect("moves");
        for _ in 0..2 {
            assert_eq!(settle_now(&bench, &journal(&plan)), (Settled::TakenBack, vec![]), "after {count} items");
            assert_eq!(bench.listing(), old, "after {count} items");
        }
        std::fs::rename(bench.outside("object"), &place).expect("moves");
    }
}

#[test]
fn settling_leaves_and_names_what_is_someones_work() {
    let bench = Bench::new();
    let (before, after) = every_kind(&bench);
    let plan = bench.plan(&before, &after);
    bench.put("changed", "mine");
    bench.put("swap/mine", "mine");
    let (outcome, left) = settle_now(&bench, &journal(&plan));
    assert_eq!((outcome, left), (Settled::Finished, vec![p("changed"), p("swap")]));
    assert_eq!((bench.read("changed"), bench.read("swap/mine")), ("mine".to_owned(), "mine".to_owned()));
    assert_eq!(bench.read("new/deep/er/file"), "new", "the rest is finished");
}

/// The items as a run would do them.
fn in_order(plan: &Plan) -> Vec<PlanItem> {
    let order = order::Order::of(&plan.items, Names::Exact);
    [order.first, order.attributes, order.writes, order.last].concat().into_iter().cloned().collect()
}

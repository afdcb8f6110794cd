//! Random work on a tree, with git as the oracle after it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::*;

/// One thing that a user or an agent does to a work tree.
#[derive(Clone, Debug)]
enum Step {
    Write(&'static str, u8),
    Remove(&'static str),
    Link(&'static str),
    Executable(&'static str),
    Git(&'static [&'static str]),
}

fn steps() -> impl proptest::strategy::Strategy<Value = Vec<Step>> {
    use proptest::prelude::*;
    let path = || {
        proptest::sample::select(vec![
            "a",
            "a/b",
            "a/b/c",
            "a.x",
            "a-b/c",
            "ig",
            "ig/x",
            "ig/y/z",
            "k.log",
            "a/k.log",
            ".gitignore",
            "a/.gitignore",
        ])
    };
    let git = proptest::sample::select(vec![
        &["add", "-A"] as &'static [_],
        &["add", "-A", "-f"],
        &["commit", "-q", "--allow-empty", "-m", "c"],
        &["rm", "-r", "-q", "-f", "--cached", "--ignore-unmatch", "a"],
        &["read-tree", "--empty"],
        &["stash", "list"],
    ]);
    let step = prop_oneof![
        5 => (path(), 0..6_u8).prop_map(|(path, n)| Step::Write(path, n)),
        2 => path().prop_map(Step::Remove),
        1 => path().prop_map(Step::Link),
        1 => path().prop_map(Step::Executable),
        2 => git.prop_map(Step::Git),
    ];
    proptest::collection::vec(step, 1..25)
}

fn apply(bench: &Bench, step: &Step) {
    let clear = |path: &str| {
        // A file that is in the way of a folder goes first.
        let mut above = bench.root.clone();
        for part in Path::new(path) {
            above.push(part);
            if fs::symlink_metadata(&above).is_ok_and(|m| !m.is_dir()) {
                fs::remove_file(&above).expect("removes");
            }
        }
        if above.is_dir() {
            fs::remove_dir_all(&above).expect("removes");
        }
        fs::create_dir_all(above.parent().expect("a folder")).expect("makes folders");
        above
    };
    match step {
        Step::Write(path, n) => {
            let rules = ["*.log\n", "ig/\n", "ig/*\n!ig/y\n", "/a\n!k.log\n", "b\n", ""];
            let text = if path.ends_with(".gitignore") { rules[usize::from(*n)].to_owned() } else { n.to_string() };
            fs::write(clear(path), text).expect("writes");
        }
        Step::Remove(path) => drop(clear(path)),
        Step::Link(path) => symlink("a", clear(path)).expect("links"),
        Step::Executable(path) => {
            let path = bench.root.join(path);
            if fs::symlink_metadata(&path).is_ok_and(|m| m.is_file()) {
                fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("sets the mode");
            }
        }
        Step::Git(args) => drop(bench.git(args)),
    }
}

#[test]
fn after_any_steps_the_tree_is_the_one_that_git_makes() {
    let config = proptest::test_runner::Config { cases: 8, failure_persistence: None, ..Default::default() };
    proptest::test_runner::TestRunner::new(config)
        .run(&steps(), |steps| {
            let bench = Bench::new(&[]);
            let mut previous = None;
            for (n, step) in steps.iter().enumerate() {
                apply(&bench, step);
                if n % 4 == 3 || n + 1 == steps.len() {
                    let snapshot = bench.full(previous);
                    proptest::prop_assert_eq!(snapshot.tree, bench.git_tree(), "after step {}", n);
                    // Now and then the base is not the cached tree.
                    previous = (n % 3 != 0).then_some(snapshot.tree);
                }
            }
            Ok(())
        })
        .expect("every tree is git's");
}

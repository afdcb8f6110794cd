//! Integration tests, one binary: every file beside this one is a module of it.
#![expect(clippy::disallowed_methods, reason = "tests arrange files and run programs as their users would")]

mod addresses;
mod agents_real;
mod agents_state;
mod agents_terminal;
mod architecture;
mod bad_hooks;
mod bad_input;
mod belonging;
mod commit_table;
mod commits_later;
mod damage;
mod demo;
mod docs;
mod doctor;
mod enable;
mod enabling;
mod errors;
mod fidelity;
mod filters;
mod filters_recorded;
mod filters_slow;
mod fork;
mod forked_turns;
mod format;
mod fuzz;
mod git_hooks;
mod git_hooks_chained;
mod git_hooks_kept;
mod git_hooks_where;
mod going_on;
mod hook_cost;
mod hook_places;
mod hooks_seen;
mod hostile_chains;
mod hostile_records;
mod hostile_text;
mod ignored_then;
mod incoming;
mod joining;
mod judged;
mod killed;
mod killed_fork;
mod killed_many;
mod limits;
mod listed;
mod lives;
mod managed;
mod memory;
mod native_ids;
mod obstacles;
mod odd_repositories;
mod one_repository;
mod picked;
mod plain_git;
mod prompts;
mod prop_filters;
mod prop_ownership;
mod prop_session;
mod recordings;
mod restored;
mod revert;
mod shapes;
mod share;
mod share_trouble;
mod staged;
mod state;
mod support;
mod support_works;
mod transcripts;
mod trust;
mod walks;
mod zoo;

/// A file of tests that nobody lists would never run.
#[test]
fn no_test_file_is_forgotten() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it");
    let listed = std::fs::read_to_string(format!("{folder}/main.rs")).expect("reads itself");
    let forgotten: Vec<String> = std::fs::read_dir(folder)
        .expect("lists the folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name in UTF-8"))
        .filter_map(|name| {
            name.strip_suffix(".rs").map(str::to_owned).or_else(|| (!name.contains('.')).then_some(name))
        })
        .filter(|name| name != "main" && !listed.lines().any(|line| line == format!("mod {name};")))
        .collect();
    assert!(forgotten.is_empty(), "not listed in tests/it/main.rs: {forgotten:?}");
}

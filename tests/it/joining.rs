//! Which session a `save` or a commit goes on with: one that runs, one that ended lately, or one of its own.

use serde_json::{Value, json};

use crate::support::agent::Agent;
use crate::support::repo::{Shape, TestRepo};

fn at(repo: &mut TestRepo, time: &str) {
    repo.sandbox.set("SESSION_TEST_CLOCK", format!("2026-01-{time}:00Z"));
}

/// A session of an agent that ended.
fn ended(repo: &mut TestRepo, native: &str, time: &str) -> String {
    at(repo, time);
    let agent = Agent::new(repo, native);
    agent.turn("go on", "f", time);
    let id = repo.session_id();
    agent.leave();
    id
}

fn save(repo: &TestRepo) -> Value {
    repo.write("more", repo.all_refs());
    repo.ask(["save"])
}

#[test]
fn a_save_joins_what_ended_here_lately_and_else_opens_a_session() {
    for shape in [Shape::PLAIN, Shape { object_format: "sha256", ref_format: "reftable", linked: true }] {
        let mut repo = TestRepo::of_shape(shape);
        let first = ended(&mut repo, "first", "02T08:00");
        let second = ended(&mut repo, "second", "02T09:00");
        at(&mut repo, "02T20:59");
        assert_eq!(save(&repo)["session"], second.as_str(), "{shape:?}");
        assert_eq!(repo.ask(["status"])["state"], "ended", "joining brings no agent back");
        // The save was an event of its own.
        at(&mut repo, "03T08:58");
        assert_eq!(save(&repo)["session"], second.as_str(), "{shape:?}");
        at(&mut repo, "03T20:58");
        let own = save(&repo);
        assert_eq!((&own["begun"], own["session"] != first.as_str()), (&true.into(), true), "{shape:?}");
        assert_eq!(repo.ask(["show"])["agent"], "none", "{shape:?}");
        // A person's own session goes on however long it rests.
        at(&mut repo, "09T08:00");
        assert_eq!(save(&repo)["session"], own["session"], "{shape:?}");
        // Without our note of what ran here it is the same.
        let git_dir = std::path::PathBuf::from(repo.git(["rev-parse", "--absolute-git-dir"]));
        for note in ["recent", "current"] {
            std::fs::remove_file(git_dir.join("session").join(note)).expect("removes");
        }
        assert_eq!(save(&repo)["session"], own["session"], "{shape:?}");
    }
}

#[test]
fn the_length_of_time_is_a_setting() {
    for (within, joins) in [("0", false), ("30m", false), ("2", true), ("1d", true)] {
        let mut repo = TestRepo::new();
        repo.git(["config", "session.joinWithin", within]);
        let id = ended(&mut repo, "native", "02T08:00");
        at(&mut repo, "02T09:00");
        assert_eq!(save(&repo)["session"] == id.as_str(), joins, "{within}");
    }
    let mut repo = TestRepo::new();
    ended(&mut repo, "native", "02T08:00");
    repo.git(["config", "session.joinWithin", "soon"]);
    assert_eq!(repo.refused(2, ["save"])["code"], "config.value");
}

#[test]
fn an_agent_that_fell_silent_days_ago_is_not_joined() {
    let mut repo = TestRepo::new();
    at(&mut repo, "02T08:00");
    // No process of its own is known of it, and it never ended.
    let agent = Agent::new(&repo, "native");
    agent.hook("prompt", &json!({"prompt": "go on", "pid": 4_194_303}));
    repo.write("f", "x");
    agent.end();
    let id = repo.session_id();
    at(&mut repo, "02T10:00");
    assert_eq!(save(&repo)["session"], id.as_str());
    at(&mut repo, "05T10:00");
    assert_ne!(save(&repo)["session"], id.as_str());
}

#[test]
fn a_commit_joins_alike() {
    for (later, joins) in [("02T19:00", true), ("02T20:01", false)] {
        let mut repo = TestRepo::new();
        let _on = repo.session(["enable"]).success();
        let id = ended(&mut repo, "native", "02T08:00");
        at(&mut repo, later);
        repo.commit("by hand");
        let heads = repo.git(["for-each-ref", "refs/sessions/heads"]).lines().count();
        assert_eq!(heads, if joins { 1 } else { 2 }, "{later}");
        let newest = repo.ask(["list"])["sessions"][0].clone();
        assert_eq!(newest["id"] == id.as_str(), joins, "{later}");
        assert_eq!(repo.ask(["log", "-s", newest["id"].as_str().expect("an id")])["checkpoints"][0]["kind"], "commit");
    }
}

//! What arrives and leaves is said: whose a session is, what in it would run, what a push takes along; and what a remote does to its
//! refs makes nothing one's own that is not.

use crate::share::{Team, case, head, listed};
use crate::support::agent::Agent;
use crate::support::stranger::{Parts, Stranger, id};

fn stranger(team: &Team) -> Stranger {
    Stranger::new(&team.remote, &team.a.git(["rev-parse", "main"]))
}

/// Settings that run commands, and a file that does not.
fn with_settings(stranger: &Stranger, n: u32) -> Parts {
    let mut parts = stranger.parts(n);
    parts.files.extend([
        stranger.dir(".claude", [stranger.file("settings.json", "{}")]),
        stranger.file(".envrc", "touch ran\n"),
        stranger.file("Makefile", "all:\n"),
        stranger.dir("sub", [stranger.dir(".vscode", [stranger.file("tasks.json", "{}")])]),
    ]);
    parts
}

const RUNS: [&str; 3] = [".claude/settings.json", ".envrc", "sub/.vscode/tasks.json"];

#[test]
fn configuration_that_runs_is_named_and_written_with_a_yes_only() {
    let team = Team::new();
    let stranger = stranger(&team);
    stranger.push(1, &with_settings(&stranger, 1));
    let b = &team.b;
    b.ask(["pull"]);
    let (files, refs, one) = (b.listing(), b.all_refs(), id(1));
    let out = b.session(["--json", "rewind", "code", "1", "-s", &one, "--all", "--dry-run"]);
    let dry = out.json();
    assert_eq!((out.code, dry["error"]["code"].as_str()), (Some(6), Some("session.untrusted")), "{out}");
    assert_eq!((&dry["executable"], &dry["needs_trust"]), (&serde_json::json!(RUNS), &true.into()));
    assert_eq!(dry["whose"]["remote"], "origin");
    for verb in [
        &["rewind", "code", "1", "-s", &one, "--all"][..],
        &["rewind", "both", "1", "-s", &one, "--all"],
        &["fork", "z", "-s", &one],
        &["fork", "z", "-s", &one, "--at", "1", "--worktree", "../other"],
        &["slash", &format!("/session:rewind code 1 -s {one} --all")],
    ] {
        let refused = b.refused(6, verb.iter().copied());
        assert_eq!(refused["code"], "session.untrusted", "{verb:?}: {refused}");
        assert_eq!(refused["details"], serde_json::json!(RUNS), "{verb:?}");
        assert!(refused["message"].as_str().expect("text").contains("stranger@example.invalid"), "{refused}");
        assert!(refused["hint"].as_str().expect("text").contains("--trust"), "{refused}");
        assert_eq!((b.listing(), b.all_refs()), (files.clone(), refs.clone()), "{verb:?} moved something");
    }
    // Other files alone want no yes.
    b.ask(["rewind", "code", "1", "-s", &one, "--all", "--", "Makefile"]);
    assert_eq!(b.read("Makefile"), b"all:\n");
    // It stays somebody else's checkpoint after it was gone on with.
    let refused = b.refused(6, ["rewind", "code", "1", "-s", &one, "--all"]);
    assert_eq!(refused["code"], "session.untrusted");
    let forked = b.ask(["fork", "mine", "-s", &one, "--at", "1", "--no-branch", "--trust"]);
    let fork = forked["session"].as_str().expect("an id").to_owned();
    assert_eq!(
        b.refused(6, ["rewind", "code", "1", "-s", &fork, "--all"])["code"],
        "session.untrusted",
        "a fork of it, too"
    );
    b.ask(["rewind", "code", "1", "-s", &one, "--all", "--trust"]);
    assert_eq!(b.read(".envrc"), b"touch ran\n");
    // What was written once with a yes is one's own present state: it comes back by a redo of one's own.
    b.ask(["redo", "-s", &one, "--all"]);
    b.assert_sound();
}

#[test]
fn the_first_use_of_a_session_says_whose_it_is() {
    let team = Team::new();
    let stranger = stranger(&team);
    for n in 1..4 {
        stranger.push(n, &stranger.parts(n));
    }
    let b = &team.b;
    b.ask(["pull"]);
    let ids: Vec<String> = (1..4).map(id).collect();
    for (verb, again) in [
        (
            vec!["rewind", "code", "1", "-s", &ids[0], "--all"],
            vec!["rewind", "code", "1", "-s", &ids[0], "--all", "--dry-run"],
        ),
        (vec!["fork", "z", "-s", &ids[1], "--no-branch"], vec!["fork", "y", "-s", &ids[1], "--no-branch"]),
        (vec!["resume", &ids[2], "--print"], vec!["list"]),
    ] {
        let out = b.session(verb.iter().copied()).success();
        assert!(
            out.stderr.contains("somebody else's")
                && out.stderr.contains("origin")
                && out.stderr.contains("A Stranger"),
            "{out}"
        );
        let out = b.session(again.iter().copied());
        assert!(!out.stderr.contains("somebody else's"), "it is one's own now\n{out}");
    }
}

#[test]
fn a_line_that_a_remote_replaces_keeps_my_work_once_and_is_never_published_as_mine() {
    let team = Team::new();
    let stranger = stranger(&team);
    let b = &team.b;
    let agent = Agent::with_transcript(b, "native-b");
    agent.start();
    agent.turn("mine", "f.txt", "1\n");
    let mine = b.session_id();
    let own = head(b, &mine);
    b.ask(["push", "--yes"]);
    let mut lines = Vec::new();
    for n in 1..6 {
        let mut parts = stranger.parts(1);
        parts.record.as_mut().expect("a record")["id"] = mine.clone().into();
        parts.record.as_mut().expect("a record")["title"] = format!("line {n}").into();
        parts.trailers.push(("Session", Some(mine.clone())));
        let tip = stranger.checkpoint(1, &parts).0;
        team.there(&["update-ref", &format!("refs/sessions/heads/{mine}"), &tip], b"");
        let pulled = b.ask(["pull"]);
        assert_eq!(case(&pulled, &mine), if n == 1 { "diverged" } else { "replaced" }, "{pulled}");
        lines.push(tip);
    }
    assert_eq!(listed(b).len(), 2, "{:?}", listed(b));
    assert_eq!(head(b, &mine), lines[4], "the remote's line keeps the id");
    let heads = b.git(["for-each-ref", "--format=%(refname)", "refs/sessions/heads"]);
    let fork = heads.lines().find(|name| !name.ends_with(&mine)).expect("my own line").to_owned();
    assert_eq!(b.git(["rev-parse", &format!("{fork}^2")]), own);
    // Another remote gets my own line, and nothing that was never mine.
    let other = b.sandbox.path().join("other.git");
    let path = other.to_str().expect("UTF-8");
    b.git(["init", "--quiet", "--bare", path]);
    b.ask(["push", path, "--all", "--yes"]);
    let there = b.git([&format!("--git-dir={path}"), "for-each-ref", "--format=%(refname)"]);
    assert_eq!(there, fork);
    for line in lines {
        let found = b.sandbox.command("git", &other).args(["cat-file", "-e", &line]).status().expect("git starts");
        assert!(!found.success(), "{line} was published");
    }
    b.assert_sound();
}

#[test]
fn a_deleted_session_does_not_come_back_by_a_pull() {
    let team = Team::new();
    let stranger = stranger(&team);
    let made = stranger.push(1, &stranger.parts(1)).0;
    let b = &team.b;
    b.ask(["pull"]);
    b.git(["update-ref", &format!("refs/sessions/trash/{}", id(1)), &made]);
    for name in ["refs/sessions/remotes/origin/heads", "refs/sessions/heads"] {
        b.git(["update-ref", "-d", &format!("{name}/{}", id(1))]);
    }
    let refs = b.all_refs();
    let pulled = b.ask(["pull"]);
    assert_eq!(case(&pulled, &id(1)), "deleted");
    assert_eq!(b.all_refs(), refs);
    assert!(listed(b).is_empty());
}

#[test]
fn a_push_names_what_looks_secret_first_and_in_full_and_what_only_the_index_held() {
    let Team { a, .. } = &Team::new();
    for n in 0..40 {
        a.write(format!("a{n:02}.txt"), "x\n");
        a.write(format!("keys/{n:02}.pem"), "key\n");
    }
    a.write("staged.env", "SECRET=1\n");
    a.git(["add", "staged.env"]);
    a.ask(["save", "one"]);
    a.git(["rm", "--quiet", "--cached", "staged.env"]);
    a.remove("staged.env");
    a.write("token.env", "x\n");
    a.ask(["save", "two"]);
    let out = a.session(["push", "--dry-run"]).success();
    let at = |text: &str| out.stdout.find(text).unwrap_or_else(|| panic!("{text} is not named\n{out}"));
    for n in 0..40 {
        assert!(at(&format!("keys/{n:02}.pem")) < at("a00.txt"), "secrets come first\n{out}");
    }
    assert!(at("token.env") < at("a00.txt") && at("staged.env") < at("a00.txt"), "{out}");
    let plan = a.ask(["push", "--dry-run"]);
    assert_eq!(plan["secrets"].as_array().map(Vec::len), Some(42), "{plan}");
    assert_eq!(plan["staged"], serde_json::json!(["staged.env"]));
}

#[test]
fn a_commit_that_only_looks_like_ours_blocks_no_push_and_one_that_is_ours_does() {
    let team = Team::new();
    let Team { a, .. } = &team;
    a.ask(["enable"]);
    a.ask(["save", "mine"]);
    let committer = ["-c", "user.name=git-session", "-c", "user.email=git-session@localhost"];
    let message = format!("innocent\n\nSession: {}\nCheckpoint: 1\n", id(9));
    let args = [&committer[..], &["commit", "--quiet", "--allow-empty", "-m", &message]].concat();
    let mut command = a.sandbox.command("git", a.path());
    for who in ["NAME", "EMAIL"] {
        command.env_remove(format!("GIT_COMMITTER_{who}"));
    }
    assert!(command.args(args).status().expect("git starts").success());
    a.commit("next");
    a.git(["push", "--quiet", "origin", "main"]);
    let ours = a.git(["rev-parse", &format!("{}^", a.session_ref())]);
    a.git(["branch", "leak", &ours]);
    let out = a.sandbox.run_with_input("git", a.path(), ["push", "origin", "leak"], b"");
    assert!(!out.stderr.is_empty() && out.code != Some(0), "{out}");
}

#[test]
fn many_sessions_cost_no_more_calls_of_git_than_a_few() {
    let calls = |sessions: u32| {
        let mut team = Team::new();
        let stranger = stranger(&team);
        let records = stranger.parts(1);
        for n in 1..=sessions {
            // One commit for all would be one session's; a small one each is enough.
            stranger.push(n, &Parts { record: stranger.parts(n).record, ..records.clone() });
        }
        let count = team.b.count_gits();
        let pulled = team.b.session(["--json", "pull"]);
        let good = pulled.json()["sessions"].as_array().expect("a list").iter().filter(|r| r["case"] == "new").count();
        assert_eq!(good, sessions as usize, "{pulled}");
        count()
    };
    let (few, many) = (calls(40), calls(400));
    assert!(many <= few + 1, "{few} calls for 40, {many} for 400");
}

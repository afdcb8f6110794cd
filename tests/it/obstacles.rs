//! What stops a move: one verdict for the dry run and the real one, whatever the verb and whatever is in the way; and the choice
//! that goes on without what cannot be touched.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::agent::Agent;
use crate::support::hostile::overwrite;
use crate::support::repo::TestRepo;

/// Every verb that moves files, as typed; each has to write `place` and to change `f`.
const VERBS: [(&str, &[&str]); 5] = [
    ("rewind code", &["rewind", "code", "turn:2"]),
    ("rewind both", &["rewind", "both", "turn:2"]),
    ("redo", &["redo"]),
    ("revert", &["revert", "2"]),
    ("fork", &["fork", "x", "--at", "turn:2", "--switch"]),
];

/// Turn 1 made `place`, turn 2 removed it and changed `f`. Before a redo all of that is taken back, so that both come again.
fn repo(verb: &str) -> TestRepo {
    let repo = TestRepo::new();
    repo.write("f", "0\n");
    repo.commit("more");
    let agent = Agent::with_transcript(&repo, "agent");
    agent.prompt("one");
    repo.write("place", "then\n");
    repo.write("f", "1\n");
    agent.end();
    if verb == "redo" {
        repo.ask(["rewind", "code", "turn:1"]);
        return repo;
    }
    agent.prompt("two");
    repo.remove("place");
    repo.write("f", "2\n");
    agent.end();
    repo
}

fn ignore(repo: &TestRepo, rule: &str) {
    let path = repo.at(".git/info/exclude");
    let text = fs::read_to_string(&path).unwrap_or_default();
    fs::write(path, format!("{text}{rule}\n")).expect("writes");
}

/// Things that no checkpoint holds, put where a file has to be written.
const OBSTACLES: [&str; 7] = ["ignored", "ignored link", "too large", "special", "nested", "folder", "start folder"];

fn put(repo: &TestRepo, obstacle: &str) {
    match obstacle {
        "ignored" => {
            ignore(repo, "place");
            repo.write("place", "mine\n");
        }
        "ignored link" => {
            ignore(repo, "place");
            repo.symlink("place", "f");
        }
        "too large" => {
            repo.git(["config", "session.snapshot.maxFileBytes", "10"]);
            repo.write("place", "much more than that\n");
        }
        "special" => {
            let place = repo.at("place");
            rustix::fs::mknodat(rustix::fs::CWD, place, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("makes it");
        }
        "nested" => {
            repo.git(["init", "--quiet", "place"]);
            repo.write("place/x", "mine\n");
        }
        "folder" => {
            ignore(repo, "place/");
            repo.write("place/x", "mine\n");
        }
        "start folder" => fs::create_dir(repo.at("place")).expect("makes it"),
        other => panic!("{other}"),
    }
}

fn run(repo: &TestRepo, cwd: Option<&str>, args: &[&str], more: &[&str]) -> (Option<i32>, Value) {
    let cwd = cwd.map_or_else(|| repo.path().to_owned(), |folder| repo.at(folder));
    let out = repo.sandbox.session(&cwd, [&["--json"][..], args, more].concat());
    (out.code, out.json())
}

/// The dry run and the real one end in the same way and change nothing; what they said.
#[track_caller]
fn both_refuse(repo: &TestRepo, about: &str, cwd: Option<&str>, args: &[&str], exit: i32, code: &str) -> Value {
    let before = (repo.listing(), repo.all_refs(), repo.index_bytes());
    let (dry_exit, dry) = run(repo, cwd, args, &["--dry-run"]);
    assert_eq!((dry_exit, &dry["error"]["code"]), (Some(exit), &json!(code)), "{about}, dry: {dry:#}");
    assert_eq!((repo.listing(), repo.all_refs(), repo.index_bytes()), before, "{about}, dry");
    let (real_exit, real) = run(repo, cwd, args, &[]);
    assert_eq!(real_exit, Some(exit), "{about}: {real:#}");
    assert_eq!(real["error"], dry["error"], "{about}");
    assert_eq!((repo.listing(), repo.all_refs(), repo.index_bytes()), before, "{about}");
    assert!(!repo.at(".git/session/journal").exists(), "{about}");
    dry
}

#[test]
fn every_obstacle_is_a_choice_of_every_verb_and_the_dry_run_says_so() {
    for (verb, args) in VERBS {
        for obstacle in OBSTACLES {
            let about = format!("{verb}, {obstacle}");
            let repo = repo(verb);
            put(&repo, obstacle);
            let cwd = (obstacle == "start folder").then_some("place");
            let told = both_refuse(&repo, &about, cwd, args, 6, "restore.obstacle");
            assert!(told["error"].to_string().contains("place"), "{about}: {told:#}");
            assert!(told["error"]["hint"].to_string().contains("--mine"), "{about}: {told:#}");
            if verb != "fork" {
                assert_eq!(told["obstacles"][0]["path"], "place", "{about}: {told:#}");
            }
            let place = || repo.listing().into_iter().filter(|line| line.contains("\"place")).collect::<Vec<_>>();
            let (there, f) = (place(), repo.read("f"));
            let choice = if obstacle == "special" { "--all" } else { "--mine" };
            let (dry_exit, dry) = run(&repo, cwd, args, &[choice, "--dry-run"]);
            let (exit, done) = run(&repo, cwd, args, &[choice]);
            assert_eq!((dry_exit, exit), (Some(0), Some(0)), "{about}: {dry:#}\n{done:#}");
            assert_eq!(place(), there, "{about}: it is touched");
            assert_ne!(repo.read("f"), f, "{about}: the rest is not taken");
            let files = if verb == "fork" { "here" } else { "files" };
            assert_eq!(done[files], dry[files], "{about}");
            assert_eq!(done[files]["kept"][0][0], "place", "{about}: {done:#}");
        }
    }
}

#[test]
fn a_dry_run_ends_as_the_real_one_whatever_prevents_it() {
    for (verb, args) in VERBS {
        let loose = |repo: &TestRepo| -> PathBuf {
            let copy = repo.sandbox.path().join("then");
            fs::write(&copy, "then\n").expect("writes");
            repo.loose(&repo.git(["hash-object", "--no-filters", copy.to_str().expect("text")]))
        };
        for (prevents, exit, code) in [
            ("somebody's change", 6, "rewind.foreign"),
            ("a merge", 6, "rewind.operation"),
            ("missing content", 7, "object.missing"),
            ("damaged content", 7, "object.damaged"),
        ] {
            let about = format!("{verb}, {prevents}");
            let repo = repo(verb);
            match prevents {
                // A revert keeps what was changed since.
                "somebody's change" if verb == "revert" => continue,
                "somebody's change" => repo.write("f", "by hand\n"),
                "a merge" => repo.write(".git/MERGE_HEAD", repo.git(["rev-parse", "HEAD"])),
                "missing content" => fs::remove_file(loose(&repo)).expect("removes"),
                _ => overwrite(&loose(&repo), b"no object at all"),
            }
            both_refuse(&repo, &about, None, args, exit, code);
        }
    }
}

#[test]
fn damaged_content_of_a_file_that_takes_the_place_of_others_stops_it_before_they_go() {
    let repo = TestRepo::new();
    repo.write("d", "then\n");
    repo.ask(["save"]);
    repo.remove("d");
    repo.write("d/a", "now\n");
    repo.ask(["save"]);
    let oid =
        repo.git(["rev-parse", &format!("{}^:d", repo.checkpoints()[0]["session_commit"].as_str().expect("an id"))]);
    overwrite(&repo.loose(&oid), b"no object at all");
    both_refuse(&repo, "rewind", None, &["rewind", "code", "1"], 7, "object.damaged");
}

#[test]
fn while_somebody_holds_the_worktree_both_end_with_the_lock() {
    let repo = repo("rewind code");
    let lock = repo.at(".git/session/lock");
    let _held = git_session::base::lock::FileLock::acquire(&lock, std::time::Duration::ZERO, 0o600).expect("takes it");
    let runs: Vec<Vec<&str>> =
        VERBS.iter().flat_map(|(_, args)| [args.to_vec(), [*args, &["--dry-run"]].concat()]).collect();
    // All at once: each waits for as long as an explicit command does.
    let start = |args: &Vec<&str>| {
        let mut command = repo.sandbox.command(env!("CARGO_BIN_EXE_session"), repo.path());
        command.arg("--json").args(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts")
    };
    let started: Vec<_> = runs.iter().map(start).collect();
    for (args, child) in runs.iter().zip(started) {
        let out = child.wait_with_output().expect("ends");
        let said: Value = serde_json::from_slice(&out.stdout).expect("JSON");
        assert_eq!((out.status.code(), &said["error"]["code"]), (Some(5), &json!("lock.held")), "{args:?}: {said:#}");
    }
}

#[test]
fn what_someone_else_changed_and_what_cannot_be_touched_are_one_choice() {
    let repo = repo("rewind code");
    put(&repo, "ignored");
    repo.write("theirs", "by hand\n");
    let told = both_refuse(&repo, "both", None, &["rewind", "code", "turn:2"], 6, "rewind.foreign");
    assert_eq!(told["error"]["details"], json!(["theirs", "place: an ignored file is in its place"]), "{told:#}");
    repo.ask(["rewind", "code", "turn:2", "--all"]);
    assert_eq!((repo.read("place"), repo.read("f")), (b"mine\n".to_vec(), b"1\n".to_vec()));
    assert!(!repo.at("theirs").exists());
    repo.ask(["redo"]);
    assert_eq!((repo.read("place"), repo.read("theirs")), (b"mine\n".to_vec(), b"by hand\n".to_vec()));
    let out = repo.session(["rewind", "code", "turn:2", "--mine"]).success();
    assert!(out.stderr.contains("left    place (an ignored file is in its place)"), "{out}");
    assert_eq!((repo.read("f"), repo.read("theirs")), (b"1\n".to_vec(), b"by hand\n".to_vec()));
}

#[test]
fn a_bare_rewind_walks_over_stops_of_which_nothing_can_be_taken() {
    let repo = TestRepo::new();
    repo.write("f", "1\n");
    repo.ask(["save"]);
    repo.write("place", "then\n");
    repo.ask(["save"]);
    repo.remove("place");
    put(&repo, "ignored");
    repo.write("f", "2\n");
    repo.ask(["save"]);
    repo.write("f", "1\n");
    repo.ask(["rewind", "code", "--mine"]);
    assert_eq!(repo.read("f"), b"2\n");
}

#[test]
fn refusals_are_short_for_people_and_whole_for_programs() {
    let repo = TestRepo::new();
    let agent = Agent::new(&repo, "agent");
    agent.prompt("one");
    for n in 0..1200 {
        repo.write(format!("dist/f{n:04}"), "then\n");
    }
    repo.write("f", "1\n");
    agent.end();
    agent.prompt("two");
    repo.remove("dist");
    repo.write("f", "2\n");
    agent.end();
    ignore(&repo, "dist/");
    for n in 0..1200 {
        repo.write(format!("dist/f{n:04}"), "mine\n");
    }
    for more in [&[][..], &["--dry-run"], &["--mine", "--dry-run"]] {
        let out = repo.session([&["rewind", "code", "turn:2"][..], more].concat());
        assert!(out.stderr.contains("and 1,180 more"), "{out}");
        assert!((out.stdout.len() + out.stderr.len()) < 4096, "{out}");
    }
    let answer = repo.generic_prompt("agent", "/rewind code turn:2");
    assert!(answer.len() <= 4096 && answer.contains("--mine"), "{} bytes: {answer}", answer.len());
    let told = repo.refused(6, ["rewind", "code", "turn:2"]);
    assert_eq!(told["details"].as_array().expect("a list").len(), 1200);
    // Somebody's changes, too.
    ignore(&repo, "!dist/");
    let out = repo.session(["rewind", "code", "turn:2"]);
    assert!(out.stderr.contains("1,200 files were changed") && out.stderr.contains("and 1,180 more"), "{out}");
    let answer = repo.generic_prompt("agent", "/rewind code turn:2");
    assert!(answer.len() <= 4096 && answer.contains("--mine"), "{} bytes: {answer}", answer.len());
    let long = "n".repeat(200);
    for n in 0..30 {
        repo.write(format!("{long}/{long}/{long}/{long}/{n}"), "mine\n");
    }
    let answer = repo.generic_prompt("agent", "/rewind code turn:2");
    assert!(answer.len() <= 4096 && answer.contains("--mine"), "{} bytes: {answer}", answer.len());
}

impl TestRepo {
    /// What the agent is answered to a line.
    fn generic_prompt(&self, native: &str, line: &str) -> String {
        let payload = json!({ "session_id": native, "cwd": self.path(), "prompt": line });
        self.sandbox
            .session_with_input(self.path(), ["hook", "generic", "prompt"], payload.to_string().as_bytes())
            .stdout
    }
}

#[test]
fn a_move_of_head_is_told_also_where_it_is_only_tried() {
    let repo = TestRepo::new();
    let agent = Agent::new(&repo, "agent");
    for turn in ["1", "2"] {
        agent.prompt(turn);
        repo.write("f", turn);
        repo.commit(turn);
        agent.end();
    }
    let out = repo.session(["rewind", "code", "turn:2", "--head", "--dry-run"]).success();
    assert!(out.stdout.contains("HEAD    would be detached at ") && out.stdout.contains("main"), "{out}");
    let told = repo.ask(["rewind", "code", "turn:2", "--head", "--dry-run"]);
    let first = repo.git(["rev-parse", "HEAD^"]);
    assert_eq!(
        (&told["head_move"]["commit"], &told["head_move"]["not_on"]),
        (&json!(first), &json!("main")),
        "{told:#}"
    );
    let out = repo.session(["rewind", "code", "turn:2", "--head"]).success();
    assert!(out.stdout.contains("HEAD    is detached at "), "{out}");
    let out = repo.session(["redo", "--head", "--dry-run"]).success();
    assert!(out.stdout.contains("HEAD    would be on the branch main"), "{out}");
    let out = repo.session(["redo", "--head"]).success();
    assert!(out.stdout.contains("HEAD    is on the branch main"), "{out}");
    // What was not asked for does not move, and is not told.
    let out = repo.session(["rewind", "code", "turn:2"]).success();
    assert!(!out.stdout.contains("HEAD"), "{out}");
}

#[test]
fn a_dry_revert_tells_of_the_turn_and_not_of_a_checkpoint() {
    let repo = repo("revert");
    let out = repo.session(["revert", "2", "--dry-run"]).success();
    assert!(out.stdout.starts_with("Would take turn 2 back; what came later stays:\n"), "{out}");
    let out = repo.session(["revert", "2"]).success();
    assert!(out.stdout.starts_with("Reverted: turn 2; what came later stays.\n"), "{out}");
}

#[test]
fn a_fork_that_switches_leaves_or_takes_what_someone_else_changed() {
    for (choice, is_there) in [("--mine", true), ("--all", false)] {
        let repo = repo("fork");
        repo.write("note", "mine\n");
        let fork = ["fork", "x", "--at", "turn:2", "--switch"];
        let told = both_refuse(&repo, choice, None, &fork, 6, "rewind.foreign");
        assert!(told["error"]["hint"].to_string().contains(&format!("--switch {choice}`")), "{told:#}");
        repo.ask([&fork[..], &[choice]].concat());
        assert_eq!((repo.at("note").exists(), repo.read("f")), (is_there, b"1\n".to_vec()));
        assert_eq!(repo.git(["branch", "--show-current"]), "session/x");
        repo.ask(["redo"]);
        assert_eq!((repo.read("note"), repo.read("f")), (b"mine\n".to_vec(), b"2\n".to_vec()));
        assert_eq!(repo.session(["fork", "y", choice]).code, Some(2), "it means nothing without --switch");
    }
}

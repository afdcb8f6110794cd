//! `revert TURN` takes one turn back and keeps later ones, or names what is in the way and changes nothing. git's own
//! three-way merge (`git merge-tree` with the turn's end as the base) is the judge of what the files are then.

use serde_json::Value;

use crate::support::agent::Agent;
use crate::support::repo::TestRepo;

const LINES: &str = "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\n";

/// A repository with `f` of nine lines and a few others, and an agent that began.
fn repo() -> TestRepo {
    let repo = TestRepo::new();
    repo.write("f", LINES);
    repo.write("other", "0\n");
    repo.write("run", "#!/bin/sh\n");
    repo.commit("files");
    repo
}

fn agent(repo: &TestRepo) -> Agent<'_> {
    let agent = Agent::new(repo, "a");
    agent.start();
    agent
}

/// A turn in which this happens.
fn turn(agent: &Agent<'_>, prompt: &str, work: impl FnOnce()) {
    agent.prompt(prompt);
    work();
    agent.end();
}

/// Replaces one line of `f`.
fn line(repo: &TestRepo, from: &str, to: &str) {
    let text = String::from_utf8(repo.read("f")).expect("text");
    assert!(text.contains(from), "{from} in {text}");
    repo.write("f", text.replace(from, to));
}

/// The code tree of a checkpoint of the session.
fn tree(repo: &TestRepo, number: u64) -> String {
    let row = repo.checkpoints().into_iter().find(|c| c["number"] == number).expect("a checkpoint");
    row["tree"].as_str().expect("an id").to_owned()
}

/// The numbers of the checkpoints between which a turn lies.
fn ends(repo: &TestRepo, turn: u64) -> (u64, u64) {
    let of = |kind: &str| {
        let rows = repo.checkpoints();
        let row = rows.iter().find(|c| c["turn"] == turn && c["kind"] == kind).expect("a checkpoint of that turn");
        row["number"].as_u64().expect("a number")
    };
    (of("turn-start"), of("turn-end"))
}

/// What git makes of it: the tree, or `None` where it conflicts. `now` is the number of a checkpoint of the present state.
fn by_git(repo: &TestRepo, turn: u64, now: u64) -> Option<String> {
    let (start, end) = ends(repo, turn);
    let [before, after, now] = [start, end, now].map(|number| tree(repo, number));
    let mut command = repo.sandbox.command("git", repo.path());
    command.args(["-c", "merge.directoryRenames=false", "merge-tree", "--write-tree", "--merge-base", &after]);
    let out = command.args([&now, &before]).output().expect("git starts");
    let said = String::from_utf8(out.stdout).expect("text");
    match out.status.code() {
        Some(0) => Some(said.lines().next().expect("a tree").to_owned()),
        Some(1) => None,
        _ => panic!("{:?}", String::from_utf8_lossy(&out.stderr)),
    }
}

/// Reverts, and compares with git; index, HEAD and the user's refs stay.
#[track_caller]
fn reverts(repo: &TestRepo, turn: u64) -> Value {
    let gits = |repo: &TestRepo| (repo.index_bytes(), repo.git(["for-each-ref", "refs/heads"]));
    let before = gits(repo);
    let outcome = repo.ask(["revert", &turn.to_string()]);
    let from = outcome["from"].as_u64().expect("a safety checkpoint");
    assert_eq!(Some(outcome["tree"].as_str().expect("a tree").to_owned()), by_git(repo, turn, from), "{outcome:#}");
    let made = outcome["checkpoint"].as_u64().expect("a checkpoint");
    assert_eq!(outcome["tree"], tree(repo, made));
    let last = repo.checkpoints().pop().expect("some");
    assert_eq!((last["number"].as_u64(), last["kind"].as_str()), (Some(made), Some("revert")));
    assert!(gits(repo) == before, "index and branches");
    assert_eq!(repo.hook_log(), "");
    repo.assert_sound();
    // The disk is that tree, as git itself reads it.
    let saved = repo.ask(["save"]);
    assert_eq!(saved["saved"], false, "{saved:#}");
    outcome
}

/// Refused: exit code, error code, and not a byte moved.
#[track_caller]
fn stays(repo: &TestRepo, exit: i32, code: &str, args: &[&str]) -> Value {
    let before = (repo.everything(), repo.index_bytes());
    let error = repo.refused(exit, args.iter().copied());
    assert_eq!(error["code"], code, "{error:#}");
    assert_eq!((repo.everything(), repo.index_bytes()), before, "{args:?}");
    error
}

#[test]
fn the_middle_turn_goes_and_the_later_ones_stay() {
    let repo = repo();
    let agent = agent(&repo);
    turn(&agent, "first", || line(&repo, "one", "ONE"));
    turn(&agent, "second", || line(&repo, "five", "FIVE"));
    turn(&agent, "third", || line(&repo, "nine", "NINE"));
    repo.write("other", "staged\n");
    repo.git(["add", "other"]);
    let outcome = reverts(&repo, 2);
    assert_eq!(String::from_utf8(repo.read("f")).expect("text"), LINES.replace("one", "ONE").replace("nine", "NINE"));
    assert_eq!(repo.read("other"), b"staged\n");
    assert_eq!(outcome["files"]["written"], serde_json::json!(["f"]));
    assert_eq!(outcome["files"]["deleted"], serde_json::json!([]));
    // The same one again has nothing to take back.
    let error = stays(&repo, 1, "revert.nothing", &["revert", "2"]);
    assert_eq!(error["target"], "2");
}

#[test]
fn a_dry_run_says_what_would_happen_and_changes_nothing() {
    let repo = repo();
    let agent = agent(&repo);
    turn(&agent, "first", || line(&repo, "one", "ONE"));
    turn(&agent, "second", || {
        line(&repo, "nine", "NINE");
        repo.write("made", "x");
    });
    let before = (repo.everything(), repo.index_bytes());
    let said = repo.ask(["revert", "2", "--dry-run"]);
    assert_eq!((repo.everything(), repo.index_bytes()), before);
    assert_eq!((said["dry_run"].as_bool(), &said["checkpoint"]), (Some(true), &Value::Null), "{said:#}");
    assert_eq!((&said["files"]["written"][0], &said["files"]["deleted"][0]), (&"f".into(), &"made".into()));
    let text = repo.session(["revert", "2", "-n"]).success().stdout;
    assert!(text.contains("write   f") && text.contains("delete  made"), "{text}");
    let done = reverts(&repo, 2);
    assert_eq!((&said["tree"], &said["files"]), (&done["tree"], &done["files"]));
}

#[test]
fn where_a_later_turn_touched_the_same_lines_nothing_moves_and_the_files_are_named() {
    let repo = repo();
    let agent = agent(&repo);
    turn(&agent, "first", || {
        line(&repo, "five", "FIVE");
        repo.write("made", "made\n");
        repo.write("other", "1\n");
    });
    turn(&agent, "second", || line(&repo, "FIVE", "fünf"));
    let error = stays(&repo, 5, "revert.conflict", &["revert", "1"]);
    assert_eq!(error["details"], serde_json::json!(["f"]), "{error:#}");
    let out = repo.session(["revert", "1"]);
    assert_eq!(out.code, Some(5));
    assert!(out.stderr.contains("later changes touch what turn 1 did to 1 file; nothing was changed"), "{out}");
    assert!(out.stderr.lines().any(|l| l.trim_start().starts_with('f')), "the file is named: {out}");
    stays(&repo, 5, "revert.conflict", &["revert", "1", "--dry-run"]);
    assert_eq!(by_git(&repo, 1, ends(&repo, 2).1), None, "git calls it a conflict, too");
}

#[test]
fn what_a_turn_made_deleted_and_replaced_is_taken_back_by_its_kind() {
    let repo = repo();
    repo.write("goes", "was here\n");
    repo.write("swap", "a file\n");
    repo.write("bin", [0, 1, 2, 255]);
    repo.symlink("link", "f");
    repo.write("secret", "key\n");
    repo.chmod("secret", 0o600);
    repo.commit("more");
    repo.write("untracked", "before\n");
    let agent = agent(&repo);
    let before = repo.listing();
    turn(&agent, "all of it", || {
        repo.write("made/deep/er", "new\n");
        repo.write(".hidden", "new\n");
        repo.remove("goes");
        repo.remove("swap");
        repo.write("swap/inside", "a folder\n");
        repo.chmod("run", 0o755);
        repo.remove("link");
        repo.symlink("link", "other");
        repo.write("bin", [9, 0, 9, 0]);
        repo.remove("secret");
        repo.remove("untracked");
    });
    turn(&agent, "later", || repo.write("later", "kept\n"));
    repo.ask(["revert", "1", "--dry-run"]);
    reverts(&repo, 1);
    repo.remove("later");
    assert_eq!(repo.listing(), before);
}

#[test]
fn a_binary_file_a_mode_or_a_link_that_changed_again_is_a_conflict() {
    type Work = fn(&TestRepo);
    let work: [(&str, Work, Work); 5] = [
        ("bin", |r| r.write("bin", [1, 0, 1]), |r| r.write("bin", [2, 0, 2])),
        ("link", |r| (r.remove("link"), r.symlink("link", "run")).1, |r| (r.remove("link"), r.symlink("link", "f")).1),
        ("made", |r| r.write("made", "1\n"), |r| r.write("made", "2\n")),
        ("gone", |r| r.remove("gone"), |r| r.write("gone", "again\n")),
        ("swap", |r| (r.remove("swap"), r.write("swap/in", "1\n")).1, |r| r.write("swap/more", "2\n")),
    ];
    for (path, first, second) in work {
        let repo = repo();
        repo.write("bin", [0, 0, 0]);
        repo.symlink("link", "other");
        repo.write("gone", "was\n");
        repo.write("swap", "file\n");
        repo.commit("more");
        let agent = agent(&repo);
        turn(&agent, "one", || first(&repo));
        turn(&agent, "two", || second(&repo));
        let error = stays(&repo, 5, "revert.conflict", &["revert", "1"]);
        assert!(error["details"].to_string().contains(path), "{path}: {error:#}");
        assert_eq!(by_git(&repo, 1, ends(&repo, 2).1), None, "{path}: git calls it a conflict, too");
        // The second turn can go, and then the first.
        reverts(&repo, 2);
        reverts(&repo, 1);
        assert_eq!(repo.git(["status", "--porcelain"]), "", "{path}");
    }
}

#[test]
fn a_rename_is_followed_both_ways() {
    let repo = repo();
    let agent = agent(&repo);
    turn(&agent, "change", || line(&repo, "two", "TWO"));
    turn(&agent, "rename", || std::fs::rename(repo.at("f"), repo.at("g")).expect("renames"));
    turn(&agent, "change more", || {
        let text = String::from_utf8(repo.read("g")).expect("text");
        repo.write("g", text.replace("nine", "NINE"));
    });
    reverts(&repo, 1);
    assert_eq!(String::from_utf8(repo.read("g")).expect("text"), LINES.replace("nine", "NINE"));
    assert!(!repo.at("f").exists());
    reverts(&repo, 2);
    assert_eq!(String::from_utf8(repo.read("f")).expect("text"), LINES.replace("nine", "NINE"));
    assert!(!repo.at("g").exists());
}

#[test]
fn work_of_a_person_in_between_stays_or_is_a_conflict() {
    let repo = repo();
    let agent = agent(&repo);
    turn(&agent, "one", || {
        line(&repo, "two", "TWO");
        repo.write("theirs", "agent\n");
    });
    line(&repo, "nine", "NINE of mine");
    repo.write("mine", "untracked\n");
    repo.write("other", "changed by hand\n");
    reverts(&repo, 1);
    assert_eq!(String::from_utf8(repo.read("f")).expect("text"), LINES.replace("nine", "NINE of mine"));
    assert_eq!((repo.read("mine"), repo.read("other")), (b"untracked\n".to_vec(), b"changed by hand\n".to_vec()));
    assert!(!repo.at("theirs").exists());
    turn(&agent, "two", || line(&repo, "three", "THREE"));
    line(&repo, "THREE", "three of mine");
    stays(&repo, 5, "revert.conflict", &["revert", "2"]);
}

#[test]
fn redo_after_a_revert_names_the_way_back_and_the_way_back_is_exact() {
    let repo = repo();
    let agent = agent(&repo);
    turn(&agent, "one", || line(&repo, "one", "ONE"));
    turn(&agent, "two", || line(&repo, "nine", "NINE"));
    let full = repo.listing();
    repo.ask(["rewind", "code", "turn:2"]);
    repo.ask(["redo"]);
    let one_less = repo.ask(["rewind", "code", "turn:2"]);
    assert_eq!(one_less["target"]["turn"], 2);
    let before = repo.listing();
    let from = reverts(&repo, 1)["from"].to_string();
    let after = repo.listing();
    // A redo would take the rewind from before the revert back, and the revert with it.
    let error = stays(&repo, 1, "redo.nothing", &["redo"]);
    assert!(error["hint"].as_str().expect("a hint").contains(&format!("session rewind code {from}")), "{error:#}");
    repo.ask(["rewind", "code", &from]);
    assert_eq!(repo.listing(), before);
    // That was a rewind, which can be redone: to the reverted state.
    repo.ask(["redo"]);
    assert_eq!(repo.listing(), after);
    repo.ask(["rewind", "code", "turn:2.end"]);
    assert_eq!(repo.listing(), full);
}

#[test]
fn names_that_are_no_text_are_reverted_and_named_in_json() {
    let repo = repo();
    repo.write(b"odd\xff\n", "1\n");
    repo.write(b"fo\xfe/x", "1\n");
    repo.commit("odd");
    let agent = agent(&repo);
    turn(&agent, "one", || {
        repo.write(b"odd\xff\n", "2\n");
        repo.remove(b"fo\xfe/x");
        repo.write(b"new\xfd", "n");
    });
    let outcome = reverts(&repo, 1);
    assert_eq!(outcome["files"]["written"].as_array().expect("a list").len(), 2, "{outcome:#}");
    assert_eq!((repo.read(b"odd\xff\n"), repo.read(b"fo\xfe/x")), (b"1\n".to_vec(), b"1\n".to_vec()));
    assert!(!repo.at(b"new\xfd").exists());
    turn(&agent, "two", || repo.write(b"odd\xff\n", "3\n"));
    turn(&agent, "three", || repo.write(b"odd\xff\n", "4\n"));
    let error = stays(&repo, 5, "revert.conflict", &["revert", "2"]);
    let named = repo.ask(["diff", "turn:2", "turn:2.end"]).to_string();
    let detail = error["details"][0].as_str().expect("a path");
    assert!(detail.contains("\\xff") || detail.contains("\\xFF"), "{detail}");
    assert!(named.contains("odd"), "{named}");
}

#[test]
fn what_the_turns_first_checkpoint_had_no_time_to_look_at_is_not_of_the_turns_making() {
    let repo = repo();
    repo.write("mine", "from before\n");
    repo.write("mine-too", "from before\n");
    let agent = agent(&repo);
    repo.git(["config", "session.snapshot.budgetMs", "0"]);
    agent.prompt("one");
    repo.git(["config", "--unset", "session.snapshot.budgetMs"]);
    assert_eq!(repo.checkpoints().last().expect("some")["scope"], "tracked");
    line(&repo, "five", "FIVE");
    agent.end();
    assert_eq!(repo.checkpoints().last().expect("some")["scope"], "full");
    repo.write("mine-too", "changed since\n");
    let outcome = repo.ask(["revert", "1"]);
    assert_eq!(String::from_utf8(repo.read("f")).expect("text"), LINES);
    assert_eq!((repo.read("mine"), repo.read("mine-too")), (b"from before\n".to_vec(), b"changed since\n".to_vec()));
    let kept = outcome["files"]["kept"].to_string();
    assert!(kept.contains("mine-too") && kept.contains("did not look"), "{outcome:#}");
}

#[test]
fn a_file_that_was_too_large_at_one_end_of_the_turn_is_left() {
    let repo = repo();
    repo.git(["config", "session.snapshot.maxFileBytes", "1000"]);
    repo.write("shrinks", vec![b'x'; 2000]);
    repo.write("grows", "small\n");
    let agent = agent(&repo);
    turn(&agent, "one", || {
        repo.write("shrinks", "small now\n");
        repo.write("grows", vec![b'y'; 2000]);
        line(&repo, "five", "FIVE");
    });
    let outcome = repo.ask(["revert", "1"]);
    assert_eq!(String::from_utf8(repo.read("f")).expect("text"), LINES);
    assert_eq!((repo.read("shrinks"), repo.read("grows")), (b"small now\n".to_vec(), vec![b'y'; 2000]));
    let kept = outcome["files"]["kept"].to_string();
    assert!(kept.contains("shrinks") && kept.contains("grows"), "{outcome:#}");
}

#[test]
fn permission_bits_of_the_turn_go_and_later_ones_stay() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |repo: &TestRepo, path: &str| repo.at(path).metadata().expect("is there").permissions().mode() & 0o777;
    let repo = repo();
    let agent = agent(&repo);
    turn(&agent, "bits", || {
        repo.chmod("other", 0o640);
        line(&repo, "five", "FIVE");
    });
    // Since then somebody closed a file that the turn changed.
    repo.chmod("f", 0o600);
    reverts(&repo, 1);
    assert_eq!((mode(&repo, "other"), mode(&repo, "f")), (0o644, 0o600));
    turn(&agent, "exec", || repo.chmod("run", 0o700));
    repo.chmod("run", 0o750);
    reverts(&repo, 2);
    assert_eq!(mode(&repo, "run"), 0o640, "not executable any more, and still not open to all");
}

#[test]
fn an_ignored_file_in_the_way_refuses_the_whole() {
    let repo = repo();
    repo.write("gone", "was\n");
    repo.write(".gitignore", "*.ign\n");
    repo.commit("more");
    let agent = agent(&repo);
    turn(&agent, "one", || {
        repo.remove("gone");
        line(&repo, "five", "FIVE");
    });
    repo.write(".gitignore", "*.ign\ngone\n");
    repo.git(["rm", "--cached", "--quiet", "gone"]);
    repo.write("gone", "ignored, and mine\n");
    stays(&repo, 6, "restore.obstacle", &["revert", "1"]);
    assert_eq!(repo.read("gone"), b"ignored, and mine\n");
}

#[test]
fn during_a_merge_it_needs_force_and_a_turn_that_is_none_is_named() {
    let repo = repo();
    let agent = agent(&repo);
    turn(&agent, "one", || line(&repo, "five", "FIVE"));
    stays(&repo, 3, "turn.not-found", &["revert", "7"]);
    agent.prompt("not answered");
    stays(&repo, 3, "turn.no-checkpoint", &["revert", "2"]);
    agent.end();
    repo.write(".git/MERGE_HEAD", repo.git(["rev-parse", "HEAD"]));
    stays(&repo, 6, "rewind.operation", &["revert", "1"]);
    repo.ask(["revert", "1", "--force"]);
    assert_eq!(String::from_utf8(repo.read("f")).expect("text"), LINES);
}

#[test]
fn what_another_session_may_have_done_in_the_turn_needs_a_choice() {
    let repo = repo();
    let (a, b) = (Agent::new(&repo, "a"), Agent::new(&repo, "b"));
    b.start();
    a.start();
    a.turn("before", "other", "by a\n");
    b.prompt("meanwhile");
    a.prompt("both");
    repo.write("named", "by a\n");
    a.tool(&["named"]);
    repo.write("shell", "by whom?\n");
    line(&repo, "five", "FIVE by whom?");
    a.end();
    b.end();
    a.turn("alone", "run", "by a alone\n");
    let full = repo.listing();
    let session = repo.session_id();
    let rows = repo.checkpoints();
    assert!(rows.iter().any(|row| row["turn"] == 3), "of the agent that went on: {rows:#?}");
    let revert = |more: &[&'static str]| [&["revert", "2", "-s", session.as_str()][..], more].concat();
    let out = repo.session([&["--json"][..], &revert(&["--dry-run"])].concat());
    let plan = out.json();
    let wanted = (Some(6), &serde_json::json!(["f", "shell"]), &true.into());
    assert_eq!((out.code, &plan["foreign"], &plan["needs_choice"]), wanted, "{out}");
    let error = stays(&repo, 6, "rewind.foreign", &revert(&[]));
    assert_eq!(error["details"], serde_json::json!(["f", "shell"]), "{error:#}");
    assert!(
        error["hint"].as_str().expect("a hint").contains("session revert 2 ")
            && error["hint"].to_string().contains(" --mine`"),
        "{error:#}"
    );
    repo.ask(revert(&["--mine"]));
    assert!(!repo.at("named").exists() && repo.at("shell").exists());
    assert!(repo.read("f").windows(4).any(|part| part == b"FIVE") && repo.read("run") == b"by a alone\n");
    // Back, and all of it; then one path of it alone.
    repo.ask(["rewind", "code", "turn:3.end", "--all", "-s", &session]);
    assert_eq!(repo.listing(), full);
    repo.ask(revert(&["--all"]));
    assert!(!repo.at("named").exists() && !repo.at("shell").exists() && repo.read("f") == LINES.as_bytes());
    repo.ask(["rewind", "code", "turn:3.end", "--all", "-s", &session]);
    let outcome = repo.ask(revert(&["--", "shell"]));
    assert_eq!(outcome["files"]["deleted"], serde_json::json!(["shell"]), "{outcome:#}");
    assert!(repo.at("named").exists() && repo.read("f") != LINES.as_bytes());
    // A turn in which nobody else had one open needs none.
    repo.ask(["revert", "3", "-s", &session]);
    assert_eq!(repo.read("run"), b"#!/bin/sh\n");
}

#[test]
fn a_path_alone_can_be_reverted_though_another_conflicts() {
    let repo = repo();
    let agent = agent(&repo);
    turn(&agent, "one", || {
        line(&repo, "five", "FIVE");
        repo.write("other", "1\n");
        repo.chmod("run", 0o600);
    });
    line(&repo, "FIVE", "mine");
    stays(&repo, 5, "revert.conflict", &["revert", "1"]);
    let outcome = repo.ask(["revert", "1", "--", "other"]);
    assert_eq!(outcome["files"], serde_json::json!({"written": ["other"], "deleted": [], "modes": [], "kept": []}));
    assert_eq!(repo.read("other"), b"0\n");
    let outcome = repo.ask(["revert", "1", "--", "run"]);
    assert_eq!(outcome["files"]["modes"], serde_json::json!(["run"]), "{outcome:#}");
}

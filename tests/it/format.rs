//! Storage version 1 (design 3.1 to 3.3), read back with plain git only: commits, trailers, trees, turn rows, pieces.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::support::agent::Agent;
use crate::support::repo::TestRepo;

const PIECE: usize = 256 * 1024;

fn repo() -> TestRepo {
    let repo = TestRepo::new();
    repo.write("f", "0\n");
    repo.commit("second");
    repo
}

/// The values of a trailer.
fn trailer(repo: &TestRepo, commit: &str, key: &str) -> Vec<String> {
    let format = format!("--format=%(trailers:key={key},valueonly)");
    let said = repo.git(["log", "-1", &format, commit]);
    said.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn trailer_keys(repo: &TestRepo, commit: &str) -> Vec<String> {
    let said = repo.git(["log", "-1", "--format=%(trailers:keyonly)", commit]);
    said.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn subject(repo: &TestRepo, commit: &str) -> String {
    repo.git(["log", "-1", "--format=%s", commit])
}

fn parents(repo: &TestRepo, commit: &str) -> Vec<String> {
    repo.git(["log", "-1", "--format=%P", commit]).split_whitespace().map(str::to_owned).collect()
}

fn rev(repo: &TestRepo, name: &str) -> String {
    repo.git(["rev-parse", name])
}

/// The files of a commit's tree below a folder (`` for all).
fn files(repo: &TestRepo, commit: &str, below: &str) -> Vec<String> {
    let all = repo.git(["ls-tree", "-r", "--name-only", commit]);
    all.lines().filter(|path| path.starts_with(below)).map(str::to_owned).collect()
}

fn record(repo: &TestRepo, commit: &str, path: &str) -> Value {
    serde_json::from_str(&repo.git(["cat-file", "blob", &format!("{commit}:{path}")])).expect("JSON")
}

/// The session commits from the first checkpoint to the tip, by the trailer `Previous`.
fn chain(repo: &TestRepo, tip: &str) -> Vec<String> {
    let mut all = vec![rev(repo, tip)];
    while let Some(previous) = trailer(repo, &all[all.len() - 1], "Previous").into_iter().next() {
        all.push(previous);
    }
    all.reverse();
    all
}

#[test]
fn parents_stand_in_order_and_are_named_by_trailers() {
    let repo = repo();
    let base = rev(&repo, "HEAD");
    let agent = Agent::new(&repo, "a");
    agent.turn("one", "f", "1\n");
    let moved = repo.commit("the person's");
    agent.turn("two", "f", "1\n");
    let tip = repo.session_ref();
    let chain = chain(&repo, &tip);
    assert_eq!(chain.len(), 4);
    let code: Vec<String> = chain.iter().map(|c| trailer(&repo, c, "Code").remove(0)).collect();
    let bases: Vec<String> = chain.iter().map(|c| trailer(&repo, c, "Base").remove(0)).collect();
    assert_eq!(bases, [&base, &base, &moved, &moved].map(Clone::clone));
    // The first has no HEAD parent, its code reaches HEAD; later ones have one where HEAD moved.
    assert_eq!(parents(&repo, &chain[0]), [code[0].clone()]);
    assert_eq!(parents(&repo, &chain[1]), [&code[1], &chain[0]].map(Clone::clone));
    assert_eq!(parents(&repo, &chain[2]), [&code[2], &chain[1], &moved].map(Clone::clone));
    assert_eq!(parents(&repo, &chain[3]), [&code[3], &chain[2]].map(Clone::clone));
    // The code is linear; without a change of the tree there is no new code commit.
    assert_eq!(parents(&repo, &code[0]), [base]);
    assert_eq!(parents(&repo, &code[1]), [code[0].clone()]);
    assert_eq!((&code[2], &code[3]), (&code[1], &code[1]));
    assert_eq!(rev(&repo, &format!("{tip}^")), code[3]);
    // A tree without conversion is git's own.
    assert_eq!(rev(&repo, &format!("{}^{{tree}}", code[3])), rev(&repo, "HEAD^{tree}"));
}

#[test]
fn subjects_and_trailers_say_what_a_checkpoint_is() {
    let repo = repo();
    let agent = Agent::new(&repo, "a");
    agent.prompt("first line\nsecond line");
    repo.write("sub/new", "1\n");
    repo.write("f", "1\n");
    agent.end();
    repo.ask(["rewind", "code"]);
    repo.ask(["redo"]);
    let (tip, id) = (repo.session_ref(), repo.session_id());
    let chain = chain(&repo, &tip);
    let subjects: Vec<String> = chain.iter().map(|c| subject(&repo, c)).collect();
    assert_eq!(subjects[0], "turn-start 1: first line");
    assert!(subjects[1].starts_with("turn-end 2: first line"), "{subjects:?}");
    assert!(subjects[2].starts_with("rewind 3: ") && subjects[3].starts_with("redo 4: "), "{subjects:?}");
    let usual = ["Session", "Checkpoint", "Kind", "Turn", "Scope", "Code", "Previous", "Base", "Head", "Agent"];
    assert_eq!(trailer_keys(&repo, &chain[1]), usual);
    assert_eq!(
        trailer_keys(&repo, &chain[2]).into_iter().filter(|k| !usual.contains(&k.as_str())).collect::<Vec<_>>(),
        ["From", "Target", "Mode"]
    );
    for (n, kind) in ["turn-start", "turn-end", "rewind", "redo"].iter().enumerate() {
        let of = |key| trailer(&repo, &chain[n], key);
        assert_eq!(
            (of("Kind"), of("Checkpoint"), of("Session")),
            (vec![(*kind).to_owned()], vec![(n + 1).to_string()], vec![id.clone()])
        );
        assert_eq!(
            (of("Scope"), of("Head"), of("Agent")),
            (vec!["full".to_owned()], vec!["main".to_owned()], vec!["generic".to_owned()])
        );
    }
    let movement = |n: usize| ["From", "Target", "Mode", "Redone"].map(|key| trailer(&repo, &chain[n], key).join(","));
    assert_eq!(movement(2), ["2", "1", "code", ""]);
    assert_eq!(movement(3), ["3", "2", "code", "3"]);

    let code = trailer(&repo, &chain[1], "Code").remove(0);
    assert_eq!(subject(&repo, &code), "turn-end 2: f, sub/new");
    assert_eq!(trailer_keys(&repo, &code), ["Session", "Checkpoint"]);
    assert_eq!(trailer(&repo, &code, "Session"), [id]);
}

#[test]
fn while_unborn_the_first_code_commit_is_a_root_and_base_is_left_out() {
    let repo = TestRepo::new();
    repo.git(["checkout", "--quiet", "--orphan", "unborn"]);
    repo.write("f", "1\n");
    let agent = Agent::new(&repo, "a");
    agent.turn("one", "f", "2\n");
    let tip = repo.session_ref();
    let chain = chain(&repo, &tip);
    let code = trailer(&repo, &chain[0], "Code").remove(0);
    assert_eq!(parents(&repo, &code), [""; 0]);
    assert_eq!(trailer(&repo, &tip, "Base"), [""; 0]);
    assert_eq!(trailer(&repo, &tip, "Head"), ["unborn"]);
    let born = repo.commit("born");
    repo.ask(["save"]);
    assert_eq!(parents(&repo, &tip)[2], born);
    assert_eq!(trailer(&repo, &tip, "Base"), [born]);
}

#[test]
fn a_detached_head_has_no_branch() {
    let repo = repo();
    repo.git(["checkout", "--quiet", "--detach"]);
    repo.ask(["save"]);
    let tip = repo.session_ref();
    assert_eq!(trailer(&repo, &tip, "Head"), [""; 0]);
    assert_eq!(trailer(&repo, &tip, "Base"), [rev(&repo, "HEAD")]);
}

#[test]
fn the_session_tree_holds_manifest_record_and_rows() {
    let repo = repo();
    let agent = Agent::with_transcript(&repo, "native-1");
    agent.turn("one", "f", "1\n");
    agent.prompt("two");
    let tip = repo.session_ref();
    let manifest = record(&repo, &tip, "manifest.json");
    assert_eq!((&manifest["type"], &manifest["version"]), (&json!("session.meta"), &json!(1)));
    let session = record(&repo, &tip, "session.json");
    assert_eq!(session["id"], repo.session_id());
    assert_eq!((&session["agent"]["kind"], &session["agent"]["live"]), (&json!("generic"), &json!("native-1")));
    assert!(session["label"].as_str().expect("a label").starts_with("sess_20260102_"), "{session:#}");
    assert_eq!(files(&repo, &tip, "turns/"), ["turns/00/00", "turns/00/01"]);
    let row = record(&repo, &tip, "turns/00/00");
    assert_eq!((&row["turn"], &row["checkpoints"], &row["end_checkpoint"]), (&json!(1), &json!([1, 2]), &json!(2)));
    let bytes = fs::metadata(agent.transcript()).expect("is there").len();
    assert_eq!((&row["start"], &row["stream"]), (&json!(0), &json!("native-1")));
    // The second prompt came into the file after its hook.
    assert!(row["end"].as_u64().expect("a number") < bytes);
    let open = record(&repo, &tip, "turns/00/01");
    assert_eq!((&open["turn"], &open["end"], &open["checkpoints"]), (&json!(2), &Value::Null, &json!([3])));
    // The row of a closed turn is not written again by the next.
    let old = rev(&repo, &format!("{tip}:turns/00/00"));
    agent.end();
    assert_eq!(rev(&repo, &format!("{tip}:turns/00/00")), old);
    assert_eq!(record(&repo, &tip, "turns/00/01")["checkpoints"], json!([3, 4]));
}

#[test]
fn a_tool_checkpoint_takes_over_the_tree_but_for_its_row_and_what_it_looked_at() {
    let repo = repo();
    let agent = Agent::with_transcript(&repo, "a");
    agent.prompt("one");
    repo.write("new", "1\n");
    repo.write("unseen", "1\n");
    agent.tool(&["new"]);
    let tip = repo.session_ref();
    assert_eq!(trailer(&repo, &tip, "Scope"), ["paths"]);
    assert_eq!(record(&repo, &tip, "skipped.json")["only"], json!(["new"]));
    let changed = repo.git(["diff", "--name-only", &format!("{tip}^2"), &tip]);
    let changed: BTreeSet<&str> = changed.lines().collect();
    assert_eq!(changed, BTreeSet::from(["skipped.json", "turns/00/00"]));
    assert_eq!(files(&repo, &format!("{tip}^"), ""), ["f", "new"]);
}

/// The pieces of a stream, in order.
fn pieces(repo: &TestRepo, tip: &str, stream: &str) -> Vec<Vec<u8>> {
    let folder = format!("chat/{stream}/");
    files(repo, tip, &folder)
        .iter()
        .map(|path| {
            let mut command = repo.sandbox.command("git", repo.path());
            command.args(["cat-file", "blob", &format!("{tip}:{path}")]);
            command.output().expect("git starts").stdout
        })
        .collect()
}

#[track_caller]
fn assert_stored(repo: &TestRepo, agent: &Agent<'_>, tip: &str) -> Vec<usize> {
    let stored = pieces(repo, tip, "a");
    let file = fs::read(agent.transcript()).expect("reads");
    assert!(stored.concat() == file, "stored {} bytes of {}", stored.concat().len(), file.len());
    let (last, full) = stored.split_last().expect("a piece");
    for piece in full {
        assert!(piece.ends_with(b"\n"));
        assert!(piece.len() <= PIECE || piece.iter().filter(|b| **b == b'\n').count() == 1, "{}", piece.len());
    }
    assert!(last.len() <= PIECE || !last[..last.len() - 1].contains(&b'\n'));
    stored.iter().map(Vec::len).collect()
}

fn line(len: usize) -> String {
    format!("{{\"role\":\"assistant\",\"content\":\"{}\"}}\n", "x".repeat(len))
}

#[test]
fn a_transcript_is_stored_in_pieces_that_end_at_lines() {
    let repo = repo();
    let agent = Agent::with_transcript(&repo, "a");
    agent.turn("one", "f", "1\n");
    let tip = repo.session_ref();
    let again = || assert_eq!(agent.hook("turn-end", &json!({})), "");
    assert_eq!(assert_stored(&repo, &agent, &tip).len(), 1);
    assert_eq!(files(&repo, &tip, "chat/"), ["chat/a/0000/0000"]);
    // Each save adds one piece.
    agent.append(line(10));
    again();
    assert_eq!(files(&repo, &tip, "chat/"), ["chat/a/0000/0000", "chat/a/0000/0001"]);
    // A torn tail is stored, and replaced once it is whole.
    agent.append("{\"role\":\"assist");
    again();
    let torn = assert_stored(&repo, &agent, &tip);
    agent.append("ant\",\"content\":\"whole\"}\n");
    again();
    let whole = assert_stored(&repo, &agent, &tip);
    assert_eq!((torn.len(), whole.len()), (3, 3));
    assert_eq!(torn[..2], whole[..2]);
    // What passes 256 KiB is folded.
    for _ in 0..6 {
        agent.append(line(60 * 1024));
        again();
    }
    let folded = assert_stored(&repo, &agent, &tip);
    assert!(folded.len() < 9 && folded[0] > 100 * 1024, "{folded:?}");
    let sealed = rev(&repo, &format!("{tip}:chat/a/0000/0000"));
    // A record longer than a piece stands alone, and what is sealed is not written again.
    agent.append(line(300 * 1024));
    again();
    agent.append(line(10));
    again();
    assert_stored(&repo, &agent, &tip);
    assert_eq!(rev(&repo, &format!("{tip}:chat/a/0000/0000")), sealed);
    assert_eq!(
        record(&repo, &tip, "session.json")["streams"][0]["bytes"],
        fs::metadata(agent.transcript()).expect("there").len()
    );
}

#[test]
fn a_transcript_that_comes_in_small_steps_is_stored_byte_for_byte() {
    for step in [1, 7, 4096] {
        let repo = repo();
        let agent = Agent::with_transcript(&repo, "a");
        agent.prompt("one");
        agent.end();
        let tip = repo.session_ref();
        let rest = if step < 100 { line(20) + &line(9) } else { line(9000) };
        for part in rest.as_bytes().chunks(step) {
            agent.append(part);
            assert_eq!(agent.hook("turn-end", &json!({})), "");
        }
        assert_stored(&repo, &agent, &tip);
    }
}

#[test]
fn a_rewritten_middle_is_stored_anew_and_the_old_one_stays_in_the_past() {
    let repo = repo();
    let agent = Agent::with_transcript(&repo, "a");
    agent.prompt("one");
    for _ in 0..9 {
        agent.append(line(50 * 1024));
    }
    agent.end();
    let tip = repo.session_ref();
    let before = fs::read(agent.transcript()).expect("reads");
    assert!(assert_stored(&repo, &agent, &tip).len() > 1);
    let old = rev(&repo, &tip);
    // In place and by a new file, at the front, in the middle and cut short.
    let mut now = before.clone();
    for (at, renamed) in [(300 * 1024, true), (10 * 1024, true), (before.len() - 100, false)] {
        now[at] = b'Y';
        if renamed {
            let beside = agent.transcript().with_extension("new");
            fs::write(&beside, &now).expect("writes");
            fs::rename(beside, agent.transcript()).expect("renames");
        } else {
            fs::write(agent.transcript(), &now).expect("writes");
        }
        agent.append(line(5));
        now = fs::read(agent.transcript()).expect("reads");
        assert_eq!(agent.hook("turn-end", &json!({})), "");
        assert_stored(&repo, &agent, &tip);
    }
    now.truncate(now.iter().position(|b| *b == b'\n').expect("a line") + 1);
    fs::write(agent.transcript(), &now).expect("writes");
    agent.leave();
    assert_stored(&repo, &agent, &tip);
    assert!(pieces(&repo, &old, "a").concat() == before);
}

#[test]
fn what_was_not_taken_is_written_down_and_never_deleted() {
    let repo = repo();
    repo.git(["init", "--quiet", "nested"]);
    repo.write("nested/inside", "x");
    let fifo = repo.sandbox.command("mkfifo", repo.path()).arg("fifo").status().expect("mkfifo runs");
    assert!(fifo.success());
    repo.write("big", vec![0; 11 * 1024 * 1024]);
    let agent = Agent::new(&repo, "a");
    agent.turn("one", "f", "1\n");
    let tip = repo.session_ref();
    let skipped = record(&repo, &tip, "skipped.json");
    let reasons: Vec<String> = skipped["paths"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|s| format!("{} {}", s["path"].as_str().expect("text"), s["reason"].as_str().expect("text")))
        .collect();
    assert_eq!(reasons, ["big too-large", "fifo special", "nested nested-repository"]);
    assert_eq!(files(&repo, &format!("{tip}^"), ""), ["f"]);
    repo.ask(["rewind", "code"]);
    assert!(["big", "fifo", "nested/inside"].iter().all(|path| repo.at(path).exists()));
}

#[test]
fn unusual_permission_bits_are_recorded() {
    let repo = repo();
    repo.write("private", "x");
    repo.chmod("private", 0o600);
    repo.ask(["save"]);
    let tip = repo.session_ref();
    assert_eq!(record(&repo, &tip, "modes")["paths"], json!({"private": "0600"}));
    repo.chmod("private", 0o644);
    repo.ask(["save"]);
    let usual = record(&repo, &tip, "modes");
    assert_eq!((&usual["umask"], &usual["paths"]), (&json!("0022"), &json!({})), "{usual:#}");
}

#[test]
fn the_staged_tree_and_conflicts_are_kept() {
    let repo = repo();
    repo.write("f", "staged\n");
    repo.git(["add", "f"]);
    let staged = repo.git(["write-tree"]);
    repo.write("f", "on disk\n");
    repo.ask(["save"]);
    let tip = repo.session_ref();
    assert_eq!(rev(&repo, &format!("{tip}:index")), staged);
    assert_eq!(repo.git(["show", &format!("{tip}^:f")]), "on disk");
    repo.git(["reset", "--quiet", "--hard"]);
    repo.ask(["save"]);
    assert_eq!(files(&repo, &tip, "index"), [""; 0]);

    repo.git(["checkout", "--quiet", "-b", "theirs"]);
    repo.write("f", "theirs\n");
    repo.commit("theirs");
    repo.git(["checkout", "--quiet", "main"]);
    repo.write("f", "ours\n");
    repo.commit("ours");
    let merge = repo.sandbox.command("git", repo.path()).args(["merge", "theirs"]).output().expect("git starts");
    assert!(!merge.status.success());
    repo.ask(["save"]);
    let stage = |n: u8| repo.git(["show", &format!("{tip}:index-conflicts/{n}/f")]);
    assert_eq!([stage(1), stage(2), stage(3)], ["0", "ours", "theirs"]);
    assert!(repo.git(["show", &format!("{tip}^:f")]).contains("<<<<<<<"));
    // In the middle of a merge nothing is restored unless forced.
    let before = repo.listing();
    repo.refused(6, ["rewind", "code", "1"]);
    assert_eq!(repo.listing(), before);
}

fn count_objects(repo: &TestRepo) -> BTreeSet<String> {
    let all = repo.git(["cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objecttype)"]);
    all.lines().map(str::to_owned).collect()
}

#[test]
fn a_fork_costs_a_few_objects_however_large_the_session_and_its_numbers_go_on() {
    let cost = |turns: u32, size: usize| {
        let repo = repo();
        for n in 0..size {
            repo.write(format!("many/{n}"), n.to_string());
        }
        let agent = Agent::with_transcript(&repo, "a");
        for turn in 1..=turns {
            agent.turn(&format!("turn {turn}"), "f", &turn.to_string());
        }
        let parent = repo.session_id();
        let at = format!("turn:{turns}.end");
        let point = repo.session_ref();
        let before = count_objects(&repo);
        let fork = repo.ask(["fork", "try", "--at", &at, "--no-branch"]);
        let new: Vec<String> = count_objects(&repo).difference(&before).cloned().collect();
        assert_eq!(fork["checkpoint"], turns * 2 + 1);
        let tip = repo.session_ref();
        assert!(tip.ends_with(fork["session"].as_str().expect("an id")), "{tip}");
        assert_eq!(trailer(&repo, &tip, "Kind"), ["fork"]);
        assert_eq!(trailer(&repo, &tip, "Parent-Session"), std::slice::from_ref(&parent));
        assert_eq!(trailer(&repo, &tip, "Previous"), [rev(&repo, &point)]);
        assert_eq!(trailer(&repo, &tip, "Code"), trailer(&repo, &point, "Code"));
        assert_eq!(trailer(&repo, &format!("{tip}^2"), "Session"), [parent]);
        repo.assert_sound();
        new.len()
    };
    let (small, large) = (cost(1, 1), cost(4, 300));
    assert_eq!(small, large);
    assert!(large <= 5, "{large}");
}

#[test]
fn a_fork_of_a_fork_names_the_session_that_was_forked() {
    let repo = repo();
    Agent::with_transcript(&repo, "a").turn("one", "f", "1\n");
    let first = repo.ask(["fork", "first", "--no-branch"]);
    let second = repo.ask(["fork", "second", "--no-branch", "--at", "1"]);
    // Checkpoint 1 was made by the grandparent.
    assert_eq!(second["parent_session"], first["session"]);
    let tip = repo.session_ref();
    assert_eq!(trailer(&repo, &tip, "Parent-Session"), [first["session"].as_str().expect("an id")]);
    assert_eq!(trailer(&repo, &tip, "Checkpoint"), ["2"]);
}

#[test]
fn without_news_there_is_no_commit() {
    let repo = repo();
    let agent = Agent::with_transcript(&repo, "a");
    agent.start();
    assert_eq!(repo.all_refs().matches("refs/sessions").count(), 0, "a start alone leaves nothing");
    agent.turn("one", "f", "1\n");
    let tip = repo.session_ref();
    let quiet = rev(&repo, &tip);
    assert_eq!(repo.ask(["save"])["saved"], false);
    agent.tool(&["f"]);
    agent.tool(&["not-there"]);
    assert_eq!(agent.hook("turn-end", &json!({})), "");
    agent.start();
    assert_eq!(rev(&repo, &tip), quiet);
    let changes: [(&str, &dyn Fn()); 5] = [
        ("tree", &|| repo.write("f", "2\n")),
        ("staged tree", &|| drop(repo.git(["add", "f"]))),
        ("branch", &|| drop(repo.git(["checkout", "--quiet", "-b", "other"]))),
        ("HEAD", &|| drop(repo.git(["commit", "--quiet", "--message", "moved"]))),
        ("title", &|| ()),
    ];
    for (what, change) in changes {
        change();
        let args: &[&str] = if what == "title" { &["save", "a title"] } else { &["save"] };
        assert_eq!(repo.ask(args.iter().copied())["saved"], true, "{what}");
        assert_eq!(repo.ask(args.iter().copied())["saved"], false, "{what}");
    }
}

#[test]
fn every_ref_of_ours_is_a_commit_with_a_short_name() {
    let repo = repo();
    Agent::with_transcript(&repo, "a").turn("one", "f", "1\n");
    repo.ask(["fork", "x"]);
    repo.ask(["rewind", "both"]);
    let refs = repo.git(["for-each-ref", "--format=%(objecttype) %(refname)", "refs/sessions"]);
    assert_eq!(refs.lines().count(), 2);
    for line in refs.lines() {
        let name = line.strip_prefix("commit ").expect("a commit");
        assert!(name.len() <= 100 && name.starts_with("refs/sessions/heads/"), "{name}");
    }
    assert_eq!(
        repo.git(["for-each-ref", "--format=%(refname)", "refs/heads"]),
        "refs/heads/main\nrefs/heads/session/x"
    );
}

#[test]
fn commits_are_never_signed_and_run_no_hooks() {
    let repo = repo();
    repo.git(["config", "commit.gpgSign", "true"]);
    repo.git(["config", "gpg.program", "false"]);
    for name in ["pre-commit", "commit-msg", "post-commit", "reference-transaction", "post-checkout"] {
        repo.write(format!(".git/hooks/{name}"), "#!/bin/sh\ntouch \"$(git rev-parse --git-dir)/ran\"\nexit 1\n");
        repo.chmod(format!(".git/hooks/{name}"), 0o755);
    }
    Agent::new(&repo, "a").turn("one", "f", "1\n");
    repo.ask(["rewind", "code"]);
    repo.ask(["redo"]);
    assert!(!repo.at(".git/ran").exists());
    let tip = rev(&repo, &repo.session_ref());
    assert!(!repo.git(["cat-file", "commit", &tip]).contains("gpgsig"));
}

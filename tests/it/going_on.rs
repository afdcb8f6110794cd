//! Going on with a session: a fork leaves its source alone, a printed `resume` changes nothing, and files lie where the agent looks.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::agent::Agent;
use crate::support::claude::Claude;
use crate::support::repo::{Shape, TestRepo, matrix};

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn path_of(repo: &TestRepo, native: &Value) -> PathBuf {
    text(&native["path"]).replace("$SANDBOX", repo.sandbox.path().to_str().expect("UTF-8")).into()
}

#[test]
fn a_fork_leaves_its_source_byte_for_byte_alone_and_takes_what_is_unsaved() {
    for shape in matrix() {
        let repo = TestRepo::of_shape(shape);
        let agent = Agent::with_transcript(&repo, "parent");
        agent.turn("one", "a.txt", "one\n");
        let source = repo.session_ref();
        let before = repo.all_refs();
        repo.write("a.txt", "unsaved\n");
        agent.append("{\"role\":\"assistant\",\"content\":\"said late\"}\n");
        let fork = repo.ask(["fork", "Other", "--no-branch"]);
        let id = text(&fork["session"]);
        let others: Vec<String> = repo.all_refs().lines().filter(|l| !l.contains(id)).map(str::to_owned).collect();
        assert_eq!(others.join("\n"), before, "{shape:?}");
        assert_eq!(repo.git(["show", &format!("refs/sessions/heads/{id}^:a.txt")]), "unsaved", "{shape:?}");
        assert_eq!(repo.git(["rev-parse", &format!("refs/sessions/heads/{id}^2")]), repo.git(["rev-parse", &source]));
        let said = fs::read_to_string(path_of(&repo, &fork["native"])).expect("reads");
        assert!(said.contains("said late"), "{shape:?}: {said}");
        // What the fork takes back is its own; the source still has its file.
        assert_eq!(repo.git(["show", &format!("{source}^:a.txt")]), "one");
    }
}

#[test]
fn a_printed_resume_moves_no_ref_and_no_default_and_writes_one_file() {
    for shape in [Shape::PLAIN, Shape { object_format: "sha256", ref_format: "reftable", linked: true }] {
        let repo = TestRepo::of_shape(shape);
        let agent = Agent::with_transcript(&repo, "first");
        agent.turn("one", "a.txt", "one\n");
        agent.leave();
        let id = repo.session_id();
        repo.ask(["save", "-s", &id]);
        let other = Agent::with_transcript(&repo, "second");
        other.turn("two", "b.txt", "two\n");
        let current = fs::read(PathBuf::from(repo.git(["rev-parse", "--absolute-git-dir"])).join("session/current"));
        fs::remove_file(agent.transcript()).expect("removes");
        let refs = repo.all_refs();
        let resumed = repo.ask(["resume", &id]);
        assert_eq!(resumed["written"], true, "{shape:?}");
        let again = repo.ask(["resume", &id, "--print"]);
        assert_eq!((&again["written"], &again["native"]), (&json!(false), &resumed["native"]), "{shape:?}");
        assert_eq!(repo.all_refs(), refs, "{shape:?}");
        let now = fs::read(PathBuf::from(repo.git(["rev-parse", "--absolute-git-dir"])).join("session/current"));
        assert_eq!(now.expect("there"), current.expect("there"), "{shape:?}");
        // The agent's first event says that it was gone on with.
        let resumed = Agent::resumed(&repo, &resumed["native"]);
        resumed.start();
        assert_eq!(repo.all_refs(), refs, "a start alone is no event of the conversation");
        resumed.turn("three", "a.txt", "three\n");
        let shown = repo.ask(["show", "-s", &id]);
        let prompts: Vec<&str> =
            shown["turn_list"].as_array().expect("a list").iter().map(|t| text(&t["prompt"])).collect();
        assert_eq!(prompts, ["one CONVERSATION-MARK", "three CONVERSATION-MARK"], "{shape:?}");
    }
}

#[test]
fn a_session_of_another_worktree_is_gone_on_with_there() {
    let repo = TestRepo::new();
    repo.git(["worktree", "add", "--quiet", "-b", "side", "../side tree"]);
    let there = repo.sandbox.path().join("side tree");
    let agent = Agent::with_transcript(&repo, "elsewhere").in_folder(&there);
    agent.prompt("one");
    agent.end();
    agent.leave();
    let id = text(&repo.ask(["list"])["sessions"][0]["id"]).to_owned();
    let resumed = repo.ask(["resume", &id]);
    assert_eq!(resumed["worktree"], "side-tree");
    assert_eq!(resumed["native"]["dir"], "$SANDBOX/side tree");
    // The protocol of that agent names no command; one that has a command gets the way there before it.
    let claude = Claude::new(&repo, "11111111-1111-4111-8111-111111111111").in_folder(&there);
    claude.turn("p1", "one", "done");
    claude.leave();
    let said = repo.session(["resume", claude.id(), "--print"]).success().stdout;
    assert!(said.contains(&format!("  cd '$SANDBOX/side tree' && claude --resume {}", claude.id())), "{said}");
}

#[test]
fn a_new_conversation_lies_beside_the_live_one() {
    let repo = TestRepo::new();
    let config = repo.sandbox.path().join("account2");
    let claude = Claude::new(&repo, "22222222-2222-4222-8222-222222222222").below(&config);
    claude.turn("p1", "one", "done");
    claude.turn("p2", "two", "done");
    let beside = claude.transcript().parent().expect("a folder").to_owned();
    let chat = repo.ask(["rewind", "chat"]);
    assert_eq!(path_of(&repo, &chat["native"]).parent(), Some(beside.as_path()));
    let fork = repo.ask(["fork", "Other"]);
    assert_eq!(path_of(&repo, &fork["native"]).parent(), Some(beside.as_path()));
    fs::remove_file(path_of(&repo, &chat["native"])).expect("removes");
    let resumed = repo.ask(["resume", claude.id()]);
    assert_eq!(path_of(&repo, &resumed["native"]).parent(), Some(beside.as_path()));
    // In another worktree the agent looks in that one's folder, under the same configuration.
    let there = repo.ask(["fork", "There", "--worktree", "../there"]);
    let path = path_of(&repo, &there["native"]);
    assert!(path.starts_with(config.join("projects")) && path.parent() != Some(beside.as_path()), "{}", path.display());
    assert_eq!(there["native"]["dir"], there["worktree"]);
}

#[test]
fn the_dry_run_of_a_chat_tells_as_many_turns_as_there_then_are() {
    let repo = TestRepo::new();
    let claude = Claude::new(&repo, "33333333-3333-4333-8333-333333333333");
    claude.turn("p1", "one", "done");
    let back = claude.last();
    claude.turn("p2", "two", "done");
    // The agent's own rewind leaves a turn behind without a word.
    claude.hang_on(&back);
    claude.turn("p3", "three", "done");
    claude.turn("p4", "four", "done");
    for line in [["rewind", "chat"], ["rewind", "both"]] {
        let told = repo.ask(line.into_iter().chain(["--all", "--dry-run"]))["turns"].clone();
        assert_eq!(repo.ask(line.into_iter().chain(["--all"]))["turns"], told, "{line:?}");
        let told = repo.ask(["redo", "--dry-run"])["turns"].clone();
        assert_eq!(repo.ask(["redo"])["turns"], told, "{line:?}");
    }
}

//! Walks back and forth (design 5 and 3.7): which checkpoint a bare verb goes to, what is asked, what is never lost.

use serde_json::{Value, json};

use crate::support::agent::Agent;
use crate::support::repo::TestRepo;

type Listing = Vec<String>;

/// A repository with `f` and `person` committed, and the listing.
fn repo() -> TestRepo {
    let repo = TestRepo::new();
    repo.write("f", "0");
    repo.write("person", "theirs\n");
    repo.commit("second");
    repo
}

/// Turns 1..=n, each of which gives `f` its number; the listings before the first and after each.
fn turns(repo: &TestRepo, agent: &Agent<'_>, n: u32) -> Vec<Listing> {
    let mut seen = vec![repo.listing()];
    agent.start();
    for turn in 1..=n {
        agent.turn(&format!("turn {turn}"), "f", &turn.to_string());
        seen.push(repo.listing());
    }
    seen
}

#[track_caller]
fn goes(repo: &TestRepo, args: &[&str], to: u64, listing: &Listing) -> Value {
    let outcome = repo.ask(args.iter().copied());
    assert_eq!(outcome["target"]["number"], to, "{outcome:#}");
    assert_eq!(&repo.listing(), listing, "{args:?}");
    outcome
}

/// Refused with that exit code; files, refs and index are as before.
#[track_caller]
fn stays(repo: &TestRepo, code: i32, args: &[&str]) -> Value {
    let before = (repo.listing(), repo.all_refs(), repo.index_bytes());
    let error = repo.refused(code, args.iter().copied());
    assert_eq!((repo.listing(), repo.all_refs(), repo.index_bytes()), before, "{args:?}");
    error
}

fn message(error: &Value) -> &str {
    error["message"].as_str().expect("a text")
}

#[test]
fn three_turns_are_walked_back_and_forth_and_the_fourth_step_ends() {
    let repo = repo();
    let seen = turns(&repo, &Agent::new(&repo, "a"), 3);
    assert_eq!(repo.kinds(), ["turn-start", "turn-end"].repeat(3));
    for (to, at) in [(5, 2), (3, 1), (1, 0)] {
        goes(&repo, &["rewind", "code"], to, &seen[at]);
    }
    assert!(message(&stays(&repo, 1, &["rewind", "code"])).contains("nothing further back"));
    for (to, at) in [(8, 1), (7, 2), (6, 3)] {
        goes(&repo, &["redo"], to, &seen[at]);
    }
    assert!(message(&stays(&repo, 1, &["redo"])).contains("nothing to redo"));
    assert_eq!(repo.kinds()[6..], ["rewind", "rewind", "rewind", "redo", "redo", "redo"]);
    // Redone, so it goes on from where the files are.
    goes(&repo, &["rewind", "code"], 5, &seen[2]);
    repo.assert_sound();
}

#[test]
fn undo_is_another_word_for_redo() {
    let repo = repo();
    let seen = turns(&repo, &Agent::new(&repo, "a"), 1);
    goes(&repo, &["rewind", "code"], 1, &seen[0]);
    goes(&repo, &["rewind", "--undo"], 2, &seen[1]);
}

#[test]
fn after_new_work_a_walk_goes_over_it_and_on_along_the_live_line() {
    let repo = repo();
    let agent = Agent::new(&repo, "a");
    let seen = turns(&repo, &agent, 3);
    goes(&repo, &["rewind", "code"], 5, &seen[2]);
    agent.turn("turn 4", "g", "new");
    let four = repo.listing();
    assert_eq!(repo.kinds()[6..], ["rewind", "turn-start", "turn-end"]);
    goes(&repo, &["rewind", "code"], 8, &seen[2]);
    goes(&repo, &["rewind", "code"], 3, &seen[1]);
    goes(&repo, &["redo"], 10, &seen[2]);
    goes(&repo, &["redo"], 9, &four);
    let error = stays(&repo, 1, &["redo"]);
    assert!(message(&error).contains("nothing to redo"));
    assert!(error["hint"].as_str().expect("names the way").contains("session rewind code 6"), "{error:#}");
    goes(&repo, &["rewind", "code", "6"], 6, &seen[3]);
}

#[test]
fn the_chat_goes_back_alone_and_the_code_after_it() {
    let repo = repo();
    let agent = Agent::with_transcript(&repo, "a");
    let seen = turns(&repo, &agent, 3);
    let whole = std::fs::read(agent.transcript()).expect("reads");
    let chat = repo.ask(["rewind", "chat"]);
    assert_eq!((&chat["target"]["number"], &chat["turns"]), (&json!(5), &json!(2)), "{chat:#}");
    assert!(chat["removed_prompt"].as_str().expect("the prompt").starts_with("turn 3"));
    assert_eq!(repo.listing(), seen[3]);
    let cut = Agent::resumed(&repo, &chat["native"]);
    let two_turns: Vec<u8> = whole.split_inclusive(|b| *b == b'\n').take(4).flatten().copied().collect();
    assert_eq!(std::fs::read(cut.transcript()).expect("reads"), two_turns);
    assert_eq!(std::fs::read(agent.transcript()).expect("reads"), whole, "the live file is not touched");

    goes(&repo, &["rewind", "code"], 5, &seen[2]);
    assert_eq!(repo.ask(["show"])["turns"], 2);
    goes(&repo, &["redo"], 7, &seen[3]);
    let back = repo.ask(["redo"]);
    assert_eq!((&back["mode"], &back["turns"]), (&json!("chat"), &json!(3)), "{back:#}");
    assert_eq!(Agent::resumed(&repo, &back["native"]).transcript(), agent.transcript());
    assert_eq!(repo.ask(["show"])["turns"], 3);
    assert!(message(&stays(&repo, 1, &["redo"])).contains("nothing to redo"));
}

#[test]
fn the_chat_is_walked_back_turn_by_turn_to_its_beginning() {
    let repo = repo();
    turns(&repo, &Agent::with_transcript(&repo, "a"), 2);
    assert_eq!(repo.ask(["rewind", "chat"])["turns"], 1);
    assert_eq!(repo.ask(["rewind", "chat"])["turns"], 0);
    stays(&repo, 1, &["rewind", "chat"]);
    assert_eq!(repo.ask(["redo"])["turns"], 1);
    assert_eq!(repo.ask(["redo"])["turns"], 2);
    stays(&repo, 1, &["redo"]);
}

#[test]
fn after_a_chat_rewind_the_conversation_goes_on_in_the_new_file() {
    let repo = repo();
    turns(&repo, &Agent::with_transcript(&repo, "a"), 3);
    let cut = Agent::resumed(&repo, &repo.ask(["rewind", "chat", "turn:2"])["native"]);
    cut.start();
    cut.turn("another second turn", "f", "other");
    let show = repo.ask(["show"]);
    assert_eq!(show["turns"], 2, "{show:#}");
    assert!(show["turn_list"][1]["prompt"].as_str().expect("a text").starts_with("another second"));
    assert_eq!(repo.ask(["list"])["sessions"].as_array().expect("a list").len(), 1);
    let back = repo.ask(["rewind", "code", "turn:2"]);
    assert_eq!(back["target"]["kind"], "turn-start");
    assert_eq!(repo.read("f"), b"3");
}

#[test]
fn both_go_back_together_and_are_redone_together() {
    let repo = repo();
    let agent = Agent::with_transcript(&repo, "a");
    let seen = turns(&repo, &agent, 3);
    let both = goes(&repo, &["rewind", "both", "turn:2"], 3, &seen[1]);
    assert_eq!((&both["mode"], &both["turns"]), (&json!("both"), &json!(1)), "{both:#}");
    let both = goes(&repo, &["rewind", "both"], 1, &seen[0]);
    assert_eq!(both["turns"], 0);
    let back = goes(&repo, &["redo"], 7, &seen[1]);
    assert_eq!(back["turns"], 1);
    let back = goes(&repo, &["redo"], 6, &seen[3]);
    assert_eq!((&back["turns"], &repo.ask(["show"])["turns"]), (&json!(3), &json!(3)));
}

#[test]
fn without_an_agent_the_persons_own_edits_are_walked_and_never_asked_about() {
    let repo = repo();
    repo.write("f", "saved");
    assert_eq!(repo.ask(["save"])["checkpoint"], 1);
    let saved = repo.listing();
    repo.write("f", "one");
    let one = repo.listing();
    goes(&repo, &["rewind", "code"], 1, &saved);
    repo.write("f", "two");
    let two = repo.listing();
    goes(&repo, &["rewind", "code"], 1, &saved);
    assert_eq!(repo.kinds(), ["save", "pre-rewind", "rewind", "pre-rewind", "rewind"]);
    stays(&repo, 1, &["rewind", "code"]);
    goes(&repo, &["redo"], 4, &two);
    goes(&repo, &["redo"], 2, &one);
    stays(&repo, 1, &["redo"]);
}

#[test]
fn a_turn_that_changed_nothing_is_walked_over() {
    let repo = repo();
    let agent = Agent::new(&repo, "a");
    let start = repo.listing();
    agent.turn("one", "f", "1");
    let one = repo.listing();
    agent.turn("two", "f", "1");
    agent.turn("three", "f", "3");
    agent.turn("four", "f", "3");
    goes(&repo, &["rewind", "code"], 5, &one);
    goes(&repo, &["rewind", "code"], 1, &start);
    stays(&repo, 1, &["rewind", "code"]);
}

/// Two turns, then a person changes a file of their own.
fn with_a_persons_change() -> (TestRepo, Vec<Listing>) {
    let repo = repo();
    let mut seen = turns(&repo, &Agent::new(&repo, "a"), 2);
    repo.write("person", "theirs, changed\n");
    seen.push(repo.listing());
    (repo, seen)
}

#[test]
fn a_persons_change_is_named_and_nothing_happens_without_a_choice() {
    let (repo, _) = with_a_persons_change();
    for args in [&["rewind", "code"][..], &["rewind", "code", "turn:2"], &["rewind", "code", "1"]] {
        let error = stays(&repo, 6, args);
        assert!(error.to_string().contains("person") && !error.to_string().contains("\"f\""), "{error:#}");
        for way in ["--mine", "--all", "-- PATH"] {
            assert!(error["hint"].as_str().expect("a hint").contains(way), "{error:#}");
        }
    }
    let out = repo.session(["--json", "rewind", "code", "--dry-run"]);
    let plan = out.json();
    assert_eq!(
        (out.code, &plan["needs_choice"], &plan["foreign"]),
        (Some(6), &json!(true), &json!(["person"])),
        "{out}"
    );
    assert_eq!(plan["error"]["code"], "rewind.foreign", "{out}");
    // Nor is it answered by --yes, and a dry run changed nothing.
    assert_eq!(repo.read("person"), b"theirs, changed\n");
}

#[test]
fn with_mine_a_persons_change_stays_through_the_walk() {
    let (repo, _) = with_a_persons_change();
    for (to, content) in [(3, "1"), (1, "0")] {
        let outcome = repo.ask(["rewind", "code", "--mine"]);
        assert_eq!(outcome["target"]["number"], to, "{outcome:#}");
        assert_eq!(repo.read("f"), content.as_bytes());
        assert_eq!(repo.read("person"), b"theirs, changed\n");
    }
    stays(&repo, 1, &["rewind", "code", "--mine"]);
    repo.ask(["redo"]);
    assert_eq!((repo.read("f"), repo.read("person")), (b"1".to_vec(), b"theirs, changed\n".to_vec()));
    repo.ask(["redo"]);
    assert_eq!((repo.read("f"), repo.read("person")), (b"2".to_vec(), b"theirs, changed\n".to_vec()));
}

#[test]
fn with_all_a_persons_change_goes_too_and_redo_has_it_back() {
    let (repo, seen) = with_a_persons_change();
    goes(&repo, &["rewind", "code", "--all"], 3, &seen[1]);
    assert_eq!(repo.kinds()[4..], ["pre-rewind", "rewind"]);
    goes(&repo, &["redo"], 5, &seen[3]);
}

#[test]
fn what_a_person_did_to_the_agents_file_is_foreign_as_well() {
    let repo = repo();
    let agent = Agent::new(&repo, "a");
    agent.turn("one", "f", "1");
    repo.write("f", "by hand");
    agent.turn("two", "g", "2");
    // To before turn 2: only g, which is the agent's.
    assert_eq!(repo.ask(["rewind", "code"])["files"]["deleted"], json!(["g"]));
    let error = stays(&repo, 6, &["rewind", "code", "1"]);
    assert!(message(&error).contains('f'), "{error:#}");
}

#[test]
fn picked_paths_alone_go_back() {
    let repo = repo();
    let agent = Agent::new(&repo, "a");
    agent.prompt("one");
    for path in ["f", "sub/g", "sub/h"] {
        repo.write(path, "1");
    }
    agent.end();
    let sub = repo.at("sub");
    let out = repo.sandbox.session(&sub, ["--json", "rewind", "code", "1", "--", "g"]).success().json();
    assert_eq!(out["files"]["deleted"], json!(["sub/g"]), "{out:#}");
    assert!(repo.read("f") == b"1" && repo.at("sub/h").exists() && !repo.at("sub/g").exists());
    // A folder stands for what is in it; the walk goes on with what is left.
    repo.ask(["rewind", "code", "1", "--", "sub"]);
    assert!(repo.read("f") == b"1" && !repo.at("sub").exists());
    repo.ask(["rewind", "code"]);
    assert_eq!(repo.read("f"), b"0");
    for _ in 0..3 {
        repo.ask(["redo"]);
    }
    assert!(repo.read("f") == b"1" && repo.at("sub/h").exists() && repo.at("sub/g").exists());
}

#[test]
fn steps_go_through_the_tools_of_a_turn_and_touch_only_what_they_named() {
    let repo = repo();
    let agent = Agent::new(&repo, "a");
    let start = repo.listing();
    agent.prompt("one");
    for path in ["a", "b"] {
        repo.write(path, "by a tool");
        agent.tool(&[path]);
    }
    agent.tool(&[]);
    repo.write("shell", "by the shell");
    agent.end();
    let end = repo.listing();
    assert_eq!(repo.kinds(), ["turn-start", "tool", "tool", "turn-end"]);
    assert_eq!(repo.checkpoints()[1]["scope"], "paths");
    let there = || ["a", "b", "shell"].map(|path| repo.at(path).exists());
    assert_eq!(repo.ask(["rewind", "code", "--step"])["target"]["number"], 2);
    assert_eq!(there(), [true, false, true]);
    assert_eq!(repo.ask(["rewind", "code", "--step"])["target"]["number"], 1);
    assert_eq!(repo.listing(), start);
    stays(&repo, 1, &["rewind", "code", "--step"]);
    repo.ask(["redo"]);
    repo.ask(["redo"]);
    assert_eq!(repo.listing(), end);
    // Never chosen by itself: a bare rewind goes over the tools to the start of the turn.
    goes(&repo, &["rewind", "code"], 1, &start);
}

#[test]
fn a_tool_checkpoint_named_as_target_touches_only_named_paths() {
    let repo = repo();
    let agent = Agent::new(&repo, "a");
    agent.prompt("one");
    repo.write("a", "1");
    agent.tool(&["a"]);
    repo.write("shell", "1");
    repo.write("a", "2");
    agent.tool(&["a"]);
    agent.end();
    let out = repo.ask(["rewind", "code", "2"]);
    assert_eq!((repo.read("a"), repo.read("shell")), (b"1".to_vec(), b"1".to_vec()), "{out:#}");
}

#[test]
fn a_checkpoint_can_be_named_in_many_ways() {
    let mut repo = repo();
    let seen = turns(&repo, &Agent::new(&repo, "a"), 5);
    let rows = repo.checkpoints();
    let text = |at: usize, name: &str| rows[at][name].as_str().expect("a text").to_owned();
    for (name, to) in [
        ("7", 7_u64),
        ("#7", 7),
        ("turn:2", 3),
        ("turn:2.end", 4),
        (&text(4, "session_commit"), 5),
        (&text(4, "session_commit")[..12], 5),
        (&text(5, "commit"), 6),
        (&text(5, "commit")[..12], 6),
    ] {
        goes(&repo, &["rewind", "code", name], to, &seen[usize::try_from(to).expect("small") / 2]);
        repo.ask(["redo"]);
    }
    // Counted from the newest, which moves on with each rewind: 10 checkpoints and 16 of these walks.
    assert_eq!(rows.len() + 16, repo.checkpoints().len());
    goes(&repo, &["rewind", "code", "~23"], 3, &seen[1]);

    let third = chrono::DateTime::parse_from_rfc3339(&text(2, "time")).expect("a time");
    repo.sandbox.set("SESSION_TEST_CLOCK", (third + chrono::TimeDelta::minutes(10)).to_rfc3339());
    repo.ask(["redo"]);
    goes(&repo, &["rewind", "code", "@{10 minutes ago}"], 3, &seen[1]);
}

#[test]
fn a_name_that_means_nothing_has_its_exit_code_and_changes_nothing() {
    let repo = repo();
    turns(&repo, &Agent::new(&repo, "a"), 2);
    for name in ["99", "~99", "turn:9", "turn:9.end", "deadbeef", "@{10 weeks ago}"] {
        stays(&repo, 3, &["rewind", "code", name]);
    }
    for name in ["nonsense", "turn:x", "@{someday}", "~x", ""] {
        stays(&repo, 2, &["rewind", "code", name]);
    }
}

#[test]
fn what_two_sessions_may_both_have_done_is_foreign_to_both() {
    let repo = repo();
    let (a, b) = (Agent::new(&repo, "a"), Agent::new(&repo, "b"));
    a.prompt("one");
    b.prompt("one");
    repo.write("shell", "by whom?");
    repo.write("named", "by a");
    a.tool(&["named"]);
    a.end();
    b.end();
    let id = |prefix: &str| {
        let list = repo.ask(["list"]);
        let all = list["sessions"].as_array().expect("a list").clone();
        let of = |s: &Value| {
            let id = s["id"].as_str().expect("an id").to_owned();
            let natives = repo.ask(["show", &id])["native_ids"].clone();
            (natives == json!([prefix])).then_some(id)
        };
        all.iter().find_map(of).expect("there")
    };
    let (a, b) = (id("a"), id("b"));
    let plan = repo.asks_for_a_choice(["rewind", "code", "-s", &a, "--dry-run"]);
    assert_eq!(plan["foreign"], json!(["shell"]), "{plan:#}");
    let plan = repo.asks_for_a_choice(["rewind", "code", "-s", &b, "--dry-run"]);
    assert_eq!(plan["foreign"], json!(["named", "shell"]), "{plan:#}");
    stays(&repo, 6, &["rewind", "code", "-s", &a]);
    stays(&repo, 6, &["rewind", "code", "-s", &b]);
    repo.ask(["rewind", "code", "-s", &a, "--mine"]);
    assert!(repo.at("shell").exists() && !repo.at("named").exists());
}

#[test]
fn a_session_without_an_agent_asks_about_what_an_agent_did_meanwhile_and_not_about_the_persons() {
    let repo = repo();
    let id = repo.ask(["save"])["session"].as_str().expect("an id").to_owned();
    let saved = repo.listing();
    let agent = Agent::new(&repo, "a");
    agent.turn("one", "f", "by a");
    agent.prompt("two");
    repo.write("g", "half");
    stays(&repo, 6, &["rewind", "code", "-s", &id]);
    agent.end();
    repo.ask(["rewind", "code", "-s", &id, "--all"]);
    assert_eq!(repo.listing(), saved);
    repo.write("h", "by hand");
    let plan = repo.ask(["rewind", "code", "1", "-s", &id, "--dry-run"]);
    assert_eq!(plan["foreign"], json!([]), "{plan:#}");
}

#[test]
fn an_agent_that_gives_its_name_keeps_its_conversation_as_any_other() {
    let repo = repo();
    let agent = Agent::with_transcript(&repo, "a");
    assert_eq!(agent.hook("prompt", &json!({"prompt": "one", "agent": "mine"})), "");
    agent.append("{\"role\":\"user\",\"content\":\"one\"}\n");
    assert_eq!(agent.hook("turn-end", &json!({"agent": "mine"})), "");
    assert_eq!(repo.ask(["show"])["agent"], "mine");
    assert_eq!(repo.ask(["rewind", "chat"])["turns"], 0);
}

#[test]
fn turns_from_before_a_fork_are_foreign_to_neither_side() {
    let repo = repo();
    let seen = turns(&repo, &Agent::with_transcript(&repo, "a"), 2);
    let parent = repo.ask(["show"])["id"].as_str().expect("an id").to_owned();
    let fork = repo.ask(["fork", "x", "--no-branch"])["session"].as_str().expect("an id").to_owned();
    for id in [&fork, &parent] {
        goes(&repo, &["rewind", "code", "-s", id], 3, &seen[1]);
        goes(&repo, &["rewind", "code", "-s", id], 1, &seen[0]);
        repo.ask(["redo", "-s", id]);
        assert_eq!(repo.listing(), seen[1]);
        repo.ask(["redo", "-s", id]);
        assert_eq!(repo.listing(), seen[2]);
    }
}

#[test]
fn what_another_session_did_alone_is_foreign() {
    let repo = repo();
    let (a, b) = (Agent::new(&repo, "a"), Agent::new(&repo, "b"));
    a.turn("one", "f", "by a");
    b.turn("one", "g", "by b");
    a.turn("two", "f", "by a again");
    let plan = repo.asks_for_a_choice(["rewind", "code", "1", "--dry-run"]);
    assert_eq!(plan["foreign"], json!(["g"]), "{plan:#}");
}

#[test]
fn an_interrupted_turn_is_closed_by_the_next_prompt_and_stays_the_agents() {
    let repo = repo();
    let agent = Agent::with_transcript(&repo, "a");
    let start = repo.listing();
    agent.prompt("one");
    repo.write("f", "half");
    let half = repo.listing();
    agent.prompt("two");
    repo.write("g", "whole");
    agent.end();
    assert_eq!(repo.kinds(), ["turn-start", "turn-end", "turn-start", "turn-end"]);
    let show = repo.ask(["show"]);
    let interrupted: Vec<&Value> =
        show["turn_list"].as_array().expect("turns").iter().map(|t| &t["interrupted"]).collect();
    assert_eq!(interrupted, [true, false]);
    goes(&repo, &["rewind", "code"], 3, &half);
    goes(&repo, &["rewind", "code"], 1, &start);
}

#[test]
fn while_a_turn_is_open_its_edits_are_the_agents() {
    let repo = repo();
    let agent = Agent::new(&repo, "a");
    let start = repo.listing();
    agent.prompt("one");
    repo.write("f", "half");
    goes(&repo, &["rewind", "code"], 1, &start);
}

#[test]
fn a_turn_has_one_end_and_what_comes_later_is_a_tail_only_if_it_is_news() {
    let repo = repo();
    let agent = Agent::with_transcript(&repo, "a");
    agent.turn("one", "f", "1");
    assert_eq!(agent.hook("turn-end", &json!({})), "");
    assert_eq!(repo.kinds(), ["turn-start", "turn-end"]);
    agent.append("{\"role\":\"assistant\",\"content\":\"late\"}\n");
    assert_eq!(agent.hook("turn-end", &json!({})), "");
    agent.leave();
    assert_eq!(repo.kinds()[..3], ["turn-start", "turn-end", "tail"]);
    agent.leave();
    let kinds = repo.kinds();
    assert!(kinds.len() <= 4 && kinds[3..].iter().all(|k| k == "end"), "{kinds:?}");
}

#[test]
fn the_end_of_a_session_closes_its_open_turn() {
    let repo = repo();
    let agent = Agent::new(&repo, "a");
    agent.prompt("one");
    repo.write("f", "1");
    agent.leave();
    assert_eq!(repo.kinds(), ["turn-start", "turn-end"]);
    assert!(repo.checkpoints()[1]["files"] == 1);
}

#[test]
fn a_conversation_has_no_paths_to_pick() {
    let repo = repo();
    let agent = Agent::with_transcript(&repo, "a");
    agent.turn("one", "f", "1");
    let error = stays(&repo, 2, &["rewind", "chat", "turn:1", "--", "f"]);
    assert_eq!(error["code"], "rewind.paths", "{error}");
}

#[test]
fn what_a_redo_goes_to_is_told_by_the_turn_that_it_lies_after() {
    let repo = repo();
    let agent = Agent::with_transcript(&repo, "a");
    agent.turn("one", "f", "1");
    agent.append("{\"role\":\"assistant\",\"content\":\"late\"}\n");
    assert_eq!(agent.hook("turn-end", &json!({})), "");
    assert_eq!(repo.kinds(), ["turn-start", "turn-end", "tail"]);
    let _back = repo.session(["rewind", "code"]).success();
    let redone = repo.session(["redo"]).success();
    assert!(redone.stdout.starts_with("Redone: code to checkpoint 3 (after turn 1)."), "{redone}");
    agent.append("{\"role\":\"assistant\",\"content\":\"later\"}\n");
    agent.leave();
    assert_eq!(repo.kinds().last().map(String::as_str), Some("end"));
    let _back = repo.session(["rewind", "code", "1"]).success();
    let redone = repo.session(["redo"]).success();
    assert!(redone.stdout.contains("(when the agent ended)"), "{redone}");
}

#[test]
fn status_says_running_only_of_what_an_agent_goes_on_with() {
    let repo = repo();
    let agent_line = || {
        let out = repo.session(["status"]).success().stdout;
        out.lines().find_map(|l| l.trim_start().strip_prefix("agent  ").map(str::to_owned)).expect("a line")
    };
    let _saved = repo.session(["save", "mine"]).success();
    assert_eq!(agent_line(), "none");
    let agent = Agent::new(&repo, "a");
    agent.prompt("one");
    assert_eq!(agent_line(), "generic, running");
    agent.end();
    assert_eq!(agent_line(), "generic, waiting");
    let _fork = repo.session(["fork", "other", "--no-branch"]).success();
    assert_eq!(agent_line(), "generic, not begun");
}

#[test]
fn a_refused_line_about_another_session_names_that_session_in_what_to_type() {
    let repo = repo();
    let agent = Agent::new(&repo, "a");
    agent.turn("one", "f", "1");
    let _back = repo.ask(["rewind", "code"]);
    agent.turn("two", "f", "2");
    let first = repo.ask(["show"])["id"].as_str().expect("an id").to_owned();
    let _fork = repo.ask(["fork", "other", "--no-branch"]);
    let other = stays(&repo, 1, &["redo", "--session", &first]);
    assert!(other["hint"].as_str().is_some_and(|h| h.contains(&format!("--session {first}`"))), "{other}");
    assert_ne!(repo.ask(["show"])["id"], first.as_str(), "the line is needed: the fork is the session meant here");
}

//! What becomes of a prompt: one turn, a title, or a line of ours that is carried out once and never handed on.

use serde_json::{Value, json};

use crate::support::agent::Agent;
use crate::support::claude::Claude;
use crate::support::repo::TestRepo;

const ID: &str = "44444444-4444-4444-8444-444444444444";

fn answer(reply: &str) -> String {
    let reply: Value = serde_json::from_str(reply).unwrap_or_else(|e| panic!("{e}: {reply:?}"));
    assert_eq!(reply["decision"], "block");
    reply["reason"].as_str().expect("a text").to_owned()
}

#[test]
fn a_line_that_arrives_twice_is_carried_out_once_and_answered_alike() {
    let repo = TestRepo::new();
    let claude = Claude::new(&repo, ID);
    for n in 1..=4 {
        claude.prompt(&format!("p{n}"), "go on");
        repo.write(format!("f{n}"), "x");
        claude.say("ok");
        claude.stop(&format!("p{n}"), "ok");
    }
    for (key, line, left) in
        [("k1", "/rewind code", ["f1", "f2", "f3"].as_slice()), ("k2", "/redo", &["f1", "f2", "f3", "f4"])]
    {
        let first = answer(&claude.prompt(key, line));
        let fields = json!({"prompt_id": key, "prompt": line});
        assert_eq!(answer(&claude.hook("UserPromptSubmit", &fields)), first, "{line}");
        assert_eq!(answer(&claude.hook("UserPromptExpansion", &fields)), first, "{line}");
        let there: Vec<&str> = ["f1", "f2", "f3", "f4"].into_iter().filter(|f| repo.at(f).exists()).collect();
        assert_eq!(there, left, "{line}");
    }
    // The same words in a prompt of their own are meant again.
    answer(&claude.prompt("k3", "/rewind code"));
    answer(&claude.prompt("k4", "/rewind code"));
    assert!(!repo.at("f3").exists() && repo.at("f2").exists());
}

#[test]
fn a_line_of_ours_with_more_below_is_refused_in_one_line() {
    let repo = TestRepo::new();
    let claude = Claude::new(&repo, ID);
    claude.prompt("p1", "one");
    repo.write("made", "x");
    claude.say("ok");
    claude.stop("p1", "ok");
    for (n, prompt) in
        ["/rewind code turn:1\nand \"$(touch boom)\"", "/session:save x\ry", "/fork\n\nmore"].iter().enumerate()
    {
        let said = answer(&claude.prompt(&format!("k{n}"), prompt));
        assert!(!said.contains('\n') && said.contains("nothing was done"), "{said:?}");
    }
    assert!(repo.at("made").exists());
    let refused = repo.refused(2, ["slash", "/rewind code turn:1\nmore"]);
    assert_eq!(refused["code"], "slash.lines");
}

#[test]
fn help_is_an_answer_and_no_error() {
    let repo = TestRepo::new();
    repo.ask(["save", "A"]);
    let said = answer(&Claude::new(&repo, ID).prompt("p", "/rewind --help"));
    assert!(said.contains("--dry-run"), "{said}");
    let out = repo.session(["slash", "/rewind --help"]).success();
    assert!(out.stdout.contains("--dry-run"), "{out}");
}

#[test]
fn a_prompt_that_stands_in_the_transcript_before_its_hook_is_one_turn() {
    let plain = json!({"role": "user", "content": "mend it"});
    let reminded = json!({"role": "user", "content": [{"type": "text", "text": "<system-reminder>x</system-reminder>"},
        {"type": "text", "text": "mend it"}]});
    for (message, key) in
        [(&plain, json!({})), (&plain, json!({"promptId": "p1"})), (&reminded, json!({"promptId": "p1"}))]
    {
        let repo = TestRepo::new();
        let claude = Claude::new(&repo, ID);
        claude.record("user", message, &key);
        assert_eq!(claude.prompt("p1", "mend it"), "");
        claude.say("ok");
        claude.stop("p1", "ok");
        let turns = repo.ask(["show"])["turn_list"].clone();
        let [turn] = turns.as_array().expect("a list").as_slice() else { panic!("{turns}") };
        assert_eq!((turn["prompt"].as_str(), turn["tokens"]["input"].as_u64()), (Some("mend it"), Some(100)));
        // An interrupted turn ends where the next prompt begins.
        claude.prompt("p2", "and this");
        claude.record("user", &json!({"role": "user", "content": "and this"}), &json!({"promptId": "p2"}));
        claude.record("user", &json!({"role": "user", "content": "third"}), &json!({}));
        claude.prompt("p3", "third");
        claude.say("ok");
        claude.stop("p3", "ok");
        let turns = repo.ask(["show"])["turn_list"].clone();
        let tokens: Vec<u64> = turns
            .as_array()
            .expect("a list")
            .iter()
            .map(|t| t["tokens"]["input"].as_u64().expect("a number"))
            .collect();
        assert_eq!(tokens, [100, 0, 100], "{turns}");
        assert_eq!(repo.ask(["rewind", "chat"])["turns"], 2);
    }
}

#[test]
fn titles_are_what_was_written_and_as_long_as_wanted() {
    let repo = TestRepo::new();
    for (n, (prompt, title)) in [
        ("\"Mend the parser.\"", "Mend the parser"),
        ("<system-reminder>\nbe brief\n</system-reminder>\nMend it!", "Mend it"),
        ("<pasted_content id=\"1\">\nMend it\n</pasted_content>", "Mend it"),
        ("[Image #1]", "(image)"),
        ("", "(image)"),
    ]
    .iter()
    .enumerate()
    {
        let claude = Claude::new(&repo, &format!("5555555{n}-5555-4555-8555-555555555555"));
        claude.prompt("p", prompt);
        let shown = repo.ask(["show", "-s", claude.id()]);
        assert_eq!(shown["title"], *title, "{prompt:?}");
        assert_ne!(shown["turn_list"][0]["prompt"], "", "{prompt:?}");
    }
    for (limit, title) in [
        ("12", "please mend"),
        ("0", "please mend the parser of dates, and then that of times too"),
        ("x", "please mend the parser of dates, and then that of"),
    ] {
        repo.git(["config", "session.title.maxLength", limit]);
        let claude = Claude::new(&repo, &format!("666666{limit:0>2}-6666-4666-8666-666666666666").replace('x', "f"));
        claude.prompt("p", "please mend the parser of dates, and then that of times too");
        assert_eq!(repo.ask(["show", "-s", claude.id()])["title"], title, "{limit}");
    }
}

#[test]
fn a_session_is_not_set_back_by_a_clock_that_is() {
    let mut repo = TestRepo::new();
    let mut newest = String::new();
    for time in ["10:00:00", "12:00:00", "11:00:00", "09:00:00"] {
        repo.sandbox.set("SESSION_TEST_CLOCK", format!("2026-01-01T{time}Z"));
        Agent::new(&repo, "native").turn("go on", "f", time);
        let row = repo.ask(["list"])["sessions"][0]["updated_at"].as_str().expect("a time").to_owned();
        assert!(row >= newest, "{row} after {newest}");
        newest = row;
    }
    assert!(newest.starts_with("2026-01-01T12:00:00"), "{newest}");
}

#[test]
fn after_some_paths_went_back_a_rewind_still_goes_turn_by_turn() {
    for with_save in [false, true] {
        let repo = TestRepo::new();
        let agent = Agent::new(&repo, "native");
        let files = ["f1", "f2", "f3"];
        for file in files {
            agent.turn("go on", file, "x");
        }
        if with_save {
            repo.ask(["save"]);
        }
        let there = || files.into_iter().filter(|f| repo.at(f).exists()).collect::<Vec<_>>().join(" ");
        repo.ask(["rewind", "code", "turn:1", "--", "f1"]);
        for left in ["f2", ""] {
            let dry = repo.ask(["rewind", "code", "--dry-run"]);
            let done = repo.ask(["rewind", "code"]);
            assert_eq!((there().as_str(), &done["tree"]), (left, &dry["tree"]), "{with_save}");
        }
        assert_eq!(repo.refused(1, ["rewind", "code"])["code"], "rewind.nothing");
        for left in ["f2", "f2 f3", "f1 f2 f3"] {
            repo.ask(["redo"]);
            assert_eq!(there(), left, "{with_save}");
        }
        // A path that is picked again goes further back, too, and never forth.
        agent.turn("go on", "f1", "y");
        for content in [Some("x"), None] {
            repo.ask(["rewind", "code", "--", "f1"]);
            assert_eq!(std::fs::read_to_string(repo.at("f1")).ok().as_deref(), content);
            assert!(repo.at("f3").exists());
        }
        assert_eq!(repo.refused(1, ["rewind", "code", "--", "f1"])["code"], "rewind.nothing");
    }
}

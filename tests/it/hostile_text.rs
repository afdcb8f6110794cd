//! Text from agents and repositories that means harm: it never drives a terminal and never forges a record.

use serde_json::json;

use crate::support::hostile::{NATIVE, head};
use crate::support::repo::TestRepo;

/// Control characters, colours, titles of terminals, overrides of direction, line ends, and length.
fn hostile() -> Vec<String> {
    vec![
        "\u{1b}[31mred\u{1b}[0m".to_owned(),
        "\u{1b}]0;title\u{7}".to_owned(),
        "\u{1b}[2J\u{1b}[H".to_owned(),
        "\u{9b}31m8-bit".to_owned(),
        "a\u{202e}dlrow\u{2066}x\u{200f}".to_owned(),
        "cr\rover".to_owned(),
        "del\u{7f}bs\u{8}".to_owned(),
        "nul\u{0}here".to_owned(),
        "x\n\nKind: end".to_owned(),
        "Kind: end\nCheckpoint: 99".to_owned(),
        "\u{2028}Kind: end\u{85}Session: x\u{b}Code: y".to_owned(),
        "line ".repeat(2000),
        "w".repeat(10_000),
        "\u{feff}\u{200b}".to_owned(),
    ]
}

/// Nothing in it can drive a terminal, but for colours where they were asked for.
#[track_caller]
fn is_tame(text: &str, about: &str) {
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        let after = &rest[at + 1..];
        let body = after.strip_prefix('[').unwrap_or_else(|| panic!("an escape that is no colour: {about}\n{text:?}"));
        let end = body.find(|c: char| !(c.is_ascii_digit() || c == ';')).unwrap_or(body.len());
        assert!(body[end..].starts_with('m'), "an escape that is no colour: {about}\n{text:?}");
        rest = &body[end..];
    }
    let bad = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t' | '\u{1b}'))
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    if let Some(c) = text.chars().find(|c| bad(*c)) {
        panic!("{c:?} reaches the terminal: {about}\n{text:?}");
    }
}

#[test]
fn no_hostile_text_reaches_a_terminal_or_forges_a_trailer() {
    for text in hostile() {
        let mut repo = TestRepo::new();
        repo.sandbox.set("CLICOLOR_FORCE", "1");
        repo.write("f", "zero");
        repo.two_turns();
        let line = json!({ "role": "user", "text": text });
        std::fs::write(repo.talk(), format!("{line}\n")).expect("writes");
        let fields = json!({ "prompt": text, "transcript_path": repo.talk(), "last_message": text, "agent": text });
        repo.generic("prompt", fields.clone());
        let file = text.replace(['\0', '/'], "_").chars().take(60).collect::<String>();
        repo.write(&file, "hostile name");
        repo.generic("tool", json!({ "tool": text, "paths": [file] }));
        repo.generic("turn-end", fields.clone());
        assert_eq!(repo.log(), "", "{text:?}");

        let title = text.replace('\0', "");
        let mut outputs = Vec::new();
        for verb in [
            &["save", "-s", NATIVE, &title][..],
            &["list"],
            &["show"],
            &["show", "--at", "6"],
            &["log"],
            &["log", "--color", "never"],
            &["status"],
            &["diff", "1"],
            &["show", &title],
            &["rewind", "code", &title],
            &["rewind"],
            &["rewind", "code", "1", "--all", "--dry-run"],
            &["rewind", "code", "1", "--all"],
            &["redo"],
            &["rewind", "chat", "turn:3"],
            &["resume"],
            &["fork", &title],
            &["fork", "--branch", &title],
            &["fork", "--worktree", &format!("../{}", file.replace('\n', "_"))],
            &["slash", &format!("/show \"{title}\"")],
            &["list", "--json"],
        ] {
            let out = repo.session(verb);
            assert!(out.code.is_some_and(|c| c <= 6), "{verb:?}\n{out}");
            // The marker of the sandbox stands for its path; clap shows its own quotes.
            is_tame(&out.stdout, &format!("stdout of {verb:?}"));
            is_tame(&out.stderr, &format!("stderr of {verb:?}"));
            outputs.push(out);
        }
        repo.assert_sound();
        let ids = repo.git(["rev-list", &head(NATIVE), "^HEAD"]);
        for id in ids.lines() {
            let message = repo.git(["log", "-1", "--format=%B", id]);
            let kinds = message.lines().filter(|l| l.starts_with("Kind: ")).count();
            let sessions = message.lines().filter(|l| l.starts_with("Session: ")).count();
            assert!(kinds <= 1 && sessions <= 1, "{text:?}\n{message}");
            let kind = message.lines().find_map(|l| l.strip_prefix("Kind: "));
            assert!(kind.is_none_or(|k| message.starts_with(&format!("{k} "))), "{text:?}\n{message}");
            let subject = message.lines().next().expect("a subject");
            assert!(subject.chars().count() < 100, "{subject}");
        }
    }
}

#[test]
fn a_branch_with_a_strange_name_is_shown_tamed() {
    let mut repo = TestRepo::new();
    repo.sandbox.set("CLICOLOR_FORCE", "1");
    let name = "x\u{202e}y\u{200b}\u{9b}31m";
    repo.git(["checkout", "--quiet", "-b", name]);
    repo.write("f", "x");
    for verb in [&["save"][..], &["status"], &["show"], &["show", "--at", "1"], &["log"], &["fork"]] {
        let out = repo.session(verb).success();
        is_tame(&out.stdout, &format!("{verb:?}"));
        is_tame(&out.stderr, &format!("{verb:?}"));
    }
    repo.assert_sound();
}

//! Paths after `--`: git's pathspecs, one rule for every verb, and a word that matches nothing is named.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::support::agent::Agent;
use crate::support::repo::TestRepo;

fn repo() -> TestRepo {
    let repo = TestRepo::new();
    let agent = Agent::new(&repo, "agent");
    repo.write("dir/b.txt", "0\n");
    repo.commit("more");
    agent.prompt("one");
    for file in ["a.txt", "b.txt", "dir/b.txt", "dir/sub/a.txt"] {
        repo.write(file, "1\n");
    }
    agent.end();
    repo
}

fn run(repo: &TestRepo, cwd: &std::path::Path, args: &[&str]) -> (Option<i32>, Value) {
    let out = repo.sandbox.session(cwd, [&["--json"], args].concat());
    (out.code, out.json())
}

#[test]
fn a_word_that_matches_nothing_is_named_by_every_verb_and_nothing_is_done() {
    let repo = repo();
    repo.ask(["rewind", "code", "turn:1", "--", "a.txt"]);
    let before = (repo.listing(), repo.all_refs());
    for verb in [
        &["rewind", "code", "turn:1"][..],
        &["rewind", "code", "turn:1", "--dry-run"],
        &["rewind", "code"],
        &["redo"],
        &["redo", "--dry-run"],
        &["revert", "1"],
        &["revert", "1", "--dry-run"],
        &["diff", "1"],
    ] {
        for words in [&["typo.txt"][..], &["b.txt", "typo.txt"], &["no*", "b.txt", "typo.txt"], &[":(glob)d/**"]] {
            let (code, told) = run(&repo, repo.path(), &[verb, &["--"], words].concat());
            assert_eq!(
                (code, &told["error"]["code"]),
                (Some(1), &json!("path.unmatched")),
                "{verb:?} {words:?}: {told:#}"
            );
            let named = told["error"].to_string();
            let missing: Vec<_> = words.iter().filter(|word| **word != "b.txt").collect();
            assert!(missing.iter().all(|word| named.contains(**word)), "{verb:?} {words:?}: {named}");
            assert!(
                !told["error"]["message"].to_string().contains("b.txt\"")
                    && told["error"]["details"] != json!(["b.txt"])
            );
            assert_eq!((repo.listing(), repo.all_refs()), before, "{verb:?} {words:?}");
        }
    }
}

#[test]
fn a_file_is_known_that_is_only_there_now_or_was_only_there_then() {
    let repo = repo();
    let agent = Agent::new(&repo, "agent");
    agent.prompt("two");
    repo.remove("a.txt");
    repo.write("new", "2\n");
    agent.end();
    let gone = repo.ask(["rewind", "code", "--", "a.txt"]);
    assert_eq!(gone["files"]["written"], json!(["a.txt"]), "{gone:#}");
    let new = repo.ask(["rewind", "code", "turn:2", "--", "new"]);
    assert_eq!(new["files"]["deleted"], json!(["new"]), "{new:#}");
}

#[test]
fn globs_magic_and_places_mean_what_they_mean_to_git() {
    let link = |repo: &TestRepo| {
        let link = repo.sandbox.path().join("link");
        if !link.exists() {
            symlink(repo.path(), &link).expect("links");
        }
        link
    };
    let all = ["a.txt", "b.txt", "dir/b.txt", "dir/sub/a.txt"];
    for (cwd, words, taken) in [
        ("", &["*.txt"][..], &all[..]),
        ("", &[":(glob)*.txt"], &all[..2]),
        ("dir", &["*.txt"], &all[2..]),
        ("dir", &[":/*.txt"], &all),
        ("dir", &["../b.txt"], &all[1..2]),
        ("", &["dir"], &all[2..]),
        ("", &["dir/", ":!dir/sub"], &all[2..3]),
        ("", &[":^dir"], &all[..2]),
        ("", &[":(icase)A.TXT"], &all[..1]),
        ("", &["$LINK/b.txt"], &all[1..2]),
        ("dir", &["$LINK/dir/*"], &all[2..]),
        ("$LINK", &["a.txt"], &all[..1]),
        ("$LINK", &["$LINK/dir/sub"], &all[3..]),
    ] {
        let repo = repo();
        let link = link(&repo);
        let place = |text: &str| text.replace("$LINK", link.to_str().expect("text"));
        let cwd = repo.path().join(place(cwd));
        let words: Vec<String> = words.iter().map(|word| place(word)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        for verb in [&["rewind", "code", "turn:1"][..], &["revert", "1"]] {
            let (code, told) = run(&repo, &cwd, &[verb, &["--dry-run", "--"], &words].concat());
            let mut files: Vec<&str> = ["written", "deleted"]
                .iter()
                .flat_map(|kind| told["files"][kind].as_array().expect("a list"))
                .map(|path| path.as_str().expect("text"))
                .collect();
            files.sort_unstable();
            assert_eq!((code, files.as_slice()), (Some(0), taken), "{verb:?} {words:?} in {}: {told:#}", cwd.display());
        }
        let (code, told) = run(&repo, &cwd, &[&["diff", "turn:1", "turn:1.end", "--"][..], &words].concat());
        let files = told["files"].as_array().expect("a list");
        let files: Vec<&str> = files.iter().map(|file| file["path"].as_str().expect("text")).collect();
        assert_eq!((code, files.as_slice()), (Some(0), taken), "diff {words:?}: {told:#}");
        let (code, told) = run(&repo, &cwd, &[&["rewind", "code", "turn:1", "--"][..], &words].concat());
        assert_eq!(code, Some(0), "{told:#}");
        let (code, told) = run(&repo, &cwd, &[&["redo", "--dry-run", "--"][..], &words].concat());
        let written = told["files"]["written"].as_array().expect("a list").len();
        assert_eq!((code, written), (Some(0), taken.len()), "redo {words:?}: {told:#}");
    }
}

#[test]
fn what_is_no_pathspec_is_a_usage_error() {
    let repo = repo();
    for word in ["", "../outside", ".git/config", ":(attr:x)a.txt", ":(top"] {
        let (code, told) = run(&repo, repo.path(), &["rewind", "code", "turn:1", "--", word]);
        assert_eq!((code, &told["error"]["kind"]), (Some(2), &json!("usage")), "{word:?}: {told:#}");
    }
}

//! Files with a filter driver of their own, as git-crypt's: stored as the driver gives them, never as they are on disk; back
//! byte for byte; and one git for all of them each way.

use std::fs;

use serde_json::Value;

use crate::support::agent::Agent;
use crate::support::repo::{Shape, TestRepo};

/// A driver that hides a text behind a header, as git-crypt does, and notes each start.
fn with_driver(repo: &TestRepo) {
    let folder = repo.sandbox.path().display().to_string();
    let note = format!("echo x >> '{folder}/starts'");
    repo.write("../clean", format!("#!/bin/sh\n{note}\nprintf '\\000CRYPT\\000'; tr 'a-zA-Z' 'n-za-mN-ZA-M'\n"));
    repo.write("../smudge", format!("#!/bin/sh\n{note}\ntail -c +8 | tr 'n-za-mN-ZA-M' 'a-zA-Z'\n"));
    for name in ["clean", "smudge"] {
        repo.chmod(format!("../{name}"), 0o755);
        repo.git(["config", &format!("filter.crypt.{name}"), &format!("{folder}/{name}")]);
    }
    repo.git(["config", "filter.crypt.required", "true"]);
    // Hooks have so much time that a busy machine makes no difference.
    repo.git(["config", "session.snapshot.budgetMs", "600000"]);
    repo.write(".gitattributes", "*.key filter=crypt diff=crypt\n");
}

#[test]
fn secrets_stay_hidden_in_every_object_and_come_back_byte_for_byte() {
    for ref_format in ["files", "reftable"] {
        let repo = TestRepo::of_shape(Shape { ref_format, ..Shape::PLAIN });
        with_driver(&repo);
        repo.write("tracked.key", "plainsecret one\n");
        repo.commit("with a key");
        let agent = Agent::new(&repo, "a");
        agent.start();
        repo.write("new.key", "plainsecret two\r\nno end");
        repo.write(b"dir/odd \n\xff.key", "plainsecret three\n");
        let before = repo.listing();
        agent.prompt("change them");
        repo.write("tracked.key", "plainsecret four\n");
        repo.remove("new.key");
        repo.write("made.key", "plainsecret five\n");
        agent.tool(&["tracked.key", "made.key"]);
        agent.end();
        let after = repo.listing();
        repo.ask(["rewind", "code", "turn:1"]);
        assert_eq!(repo.listing(), before, "{ref_format}");
        repo.ask(["redo"]);
        assert_eq!(repo.listing(), after, "{ref_format}");
        let objects = repo.git(["cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objecttype)"]);
        let mut seen = 0;
        for line in objects.lines() {
            let (id, kind) = line.split_once(' ').expect("two words");
            let holds = |text: &str| {
                let out = repo.sandbox.command("git", repo.path()).args(["cat-file", kind, id]).output();
                out.expect("git starts").stdout.windows(text.len()).any(|part| part == text.as_bytes())
            };
            assert!(!holds("plainsecret"), "{ref_format}: {line} holds what is secret");
            seen += usize::from(holds("cynvafrperg"));
        }
        assert!(seen >= 5, "{ref_format}: {seen} are hidden");
        repo.assert_sound();
    }
}

#[test]
fn one_git_serves_all_filtered_files_each_way() {
    let mut all = Vec::new();
    for files in [2, 40] {
        let mut repo = TestRepo::new();
        with_driver(&repo);
        repo.commit("rules");
        for n in 0..files {
            repo.write(format!("{n}.key"), format!("first {n}\n"));
        }
        let gits = repo.count_gits();
        let mut counts = Vec::new();
        let mut step = |args: &[&str]| {
            let before = gits();
            repo.ask(args.iter().copied());
            counts.push(gits() - before);
        };
        step(&["save"]);
        for n in 0..files {
            repo.write(format!("{n}.key"), format!("second {n}\n"));
        }
        step(&["save"]);
        step(&["rewind", "code", "1"]);
        for n in 0..files {
            assert_eq!(repo.read(format!("{n}.key")), format!("first {n}\n").into_bytes());
        }
        step(&["redo"]);
        let starts = fs::read_to_string(repo.sandbox.path().join("starts")).expect("reads").lines().count();
        assert!(starts >= 4 * files, "the driver ran for each file, both ways: {starts}");
        all.push(counts);
    }
    assert_eq!(all[0], all[1], "gits of save, save, rewind, redo: whatever the number of files");
    assert!(all[0].iter().all(|count| *count <= 12) && all[0][0] > 0, "{all:?}");
}

#[test]
fn line_ends_of_filtered_files_are_not_converted_by_what_the_user_set() {
    for autocrlf in ["true", "input"] {
        let repo = TestRepo::new();
        // A driver whose output is text, to which git's own conversion would apply.
        repo.git(["config", "filter.rot.clean", "tr a-z n-za-m"]);
        repo.git(["config", "filter.rot.smudge", "tr a-z n-za-m"]);
        repo.git(["config", "core.autocrlf", autocrlf]);
        repo.git(["config", "core.safecrlf", "false"]);
        repo.write(".gitattributes", "*.rot filter=rot\n");
        for (name, text) in [("crlf.rot", "one\r\ntwo\r\n"), ("lf.rot", "one\ntwo\n"), ("mixed.rot", "one\r\ntwo\n\r")]
        {
            repo.write(name, text);
        }
        let before = repo.listing();
        repo.ask(["save"]);
        for name in ["crlf.rot", "lf.rot", "mixed.rot"] {
            repo.write(name, "changed\r\n");
        }
        repo.ask(["rewind", "code", "1"]);
        assert_eq!(repo.listing(), before, "autocrlf={autocrlf}");
    }
}

#[test]
fn where_the_driver_fails_nothing_is_stored_in_its_place_and_nothing_is_changed() {
    let repo = TestRepo::new();
    with_driver(&repo);
    repo.write("a.key", "plainsecret\n");
    repo.write("plain", "1\n");
    repo.ask(["save"]);
    repo.write("a.key", "plainsecret other\n");
    repo.write("plain", "2\n");
    repo.ask(["save"]);
    // The key is locked away: neither way works.
    repo.git(["config", "filter.crypt.smudge", "false"]);
    let before = (repo.listing(), repo.all_refs());
    let error = repo.refused(1, ["rewind", "code", "1"]);
    assert!(error["message"].as_str().is_some_and(|m| m.contains("filter")), "{error:#}");
    assert_eq!(
        (repo.listing(), repo.git(["for-each-ref", "refs/heads"])),
        (before.0, repo.git(["for-each-ref", "refs/heads"]))
    );
    assert!(!repo.at(".git/session/journal").exists(), "no restore is left half way");
    repo.assert_sound();
}

/// What a save says of the paths that it left out.
fn left_out(saved: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let skipped = saved["skipped"].as_array().expect("a list");
    skipped.iter().map(|s| (text(&s["path"]), text(&s["reason"]))).collect()
}

fn key_failed(names: &[&str]) -> Vec<(String, String)> {
    names.iter().map(|name| ((*name).to_owned(), "filter-failed".to_owned())).collect()
}

#[test]
fn a_file_that_its_driver_fails_for_is_left_out_and_said_and_all_else_is_saved() {
    for ref_format in ["files", "reftable"] {
        let repo = TestRepo::of_shape(Shape { ref_format, ..Shape::PLAIN });
        with_driver(&repo);
        repo.git(["config", "filter.id.clean", "cat"]);
        repo.write(".gitattributes", "*.key filter=crypt\n*.id filter=id\n");
        repo.write("a.key", "plainsecret\n");
        repo.chmod("a.key", 0o600);
        repo.write("plain", "1\n");
        repo.ask(["save"]);
        let stored = repo.git(["rev-parse", &format!("{}^1:a.key", repo.session_ref())]);
        // Its key is locked away.
        let works = repo.git(["config", "filter.crypt.clean"]);
        repo.git(["config", "filter.crypt.clean", "false"]);
        repo.write("a.key", "plainsecret second\n");
        repo.write("new.key", "plainsecret new\n");
        repo.write("other.id", "with a driver that works\n");
        repo.write("plain", "2\n");
        let saved = repo.ask(["save"]);
        assert_eq!(left_out(&saved), key_failed(&["a.key", "new.key"]), "{ref_format}");
        let said = repo.session(["show", "--at", "2"]).success().stdout;
        assert!(said.contains("a.key") && said.contains("its filter driver failed"), "{said}");
        let code = format!("{}^1", repo.session_ref());
        assert_eq!(repo.git(["show", &format!("{code}:plain")]), "2");
        assert_eq!(repo.git(["show", &format!("{code}:other.id")]), "with a driver that works");
        // The last that is known stays in the tree; nothing stands for what never was taken.
        assert_eq!(repo.git(["rev-parse", &format!("{code}:a.key")]), stored);
        assert_eq!(repo.git(["ls-tree", &code, "new.key"]), "");
        // Files beside it go back; what no checkpoint holds is neither written over nor deleted.
        repo.write("plain", "3\n");
        repo.ask(["rewind", "code", "2"]);
        assert_eq!(repo.read("plain"), b"2\n");
        let moved = repo.ask(["rewind", "code", "1"]);
        assert_eq!(moved["files"]["kept"][0][0], "a.key", "said: {moved:#}");
        assert_eq!((repo.read("plain"), repo.at("other.id").exists()), (b"1\n".to_vec(), false));
        repo.ask(["redo"]);
        assert_eq!(repo.read("a.key"), b"plainsecret second\n");
        assert_eq!(repo.read("new.key"), b"plainsecret new\n");
        // Once it works again the next save has them; where a checkpoint did not, going there leaves them alone.
        repo.git(["config", "filter.crypt.clean", &works]);
        assert_eq!(left_out(&repo.ask(["save"])), []);
        repo.write("a.key", "plainsecret third\n");
        repo.write("plain", "4\n");
        repo.ask(["rewind", "code", "2"]);
        assert_eq!(repo.read("plain"), b"2\n", "{ref_format}");
        assert_eq!(repo.read("a.key"), b"plainsecret third\n", "{ref_format}");
        assert_eq!(repo.read("new.key"), b"plainsecret new\n", "{ref_format}");
        repo.ask(["rewind", "code", "1"]);
        assert_eq!(repo.read("a.key"), b"plainsecret\n");
        // Where nothing but such a file is otherwise, that is said.
        repo.git(["config", "filter.crypt.clean", "false"]);
        repo.write("a.key", "plainsecret other\n");
        let error = repo.refused(1, ["rewind", "code", "1"]);
        assert!(error.to_string().contains("a.key stays: what is there now cannot be saved"), "{error:#}");
        assert_eq!(repo.read("a.key"), b"plainsecret other\n");
        repo.git(["config", "filter.crypt.clean", &works]);
        // And where the driver fails for what a restore would write over, the whole is refused.
        repo.write("a.key", "plainsecret fourth\n");
        repo.ask(["save"]);
        repo.git(["config", "filter.crypt.clean", "false"]);
        repo.write("a.key", "plainsecret fifth\n");
        let before = repo.listing();
        let error = repo.refused(6, ["rewind", "code", "1"]);
        assert!(error.to_string().contains("the filter driver failed for what is there now"), "{error:#}");
        assert_eq!(repo.listing(), before);
        repo.assert_sound();
    }
}

#[test]
fn in_a_hook_a_driver_that_fails_costs_its_file_and_not_the_checkpoint() {
    let repo = TestRepo::new();
    with_driver(&repo);
    repo.write("a.key", "plainsecret\n");
    repo.write("plain", "1\n");
    repo.commit("with a key");
    repo.git(["config", "filter.crypt.clean", "false"]);
    let agent = Agent::new(&repo, "a");
    agent.start();
    agent.prompt("change them");
    repo.write("a.key", "plainsecret second\n");
    repo.write("plain", "2\n");
    agent.tool(&["a.key", "plain"]);
    let tool = repo.checkpoints().last().cloned().expect("some");
    assert_eq!((tool["kind"].as_str(), tool["scope"].as_str()), (Some("tool"), Some("paths")), "{tool:#}");
    assert_eq!(repo.git(["show", &format!("{}^1:plain", repo.session_ref())]), "2");
    repo.write("plain", "3\n");
    agent.end();
    assert_eq!(repo.git(["show", &format!("{}^1:plain", repo.session_ref())]), "3");
    let skipped = repo.git(["show", &format!("{}:skipped.json", repo.session_ref())]);
    assert!(skipped.contains("a.key") && skipped.contains("filter-failed"), "{skipped}");
    assert_eq!(repo.hook_log(), "");
    repo.assert_sound();
}

#[test]
fn a_driver_that_is_not_required_and_fails_leaves_the_bytes_as_they_are_as_in_git() {
    let repo = TestRepo::new();
    repo.git(["config", "filter.x.clean", "false"]);
    repo.git(["config", "filter.x.smudge", "false"]);
    repo.write(".gitattributes", "*.x filter=x\n");
    repo.write("a.x", "one\r\n");
    let saved = repo.ask(["save"]);
    assert_eq!(left_out(&saved), []);
    let oid = repo.git(["hash-object", "--no-filters", "a.x"]);
    assert_eq!(repo.git(["rev-parse", &format!("{}^1:a.x", repo.session_ref())]), oid);
    repo.write("a.x", "two\n");
    repo.ask(["rewind", "code", "1"]);
    assert_eq!(repo.read("a.x"), b"one\r\n");
}

#[test]
fn in_whatever_way_a_driver_fails_and_whatever_the_name_only_its_files_are_left_out() {
    let repo = TestRepo::new();
    repo.git(["config", "filter.lfs.required", "true"]);
    repo.write(".gitattributes", "*.bin filter=lfs\n");
    let names: [&[u8]; 3] = [b"a.bin", b"\"two words.bin", b"line\nend \xff.bin"];
    for name in names {
        repo.write(name, "x");
    }
    repo.write("f", "1");
    // Not there, ending at once, ending after a while, speaking another language.
    for process in ["git-lfs-missing filter-process", "/nowhere/x", "false", "sleep 0.1", "cat"] {
        repo.git(["config", "filter.lfs.process", process]);
        repo.write("f", process);
        let saved = repo.ask(["save"]);
        let failed = left_out(&saved);
        assert!(failed.len() == 3 && failed.iter().all(|(_, why)| why == "filter-failed"), "{process}: {saved:#}");
        assert_eq!(repo.git(["show", &format!("{}^1:f", repo.session_ref())]), process);
    }
    repo.git(["config", "--unset", "filter.lfs.process"]);
    repo.git(["config", "filter.lfs.clean", "cat"]);
    assert_eq!(left_out(&repo.ask(["save"])), []);
    repo.assert_sound();
}

#[test]
fn a_driver_that_fails_for_all_of_many_files_is_not_asked_for_each() {
    let mut repo = TestRepo::new();
    with_driver(&repo);
    repo.git(["config", "filter.crypt.clean", "false"]);
    for n in 0..60 {
        repo.write(format!("{n}.key"), format!("plainsecret {n}\n"));
    }
    let gits = repo.count_gits();
    let saved = repo.ask(["save"]);
    assert_eq!(left_out(&saved).len(), 60);
    assert!(gits() < 45, "{}", gits());
}

#[test]
fn a_driver_that_no_attributes_name_starts_no_git_and_any_file_that_names_it_counts() {
    let places: [Option<(&str, &str)>; 5] = [
        None,
        Some((".gitattributes", "*.key filter=crypt\n")),
        Some((".git/info/attributes", "*.key filter=crypt\n")),
        Some(("sub/.gitattributes", "*.key filter=crypt\n")),
        Some((".gitattributes", "[attr]secret filter=crypt\nsub/* secret\n")),
    ];
    for place in places {
        let mut repo = TestRepo::new();
        with_driver(&repo);
        repo.remove(".gitattributes");
        repo.write("sub/a.key", "plainsecret\n");
        repo.commit("a key, and no attributes");
        if let Some((path, text)) = place {
            repo.write(path, text);
        }
        let gits = repo.count_gits();
        let agent = Agent::new(&repo, "a");
        agent.start();
        agent.prompt("change it");
        repo.write("sub/a.key", "plainsecret two\n");
        agent.tool(&["sub/a.key"]);
        agent.end();
        assert!(gits() > 0, "the recorder works");
        let calls = fs::read_to_string(repo.git_calls()).unwrap_or_default();
        assert_eq!(calls.contains("check-attr"), place.is_some(), "{place:?}: {calls}");
        let stored = repo.git(["show", &format!("refs/sessions/heads/{}^:sub/a.key", repo.session_id())]);
        assert_eq!(stored.contains("plainsecret"), place.is_none(), "{place:?}: {stored}");
    }
}

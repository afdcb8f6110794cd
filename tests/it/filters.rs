//! Files with a filter driver of their own, as git-crypt's: stored as the driver gives them, never as they are on disk; back
//! byte for byte; and one git for all of them each way.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

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
    repo.write(".gitattributes", "*.key filter=crypt diff=crypt\n");
}

/// A `git` in front of PATH that notes each start; how many there were.
fn count_gits(repo: &mut TestRepo) -> impl Fn() -> usize + use<> {
    let (shim, log) = (repo.sandbox.path().join("shim"), repo.sandbox.path().join("calls"));
    fs::create_dir(&shim).expect("makes the folder");
    let path = std::env::var("PATH").expect("PATH is set");
    let script = format!("#!/bin/sh\necho \"$@\" >> '{}'\nPATH='{path}' exec git \"$@\"\n", log.display());
    fs::write(shim.join("git"), script).expect("writes");
    fs::set_permissions(shim.join("git"), fs::Permissions::from_mode(0o755)).expect("sets the mode");
    repo.sandbox.set("PATH", format!("{}:{path}", shim.display()));
    move || fs::read_to_string(&log).unwrap_or_default().lines().count()
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
        let gits = count_gits(&mut repo);
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
    assert!(all[0].iter().all(|count| (1..=12).contains(count)), "{all:?}");
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
    repo.git(["config", "filter.crypt.clean", "false"]);
    repo.write("a.key", "plainsecret third\n");
    let refs = repo.all_refs();
    let error = repo.refused(1, ["save"]);
    assert!(error["message"].as_str().is_some_and(|m| m.contains("filter")), "{error:#}");
    assert_eq!(repo.all_refs(), refs);
    assert_eq!(repo.read("a.key"), b"plainsecret third\n");
    repo.assert_sound();
}

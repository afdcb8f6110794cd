//! `doctor`: finds what is wrong or in danger, names the way out, fixes what needs no decision, and leaves the rest alone.

use std::fs;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::git_hooks::repo;
use crate::killed::{killed_at, runs, two_versions_of};
use crate::support::repo::{Shape, TestRepo, matrix};

/// What `doctor` says, and its exit code.
fn doctor(repo: &TestRepo, args: &[&str]) -> (i32, Value) {
    let out = repo.session(["doctor", "--json"].iter().chain(args));
    (out.code.expect("ends"), out.json())
}

/// Codes of what was found.
fn codes(repo: &TestRepo) -> Vec<String> {
    let (code, said) = doctor(repo, &[]);
    let found = said["findings"].as_array().expect("a list");
    assert_eq!(code, i32::from(!found.is_empty()), "{said}");
    assert_eq!(said["ok"], found.is_empty());
    found.iter().map(|f| f["code"].as_str().expect("a word").to_owned()).collect()
}

fn lock(repo: &TestRepo, path: &str, age: u64) {
    repo.write(format!(".git/{path}"), "");
    let file = fs::File::options().write(true).open(repo.at(format!(".git/{path}"))).expect("opens");
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(age)).expect("sets the time");
}

#[test]
fn where_all_is_well_it_says_how_the_work_is_shared() {
    for shape in matrix() {
        let repo = repo(shape, true);
        repo.git(["commit", "-q", "--allow-empty", "-m", "x"]);
        let (code, said) = doctor(&repo, &[]);
        assert_eq!((code, &said["ok"]), (0, &true.into()), "{shape:?}: {said}");
        let reftable = shape.ref_format == "reftable";
        assert_eq!(said["repository"]["refs"], if reftable { "git" } else { "libgit2" });
        assert_eq!(said["repository"]["object_format"], shape.object_format);
        assert_eq!(said["repository"]["ref_format"], shape.ref_format);
        let text = repo.session(["doctor"]).success();
        assert!(text.stdout.contains("Nothing needs attention.") && text.stdout.contains(shape.ref_format), "{text}");
    }
}

#[test]
fn hooks_that_are_gone_overwritten_or_elsewhere_are_found_and_enable_puts_them_back() {
    let repo = repo(Shape::PLAIN, true);
    assert_eq!(codes(&repo), [""; 0]);
    fs::remove_file(repo.at(".git/hooks/post-commit")).expect("removes");
    fs::write(repo.at(".git/hooks/post-merge"), "#!/bin/sh\nexit 0\n").expect("writes");
    let text = fs::read_to_string(repo.at(".git/hooks/pre-push")).expect("reads").replace("hook git", "hook  git");
    fs::write(repo.at(".git/hooks/pre-push"), text).expect("writes");
    assert_eq!(codes(&repo), ["hooks.missing", "hooks.overwritten", "hooks.outdated"]);
    let _on = repo.session(["enable"]).success();
    assert_eq!(codes(&repo), [""; 0]);
    repo.git(["config", "core.hooksPath", "elsewhere"]);
    assert_eq!(codes(&repo), ["hooks.off"], "no such directory: git runs none");
    fs::create_dir(repo.at("elsewhere")).expect("makes it");
    assert_eq!(codes(&repo), ["hooks.missing"; 6]);
    repo.git(["config", "--unset", "core.hooksPath"]);
    let _off = repo.session(["disable"]).success();
    assert_eq!(codes(&repo), [""; 0], "what was not installed is not missing");
    assert_eq!(fs::read_to_string(repo.at(".git/hooks/post-merge")).expect("reads"), "#!/bin/sh\nexit 0\n");
}

#[test]
fn remotes_that_would_publish_sessions_are_found() {
    let repo = repo(Shape::PLAIN, true);
    repo.git(["remote", "add", "origin", "../x"]);
    assert_eq!(codes(&repo), [""; 0]);
    repo.git(["remote", "add", "--mirror=push", "backup", "../y"]);
    assert_eq!(codes(&repo), ["remote.mirror"]);
    repo.git(["config", "--unset", "remote.backup.mirror"]);
    repo.git(["config", "--add", "remote.origin.push", "+refs/*:refs/*"]);
    repo.git(["config", "--add", "remote.origin.fetch", "refs/sessions/*:refs/theirs/*"]);
    let mut found = codes(&repo);
    found.sort();
    assert_eq!(found, ["remote.fetch-refspec", "remote.push-refspec"]);
}

#[test]
fn stale_locks_are_named_and_only_ours_are_removed() {
    let repo = repo(Shape::PLAIN, true);
    repo.git(["commit", "-q", "--allow-empty", "-m", "x"]);
    let ours = format!("{}.lock", repo.session_ref());
    lock(&repo, &ours, 1000);
    lock(&repo, "packed-refs.lock", 1000);
    repo.write(".git/refs/sessions/heads/fresh.lock", "");
    assert_eq!(codes(&repo), ["lock.stale", "lock.stale-of-git"]);
    let (code, said) = doctor(&repo, &["--fix"]);
    assert_eq!(code, 1, "git's own lock is left: {said}");
    assert_eq!((&said["findings"][0]["fixed"], &said["findings"][1]["fixed"]), (&true.into(), &false.into()));
    assert!(!repo.at(format!(".git/{ours}")).exists() && repo.at(".git/packed-refs.lock").exists());
    assert!(repo.at(".git/refs/sessions/heads/fresh.lock").exists(), "a fresh lock is somebody's");
    fs::remove_file(repo.at(".git/packed-refs.lock")).expect("removes");
    fs::remove_file(repo.at(".git/refs/sessions/heads/fresh.lock")).expect("removes");
    assert_eq!(codes(&repo), [""; 0]);
}

#[test]
fn locks_that_a_death_of_ours_left_on_all_refs_or_on_a_branch_are_ours_to_remove() {
    for (ref_format, path) in [("reftable", "reftable/tables.list.lock"), ("files", "refs/heads/fork.lock")] {
        let repo = repo(Shape { ref_format, ..Shape::PLAIN }, true);
        lock(&repo, path, 1000);
        let named: &[&str] = if ref_format == "reftable" { &["lock.stale-of-git"] } else { &[] };
        assert_eq!(codes(&repo), named, "nothing says that it is ours");
        doctor(&repo, &["--fix"]);
        assert!(repo.at(format!(".git/{path}")).exists());
        repo.write(".git/session/refs.lock", "refs/heads/fork\npid 1\n");
        assert_eq!(codes(&repo), ["lock.stale"], "{ref_format}");
        let (code, said) = doctor(&repo, &["--fix"]);
        assert_eq!((code, &said["findings"][0]["fixed"]), (0, &true.into()), "{said}");
        assert!(!repo.at(format!(".git/{path}")).exists());
        repo.git(["branch", "fork"]);
        assert_eq!(codes(&repo), [""; 0]);
    }
}

#[test]
fn a_lock_that_a_death_of_ours_left_goes_with_the_next_save_also_where_nothing_is_new() {
    for (ref_format, path) in [("reftable", "reftable/tables.list.lock"), ("files", "refs/heads/fork.lock")] {
        let repo = repo(Shape { ref_format, ..Shape::PLAIN }, true);
        repo.git(["config", "reftable.lockTimeout", "10"]);
        let _first = repo.session(["save"]).success();
        // It may be that git still runs: what is young stays, and so does what is known of it.
        repo.write(format!(".git/{path}"), "");
        repo.write(".git/session/refs.lock", "refs/heads/fork\npid 1\n");
        for _ in 0..2 {
            let _nothing_new = repo.session(["save"]).success();
            assert!(repo.at(format!(".git/{path}")).exists(), "{ref_format}");
        }
        lock(&repo, path, 1000);
        let saved = repo.ask(["save"]);
        assert_eq!(saved["saved"], false, "{ref_format}");
        assert!(!repo.at(format!(".git/{path}")).exists(), "{ref_format}");
        repo.git(["branch", "fork"]);
        // The next one is git's own.
        lock(&repo, path, 1000);
        let _nothing_new = repo.session(["save"]).success();
        assert!(repo.at(format!(".git/{path}")).exists(), "{ref_format}");
    }
}

#[test]
fn branches_and_tags_that_reach_a_checkpoint_are_found() {
    let repo = repo(Shape::PLAIN, true);
    repo.write("a", "2\n");
    let _saved = repo.session(["save"]).success();
    let _forked = repo.session(["fork", "--branch", "clean"]).success();
    assert_eq!(codes(&repo), [""; 0], "a fork's branch is clean");
    let name = repo.session_ref();
    repo.git(["branch", "code", &format!("{name}^")]);
    repo.git(["tag", "-a", "-m", "t", "v1", &name]);
    let (_, said) = doctor(&repo, &[]);
    let messages: Vec<&str> =
        said["findings"].as_array().expect("a list").iter().filter_map(|f| f["message"].as_str()).collect();
    assert_eq!(codes(&repo), ["branch.reaches-session"; 2]);
    assert!(messages[0].contains("heads/code") && messages[1].contains("tags/v1"), "{messages:?}");
}

#[test]
fn an_interrupted_restore_is_found_and_settled() {
    let repo = repo(Shape::PLAIN, true);
    repo.write("a", "1\n");
    let _saved = repo.session(["save"]).success();
    repo.write(".git/session/journal", "{}");
    assert_eq!(codes(&repo), ["restore.interrupted"]);
    assert!(repo.at(".git/session/journal").exists(), "looking changes nothing");
}

#[test]
fn an_interrupted_restore_is_settled_when_told_to() {
    if !runs("strace", &["-V"]) {
        return;
    }
    let (mut finished, mut half_done) = (0, 0);
    for n in 1..40 {
        let (repo, id, one, two) = two_versions_of(TestRepo::new());
        if !killed_at(&repo, "renameat,renameat2", n, &["rewind", "code", "1", "--all", "-s", &id]) {
            break;
        }
        if !repo.at(".git/session/journal").exists() {
            continue;
        }
        let left = repo.listing();
        half_done += u32::from(left != one && left != two);
        assert_eq!(codes(&repo), ["restore.interrupted"], "{n}");
        assert_eq!(repo.listing(), left, "looking changes nothing: {n}");
        let told = repo.session(["doctor"]);
        assert!(told.stdout.contains("`session doctor --fix`"), "{told}");
        let (code, said) = doctor(&repo, &["--fix"]);
        assert_eq!((code, &said["findings"][0]["fixed"]), (0, &true.into()), "{n}: {said}");
        let message = said["findings"][0]["message"].as_str().expect("a text");
        let now = repo.listing();
        let is_finished = message.contains("finished");
        assert_eq!(now, if is_finished { one } else { two.clone() }, "{n}: {message}");
        finished += u32::from(is_finished);
        assert_eq!(codes(&repo), [""; 0], "{n}");
        let _forth = repo.session(["rewind", "code", "2", "--all", "-s", &id]).success();
        assert_eq!(repo.listing(), two, "{n}: work goes on");
        repo.assert_sound();
    }
    assert!(finished > 0 && half_done > 0, "{finished} were finished, {half_done} were half done");
}

#[test]
fn what_hooks_logged_is_shown_and_is_no_finding() {
    let repo = repo(Shape::PLAIN, true);
    let _logged = repo.session(["hook", "git", "nonsense"]).success();
    let (code, said) = doctor(&repo, &[]);
    assert_eq!(code, 0);
    assert!(said["log"][0].as_str().expect("a line").contains("nonsense"), "{said}");
}

#[test]
fn looking_makes_no_file_and_needs_none() {
    let repo = TestRepo::new();
    let before = repo.everything();
    let _looked = repo.session(["doctor"]).success();
    assert_eq!(repo.everything(), before);
    assert!(!repo.at(".git/session").exists());
    // No folder of ours can be made, also where the tests run as root.
    repo.write(".git/session", "in the way");
    let (code, said) = doctor(&repo, &[]);
    assert_eq!((code, &said["findings"][0]["code"]), (1, &"repository.unwritable".into()), "{said}");
}

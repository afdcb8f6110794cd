//! Hooks of agents and of git in places where they cannot do their work, or where it is not theirs to do: exit 0, silence, and
//! a line in a log that says why.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::json;

use crate::git_hooks::{assert_head_is_linked, links, repo};
use crate::killed::{runs, skipped};
use crate::support::repo::{Shape, TestRepo};

const GIT_HOOKS: [&[&str]; 4] =
    [&["post-commit"], &["post-checkout", "0000", "0000", "1"], &["post-merge", "0"], &["post-rewrite", "rebase"]];
const SESSION: &str = env!("CARGO_BIN_EXE_session");

/// What hooks logged that no repository's log could take.
fn users_log(repo: &TestRepo) -> String {
    fs::read_to_string(repo.sandbox.path().join("state/git-session/hooks.log")).unwrap_or_default()
}

/// A hook through a shell that first does something: silent and successful. What the user's own log says more than before.
#[track_caller]
fn hook(repo: &TestRepo, cwd: &Path, first: &str, args: &[&str], input: &[u8]) -> String {
    let before = users_log(repo);
    let script = format!("{first}\nexec \"$0\" hook \"$@\"");
    let args = [&["-c", &script, SESSION], args].concat();
    let out = repo.sandbox.run_with_input("sh", cwd, args.iter().copied(), input);
    assert_eq!((out.code, out.stdout.as_str(), out.stderr.as_str()), (Some(0), "", ""), "{args:?}\n{out}");
    let after = users_log(repo);
    after.strip_prefix(&before).expect("the log only grows").to_owned()
}

/// Every hook of an agent's turn and of git, in that folder; what each logged outside of a repository.
fn all_hooks(repo: &TestRepo, cwd: &Path, first: &str) -> Vec<String> {
    let payload = json!({ "session_id": "s", "cwd": cwd, "prompt": "x" }).to_string();
    let agent = [&["generic", "prompt"][..], &["generic", "turn-end"], &["claude-code", "Stop"]];
    let mut told: Vec<String> = Vec::new();
    for args in agent {
        told.push(hook(repo, cwd, first, args, payload.as_bytes()));
        let _made_again = fs::create_dir(cwd);
    }
    for args in GIT_HOOKS {
        told.push(hook(repo, cwd, first, &[&["git"], args].concat(), b""));
        let _made_again = fs::create_dir(cwd);
    }
    told
}

#[test]
fn in_a_folder_that_is_gone_they_say_so() {
    let repo = repo(Shape::PLAIN, true);
    let gone = repo.at("gone");
    fs::create_dir(&gone).expect("makes it");
    let before = repo.all_refs();
    for told in all_hooks(&repo, &gone, "rmdir \"$PWD\"") {
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(told.contains("cannot find the folder"), "{told}");
    }
    assert_eq!((repo.all_refs(), repo.hook_log()), (before, String::new()));
    // What an agent says of its folder counts, wherever its hook is started.
    let payload = json!({ "session_id": "s", "cwd": repo.path(), "prompt": "x" }).to_string();
    let told = hook(&repo, &gone, "rmdir \"$PWD\"", &["generic", "prompt"], payload.as_bytes());
    assert_eq!((told.as_str(), repo.kinds()), ("", vec!["turn-start".to_owned()]));
}

#[test]
fn in_a_bare_repository_they_say_so_and_leave_it_as_it_is() {
    let repo = repo(Shape::PLAIN, false);
    repo.git(["clone", "-q", "--bare", ".", "../bare.git"]);
    let bare = repo.sandbox.path().join("bare.git");
    let before = TestRepo::list(&bare);
    for told in all_hooks(&repo, &bare, "") {
        assert!(told.lines().count() == 1 && told.contains("is a bare repository"), "{told}");
    }
    assert_eq!(TestRepo::list(&bare), before);
}

#[test]
fn outside_of_a_repository_there_is_nothing_to_say() {
    let repo = repo(Shape::PLAIN, false);
    let outside = repo.sandbox.path().join("outside");
    fs::create_dir(&outside).expect("makes it");
    assert_eq!(all_hooks(&repo, &outside, "").concat(), "");
}

#[test]
fn a_commit_in_a_submodule_is_saved_in_the_submodule() {
    let outer = repo(Shape::PLAIN, true);
    let inner = repo(Shape::PLAIN, false);
    let url = inner.path().to_str().expect("text").to_owned();
    outer.git(["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &url, "sub"]);
    let here = outer.at("sub");
    let _on = outer.sandbox.session(&here, ["enable"]).success();
    outer.git(["commit", "-q", "-m", "the submodule"]);
    assert_head_is_linked(&outer, "outside");
    let refs = outer.all_refs();
    let log = outer.hook_log();
    let sub = outer.moved_to(here);
    sub.write("a", "changed\n");
    sub.git(["commit", "-q", "-a", "-m", "in the submodule"]);
    assert_head_is_linked(&sub, "inside");
    sub.git(["commit", "-q", "--amend", "-m", "amended"]);
    assert_head_is_linked(&sub, "inside, amended");
    assert_eq!((sub.hook_log(), users_log(&sub)), (String::new(), String::new()));
    let _off = sub.session(["disable"]).success();
    let outer_path = sub.path().parent().expect("in the outer one").to_owned();
    let outer = sub.moved_to(outer_path);
    assert_eq!((outer.all_refs(), outer.hook_log()), (refs, log), "the outer one was left alone");
    outer.git(["commit", "-q", "-a", "-m", "the submodule went on"]);
    assert_head_is_linked(&outer, "after disable inside");
}

fn is_root(repo: &TestRepo) -> bool {
    fs::metadata(repo.path()).expect("is there").uid() == 0 && runs("chown", &["--version"])
}

/// Who owns what below a folder.
fn owners(folder: &Path) -> Vec<u32> {
    let entries = walkdir::WalkDir::new(folder).into_iter().map(|entry| entry.expect("walks"));
    let mut owners: Vec<u32> = entries.map(|entry| entry.metadata().expect("is there").uid()).collect();
    owners.sort_unstable();
    owners.dedup();
    owners
}

#[test]
fn under_sudo_nothing_of_roots_is_left_in_a_repository_of_another() {
    let mut repo = repo(Shape::PLAIN, true);
    if !is_root(&repo) {
        skipped("only root can act as sudo does");
        return;
    }
    repo.git(["commit", "-q", "--allow-empty", "-m", "mine"]);
    let before = (repo.session_ref(), repo.git(["rev-parse", &repo.session_ref()]));
    let owned = repo.sandbox.command("chown", repo.path()).args(["-R", "4321:4321", "."]).status();
    assert!(owned.expect("chown starts").success());
    repo.sandbox.set("SUDO_UID", "4321");
    repo.git(["commit", "-q", "--allow-empty", "-m", "by sudo"]);
    assert!(links(&repo, "HEAD").is_empty());
    let payload = json!({ "session_id": "s", "cwd": repo.path(), "prompt": "x" }).to_string();
    assert_eq!(hook(&repo, repo.path(), "", &["generic", "prompt"], payload.as_bytes()), "");
    let log = repo.hook_log();
    assert!(log.lines().count() >= 2 && log.lines().all(|line| line.contains("sudo")), "{log}");
    assert_eq!(repo.git(["rev-parse", &before.0]), before.1, "nothing was saved");
    assert_eq!(owners(&repo.at(".git/session")), [4321], "the log too is its owner's");
    // Somebody else's: git does not serve it either.
    repo.sandbox.set("SUDO_UID", "1234");
    for told in all_hooks(&repo, repo.path(), "") {
        assert!(told.contains("belongs to another user"), "{told}");
    }
    // Root's own is served.
    repo.sandbox.set("SUDO_UID", "4321");
    let owned = repo.sandbox.command("chown", repo.path()).args(["-R", "0:0", "."]).status();
    assert!(owned.expect("chown starts").success());
    repo.git(["commit", "-q", "--allow-empty", "-m", "root's own"]);
    assert_head_is_linked(&repo, "root's own");
}

#[test]
fn where_git_dir_cannot_be_written_the_users_own_log_says_so() {
    let repo = repo(Shape::PLAIN, true);
    repo.git(["commit", "-q", "--allow-empty", "-m", "fine"]);
    repo.write("a", "changed\n");
    let refs = repo.all_refs();
    // Not even root can write into a folder that is a file.
    fs::rename(repo.at(".git/session"), repo.at("../kept")).expect("moves");
    fs::write(repo.at(".git/session"), "").expect("writes");
    let payload = json!({ "session_id": "s", "cwd": repo.path(), "prompt": "x" }).to_string();
    let told = hook(&repo, repo.path(), "", &["generic", "prompt"], payload.as_bytes());
    assert!(told.contains("generic prompt") && told.contains(".git"), "{told}");
    let told = hook(&repo, repo.path(), "", &["git", "post-commit"], b"");
    assert!(told.contains("git post-commit") && told.contains(".git"), "{told}");
    repo.git(["commit", "-q", "--allow-empty", "-m", "a commit succeeds"]);
    fs::remove_file(repo.at(".git/session")).expect("removes");
    fs::rename(repo.at("../kept"), repo.at(".git/session")).expect("moves");
    assert_eq!(refs.lines().count(), repo.all_refs().lines().count());
    repo.git(["commit", "-q", "--allow-empty", "-m", "again"]);
    assert_head_is_linked(&repo, "after that");
}

#[test]
fn on_a_read_only_disk_the_users_own_log_says_so() {
    if !runs("unshare", &["--mount", "true"]) {
        return;
    }
    let repo = repo(Shape::PLAIN, true);
    repo.git(["commit", "-q", "--allow-empty", "-m", "fine"]);
    repo.write("a", "changed\n");
    let before = (repo.all_refs(), TestRepo::list(&repo.at(".git")));
    let payload = json!({ "session_id": "s", "cwd": repo.path(), "prompt": "x" }).to_string();
    let script = format!(
        "mount --bind .git .git && mount -o remount,bind,ro .git .git || exit 9\n! touch .git/x 2>/dev/null || exit 8\nprintf %s '{payload}' | {SESSION} hook generic prompt || exit 1\n{SESSION} hook git post-commit </dev/null || exit 2"
    );
    let mut command = repo.sandbox.command("unshare", repo.path());
    command.args(["--mount", "sh", "-c", &script]).stdin(Stdio::null());
    let out = command.output().expect("runs");
    if out.status.code() == Some(9) {
        skipped("nothing can be mounted here");
        return;
    }
    assert!(out.status.success() && out.stdout.is_empty() && out.stderr.is_empty(), "{out:?}");
    let log = users_log(&repo);
    for part in ["generic prompt", "git post-commit"] {
        assert!(log.lines().any(|line| line.contains(part) && line.contains("ead-only")), "{part}: {log}");
    }
    assert_eq!((repo.all_refs(), TestRepo::list(&repo.at(".git"))), before);
}

//! git's hooks: every kind of commit makes one checkpoint and one link, with and without an agent, and never anything else.

use std::fs;

use crate::support::agent::Agent;
use crate::support::repo::{Shape, TestRepo, matrix};

/// Session, number and session commit of one line of a note.
pub type Link = (String, u64, String);

/// The lines of a commit's note, as git shows them.
pub fn links(repo: &TestRepo, commit: &str) -> Vec<Link> {
    let mut command = repo.sandbox.command("git", repo.path());
    let out = command.args(["notes", "--ref=sessions", "show", commit]).output().expect("git starts");
    let text = String::from_utf8(out.stdout).expect("text");
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let [session, number, commit] = words[..] else { return None };
        Some((session.to_owned(), number.parse().ok()?, commit.to_owned()))
    };
    text.lines().filter_map(line).collect()
}

/// HEAD is linked to the newest checkpoint, which is of kind `commit` and holds HEAD's tree.
#[track_caller]
pub fn assert_head_is_linked(repo: &TestRepo, what: &str) {
    let head = repo.git(["rev-parse", "HEAD"]);
    let all = repo.checkpoints();
    let newest = all.last().expect("one");
    assert_eq!(newest["kind"], "commit", "{what}: {newest}");
    let session_commit = newest["session_commit"].as_str().expect("an id");
    let linked = links(repo, &head);
    assert!(
        linked.iter().any(|(_, n, c)| Some(*n) == newest["number"].as_u64() && c == session_commit),
        "{what}: {linked:?} {newest}"
    );
    assert_eq!(
        repo.git(["log", "-1", "--format=%(trailers:key=Base,valueonly)", session_commit]).trim(),
        head,
        "{what}"
    );
}

/// A repository with two files, with or without our hooks.
pub fn repo(shape: Shape, enabled: bool) -> TestRepo {
    let repo = TestRepo::of_shape(shape);
    repo.write("a", "a\n");
    repo.write("dir/b", "b\n");
    repo.commit("files");
    if enabled {
        let _on = repo.session(["enable"]).success();
    }
    repo
}

/// Every way to commit, one after the other; `after` is told of each, and how many checkpoints of kind `commit` it is worth.
fn every_way(repo: &TestRepo, after: &mut dyn FnMut(&str, usize)) {
    repo.write("new", "1\n");
    repo.git(["add", "new"]);
    repo.git(["commit", "-q", "-m", "plain"]);
    after("commit", 1);
    repo.write("a", "2\n");
    repo.git(["commit", "-q", "-a", "-m", "all"]);
    after("commit -a", 1);
    repo.write("a", "3\n");
    repo.write("dir/b", "3\n");
    repo.git(["add", "a"]);
    repo.git(["commit", "-q", "-m", "only", "--only", "dir/b"]);
    assert_eq!(repo.git(["status", "--porcelain"]), "M  a", "what was staged is staged");
    after("commit --only", 1);
    repo.git(["commit", "-q", "--amend", "-m", "amended"]);
    after("commit --amend", 1);
    repo.write("dir/b", "4\n");
    repo.git(["-C", "dir", "commit", "-q", "-m", "below", "b"]);
    after("commit in a folder", 1);
    repo.git(["checkout", "-q", "-b", "topic"]);
    after("checkout -b", 1);
    repo.write("topic", "t\n");
    repo.git(["add", "topic"]);
    repo.git(["commit", "-q", "-m", "topic"]);
    after("commit on a branch", 1);
    repo.git(["checkout", "-q", "-"]);
    after("checkout", 1);
    repo.write("other", "o\n");
    repo.git(["add", "other"]);
    repo.git(["commit", "-q", "-m", "other"]);
    after("commit", 1);
    repo.git(["merge", "-q", "--no-ff", "--no-edit", "topic"]);
    after("merge", 1);
    repo.git(["revert", "--no-edit", "HEAD^1"]);
    after("revert", 1);
    repo.git(["cherry-pick", "HEAD^^1"]);
    after("cherry-pick", 1);
    repo.write("a", "5\n");
    repo.git(["stash", "-q"]);
    after("stash", 0);
    repo.git(["stash", "pop", "-q"]);
    after("stash pop", 0);
    repo.git(["checkout", "-q", "--", "a"]);
    after("checkout of a file", 0);
    repo.git(["commit", "-q", "--allow-empty", "-m", "empty"]);
    after("commit --allow-empty", 1);
}

/// What git has to say of a repository, but for times and ids of commits.
fn outcome(repo: &TestRepo) -> Vec<String> {
    vec![
        repo.git(["log", "--format=%s %T %an", "HEAD", "topic", "--"]),
        repo.git(["ls-files", "--stage"]),
        repo.git(["status", "--porcelain", "--branch"]),
        repo.git(["stash", "list"]),
        repo.git(["for-each-ref", "--format=%(refname)", "refs/heads", "refs/tags"]),
    ]
}

#[test]
fn every_way_to_commit_makes_one_checkpoint_with_a_link_and_changes_nothing_else() {
    let plain = repo(Shape::PLAIN, false);
    every_way(&plain, &mut |_, _| {});
    let expected = outcome(&plain);
    for with_agent in [false, true] {
        let repo = repo(Shape::PLAIN, true);
        let agent = Agent::new(&repo, "one");
        if with_agent {
            agent.start();
            agent.prompt("do it all");
        }
        let mut count = 0;
        every_way(&repo, &mut |what, worth| {
            let kinds = repo.kinds();
            let now = kinds.iter().filter(|k| *k == "commit").count();
            assert_eq!(now, count + worth, "{what}, agent: {with_agent}: {kinds:?}");
            count = now;
            if worth > 0 && !what.starts_with("checkout") {
                assert_head_is_linked(&repo, what);
            }
        });
        assert_eq!(repo.hook_log(), "");
        if with_agent {
            let turns: Vec<_> = repo.checkpoints().into_iter().map(|c| c["turn"].clone()).collect();
            assert!(turns.iter().all(|t| *t == 1), "all of it belongs to the turn that is open: {turns:?}");
            agent.end();
        }
        assert_eq!(repo.git(["for-each-ref", "refs/sessions/heads"]).lines().count(), 1, "one session took it all");
        assert_eq!(outcome(&repo), expected, "agent: {with_agent}");
        repo.assert_sound();
    }
}

#[test]
fn a_commit_without_a_session_begins_one_named_after_it() {
    let repo = repo(Shape::PLAIN, true);
    repo.git(["checkout", "-q", "-b", "x"]);
    assert_eq!(repo.git(["for-each-ref", "refs/sessions", "refs/notes"]), "", "a checkout alone begins none");
    repo.git(["commit", "-q", "--allow-empty", "-m", "Mend the parser\n\nIt was broken."]);
    let shown = repo.ask(["show"]);
    assert_eq!((&shown["title"], &shown["agent"]), (&"Mend the parser".into(), &"none".into()), "{shown}");
    assert_eq!(repo.ask(["status"])["state"], "running");
    assert!(repo.ask(["status"])["enabled"].as_array().expect("a list").contains(&"git".into()));
}

#[test]
fn what_is_switched_off_makes_nothing() {
    let mut repo = repo(Shape::PLAIN, true);
    repo.git(["config", "session.git.autosave", "session"]);
    repo.git(["commit", "-q", "--allow-empty", "-m", "no session runs"]);
    repo.git(["config", "--unset", "session.git.autosave"]);
    repo.git(["config", "session.enabled", "false"]);
    repo.git(["commit", "-q", "--allow-empty", "-m", "off by configuration"]);
    repo.git(["config", "--unset", "session.enabled"]);
    repo.sandbox.set("SESSION_ENABLED", "0");
    repo.git(["commit", "-q", "--allow-empty", "-m", "off by the environment"]);
    repo.sandbox.set("SESSION_ENABLED", "");
    assert_eq!(repo.git(["for-each-ref", "refs/sessions", "refs/notes"]), "");
    assert_eq!(repo.hook_log(), "");
    repo.git(["config", "session.git.autosave", "session"]);
    let agent = Agent::new(&repo, "one");
    agent.prompt("x");
    repo.git(["commit", "-q", "--allow-empty", "-m", "a session runs"]);
    assert_head_is_linked(&repo, "autosave=session");
}

#[test]
fn in_every_shape_of_repository_a_commit_and_its_amending_are_linked() {
    for shape in matrix() {
        let repo = repo(shape, true);
        repo.write("a", "2\n");
        repo.git(["commit", "-q", "-a", "-m", "one"]);
        assert_head_is_linked(&repo, &format!("{shape:?}"));
        let first = links(&repo, "HEAD");
        repo.git(["commit", "-q", "--amend", "-m", "one, better"]);
        assert_head_is_linked(&repo, &format!("amended, {shape:?}"));
        let came = first.iter().all(|link| links(&repo, "HEAD").contains(link));
        assert!(came, "the links from before came along: {shape:?}");
        assert_eq!(repo.hook_log(), "", "{shape:?}");
        repo.assert_sound();
    }
}

#[test]
fn a_rebase_makes_one_checkpoint_and_the_links_come_along() {
    for (backend, with_agent) in [("--merge", false), ("--merge", true), ("--apply", false)] {
        let repo = repo(Shape::PLAIN, true);
        let agent = Agent::new(&repo, "one");
        if with_agent {
            agent.prompt("x");
        }
        repo.git(["checkout", "-q", "-b", "topic"]);
        for n in 1..=5 {
            repo.write(format!("t{n}"), "x\n");
            repo.commit(&format!("topic {n}"));
        }
        let olds: Vec<String> = repo.git(["rev-list", "--reverse", "main..topic"]).lines().map(str::to_owned).collect();
        let before: Vec<Vec<Link>> = olds.iter().map(|c| links(&repo, c)).collect();
        assert!(before.iter().all(|l| l.len() == 1), "{before:?}");
        repo.git(["checkout", "-q", "main"]);
        repo.write("m", "x\n");
        repo.commit("on main");
        repo.git(["checkout", "-q", "topic"]);
        let count = repo.checkpoints().len();
        repo.git(["rebase", "-q", backend, "main"]);
        assert_eq!(repo.checkpoints().len(), count + 1, "{backend}: {:?}", &repo.checkpoints()[count..]);
        assert_head_is_linked(&repo, "rebase");
        let news: Vec<String> = repo.git(["rev-list", "--reverse", "main..topic"]).lines().map(str::to_owned).collect();
        for (new, old) in news.iter().zip(&before) {
            assert!(links(&repo, new).starts_with(old), "{backend}: {:?} of {new} and {old:?}", links(&repo, new));
        }
        assert!(news[..4].iter().all(|c| links(&repo, c).len() == 1), "{backend}");
        assert_eq!(repo.hook_log(), "");
        assert_eq!(repo.git(["status", "--porcelain"]), "");
    }
}

#[test]
fn commits_that_nothing_links_yet_are_linked_to_the_rebase() {
    let repo = repo(Shape::PLAIN, false);
    repo.git(["checkout", "-q", "-b", "topic"]);
    for n in 1..=2 {
        repo.write(format!("t{n}"), "x\n");
        repo.commit(&format!("topic {n}"));
    }
    repo.git(["checkout", "-q", "main"]);
    repo.write("m", "x\n");
    repo.commit("on main");
    repo.git(["checkout", "-q", "topic"]);
    let _on = repo.session(["enable"]).success();
    repo.git(["rebase", "-q", "main"]);
    assert_eq!(repo.kinds(), ["commit"]);
    for commit in ["HEAD", "HEAD^"] {
        assert_eq!(links(&repo, commit).iter().map(|l| l.1).collect::<Vec<_>>(), [1], "{commit}");
    }
    assert!(links(&repo, "main").is_empty());
}

#[test]
fn a_commit_in_a_linked_worktree_is_saved_there() {
    let repo = repo(Shape::PLAIN, true);
    repo.git(["commit", "-q", "--allow-empty", "-m", "in main"]);
    let main = repo.session_id();
    repo.git(["worktree", "add", "-q", "../side", "-b", "side"]);
    let side = repo.sandbox.path().join("side");
    let (head, index) = (repo.git(["rev-parse", "HEAD"]), repo.index_bytes());
    fs::write(side.join("a"), "side\n").expect("writes");
    repo.git(["-C", "../side", "commit", "-q", "-a", "-m", "in side"]);
    assert_eq!((repo.git(["rev-parse", "HEAD"]), repo.index_bytes()), (head, index), "nothing of main's was touched");
    assert_eq!(repo.session_id(), main);
    assert_eq!(repo.checkpoints().len(), 1);
    let there = repo.sandbox.session(&side, ["--json", "show"]).success().json();
    assert_eq!((&there["title"], &there["worktree"]), (&"in side".into(), &"side".into()), "{there}");
    let commit = repo.git(["rev-parse", "side"]);
    assert_eq!(links(&repo, &commit)[0].0, there["id"].as_str().expect("an id"));
    let tree = repo.git(["rev-parse", &format!("{}^^{{tree}}", links(&repo, &commit)[0].2)]);
    assert_eq!(tree, repo.git(["rev-parse", "side^{tree}"]));
    assert_eq!(repo.hook_log(), "");
}

#[test]
fn a_fast_forward_is_saved_and_what_it_brought_is_not_linked() {
    let repo = repo(Shape::PLAIN, true);
    repo.git(["-c", "core.hooksPath=/dev/null", "checkout", "-q", "-b", "theirs"]);
    repo.git(["-c", "core.hooksPath=/dev/null", "commit", "-q", "--allow-empty", "-m", "theirs"]);
    repo.git(["-c", "core.hooksPath=/dev/null", "checkout", "-q", "main"]);
    repo.git(["merge", "-q", "--ff-only", "theirs"]);
    assert_eq!(repo.kinds(), ["commit"]);
    assert!(links(&repo, "HEAD").is_empty());
}

#[test]
fn notes_of_others_are_kept_in_whatever_shape_git_left_them() {
    let repo = repo(Shape::PLAIN, true);
    repo.git(["notes", "--ref=sessions", "add", "-m", "mine", "HEAD"]);
    let head = repo.git(["rev-parse", "HEAD"]);
    let lines: String =
        (0..600_u32).map(|n| format!("{head} {:08x}{n:032x}\n", n.wrapping_mul(2_654_435_761))).collect();
    let mut copy = repo.sandbox.command("git", repo.path());
    copy.args(["notes", "--ref=sessions", "copy", "--stdin"]).stdin(std::process::Stdio::piped());
    let mut child = copy.spawn().expect("git starts");
    std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), lines.as_bytes()).expect("writes");
    assert!(child.wait().expect("ends").success());
    assert!(repo.git(["ls-tree", "refs/notes/sessions"]).contains("tree"), "git made folders");
    repo.git(["commit", "-q", "--allow-empty", "-m", "x"]);
    assert_head_is_linked(&repo, "among many");
    assert_eq!(repo.git(["notes", "--ref=sessions", "list"]).lines().count(), 602);
    assert_eq!(repo.git(["notes", "--ref=sessions", "show", &head]), "mine");
    repo.git(["notes", "--ref=sessions", "append", "-m", "seen", "HEAD"]);
    let note = repo.git(["notes", "--ref=sessions", "show", "HEAD"]);
    let _again = repo.session(["hook", "git", "post-commit"]).success();
    assert_eq!(repo.git(["notes", "--ref=sessions", "show", "HEAD"]), note, "once is as good as twice");
    repo.git(["commit", "-q", "--amend", "--allow-empty", "-m", "y"]);
    let amended = repo.git(["notes", "--ref=sessions", "show", "HEAD"]);
    assert!(amended.contains("seen") && links(&repo, "HEAD").len() == 2, "{amended}");
    repo.assert_sound();
}

#[test]
fn a_commit_succeeds_whatever_is_wrong_with_us() {
    let repo = repo(Shape::PLAIN, true);
    // Not even root can make a folder where a file is.
    fs::remove_dir_all(repo.at(".git/session")).expect("removes");
    fs::write(repo.at(".git/session"), "").expect("writes");
    repo.git(["commit", "-q", "--allow-empty", "-m", "nowhere to write"]);
    fs::remove_file(repo.at(".git/session")).expect("removes");
    repo.git(["commit", "-q", "--allow-empty", "-m", "fine"]);
    assert_head_is_linked(&repo, "after that");
    let log = repo.hook_log();
    // Someone keeps the ref locked.
    let name = repo.session_ref();
    fs::write(repo.at(format!(".git/{name}.lock")), "").expect("writes");
    let mut commit = repo.sandbox.command("git", repo.path());
    let done = commit.args(["commit", "-q", "--allow-empty", "-m", "locked"]).status().expect("git starts");
    assert!(done.success());
    fs::remove_file(repo.at(format!(".git/{name}.lock"))).expect("removes");
    repo.git(["status", "--porcelain"]);
    assert_head_is_linked(&repo, "done later");
    assert_eq!(log, "", "what is locked is tried again, detached");
    let bin = env!("CARGO_BIN_EXE_session");
    for cwd in ["gone", "bare.git", "no-repository"] {
        let path = repo.sandbox.path().join(cwd);
        fs::create_dir(&path).expect("makes the folder");
        if cwd == "bare.git" {
            repo.git(["init", "-q", "--bare", "../bare.git"]);
        }
        let script = if cwd == "gone" { "rmdir \"$PWD\"; \"$0\" hook git \"$1\"" } else { "\"$0\" hook git \"$1\"" };
        let hooks = ["post-applypatch", "post-commit", "post-checkout", "post-merge", "post-rewrite", "pre-push"];
        for hook in hooks.into_iter().chain(["nonsense", ""]) {
            let _there = fs::create_dir(&path);
            let mut command = repo.sandbox.command("sh", &path);
            let out =
                command.args(["-c", script, bin, hook]).stdin(std::process::Stdio::null()).output().expect("runs");
            assert!(out.status.success() && out.stdout.is_empty() && out.stderr.is_empty(), "{cwd} {hook}: {out:?}");
        }
    }
}

#[test]
fn a_large_repository_is_saved_detached() {
    let repo = repo(Shape::PLAIN, true);
    let blob = repo.git(["hash-object", "-w", "a"]);
    let lines: String = (0..5001).map(|n| format!("100644 {blob}\tmany/{n}\n")).collect();
    let mut command = repo.sandbox.command("git", repo.path());
    command.args(["update-index", "--index-info"]).stdin(std::process::Stdio::piped());
    let mut child = command.spawn().expect("git starts");
    std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), lines.as_bytes()).expect("writes");
    assert!(child.wait().expect("ends").success());
    repo.git(["commit", "-q", "-m", "many"]);
    let head = repo.git(["rev-parse", "HEAD"]);
    // Each look is a process of git: time enough, and no clock.
    let linked = (0..5000).any(|_| !links(&repo, &head).is_empty());
    assert!(linked, "the detached save came: {}", repo.hook_log());
    assert_head_is_linked(&repo, "detached");
}

fn push(repo: &TestRepo, args: &[&str]) -> (bool, String) {
    let mut command = repo.sandbox.command("git", repo.path());
    let out = command.arg("push").args(args).output().expect("git starts");
    (out.status.success(), String::from_utf8_lossy(&out.stderr).into_owned())
}

#[test]
fn a_branch_or_tag_that_reaches_a_checkpoint_is_not_pushed() {
    let repo = repo(Shape::PLAIN, true);
    repo.git(["init", "-q", "--bare", "../remote.git"]);
    repo.git(["remote", "add", "origin", "../remote.git"]);
    repo.write("a", "2\n");
    repo.git(["commit", "-q", "-a", "-m", "mine"]);
    repo.write("a", "uncommitted\n");
    let _saved = repo.session(["save"]).success();
    let name = repo.session_ref();
    for (how, target) in
        [(&["branch", "code"][..], "^"), (&["branch", "whole"], ""), (&["tag", "-a", "-m", "t", "v1"], "^")]
    {
        let target = format!("{name}{target}");
        repo.git(how.iter().copied().chain([target.as_str()]));
    }
    for spec in ["code", "whole", "v1", "code:refs/for/main", "--all", "--tags"] {
        let (pushed, said) = push(&repo, &["-q", "origin", spec]);
        assert!(!pushed, "{spec}: {said}");
        for part in ["checkpoint", "session fork", "--no-verify"] {
            assert!(said.contains(part), "{spec} says {part:?}: {said}");
        }
        assert_eq!(repo.git(["ls-remote", "origin"]), "", "{spec}: nothing was published");
    }
    let blob = repo.git(["rev-parse", "HEAD:a"]);
    repo.git(["tag", "blob", &blob]);
    let (pushed, said) = push(&repo, &["-q", "origin", "main", "blob"]);
    assert!(pushed && said.is_empty(), "{said}");
    let (pushed, said) = push(&repo, &["-q", "../remote.git", "code"]);
    assert!(!pushed && said.contains("session fork"), "by its address: {said}");
    let forked = repo.ask(["fork"]);
    let branch = forked["branch"]["name"].as_str().or(forked["branch"].as_str()).expect("a branch").to_owned();
    let (pushed, said) = push(&repo, &["-q", "origin", &branch]);
    assert!(pushed && said.is_empty(), "a fork's branch is clean: {said}");
    repo.git(["checkout", "-q", "--", "a"]);
    repo.git(["checkout", "-q", "-b", "picked"]);
    repo.git(["cherry-pick", &format!("{name}^")]);
    let (pushed, said) = push(&repo, &["-q", "origin", "picked"]);
    assert!(pushed && said.is_empty(), "what was picked is the user's own: {said}");
    let (pushed, _) = push(&repo, &["-q", "--no-verify", "origin", "code"]);
    assert!(pushed);
    repo.git(["push", "-q", "origin", ":refs/heads/code"]);
    assert_eq!(repo.hook_log(), "");
}

#[test]
fn hooks_are_told_of_and_a_dry_run_shows_them() {
    let repo = repo(Shape::PLAIN, false);
    let out = repo.session(["enable", "--dry-run"]).success();
    for part in [".git/hooks/pre-push", ".git/config", "rewriteRef"] {
        assert!(out.stdout.contains(part), "{part}: {out}");
    }
    assert!(!repo.at(".git/hooks/post-commit").exists());
    let out = repo.session(["enable", "--no-git-hooks"]).success();
    assert!(!out.stdout.contains("hooks/post-commit") && !repo.at(".git/hooks/post-commit").exists());
    let out = repo.session(["enable"]).success();
    assert!(out.stdout.contains(".git/hooks/post-commit") && out.stdout.contains(".git/config"), "{out}");
    let told = |out: &str, path: &str, what: &str| out.lines().any(|l| l.contains(path) && l.contains(what));
    assert!(told(&out.stdout, "hooks/pre-push", "is pushed") && told(&out.stdout, "config", "links follow"), "{out}");
    assert!(!told(&out.stdout, "hooks/pre-push", "commits make checkpoints"), "{out}");
    let out = repo.session(["disable"]).success();
    assert!(told(&out.stdout, ".git/config", "taken out"), "{out}");
}

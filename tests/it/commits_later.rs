//! What git's hooks leave for later, commits of several processes at once, the rest of a large turn, and sessions that git
//! rewrote.

use std::fs;
use std::process::Stdio;

use serde_json::json;

use crate::git_hooks::{assert_head_is_linked, links, repo};
use crate::support::agent::Agent;
use crate::support::repo::{Shape, TestRepo, matrix};

/// A file of the checkpoint that the commit is linked to.
#[track_caller]
fn linked_file(repo: &TestRepo, rev: &str, path: &str) -> String {
    let linked = links(repo, rev);
    assert!(!linked.is_empty(), "{rev} is not linked: {}", repo.hook_log());
    repo.git(["show", &format!("{}^:{path}", linked[0].2)])
}

#[test]
fn what_is_too_much_for_a_commit_to_wait_for_is_saved_later_as_it_was() {
    for (files, bytes) in [(300, 10), (3, 1 << 20)] {
        let repo = repo(Shape::PLAIN, true);
        for n in 0..files {
            repo.write(format!("new/{n}"), vec![b'x'; bytes + n]);
        }
        repo.write("a", "committed\n");
        let mut commit = repo.sandbox.command("git", repo.path());
        assert!(commit.args(["commit", "-q", "-a", "-m", "much lies about"]).status().expect("starts").success());
        // Nobody waited: the person goes on.
        repo.write("a", "later\n");
        repo.let_hooks_end();
        let linked = links(&repo, "HEAD");
        assert_eq!(linked_file(&repo, "HEAD", "a"), "committed", "{files} files");
        let listed = repo.git(["ls-tree", "-r", "--name-only", &format!("{}^", linked[0].2), "new/"]);
        assert_eq!(listed.lines().count(), files);
        assert_eq!((repo.hook_log(), repo.read("a")), (String::new(), b"later\n".to_vec()));
        // The next one has nothing to read any more.
        repo.git(["commit", "-q", "-a", "-m", "next"]);
        assert_head_is_linked(&repo, "next");
        repo.assert_sound();
    }
}

#[test]
fn a_commit_that_was_left_for_later_is_saved_though_head_and_index_went_on() {
    for shape in matrix() {
        let repo = repo(shape, true);
        let git = |args: &[&str]| {
            let mut command = repo.sandbox.command("git", repo.path());
            assert!(command.args(args).status().expect("git starts").success(), "{args:?}");
        };
        repo.write("one", "1\n");
        git(&["add", "one"]);
        git(&["commit", "-q", "-m", "one"]);
        git(&["rm", "-q", "one"]);
        repo.write("two", "2\n");
        git(&["add", "two"]);
        git(&["commit", "-q", "-m", "two"]);
        repo.let_hooks_end();
        assert_eq!(linked_file(&repo, "HEAD^", "one"), "1", "{shape:?}");
        assert_eq!(linked_file(&repo, "HEAD", "two"), "2", "{shape:?}");
        assert_eq!(repo.hook_log(), "", "{shape:?}");
        repo.assert_sound();
    }
}

#[test]
fn commits_that_several_processes_make_at_once_are_all_linked() {
    for ref_format in ["files", "reftable"] {
        let repo = repo(Shape { ref_format, ..Shape::PLAIN }, true);
        let script =
            "for i in 1 2 3 4; do echo $i >p$0; for t in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
            git add p$0 && git commit -qm \"p$0 $i\" p$0 && break; done; done 2>/dev/null";
        let start = |n: usize| {
            let mut command = repo.sandbox.command("sh", repo.path());
            command.args(["-c", script, &n.to_string()]).stderr(Stdio::null()).spawn().expect("starts")
        };
        for mut child in (0..4).map(start).collect::<Vec<_>>() {
            child.wait().expect("ends");
        }
        repo.let_hooks_end();
        let commits = repo.git(["log", "--format=%H %s"]);
        let made: Vec<&str> =
            commits.lines().filter(|line| line.split(' ').nth(1).is_some_and(|w| w.starts_with('p'))).collect();
        assert!(made.len() > 4, "{commits}");
        for line in made {
            let (commit, subject) = line.split_once(' ').expect("two words");
            let (path, content) = subject.split_once(' ').expect("two words");
            assert_eq!(linked_file(&repo, commit, path), content, "{ref_format}: {subject}");
        }
        assert_eq!(repo.hook_log(), "");
        repo.assert_sound();
    }
}

#[test]
fn the_rest_of_a_large_turn_is_the_turns() {
    let repo = repo(Shape::PLAIN, false);
    let agent = Agent::new(&repo, "one");
    agent.prompt("make many");
    repo.git(["config", "session.snapshot.budgetMs", "0"]);
    for n in 0..400 {
        repo.write(format!("made/{n}"), format!("{n}\n"));
    }
    agent.end();
    repo.let_hooks_end();
    let last = repo.checkpoints().pop().expect("one");
    assert_eq!((&last["kind"], &last["scope"], &last["turn"]), (&json!("tail"), &json!("full"), &json!(1)));
    let commit = last["commit"].as_str().expect("an id");
    assert_eq!(repo.git(["ls-tree", "-r", "--name-only", commit, "made/"]).lines().count(), 400);
    repo.ask(["rewind", "code", "turn:1"]);
    assert!(!repo.at("made").exists());
    repo.ask(["redo"]);
    assert_eq!(fs::read_dir(repo.at("made")).expect("lists").count(), 400);
    assert_eq!(repo.hook_log(), "");
}

#[test]
fn git_never_speaks_of_our_notes() {
    for ref_format in ["files", "reftable"] {
        let repo = repo(Shape { ref_format, ..Shape::PLAIN }, true);
        repo.git(["config", "session.git.autosave", "session"]);
        let quiet = |args: &[&str]| {
            let out = repo.sandbox.command("git", repo.path()).args(args).output().expect("git starts");
            assert!(out.status.success() && out.stderr.is_empty(), "{args:?}: {out:?}");
        };
        quiet(&["commit", "-q", "--amend", "-m", "amended"]);
        repo.git(["checkout", "-q", "-b", "side", "HEAD^"]);
        quiet(&["commit", "-q", "--allow-empty", "-m", "beside"]);
        quiet(&["rebase", "-q", "main"]);
        assert_eq!(repo.git(["for-each-ref", "refs/notes", "refs/sessions"]), "", "{ref_format}");
    }
}

#[test]
fn a_refused_push_of_many_branches_is_told_in_few_lines() {
    let mut repo = repo(Shape::PLAIN, true);
    repo.git(["init", "-q", "--bare", "../remote.git"]);
    repo.git(["remote", "add", "origin", "../remote.git"]);
    repo.git(["commit", "-q", "--allow-empty", "-m", "mine"]);
    let tip = repo.git(["rev-parse", &repo.session_ref()]);
    for n in 0..40 {
        repo.git(["branch", &format!("b{n}"), &tip]);
    }
    let count = repo.count_gits();
    let push = |specs: &[&str]| {
        let before = count();
        let out = repo.sandbox.command("git", repo.path()).args(["push", "-q", "origin"]).args(specs).output();
        let out = out.expect("git starts");
        (out.status.success(), String::from_utf8_lossy(&out.stderr).into_owned(), count() - before)
    };
    let (pushed, said, many) = push(&["--all"]);
    assert!(!pushed && said.lines().count() <= 12 && said.contains("40 branches and tags"), "{said}");
    let (pushed, said, few) = push(&["b1"]);
    assert!(!pushed && !said.contains("more of"), "{said}");
    assert_eq!(many, few, "as many calls of git for forty as for one");
}

/// Takes a file out of all history, as one does with a password.
fn filter(repo: &TestRepo, filter: &str) {
    let mut command = repo.sandbox.command("git", repo.path());
    command.env("FILTER_BRANCH_SQUELCH_WARNING", "1");
    let out = command.args(["filter-branch", "-f", "--index-filter", filter, "--", "--all"]).output().expect("starts");
    assert!(out.status.success(), "{out:?}");
}

#[test]
fn a_session_that_git_rewrote_is_named_joined_up_again_and_does_not_stop_the_saving() {
    for linked in [false, true] {
        let repo = repo(Shape { linked, ..Shape::PLAIN }, true);
        repo.write("pw", "secret\n");
        repo.commit("a password");
        let agent = Agent::new(&repo, "one");
        agent.turn("work", "w", "w\n");
        repo.commit("more");
        let id = agent_session(&repo);
        let before = repo.checkpoints().len();
        filter(&repo, "git rm -q --cached --ignore-unmatch pw");
        let found = repo.session(["doctor"]);
        assert!(found.code == Some(1) && found.stdout.contains(&id) && found.stdout.contains("rewritten"), "{found}");
        // Saving goes on, in a session of its own.
        repo.write("c", "c\n");
        repo.git(["add", "c"]);
        repo.git(["commit", "-q", "-m", "goes on"]);
        assert!(!links(&repo, "HEAD").is_empty(), "{}", repo.hook_log());
        let input = json!({"session_id": "one", "cwd": repo.path(), "prompt": "again"}).to_string();
        let _prompt =
            repo.sandbox.session_with_input(repo.path(), ["hook", "generic", "prompt"], input.as_bytes()).success();
        assert_ne!(agent_session(&repo), id);
        let fixed = repo.session(["doctor", "--fix"]);
        assert!(fixed.stdout.contains("joined up again"), "{fixed}");
        let log = repo.ask(["log", "--session", &id]);
        let rows = log["checkpoints"].as_array().expect("a list");
        assert_eq!(rows.len(), before);
        let newest = rows[0]["commit"].as_str().expect("an id");
        assert_eq!(repo.git(["ls-tree", "-r", "--name-only", newest, "pw"]), "", "what was taken out stays out");
        assert_eq!(repo.git(["show", &format!("{newest}:w")]), "w");
        let linked_commit = repo.git(["log", "--format=%H", "--grep=^more$"]);
        assert!(links(&repo, &linked_commit).iter().any(|(session, ..)| *session == id), "links are there again");
        let _again = repo.session(["doctor"]);
        repo.ask(["rewind", "code", "--session", &id, "--all", "turn:1"]);
        assert!(!repo.at("w").exists());
    }
}

/// The session of the agent `one`.
fn agent_session(repo: &TestRepo) -> String {
    let list = repo.ask(["list"]);
    let all = list["sessions"].as_array().expect("a list");
    let agents = all.iter().filter(|s| s["agent"] != "none");
    agents.map(|s| s["id"].as_str().expect("an id").to_owned()).next().expect("one")
}

#[test]
fn what_stands_in_for_a_commit_of_ours_is_named_and_not_followed() {
    let repo = repo(Shape::PLAIN, true);
    repo.git(["commit", "-q", "--allow-empty", "-m", "one"]);
    repo.git(["commit", "-q", "--allow-empty", "-m", "two"]);
    let tip = repo.git(["rev-parse", &repo.session_ref()]);
    repo.git(["replace", &tip, "HEAD^"]);
    let found = repo.session(["doctor"]);
    assert!(found.code == Some(1) && found.stdout.contains(&format!("git replace -d {tip}")), "{found}");
    repo.git(["commit", "-q", "--allow-empty", "-m", "three"]);
    assert_head_is_linked(&repo, "goes on");
    assert_eq!(repo.checkpoints().len(), 3);
}

#[test]
fn a_fork_where_a_worktree_was_deleted_says_how_to_get_there() {
    let repo = repo(Shape::PLAIN, false);
    repo.ask(["save", "one"]);
    repo.ask(["fork", "A", "--worktree", "../there"]);
    fs::remove_dir_all(repo.at("../there")).expect("removes");
    for args in [&["fork", "B", "--worktree", "../there"][..], &["fork", "B", "--worktree", "../there", "--dry-run"]] {
        let refused = repo.refused(5, args.iter().copied());
        let hint = refused["hint"].as_str().expect("a hint");
        assert!(hint.contains("git worktree prune") && refused["code"] == "worktree.missing", "{refused}");
    }
    repo.git(["worktree", "prune"]);
    repo.ask(["fork", "B", "--worktree", "../there"]);
    repo.git(["worktree", "lock", "../there"]);
    fs::remove_dir_all(repo.at("../there")).expect("removes");
    let refused = repo.refused(5, ["fork", "C", "--worktree", "../there"]);
    assert!(refused["hint"].as_str().is_some_and(|hint| hint.contains("--force --force")), "{refused}");
}

#[test]
fn a_forks_branch_takes_no_secret_by_name_or_content() {
    let repo = repo(Shape::PLAIN, false);
    let token = format!("ghp_{}", "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0fG3hJ6");
    let secrets = [".aws_credentials", ".kube/config", "deploy.sh", "kubeconfig", "token.txt"];
    for path in secrets {
        repo.write(path, if path == "deploy.sh" { format!("curl -H 'Bearer {token}'\n") } else { "x\n".to_owned() });
    }
    repo.write("notes.md", "fine\n");
    repo.ask(["save", "one"]);
    let fork = repo.ask(["fork", "B", "--branch", "try"]);
    assert_eq!(fork["left_out"], json!(secrets));
    let there = repo.git(["ls-tree", "-r", "--name-only", "try"]);
    assert!(there.contains("notes.md") && secrets.iter().all(|path| !there.contains(path)), "{there}");
}

//! A fork in daily use: branch, worktree and switch; clashes and repositories of every state; nothing half made, and the
//! parent left alone.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::agent::Agent;
use crate::support::repo::{Shape, TestRepo, matrix};
use crate::support::run::CommandOutput;

/// A commit with `f`, then two turns on it: the first writes `f`, the second makes `g`.
fn worked_in(shape: Shape) -> TestRepo {
    let repo = TestRepo::of_shape(shape);
    repo.write("f", "base\n");
    repo.commit("base");
    let agent = Agent::with_transcript(&repo, "parent");
    agent.start();
    agent.turn("one", "f", "one\n");
    agent.turn("two", "g", "two\n");
    repo
}

/// The agent of [`worked_in`], which goes on.
fn parent_agent(repo: &TestRepo) -> Agent<'_> {
    Agent::resumed(repo, &json!({"session_id": "parent", "path": "$SANDBOX/transcripts/parent.jsonl"}))
}

fn plain() -> TestRepo {
    worked_in(Shape::PLAIN)
}

fn beside(repo: &TestRepo, name: &str) -> PathBuf {
    repo.sandbox.path().join(name)
}

#[track_caller]
fn ask_in(repo: &TestRepo, folder: &Path, args: &[&str]) -> Value {
    repo.sandbox.session(folder, ["--json"].iter().chain(args)).success().json()
}

#[track_caller]
fn git_in(repo: &TestRepo, folder: &Path, args: &[&str]) -> String {
    let out = repo.sandbox.command("git", folder).args(args).output().expect("git starts");
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("UTF-8").trim_end().to_owned()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn head_of(session: &str) -> String {
    format!("refs/sessions/heads/{session}")
}

/// No branch and no tag reaches a commit of ours.
#[track_caller]
fn assert_clean(repo: &TestRepo) {
    let ours = repo.git(["log", "--branches", "--tags", "--grep=^Checkpoint: [0-9]", "--format=%h %s"]);
    assert_eq!(ours, "");
}

/// All that a fork could leave: refs, worktrees, agents' files, files beside the repository.
fn world(repo: &TestRepo) -> (String, String, Vec<String>) {
    let transcripts = repo.sandbox.path().join("transcripts");
    let mut files = if transcripts.is_dir() { TestRepo::list(&transcripts) } else { Vec::new() };
    files.extend(repo.listing());
    let mut beside: Vec<_> =
        std::fs::read_dir(repo.sandbox.path()).expect("lists").map(|e| e.expect("an entry").path()).collect();
    beside.sort();
    files.extend(beside.iter().map(|path| path.display().to_string()));
    (repo.all_refs(), repo.git(["worktree", "list", "--porcelain"]), files)
}

#[test]
fn in_every_shape_a_fork_is_a_clean_branch_a_worktree_or_a_switch() {
    for shape in matrix() {
        let repo = worked_in(shape);
        let (parent, base) = (repo.session_id(), repo.git(["rev-parse", "HEAD"]));
        let tip = repo.git(["rev-parse", &head_of(&parent)]);
        let plain = repo.ask(["fork", "--at", "turn:1.end"]);
        let branch = text(&plain["branch"]);
        assert!(branch.starts_with("session/fork-of-one"), "{branch}");
        assert_eq!((&plain["base"], &plain["files"]), (&json!(base), &json!(["f"])), "{shape:?}");
        assert_eq!(repo.git(["rev-parse", &format!("{branch}^")]), base);
        assert_eq!(repo.git(["diff", "--name-only", "HEAD", branch]), "f");

        let away =
            ask_in(&repo, repo.path(), &["fork", "away", "-s", &parent, "--at", "turn:1.end", "--worktree", "../away"]);
        let there = beside(&repo, "away");
        assert_eq!(git_in(&repo, &there, &["status", "--porcelain"]), " M f", "{shape:?}");
        assert_eq!(git_in(&repo, &there, &["rev-parse", "HEAD"]), base);
        assert_eq!(away["branch"], "session/away");

        let here = ask_in(&repo, repo.path(), &["fork", "here", "-s", &parent, "--at", "turn:1.end", "--switch"]);
        assert_eq!(here["here"]["deleted"], json!(["g"]), "{shape:?} {here:#}");
        assert_eq!(repo.git(["symbolic-ref", "--short", "HEAD"]), "session/here");
        assert_eq!(repo.git(["status", "--porcelain"]), " M f");
        assert_eq!(repo.session_id(), text(&here["session"]));
        // The session that was forked has not moved; what was here before comes back in the fork.
        assert_eq!(repo.git(["rev-parse", &head_of(&parent)]), tip, "{shape:?}");
        repo.ask(["redo"]);
        assert_eq!(repo.read("g"), b"two\n");
        assert_clean(&repo);
        repo.git(["fsck", "--strict"]);
    }
}

#[test]
fn the_parent_is_left_alone_byte_for_byte_and_the_branch_costs_one_commit() {
    let repo = plain();
    let (parent, files) = (repo.session_ref(), repo.listing());
    let index = repo.index_bytes();
    let tip = repo.git(["rev-parse", &parent]);
    let count = || -> u32 {
        let counted = repo.git(["count-objects", "-v"]);
        let line = counted.lines().find_map(|l| l.strip_prefix("count: ")).expect("a count");
        line.parse().expect("a number")
    };
    let mut costs = Vec::new();
    for at in ["1", "2", "3", "4"] {
        let before = count();
        repo.ask(["fork", "-s", parent.rsplit('/').next().expect("an id"), "--at", at]);
        costs.push(count() - before);
    }
    // Session commit, its tree, session.json, at most a tree of rows and the like; and the clean commit.
    assert!(costs.iter().all(|cost| *cost <= 8), "{costs:?}");
    assert_eq!((repo.git(["rev-parse", &parent]), repo.listing(), repo.index_bytes()), (tip, files, index));
}

#[test]
fn several_forks_at_once_each_get_a_worktree_a_branch_and_an_agent_of_their_own() {
    let repo = plain();
    let parent = repo.session_id();
    let children: Vec<_> = (0..4)
        .map(|n| {
            let mut command = repo.sandbox.command(env!("CARGO_BIN_EXE_session"), repo.path());
            let to = format!("../tree-{n}");
            command.args(["--json", "fork", "Same title", "-s", &parent, "--at", "turn:2", "--worktree", &to]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts")
        })
        .collect();
    let mut forks: Vec<Value> = Vec::new();
    for child in children {
        let out = child.wait_with_output().expect("ends");
        assert!(
            out.status.success(),
            "{}{}",
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        );
        forks.push(serde_json::from_slice(&out.stdout).expect("JSON"));
    }
    let mut branches: Vec<&str> = forks.iter().map(|f| text(&f["branch"])).collect();
    branches.sort_unstable();
    assert_eq!(
        branches,
        ["session/same-title", "session/same-title-2", "session/same-title-3", "session/same-title-4"]
    );
    let parent_tip = repo.git(["rev-parse", &head_of(&parent)]);
    for (n, fork) in forks.iter().enumerate() {
        let there = beside(&repo, &format!("tree-{n}"));
        let agent = Agent::resumed(&repo, &fork["native"]).in_folder(&there);
        agent.start();
        agent.prompt("mine");
        std::fs::write(there.join("mine"), n.to_string()).expect("writes");
        agent.end();
    }
    for (n, fork) in forks.iter().enumerate() {
        let there = beside(&repo, &format!("tree-{n}"));
        assert_eq!(ask_in(&repo, &there, &["status"])["session"]["id"], fork["session"]);
        assert_eq!(ask_in(&repo, &there, &["log"])["session"], fork["session"]);
        assert_eq!(ask_in(&repo, &there, &["show"])["turns"], 2);
        let back = ask_in(&repo, &there, &["rewind", "code"]);
        assert_eq!((&back["session"], &back["files"]["deleted"]), (&fork["session"], &json!(["mine"])));
    }
    assert_eq!(repo.git(["rev-parse", &head_of(&parent)]), parent_tip);
    // The parent's own agent still goes to the parent, from wherever forks were made.
    parent_agent(&repo).turn("three", "h", "h");
    assert_eq!(repo.session_id(), parent);
}

#[test]
fn work_in_a_fork_that_was_not_resumed_takes_nothing_from_its_parents_agent() {
    let repo = plain();
    let parent = repo.session_id();
    let fork = repo.ask(["fork", "Apart", "--no-branch"]);
    let agent = parent_agent(&repo);
    agent.append("{\"role\":\"user\",\"content\":\"of the parent alone\"}\n");
    repo.write("x", "x");
    repo.ask(["save", "-s", text(&fork["session"])]);
    repo.ask(["fork", "-s", text(&fork["session"])]);
    agent.turn("three", "h", "h");
    assert_eq!(repo.session_id(), parent, "the agent's hooks go to its own session");
    assert_eq!(repo.ask(["show", text(&fork["session"])])["turns"], 2);
}

#[test]
fn names_that_are_taken_are_gone_around_or_refused() {
    let repo = plain();
    let parent = repo.session_id();
    let fork =
        |args: &[&str]| repo.ask(["fork", "X", "-s", &parent, "--at", "2"].into_iter().chain(args.iter().copied()));
    assert_eq!(fork(&[])["branch"], "session/x");
    assert_eq!(fork(&[])["branch"], "session/x-2");
    repo.git(["branch", "session/y/z"]);
    assert_eq!(repo.ask(["fork", "y", "-s", &parent, "--at", "2"])["branch"], "session/y-2");
    for name in repo.git(["for-each-ref", "--format=%(refname:short)", "refs/heads/session"]).lines() {
        repo.git(["branch", "-D", name]);
    }
    repo.git(["branch", "session"]);
    assert_eq!(fork(&[])["branch"], "session-x");
    let before = world(&repo);
    for (name, code, error) in [
        ("session", 5, "branch.exists"),
        ("session/x", 5, "branch.exists"),
        ("main/x", 5, "branch.exists"),
        ("a..b", 2, "ref.name"),
        ("with space", 2, "ref.name"),
        ("", 2, "ref.name"),
        ("HEAD", 2, "ref.name"),
        ("x.lock", 2, "ref.name"),
    ] {
        for more in [&[][..], &["--worktree", "../w"], &["--switch"]] {
            let branch = format!("--branch={name}");
            let args = ["fork", "-s", &parent, &branch].into_iter().chain(more.iter().copied());
            assert_eq!(repo.refused(code, args)["code"], error, "{name}");
        }
    }
    assert_eq!(world(&repo), before);
}

#[test]
fn a_worktree_goes_only_where_nothing_is_and_git_would_not_take_it_for_files() {
    let repo = plain();
    let parent = repo.session_id();
    std::fs::create_dir_all(beside(&repo, "full/x")).expect("makes");
    std::fs::create_dir(beside(&repo, "empty")).expect("makes");
    std::fs::write(beside(&repo, "file"), "").expect("writes");
    repo.write(".git/info/exclude", "trees/\n");
    let before = world(&repo);
    for (path, code, error) in [
        ("../full", 5, "worktree.exists"),
        ("../file", 5, "worktree.exists"),
        ("../file/below", 5, "worktree.exists"),
        (".", 5, "worktree.exists"),
        ("inside", 6, "worktree.place"),
        ("../full/../repo/in/side", 6, "worktree.place"),
        (".git/x", 6, "worktree.place"),
        ("", 2, "usage"),
    ] {
        let refused = repo.refused(code, ["fork", "-s", &parent, "--at", "2", "--worktree", path]);
        assert_eq!(refused["code"], error, "{path}: {refused:#}");
    }
    assert_eq!(world(&repo), before);
    for (n, path) in ["../empty", "../deep/er", "trees/a"].iter().enumerate() {
        let fork = repo.ask(["fork", "ok", "-s", &parent, "--at", "turn:1.end", "--worktree", path]);
        let there = repo.path().join(path).canonicalize().expect("is there");
        assert_eq!(std::fs::read(there.join("f")).expect("reads"), b"one\n");
        assert_eq!(
            text(&fork["branch"]),
            if n == 0 { "session/ok".to_owned() } else { format!("session/ok-{}", n + 1) }
        );
    }
    assert_eq!(repo.git(["status", "--porcelain"]), " M f\n?? g");
}

#[test]
fn unborn_there_is_no_branch_and_nothing_to_work_on() {
    let repo = TestRepo::new();
    repo.git(["update-ref", "-d", "HEAD"]);
    Agent::with_transcript(&repo, "a").turn("one", "f", "1\n");
    let before = repo.all_refs();
    for more in [&["--worktree", "../w"][..], &["--switch"]] {
        let args = ["fork", "x"].into_iter().chain(more.iter().copied());
        assert_eq!(repo.refused(6, args)["code"], "fork.unborn");
    }
    assert_eq!(repo.refused(2, ["fork", "--branch", "a..b"])["code"], "ref.name");
    assert_eq!(repo.all_refs(), before);
    let fork = repo.ask(["fork", "x"]);
    assert_eq!((&fork["branch"], &fork["base"]), (&Value::Null, &Value::Null));
    assert_eq!(fork["no_branch"], "the repository had no commit at that checkpoint");
}

#[test]
fn a_branch_made_on_top_of_our_code_stands_on_the_project() {
    let repo = plain();
    let base = repo.git(["rev-parse", "HEAD"]);
    let (session, code) = (repo.session_ref(), repo.git(["rev-parse", &format!("{}^", repo.session_ref())]));
    let session_commit = repo.git(["rev-parse", &session]);
    for (n, at) in [code, session_commit].iter().enumerate() {
        repo.git(["checkout", "--quiet", "--force", "--detach", at]);
        let agent = Agent::with_transcript(&repo, &format!("on-ours-{n}"));
        agent.turn("on ours", "h", &format!("{n}\n"));
        let fork = repo.ask(["fork", "detached"]);
        assert_eq!(fork["base"], json!(base), "{n}");
        assert_eq!(repo.git(["rev-parse", &format!("{}^", text(&fork["branch"]))]), base);
        // A commit of the person's on top of ours reaches ours.
        repo.commit("mine");
        agent.turn("on mine", "h", &format!("{n} more\n"));
        let fork = repo.ask(["fork", "on mine", "--worktree", &format!("../w{n}")]);
        assert_eq!(fork["base"], json!(base), "{n}");
        assert_eq!(git_in(&repo, &beside(&repo, &format!("w{n}")), &["rev-parse", "HEAD"]), base);
        assert_clean(&repo);
    }
}

#[test]
fn what_is_staged_stays_staged_and_a_merge_is_not_switched_away_from() {
    let repo = plain();
    repo.write("staged", "in the index\n");
    repo.git(["add", "staged"]);
    repo.write("staged", "on disk\n");
    let before = (repo.git(["diff", "--cached"]), repo.listing());
    let fork = repo.ask(["fork", "dirty", "--switch"]);
    assert_eq!(fork["branch"], "session/dirty");
    assert_eq!((repo.git(["diff", "--cached"]), repo.listing()), before);
    let branch = repo.ask(["fork", "branch"]);
    assert_eq!(repo.git(["show", &format!("{}:staged", text(&branch["branch"]))]), "on disk");
    assert_eq!(repo.git(["diff", "--cached"]), before.0);

    repo.git(["stash", "--quiet", "--include-untracked"]);
    repo.git(["checkout", "--quiet", "-b", "theirs"]);
    repo.write("f", "theirs\n");
    repo.commit("theirs");
    repo.git(["checkout", "--quiet", "main"]);
    repo.write("f", "ours\n");
    repo.commit("ours");
    let merge = repo.sandbox.command("git", repo.path()).args(["merge", "theirs"]).output().expect("git starts");
    assert!(!merge.status.success());
    let now = (repo.all_refs(), repo.listing(), repo.index_bytes());
    assert_eq!(repo.refused(6, ["fork", "x", "--switch"])["code"], "rewind.operation");
    assert_eq!((repo.all_refs(), repo.listing(), repo.index_bytes()), now);
    let away = repo.ask(["fork", "x", "--worktree", "../away"]);
    assert_eq!(away["base"], json!(repo.git(["rev-parse", "HEAD"])));
    assert_eq!(git_in(&repo, &beside(&repo, "away"), &["status", "--porcelain"]), " M f");
    assert_eq!(git_in(&repo, repo.path(), &["status", "--porcelain"]), "UU f");
}

#[test]
fn a_switch_never_goes_over_someone_elses_change() {
    let repo = plain();
    let parent = repo.session_id();
    repo.write("f", "by hand\n");
    let before = (repo.all_refs(), repo.listing());
    let refused = repo.refused(6, ["fork", "x", "--at", "turn:1.end", "--switch"]);
    assert_eq!((&refused["code"], &refused["details"]), (&json!("rewind.foreign"), &json!(["f"])));
    let refused = repo.refused(6, ["fork", "x", "--at", "turn:1.end", "--switch", "--dry-run"]);
    assert_eq!(refused["code"], "rewind.foreign");
    assert_eq!((repo.all_refs(), repo.listing()), before);
    repo.ask(["fork", "x", "-s", &parent, "--at", "turn:1.end", "--worktree", "../away"]);
    assert_eq!(repo.read("f"), b"by hand\n");
}

#[test]
fn a_switch_to_another_base_moves_the_index_too() {
    let repo = plain();
    let base = repo.git(["rev-parse", "HEAD"]);
    let parent = repo.session_id();
    repo.commit("the work is committed");
    parent_agent(&repo).turn("three", "f", "three\n");
    let fork = repo.ask(["fork", "back", "-s", &parent, "--at", "turn:1.end", "--switch"]);
    assert_eq!((&fork["base"], repo.git(["rev-parse", "HEAD"])), (&json!(base), base.clone()));
    assert_eq!(repo.git(["status", "--porcelain"]), " M f");
    assert_eq!(repo.read("f"), b"one\n");
    repo.ask(["redo"]);
    assert_eq!((repo.read("f"), repo.read("g")), (b"three\n".to_vec(), b"two\n".to_vec()));
}

#[test]
fn secrets_stay_out_of_the_branch_and_come_along_into_a_worktree() {
    let repo = plain();
    repo.write(".env", "TOKEN=1\n");
    repo.write("keys/id_rsa", "-----BEGIN\n");
    let out = repo.session(["fork", "s"]).success();
    assert!(out.stderr.contains("looks like a secret: .env") && out.stderr.contains("keys/id_rsa"), "{out}");
    assert_eq!(repo.git(["ls-tree", "-r", "--name-only", "session/s"]), "f\ng");
    let away = repo.ask(["fork", "t", "--worktree", "../away"]);
    assert_eq!(away["left_out"], json!([]));
    assert_eq!(std::fs::read(beside(&repo, "away/.env")).expect("reads"), b"TOKEN=1\n");
}

#[test]
fn a_tools_checkpoint_stands_for_what_was_known_then() {
    let repo = plain();
    let agent = Agent::with_transcript(&repo, "tools");
    agent.start();
    agent.prompt("several files");
    repo.write("f", "by the tool\n");
    repo.write("unseen", "not named\n");
    agent.tool(&["f"]);
    let at = repo.checkpoints().last().expect("a checkpoint")["number"].to_string();
    repo.write("f", "later\n");
    agent.end();
    let parent = repo.session_id();
    let fork = repo.ask(["fork", "t", "--at", &at, "--worktree", "../away"]);
    assert_eq!(fork["scope"], "paths");
    let there = beside(&repo, "away");
    assert_eq!(std::fs::read(there.join("f")).expect("reads"), b"by the tool\n");
    assert_eq!(std::fs::read(there.join("g")).expect("reads"), b"two\n", "as the checkpoint before had it");
    assert!(!there.join("unseen").exists());
    let branch = repo.ask(["fork", "u", "-s", &parent, "--at", &at]);
    assert_eq!(repo.git(["ls-tree", "-r", "--name-only", text(&branch["branch"])]), "f\ng");
    assert_eq!(repo.git(["show", &format!("{}:f", text(&branch["branch"]))]), "by the tool");
    let out = repo.session(["fork", "v", "-n", "-s", &parent, "--at", &at]).success();
    assert!(out.stdout.contains("looked at some files only"), "{out}");
}

#[test]
fn a_commit_that_was_picked_from_ours_is_the_persons() {
    let repo = plain();
    let code = repo.git(["rev-parse", &format!("{}^", repo.session_ref())]);
    repo.git(["stash", "--quiet", "--include-untracked"]);
    repo.git(["cherry-pick", "--allow-empty", &code]);
    let picked = repo.git(["rev-parse", "HEAD"]);
    assert!(repo.git(["log", "-1", "--format=%B"]).contains("Checkpoint: "));
    parent_agent(&repo).turn("three", "h", "h\n");
    assert_eq!(repo.ask(["fork", "x"])["base"], json!(picked));
}

#[test]
fn forks_of_forks_say_so_and_need_no_title() {
    let repo = TestRepo::new();
    repo.write("f", "1\n");
    repo.ask(["save", "Fix the parser"]);
    let title = |fork: &Value| text(&fork["title"]).to_owned();
    let first = repo.ask(["fork"]);
    assert_eq!(title(&first), "Fork of Fix the parser");
    let second = repo.ask(["fork"]);
    assert_eq!(title(&second), "Fork of Fork of Fix the parser");
    assert_eq!(second["branch"], "session/fork-of-fork-of-fix-the-parser");
    let blank = repo.ask(["fork", "  "]);
    assert_eq!(title(&blank), "Fork of Fork of Fork of Fix the parser");
    assert_eq!(repo.git(["log", "-1", "--format=%s", text(&blank["branch"])]), title(&blank));
    // A fork of a fork's first checkpoint stands where the fork point stood, not where HEAD has gone since.
    let base = repo.git(["rev-parse", "HEAD"]);
    repo.commit("HEAD goes on");
    let third = repo.ask(["fork", "third", "-s", text(&first["session"]), "--at", "1"]);
    let fourth = repo.ask(["fork", "fourth", "-s", text(&third["session"]), "--at", &third["checkpoint"].to_string()]);
    assert_eq!((&third["base"], &fourth["base"]), (&json!(base), &json!(base)));

    let untitled = TestRepo::new();
    untitled.write("f", "1\n");
    untitled.ask(["save"]);
    let shown = text(&untitled.ask(["list"])["sessions"][0]["title"]).to_owned();
    assert_eq!(title(&untitled.ask(["fork"])), format!("Fork of {shown}"));
}

#[test]
fn a_fork_lives_on_without_its_parent_and_each_goes_its_own_way() {
    let repo = plain();
    let parent = repo.session_id();
    let fork = repo.ask(["fork", "alone", "--at", "turn:1.end", "--worktree", "../away"]);
    let there = beside(&repo, "away");
    let tip = |id: &str| repo.git(["rev-parse", &head_of(id)]);
    let id = text(&fork["session"]).to_owned();
    let (of_parent, of_fork) = (tip(&parent), tip(&id));
    repo.ask(["rewind", "code", "turn:1", "-s", &parent]);
    assert_eq!(tip(&id), of_fork);
    let moved = tip(&parent);
    assert_ne!(moved, of_parent);
    let agent = Agent::resumed(&repo, &fork["native"]).in_folder(&there);
    agent.prompt("alone");
    std::fs::write(there.join("f"), "fork\n").expect("writes");
    agent.end();
    ask_in(&repo, &there, &["rewind", "both"]);
    assert_eq!(tip(&parent), moved);

    repo.git(["update-ref", "-d", &head_of(&parent)]);
    repo.git(["reflog", "expire", "--expire=now", "--all"]);
    repo.git(["gc", "--quiet", "--prune=now"]);
    ask_in(&repo, &there, &["rewind", "code", "1"]);
    assert_eq!(std::fs::read(there.join("f")).expect("reads"), b"base\n");
    let native = ask_in(&repo, &there, &["resume", &id])["native"].clone();
    let said = std::fs::read_to_string(Agent::resumed(&repo, &native).transcript()).expect("reads");
    assert!(said.contains("one") && !said.contains("two"), "{said}");
    assert_eq!(ask_in(&repo, &there, &["log"])["session"], json!(id));
}

#[test]
fn from_another_worktree_a_fork_is_of_the_sessions_newest_checkpoint() {
    let repo = plain();
    let parent = repo.session_id();
    let tip = repo.git(["rev-parse", &head_of(&parent)]);
    repo.git(["worktree", "add", "--quiet", "../other", "-b", "other"]);
    let other = beside(&repo, "other");
    std::fs::write(other.join("strange"), "of the other worktree").expect("writes");
    let fork = ask_in(&repo, &other, &["fork", "x", "-s", &parent]);
    assert_eq!(repo.git(["rev-parse", &head_of(&parent)]), tip);
    assert_eq!(repo.git(["ls-tree", "-r", "--name-only", text(&fork["branch"])]), "f\ng");
}

#[test]
fn worktrees_of_a_bare_repository_fork_into_worktrees() {
    let repo = TestRepo::new();
    repo.write("f", "base\n");
    repo.commit("base");
    let (bare, one, two) = (beside(&repo, "bare.git"), beside(&repo, "one"), beside(&repo, "two"));
    repo.git(["clone", "--quiet", "--bare", ".", "../bare.git"]);
    git_in(&repo, &bare, &["worktree", "add", "--quiet", "../one", "-b", "one"]);
    std::fs::write(one.join("f"), "1\n").expect("writes");
    ask_in(&repo, &one, &["save", "In a worktree"]);
    let fork = ask_in(&repo, &one, &["fork", "two", "--worktree", "../two"]);
    assert_eq!(git_in(&repo, &two, &["status", "--porcelain"]), " M f");
    assert_eq!(ask_in(&repo, &two, &["status"])["session"]["id"], fork["session"]);
    let refused = repo.sandbox.session(&bare, ["fork", "--json"]);
    assert_eq!(refused.json()["error"]["code"], "repository.bare", "{refused}");
}

#[test]
fn a_submodule_has_its_empty_folder_and_a_sparse_worktree_stays_sparse() {
    let repo = TestRepo::new();
    let sub = TestRepo::new();
    sub.write("s", "s");
    sub.commit("sub");
    let url = sub.path().to_str().expect("UTF-8").to_owned();
    repo.git(["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &url, "sub"]);
    repo.write("in/f", "in\n");
    repo.write("out/f", "out\n");
    repo.commit("base");
    repo.git(["sparse-checkout", "set", "in"]);
    repo.write("in/f", "changed\n");
    repo.ask(["save", "Sparse"]);
    repo.ask(["fork", "away", "--worktree", "../away"]);
    let there = beside(&repo, "away");
    assert_eq!(git_in(&repo, &there, &["status", "--porcelain"]), " M in/f");
    assert!(there.join("sub").is_dir() && !there.join("out").exists());
    let branch = repo.ask(["fork", "branch"]);
    assert_eq!(repo.git(["diff", "--name-only", "HEAD", text(&branch["branch"])]), "in/f");
}

/// Runs with a limit on the size of every file that is written: a full disk, to one who writes.
fn limited(repo: &TestRepo, blocks: u32, args: &str) -> CommandOutput {
    let line = format!("trap '' XFSZ; ulimit -f {blocks}; exec {} --json {args}", env!("CARGO_BIN_EXE_session"));
    repo.sandbox.run_with_input("sh", repo.path(), ["-c", &line], b"")
}

#[test]
fn what_fails_in_the_middle_is_taken_back() {
    let repo = plain();
    // The agent's file and the file of the tree are larger than what may be written then.
    let agent = Agent::with_transcript(&repo, "large");
    agent.start();
    let noise: String = (0..40_000_u64).map(|n| format!("{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    agent.prompt("large");
    agent.append(format!("{{\"role\":\"assistant\",\"content\":\"{noise}\"}}\n"));
    repo.write("h", "h\n");
    agent.end();
    agent.turn("small", "h", "h more\n");
    let before = world(&repo);
    let parent = repo.session_id();
    for more in ["", "--worktree ../away", "--worktree ../a/b/c", "--switch"] {
        let out = limited(&repo, 400, &format!("fork x -s {parent} --at turn:1.end {more}"));
        assert_eq!(out.code, Some(1), "{more}\n{out}");
        let error = &out.json()["error"];
        assert!(text(&error["message"]).ends_with("nothing of the fork was kept"), "{out}");
        assert_eq!(world(&repo), before, "{more}");
    }
    // The agent's folder is none.
    let folder = agent.transcript().parent().expect("a folder").to_owned();
    std::fs::rename(&folder, beside(&repo, "away-for-a-while")).expect("moves");
    std::fs::write(&folder, "").expect("writes");
    let before = world(&repo);
    for more in [&[][..], &["--worktree", "../away"], &["--switch"]] {
        let args = ["fork", "x", "-s", &parent, "--at", "turn:1.end"].into_iter().chain(more.iter().copied());
        repo.refused(1, args);
        assert_eq!(world(&repo), before, "{more:?}");
    }
}

#[test]
fn when_head_cannot_move_nothing_is_kept_or_what_is_kept_is_named() {
    let repo = plain();
    let (parent, files) = (repo.session_id(), repo.listing());
    repo.write(".git/HEAD.lock", "");
    let before = world(&repo);
    let refused = repo.refused(1, ["fork", "x", "-s", &parent, "--switch"]);
    assert!(text(&refused["message"]).ends_with("nothing of the fork was kept"), "{refused:#}");
    assert_eq!(world(&repo), before);
    // The files have moved: the fork holds what was here, and stays.
    let refused = repo.refused(1, ["fork", "x", "-s", &parent, "--at", "turn:1.end", "--switch"]);
    assert!(text(&refused["message"]).ends_with("what was made stays"), "{refused:#}");
    let left: Vec<&str> = refused["details"].as_array().expect("a list").iter().map(text).collect();
    let fork = left.iter().find_map(|l| l.strip_prefix("left: session ")).expect("names the session");
    assert!(left.contains(&"left: branch session/x"), "{left:?}");
    repo.remove(".git/HEAD.lock");
    repo.ask(["redo", "-s", fork]);
    assert_eq!(repo.listing(), files);
}

#[test]
fn a_full_disk_among_the_files_leaves_no_worktree_and_no_half_of_a_switch() {
    let repo = TestRepo::new();
    repo.write("a", "1\n");
    repo.write(".gitattributes", "# none\n");
    for n in 0..70 {
        repo.write(format!("b{n}"), "1\n");
    }
    repo.write("large", vec![b'x'; 300_000]);
    let parent = text(&repo.ask(["save", "Large"])["session"]).to_owned();
    repo.remove("large");
    repo.write("a", "2\n");
    repo.ask(["save", "Almost"]);
    let before = world(&repo);
    // All files are made before the first is moved.
    let out = limited(&repo, 200, &format!("fork x -s {parent} --at 1 --switch"));
    let error = out.json()["error"].take();
    assert_eq!((out.code, &error["code"]), (Some(1), &json!("io.full")), "{out}");
    assert!(text(&error["message"]).ends_with("nothing of the fork was kept"), "{error:#}");
    assert_eq!(world(&repo), before);
    // But the attributes, which tell how the others are written.
    repo.remove(".gitattributes");
    for n in 0..70 {
        repo.remove(format!("b{n}"));
    }
    repo.ask(["save", "Small"]);
    let before = world(&repo);
    let out = limited(&repo, 200, &format!("fork x -s {parent} --at 1 --worktree ../away"));
    assert_eq!((out.code, &out.json()["error"]["code"]), (Some(1), &json!("io.full")), "{out}");
    assert_eq!(world(&repo), before);
    // Files that were moved are settled by the next command, so the fork that holds what was here stays, and is named.
    let out = limited(&repo, 200, &format!("fork x -s {parent} --at 1 --switch"));
    let error = out.json()["error"].take();
    assert_eq!((out.code, &error["code"]), (Some(1), &json!("io.full")), "{out}");
    let left = error["details"].as_array().expect("a list").iter().map(text);
    let fork = left.filter_map(|l| l.strip_prefix("left: session ")).next().expect("names the session");
    repo.ask(["save", "-s", fork]);
    assert_eq!((repo.read("a"), repo.read("large").len()), (b"1\n".to_vec(), 300_000), "finished");
    repo.ask(["redo", "-s", fork]);
    assert_eq!(repo.listing().len(), 1);
    assert_eq!(repo.read("a"), b"2\n");
}

#[test]
fn a_worktree_that_git_refuses_leaves_no_branch() {
    let repo = plain();
    // git still counts a worktree there, and wants to be told to take its place.
    repo.git(["worktree", "add", "--quiet", "--lock", "../gone", "-b", "gone"]);
    std::fs::remove_dir_all(beside(&repo, "gone")).expect("removes");
    let parent = repo.session_id();
    let before = world(&repo);
    let refused = repo.refused(5, ["fork", "x", "-s", &parent, "--at", "2", "--worktree", "../gone"]);
    assert_eq!(refused["code"], "worktree.missing", "{refused:#}");
    assert_eq!(world(&repo), before);
}

#[test]
fn a_dry_run_says_what_the_fork_then_is_and_makes_nothing() {
    let repo = plain();
    let before = world(&repo);
    for more in [
        &[][..],
        &["--at", "2"],
        &["--worktree", "../away"],
        &["--switch"],
        &["--at", "2", "--switch"],
        &["--no-branch"],
    ] {
        let args = ["fork", "x", "--dry-run"].into_iter().chain(more.iter().copied());
        let said = repo.ask(args);
        assert_eq!(world(&repo), before, "{more:?}");
        assert_eq!(said["dry_run"], true);
        for absent in ["session", "checkpoint", "branch_commit", "native"] {
            assert_eq!(said[absent], Value::Null, "{absent}");
        }
    }
    repo.write(".env", "TOKEN=1\n");
    let out = repo.session(["fork", "x", "-n"]).success();
    assert!(
        out.stdout.contains("Would fork")
            && out.stdout.contains("session/x")
            && out.stdout.contains("Nothing was changed"),
        "{out}"
    );
    assert!(out.stderr.contains(".env"), "{out}");
    let (mut would, mut is) = (repo.ask(["fork", "x", "--dry-run"]), repo.ask(["fork", "x"]));
    for changing in ["dry_run", "session", "checkpoint", "branch_commit", "native"] {
        for fork in [&mut would, &mut is] {
            fork.as_object_mut().expect("an object").remove(changing);
        }
    }
    for fork in [&mut would, &mut is] {
        fork["at"].as_object_mut().expect("an object").remove("time");
    }
    assert_eq!(would, is);
}

//! Repositories of which git itself says less, or something else, than the disk shows: sparse indexes, no symbolic links,
//! locks of another git, branches of another worktree.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::agent::Agent;
use crate::support::repo::{Shape, TestRepo};

#[test]
fn a_file_outside_of_the_cone_that_came_and_went_is_not_deleted() {
    for sparse_index in ["--sparse-index", "--no-sparse-index"] {
        let repo = TestRepo::new();
        for path in ["in/f", "out/f", "out/deep/g"] {
            repo.write(path, "1\n");
        }
        repo.commit("two folders");
        repo.git(["sparse-checkout", "set", "--cone", sparse_index, "in"]);
        let agent = Agent::new(&repo, "a");
        agent.start();
        agent.prompt("look outside");
        repo.write("out/f", "1\n");
        agent.tool(&["out/f"]);
        repo.ask(["save"]);
        fs::remove_dir_all(repo.at("out")).expect("removes");
        agent.tool(&["out/f"]);
        agent.end();
        repo.write("in/f", "2\n");
        repo.ask(["save"]);
        assert_eq!(repo.git(["status", "--short"]), " M in/f", "{sparse_index}");
        let code = format!("{}^1", repo.session_ref());
        assert_eq!(repo.git(["diff", "--name-status", "HEAD", &code]), "M\tin/f", "{sparse_index}");
        repo.assert_sound();
    }
}

#[test]
fn without_symbolic_links_plain_files_stand_for_them_both_ways() {
    for ref_format in ["files", "reftable"] {
        let repo = TestRepo::of_shape(Shape { ref_format, ..Shape::PLAIN });
        repo.symlink("l", "a.txt");
        repo.symlink("gone", "b.txt");
        repo.write("z", "1\n");
        repo.commit("links");
        // One that git does not know, taken as a link before.
        repo.symlink("new", "c.txt");
        repo.ask(["save"]);
        repo.git(["config", "core.symlinks", "false"]);
        for (path, target) in [("l", "other"), ("new", "elsewhere")] {
            repo.remove(path);
            repo.write(path, target);
        }
        repo.remove("gone");
        repo.write("z", "2\n");
        let saved = repo.ask(["save"]);
        assert_eq!(saved["checkpoint"], 2, "{saved:#}");
        let later = repo.listing();
        repo.ask(["rewind", "code", "1"]);
        for (path, target) in [("l", "a.txt"), ("gone", "b.txt"), ("new", "c.txt")] {
            let what = repo.at(path).symlink_metadata().expect("is there");
            assert!(what.is_file() && what.permissions().mode() & 0o111 == 0, "{path} is no link, and no program");
            assert_eq!(String::from_utf8_lossy(&repo.read(path)), target, "{path}");
        }
        assert_eq!(repo.git(["status", "--short"]), "?? new", "git sees what it checked out");
        repo.ask(["redo"]);
        assert_eq!(repo.listing(), later, "{ref_format}");
        // Real links that were there before go back, too.
        repo.ask(["rewind", "code", "1"]);
        repo.git(["config", "core.symlinks", "true"]);
        repo.remove("l");
        repo.symlink("l", "real");
        repo.ask(["save"]);
        repo.git(["config", "core.symlinks", "false"]);
        repo.ask(["rewind", "code", "1"]);
        assert_eq!(repo.read("l"), b"a.txt");
        repo.assert_sound();
    }
}

/// A repository with `f` staged at checkpoint 1, and not at checkpoint 2.
fn staged_then_not(shape: Shape) -> TestRepo {
    let repo = TestRepo::of_shape(shape);
    repo.git(["checkout", "--quiet", "-b", "topic"]);
    repo.write("f", "x\n");
    repo.git(["add", "f"]);
    repo.ask(["save"]);
    repo.write("f", "y\n");
    repo.git(["reset", "--quiet"]);
    repo.git(["checkout", "--quiet", "-b", "other"]);
    repo.ask(["save"]);
    repo
}

#[test]
fn where_another_git_holds_a_lock_neither_files_nor_index_nor_head_move() {
    for shape in [Shape::PLAIN, Shape { ref_format: "reftable", linked: true, ..Shape::PLAIN }] {
        let repo = staged_then_not(shape);
        let git_dir = repo.git(["rev-parse", "--absolute-git-dir"]);
        let head = if shape.ref_format == "files" { "HEAD.lock" } else { "reftable/tables.list.lock" };
        for (flag, lock) in [("--staged", "index.lock"), ("--head", head)] {
            let lock = format!("{git_dir}/{lock}");
            fs::write(&lock, "").expect("writes");
            let state = || (repo.listing(), repo.index_bytes(), fs::read(format!("{git_dir}/HEAD")).expect("reads"));
            let before = state();
            for more in [&["--dry-run"][..], &[]] {
                let args = [&["rewind", "code", "1", flag][..], more].concat();
                let error = repo.refused(5, args);
                assert_eq!(error["code"], "lock.held", "{error:#}");
                assert!(!repo.at(format!("{git_dir}/session/journal")).exists());
            }
            assert_eq!(state(), before, "{flag}");
            fs::remove_file(&lock).expect("removes");
        }
        repo.ask(["rewind", "code", "1", "--staged", "--head"]);
        assert_eq!(repo.read("f"), b"x\n");
        assert_eq!(repo.git(["diff", "--cached", "--name-only"]), "f");
        assert_eq!(repo.git(["symbolic-ref", "--short", "HEAD"]), "topic");
    }
}

/// Puts a `git` in front of PATH that fails for one verb.
fn git_fails_for(repo: &mut TestRepo, verb: &str) {
    let shim = repo.sandbox.path().join("failing");
    fs::create_dir(&shim).expect("makes the folder");
    let path = std::env::var("PATH").expect("PATH is set");
    let script = format!(
        "#!/bin/sh\nfor word; do [ \"$word\" = {verb} ] && {{ echo 'fatal: no' >&2; exit 128; }}; done\nPATH='{path}' exec git \"$@\"\n"
    );
    fs::write(shim.join("git"), script).expect("writes");
    fs::set_permissions(shim.join("git"), fs::Permissions::from_mode(0o755)).expect("sets the mode");
    repo.sandbox.set("PATH", format!("{}:{path}", shim.display()));
}

#[test]
fn settling_completes_the_index_and_head_of_an_interrupted_move() {
    for with_files in [true, false] {
        let mut repo = staged_then_not(Shape::PLAIN);
        if !with_files {
            repo.write("f", "x\n");
        }
        let path = std::env::var("PATH").expect("PATH is set");
        git_fails_for(&mut repo, "read-tree");
        let out = repo.session(["rewind", "code", "1", "--staged", "--head"]);
        assert_ne!(out.code, Some(0), "{out}");
        repo.sandbox.set("PATH", path);
        repo.ask(["save"]);
        let staged = repo.git(["diff", "--cached", "--name-only"]);
        let head = repo.git(["symbolic-ref", "--short", "HEAD"]);
        let seen = (String::from_utf8(repo.read("f")).expect("text"), staged, head);
        assert_eq!(seen, ("x\n".to_owned(), "f".to_owned(), "topic".to_owned()), "files move too: {with_files}");
        assert!(!repo.at(".git/session/journal").exists());
    }
}

#[test]
fn settling_leaves_what_was_staged_since_alone() {
    let mut repo = staged_then_not(Shape::PLAIN);
    let path = std::env::var("PATH").expect("PATH is set");
    git_fails_for(&mut repo, "read-tree");
    assert_ne!(repo.session(["rewind", "code", "1", "--staged"]).code, Some(0));
    repo.sandbox.set("PATH", path);
    repo.write("mine", "1\n");
    repo.git(["add", "mine"]);
    repo.ask(["save"]);
    assert_eq!(repo.git(["diff", "--cached", "--name-only"]), "mine");
    assert_eq!(repo.read("f"), b"x\n");
}

#[test]
fn a_branch_that_another_worktree_uses_is_not_taken_from_it() {
    for ref_format in ["files", "reftable"] {
        let repo = TestRepo::of_shape(Shape { ref_format, ..Shape::PLAIN });
        repo.git(["checkout", "--quiet", "-b", "topic"]);
        repo.write("a", "1\n");
        let commit = repo.commit("topic");
        repo.ask(["save"]);
        repo.git(["checkout", "--quiet", "main"]);
        repo.git(["worktree", "add", "--quiet", "../other", "topic"]);
        repo.write("f", "1\n");
        repo.ask(["save"]);
        repo.ask(["rewind", "code", "1", "--head"]);
        assert_eq!(repo.git(["rev-parse", "HEAD"]), commit, "{ref_format}");
        assert_eq!(repo.git(["branch", "--show-current"]), "", "{ref_format}: HEAD is detached");
        // As far as that goes this is where it was asked to be.
        assert_eq!(repo.session(["rewind", "code", "1", "--head"]).code, Some(1));
        repo.git(["worktree", "remove", "--force", "../other"]);
        repo.ask(["rewind", "code", "1", "--head"]);
        assert_eq!(repo.git(["branch", "--show-current"]), "topic", "{ref_format}: it is free again");
    }
}

#[test]
fn what_lies_in_a_submodule_besides_its_commit_is_said_and_stays() {
    let repo = TestRepo::new();
    let other = repo.sandbox.path().join("other");
    repo.git(["init", "--quiet", "../other"]);
    fs::write(other.join("f"), "1\n").expect("writes");
    repo.git(["-C", "../other", "add", "f"]);
    repo.git(["-C", "../other", "commit", "--quiet", "--message=f"]);
    for name in ["clean", "dirty", "new", "left"] {
        repo.git(["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "../other", name]);
    }
    repo.commit("submodules");
    assert_eq!(repo.ask(["save"])["skipped"].as_array().map(Vec::len), Some(0));
    repo.write("dirty/f", "2\n");
    repo.write("new/untracked", "2\n");
    repo.remove("left/.git");
    let saved = repo.ask(["save"]);
    let said: Vec<_> = saved["skipped"].as_array().expect("a list").iter().map(|s| s["path"].as_str()).collect();
    assert_eq!(said, [Some("dirty"), Some("left"), Some("new")], "{saved:#}");
    repo.write("plain", "1\n");
    repo.ask(["save"]);
    repo.ask(["rewind", "code", "1"]);
    assert_eq!((repo.read("dirty/f"), repo.read("new/untracked")), (b"2\n".to_vec(), b"2\n".to_vec()));
    assert_eq!(repo.read("left/f"), b"1\n");
}

#[test]
fn doctor_says_that_it_cannot_be_written_where_nothing_can_be_saved() {
    let repo = TestRepo::new();
    repo.write("a", "1\n");
    assert_eq!(repo.session(["doctor"]).success().stdout.matches("nothing can be saved").count(), 0);
    // A file in the place of our folder stops everybody, also root.
    repo.write(".git/session", "not a folder");
    let out = repo.session(["doctor"]);
    assert_eq!(out.code, Some(1), "{out}");
    assert!(out.stdout.contains("nothing can be saved here") && out.stdout.contains(".git/session"), "{out}");
    assert_ne!(repo.session(["save"]).code, Some(0), "and nothing can");
}

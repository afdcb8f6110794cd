//! `--staged` and `--head`: the index and HEAD go back where they were asked to, and come forth again by redo.

use crate::support::repo::TestRepo;

/// What git shows of the index.
fn index(repo: &TestRepo) -> (String, String) {
    (repo.git(["diff", "--cached"]), repo.git(["status", "--porcelain"]))
}

/// Runs a command that must succeed.
fn run(repo: &TestRepo, args: &[&str]) {
    let out = repo.session(args);
    assert_eq!(out.code, Some(0), "{out}");
}

fn repo() -> TestRepo {
    let repo = TestRepo::new();
    repo.write("a.txt", "one\n");
    repo.write("b.txt", "one\n");
    repo.commit("start");
    repo
}

#[test]
fn what_was_staged_is_staged_again_and_redo_undoes_it() {
    let repo = repo();
    repo.write("a.txt", "staged\n");
    repo.git(["add", "a.txt"]);
    repo.write("a.txt", "staged, then changed\n");
    run(&repo, &["save"]);
    let then = index(&repo);
    repo.git(["reset", "-q"]);
    repo.write("b.txt", "later\n");
    repo.git(["add", "b.txt"]);
    let later = index(&repo);
    assert_ne!(then, later);

    run(&repo, &["rewind", "code", "1", "--staged"]);
    assert_eq!(index(&repo), then);
    run(&repo, &["redo", "--staged"]);
    assert_eq!(index(&repo), later);
    run(&repo, &["rewind", "code", "1"]);
    assert_eq!(repo.git(["diff", "--cached"]), later.0, "without the flag the index stays");
}

#[test]
fn the_index_alone_can_go_back_where_no_file_differs() {
    let repo = repo();
    repo.write("a.txt", "two\n");
    repo.git(["add", "a.txt"]);
    run(&repo, &["save"]);
    let then = index(&repo);
    repo.git(["reset", "-q"]);
    assert_eq!(repo.session(["rewind", "code", "1"]).code, Some(1), "no file differs");
    run(&repo, &["rewind", "code", "1", "--staged"]);
    assert_eq!(index(&repo), then);
    assert_eq!(repo.session(["rewind", "code", "1", "--staged"]).code, Some(1), "nothing is left to do");
}

#[test]
fn head_goes_back_to_its_branch_or_is_detached_and_no_branch_moves() {
    let repo = repo();
    run(&repo, &["save"]);
    let base = repo.git(["rev-parse", "HEAD"]);
    let branch = repo.git(["symbolic-ref", "HEAD"]);
    repo.git(["checkout", "-q", "-b", "elsewhere"]);
    repo.write("a.txt", "two\n");
    repo.commit("elsewhere");
    let elsewhere = repo.git(["rev-parse", "elsewhere"]);

    run(&repo, &["rewind", "code", "1", "--head", "--staged"]);
    assert_eq!(repo.git(["symbolic-ref", "HEAD"]), branch);
    assert_eq!(repo.git(["status", "--porcelain"]), "");
    run(&repo, &["redo", "--head", "--staged"]);
    assert_eq!(repo.git(["symbolic-ref", "--short", "HEAD"]).trim(), "elsewhere");
    assert_eq!(repo.git(["status", "--porcelain"]), "");

    repo.git(["branch", "-f", branch.trim().rsplit('/').next().expect("a name"), "elsewhere"]);
    run(&repo, &["rewind", "code", "1", "--head"]);
    assert_eq!(repo.git(["rev-parse", "HEAD"]), base);
    assert_eq!(repo.git(["rev-parse", "elsewhere"]), elsewhere);
    assert_eq!(repo.git(["branch", "--show-current"]).trim(), "", "detached: the branch has moved on");
}

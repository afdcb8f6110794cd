//! `--staged` and `--head`: the index and HEAD go back where they were asked to, and come forth again by redo.

use crate::support::repo::{Shape, TestRepo};

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

/// All that git tells of the index: what is staged, what is not, stages, flags; and whether it is sound.
fn told(repo: &TestRepo) -> Vec<String> {
    let status = ["status", "--porcelain=v2", "--untracked-files=all"];
    // Flags: skip-worktree, intent-to-add by their letters; the stat data differs from run to run.
    let entries = ["ls-files", "--stage", "-t", "--sparse"];
    let staged = ["diff", "--cached", "--raw", "--no-renames"];
    let unstaged = ["diff", "--raw", "--no-renames", "--abbrev=40"];
    vec![
        repo.git(status),
        repo.git(entries),
        repo.git(staged),
        repo.git(unstaged),
        repo.git(["write-tree", "--missing-ok"]),
    ]
}

/// The same where there are conflicts, of which no tree can be written.
fn told_in_conflict(repo: &TestRepo) -> Vec<String> {
    let sight: [&[&str]; 4] = [
        &["status", "--porcelain=v2", "--untracked-files=all"],
        &["ls-files", "--stage", "-t", "--sparse"],
        &["diff", "--cached", "--raw", "--no-renames"],
        &["diff", "--raw", "--no-renames", "--abbrev=40"],
    ];
    sight.iter().map(|args| repo.git(args.iter().copied())).collect()
}

/// Every kind of index.
fn each_kind(run: impl Fn(&str, &TestRepo)) {
    for ref_format in ["files", "reftable"] {
        for kind in ["plain", "v4", "split", "sparse"] {
            let repo = TestRepo::of_shape(Shape { ref_format, ..Shape::PLAIN });
            for path in ["in/one", "in/two", "in/three", "out/deep/one", "out/two", "top"] {
                repo.write(path, format!("{path}\n"));
            }
            repo.write(b"in/odd\xff\n", "odd\n");
            repo.commit("files");
            match kind {
                "v4" => drop(repo.git(["update-index", "--index-version", "4"])),
                "split" => drop(repo.git(["update-index", "--split-index"])),
                "sparse" => drop(repo.git(["sparse-checkout", "set", "--cone", "--sparse-index", "in"])),
                _ => {}
            }
            run(&format!("{kind}, {ref_format}"), &repo);
        }
    }
}

#[test]
fn staged_changes_of_every_sort_come_back_in_every_kind_of_index() {
    each_kind(|kind, repo| {
        repo.write("in/one", "staged\n");
        repo.write(b"in/odd\xff\n", "staged\n");
        repo.write("in/new", "staged\n");
        repo.chmod("in/three", 0o755);
        repo.git(["add", "--all"]);
        repo.git(["rm", "--quiet", "--cached", "in/two"]);
        repo.write("in/one", "changed since\n");
        repo.write("in/meant", "intent\n");
        repo.write("in/me ant[*]", "intent\n");
        repo.git(["--literal-pathspecs", "add", "--intent-to-add", "in/meant", "in/me ant[*]"]);
        repo.write("in/untracked", "x\n");
        repo.ask(["save"]);
        let then = told(repo);
        assert!(then[0].contains(".A") && then[1].contains("in/meant"), "{kind}: {then:?}");
        repo.git(["reset", "--quiet"]);
        repo.write("top", "later\n");
        repo.write("in/three", "later\n");
        repo.git(["add", "--sparse", "in/three", "top"]);
        let later = told(repo);
        assert_ne!(then, later, "{kind}");
        repo.ask(["rewind", "code", "1", "--staged"]);
        assert_eq!(told(repo), then, "{kind}");
        repo.ask(["redo", "--staged"]);
        assert_eq!(told(repo), later, "{kind}");
        repo.assert_sound();
    });
}

#[test]
fn conflicts_come_back_in_every_kind_of_index() {
    each_kind(|kind, repo| {
        repo.git(["checkout", "--quiet", "-b", "theirs"]);
        repo.write("in/one", "theirs\n");
        repo.remove("in/two");
        repo.write("in/three", "theirs alone\n");
        repo.commit("theirs");
        repo.git(["checkout", "--quiet", "-"]);
        repo.write("in/one", "ours\n");
        repo.write("in/two", "ours\n");
        repo.commit("ours");
        let merge = repo.sandbox.command("git", repo.path()).args(["merge", "theirs"]).output().expect("git starts");
        assert!(!merge.status.success(), "{kind}: it conflicts");
        repo.ask(["save"]);
        let then = told_in_conflict(repo);
        assert!(then[0].contains("UU") && then[0].contains("UD"), "{kind}: {then:?}");
        repo.write("in/one", "resolved\n");
        repo.git(["add", "in/one"]);
        repo.git(["rm", "--quiet", "in/two"]);
        let resolved = told_in_conflict(repo);
        repo.ask(["rewind", "code", "1", "--staged", "--force"]);
        assert_eq!(told_in_conflict(repo), then, "{kind}");
        repo.ask(["redo", "--staged", "--force"]);
        assert_eq!(told_in_conflict(repo), resolved, "{kind}");
        repo.git(["merge", "--abort"]);
    });
}

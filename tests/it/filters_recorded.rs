//! What a checkpoint records of filter drivers: bytes that one would lose, and which one a file went through. Attributes and
//! drivers may change as they like: the bytes come back, or nothing is changed and the driver is named.

use std::fs;

use crate::support::agent::Agent;
use crate::support::repo::{Shape, TestRepo, matrix};

/// A driver that gives back what it took.
fn with_lossless(repo: &TestRepo) {
    repo.git(["config", "session.snapshot.budgetMs", "600000"]);
    repo.git(["config", "filter.c.clean", "tr XY YX"]);
    repo.git(["config", "filter.c.smudge", "tr XY YX"]);
}

/// One that drops outputs, as nbstripout does.
fn with_lossy(repo: &TestRepo) {
    repo.git(["config", "session.snapshot.budgetMs", "600000"]);
    repo.git(["config", "filter.nb.clean", "grep -v OUTPUT"]);
    repo.git(["config", "filter.nb.smudge", "cat"]);
    repo.git(["config", "filter.nb.required", "true"]);
}

fn code(repo: &TestRepo, path: &str) -> String {
    repo.git(["show", &format!("{}^1:{path}", repo.session_ref())])
}

/// The files of the session tree below a folder.
fn kept(repo: &TestRepo) -> String {
    repo.git(["ls-tree", "-r", "--name-only", &repo.session_ref(), "raw/"])
}

#[test]
fn bytes_that_a_driver_loses_are_kept_beside_the_code_and_come_back() {
    for shape in matrix() {
        let repo = TestRepo::of_shape(shape);
        with_lossy(&repo);
        repo.write(".gitattributes", "*.ipynb filter=nb\n");
        repo.write("dir/n.ipynb", "cell 1\nOUTPUT 1\n");
        repo.write("clean.ipynb", "cell\n");
        repo.ask(["save"]);
        let first = repo.listing();
        // The code is the same: only what the driver drops is new.
        repo.write("dir/n.ipynb", "cell 1\nOUTPUT of hours\n");
        let saved = repo.ask(["save"]);
        assert_eq!((saved["saved"].as_bool(), saved["checkpoint"].as_u64()), (Some(true), Some(2)), "{shape:?}");
        assert_eq!(repo.ask(["save"])["saved"], false, "and then nothing is new");
        assert_eq!((code(&repo, "dir/n.ipynb").as_str(), kept(&repo).as_str()), ("cell 1", "raw/dir/n.ipynb"));
        repo.write("dir/n.ipynb", "cell 2\nOUTPUT 2\n");
        let third = repo.listing();
        repo.ask(["rewind", "code", "2"]);
        assert_eq!(repo.read("dir/n.ipynb"), b"cell 1\nOUTPUT of hours\n");
        repo.ask(["rewind", "code", "1"]);
        assert_eq!(repo.listing(), first, "{shape:?}");
        repo.ask(["redo"]);
        assert_eq!(repo.read("dir/n.ipynb"), b"cell 1\nOUTPUT of hours\n");
        repo.ask(["redo"]);
        assert_eq!(repo.listing(), third, "{shape:?}");
        for said in [repo.session(["show", "--at", "2"]).success(), repo.session(["doctor"])] {
            assert_eq!(said.stdout.matches("n.ipynb").count(), 1, "{said}");
            assert!(said.stdout.contains("nb") && !said.stdout.contains("clean.ipynb"), "{said}");
        }
        // No commit that carries code holds what was dropped.
        for line in repo.git(["rev-list", "--objects", &format!("{}^1", repo.session_ref())]).lines() {
            let id = line.split(' ').next().unwrap_or_default();
            assert!(!repo.git(["cat-file", "-p", id]).contains("OUTPUT"), "{line}");
        }
        repo.remove("dir/n.ipynb");
        repo.ask(["save"]);
        assert_eq!(kept(&repo), "", "a file that is gone needs nothing kept");
        repo.collect_garbage();
        repo.ask(["rewind", "code", "1"]);
        assert_eq!(repo.listing(), first, "{shape:?}");
    }
}

#[test]
fn a_driver_that_gives_back_what_it_took_has_nothing_kept() {
    let repo = TestRepo::new();
    with_lossless(&repo);
    repo.git(["config", "filter.id.clean", "cat"]);
    repo.write(".gitattributes", "*.bin filter=c\n*.id filter=id\n");
    repo.write("f.bin", "X1\r\n");
    repo.write("p.id", "as it is\n");
    repo.ask(["save"]);
    assert_eq!((kept(&repo), code(&repo, "f.bin")), (String::new(), "Y1\r".to_owned()));
    let record = repo.git(["show", &format!("{}:filters", repo.session_ref())]);
    assert!(record.contains("f.bin") && record.contains("p.id") && !record.contains(".gitattributes"), "{record}");
    assert!(repo.ask(["show", "--at", "1"])["checkpoint"]["kept_raw"].as_array().is_some_and(Vec::is_empty));
}

/// Gives and takes the attribute, by each source that git has.
type Source = (&'static str, fn(&TestRepo), fn(&TestRepo));

const SOURCES: [Source; 5] = [
    (".gitattributes", |r| r.write(".gitattributes", "*.bin filter=c\n"), |r| r.remove(".gitattributes")),
    ("a file below", |r| r.write("d/.gitattributes", "*.bin filter=c\n"), |r| r.write("d/.gitattributes", "# none\n")),
    ("info/attributes", |r| r.write(".git/info/attributes", "*.bin filter=c\n"), |r| r.remove(".git/info/attributes")),
    (
        "core.attributesFile",
        |r| {
            r.write("../mine", "*.bin filter=c\n");
            r.git(["config", "core.attributesFile", "../mine"]);
        },
        |r| drop(r.git(["config", "--unset", "core.attributesFile"])),
    ),
    (
        "an ignored file",
        |r| {
            r.write(".git/info/exclude", ".gitattributes\n");
            r.write(".gitattributes", "*.bin filter=c\n");
        },
        |r| r.remove(".gitattributes"),
    ),
];

#[test]
fn what_a_driver_made_is_not_taken_over_under_other_attributes_and_the_bytes_come_back() {
    for (source, give, take) in SOURCES {
        let repo = TestRepo::new();
        with_lossless(&repo);
        repo.write("d/f.bin", "X1\n");
        repo.write("plain", "1\n");
        repo.commit("files");
        give(&repo);
        repo.ask(["save"]);
        assert_eq!(code(&repo, "d/f.bin"), "Y1", "{source}");
        take(&repo);
        repo.ask(["save"]);
        assert_eq!(code(&repo, "d/f.bin"), "X1", "{source}: taken away");
        give(&repo);
        repo.ask(["save"]);
        assert_eq!(code(&repo, "d/f.bin"), "Y1", "{source}: given again");
        take(&repo);
        repo.remove("d/f.bin");
        repo.ask(["save"]);
        for checkpoint in ["1", "2", "3"] {
            repo.ask(["rewind", "code", checkpoint]);
            assert_eq!(repo.read("d/f.bin"), b"X1\n", "{source}: rewound to {checkpoint}");
            repo.remove("d/f.bin");
        }
        repo.assert_sound();
    }
}

#[test]
fn what_a_driver_made_is_not_taken_over_from_another_driver() {
    let repo = TestRepo::new();
    with_lossless(&repo);
    repo.write(".gitattributes", "*.bin filter=c\n");
    repo.write("f.bin", "X1\n");
    let as_stored = |wanted: &str, why: &str| {
        repo.ask(["save"]);
        assert_eq!(code(&repo, "f.bin"), wanted, "{why}");
    };
    as_stored("Y1", "at first");
    repo.git(["config", "filter.c.clean", "tr X1 2X"]);
    repo.git(["config", "filter.c.smudge", "tr 2X X1"]);
    as_stored("2X", "another command");
    repo.git(["config", "filter.d.clean", "tr X1 3X"]);
    repo.write(".gitattributes", "*.bin filter=d\n");
    as_stored("3X", "another driver");
    repo.git(["config", "--remove-section", "filter.d"]);
    as_stored("X1", "a driver that is not configured any more");
    repo.git(["config", "filter.d.clean", "tr X1 3X"]);
    as_stored("3X", "and again");
}

#[test]
fn a_driver_that_is_missing_is_named_and_nothing_is_changed() {
    for (shape, agent) in [(Shape::PLAIN, false), (Shape { linked: true, ..Shape::PLAIN }, true)] {
        let repo = TestRepo::of_shape(shape);
        with_lossless(&repo);
        repo.write(".gitattributes", "*.bin filter=c\n");
        repo.write("f.bin", "X1\n");
        repo.write("g.bin", "X2\n");
        repo.write("plain", "1\n");
        repo.ask(["save"]);
        if agent {
            let agent = Agent::new(&repo, "a");
            agent.start();
            agent.prompt("go on");
        }
        for path in ["f.bin", "g.bin", "plain"] {
            repo.write(path, "3\n");
        }
        repo.git(["config", "--remove-section", "filter.c"]);
        let before = repo.listing();
        let target = if agent { "turn:1" } else { "1" };
        for args in [
            &["rewind", "code", target, "--all"][..],
            &["rewind", "code", target, "--all", "--dry-run"],
            &["rewind", "code", target, "--", "f.bin"],
            &["fork", "--at", target, "--worktree", "../there", "--branch", "there"],
        ] {
            let error = repo.refused(6, args.iter().copied());
            assert_eq!(error["code"], "filter.missing", "{args:?}: {error:#}");
            let message = error["message"].as_str().unwrap_or_default();
            assert!(message.contains("f.bin") && message.contains("filter driver c"), "{args:?}: {message}");
            assert_eq!(repo.listing(), before, "{args:?}");
        }
        let git_dir = repo.git(["rev-parse", "--absolute-git-dir"]);
        assert!(!fs::exists(format!("{git_dir}/session/journal")).expect("looks"));
        assert!(!repo.at("../there").exists());
        // All else can be had, and with the driver all of it.
        repo.ask(["rewind", "code", target, "--", "plain"]);
        assert_eq!(repo.read("plain"), b"1\n");
        with_lossless(&repo);
        repo.ask(["rewind", "code", target, "--all"]);
        assert_eq!((repo.read("f.bin"), repo.read("g.bin")), (b"X1\n".to_vec(), b"X2\n".to_vec()));
    }
}

#[test]
fn a_driver_that_gives_other_bytes_by_now_is_found_out_before_anything_is_changed() {
    let repo = TestRepo::new();
    with_lossless(&repo);
    repo.write(".gitattributes", "*.bin filter=c\n");
    repo.write("f.bin", "X1\n");
    repo.write("plain", "1\n");
    repo.ask(["save"]);
    repo.write("f.bin", "other\n");
    repo.write("plain", "2\n");
    repo.git(["config", "filter.c.smudge", "tr 1Y 2Z"]);
    let before = repo.listing();
    for more in [&["--dry-run"][..], &[]] {
        let error = repo.refused(6, [&["rewind", "code", "1"][..], more].concat());
        assert_eq!((error["code"].as_str(), error["target"].as_str()), (Some("filter.other-bytes"), Some("f.bin")));
    }
    assert_eq!(repo.listing(), before);
}

#[test]
fn a_fork_and_a_revert_bring_files_back_through_the_driver_that_was_recorded() {
    let repo = TestRepo::new();
    with_lossless(&repo);
    with_lossy(&repo);
    repo.write(".gitattributes", "*.bin filter=c\n*.ipynb filter=nb\n");
    repo.write("f.bin", "X1\n");
    repo.write("n.ipynb", "cell\nOUTPUT\n");
    repo.commit("files");
    let agent = Agent::new(&repo, "a");
    agent.start();
    agent.prompt("change them");
    repo.write("f.bin", "X2\n");
    repo.write("n.ipynb", "other cell\nOUTPUT 2\n");
    agent.end();
    agent.prompt("no more filters");
    repo.write(".gitattributes", "");
    agent.end();
    repo.ask(["fork", "--at", "turn:1", "--worktree", "../there", "--branch", "there"]);
    let there = |path: &str| fs::read_to_string(repo.at(format!("../there/{path}"))).expect("reads");
    assert_eq!((there("f.bin").as_str(), there("n.ipynb").as_str()), ("X1\n", "cell\nOUTPUT\n"));
    repo.ask(["rewind", "code", "turn:2"]);
    repo.ask(["revert", "1"]);
    assert_eq!((repo.read("f.bin"), repo.read("n.ipynb")), (b"X1\n".to_vec(), b"cell\nOUTPUT\n".to_vec()));
}

#[test]
fn a_filter_process_serves_all_files_and_its_refusals_are_kept_apart() {
    let repo = TestRepo::new();
    // Version 2 of git's protocol, in a few lines; it notes each start and refuses a file named so.
    let script = r#"import os, sys
i, o = sys.stdin.buffer, sys.stdout.buffer
open(os.environ['NOTE'], 'a').write('x\n')
def read():
    n = int(i.read(4) or sys.exit(0), 16)
    return None if n == 0 else i.read(n - 4)
def lines():
    out = []
    while (p := read()) is not None: out.append(p.strip())
    return out
def send(*packets):
    for p in packets: o.write(b'0000' if p is None else b'%04x' % (len(p) + 4) + p)
    o.flush()
lines(); send(b'git-filter-server\n', b'version=2\n', None)
lines(); send(b'capability=clean\n', b'capability=smudge\n', None)
while True:
    head = dict(l.split(b'=', 1) for l in lines())
    data = b''
    while (p := read()) is not None: data += p
    if b'refused' in head[b'pathname']: send(b'status=error\n', None); continue
    data = data.swapcase()
    send(b'status=success\n', None, *[data[n:n + 60000] for n in range(0, len(data), 60000)], None, None)
"#;
    let folder = repo.sandbox.path().display().to_string();
    repo.write("../process.py", script);
    repo.git(["config", "filter.p.process", &format!("NOTE='{folder}/note' python3 '{folder}/process.py'")]);
    repo.git(["config", "filter.p.required", "true"]);
    repo.write(".gitattributes", "*.p filter=p\n");
    let large = "aBc\n".repeat(100_000);
    for (path, text) in [("a.p", "aBc"), ("empty.p", ""), ("large.p", large.as_str()), ("refused.p", "no")] {
        repo.write(path, text);
    }
    let before = repo.listing();
    let saved = repo.ask(["save"]);
    assert_eq!(saved["skipped"][0]["path"], "refused.p", "{saved:#}");
    assert_eq!(saved["skipped"].as_array().map(Vec::len), Some(1), "{saved:#}");
    assert_eq!((code(&repo, "a.p").as_str(), kept(&repo).as_str()), ("AbC", ""));
    assert_eq!(fs::read_to_string(repo.at("../note")).expect("reads").lines().count(), 1, "one process for all");
    for path in ["a.p", "large.p"] {
        repo.write(path, "changed");
    }
    repo.remove("empty.p");
    repo.ask(["rewind", "code", "1"]);
    assert_eq!(repo.listing(), before);
    // git itself sees its own work in what we stored.
    repo.git(["add", "a.p", "large.p"]);
    assert_eq!(
        repo.git(["rev-parse", ":large.p"]),
        repo.git(["rev-parse", &format!("{}^1:large.p", repo.session_ref())])
    );
}

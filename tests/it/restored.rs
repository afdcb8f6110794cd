//! What a restore meets on disk and must not harm: open files, sockets, hard links, folders of no concern, names that are
//! `.git` to some file system.

use std::fs;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixListener;
use std::process::Stdio;

use git_session::base::progress::Silent;
use git_session::engine::plan::{self, Target};
use git_session::engine::snapshot::{self, Options};
use git_session::git::repo::RepoEnv;
use git_session::git::{Oid, Repo};
use git_session::model::{Scope, Skipped};

use crate::support::repo::TestRepo;

/// Inode, mtime, ctime: what shows that a file was touched.
fn identity(repo: &TestRepo, path: &str) -> (u64, i64, i64, i64) {
    let meta = repo.at(path).symlink_metadata().expect("is there");
    (meta.ino(), meta.mtime_nsec(), meta.mtime(), meta.ctime_nsec())
}

#[test]
fn a_file_that_is_open_elsewhere_keeps_its_content_there() {
    let repo = TestRepo::new();
    repo.write("log", "one\n");
    repo.write("gone", "one\n");
    repo.ask(["save"]);
    repo.write("log", "two\n");
    repo.remove("gone");
    repo.write("made", "two\n");
    let mut reader = fs::File::open(repo.at("log")).expect("opens");
    let mut writer = fs::File::options().append(true).open(repo.at("log")).expect("opens");
    let mut made = fs::File::open(repo.at("made")).expect("opens");
    repo.ask(["rewind", "code", "1"]);
    writer.write_all(b"late\n").expect("writes");
    let mut text = String::new();
    reader.rewind().and_then(|()| reader.read_to_string(&mut text)).expect("reads");
    made.read_to_string(&mut text).expect("reads");
    assert_eq!(text, "two\nlate\ntwo\n", "who had them open still has them");
    assert_eq!(
        (repo.read("log"), repo.read("gone"), repo.at("made").exists()),
        (b"one\n".to_vec(), b"one\n".to_vec(), false)
    );
}

#[test]
fn files_that_stay_as_they_are_keep_inode_and_times_and_so_do_all_that_no_checkpoint_holds() {
    let repo = TestRepo::new();
    repo.git(["config", "session.snapshot.maxFileBytes", "1000"]);
    repo.write(".gitignore", "*.ign\n");
    repo.write("same", "1\n");
    repo.write("in/same", "1\n");
    repo.write("in/other", "1\n");
    repo.commit("files");
    repo.write("in/x.ign", "ignored");
    repo.write("in/large", vec![b'x'; 2000]);
    let _socket = UnixListener::bind(repo.at("in/socket")).expect("binds");
    let stay = ["same", "in/same", ".gitignore", "in/x.ign", "in/large", "in/socket"];
    let before = stay.map(|path| identity(&repo, path));
    repo.ask(["save"]);
    repo.write("in/other", "2\n");
    repo.write("in/new", "2\n");
    repo.ask(["rewind", "code", "1"]);
    repo.ask(["redo"]);
    assert_eq!(repo.read("in/other"), b"2\n");
    assert_eq!(stay.map(|path| identity(&repo, path)), before);
}

#[test]
fn a_socket_or_a_pipe_is_left_out_and_said_and_refuses_what_would_replace_it() {
    let repo = TestRepo::new();
    repo.write("f", "1\n");
    repo.write("pipe", "a file once\n");
    repo.ask(["save"]);
    repo.remove("pipe");
    let made = repo.sandbox.command("mkfifo", repo.path()).arg("pipe").stdin(Stdio::null()).status();
    assert!(made.expect("mkfifo runs").success());
    let _socket = UnixListener::bind(repo.at("socket")).expect("binds");
    repo.write("f", "2\n");
    let saved = repo.ask(["save"]);
    for path in ["pipe", "socket"] {
        let skipped = saved["skipped"].as_array().expect("a list");
        assert!(skipped.iter().any(|s| s["path"] == path && s["reason"] == "special"), "{path}: {saved:#}");
    }
    let before = repo.listing();
    let error = repo.refused(6, ["rewind", "code", "1"]);
    assert_eq!(error["target"], "pipe", "{error:#}");
    assert_eq!(repo.listing(), before, "nothing of it was done");
    repo.ask(["rewind", "code", "1", "--", "f"]);
    assert_eq!(repo.read("f"), b"1\n");
    assert!(repo.at("socket").exists() && repo.at("pipe").exists());
}

#[test]
fn a_name_that_is_dot_git_to_some_file_system_is_refused_before_anything_is_written() {
    let repo = TestRepo::new();
    repo.write("f", "1\n");
    repo.commit("files");
    let opened = Repo::discover(repo.path(), &RepoEnv::isolated(&repo.sandbox.home())).expect("opens");
    let options = Options {
        only: None,
        max_file_bytes: 1 << 20,
        max_untracked_per_folder: 100,
        budget: None,
        home: None,
        at_once: None,
    };
    let present = snapshot::take(&opened, None, &options, &Silent).expect("takes");
    let blob = repo.git(["hash-object", "-w", "f"]);
    let before = repo.listing();
    let names = [
        ".git",
        ".GIT",
        ".Git",
        ".git.",
        ".git ",
        ".git. .",
        "git~1",
        "GIT~1",
        ".g\u{200c}it",
        ".\u{feff}git",
        ".git::$INDEX_ALLOCATION",
        ".git\\hooks",
        "..",
        ".",
    ];
    let fine = ".github";
    for name in names.into_iter().chain([fine]) {
        for below in [false, true] {
            let make = |entries: &str| -> String {
                let input = entries.to_owned();
                let out = repo.sandbox.run_with_input("git", repo.path(), ["mktree", "-z"], input.as_bytes());
                out.success().stdout.trim().to_owned()
            };
            let hooks = make(&format!("100755 blob {blob}\tpost-commit\0"));
            let mut tree = make(&format!("040000 tree {hooks}\t{name}\0"));
            if below {
                tree = make(&format!("040000 tree {tree}\tfolder\0"));
            }
            let skipped = Skipped::default();
            let tree = Oid::parse(&tree).expect("an id");
            let target = Target::whole(tree, Scope::Full, &skipped);
            let refused = plan::make(&opened, &present, &target);
            assert_eq!(refused.is_err(), name != fine, "{name:?}, below a folder: {below}: {refused:?}");
        }
    }
    assert_eq!(repo.listing(), before);
    assert!(!repo.at(".git/hooks/post-commit").exists());
}

#[test]
fn a_file_of_any_size_over_the_limit_is_not_read() {
    let repo = TestRepo::new();
    repo.write("f", "1\n");
    repo.commit("files");
    // A whole tebibyte of nothing: whoever read it would not come to an end.
    let huge = fs::File::create(repo.at("huge")).expect("makes the file");
    huge.set_len(1 << 40).expect("grows");
    let saved = repo.ask(["save"]);
    assert_eq!(saved["skipped"][0]["reason"], "too-large", "{saved:#}");
    repo.write("f", "2\n");
    repo.ask(["rewind", "code", "1"]);
    assert_eq!(huge.metadata().expect("is there").len(), 1 << 40);
}

#[test]
fn a_home_folder_that_is_a_work_tree_is_refused_with_one_line() {
    let repo = TestRepo::new();
    let home = repo.sandbox.home();
    repo.git(["init", "--quiet", &home.display().to_string()]);
    let repo = repo.moved_to(home);
    repo.write("f", "1\n");
    let out = repo.session(["save"]);
    assert_eq!(out.code, Some(6), "{out}");
    assert!(out.stderr.lines().next().is_some_and(|line| line.contains("home folder")), "{out}");
    assert_eq!(repo.git(["for-each-ref"]), "");
}

#[test]
fn a_folder_that_may_not_be_written_in_refuses_the_whole_before_the_first_write() {
    // Somebody else than root, for whom permissions count.
    const NOBODY: [&str; 4] = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];
    if !crate::killed::runs("setpriv", &[NOBODY.as_slice(), &["true"]].concat()) {
        return;
    }
    let repo = TestRepo::new();
    for path in ["a", "shut/f", "z"] {
        repo.write(path, "one\n");
    }
    let program = repo.sandbox.path().join("session");
    fs::copy(env!("CARGO_BIN_EXE_session"), &program).expect("copies");
    let chown = repo.sandbox.command("chown", repo.path()).args(["-R", "65534:65534", ".."]).status();
    assert!(chown.expect("chown runs").success());
    let run = |args: &[&str]| {
        let mut command = repo.sandbox.command("setpriv", repo.path());
        let out = command.args(NOBODY).arg(&program).args(args).output().expect("runs");
        (out.status.code(), String::from_utf8(out.stdout).expect("text"), String::from_utf8(out.stderr).expect("text"))
    };
    assert_eq!(run(&["save"]).0, Some(0));
    for path in ["a", "shut/f", "z"] {
        repo.write(path, "two\n");
    }
    repo.chmod("shut", 0o555);
    let before = repo.listing();
    let (code, said, err) = run(&["--json", "rewind", "code", "1"]);
    assert_eq!(code, Some(1), "{said}{err}");
    assert!(said.contains("io.permission") && said.contains("shut"), "{said}{err}");
    assert_eq!(repo.listing(), before, "not one file of it");
    assert!(!repo.at(".git/session/journal").exists());
    repo.chmod("shut", 0o755);
    assert_eq!(run(&["rewind", "code", "1"]).0, Some(0));
    assert_eq!(repo.read("shut/f"), b"one\n");
    // A file that is read-only is replaced, and stays read-only.
    repo.chmod("a", 0o444);
    assert_eq!(run(&["redo"]).0, Some(0));
    assert_eq!(repo.read("a"), b"two\n");
}

#[test]
fn an_ignored_file_of_equal_content_is_in_the_way_only_by_its_permissions() {
    let repo = TestRepo::new();
    repo.write("f", "1\n");
    repo.write("key", "secret\n");
    repo.ask(["save"]);
    repo.write("f", "2\n");
    repo.write(".gitignore", "key\n");
    repo.chmod("key", 0o600);
    let before = repo.listing();
    let error = repo.refused(6, ["rewind", "code", "1"]);
    assert_eq!((&error["code"], &error["target"]), (&"restore.obstacle".into(), &"key".into()), "{error:#}");
    assert_eq!(repo.listing(), before, "nothing is opened to others, and nothing is half done");
    // A link that makes room for a folder leads to files that are none of it.
    repo.write(".gitignore", "elsewhere\n");
    repo.write("in/x", "1\n");
    repo.chmod("key", 0o644);
    let number = repo.ask(["save"])["checkpoint"].to_string();
    repo.remove("in");
    repo.write("elsewhere/x", "1\n");
    repo.chmod("elsewhere/x", 0o600);
    repo.symlink("in", "elsewhere");
    repo.ask(["rewind", "code", &number]);
    assert_eq!((repo.read("in/x"), repo.at("in").is_symlink()), (b"1\n".to_vec(), false));
    repo.write(".gitignore", "key\n");
    let stays = identity(&repo, "key");
    repo.ask(["rewind", "code", "1"]);
    assert_eq!((repo.read("f"), identity(&repo, "key")), (b"1\n".to_vec(), stays));
}

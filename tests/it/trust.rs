//! What a repository, an agent or an archive can put in our way: files that are none, links, depths, names, permissions.
//! Each is refused by name or passed over, in time and memory; nothing of ours goes elsewhere.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::repo::{Shape, TestRepo};
use crate::support::run::CommandOutput;

/// Kilobytes of memory that a run may ask for, and seconds that it may take.
const CAP: &str = "2000000";
const TIME: &str = "60";

/// Runs `session` with little memory and time.
fn capped(repo: &TestRepo, args: &[&str], input: &[u8]) -> CommandOutput {
    let script = format!("ulimit -v {CAP}; exec timeout -s KILL {TIME} \"$0\" \"$@\"");
    let words = [&["-c", &script, env!("CARGO_BIN_EXE_session")], args].concat();
    repo.sandbox.run_with_input("sh", repo.path(), &words, input)
}

/// A hook of an agent. It exits with 0, whatever the rest of the payload is.
#[track_caller]
fn hook(repo: &TestRepo, agent: &str, event: &str, fields: serde_json::Value) {
    let mut payload = json!({ "session_id": format!("of-{agent}"), "cwd": repo.path(), "hook_event_name": event });
    payload.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    let out = capped(repo, &["hook", agent, event], payload.to_string().as_bytes());
    assert_eq!((out.code, out.stdout.as_str()), (Some(0), ""), "{agent} {event} {fields}\n{out}");
}

fn fifo(path: &Path) {
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("makes a FIFO");
}

fn log(repo: &TestRepo) -> String {
    fs::read_to_string(repo.at(".git/session/log/hooks.log")).unwrap_or_default()
}

/// Whether any object of the repository holds the text.
fn is_stored(repo: &TestRepo, text: &str) -> bool {
    let all = repo.git(["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"]);
    all.lines().any(|oid| repo.git(["cat-file", "-p", oid]).contains(text))
}

#[test]
fn whatever_a_hook_names_as_transcript_the_files_are_saved_and_nothing_private_is() {
    let repo = TestRepo::new();
    let private = repo.sandbox.path().join("private");
    fs::write(&private, "root:PRIVATE-WORDS:0\nnext\n").expect("writes");
    let projects = repo.sandbox.home().join(".claude/projects/-p");
    fs::create_dir_all(&projects).expect("makes");
    let at = |name: &str| projects.join(name);
    symlink(&private, at("link.jsonl")).expect("links");
    symlink("/dev/zero", at("endless.jsonl")).expect("links");
    fifo(&at("fifo.jsonl"));
    fs::create_dir(at("directory.jsonl")).expect("makes");
    fs::write(at("notes.txt"), "PRIVATE-WORDS\n").expect("writes");
    fs::File::create(at("sparse.jsonl")).and_then(|file| file.set_len(1 << 40)).expect("makes");
    // One record that never ends.
    fs::File::create(at("record.jsonl")).and_then(|file| file.set_len(200 << 20)).expect("makes");
    let linked = repo.sandbox.home().join(".claude/projects/linked");
    symlink(repo.sandbox.path(), &linked).expect("links");
    fs::copy(&private, repo.sandbox.path().join("private.jsonl")).expect("copies");
    let pretty = repo.sandbox.path().join("credentials.json");
    fs::write(&pretty, "{\n  \"token\": \"PRIVATE-WORDS\"\n}\n").expect("writes");
    let names = ["link", "endless", "fifo", "directory", "sparse", "record"].map(|name| at(&format!("{name}.jsonl")));
    let others = [at("notes.txt"), private.clone(), linked.join("private.jsonl"), pretty, "/dev/zero".into()];
    for agent in ["claude-code", "generic"] {
        let (prompt, end) = if agent == "generic" { ("prompt", "turn-end") } else { ("UserPromptSubmit", "Stop") };
        for (nth, path) in names.iter().chain(&others).enumerate() {
            let lines = log(&repo).lines().count();
            let fields = json!({ "transcript_path": path, "prompt": "x", "prompt_id": format!("p{nth}") });
            hook(&repo, agent, prompt, fields.clone());
            let file = format!("{agent}-{nth}");
            repo.write(&file, &file);
            hook(&repo, agent, end, fields);
            let heads = repo.git(["rev-list", "--objects", "--glob=refs/sessions/heads"]);
            assert!(heads.contains(&file), "{agent}, {}: the file is not saved\n{}", path.display(), log(&repo));
            let said: Vec<String> = log(&repo).lines().skip(lines).map(str::to_owned).collect();
            assert!(!said.is_empty(), "{agent}, {}: nothing is said", path.display());
        }
    }
    assert!(!is_stored(&repo, "PRIVATE-WORDS"));
    // And what is a conversation is taken.
    let good = repo.sandbox.path().join("good.jsonl");
    fs::write(&good, "{\"type\":\"user\",\"role\":\"user\",\"content\":\"GOOD-WORDS\"}\n").expect("writes");
    let fields = json!({ "transcript_path": good, "prompt": "x", "prompt_id": "last" });
    hook(&repo, "generic", "prompt", fields.clone());
    hook(&repo, "generic", "turn-end", fields);
    assert!(is_stored(&repo, "GOOD-WORDS"), "{}", log(&repo));
}

#[test]
fn settings_that_are_links_or_no_files_are_named_and_nothing_is_written_elsewhere() {
    type Put = fn(&TestRepo, &Path);
    let puts: [(&str, &str, Put); 7] = [
        (".claude", "link", |repo, elsewhere| symlink(elsewhere, repo.at(".claude")).expect("links")),
        (".claude", "file", |repo, _| repo.write(".claude", "no directory")),
        (".claude/settings.local.json", "link", |repo, elsewhere| {
            repo.write(".claude/x", "");
            symlink(elsewhere.join("settings"), repo.at(".claude/settings.local.json")).expect("links");
        }),
        (".claude/settings.json", "endless", |repo, _| {
            repo.write(".claude/x", "");
            symlink("/dev/zero", repo.at(".claude/settings.json")).expect("links");
        }),
        (".claude/settings.local.json", "fifo", |repo, _| {
            repo.write(".claude/x", "");
            fifo(&repo.at(".claude/settings.local.json"));
        }),
        (".claude/commands", "link", |repo, elsewhere| {
            repo.write(".claude/x", "");
            symlink(elsewhere, repo.at(".claude/commands")).expect("links");
        }),
        (".git/info/exclude", "link", |repo, elsewhere| {
            fs::remove_file(repo.at(".git/info/exclude")).ok();
            fs::create_dir_all(repo.at(".git/info")).expect("makes");
            symlink(elsewhere.join("settings"), repo.at(".git/info/exclude")).expect("links");
        }),
    ];
    for (path, what, put) in puts {
        let repo = TestRepo::new();
        let elsewhere = repo.sandbox.path().join("elsewhere");
        fs::create_dir(&elsewhere).expect("makes");
        fs::write(elsewhere.join("settings"), "theirs").expect("writes");
        put(&repo, &elsewhere);
        for args in [&["enable", "--agent", "claude-code"][..], &["enable", "--agent", "claude-code", "--shared"]] {
            let out = capped(&repo, args, b"");
            if out.code != Some(0) {
                assert_eq!(out.code, Some(6), "{path} as {what}: {args:?}\n{out}");
                let last = path.rsplit('/').next().expect("a name");
                assert!(out.stderr.contains(last), "{path} as {what} is not named\n{out}");
            }
        }
        let _there = capped(&repo, &["status"], b"").success();
        let _out = capped(&repo, &["disable"], b"");
        assert_eq!(fs::read(elsewhere.join("settings")).expect("reads"), b"theirs", "{path} as {what}");
        assert_eq!(fs::read_dir(&elsewhere).expect("lists").count(), 1, "{path} as {what}");
    }
}

#[test]
fn nothing_below_git_is_written_through_a_link() {
    let links = [
        "session",
        "session/lock",
        "session/refs.lock",
        "session/label",
        "session/stat-cache",
        "session/current",
        "session/native",
        "session/log",
        "session/log/hooks.log",
        "session/net-changes",
        "session/installed",
    ];
    for (nth, link) in links.into_iter().enumerate() {
        for hard in [false, true] {
            let repo = TestRepo::new();
            let elsewhere = repo.sandbox.path().join("elsewhere");
            fs::create_dir(&elsewhere).expect("makes");
            let keep = elsewhere.join("keep");
            fs::write(&keep, "keep me").expect("writes");
            fs::set_permissions(&keep, fs::Permissions::from_mode(0o644)).expect("sets");
            let place = repo.at(format!(".git/{link}"));
            fs::create_dir_all(place.parent().expect("a directory")).expect("makes");
            let is_directory = ["session", "session/native", "session/log"].contains(&link);
            match (is_directory, hard) {
                (true, true) => continue,
                (true, false) => symlink(&elsewhere, &place).expect("links"),
                (false, true) => fs::hard_link(&keep, &place).expect("links"),
                (false, false) => symlink(&keep, &place).expect("links"),
            }
            let before = fs::metadata(&keep).expect("stats").ino();
            repo.write("f", nth.to_string());
            let _may_refuse = capped(&repo, &["save", "x"], b"");
            hook(&repo, "generic", "prompt", json!({ "prompt": "x" }));
            hook(&repo, "generic", "turn-end", json!({}));
            let _said = capped(&repo, &["hook", "generic", "prompt"], b"no json");
            let _may_refuse = capped(&repo, &["enable", "--agent", "claude-code"], b"");
            let now = fs::metadata(&keep).expect("stats");
            assert_eq!(fs::read(&keep).expect("reads"), b"keep me", "{link}, hard: {hard}");
            assert_eq!((now.ino(), now.mode() & 0o777), (before, 0o644), "{link}, hard: {hard}");
            assert_eq!(fs::read_dir(&elsewhere).expect("lists").count(), 1, "{link}, hard: {hard}");
        }
    }
}

/// Everything below a directory, itself not.
fn below(path: &Path) -> Vec<(PathBuf, fs::Metadata)> {
    let all = walkdir::WalkDir::new(path).min_depth(1).into_iter().map(|entry| entry.expect("walks"));
    all.map(|entry| (entry.path().to_owned(), entry.path().symlink_metadata().expect("stats"))).collect()
}

#[test]
fn what_a_shared_repository_gets_can_be_written_by_its_group() {
    for shape in [Shape::PLAIN, Shape { object_format: "sha256", ref_format: "files", linked: true }] {
        let repo = TestRepo::of_shape(shape);
        let common = PathBuf::from(repo.git(["rev-parse", "--path-format=absolute", "--git-common-dir"]));
        repo.git(["config", "core.sharedRepository", "group"]);
        repo.git(["config", "core.logAllRefUpdates", "always"]);
        let before: Vec<PathBuf> = below(&common).into_iter().map(|(path, _)| path).collect();
        for n in 0..4 {
            repo.write("d/a", format!("{n}\n").repeat(n + 1));
            repo.write(format!("new-{n}"), "x");
            let _saved = repo.session(["save", &format!("number {n}")]).success();
        }
        hook(&repo, "generic", "prompt", json!({ "prompt": "x" }));
        repo.write("d/a", "by the agent\n");
        hook(&repo, "generic", "turn-end", json!({}));
        let _back = repo.session(["rewind", "code", "1", "--all"]).success();
        let _forked = repo.session(["fork", "Apart"]).success();
        let _enabled = repo.session(["enable", "--agent", "claude-code"]).success();
        for (path, meta) in
            below(&common).into_iter().filter(|(path, meta)| !before.contains(path) && !meta.is_symlink())
        {
            let (bits, shown) = (meta.mode() & 0o777, path.strip_prefix(&common).expect("below").display());
            let wanted = if meta.is_dir() {
                0o070
            } else if bits & 0o200 == 0 {
                0o040
            } else {
                0o060
            };
            assert_eq!(bits & wanted, wanted, "{shape:?}: the group cannot use {shown}: {bits:o}");
            assert_eq!(bits & 0o002, 0, "{shown} can be written by everybody: {bits:o}");
            if shown.to_string().starts_with("session/") {
                assert_eq!(bits & 0o007, 0, "{shown} is for the group: {bits:o}");
            }
        }
    }
}

#[test]
fn what_is_written_follows_the_umask_and_conversations_are_ones_own() {
    for (umask, forbidden) in [("077", 0o077), ("027", 0o027), ("000", 0o000)] {
        let repo = TestRepo::new();
        let run = |args: &[&str]| {
            let script = format!("umask {umask}; exec \"$0\" \"$@\"");
            let words = [&["-c", &script, env!("CARGO_BIN_EXE_session")], args].concat();
            repo.sandbox.run_with_input("sh", repo.path(), &words, b"")
        };
        let before: Vec<PathBuf> = below(repo.path()).into_iter().map(|(path, _)| path).collect();
        let _enabled = run(&["enable", "--agent", "claude-code"]).success();
        repo.write("f", "1\n");
        let known: Vec<PathBuf> = vec![repo.at("f")];
        let _saved = run(&["save", "x", "--state"]);
        let _saved = run(&["save", "x"]).success();
        for (path, meta) in below(repo.path()) {
            if before.contains(&path) || known.contains(&path) || meta.is_symlink() {
                continue;
            }
            let (bits, shown) = (meta.mode() & 0o777, path.display());
            assert_eq!(bits & forbidden, 0, "umask {umask}: {shown} is {bits:o}");
            if path.starts_with(repo.at(".git/session")) {
                assert_eq!(bits & 0o077, 0, "umask {umask}: {shown} is {bits:o}");
            }
        }
    }
}

#[test]
fn directories_deeper_than_we_go_are_named_and_what_is_tracked_in_them_stays() {
    let repo = TestRepo::new();
    let script = "import os, sys\nfor _ in range(int(sys.argv[1])):\n os.mkdir('d'); os.chdir('d')\nopen('leaf', 'w').write('x')\n";
    for depth in ["40", "900", "5000"] {
        let top = repo.at(format!("top-{depth}"));
        fs::create_dir(&top).expect("makes");
        let made = repo.sandbox.command("python3", &top).args(["-c", script, depth]).status();
        if !made.is_ok_and(|status| status.success()) {
            let _told = writeln!(std::io::stderr(), "SKIPPED: python3 does not work here");
            return;
        }
    }
    repo.git(["add", "top-900"]);
    repo.write("f", "1\n");
    let saved = capped(&repo, &["--json", "save", "one"], b"").success().json();
    let skipped: Vec<&str> =
        saved["skipped"].as_array().expect("a list").iter().filter_map(|s| s["path"].as_str()).collect();
    assert_eq!(skipped.len(), 2, "{skipped:?}");
    assert!(skipped.iter().all(|path| path.starts_with("top-900/d/") || path.starts_with("top-5000/d/")));
    assert!(saved["skipped"].to_string().contains("too-deep"));
    repo.write("f", "2\n");
    hook(&repo, "generic", "prompt", json!({ "prompt": "x" }));
    repo.write("f", "3\n");
    hook(&repo, "generic", "turn-end", json!({}));
    let tree = repo.git(["ls-tree", "-r", "--name-only", &format!("{}^:", repo.session_ref())]);
    assert!(tree.lines().any(|path| path.starts_with("top-40/") && path.ends_with("/leaf")));
    let _back = capped(&repo, &["rewind", "code", "1", "--all"], b"").success();
    assert_eq!(repo.read("f"), b"2\n");
    assert!(repo.at(format!("top-900/{}leaf", "d/".repeat(900))).exists());
}

#[test]
fn a_program_that_lies_in_the_work_tree_is_not_started_for_one_on_path() {
    for ref_format in ["files", "reftable"] {
        let mut repo = TestRepo::of_shape(Shape { object_format: "sha1", ref_format, linked: false });
        let remote = repo.sandbox.path().join("remote.git");
        repo.git(["init", "--quiet", "--bare", remote.to_str().expect("UTF-8")]);
        repo.git(["remote", "add", "origin", remote.to_str().expect("UTF-8")]);
        let ran = repo.sandbox.path().join("ran");
        for name in ["git", "ssh", "less", "sh", "cat"] {
            repo.write(name, format!("#!/bin/sh\necho {name} >>'{}'\nexit 1\n", ran.display()));
            repo.chmod(name, 0o755);
        }
        repo.write(".gitattributes", "*.x filter=e\n");
        repo.git(["config", "filter.e.clean", "cat"]);
        repo.write("sub/a.x", "1\n");
        let path = std::env::var("PATH").expect("PATH is set");
        for beginning in [".:", ":", "./:", "sub/..:"] {
            repo.sandbox.set("PATH", format!("{beginning}{path}"));
            for args in [
                &["save", "x"][..],
                &["push", "--yes"],
                &["pull"],
                &["status"],
                &["log"],
                &["fork", "F"],
                &["rewind", "code", "--all"],
                &["doctor"],
            ] {
                let _may_refuse = repo.sandbox.session(&repo.at("sub"), args);
                assert!(!ran.exists(), "{ref_format}, {beginning}, {args:?}: {:?}", fs::read_to_string(&ran));
            }
        }
    }
}

#[test]
fn rules_that_are_no_plain_file_are_passed_over_as_git_does() {
    type Put = fn(&Path);
    let puts: [(&str, Put); 3] = [
        ("endless", |path| symlink("/dev/zero", path).expect("links")),
        ("fifo", fifo),
        ("sparse", |path| {
            fs::File::create(path).and_then(|file| file.set_len(1 << 40)).expect("makes");
        }),
    ];
    for name in [
        ".gitattributes",
        ".gitignore",
        "sub/.gitattributes",
        "sub/.gitignore",
        ".git/info/attributes",
        ".git/info/exclude",
    ] {
        for (what, put) in puts {
            let repo = TestRepo::new();
            repo.write("sub/f", "1\n");
            fs::create_dir_all(repo.at(".git/info")).expect("makes");
            fs::remove_file(repo.at(name)).ok();
            put(&repo.at(name));
            let out = capped(&repo, &["save", "one"], b"");
            assert_eq!(out.code, Some(0), "{name} as {what}\n{out}");
            hook(&repo, "generic", "prompt", json!({ "prompt": "x" }));
            hook(&repo, "generic", "turn-end", json!({}));
            let _told = capped(&repo, &["diff"], b"").success();
        }
    }
}

//! What a save leaves out, and that it says so: in its own output, in `show --at`, and never to the cost of a file.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::agent::Agent;
use crate::support::repo::TestRepo;

/// A save and `show --at` of its checkpoint both name the path with the reason; so does JSON.
#[track_caller]
fn is_said(repo: &TestRepo, path: &str, phrase: &str, word: &str) {
    let saved = repo.session(["save"]).success();
    let line = saved.stderr.lines().find(|l| l.starts_with("warning: not saved: ") && l.contains(path));
    assert!(line.is_some_and(|l| l.contains(phrase)), "{saved}");
    let json = repo.ask(["save"]);
    let skipped = json["skipped"].as_array().expect("a list");
    assert!(skipped.iter().any(|s| s["path"] == path && s["reason"] == word), "{json:#}");
    let number = json["checkpoint"].to_string();
    let shown = repo.session(["show", "--at", &number]).success().stdout;
    assert!(shown.lines().any(|l| l.contains("not saved") && l.contains(path) && l.contains(phrase)), "{shown}");
}

#[test]
fn an_untracked_file_over_the_limit_is_left_out_and_never_touched() {
    let repo = TestRepo::new();
    repo.write("f", "0");
    repo.commit("files");
    repo.git(["config", "session.snapshot.maxFileBytes", "1000"]);
    repo.write("small", vec![b'x'; 1000]);
    repo.write("large", vec![b'x'; 1001]);
    is_said(&repo, "large", "larger than session.snapshot.maxFileBytes", "too-large");
    repo.write("f", "1");
    repo.write("large", vec![b'y'; 2000]);
    repo.write("large-too", vec![b'y'; 2000]);
    repo.remove("small");
    repo.ask(["rewind", "code", "1"]);
    assert_eq!((repo.read("f"), repo.read("small").len()), (b"0".to_vec(), 1000));
    assert_eq!((repo.read("large"), repo.read("large-too")), (vec![b'y'; 2000], vec![b'y'; 2000]));
    // One that was small and is large now is not lost either: it is in the way of nothing.
    repo.write("small", vec![b'z'; 5000]);
    let before = repo.listing();
    let out = repo.session(["rewind", "code", "1"]);
    assert_eq!(repo.listing(), before, "{out}");
    // A tracked file of any size is taken.
    repo.git(["add", "large"]);
    let saved = repo.ask(["save"]);
    assert!(!saved["skipped"].to_string().contains("\"large\""), "{saved:#}");
    repo.assert_sound();
}

#[test]
fn more_new_files_in_one_folder_than_the_limit_are_left_out_together_and_never_deleted() {
    let repo = TestRepo::new();
    repo.write("many/tracked", "0");
    repo.commit("files");
    for n in 0..10_001 {
        fs::write(repo.at(format!("many/{n}")), "x").expect("writes");
    }
    is_said(&repo, "many", "too many untracked files in one folder", "too-many-files");
    repo.write("many/tracked", "1");
    repo.write("other", "1");
    repo.ask(["rewind", "code", "1"]);
    assert_eq!(repo.read("many/tracked"), b"0");
    assert!(!repo.at("other").exists());
    assert_eq!(fs::read_dir(repo.at("many")).expect("lists").count(), 10_002);
    // As many as the limit are taken.
    fs::remove_file(repo.at("many/0")).expect("removes");
    let saved = repo.ask(["save"]);
    assert_eq!(saved["skipped"], serde_json::json!([]));
    let taken = repo.git(["ls-tree", "--name-only", &format!("{}^:many", repo.session_ref())]);
    assert_eq!(taken.lines().count(), 10_001);
}

#[test]
fn without_time_a_hook_takes_what_is_tracked_and_a_detached_pass_the_rest() {
    let repo = TestRepo::new();
    repo.write("f", "0");
    repo.commit("files");
    repo.git(["config", "session.snapshot.budgetMs", "0"]);
    let agent = Agent::new(&repo, "a");
    agent.prompt("one");
    repo.write("f", "1");
    repo.write("new", "1");
    agent.end();
    repo.let_hooks_end();
    let checkpoints = repo.checkpoints();
    let end = checkpoints.iter().find(|c| c["kind"] == "turn-end").expect("one");
    assert_eq!(end["scope"], "tracked", "{end:#}");
    let number = end["number"].to_string();
    let shown = repo.session(["show", "--at", &number]).success().stdout;
    assert!(shown.lines().any(|l| l.contains("scope") && l.contains("tracked")), "{shown}");
    let code = end["commit"].as_str().expect("an id");
    assert_eq!(repo.git(["show", &format!("{code}:f")]), "1");
    assert_eq!(repo.git(["ls-tree", code, "new"]), "");
    let rest = checkpoints.last().expect("one");
    assert_eq!((rest["kind"].as_str(), rest["scope"].as_str()), (Some("tail"), Some("full")), "{rest:#}");
    assert_eq!(repo.git(["show", &format!("{}^:new", repo.session_ref())]), "1");
    // What a partial checkpoint did not look at is not deleted by going there.
    repo.write("newer", "2");
    repo.write("f", "2");
    repo.ask(["rewind", "code", &number, "--all"]);
    assert_eq!(repo.read("f"), b"1");
    assert_eq!((repo.read("new"), repo.read("newer")), (b"1".to_vec(), b"2".to_vec()));
}

#[test]
fn a_file_that_changes_while_it_is_read_is_left_out_and_said() {
    let repo = TestRepo::new();
    repo.write("f", "0");
    repo.commit("files");
    // Big enough that a writer always comes between the two looks at it, also while other tests keep the machine busy.
    repo.git(["config", "session.snapshot.maxFileBytes", "1g"]);
    repo.write("busy", vec![0; 48 << 20]);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let mut file = fs::File::options().append(true).open(repo.at("busy")).expect("opens");
        let stop = &stop;
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                file.write_all(b"x").expect("appends");
            }
        });
        let saved = repo.session(["save"]);
        stop.store(true, Ordering::Relaxed);
        let saved = saved.success();
        assert!(saved.stderr.contains("not saved: busy: it changed each time it was read"), "{saved}");
    });
    let shown = repo.session(["show", "--at", "1"]).success().stdout;
    assert!(shown.contains("busy: it changed each time it was read"), "{shown}");
    assert_eq!(repo.git(["ls-tree", &format!("{}^", repo.session_ref()), "busy"]), "");
    repo.write("f", "1");
    repo.ask(["rewind", "code", "1"]);
    assert!(repo.at("busy").exists(), "left out is not deleted");
    repo.ask(["save"]);
    assert_ne!(repo.git(["ls-tree", &format!("{}^", repo.session_ref()), "busy"]), "");
}

/// Somebody else than root, for whom permissions count.
const NOBODY: [&str; 4] = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];

#[test]
fn files_and_folders_that_cannot_be_read_are_carried_over_and_said() {
    let works = |args: &[&str]| {
        let quiet =
            Command::new("setpriv").args(NOBODY).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
        quiet.is_ok_and(|status| status.success())
    };
    if !works(&["true"]) {
        let _told = writeln!(std::io::stderr(), "SKIPPED: setpriv does not work here");
        return;
    }
    let repo = TestRepo::new();
    repo.write("closed", "0");
    repo.write("shut/in", "0");
    repo.write("shut/.gitignore", "*.ign\n");
    repo.write("f", "0");
    repo.commit("files");
    repo.write("closed-new", "0");
    let program = repo.sandbox.path().join("session");
    fs::copy(env!("CARGO_BIN_EXE_session"), &program).expect("copies");
    let owned = Command::new("chown").args(["-R", "65534:65534"]).arg(repo.sandbox.path()).status().expect("runs");
    assert!(owned.success());
    let run = |args: &[&str]| {
        let mut command = repo.sandbox.command("setpriv", repo.path());
        let out = command.args(NOBODY).arg(&program).args(args).output().expect("runs");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (out.status.code(), text(out.stdout), text(out.stderr))
    };
    assert_eq!(run(&["save"]).0, Some(0));
    for (path, mode) in [("closed", 0), ("shut", 0), ("closed-new", 0)] {
        repo.chmod(path, mode);
    }
    repo.write("f", "1");
    let (code, _, err) = run(&["save"]);
    assert_eq!(code, Some(0), "{err}");
    let (_, shown, _) = run(&["show", "--at", "2"]);
    for path in ["closed", "shut", "closed-new"] {
        assert!(err.contains(&format!("not saved: {path}: it cannot be read")), "{path}: {err}");
        assert!(shown.lines().any(|l| l.contains(&format!("{path}: it cannot be read"))), "{path}: {shown}");
    }
    let (_, list, _) = run(&["list", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    let id = list["sessions"][0]["id"].as_str().expect("an id").to_owned();
    let owner = Command::new("chown").args(["-R", "0:0"]).arg(repo.at(".git")).status().expect("runs");
    assert!(owner.success());
    repo.sandbox.path();
    let tree =
        repo.git(["-c", "safe.directory=*", "ls-tree", "-r", "--name-only", &format!("refs/sessions/heads/{id}^")]);
    for path in ["closed", "closed-new", "shut/in"] {
        assert!(tree.lines().any(|l| l == path), "carried over: {path}: {tree}");
    }
    // Going back and forth touches none of them.
    let owner = Command::new("chown").args(["-R", "65534:65534"]).arg(repo.at(".git")).status().expect("runs");
    assert!(owner.success());
    let (code, _, err) = run(&["rewind", "code", "1"]);
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(
        (repo.read("f"), repo.read("closed"), repo.read("shut/in")),
        (b"0".to_vec(), b"0".to_vec(), b"0".to_vec())
    );
}

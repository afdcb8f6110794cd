//! Hooks given anything at all: exit 0, nothing on standard output, a line in the log, nothing of the user's touched.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::json;

use crate::support::hostile::{NATIVE, head};
use crate::support::repo::TestRepo;

/// A repository whose tree, index and HEAD all differ.
fn busy() -> TestRepo {
    let repo = TestRepo::new();
    repo.write("f", "committed");
    repo.commit("files");
    repo.write("f", "staged");
    repo.git(["add", "f"]);
    repo.write("f", "changed");
    repo.write("new", "untracked");
    repo
}

fn refs(repo: &TestRepo) -> Vec<String> {
    repo.git(["for-each-ref", "--format=%(refname)", "refs/sessions"]).lines().map(str::to_owned).collect()
}

fn prompt(repo: &TestRepo, native: &str) -> Vec<u8> {
    json!({ "session_id": native, "cwd": repo.path(), "prompt": "x" }).to_string().into_bytes()
}

#[test]
fn what_is_no_payload_is_logged_and_changes_nothing() {
    let repo = busy();
    let before = repo.everything();
    let huge = [b"{\"session_id\":\"".as_slice(), &vec![b'x'; 50 << 20]].concat();
    let binary: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    let payloads: [&[u8]; 11] = [
        b"",
        b"\n",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b"{\"session_id\":7,\"cwd\":[]}",
        b"\xff\xfe{\x00}\x00",
        &binary,
        &deep,
        &huge,
    ];
    for agent in ["generic", "claude-code"] {
        for event in ["prompt", "UserPromptSubmit", "Stop", "turn-end", "SessionStart"] {
            for payload in payloads {
                let lines = repo.log().lines().count();
                repo.hook(agent, event, payload);
                let log = repo.log();
                assert_eq!(log.lines().count(), lines + 1, "{agent} {event}: {log}");
                let last = log.lines().last().expect("a line");
                assert!(last.len() < 500 && last.contains(event), "{last}");
            }
        }
    }
    assert_eq!(repo.everything(), before);
}

#[test]
fn an_unknown_agent_is_logged_and_an_unknown_event_is_ignored() {
    let repo = busy();
    let before = repo.everything();
    repo.hook("nobody", "prompt", &prompt(&repo, "s"));
    assert!(repo.log().contains("unknown agent \"nobody\""), "{}", repo.log());
    repo.hook("nobody\u{1b}[31m\n2026 forged line", "prompt", &prompt(&repo, "s"));
    assert_eq!(repo.log().lines().count(), 2, "{}", repo.log());
    assert!(!repo.log().contains('\u{1b}'));
    for agent in ["generic", "claude-code"] {
        repo.hook(agent, "NoSuchEvent", &prompt(&repo, "s"));
    }
    assert_eq!(repo.log().lines().count(), 2, "{}", repo.log());
    for args in [&["hook"][..], &["hook", "generic"], &["hook", "--nonsense"], &["hook", "generic", "prompt", "more"]] {
        let out = repo.sandbox.session_in_time(repo.path(), args, b"");
        assert_eq!(out.code, Some(0), "{args:?}\n{out}");
    }
    assert_eq!(repo.everything(), before);
}

#[test]
fn a_payload_without_id_or_folder_or_from_elsewhere_makes_nothing() {
    let repo = busy();
    let before = repo.everything();
    let outside = repo.sandbox.path().join("tmp");
    let gone = repo.sandbox.path().join("gone");
    for payload in [
        json!({ "cwd": repo.path(), "prompt": "x" }),
        json!({ "session_id": "", "cwd": repo.path(), "prompt": "x" }),
        json!({ "session_id": "s", "prompt": "x" }),
        json!({ "session_id": "s", "cwd": "", "prompt": "x" }),
        json!({ "session_id": "s", "cwd": outside, "prompt": "x" }),
        json!({ "session_id": "s", "cwd": gone, "prompt": "x" }),
        json!({ "session_id": "s", "cwd": "/dev/null", "prompt": "x" }),
        json!({ "session_id": "s", "cwd": "a\u{0}b", "prompt": "x" }),
    ] {
        for (agent, event) in [("generic", "prompt"), ("generic", "turn-end"), ("claude-code", "UserPromptSubmit")] {
            repo.hook(agent, event, payload.to_string().as_bytes());
        }
    }
    assert_eq!(repo.everything(), before);
    assert_eq!(fs::read_dir(&outside).expect("lists").count(), 0);
}

#[test]
fn a_transcript_that_cannot_be_read_never_holds_a_hook_up() {
    for what in ["missing", "folder", "fifo", "device", "loop", "below a file"] {
        let repo = busy();
        let user = (repo.listing(), repo.index_bytes(), repo.git(["rev-parse", "HEAD"]));
        let path = repo.talk();
        match what {
            "folder" => fs::create_dir(&path).expect("makes it"),
            "fifo" => assert!(repo.sandbox.command("mkfifo", repo.path()).arg(&path).status().expect("runs").success()),
            "loop" => std::os::unix::fs::symlink(&path, &path).expect("links"),
            _ => {}
        }
        let path = match what {
            "device" => PathBuf::from("/dev/zero"),
            "below a file" => repo.at("f/talk.jsonl"),
            _ => path,
        };
        let fields = json!({ "prompt": "x", "transcript_path": path, "last_message": "done" });
        for event in ["session-start", "prompt"] {
            repo.generic(event, fields.clone());
        }
        if what == "missing" {
            assert_eq!(repo.log(), "", "a file that is not there yet is no problem");
        }
        for event in ["turn-end", "session-end"] {
            repo.generic(event, fields.clone());
        }
        for event in ["SessionStart", "UserPromptSubmit", "Stop", "PreCompact", "SessionEnd"] {
            let payload = json!({ "session_id": "other", "cwd": repo.path(), "prompt": "x", "transcript_path": path });
            repo.hook("claude-code", event, payload.to_string().as_bytes());
        }
        let path = path.to_str().expect("text").to_owned();
        assert!(repo.log().contains(&path), "{what}: {}", repo.log());
        // The files are saved all the same.
        let saved = repo.git(["show", &format!("{}^:f", head(NATIVE))]);
        assert_eq!(saved, "changed", "{what}: {}", repo.log());
        assert_eq!((repo.listing(), repo.index_bytes(), repo.git(["rev-parse", "HEAD"])), user);
        repo.assert_sound();
    }
}

#[test]
fn a_transcript_that_is_torn_shrinks_or_is_another_ones_is_stored_as_it_is() {
    let repo = TestRepo::new();
    repo.two_turns();
    let whole = fs::read(repo.talk()).expect("reads");
    let fields = json!({ "prompt": "again", "transcript_path": repo.talk() });
    let contents: [&[u8]; 6] = [
        b"{\"role\":\"user\",\"text\":\"torn",
        &whole[..whole.len() / 3],
        b"",
        b"{\"role\":\"user\",\"text\":\"then\"}\n\x00\xff\xfe no json at all\n\n\n",
        b"{\"role\":\"user\",\"text\":\"of another project\",\"cwd\":\"/elsewhere\"}\n",
        &whole,
    ];
    for content in contents {
        fs::write(repo.talk(), content).expect("writes");
        repo.generic("prompt", fields.clone());
        repo.generic("turn-end", fields.clone());
        let stored = stored(&repo);
        assert_eq!(stored, content, "{}", repo.log());
        let _shown = repo.session(["show", NATIVE]).success();
        let _logged = repo.session(["log"]).success();
        repo.assert_sound();
    }
    assert_eq!(repo.log(), "");
}

/// The transcript as stored.
fn stored(repo: &TestRepo) -> Vec<u8> {
    let names = repo.git(["ls-tree", "-r", "--format=%(objectname)", &head(NATIVE), &format!("chat/{NATIVE}/")]);
    let mut bytes = Vec::new();
    for oid in names.lines() {
        let out = repo.sandbox.command("git", repo.path()).args(["cat-file", "blob", oid]).output().expect("runs");
        bytes.extend(out.stdout);
    }
    bytes
}

#[test]
fn a_hostile_native_id_stays_in_its_folder() {
    let long = "x".repeat(100_000);
    for native in ["../../x", "/etc/passwd", ".", "..", ".git", "a\nb\u{1b}[31m", "\u{202e}", "%", "a/b", &long, "Ä ö"]
    {
        let repo = busy();
        let around = folder_names(&repo);
        let fields = json!({ "session_id": native, "prompt": "x", "transcript_path": repo.talk() });
        fs::write(repo.talk(), "{\"role\":\"user\",\"text\":\"x\"}\n").expect("writes");
        for event in ["session-start", "prompt", "turn-end", "session-end"] {
            repo.generic(event, fields.clone());
        }
        assert_eq!(repo.log(), "", "{native:?}");
        assert_eq!(refs(&repo).len(), 1, "{native:?}");
        assert!(refs(&repo)[0].len() < 100);
        let again = json!({ "session_id": native, "prompt": "y" });
        repo.generic("prompt", again.clone());
        assert_eq!(refs(&repo).len(), 1, "it is found again: {native:?}");
        let natives = fs::read_dir(repo.at(".git/session/native")).expect("lists").count();
        assert_eq!(natives, 1, "{native:?}");
        assert_eq!(folder_names(&repo), around, "{native:?}");
        repo.assert_sound();
    }
}

/// What lies beside the repository and in its git dir, but for our own folder and git's objects.
fn folder_names(repo: &TestRepo) -> Vec<String> {
    let mut names = Vec::new();
    for folder in [repo.sandbox.path().to_owned(), repo.at(".git"), repo.sandbox.path().join("tmp")] {
        for entry in fs::read_dir(folder).expect("lists") {
            names.push(entry.expect("an entry").file_name().to_string_lossy().into_owned());
        }
    }
    names.retain(|n| !["session", "logs", "talk.jsonl"].contains(&n.as_str()));
    names.sort();
    names
}

#[test]
fn switched_off_hooks_leave_no_ref_and_no_file() {
    for how in ["SESSION_ENABLED", "session.enabled"] {
        let mut repo = busy();
        if how == "SESSION_ENABLED" {
            repo.sandbox.set("SESSION_ENABLED", "0");
        } else {
            repo.git(["config", "session.enabled", "false"]);
        }
        let before = repo.everything();
        for event in ["session-start", "prompt", "tool", "turn-end", "session-end"] {
            repo.generic(event, json!({ "prompt": "x", "tool": "Write", "paths": ["f"] }));
        }
        repo.hook("claude-code", "UserPromptSubmit", &prompt(&repo, "s"));
        assert_eq!(repo.everything(), before, "{how}");
        assert!(!repo.at(".git/session").exists(), "{how}");
    }
}

#[test]
fn in_a_bare_repository_a_hook_does_nothing() {
    let repo = busy();
    repo.git(["clone", "--quiet", "--bare", ".", "../bare.git"]);
    let bare = repo.sandbox.path().join("bare.git");
    let names = |folder: &PathBuf| fs::read_dir(folder).expect("lists").count();
    let before = names(&bare);
    repo.generic("prompt", json!({ "prompt": "x", "cwd": bare }));
    repo.generic("turn-end", json!({ "cwd": bare }));
    assert_eq!(repo.git(["-C", "../bare.git", "for-each-ref", "refs/sessions"]), "");
    assert_eq!(names(&bare), before, "no folder of ours");
}

#[test]
fn in_a_submodule_a_hook_saves_the_submodule() {
    let repo = busy();
    let other = busy();
    let url = other.path().to_str().expect("text").to_owned();
    repo.git(["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &url, "sub"]);
    repo.write("sub/f", "in the submodule");
    repo.generic("prompt", json!({ "prompt": "x", "cwd": repo.at("sub") }));
    assert_eq!(refs(&repo), [""; 0], "the outer one has no session");
    assert_eq!(repo.git(["-C", "sub", "show", &format!("{}^:f", head(NATIVE))]), "in the submodule");
}

#[test]
fn two_hooks_for_one_prompt_open_one_turn() {
    let repo = busy();
    let payload = json!({ "session_id": NATIVE, "cwd": repo.path(), "prompt": "x", "prompt_id": "p1" }).to_string();
    let run = |_| {
        let mut command = repo.sandbox.command(env!("CARGO_BIN_EXE_session"), repo.path());
        command.args(["hook", "claude-code", "UserPromptSubmit"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("starts");
        child.stdin.take().expect("a pipe").write_all(payload.as_bytes()).expect("writes");
        child
    };
    for child in (0..4).map(run).collect::<Vec<_>>() {
        let out = child.wait_with_output().expect("ends");
        assert!(out.status.success() && out.stdout.is_empty());
    }
    let log = repo.session(["log", "--json"]).success().json();
    let kinds: Vec<&str> =
        log["checkpoints"].as_array().expect("a list").iter().map(|c| c["kind"].as_str().expect("text")).collect();
    assert_eq!(kinds, ["turn-start"], "{}", repo.log());
    assert_eq!(refs(&repo).len(), 1);
}

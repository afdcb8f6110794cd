//! Repositories that are none, or damaged: one clear line, the right exit code, nothing changed; what is whole still works.

use std::fs;
use std::path::Path;

use crate::support::env::Sandbox;
use crate::support::hostile::{NATIVE, head, overwrite};
use crate::support::repo::TestRepo;

#[test]
fn outside_of_a_repository_every_verb_says_so() {
    let sandbox = Sandbox::new();
    let folder = sandbox.path().join("tmp");
    let verbs: [&[&str]; 13] = [
        &["save"],
        &["list"],
        &["show"],
        &["log"],
        &["diff"],
        &["rewind", "code"],
        &["redo"],
        &["fork"],
        &["resume"],
        &["continue"],
        &["status"],
        &["enable"],
        &["disable"],
    ];
    for verb in verbs {
        let message = sandbox.fails_in(&folder, verb, 3, "repository.not-found");
        assert!(message.contains(folder.to_str().expect("text")) || message.contains("$SANDBOX"), "{message}");
    }
    assert_eq!(fs::read_dir(&folder).expect("lists").count(), 0);
}

#[test]
fn a_bare_repository_is_refused_by_what_needs_files_and_left_as_it_is() {
    let repo = TestRepo::new();
    repo.git(["clone", "--quiet", "--bare", ".", "../bare.git"]);
    let bare = repo.sandbox.path().join("bare.git");
    for verb in [&["save"][..], &["rewind", "code"], &["enable"], &["fork"]] {
        let out = repo.sandbox.session(&bare, verb);
        assert!(matches!(out.code, Some(3 | 6)), "{verb:?}\n{out}");
        assert!(out.stdout.is_empty() && out.stderr.starts_with("error: "), "{out}");
    }
    repo.sandbox.fails_in(&bare, &["save"], 6, "repository.bare");
    assert_eq!(repo.git(["-C", "../bare.git", "for-each-ref", "refs/sessions"]), "");
}

#[test]
fn a_git_dir_that_points_nowhere_is_no_repository() {
    let mut repo = TestRepo::new();
    let nowhere = repo.sandbox.path().join("nowhere");
    repo.sandbox.set("GIT_DIR", &nowhere);
    let message = repo.sandbox.fails_in(repo.path(), &["save"], 3, "repository.not-found");
    assert!(message.contains("nowhere"), "{message}");
    assert!(!nowhere.exists() && !repo.at(".git/session").exists());
}

#[test]
fn a_folder_that_is_gone_is_said_to_be() {
    let sandbox = Sandbox::new();
    let gone = sandbox.path().join("gone");
    fs::create_dir(&gone).expect("makes it");
    let script = format!("rmdir '{}'; exec '{}' save", gone.display(), env!("CARGO_BIN_EXE_session"));
    let out = sandbox.run_with_input("sh", &gone, ["-c", &script], b"");
    assert!(matches!(out.code, Some(1 | 3)), "{out}");
    assert!(out.stdout.is_empty() && out.stderr.starts_with("error: cannot find the present folder"), "{out}");
    // A hook that is started there still never fails.
    let gone = sandbox.path().join("gone");
    fs::create_dir(&gone).expect("makes it");
    let script =
        format!("rmdir '{}'; echo '{{}}' | '{}' hook generic prompt", gone.display(), env!("CARGO_BIN_EXE_session"));
    let out = sandbox.run_with_input("sh", &gone, ["-c", &script], b"");
    assert_eq!((out.code, out.stdout.as_str()), (Some(0), ""), "{out}");
}

#[test]
fn a_repository_that_git_refuses_too_is_refused_in_one_line() {
    let repo = TestRepo::new();
    let config = fs::read_to_string(repo.at(".git/config")).expect("reads");
    let config = config.replace("repositoryformatversion = 0", "repositoryformatversion = 1");
    fs::write(repo.at(".git/config"), format!("{config}[extensions]\n\tnoSuchThing = true\n")).expect("writes");
    let message = repo.fails(&["save"], 6, "repository.unsupported");
    assert!(message.to_lowercase().contains("nosuchthing"), "{message}");
    repo.fails(&["list"], 6, "repository.unsupported");
    assert!(!repo.at(".git/session").exists());
}

#[test]
fn a_home_folder_is_not_saved() {
    let repo = TestRepo::new();
    let home = repo.sandbox.home();
    let run = |args: &[&str]| repo.sandbox.command("git", &home).args(args).output().expect("git starts");
    assert!(run(&["init", "--quiet"]).status.success());
    fs::write(home.join("secret"), "x").expect("writes");
    let message = repo.sandbox.fails_in(&home, &["save"], 6, "snapshot.root");
    assert!(message.contains("home"), "{message}");
    assert!(run(&["for-each-ref"]).stdout.is_empty());
    let payload = format!("{{\"session_id\":\"s\",\"cwd\":{:?},\"prompt\":\"x\"}}", home.to_str().expect("text"));
    let out = repo.sandbox.session_in_time(&home, &["hook", "generic", "prompt"], payload.as_bytes());
    assert_eq!((out.code, out.stdout.as_str()), (Some(0), ""), "{out}");
    assert!(run(&["for-each-ref"]).stdout.is_empty());
}

/// A whole session beside one that is to be damaged, and the id of the whole one.
fn two_sessions() -> (TestRepo, String) {
    let repo = TestRepo::new();
    repo.write("f", "first");
    repo.commit("files");
    repo.two_turns();
    repo.write("f", "three");
    repo.git(["config", "session.joinWithin", "0"]);
    let saved = repo.session(["save", "the whole one", "--json"]).success().json();
    let id = saved["session"].as_str().expect("an id").to_owned();
    assert_ne!(id, NATIVE);
    (repo, id)
}

/// The damaged one is named with exit 0, the other is listed, and goes on working.
#[track_caller]
fn the_others_are_whole(repo: &TestRepo, whole: &str, listed_as_damaged: bool) {
    let out = repo.session(["list"]).success();
    assert!(out.stdout.contains("the whole one"), "{out}");
    let warned = out.stderr.lines().any(|l| l.starts_with("warning: ") && l.contains(NATIVE));
    assert_eq!(warned, listed_as_damaged, "{out}");
    let json = repo.session(["list", "--json"]).success().json();
    let corrupt: Vec<_> = json["corrupt"].as_array().expect("a list").iter().map(|c| c["id"].clone()).collect();
    assert_eq!(corrupt.contains(&NATIVE.into()), listed_as_damaged, "{json}");
    let read = ["show", "log", "status", "diff"];
    for verb in read {
        let _whole = repo.session([verb]).success();
    }
    let found = repo.session(["doctor", "--json"]).json()["findings"].to_string();
    assert_eq!(found.contains("session.damaged") && found.contains(NATIVE), listed_as_damaged, "{found}");
    repo.write("f", "four");
    let saved = repo.session(["save", "--json"]).success().json();
    assert_eq!((saved["session"].as_str(), saved["saved"].as_bool()), (Some(whole), Some(true)));
    let _rewound = repo.session(["rewind", "code", "1"]).success();
    assert_eq!(repo.read("f"), b"three");
}

/// How an object goes bad.
const DAMAGES: [&str; 4] = ["gone", "empty", "garbage", "cut"];

fn damage(path: &Path, how: &str) {
    match how {
        "gone" => fs::remove_file(path).expect("removes"),
        "empty" => overwrite(path, b""),
        "garbage" => overwrite(path, b"this is no zlib stream"),
        _ => {
            let bytes = fs::read(path).expect("reads");
            overwrite(path, &bytes[..bytes.len() / 2]);
        }
    }
}

fn error_code(how: &str) -> &'static str {
    if how == "gone" { "object.missing" } else { "object.damaged" }
}

#[test]
fn a_session_whose_record_is_damaged_is_named_and_nothing_is_done_with_it() {
    let tip = head(NATIVE);
    for object in ["", "^{tree}", ":session.json"] {
        for how in DAMAGES {
            let (repo, whole) = two_sessions();
            damage(&repo.loose(&format!("{tip}{object}")), how);
            for verb in [
                &["show", NATIVE][..],
                &["log", "-s", NATIVE],
                &["rewind", "code", "-s", NATIVE],
                &["rewind", "chat", "turn:1", "-s", NATIVE],
                &["redo", "-s", NATIVE],
                &["fork", "-s", NATIVE],
                &["resume", NATIVE],
                &["save", "-s", NATIVE],
                &["diff", "-s", NATIVE],
            ] {
                repo.fails(verb, 7, error_code(how));
            }
            the_others_are_whole(&repo, &whole, true);
        }
    }
}

#[test]
fn a_session_whose_ref_is_damaged_is_named_and_the_others_are_listed() {
    let contents = ["", "not an id\n", "0123456789\n", "ref: refs/heads/nowhere\n"];
    for (content, by_git) in contents.into_iter().flat_map(|content| [(content, false), (content, true)]) {
        let (repo, whole) = two_sessions();
        if by_git {
            // An extension that libgit2 does not know: git itself reads the refs.
            repo.git(["config", "core.repositoryFormatVersion", "1"]);
            repo.git(["config", "extensions.refStorage", "files"]);
        }
        fs::write(repo.at(format!(".git/{}", head(NATIVE))), content).expect("writes");
        for verb in [&["show", NATIVE][..], &["show", &NATIVE[..8]], &["rewind", "code", "-s", NATIVE]] {
            let out = repo.sandbox.session(repo.path(), verb);
            assert_eq!(out.code, Some(7), "{content:?} {verb:?} by git: {by_git}\n{out}");
            assert!(out.stderr.contains(NATIVE), "named: {out}");
        }
        the_others_are_whole(&repo, &whole, true);
    }
}

#[test]
fn a_damaged_piece_of_a_session_stops_only_what_needs_it() {
    let tip = head(NATIVE);
    let needs: [(&str, &[&[&str]]); 4] = [
        // The code of turn 1's start is not needed to show, but to go there.
        ("^^^{tree}", &[&["rewind", "code", "turn:2", "--all", "-s", NATIVE], &["diff", "turn:2", "-s", NATIVE]]),
        (":turns/00/00", &[&["show", NATIVE], &["rewind", "chat", "turn:2", "-s", NATIVE]]),
        (":chat/NATIVE/0000/0000", &[&["rewind", "chat", "turn:2", "-s", NATIVE], &["resume", NATIVE]]),
        (":chat/NATIVE/0000", &[&["rewind", "chat", "turn:2", "-s", NATIVE], &["resume", NATIVE]]),
    ];
    for (object, verbs) in needs {
        for how in DAMAGES {
            let (repo, whole) = two_sessions();
            fs::remove_file(repo.talk()).expect("removes");
            damage(&repo.loose(&format!("{tip}{}", object.replace("NATIVE", NATIVE))), how);
            for verb in verbs {
                repo.fails(verb, 7, error_code(how));
            }
            the_others_are_whole(&repo, &whole, false);
        }
    }
}

#[test]
fn a_session_ref_that_is_no_session_of_ours_is_named() {
    let foreign = ["HEAD", "HEAD^{tree}", "HEAD:f", "refs/tags/v1", "refs/sessions/heads/WHOLE^"];
    for target in foreign {
        let (repo, whole) = two_sessions();
        repo.git(["tag", "--annotate", "--message=x", "v1"]);
        let oid = repo.git(["rev-parse", &target.replace("WHOLE", &whole)]);
        fs::write(repo.at(format!(".git/{}", head(NATIVE))), format!("{oid}\n")).expect("writes");
        let out = repo.sandbox.session(repo.path(), ["show", NATIVE, "--json"]);
        let code = out.json()["error"]["code"].as_str().expect("a code").to_owned();
        assert!(["object.damaged", "record.damaged"].contains(&code.as_str()), "{target}\n{out}");
        for verb in
            [&["show", NATIVE][..], &["log", "-s", NATIVE], &["rewind", "code", "-s", NATIVE], &["resume", NATIVE]]
        {
            repo.fails(verb, 7, &code);
        }
        the_others_are_whole(&repo, &whole, true);
    }
}

/// Hangs a session commit with another file at a path of its tree on the session's tip.
fn forge(repo: &TestRepo, path: &str, content: &str) {
    let tip = head(NATIVE);
    repo.write("../forged", content);
    let blob = repo.git(["hash-object", "-w", "../forged"]);
    let index = repo.sandbox.path().join("forged-index");
    let git = |args: &[&str]| {
        let mut command = repo.sandbox.command("git", repo.path());
        let out = command.args(args).env("GIT_INDEX_FILE", &index).output().expect("git starts");
        assert!(out.status.success(), "{args:?} {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).expect("text").trim().to_owned()
    };
    git(&["read-tree", &format!("{tip}^{{tree}}")]);
    git(&["update-index", "--add", "--cacheinfo", &format!("100644,{blob},{path}")]);
    let tree = git(&["write-tree"]);
    let old = repo.git(["cat-file", "commit", &tip]);
    let (_, rest) = old.split_once('\n').expect("a commit");
    repo.write("../forged", format!("tree {tree}\n{rest}\n"));
    let commit = repo.git(["hash-object", "-t", "commit", "-w", "../forged"]);
    repo.git(["update-ref", &tip, &commit]);
}

#[test]
fn a_manifest_of_a_newer_version_or_none_of_ours_is_refused() {
    for (content, code) in [
        (r#"{"type":"session.meta","version":2}"#, "format.too-new"),
        (r#"{"type":"something","version":1}"#, "record.damaged"),
        (r#"{"version":1}"#, "record.damaged"),
        ("not json", "record.damaged"),
        ("", "record.damaged"),
    ] {
        let (repo, whole) = two_sessions();
        forge(&repo, "manifest.json", content);
        for verb in [&["show", NATIVE][..], &["rewind", "code", "-s", NATIVE], &["save", "-s", NATIVE]] {
            repo.fails(verb, 7, code);
        }
        the_others_are_whole(&repo, &whole, true);
    }
}

#[test]
fn records_that_lie_about_sizes_are_damage_and_never_a_crash() {
    let lies: [(&str, &str); 4] = [
        (r#""bytes": "#, r#""bytes": 18446744073709551615, "was": "#),
        (r#""pieces": "#, r#""pieces": 4294967295, "was": "#),
        (r#""sealed": "#, r#""sealed": 4294967295, "was": "#),
        (r#""rows": "#, r#""rows": 4294967295, "was": "#),
    ];
    for (field, lie) in lies {
        let (repo, whole) = two_sessions();
        fs::remove_file(repo.talk()).expect("removes");
        let record = repo.git(["cat-file", "blob", &format!("{}:session.json", head(NATIVE))]);
        assert!(record.contains(field), "{record}");
        forge(&repo, "session.json", &record.replacen(field, lie, 1));
        for verb in [&["rewind", "chat", "turn:2", "-s", NATIVE][..], &["resume", NATIVE], &["show", NATIVE]] {
            let out = repo.sandbox.session_in_time(repo.path(), verb, b"");
            // What would be longer than a conversation that is rewritten is refused as that.
            let is_too_long = out.code == Some(1) && out.stderr.contains("is longer than");
            assert!(is_too_long || matches!(out.code, Some(0 | 7)), "{lie} {verb:?}\n{out}");
        }
        // A resume that worked made it the session of this worktree.
        let _back = repo.session(["save", "-s", &whole]).success();
        the_others_are_whole(&repo, &whole, false);
    }
}

#[test]
fn a_repository_without_sessions_or_commits_is_told_so() {
    let repo = TestRepo::new();
    repo.git(["checkout", "--quiet", "--orphan", "unborn"]);
    let out = repo.session(["list"]).success();
    assert_eq!(out.stdout, "", "{out}");
    let _told = repo.session(["status"]).success();
    for verb in [&["show"][..], &["log"], &["diff"], &["rewind", "code"], &["redo"], &["fork"], &["continue"]] {
        repo.fails(verb, 3, "session.none");
    }
    let _saved = repo.session(["save", "empty"]).success();
    repo.fails(&["rewind", "code"], 1, "rewind.nothing");
    repo.fails(&["rewind", "chat"], 1, "rewind.no-turn");
    repo.fails(&["rewind", "chat", "1"], 1, "chat.none");
    repo.assert_sound();
}

#[test]
fn resume_gives_back_a_transcript_that_is_gone_or_was_cut_and_takes_one_that_grew() {
    for what in ["gone", "cut", "changed", "grew", "as it was"] {
        let (repo, _) = two_sessions();
        let stored = fs::read(repo.talk()).expect("reads");
        let line = "{\"role\":\"user\",\"text\":\"more\"}\n";
        match what {
            "gone" => fs::remove_file(repo.talk()).expect("removes"),
            "cut" => fs::write(repo.talk(), &stored[..stored.len() / 2]).expect("writes"),
            "changed" => fs::write(repo.talk(), "x".repeat(stored.len() + 10)).expect("writes"),
            "grew" => fs::write(repo.talk(), [&stored, line.as_bytes()].concat()).expect("writes"),
            _ => {}
        }
        let before = fs::read(repo.talk()).ok();
        let outcome = repo.session(["resume", NATIVE, "--json"]).success().json();
        let written = !matches!(what, "grew" | "as it was");
        assert_eq!(outcome["written"], written, "{what}: {outcome}");
        let path = outcome["native"]["path"].as_str().expect("a path");
        let path = path.replace("$SANDBOX", repo.sandbox.path().to_str().expect("text"));
        if written {
            assert_eq!(fs::read(path).expect("reads"), stored, "{what}");
        }
        assert_eq!(fs::read(repo.talk()).ok(), before, "{what}: the agent's own file is never changed");
    }
}

#[test]
fn where_the_only_session_is_damaged_the_list_does_not_say_that_there_is_none() {
    let repo = TestRepo::new();
    repo.two_turns();
    damage(&repo.loose(&head(NATIVE)), "garbage");
    let out = repo.session(["list"]).success();
    assert!(out.stderr.contains(NATIVE) && out.stderr.contains("No session here can be read"), "{out}");
    assert!(!out.stderr.contains("No saved sessions"), "{out}");
}

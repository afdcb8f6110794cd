//! Many processes in one repository at once: no checkpoint number is lost, no ref breaks, and git is never in our way nor we in its.

use bstr::ByteSlice as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;

use crate::support::repo::TestRepo;

#[test]
fn eight_at_once_with_git_packing_lose_nothing_and_hinder_nobody() {
    let repo = TestRepo::new();
    repo.write("f", "0");
    repo.commit("files");
    let first = repo.session(["save", "begin", "--json"]).success().json();
    let id = first["session"].as_str().expect("an id").to_owned();
    let mut made = 0;
    for round in 0..5 {
        let spawn = |program: &str, args: &[&str]| -> (String, Child) {
            let mut command = repo.sandbox.command(program, repo.path());
            command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            (format!("{program} {args:?}"), command.spawn().expect("starts"))
        };
        let session = env!("CARGO_BIN_EXE_session");
        let mut running = Vec::new();
        for n in 0..5 {
            repo.write("f", format!("round {round} writer {n}"));
            repo.write(format!("own/{round}-{n}"), "x");
            running.push(spawn(session, &["save", "--json"]));
        }
        running.push(spawn(session, &["rewind", "code", "1", "--all", "--json", "--", "f"]));
        running.push(spawn("git", &["commit", "--quiet", "--allow-empty", "--message=mine"]));
        running.push(spawn("git", if round % 2 == 0 { &["pack-refs", "--all"] } else { &["gc", "--quiet"] }));
        for (what, child) in running {
            let out = child.wait_with_output().expect("ends");
            let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
            // Packing may lose a race for packed-refs.lock against git itself only, which never happens here.
            let nothing_to_do = what.contains("rewind") && matches!(out.status.code(), Some(1 | 5));
            assert!(out.status.success() || nothing_to_do, "{what}: {text}");
            made += usize::from(text.contains("\"saved\":true"));
        }
    }
    let log = repo.session(["log", "-s", &id, "--json"]).success().json();
    let mut numbers: Vec<u64> =
        log["checkpoints"].as_array().expect("a list").iter().map(|c| c["number"].as_u64().expect("one")).collect();
    numbers.sort_unstable();
    let wanted: Vec<u64> = (1..=u64::try_from(numbers.len()).expect("fits")).collect();
    assert_eq!(numbers, wanted);
    assert!(numbers.len() > made && made > 5, "{made} saves in {numbers:?}");
    assert_eq!(repo.git(["for-each-ref", "refs/sessions"]).lines().count(), 1);
    assert_eq!(repo.git(["rev-list", "--count", "HEAD"]), "7");
    repo.assert_sound();
    repo.collect_garbage();
    let _logged = repo.session(["log"]).success();
}

/// What one process came to: its exit code and all it said.
type Ran = (Vec<String>, Option<i32>, String);

#[test]
fn eight_workers_in_three_worktrees_beside_gc_and_pack_refs_lose_no_checkpoint_and_no_commit() {
    let rounds = if std::env::var_os("SESSION_TEST_THOROUGH").is_some() { 25 } else { 4 };
    let repo = TestRepo::new();
    repo.write("f", "0");
    repo.commit("files");
    let mut places = vec![repo.path().to_owned()];
    for name in ["two", "three"] {
        repo.git(["worktree", "add", "--quiet", "-b", name, &format!("../{name}")]);
        places.push(repo.sandbox.path().join(name));
    }
    for place in &places {
        let _begun = repo.sandbox.session(place, ["save", "begin"]).success();
    }
    // Commands are made beforehand: the sandbox that counts them is of one thread.
    let command = |program: &str, place: &Path, args: &[&str]| {
        let mut command = repo.sandbox.command(program, place);
        command.args(args).stdin(Stdio::null());
        command
    };
    let session = env!("CARGO_BIN_EXE_session");
    // Four in the main worktree, two in each other one; the first of each commits, too: git itself lets only one do that.
    let seats = [(0, true), (0, false), (0, false), (0, false), (1, true), (1, false), (2, true), (2, false)];
    let mut workers = Vec::new();
    for (n, (place, commits)) in seats.into_iter().enumerate() {
        let place = &places[place];
        let mut jobs = Vec::new();
        for round in 0..rounds {
            let own = format!("own/{n}");
            jobs.push((place.join(&own), format!("round {round}"), command(session, place, &["save", "--json"])));
            if commits {
                let commit = command("git", place, &["commit", "--quiet", "--allow-empty", "--message=mine"]);
                jobs.push((place.join(&own), format!("before commit {round}"), commit));
            }
            let back = command(session, place, &["rewind", "code", "1", "--all", "--json", "--", &own]);
            jobs.push((place.join(&own), format!("gone {round}"), back));
        }
        workers.push(jobs);
    }
    let mut packing: Vec<Command> = Vec::new();
    for _ in 0..200 * rounds {
        packing.push(command("git", repo.path(), &["pack-refs", "--all"]));
        packing.push(command("git", repo.path(), &["gc", "--quiet"]));
    }
    let done = std::sync::atomic::AtomicBool::new(false);
    let run = |command: &mut Command| -> Ran {
        let mut out = command.output().expect("starts");
        // git's own gc takes the empty folder in which git's own commit is about to write: none of it is ours.
        while command.get_program() == "git"
            && out.stderr.find(b"unable to create temporary file: No such file").is_some()
        {
            out = command.output().expect("starts");
        }
        let args = command.get_args().map(|a| a.to_string_lossy().into_owned()).collect();
        let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        (args, out.status.code(), said)
    };
    let mut packed = 0;
    let ran: Vec<Ran> = std::thread::scope(|scope| {
        let running: Vec<_> = workers
            .into_iter()
            .map(|jobs| {
                scope.spawn(move || {
                    let work = |(path, content, mut command): (PathBuf, String, Command)| {
                        fs::create_dir_all(path.parent().expect("a folder")).expect("makes the folder");
                        fs::write(path, content).expect("writes");
                        run(&mut command)
                    };
                    jobs.into_iter().map(work).collect::<Vec<Ran>>()
                })
            })
            .collect();
        let packer = scope.spawn(|| {
            let going = packing.iter_mut().take_while(|_| !done.load(Ordering::Relaxed));
            going.map(run).collect::<Vec<Ran>>()
        });
        let mut ran: Vec<Ran> = running.into_iter().flat_map(|worker| worker.join().expect("works")).collect();
        done.store(true, Ordering::Relaxed);
        let packs = packer.join().expect("packs");
        packed = packs.len();
        ran.extend(packs);
        ran
    });
    assert!(packed > 2, "git packed {packed} times meanwhile");
    let mut saved: Vec<(String, u64)> = Vec::new();
    for (args, code, said) in &ran {
        // Where the others write into the same tree, a rewind may find nothing to do, or that a file changed under it.
        let may_fail = args[0] == "rewind" && matches!(code, Some(1 | 5));
        assert!(*code == Some(0) || may_fail, "{args:?}: {code:?} {said}");
        if args[0] != "save" {
            continue;
        }
        let json: serde_json::Value = serde_json::from_str(said.lines().next().expect("a line")).expect("JSON");
        if json["saved"] == true {
            saved.push((json["session"].as_str().expect("an id").into(), json["checkpoint"].as_u64().expect("one")));
        }
    }
    assert!(saved.len() > 10, "{saved:?}");
    let refs = repo.git(["for-each-ref", "--format=%(refname)", "refs/sessions"]);
    assert_eq!(refs.lines().count(), 3, "{refs}");
    for name in refs.lines() {
        let id = name.rsplit('/').next().expect("an id");
        let log = repo.ask(["log", "-s", id]);
        let rows = log["checkpoints"].as_array().expect("a list");
        let mut numbers: Vec<u64> = rows.iter().map(|c| c["number"].as_u64().expect("one")).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "{id}");
        let mut own: Vec<u64> = saved.iter().filter(|(session, _)| session == id).map(|(_, number)| *number).collect();
        own.sort_unstable();
        let told = own.len();
        own.dedup();
        assert_eq!(own.len(), told, "no number was given twice");
        let of_saves = rows.iter().filter(|c| own.contains(&c["number"].as_u64().expect("one")));
        assert!(of_saves.clone().all(|c| c["kind"] == "save") && of_saves.count() == told, "{id}: none is lost");
    }
    for (place, before) in places.iter().zip([2, 2, 2]) {
        let mut count = repo.sandbox.command("git", place);
        let out = count.args(["rev-list", "--count", "HEAD"]).output().expect("git starts");
        assert_eq!(String::from_utf8_lossy(&out.stdout).trim(), (before + rounds).to_string(), "{place:?}");
    }
    repo.assert_sound();
    repo.collect_garbage();
    for name in refs.lines() {
        repo.ask(["log", "-s", name.rsplit('/').next().expect("an id")]);
    }
}

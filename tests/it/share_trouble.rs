//! Sharing with remotes that refuse, are cut, move or go away: each is told with its own code, and nothing is half done.

use std::path::Path;

use crate::share::{Team, case, cases, make_executable};
use crate::support::agent::Agent;
use crate::support::repo::TestRepo;

#[test]
fn a_remote_that_refuses_or_is_gone_changes_nothing_here() {
    let team = Team::new();
    let Team { a, remote, .. } = &team;
    a.ask(["save", "mine"]);
    let refs = a.all_refs();
    team.hook_there("pre-receive", "#!/bin/sh\necho 'no sessions in here'\nexit 1\n");
    let refused = a.refused(6, ["push", "--yes"]);
    assert_eq!(refused["code"], "push.hook");
    assert!(refused["details"][0].as_str().expect("a line").contains("no sessions in here"), "{refused}");
    team.there(&["config", "receive.hideRefs", "refs/sessions"], b"");
    std::fs::remove_file(remote.join("hooks/pre-receive")).expect("removes");
    assert_eq!(a.refused(6, ["push", "--yes"])["code"], "push.namespace");
    team.there(&["config", "--unset", "receive.hideRefs"], b"");
    a.git(["config", "remote.origin.mirror", "true"]);
    assert_eq!(a.refused(6, ["push", "--yes"])["code"], "remote.mirror");
    a.git(["config", "--unset", "remote.origin.mirror"]);
    // The pack never arrives whole.
    team.hook_there("pre-receive", "#!/bin/sh\nkill -9 $PPID\nexit 1\n");
    let vanished = a.refused(1, ["push", "--yes"]);
    assert_eq!(vanished["code"], "remote.vanished", "{vanished}");
    std::fs::rename(remote, remote.with_file_name("moved.git")).expect("moves");
    for args in [&["push", "--yes"][..], &["pull"]] {
        assert_eq!(a.refused(1, args.iter().copied())["code"], "remote.unreachable");
    }
    assert_eq!(a.refused(3, ["pull", "nowhere"])["code"], "remote.unknown");
    assert_eq!(a.all_refs(), refs);
}

/// A bare repository of the sandbox, reached as over a network, so that depths count.
fn over_file(path: &Path) -> String {
    format!("file://{}", path.display())
}

#[test]
fn a_shallow_clone_pushes_where_its_history_is_known_and_is_refused_elsewhere() {
    let team = Team::new();
    let Team { a, remote, .. } = &team;
    a.commit("second");
    a.git(["push", "--quiet", "origin", "main"]);
    let shallow = a.sandbox.path().join("shallow");
    a.git(["clone", "--quiet", "--depth=1", &over_file(remote), shallow.to_str().expect("UTF-8")]);
    let other = a.sandbox.path().join("other.git");
    a.git(["init", "--quiet", "--bare", other.to_str().expect("UTF-8")]);
    let run = |args: &[&str]| a.sandbox.session(&shallow, [&["--json"], args].concat());
    let refs = |dir: &Path| a.git([&format!("--git-dir={}", dir.display()), "for-each-ref"]);
    std::fs::write(shallow.join("f.txt"), "1\n").expect("writes");
    let id = run(&["save", "in the shallow clone"]).success().json()["session"].as_str().expect("an id").to_owned();
    let before = refs(&shallow.join(".git"));
    let out = run(&["push", &over_file(&other), "--yes"]);
    let error = out.json()["error"].take();
    assert_eq!((out.code, &error["code"]), (Some(6), &"push.shallow".into()), "{error}");
    assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("--unshallow")), "{error}");
    assert_eq!((refs(&shallow.join(".git")), refs(&other)), (before, String::new()), "nothing half done");
    let _there = run(&["push", "--yes"]).success();
    assert_eq!(case(&a.ask(["pull"]), &id), "new", "where the history is, it is taken");
    // And what stands on more than the clone has comes into it.
    let agent = Agent::with_transcript(a, "native-a");
    agent.start();
    agent.turn("one", "g.txt", "1\n");
    let own = a.session_id();
    a.ask(["push", "--yes"]);
    assert_eq!(case(&run(&["pull"]).success().json(), &own), "new");
    let _whole = run(&["rewind", "code", "turn:1.end", "-s", &own, "--all"]).success();
    assert_eq!(std::fs::read(shallow.join("g.txt")).expect("reads"), b"1\n");
    a.git(["-C", shallow.to_str().expect("UTF-8"), "fsck", "--strict"]);
    let _history = a.git(["-C", shallow.to_str().expect("UTF-8"), "fetch", "--quiet", "--unshallow"]);
    let _now = run(&["push", &over_file(&other), &id, "--yes"]).success();
}

#[test]
fn a_session_that_stands_on_history_which_the_remote_has_cut_is_not_taken() {
    let team = Team::new();
    let Team { a, remote, .. } = &team;
    a.commit("second");
    a.git(["push", "--quiet", "origin", "main"]);
    let shallow = a.sandbox.path().join("shallow.git");
    let path = shallow.to_str().expect("UTF-8");
    a.git(["clone", "--quiet", "--bare", "--depth=1", &over_file(remote), path]);
    a.ask(["save", "mine"]);
    let id = a.session_id();
    a.ask(["push", path, "--yes"]);
    // One that has nothing of the history: git would leave it with a hole.
    let other = TestRepo::new();
    let refs = other.all_refs();
    for _ in 0..2 {
        let out = other.session(["--json", "pull", path]);
        let pulled = out.json();
        assert_eq!((out.code, case(&pulled, &id).as_str()), (Some(7), "quarantined"), "{pulled}");
        assert!(pulled["sessions"][0]["problem"].as_str().is_some_and(|p| p.contains("shallow")), "{pulled}");
        assert_eq!(other.all_refs(), refs);
    }
    other.assert_sound();
    a.git(["--git-dir", path, "fetch", "--quiet", "--unshallow"]);
    assert_eq!(case(&other.ask(["pull", path]), &id), "new");
    other.assert_sound();
}

#[test]
fn a_remote_that_vanishes_in_the_middle_of_a_pull_changes_nothing_here() {
    let Team { a, b, .. } = &Team::new();
    let agent = Agent::with_transcript(a, "native-a");
    agent.start();
    let text: String = (0..2000_u32).map(|n| format!("{}\n", n.wrapping_mul(2_654_435_761))).collect();
    agent.turn("a turn", "f.txt", &text);
    let id = a.session_id();
    a.ask(["push", "--yes"]);
    // It says what it has, and dies while it sends what is wanted.
    let hook = b.sandbox.path().join("hook");
    let script = b.sandbox.path().join("upload-pack");
    let text = format!("#!/bin/sh\nexec git -c uploadpack.packObjectsHook={} upload-pack \"$@\"\n", hook.display());
    std::fs::write(&script, text).expect("writes");
    make_executable(&script);
    b.git(["config", "remote.origin.uploadpack", script.to_str().expect("UTF-8")]);
    for bytes in [0, 12, 700] {
        let text = format!("#!/bin/sh\n\"$@\" 2>/dev/null | head -c {bytes}\nkill -9 $PPID\n");
        std::fs::write(&hook, text).expect("writes");
        make_executable(&hook);
        let refs = b.all_refs();
        let out = b.session(["--json", "pull"]);
        assert_eq!((out.code, case(&out.json(), &id).as_str()), (Some(7), "quarantined"), "{bytes}: {out}");
        assert_eq!(b.all_refs(), refs, "{bytes}");
        b.assert_sound();
    }
    // And is gone for good before it could be asked again.
    std::fs::write(&hook, format!("#!/bin/sh\nrm {}\nkill -9 $PPID\n", script.display())).expect("writes");
    let gone = b.refused(1, ["pull"]);
    assert_eq!(gone["code"], "remote.unreachable", "{gone}");
    b.git(["config", "--unset", "remote.origin.uploadpack"]);
    assert_eq!(case(&b.ask(["pull"]), &id), "new");
    assert_eq!(b.refused(1, ["pull", "git://127.0.0.1:1/nothing.git"])["code"], "remote.unreachable");
    assert_eq!(a.refused(1, ["push", "git://127.0.0.1:1/nothing.git", "--yes"])["code"], "remote.unreachable");
}

#[test]
fn of_several_sessions_each_is_told_what_the_remote_made_of_it() {
    let team = Team::new();
    let Team { a, b, .. } = &team;
    a.ask(["save", "first"]);
    let first = a.session_id();
    Agent::new(a, "other").turn("two", "x.txt", "x\n");
    let second = a.session_id();
    team.hook_there("update", &format!("#!/bin/sh\ncase $1 in */{first}) echo 'not this one'; exit 1;; esac\n"));
    let out = a.session(["--json", "push", "--all", "--yes"]);
    let rows = out.json()["results"].take();
    assert_eq!(out.code, Some(1), "{out}");
    for (id, pushed) in [(&first, false), (&second, true)] {
        let row = rows.as_array().expect("a list").iter().find(|row| row["id"] == id.as_str()).expect("is told");
        assert_eq!(row["pushed"], pushed, "{row}");
        assert_eq!(row["said"].as_str().is_some_and(|said| said.contains("not this one")), !pushed, "{row}");
    }
    assert_eq!(cases(&b.ask(["pull"])), [(second, "new".to_owned())].into());
    // One that moves while we send: what is there is not overwritten.
    let main = a.git(["rev-parse", "main"]);
    team.hook_there("update", &format!("#!/bin/sh\ngit update-ref $1 {main}\n"));
    let refs = a.all_refs();
    let moved = a.refused(5, ["push", "origin", &first, "--yes"]);
    assert_eq!(moved["code"], "push.moved", "{moved}");
    assert!(moved["hint"].as_str().is_some_and(|hint| hint.contains("session pull")), "{moved}");
    assert_eq!(a.all_refs(), refs);
    assert!(team.refs_there().contains(&format!("{main} commit\trefs/sessions/heads/{first}")));
}

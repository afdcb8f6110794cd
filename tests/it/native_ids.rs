//! Whose conversation it is: an agent's id that is bound here stays with its session, whatever was pulled and whatever is done
//! with what was pulled.

use std::fs;

use crate::share::Team;
use crate::support::agent::Agent;
use crate::support::repo::TestRepo;

/// The id of the agent that runs here. A stranger's session has it too.
const NATIVE: &str = "native-a";

/// A teammate's session that lists the id of my running agent; it was pulled. Its id, and that of my own session.
fn pulled_with_my_id(team: &Team) -> (String, String) {
    let Team { a, b, .. } = team;
    let stranger = Agent::with_transcript(b, NATIVE);
    stranger.start();
    stranger.turn("theirs", "f.txt", "theirs 1\n");
    stranger.turn("theirs too", "f.txt", "theirs 2\n");
    b.ask(["push", "--yes"]);
    let theirs = b.session_id();
    a.ask(["pull"]);
    (theirs, a.session_id())
}

/// Whether any object that these revisions reach holds the text.
fn holds(repo: &TestRepo, revision: &str, text: &str) -> bool {
    let objects = repo.git(["rev-list", "--objects", "--no-object-names", revision]);
    objects.lines().any(|oid| repo.git(["cat-file", "-p", oid]).contains(text))
}

#[test]
fn no_verb_gives_the_words_of_my_agent_to_a_session_that_names_it() {
    let team = Team::new();
    let a = &team.a;
    let agent = Agent::with_transcript(a, NATIVE);
    agent.start();
    agent.turn("mine", "mine.txt", "1\n");
    let (theirs, own) = pulled_with_my_id(&team);
    assert_ne!(theirs, own);
    let head = format!("refs/sessions/heads/{theirs}");
    let is_taken_up = || !a.git(["for-each-ref", &head]).is_empty();

    let refusing: &[&[&str]] = &[
        &["rewind", "code", "1", "-s", &theirs],
        &["rewind", "code", "turn:1.end", "-s", &theirs, "--all", "--dry-run"],
        &["revert", "1", "-s", &theirs, "--dry-run"],
        &["fork", "dry", "-s", &theirs, "--dry-run"],
        &["save", "", "-s", &theirs],
        &["diff", "1", "2", "-s", &theirs],
        &["show", &theirs],
        &["log", "-s", &theirs],
    ];
    let moving: &[&[&str]] = &[
        &["rewind", "code", "turn:1.end", "-s", &theirs, "--all"],
        &["redo", "-s", &theirs, "--all"],
        &["revert", "2", "-s", &theirs, "--all"],
        &["rewind", "chat", "turn:2", "-s", &theirs, "--all"],
        &["redo", "-s", &theirs, "--all"],
        &["resume", &theirs],
        &["save", "a title", "-s", &theirs],
        &["state", "set", "summary", "x", "-s", &theirs],
        &["fork", "forked", "-s", &theirs, "--no-branch"],
        &["pull"],
    ];
    for (nth, (verb, moves)) in
        refusing.iter().map(|verb| (verb, false)).chain(moving.iter().map(|verb| (verb, true))).enumerate()
    {
        // What is not stored yet when the verb runs is what it could take.
        let private = format!("PRIVATE-{nth}");
        agent.prompt(&private);
        let current = a.session_id();
        let _may_refuse = a.session(verb.iter().copied());
        if !moves {
            assert!(!is_taken_up(), "{verb:?} took the session up");
            assert_eq!(a.session_id(), current, "{verb:?} moved the default session");
        }
        a.write("mine.txt", &private);
        agent.end();
        assert!(holds(a, &format!("refs/sessions/heads/{own}"), &private), "after {verb:?} my turn is not mine");
        if is_taken_up() {
            assert!(!holds(a, &head, &private), "{verb:?} gave my words away");
        }
        for other in a.git(["for-each-ref", "--format=%(refname)", "refs/sessions/heads"]).lines() {
            let is_fork = !other.ends_with(own.as_str());
            let bound = fs::read_to_string(a.at(".git/session/native/native-a")).expect("is bound");
            assert!(bound.contains(&own) && !(is_fork && bound.contains(&other[20..])), "{verb:?}: {bound}");
        }
    }
    assert!(is_taken_up(), "verbs that do something were among them");
}

#[test]
fn without_the_note_a_pulled_record_binds_nothing() {
    let team = Team::new();
    let a = &team.a;
    let (theirs, _) = {
        a.ask(["save", "first"]);
        pulled_with_my_id(&team)
    };
    let _taken_up = a.session(["rewind", "code", "turn:1.end", "-s", &theirs, "--all"]).success();
    let before = a.git(["rev-parse", &format!("refs/sessions/heads/{theirs}")]);
    let agent = Agent::with_transcript(a, NATIVE);
    agent.start();
    agent.turn("PRIVATE", "mine.txt", "1\n");
    assert_eq!(a.git(["rev-parse", &format!("refs/sessions/heads/{theirs}")]), before);
    let own = a.session_id();
    assert_ne!(own, theirs);
    // What never left is found again by its record.
    fs::remove_dir_all(a.at(".git/session/native")).expect("removes");
    agent.turn("more", "mine.txt", "2\n");
    assert_eq!(a.session_id(), own);
    assert_eq!(a.ask(["show"])["turns"], 2);
    assert_eq!(a.git(["rev-parse", &format!("refs/sessions/heads/{theirs}")]), before);
}

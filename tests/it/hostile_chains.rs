//! A corpus of hostile sessions, made by a generator: each is refused by name, nothing moves, and the good ones beside them come.

use std::collections::BTreeMap;

use serde_json::json;

use crate::share::{Team, case};
use crate::support::stranger::{Parts, Stranger, id};

/// What is wrong with a session, what is said of it, and how it is made.
type Wrong = (&'static str, &'static str, Box<dyn Fn(&Stranger, u32, &mut Parts)>);

macro_rules! wrong {
    ($($what:literal, $said:literal, |$s:ident, $n:ident, $p:ident| $body:expr;)*) => {
        vec![$(($what, $said, Box::new(|$s: &Stranger, $n: u32, $p: &mut Parts| { let _ = ($s, $n); $body; }) as _)),*]
    };
}

fn trailer(p: &mut Parts, key: &'static str, value: &str) {
    p.trailers.push((key, Some(value.to_owned())));
}

fn record(p: &mut Parts, key: &str, value: serde_json::Value) {
    p.record.as_mut().expect("a record")[key] = value;
}

/// What trailers and parents can say.
fn of_commits() -> Vec<Wrong> {
    wrong![
        "no kind", "no trailer Kind", |s, n, p| p.trailers.push(("Kind", None));
        "no code", "no trailer Code", |s, n, p| p.trailers.push(("Code", None));
        "no number", "no trailer Checkpoint", |s, n, p| p.trailers.push(("Checkpoint", None));
        "no session", "no trailer Session", |s, n, p| p.trailers.push(("Session", None));
        "a code that is no parent", "no parent of it", |s, n, p| trailer(p, "Code", &"1".repeat(40));
        "a code that is no id", "not an id", |s, n, p| trailer(p, "Code", "HEAD");
        "a previous that is no parent", "no parent of it", |s, n, p| trailer(p, "Previous", &"2".repeat(40));
        "a previous that is no id", "not an id", |s, n, p| trailer(p, "Previous", "../../x");
        "an unknown kind", "Kind is unknown", |s, n, p| trailer(p, "Kind", "explode");
        "an unknown scope", "Scope is unknown", |s, n, p| trailer(p, "Scope", "some");
        "a session that is none", "Session is unknown", |s, n, p| trailer(p, "Session", "../x");
        "a parent session that is none", "Parent-Session is unknown", |s, n, p| trailer(p, "Parent-Session", "-x");
        "a session of another name", "it says that it is of session", |s, n, p| trailer(p, "Session", &id(999));
        "a number that is none", "not a number", |s, n, p| trailer(p, "Checkpoint", "one");
        "a number beyond numbers", "not a number", |s, n, p| trailer(p, "Checkpoint", "18446744073709551616");
        "a negative number", "not a number", |s, n, p| trailer(p, "Checkpoint", "-1");
        "number nought", "no checkpoint of a chain", |s, n, p| trailer(p, "Checkpoint", "0");
        "a chain that begins late", "begins with checkpoint 5", |s, n, p| trailer(p, "Checkpoint", "5");
        "the last number of all", "begins with", |s, n, p| trailer(p, "Checkpoint", "18446744073709551615");
        "a turn beyond turns", "too large", |s, n, p| trailer(p, "Turn", "99999999999");
        "a rewind to nowhere", "rewind without", |s, n, p| trailer(p, "Kind", "rewind");
        "a mode that is none", "Mode is unknown", |s, n, p| {
            for (key, value) in [("Kind", "rewind"), ("From", "1"), ("Target", "1"), ("Mode", "all")] { trailer(p, key, value); }
        };
        "a rewind to itself", "goes back to a checkpoint that is not before", |s, n, p| {
            for (key, value) in [("Kind", "rewind"), ("From", "1"), ("Target", "1"), ("Mode", "code")] { trailer(p, key, value); }
        };
        "a base that is no id", "not an id", |s, n, p| trailer(p, "Base", "main");
        "a base that is no parent", "Base names a commit", |s, n, p| trailer(p, "Base", &"3".repeat(40));
        "a code of two parents", "has 2 parents", |s, n, p| {
            let other = s.commit(&s.tree([]), &[], "x <x@x>", "x");
            p.code_parents.push(other);
        };
        "the same parent twice", "no checkpoint of a chain", |s, n, p| p.more_parents = vec![s.base.clone(), s.base.clone()];
        "a message without an end", "larger than any of a session", |s, n, p| p.subject = "x".repeat(2 << 20);
        "two before one", "follows checkpoint", |s, n, p| {
            let before = s.checkpoint(n, &s.parts(n));
            (p.previous, p.number) = (Some(before), 3);
        };
        "a chain of another session", "without a fork", |s, n, p| {
            let before = s.checkpoint(900, &s.parts(900));
            (p.previous, p.number) = (Some(before), 2);
        };
        "a code that does not follow", "does not follow", |s, n, p| {
            let before = s.checkpoint(n, &s.parts(n));
            p.code = Some(s.commit(&s.tree([]), std::slice::from_ref(&s.base), "x <x@x>", "x"));
            (p.previous, p.number) = (Some(before), 2);
        };
        "something bad far below", "no trailer Kind", |s, n, p| {
            let first = Parts { trailers: vec![("Kind", None)], ..s.parts(n) };
            let mut before = s.checkpoint(n, &first);
            for number in 2..6 {
                before = s.checkpoint(n, &Parts { previous: Some(before), number, ..s.parts(n) });
            }
            (p.previous, p.number) = (Some(before), 6);
        };
    ]
}

/// What records can say.
fn of_records() -> Vec<Wrong> {
    wrong![
        "no manifest", "without manifest.json", |s, n, p| p.without.push("manifest.json");
        "a manifest of another kind", "of type", |s, n, p| p.extra.push(s.file("manifest.json", r#"{"type":"x","version":1}"#));
        "a manifest from the future", "version 2", |s, n, p| p.extra.push(s.file("manifest.json", r#"{"type":"session.meta","version":2}"#));
        "a manifest that is none", "manifest.json", |s, n, p| p.extra.push(s.file("manifest.json", "no json"));
        "no session", "without session.json", |s, n, p| p.record = None;
        "a session that is none", "session.json", |s, n, p| p.extra.push(s.file("session.json", "no json"));
        "a session without an end", "larger than any record", |s, n, p| record(p, "title", json!("x".repeat(2 << 20)));
        "nesting without an end", "session.json", |s, n, p| p.extra.push(s.file("session.json", "[".repeat(100_000)));
        "a session of another id", "is that of session", |s, n, p| record(p, "id", json!(id(998)));
        "a session behind a link", "no plain file", |s, n, p| p.extra.push(("120000", b"session.json".to_vec(), s.blob("/etc/passwd")));
        "a session that is a directory", "no plain file", |s, n, p| p.extra.push(s.dir("session.json", []));
        "a program among records", "no plain file", |s, n, p| p.extra.push(("100755", b"state.json".to_vec(), s.blob("{}")));
        "an id that is an option", "cannot be an agent's id", |s, n, p| record(p, "agent", json!({"kind": "x", "native_ids": ["--yolo"]}));
        "an id that is a path", "cannot be an agent's id", |s, n, p| record(p, "agent", json!({"kind": "x", "live": "../../x"}));
        "an id of two lines", "cannot be an agent's id", |s, n, p| record(p, "agent", json!({"kind": "x", "live": "a\nb"}));
        "an id without an end", "cannot be an agent's id", |s, n, p| record(p, "agent", json!({"kind": "x", "live": "a".repeat(300)}));
        "more rows than are there", "it counts 9", |s, n, p| { record(p, "rows", json!(9)); };
        "rows beyond numbering", "it counts 70000 turns", |s, n, p| { record(p, "rows", json!(70_000)); record(p, "turns", json!(70_000)); };
        "more turns than rows", "it counts 7 turns in 1 rows", |s, n, p| record(p, "turns", json!(7));
        "tokens beyond counting", "more than can be counted", |s, n, p| record(p, "usage", json!({"input": u64::MAX, "output": u64::MAX}));
        "time beyond counting", "more than can be counted", |s, n, p| record(p, "active_ms", json!(u64::MAX));
        "a row that is none", "a turn row", |s, n, p| p.rows = vec![b"no json".to_vec()];
        "a row that ends before it begins", "cannot be", |s, n, p| {
            let mut row: serde_json::Value = serde_json::from_slice(&p.rows[0]).expect("reads");
            (row["start"], row["end"]) = (json!(9), json!(1));
            p.rows = vec![row.to_string().into_bytes()];
        };
        "a row with tokens beyond counting", "cannot be", |s, n, p| {
            let mut row: serde_json::Value = serde_json::from_slice(&p.rows[0]).expect("reads");
            row["tokens"]["output"] = json!(u64::MAX);
            p.rows = vec![row.to_string().into_bytes()];
        };
        "a row without an end", "larger than any row", |s, n, p| p.rows = vec![vec![b' '; 2 << 20]];
        "one row a thousand times", "its records have", |s, n, p| {
            let row = vec![b' '; 1 << 20];
            p.rows = vec![row; 100];
            record(p, "rows", json!(100));
        };
        "rows that are not numbered", "not numbered", |s, n, p| {
            let row = s.file("07", &p.rows[0]);
            p.extra.push(s.dir("turns", [s.dir("00", [row])]));
        };
        "turns that are a file", "no directory", |s, n, p| p.extra.push(s.file("turns", "x"));
        "a transcript of another length", "has 53 bytes and not", |s, n, p| {
            p.pieces = vec![vec![b'x'; 53]];
        };
        "a transcript that lacks pieces", "lacks pieces", |s, n, p| {
            p.record.as_mut().expect("a record")["streams"][0]["pieces"] = json!(5);
        };
        "a transcript sealed beyond its end", "is miscounted", |s, n, p| {
            p.record.as_mut().expect("a record")["streams"][0]["sealed"] = json!(5);
        };
        "one piece a thousand times", "its transcripts have", |s, n, p| {
            p.pieces = vec![vec![b'x'; 8 << 20]; 70];
        };
        "a transcript that is a file", "no directory", |s, n, p| p.extra.push(s.file("chat", "x"));
        "a state that is none", "state.json", |s, n, p| p.extra.push(s.file("state.json", "no json"));
        "a state of other types", "state.json", |s, n, p| p.extra.push(s.file("state.json", r#"{"state":[1],"set":{},"derived":{}}"#));
        "a state whose lists are none", "state.json", |s, n, p| {
            p.extra.push(s.file("state.json", r#"{"state":{"todos":"x"},"set":{},"derived":{}}"#));
        };
        "skipped paths that are none", "skipped.json", |s, n, p| p.extra.push(s.file("skipped.json", r#"{"paths":7}"#));
        "skipped paths outside", "skipped.json", |s, n, p| p.extra.push(s.file("skipped.json", r#"{"only":["../x"]}"#));
        "modes of other types", "modes", |s, n, p| p.extra.push(s.file("modes", r#"{"umask":18,"paths":[]}"#));
        "modes outside", "modes", |s, n, p| p.extra.push(s.file("modes", r#"{"umask":"0022","paths":{"/etc/passwd":"0666"}}"#));
        "modes behind a link", "no plain file", |s, n, p| p.extra.push(("120000", b"modes".to_vec(), s.blob("/etc/passwd")));
        "an index that is a file", "no directory", |s, n, p| p.extra.push(s.file("index", "x"));
        "an index with .git", "holds the name", |s, n, p| p.extra.push(s.dir("index", [s.dir(".git", [s.file("config", "x")])]));
        "a conflict outside", "holds the name", |s, n, p| p.extra.push(s.dir("index-conflicts", [s.dir("1", [s.dir("..", [s.file("x", "x")])])]));
    ]
}

/// What trees of code can hold.
fn of_code() -> Vec<Wrong> {
    wrong![
        "a .git", "holds the name", |s, n, p| p.files.push(s.dir(".git", [s.file("config", "x")]));
        "a .GIT", "holds the name", |s, n, p| p.files.push(s.dir(".GIT", [s.file("config", "x")]));
        "a short name of .git", "holds the name", |s, n, p| p.files.push(s.file("GIT~1", "x"));
        "a .git that looks otherwise", "holds the name", |s, n, p| p.files.push(s.file(".g\u{200c}it", "x"));
        "a .git with a blank", "holds the name", |s, n, p| p.files.push(s.file(".git ", "x"));
        "a directory above", "holds the name", |s, n, p| p.files.push(s.dir("..", [s.file("x", "x")]));
        "a directory of its own", "holds the name", |s, n, p| p.files.push(s.dir(".", [s.file("x", "x")]));
        "a path as a name", "holds the name", |s, n, p| p.files.push(s.file("a/../../x", "x"));
        "an absolute name", "holds the name", |s, n, p| p.files.push(s.file("/etc/passwd", "x"));
        "a .git deep within", "holds the name", |s, n, p| p.files.push(s.dir("a", [s.dir("b", [s.dir(".git", [s.file("HEAD", "x")])])]));
        "a name twice", "twice", |s, n, p| p.files.extend([s.file("b", "1"), s.file("b", "2")]);
        "a file and a directory of one name", "twice", |s, n, p| p.files.extend([s.file("b", "1"), s.dir("b", [s.file("c", "2")])]);
        "a link and a directory of one name", "twice", |s, n, p| {
            p.files.extend([("120000", b"b".to_vec(), s.blob("/etc")), s.dir("b", [s.file("passwd", "x")])]);
        };
        "a name that no disk takes", "holds the name", |s, n, p| p.files.push(s.file("x".repeat(256), "x"));
        "directories without an end", "deeper than any path", |s, n, p| p.files.push(s.nested(1_500, "d"));
        "a path that no system takes", "holds a path of", |s, n, p| p.files.push(s.nested(30, &"x".repeat(200)));
        "more files than any disk", "holds more than", |s, n, p| {
            let mut inner = s.tree((0..100).map(|i| s.file(format!("{i}"), "x")));
            for _ in 0..4 {
                inner = s.tree((0..20).map(|i| ("40000", format!("{i}").into_bytes(), inner.clone())));
            }
            p.files.push(("40000", b"bomb".to_vec(), inner));
        };
        "links of modules", "symbolic link", |s, n, p| p.files.push(("120000", b".gitmodules".to_vec(), s.blob("/etc/hostname")));
        "links of modules, deep within", "symbolic link", |s, n, p| {
            p.files.push(s.dir("a", [("120000", b".GitModules".to_vec(), s.blob("/etc/hostname"))]));
        };
    ]
}

#[test]
fn every_hostile_session_is_refused_by_name_and_moves_nothing_while_good_ones_come() {
    let team = Team::new();
    let (a, b) = (&team.a, &team.b);
    let stranger = Stranger::new(&team.remote, &a.git(["rev-parse", "main"]));
    let corpus: Vec<Wrong> = of_commits().into_iter().chain(of_records()).chain(of_code()).collect();
    assert!(corpus.len() >= 60, "{}", corpus.len());
    let mut wanted = BTreeMap::new();
    for (n, (what, said, make)) in (1..).zip(&corpus) {
        let mut parts = stranger.parts(n);
        make(&stranger, n, &mut parts);
        stranger.push(n, &parts);
        wanted.insert(id(n), (*what, *said));
    }
    // Refs at what is no commit.
    stranger.point(801, &stranger.blob("x"));
    stranger.point(802, &stranger.tree([]));
    let good = stranger.push(800, &stranger.parts(800)).0;
    stranger.point(803, &stranger.tag(&good));
    let (files, refs) = (b.listing(), b.all_refs());
    let out = b.session(["--json", "pull"]);
    assert_eq!(out.code, Some(7), "{out}");
    let pulled = out.json();
    let rows = pulled["sessions"].as_array().expect("a list");
    for (id, (what, said)) in &wanted {
        let row = rows.iter().find(|row| row["id"] == id.as_str()).unwrap_or_else(|| panic!("{what} is not told"));
        let problem = row["problem"].as_str().unwrap_or_default();
        assert!(row["case"] == "quarantined" && problem.contains(said), "{what}: {row}");
        assert!(problem.len() < 400, "{what}: {problem}");
    }
    for n in [801, 802, 803] {
        assert_eq!(case(&pulled, &id(n)), "quarantined");
    }
    assert_eq!(case(&pulled, &id(800)), "new");
    assert_eq!(b.listing(), files, "no file moved");
    let new = format!("refs/sessions/remotes/origin/heads/{}", id(800));
    let all = b.all_refs();
    let moved: Vec<&str> = all.lines().filter(|line| !refs.lines().any(|before| before == *line)).collect();
    assert!(moved.len() == 1 && moved[0].contains(&new), "{moved:?}");
    assert_eq!(b.ask(["list"])["sessions"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_session_whose_objects_are_no_objects_keeps_no_other_away() {
    let team = Team::new();
    let stranger = Stranger::new(&team.remote, &team.a.git(["rev-parse", "main"]));
    let a_tree = stranger.tree([stranger.file("x", "y")]);
    let mut parts = stranger.parts(1);
    parts.files.push(("100644", b"b.txt".to_vec(), a_tree));
    stranger.push(1, &parts);
    let mut parts = stranger.parts(2);
    parts.code = Some(stranger.blob("no commit"));
    stranger.push(2, &parts);
    for n in 3..9 {
        stranger.push(n, &stranger.parts(n));
    }
    let refs = team.b.all_refs();
    let out = team.b.session(["--json", "pull"]);
    let pulled = out.json();
    for n in [1, 2] {
        assert_eq!(case(&pulled, &id(n)), "quarantined", "{pulled}");
    }
    for n in 3..9 {
        assert_eq!(case(&pulled, &id(n)), "new", "{pulled}");
    }
    assert_eq!(team.b.all_refs().lines().count(), refs.lines().count() + 6);
}

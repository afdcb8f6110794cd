//! The judge of what was pulled, in this process: it ends whatever it is given, what it takes can be read by all readers, and each
//! checkpoint is judged once.
//!
//! Random mutations run a moment; `SESSION_FUZZ_SECONDS=600 cargo test --test it judged` runs them for ten minutes.

use std::time::{Duration, Instant};

use git_session::base::SessionId;
use git_session::engine::history::History;
use git_session::engine::received::{Chain, Judge};
use git_session::engine::{layout, store};
use git_session::git::{Oid, Repo, RepoEnv};
use serde_json::{Value, json};

use crate::support::repo::TestRepo;
use crate::support::stranger::{Parts, Stranger, id};

/// Random numbers that repeat.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (n.max(1) as u64)).expect("fits")
    }

    /// Bytes with some of them changed, cut off or repeated.
    fn bytes(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            match self.below(4) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at.min(bytes.len()), u8::try_from(self.below(256)).expect("a byte")),
                2 => bytes.extend_from_within(at.min(bytes.len())..),
                _ => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 1 << self.below(8);
                    }
                }
            }
        }
        bytes
    }

    /// Another value in the place of one somewhere in this.
    fn value(&mut self, value: &mut Value) {
        let inner = match value {
            Value::Object(map) if !map.is_empty() && self.below(3) > 0 => {
                let n = self.below(map.len());
                map.values_mut().nth(n)
            }
            Value::Array(list) if !list.is_empty() && self.below(3) > 0 => {
                let n = self.below(list.len());
                list.get_mut(n)
            }
            _ => None,
        };
        if let Some(inner) = inner {
            self.value(inner);
            return;
        }
        let others = [
            json!(null),
            json!(-1),
            json!(0),
            json!(u64::MAX),
            json!(1e300),
            json!(""),
            json!("\u{1b}]0;x\u{7}"),
            json!("../../x"),
            json!([]),
            json!({}),
            json!(true),
            json!("x".repeat(300)),
            json!([[[[1]]]]),
            json!("9999-99-99T99:99:99Z"),
            json!("+262000-01-01T00:00:00Z"),
        ];
        *value = others[self.below(others.len())].clone();
    }
}

fn mutate(random: &mut Random, stranger: &Stranger, parts: &mut Parts) {
    let names = ["session.json", "state.json", "skipped.json", "modes", "manifest.json", "memory.md", "later.json"];
    for _ in 0..=random.below(2) {
        match random.below(9) {
            0 => random.value(parts.record.as_mut().expect("a record")),
            1 => {
                let mut row: Value = serde_json::from_slice(&parts.rows[0]).unwrap_or_default();
                random.value(&mut row);
                parts.rows[0] = row.to_string().into_bytes();
            }
            2 => parts.pieces[0] = random.bytes(parts.pieces[0].clone()),
            3 => parts.rows[0] = random.bytes(parts.rows[0].clone()),
            4 => {
                let text = parts.record.as_ref().expect("a record").to_string().into_bytes();
                parts.extra.push(stranger.file("session.json", random.bytes(text)));
            }
            5 => {
                let mut state = json!({"state": {"objectives": {"primary": "x"}, "todos": ["y"], "errors": {"unresolved": []}}, "set": {}, "derived": {}});
                random.value(&mut state);
                parts.extra.push(stranger.file("state.json", state.to_string()));
            }
            6 => {
                let mut modes = json!({"umask": "0022", "paths": {"a.txt": "0600"}});
                random.value(&mut modes);
                parts.extra.push(stranger.file("modes", modes.to_string()));
            }
            7 => {
                let mode = ["100644", "100755", "120000", "160000", "40000", "100664", "0"][random.below(7)];
                let name = names[random.below(names.len())].as_bytes().to_vec();
                let name = if random.below(2) == 0 { name } else { random.bytes(name) };
                let entry = (mode, name, stranger.blob("{}"));
                if random.below(2) == 0 { parts.extra.push(entry) } else { parts.files.push(entry) }
            }
            _ => {
                let keys = [
                    "Kind",
                    "Checkpoint",
                    "Turn",
                    "Scope",
                    "Base",
                    "Head",
                    "Mode",
                    "From",
                    "Target",
                    "Session",
                    "Parent-Session",
                ];
                let values = ["", "0", "-1", "18446744073709551615", "rewind", "fork", "full", "x\u{1b}", "code"];
                parts
                    .trailers
                    .push((keys[random.below(keys.len())], Some(values[random.below(values.len())].to_owned())));
            }
        }
    }
}

#[test]
fn what_is_taken_can_be_read_by_all_readers_whatever_was_changed_in_it() {
    let test = TestRepo::new();
    let stranger = Stranger::new(&test.at(".git"), &test.git(["rev-parse", "HEAD"]));
    let repo = Repo::discover(test.path(), &RepoEnv::default()).expect("opens");
    let session = SessionId::parse(&id(1)).expect("an id");
    let seconds = std::env::var_os("SESSION_FUZZ_SECONDS").and_then(|s| s.to_str()?.parse().ok());
    let (end, least) = (seconds.map(|s| Instant::now() + Duration::from_secs(s)), 300);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut taken, mut round) = (0, 0);
    while round < least || end.is_some_and(|end| Instant::now() < end) {
        round += 1;
        let mut parts = stranger.parts(1);
        mutate(&mut random, &stranger, &mut parts);
        let tip = Oid::parse(&stranger.checkpoint(1, &parts).0).expect("an id");
        if Judge::new(&repo, []).chain(session, tip).is_err() {
            continue;
        }
        taken += 1;
        let about = |e: &dyn std::fmt::Display| format!("round {round}, {tip}: {e}");
        let loaded = store::load(&repo, tip).unwrap_or_else(|e| panic!("{}", about(&e)));
        let tree = loaded.checkpoint.meta_tree;
        let read = || -> git_session::engine::Result<()> {
            History::load(&repo, tip)?;
            layout::read_rows(&repo.objects, tree, &loaded.session, 0)?;
            layout::read_skipped(&repo.objects, tree)?;
            layout::read_modes(&repo.objects, tree)?.bits();
            layout::read_state(&repo.objects, tree)?;
            loaded.session.streams.iter().try_for_each(|s| layout::read_stream(&repo.objects, tree, s).map(drop))?;
            git_session::git::tree::diff(&repo.objects, repo.objects.format().empty_tree(), loaded.code_tree)?;
            Ok(())
        };
        read().unwrap_or_else(|e| panic!("{}", about(&e)));
    }
    assert!(taken > round / 20, "{taken} of {round} were taken: the others hide what readers do");
}

#[test]
fn a_chain_is_judged_once_however_many_sessions_are_forked_from_it() {
    const LENGTH: u64 = 200;
    const FORKS: u32 = 40;
    let test = TestRepo::new();
    let stranger = Stranger::new(&test.at(".git"), &test.git(["rev-parse", "HEAD"]));
    let session = |n| SessionId::parse(&id(n)).expect("an id");
    let mut last = None;
    for number in 1..=LENGTH {
        last = Some(stranger.checkpoint(1, &Parts { previous: last.take(), number, ..stranger.parts(1) }));
    }
    let last = last.expect("a chain");
    let forks: Vec<(SessionId, Oid)> = (2..2 + FORKS)
        .map(|n| {
            let trailers = vec![("Kind", Some("fork".to_owned())), ("Parent-Session", Some(id(1)))];
            let fork = Parts { previous: Some(last.clone()), number: LENGTH + 1, trailers, ..stranger.parts(n) };
            (session(n), Oid::parse(&stranger.checkpoint(n, &fork).0).expect("an id"))
        })
        .collect();
    let tip = Oid::parse(&last.0).expect("an id");
    let open = || Repo::discover(test.path(), &RepoEnv::default()).expect("opens");
    // In one pull, in whatever order they come; and where the chain was pulled before.
    for (known, new) in [(vec![], LENGTH + 1), (vec![(session(1), tip)], 1)] {
        let repo = open();
        let mut judge = Judge::new(&repo, known);
        let first = judge.chain(forks[0].0, forks[0].1).expect("is good");
        assert_eq!(first.new as u64, new);
        let reads = repo.objects.cost().reads;
        for (id, fork) in &forks[1..] {
            assert_eq!(judge.chain(*id, *fork), Ok(Chain { new: 1, met: Some(tip) }));
        }
        let each = (repo.objects.cost().reads - reads) / u64::from(FORKS - 1);
        assert!(each < 40, "{each} objects for one checkpoint");
    }
    // A fault far below is found once, too.
    let bad = Parts { trailers: vec![("Kind", None)], ..stranger.parts(1) };
    let mut last = stranger.checkpoint(1, &bad);
    for number in 2..=LENGTH {
        last = stranger.checkpoint(1, &Parts { previous: Some(last), number, ..stranger.parts(1) });
    }
    let repo = open();
    let mut judge = Judge::new(&repo, []);
    let mut before = 0;
    for n in 2..10 {
        let trailers = vec![("Kind", Some("fork".to_owned())), ("Parent-Session", Some(id(1)))];
        let fork = Parts { previous: Some(last.clone()), number: LENGTH + 1, trailers, ..stranger.parts(n) };
        let fork = Oid::parse(&stranger.checkpoint(n, &fork).0).expect("an id");
        assert!(judge.chain(session(n), fork).expect_err("is bad").problem.contains("no trailer Kind"));
        let reads = repo.objects.cost().reads;
        assert!(n == 2 || reads - before < 40, "{}", reads - before);
        before = reads;
    }
}

//! What the hooks of a turn ask of the object store: as much after many turns as after a few.

use std::fs;
use std::io::Write as _;

use git_session::agents::{Event, HookInput};
use git_session::base::progress::Silent;
use git_session::cli::{Env, context};
use git_session::engine::layout;
use git_session::git::objects::Cost;
use git_session::ops::hook::{self, Outcome};
use git_session::ops::{Caller, find};

use crate::support::repo::TestRepo;

const NATIVE: &str = "5a4c1de2-8a53-4f9f-9c49-6a3c7a111111";

/// An agent at work in a repository.
struct Agent {
    repo: TestRepo,
}

impl Agent {
    fn new() -> Self {
        let repo = TestRepo::new();
        for n in 0..30 {
            repo.write(format!("src/part{}/file{n}", n % 5), format!("first {n}\n"));
        }
        repo.commit("files");
        Self { repo }
    }

    fn open(&self) -> git_session::ops::App<'static> {
        let home = self.repo.sandbox.home();
        let set = [("HOME", home.as_os_str()), ("GIT_CONFIG_GLOBAL", "/dev/null".as_ref())];
        let env = Env::from_pairs(self.repo.path(), set).expect("an environment");
        let repo = context::repo_env(&env);
        context::open(&env, self.repo.path(), &repo, Caller::Hook, &Silent).expect("opens")
    }

    fn hook(&self, event: Event) -> (Cost, Outcome) {
        let app = self.open();
        let input = HookInput {
            native_id: NATIVE.to_owned(),
            cwd: self.repo.path().to_owned(),
            transcript: Some(self.repo.sandbox.path().join("transcript.jsonl")),
            prompt_key: None,
            mode: None,
            agent: None,
            pid: None,
            in_subagent: false,
            event,
        };
        let outcome = hook::run(&app, "claude-code", &input).expect("the hook works");
        (app.repo.objects.cost(), outcome)
    }

    /// The transcript grows by the two records of a turn, which used `n` tokens of output.
    fn transcribe(&self, n: u32, prompt: &str) {
        let path = self.repo.sandbox.path().join("transcript.jsonl");
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path).expect("opens");
        let padding = "x".repeat(8 * 1024);
        let record = |n: u32| format!("{n:08x}-0000-4000-8000-000000000000");
        let parent = if n == 1 { None } else { Some(record(2 * n - 1)) };
        let (user, assistant) = (record(2 * n), record(2 * n + 1));
        let asked = serde_json::json!({
            "type": "user", "uuid": user, "parentUuid": parent, "sessionId": NATIVE, "padding": padding,
            "message": {"role": "user", "content": prompt},
        });
        let usage = serde_json::json!({"input_tokens": 1, "output_tokens": n});
        let answered = serde_json::json!({
            "type": "assistant", "uuid": assistant, "parentUuid": user, "sessionId": NATIVE, "padding": padding,
            "message": {"id": format!("m{n}"), "role": "assistant", "usage": usage,
                "content": [{"type": "text", "text": "done"}]},
        });
        writeln!(file, "{asked}\n{answered}").expect("writes");
    }

    /// Plays a turn that changes one file; what its prompt and its end cost.
    fn turn(&self, n: u32) -> (Cost, Cost) {
        let text = format!("do {n}");
        let prompt = self.hook(Event::Prompt { text: text.clone() });
        self.transcribe(n, &text);
        self.repo.write("src/part1/file1", text);
        let end = self.hook(Event::TurnEnd { last_message: None });
        for (at, (_, outcome)) in [&prompt, &end].into_iter().enumerate() {
            let number = 2 * u64::from(n) - 1 + at as u64;
            assert!(matches!(outcome, Outcome::Saved { checkpoint, .. } if *checkpoint == number), "{outcome:?}");
        }
        (prompt.0, end.0)
    }
}

#[test]
fn a_hook_costs_the_same_after_many_turns() {
    let agent = Agent::new();
    // By then the part of the transcript that is compared, and the folders of rows and pieces, have their full size.
    let early = (1..=15).map(|n| agent.turn(n)).last().expect("turns");
    let late = (16..=60).map(|n| agent.turn(n)).last().expect("turns");
    for (early, late) in [(early.0, late.0), (early.1, late.1)] {
        assert!(late.reads <= early.reads && late.writes <= early.writes, "{early:?}, then {late:?}");
    }
    // A blob and three trees of the file, a piece, its two folders and their folder, a row and its two folders, the
    // record, the umask, the session tree, two commits.
    assert!(late.1.writes <= 16, "{late:?}");
}

#[test]
fn turns_are_counted_from_the_last_rows_as_from_all() {
    let agent = Agent::new();
    for n in 1..=7 {
        agent.turn(n);
    }
    let app = agent.open();
    let tip = find::session(&app, None).expect("a session");
    let (objects, tree) = (&app.repo.objects, tip.checkpoint.meta_tree);
    let rows = layout::read_rows(objects, tree, &tip.session, 0).expect("reads");
    assert_eq!(rows.iter().map(|r| r.turn).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(rows.iter().map(|r| r.tokens.output).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
    assert!(rows.iter().all(|r| r.checkpoints.len() == 2 && r.end.is_some()), "{rows:?}");
    assert_eq!((tip.session.rows, tip.session.turns, tip.session.usage.output), (7, 7, 28));
}

//! Random lives of several agents and a person in one worktree, against a model that knows who wrote what: nothing that
//! somebody else wrote is taken back without a choice. How often one is asked about what is one's own is printed.
//!
//! Two kinds of lives: several agents under a clock that advances with each step, and one agent that is interrupted, under the
//! clock of the file system, by whose times it is told who changed a file after the agent's last sign of life.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;

use git_session::agents::{AgentEnv, Event, HookInput};
use git_session::base::progress::Silent;
use git_session::base::{Clock, IdSource, SessionId, Timestamp};
use git_session::git::Repo;
use git_session::git::repo::RepoEnv;
use git_session::model::Mode;
use git_session::ops::choice::Foreign;
use git_session::ops::moving::Terms;
use git_session::ops::{App, Caller, find, hook, rewind, save};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::support::repo::TestRepo;

#[derive(Clone, Debug)]
enum Step {
    Prompt(usize),
    /// By the agent's shell: nobody tells. Without a content the file goes.
    Shell(usize, usize, bool),
    /// By a tool that names the file.
    Tool(usize, usize),
    End(usize),
    /// No event; the agent rests.
    Interrupt(usize),
    /// A Stop of a prompt that was never told.
    ShellLine(usize),
    Leave(usize),
    Person(usize, bool),
    /// By the person, in the session without an agent, or in that of an agent.
    Save(Option<usize>),
    /// Of a session (the last is the person's) to the checkpoint at that place; all of it, or only what is its own.
    Rewind(usize, usize, bool),
}

const PATHS: [&str; 4] = ["a", "b", "d/c", "d/e"];
const AGENTS: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Writer {
    Agent(usize),
    Person,
}

type Writers = BTreeMap<&'static str, Vec<Writer>>;

#[derive(Default)]
struct Actor {
    /// Its turn is open, as far as anybody was told.
    open: bool,
    /// It is at work.
    works: bool,
    id: Option<SessionId>,
    key: u32,
}

struct World {
    repo: TestRepo,
    by_files: bool,
    steps: Cell<i64>,
    agents: Vec<Actor>,
    person: SessionId,
    /// Who wrote each path, since the beginning.
    writers: Writers,
    /// The same, when each checkpoint was made.
    then: BTreeMap<(SessionId, u64), Writers>,
    count: u32,
}

/// Own changes, and those of them about which was asked.
#[derive(Clone, Copy, Default)]
struct Asked {
    own: u32,
    needless: u32,
    foreign: u32,
}

impl World {
    fn new(by_files: bool) -> Self {
        let repo = TestRepo::new();
        for path in PATHS {
            repo.write(path, "first");
        }
        repo.git(["add", "--all"]);
        repo.git(["commit", "--quiet", "--message=files"]);
        let agents = (0..if by_files { 1 } else { AGENTS }).map(|_| Actor::default()).collect();
        let mut world = Self {
            repo,
            by_files,
            steps: Cell::new(0),
            agents,
            person: SessionId::parse("00000000-0000-4000-8000-000000000000").expect("an id"),
            writers: Writers::new(),
            then: BTreeMap::new(),
            count: 0,
        };
        world.person = save::run(&world.app(Caller::Explicit), &save::Options::default()).expect("saves").session;
        world.remember(world.person);
        world
    }

    fn app(&self, caller: Caller) -> App<'static> {
        let home = self.repo.sandbox.home();
        let env = RepoEnv { home: Some(home.clone()), ..RepoEnv::isolated(&home) };
        let clock = if self.by_files {
            Clock::System
        } else {
            self.steps.set(self.steps.get() + 3);
            Clock::Fixed(Timestamp::from_seconds(1_767_323_045 + self.steps.get()))
        };
        App {
            repo: Repo::discover(self.repo.path(), &env).expect("opens"),
            clock,
            ids: IdSource::Random,
            cwd: self.repo.path().to_owned(),
            home: Some(home.clone()),
            agent_env: AgentEnv { home: Some(home), ..AgentEnv::default() },
            agent_session: None,
            program: "session".into(),
            progress: &Silent,
            caller,
        }
    }

    /// The file system's clock is past this moment: what is written from now on is later.
    fn pass(&self) {
        let file = self.repo.sandbox.path().join("tmp/clock");
        let millis = |m: &fs::Metadata| m.ctime() * 1000 + m.ctime_nsec() / 1_000_000;
        let now = self.app(Caller::Hook).now().millis();
        if !self.by_files {
            return;
        }
        loop {
            fs::write(&file, "x").expect("writes");
            if millis(&fs::metadata(&file).expect("there")) > now {
                break;
            }
        }
    }

    fn tell(&mut self, agent: usize, key: Option<u32>, event: Event) {
        let native = format!("agent-{agent}");
        let input = HookInput {
            native_id: native.clone(),
            cwd: self.repo.path().to_owned(),
            transcript: None,
            prompt_key: key.map(|key| format!("key-{key}")),
            mode: None,
            agent: None,
            pid: None,
            in_subagent: false,
            event,
        };
        self.pass();
        hook::run(&self.app(Caller::Hook), "generic", &input).expect("the hook works");
        if let Some(id) = find::by_native(&self.app(Caller::Hook), &native).expect("reads") {
            self.agents[agent].id = Some(id);
            self.remember(id);
        }
        self.pass();
    }

    fn tip(&self, id: SessionId) -> Option<u64> {
        find::load(&self.app(Caller::Explicit), id).ok().map(|tip| tip.checkpoint.number)
    }

    fn remember(&mut self, id: SessionId) {
        if let Some(number) = self.tip(id) {
            for number in (1..=number).rev() {
                if self.then.contains_key(&(id, number)) {
                    break;
                }
                self.then.insert((id, number), self.writers.clone());
            }
        }
    }

    fn write(&mut self, who: Writer, path: usize, goes: bool) {
        let path = PATHS[path];
        if goes {
            if !self.repo.at(path).exists() {
                return;
            }
            self.repo.remove(path);
        } else {
            self.count += 1;
            self.repo.write(path, format!("write {}", self.count));
        }
        self.writers.entry(path).or_default().push(who);
    }

    fn take(&mut self, step: &Step, asked: &mut Asked) {
        let agent = |at: usize| at % self.agents.len();
        match *step {
            Step::Prompt(at) => {
                let at = agent(at);
                self.count += 1;
                let key = self.count;
                self.tell(at, Some(key), Event::Prompt { text: "x".to_owned() });
                let actor = &mut self.agents[at];
                (actor.open, actor.works, actor.key) = (true, true, key);
            }
            Step::Shell(at, path, goes) if self.agents[agent(at)].works => {
                self.write(Writer::Agent(agent(at)), path, goes);
            }
            Step::Tool(at, path) if self.agents[agent(at)].works => {
                let at = agent(at);
                self.write(Writer::Agent(at), path, false);
                let paths = vec![PATHS[path].into()];
                self.tell(at, None, Event::Tool { name: "write".to_owned(), paths, failed: false });
            }
            Step::End(at) if self.agents[agent(at)].works => {
                let at = agent(at);
                let key = self.agents[at].key;
                self.tell(at, Some(key), Event::TurnEnd { last_message: None });
                (self.agents[at].open, self.agents[at].works) = (false, false);
            }
            Step::Interrupt(at) => {
                let at = agent(at);
                // Its last record, which here a tool's event stands for, is the last sign of it.
                self.agents[at].works = false;
                self.pass();
            }
            Step::ShellLine(at) if self.agents[agent(at)].id.is_some() && !self.agents[agent(at)].works => {
                let at = agent(at);
                self.count += 1;
                let key = self.count;
                self.tell(at, Some(key), Event::TurnEnd { last_message: None });
                self.agents[at].open = false;
            }
            Step::Leave(at) if self.agents[agent(at)].id.is_some() => {
                let at = agent(at);
                self.tell(at, None, Event::SessionEnd { cleared: false });
                (self.agents[at].open, self.agents[at].works) = (false, false);
            }
            // What a person does while an agent works cannot be told apart from what that does.
            Step::Person(path, goes) => {
                let busy = |actor: &Actor| if self.by_files { actor.works } else { actor.open };
                if !self.agents.iter().any(busy) {
                    self.write(Writer::Person, path, goes);
                }
            }
            Step::Save(at) => {
                let id = at.and_then(|at| self.agents[agent(at)].id).unwrap_or(self.person);
                let options = save::Options { session: Some(id.to_string()), ..save::Options::default() };
                save::run(&self.app(Caller::Explicit), &options).expect("saves");
                self.remember(id);
            }
            Step::Rewind(at, place, all) => self.rewind(at, place, all, asked),
            _ => {}
        }
    }

    fn rewind(&mut self, at: usize, place: usize, all: bool, asked: &mut Asked) {
        let at = at % (self.agents.len() + 1);
        let own = self.agents.get(at).map_or(Writer::Person, |_| Writer::Agent(at));
        let Some(id) = self.agents.get(at).map_or(Some(self.person), |actor| actor.id) else { return };
        let Some(tip) = self.tip(id) else { return };
        let target = place as u64 % tip + 1;
        let go = |world: &Self, foreign: Foreign, dry_run: bool| {
            let terms = Terms { session: Some(id.to_string()), dry_run, foreign, ..Terms::default() };
            let options = rewind::Options { mode: Mode::Code, target: Some(target.to_string()), step: false, terms };
            rewind::run(&world.app(Caller::Explicit), &options)
        };
        let plan = go(self, Foreign::Ask, true).expect("a dry run changes nothing");
        let files = &plan.files;
        let moves = files.written.iter().chain(&files.deleted).chain(&files.modes);
        let moves: BTreeSet<String> = moves.map(ToString::to_string).collect();
        let foreign: BTreeSet<String> = plan.foreign.iter().map(ToString::to_string).collect();
        let before = self.then.get(&(id, target)).cloned().unwrap_or_default();
        for path in PATHS.into_iter().filter(|path| moves.contains(*path)) {
            let wrote = self.writers.get(path).map_or(&[][..], Vec::as_slice);
            let known = before.get(path).map_or(0, Vec::len);
            let since = wrote.get(known.min(wrote.len())..).unwrap_or_default();
            let is_all_own = since.iter().all(|writer| *writer == own);
            if foreign.contains(path) {
                asked.own += u32::from(is_all_own);
                asked.needless += u32::from(is_all_own);
                asked.foreign += u32::from(!is_all_own);
            } else {
                asked.own += 1;
                let last = wrote.last();
                assert!(
                    last.is_none_or(|last| *last == own),
                    "{path} of {last:?} would go unasked in a rewind of {own:?} to {target} of {tip}; it was written by {wrote:?}"
                );
            }
        }
        if !all && !foreign.is_empty() {
            let disk = PATHS.map(|path| fs::read(self.repo.at(path)).ok());
            assert_eq!(go(self, Foreign::Ask, false).expect_err("asks").code, "rewind.foreign");
            assert_eq!(PATHS.map(|path| fs::read(self.repo.at(path)).ok()), disk, "nothing was changed");
        }
        let disk = PATHS.map(|path| fs::read(self.repo.at(path)).ok());
        let outcome = go(self, if all { Foreign::All } else { Foreign::Mine }, false);
        if let Err(failure) = &outcome {
            assert_eq!(failure.code, "rewind.nothing", "{failure}");
        }
        // The safety checkpoint holds what was there; what went back is again of whom it was then.
        if let Ok(Some(from)) = outcome.map(|outcome| outcome.from) {
            self.then.entry((id, from)).or_insert_with(|| self.writers.clone());
        }
        for (path, was) in PATHS.into_iter().zip(disk) {
            if fs::read(self.repo.at(path)).ok() != was {
                self.writers.insert(path, before.get(path).cloned().unwrap_or_default());
            }
        }
        self.remember(id);
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (agent, path) = (|| 0..AGENTS, || 0..PATHS.len());
    let step = prop_oneof![
        8 => agent().prop_map(Step::Prompt),
        10 => (agent(), path(), prop::bool::weighted(0.2)).prop_map(|(at, path, goes)| Step::Shell(at, path, goes)),
        5 => (agent(), path()).prop_map(|(at, path)| Step::Tool(at, path)),
        7 => agent().prop_map(Step::End),
        2 => agent().prop_map(Step::Interrupt),
        2 => agent().prop_map(Step::ShellLine),
        1 => agent().prop_map(Step::Leave),
        6 => (path(), prop::bool::weighted(0.2)).prop_map(|(path, goes)| Step::Person(path, goes)),
        3 => prop::option::of(agent()).prop_map(Step::Save),
        5 => (0..=AGENTS, 0..64_usize, prop::bool::weighted(0.2)).prop_map(|(at, place, all)| Step::Rewind(at, place, all)),
    ];
    prop::collection::vec(step, 8..50)
}

fn live(steps: &[Step], by_files: bool) -> Asked {
    let mut asked = Asked::default();
    let mut world = World::new(by_files);
    for step in steps {
        world.take(step, &mut asked);
    }
    // Every session goes back to where it began.
    for at in 0..=world.agents.len() {
        world.rewind(at, 0, false, &mut asked);
    }
    asked
}

fn lives(by_files: bool) {
    let cases = if std::env::var_os("SESSION_TEST_THOROUGH").is_some() { 1000 } else { 24 };
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 300, ..Config::default() };
    // The same lives in every run, unless more of them are asked for.
    let mut runner = if cases > 100 {
        TestRunner::new(config)
    } else {
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
    };
    let total = Cell::new(Asked::default());
    let run = runner.run(&steps(), |steps| {
        let (asked, so_far) = (live(&steps, by_files), total.get());
        total.set(Asked {
            own: so_far.own + asked.own,
            needless: so_far.needless + asked.needless,
            foreign: so_far.foreign + asked.foreign,
        });
        Ok(())
    });
    if let Err(failure) = run {
        panic!("{failure}");
    }
    let Asked { own, needless, foreign } = total.get();
    let share = f64::from(needless) / f64::from(own.max(1)) * 100.0;
    let line = format!(
        "{cases} lives: of {own} own changes {needless} ask needlessly ({share:.1} %); of others' {foreign} ask, none went unasked\n"
    );
    std::io::stderr().write_all(line.as_bytes()).expect("writes to standard error");
    assert!(own > needless && foreign > 0, "the lives say something");
}

#[test]
fn whoever_works_here_nothing_of_others_goes_unasked() {
    lives(false);
}

#[test]
fn what_a_person_does_after_an_interrupt_is_the_persons() {
    lives(true);
}

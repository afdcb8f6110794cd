//! Random lives of a repository: whatever a person, git and we do one after the other, a checkpoint gives back what was there.
//!
//! The oracle is the work tree itself and `git ls-files`: what git saw when a checkpoint was made must be there again, byte for
//! byte and bit for bit, when it is gone to; what git did not see must not have been touched.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::PermissionsExt as _;

use git_session::agents::AgentEnv;
use git_session::base::progress::Silent;
use git_session::base::{Clock, IdSource};
use git_session::git::Repo;
use git_session::git::repo::RepoEnv;
use git_session::model::Mode;
use git_session::ops::choice::Foreign;
use git_session::ops::moving::Terms;
use git_session::ops::{App, Caller, Failure, fork, redo, rewind, save};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::support::repo::TestRepo;

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Write(usize, u8),
    Delete(usize),
    Chmod(usize, u32),
    Symlink(usize, usize),
    Rename(usize, usize),
    Stage(usize),
    Commit,
    Checkout(bool),
    Ignore(usize),
    Save,
    /// To the checkpoint at that place, counted around.
    Rewind(usize),
    Redo,
    Fork(Option<usize>),
    Gc,
}

/// Few paths, so that steps meet: files, files in folders, and names that are a file here and a folder there.
const PATHS: [&[u8]; 8] = [b"a", b"b", b"d", b"d/x", b"d/y/z", b"e/f", b"e/\xff\n", b"run.sh"];

/// Patterns that hide some of them.
const RULES: [&str; 5] = ["b", "d/", "e/*", "!b", "/d/x"];

/// What lies at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    File(u32, Vec<u8>),
    Link(Vec<u8>),
}

type Tree = BTreeMap<Vec<u8>, Node>;

/// A repository, the checkpoints that were made in it, and what they must hold.
struct World {
    repo: TestRepo,
    /// What git saw when each checkpoint of the session was made.
    checkpoints: BTreeMap<u64, Tree>,
    /// Where each next `redo` goes to.
    redoable: Vec<u64>,
    writes: u32,
}

impl World {
    fn new() -> Self {
        let repo = TestRepo::new();
        repo.write("a", "first");
        repo.write("d/x", "first");
        repo.write("never.ign", "not seen");
        repo.write(".gitignore", "*.ign\n");
        repo.commit("files");
        repo.git(["branch", "side"]);
        Self { repo, checkpoints: BTreeMap::new(), redoable: Vec::new(), writes: 0 }
    }

    fn app(&self) -> App<'static> {
        let home = self.repo.sandbox.home();
        App {
            repo: Repo::discover(self.repo.path(), &RepoEnv::isolated(&home)).expect("opens"),
            clock: Clock::System,
            ids: IdSource::Random,
            cwd: self.repo.path().canonicalize().expect("is there"),
            home: Some(home.clone()),
            agent_env: AgentEnv { home: Some(home), ..AgentEnv::default() },
            agent_session: None,
            program: env!("CARGO_BIN_EXE_session").into(),
            progress: &Silent,
            caller: Caller::Explicit,
        }
    }

    /// Everything on disk.
    fn disk(&self) -> Tree {
        let top = self.repo.path();
        let walk = walkdir::WalkDir::new(top).min_depth(1).into_iter();
        let walk = walk.filter_entry(|e| !(e.depth() == 1 && e.file_name() == ".git"));
        let node = |entry: walkdir::DirEntry| {
            let path = entry.path();
            let name = path.strip_prefix(top).expect("below").as_os_str().as_bytes().to_vec();
            let node = if entry.file_type().is_symlink() {
                Node::Link(fs::read_link(path).expect("a link").into_os_string().into_vec())
            } else {
                let mode = fs::metadata(path).expect("is there").permissions().mode() & 0o777;
                Node::File(mode, fs::read(path).expect("reads"))
            };
            (name, node)
        };
        walk.map(|e| e.expect("walks")).filter(|e| !e.file_type().is_dir()).map(node).collect()
    }

    /// What git sees of it.
    fn seen(&self, disk: &Tree) -> Tree {
        let mut command = self.repo.sandbox.command("git", self.repo.path());
        let out = command.args(["ls-files", "-coz", "--exclude-standard"]).output().expect("git starts");
        assert!(out.status.success(), "{out:?}");
        let paths: BTreeSet<Vec<u8>> = out.stdout.split(|b| *b == 0).map(<[u8]>::to_vec).collect();
        disk.iter().filter(|(path, _)| paths.contains(*path)).map(|(p, n)| (p.clone(), n.clone())).collect()
    }

    /// What neither saves nor rewinds may change.
    fn gits(&self) -> (Vec<u8>, String, String) {
        let head = fs::read_to_string(self.repo.at(".git/HEAD")).expect("reads");
        let refs = self.repo.git(["for-each-ref", "refs/heads", "refs/tags"]);
        (fs::read(self.repo.at(".git/index")).expect("reads"), head, refs)
    }

    /// Runs git where it may fail, as it does when a checkout would lose something.
    fn try_git(&self, args: &[&OsStr]) {
        let mut command = self.repo.sandbox.command("git", self.repo.path());
        let _may_fail = command.args(args).output().expect("git starts");
    }

    /// Frees a path: files and links above it go, and whatever is there.
    fn clear(&self, path: &[u8]) {
        for (at, byte) in path.iter().enumerate() {
            let above = self.repo.at(&path[..at]);
            if *byte == b'/' && above.symlink_metadata().is_ok_and(|m| !m.is_dir()) {
                fs::remove_file(above).expect("removes");
            }
        }
        if self.repo.at(path).symlink_metadata().is_ok() {
            self.repo.remove(path);
        }
    }

    fn take(&mut self, step: &Step) {
        let before = self.disk();
        match step {
            Step::Write(at, content) => {
                self.clear(PATHS[*at]);
                self.writes += 1;
                // Some contents come again, so that the same blob is at two places.
                let content = if *content < 3 { format!("same {content}") } else { format!("write {}", self.writes) };
                self.repo.write(PATHS[*at], content);
            }
            Step::Delete(at) => self.clear(PATHS[*at]),
            Step::Chmod(at, mode) => {
                if self.repo.at(PATHS[*at]).symlink_metadata().is_ok_and(|m| m.is_file()) {
                    self.repo.chmod(PATHS[*at], *mode);
                }
            }
            Step::Symlink(at, target) => {
                self.clear(PATHS[*at]);
                self.repo.symlink(PATHS[*at], PATHS[*target]);
            }
            Step::Rename(from, to) => {
                let (from, to) = (PATHS[*from], PATHS[*to]);
                let apart = !from.starts_with(to) && !to.starts_with(from);
                if apart && self.repo.at(from).symlink_metadata().is_ok() {
                    self.clear(to);
                    let to = self.repo.at(to);
                    fs::create_dir_all(to.parent().expect("below the top")).expect("makes folders");
                    if self.repo.at(from).symlink_metadata().is_ok() {
                        fs::rename(self.repo.at(from), to).expect("renames");
                    }
                }
            }
            Step::Stage(at) => self.try_git(&[b"add".as_slice(), b"--all", b"--", PATHS[*at]].map(OsStr::from_bytes)),
            Step::Commit => self.try_git(&["commit", "--quiet", "--all", "--message=x"].map(OsStr::new)),
            Step::Checkout(side) => {
                let branch = if *side { "side" } else { "main" };
                self.try_git(&["checkout", "--quiet", branch].map(OsStr::new));
            }
            Step::Ignore(rule) => {
                self.clear(b".gitignore");
                self.repo.write(".gitignore", format!("*.ign\n{}\n", RULES[*rule]));
            }
            Step::Save => self.save(&before),
            Step::Rewind(at) => {
                if let Some(number) = self.number(*at) {
                    self.rewind(number, &before);
                }
            }
            Step::Redo => self.redo(&before),
            Step::Fork(at) => self.fork(*at, &before),
            Step::Gc => self.repo.collect_garbage(),
        }
    }

    /// The checkpoint at a place, counted around.
    fn number(&self, at: usize) -> Option<u64> {
        let numbers: Vec<u64> = self.checkpoints.keys().copied().collect();
        numbers.get(at.checked_rem(numbers.len())?).copied()
    }

    fn save(&mut self, before: &Tree) {
        let gits = self.gits();
        let saved = save::run(&self.app(), &save::Options::default()).expect("saves");
        assert_eq!(self.gits(), gits);
        assert_eq!(self.disk(), *before);
        let seen = self.seen(before);
        if saved.saved {
            self.redoable.clear();
            assert_eq!(self.checkpoints.insert(saved.checkpoint, seen), None);
        } else {
            assert_eq!(self.checkpoints[&saved.checkpoint], seen, "nothing was new");
        }
    }

    fn rewind(&mut self, number: u64, before: &Tree) {
        let (gits, seen) = (self.gits(), self.seen(before));
        let options = rewind::Options {
            mode: Mode::Code,
            target: Some(number.to_string()),
            step: false,
            terms: Terms { foreign: Foreign::All, ..Terms::default() },
        };
        let outcome = rewind::run(&self.app(), &options);
        assert_eq!(self.gits(), gits);
        if let Some(from) = self.moved(number, before, seen, outcome) {
            self.redoable.push(from);
        }
    }

    fn redo(&mut self, before: &Tree) {
        if self.checkpoints.is_empty() {
            return;
        }
        let (gits, seen) = (self.gits(), self.seen(before));
        let terms = Terms { foreign: Foreign::All, ..Terms::default() };
        let outcome = redo::run(&self.app(), &terms);
        assert_eq!(self.gits(), gits);
        let Some(target) = self.redoable.last().copied() else {
            let failure = outcome.expect_err("there is nothing to redo");
            assert_eq!((failure.code, self.disk()), ("redo.nothing", before.clone()), "{failure}");
            return;
        };
        if self.moved(target, before, seen, outcome).is_some() {
            self.redoable.pop();
        }
    }

    /// Checks what a rewind or redo to a checkpoint made of the disk; the checkpoint from which it moved.
    fn moved(
        &mut self,
        number: u64,
        before: &Tree,
        seen: Tree,
        outcome: Result<rewind::Outcome, Failure>,
    ) -> Option<u64> {
        let (target, disk) = (self.checkpoints[&number].clone(), self.disk());
        let hidden: Tree =
            before.iter().filter(|(p, _)| !seen.contains_key(*p)).map(|(p, n)| (p.clone(), n.clone())).collect();
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(failure) => {
                assert_eq!(disk, *before, "a failure changes nothing: {failure}");
                match failure.code {
                    "rewind.nothing" => self.is_at(&target, &disk, number, &hidden),
                    "restore.obstacle" => {
                        let in_the_way = |path: &Vec<u8>| {
                            let blocks = |(wanted, node): (&Vec<u8>, &Node)| {
                                let other = wanted == path && before.get(path) != Some(node);
                                other || is_below(wanted, path) || is_below(path, wanted)
                            };
                            !(seen.contains_key(path) && target.contains_key(path)) && target.iter().any(blocks)
                        };
                        assert!(before.keys().any(in_the_way), "nothing is in the way: {failure}");
                    }
                    _ => panic!("{}: {failure}", failure.code),
                }
                return None;
            }
        };
        self.is_at(&target, &disk, number, &hidden);
        for (path, node) in &hidden {
            assert_eq!(disk.get(path), Some(node), "hidden, and touched: {}", path.escape_ascii());
        }
        // What went was neither in the checkpoint nor hidden by its rules.
        for path in before.keys().filter(|path| !disk.contains_key(*path)) {
            let is_folder_now = target.keys().any(|wanted| is_below(wanted, path));
            let hidden = !is_folder_now && self.is_ignored(path);
            assert!(!target.contains_key(path) && !hidden, "deleted: {}", path.escape_ascii());
        }
        let from = outcome.from.expect("a safety checkpoint");
        assert_eq!(*self.checkpoints.entry(from).or_insert_with(|| seen.clone()), seen, "the safety checkpoint");
        let now = self.seen(&disk);
        assert_eq!(self.checkpoints.insert(outcome.checkpoint.expect("a checkpoint"), now), None);
        Some(from)
    }

    /// The tree of a checkpoint is there: all of it, and nothing else that git sees but what its rules hide or the rules
    /// before hid.
    fn is_at(&self, target: &Tree, disk: &Tree, number: u64, hidden: &Tree) {
        for (path, node) in target {
            assert_eq!(disk.get(path), Some(node), "checkpoint {number}: {}", path.escape_ascii());
        }
        for path in self.seen(disk).keys() {
            let known = target.contains_key(path) || hidden.contains_key(path) || self.is_ignored(path);
            assert!(known, "not in checkpoint {number}: {}", path.escape_ascii());
        }
    }

    fn fork(&mut self, at: Option<usize>, before: &Tree) {
        if self.checkpoints.is_empty() {
            return;
        }
        let at = at.and_then(|at| self.number(at));
        let gits = self.gits();
        let options = fork::Options { at: at.map(|n| n.to_string()), no_branch: true, ..fork::Options::default() };
        let outcome = fork::run(&self.app(), &options).expect("forks");
        assert_eq!((self.gits(), self.disk()), (gits, before.clone()));
        let point = outcome.at.number;
        let seen = self.seen(before);
        let tree = self.checkpoints.entry(point).or_insert(seen).clone();
        self.checkpoints.retain(|number, _| *number <= point);
        let made = outcome.checkpoint.expect("no dry run");
        assert_eq!(self.checkpoints.insert(made, tree), None);
        self.redoable.clear();
    }

    /// Whether the rules on disk name it, be it tracked or not.
    fn is_ignored(&self, path: &[u8]) -> bool {
        let mut command = self.repo.sandbox.command("git", self.repo.path());
        let out = command
            .args(["check-ignore", "--no-index", "--quiet", "--"])
            .arg(OsStr::from_bytes(path))
            .output()
            .expect("starts");
        out.status.success()
    }
}

/// Whether a path lies below another.
fn is_below(path: &[u8], folder: &[u8]) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.first() == Some(&b'/'))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let path = || 0..PATHS.len();
    let step = prop_oneof![
        8 => (path(), 0..9_u8).prop_map(|(at, content)| Step::Write(at, content)),
        3 => path().prop_map(Step::Delete),
        2 => (path(), prop::sample::select(vec![0o644, 0o755, 0o600, 0o700, 0o664])).prop_map(|(at, m)| Step::Chmod(at, m)),
        2 => (path(), path()).prop_map(|(at, target)| Step::Symlink(at, target)),
        2 => (path(), path()).prop_map(|(from, to)| Step::Rename(from, to)),
        2 => path().prop_map(Step::Stage),
        1 => Just(Step::Commit),
        1 => any::<bool>().prop_map(Step::Checkout),
        2 => (0..RULES.len()).prop_map(Step::Ignore),
        6 => Just(Step::Save),
        6 => (0..64_usize).prop_map(Step::Rewind),
        4 => Just(Step::Redo),
        1 => prop::option::of(0..64_usize).prop_map(Step::Fork),
        1 => Just(Step::Gc),
    ];
    prop::collection::vec(step, 1..40)
}

/// Lives these steps, and looks at the repository at the end; where there is time, after each of them.
fn live(steps: &[Step]) {
    let thorough = std::env::var_os("SESSION_TEST_THOROUGH").is_some();
    let mut world = World::new();
    for step in steps {
        world.take(step);
        if thorough {
            world.repo.assert_sound();
        }
    }
    world.repo.assert_sound();
}

#[test]
fn lives_that_were_found_to_end_badly_end_well() {
    use Step::{Chmod, Ignore, Rewind, Save, Write};
    // A file that is ignored by now, of equal content and with other permissions, is in the way of a rewind.
    live(&[Write(1, 0), Save, Chmod(1, 0o600), Ignore(0), Rewind(0)]);
}

#[test]
fn whatever_happens_a_checkpoint_gives_back_what_was_there() {
    let cases = if std::env::var_os("SESSION_TEST_THOROUGH").is_some() { 1000 } else { 24 };
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 400, ..Config::default() };
    // The same lives in every run, unless more of them are asked for.
    let mut runner = if cases > 100 {
        TestRunner::new(config)
    } else {
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
    };
    if let Err(failure) = runner.run(&steps(), |steps| {
        live(&steps);
        Ok(())
    }) {
        panic!("{failure}");
    }
}

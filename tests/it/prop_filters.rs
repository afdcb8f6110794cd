//! Random histories of attributes and filter drivers: what a save captured is what rewind and redo give, byte for byte; else
//! nothing is changed and the reason is one that names a driver. The oracle is the work tree itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use crate::support::agent::Agent;
use crate::support::repo::TestRepo;

const PATHS: [&str; 5] = ["a.x", "b.x", "c.y", "d/e.x", ".gitattributes"];
const TEXTS: [&str; 6] = ["abc\n", "cab OUT\nabc\n", "OUT\n", "", "aab\r\nbb", "OUT a\nOUT b\ncc\n"];
const NAMES: [&str; 2] = ["one", "two"];

/// What a driver is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Missing,
    Lossless,
    OtherLossless,
    Identity,
    Lossy,
    CleanOnly,
    FailsRequired,
    FailsSoftly,
    CannotSmudge,
}

const KINDS: [Kind; 9] = [
    Kind::Missing,
    Kind::Lossless,
    Kind::OtherLossless,
    Kind::Identity,
    Kind::Lossy,
    Kind::CleanOnly,
    Kind::FailsRequired,
    Kind::FailsSoftly,
    Kind::CannotSmudge,
];

impl Kind {
    fn config(self, name: &str) -> String {
        let (clean, smudge, required) = match self {
            Self::Missing => return String::new(),
            Self::Lossless => ("tr abc bca", "tr abc cab", false),
            Self::OtherLossless => ("tr abc cab", "tr abc bca", true),
            Self::Identity => ("cat", "cat", false),
            Self::Lossy => ("sed /OUT/d", "cat", true),
            Self::CleanOnly => ("tr abc bca", "", false),
            Self::FailsRequired => ("false", "cat", true),
            Self::FailsSoftly => ("false", "false", false),
            Self::CannotSmudge => ("tr abc bca", "false", true),
        };
        let smudge = if smudge.is_empty() { String::new() } else { format!("\tsmudge = {smudge}\n") };
        format!("[filter \"{name}\"]\n\tclean = {clean}\n{smudge}\trequired = {required}\n")
    }
}

/// Numbers that repeat.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap_or_default() % sides
    }
    fn pick<T: Copy>(&mut self, some: &[T]) -> T {
        some[self.roll(some.len())]
    }
}

type Tree = BTreeMap<&'static str, Vec<u8>>;

/// What a checkpoint must give.
struct Saved {
    tree: Tree,
    /// Paths of which it says that they were left out.
    left_out: BTreeSet<String>,
}

struct World {
    repo: TestRepo,
    config: String,
    kinds: [Kind; 2],
    saved: BTreeMap<u64, Saved>,
    steps: Vec<String>,
}

impl World {
    fn new() -> Self {
        let repo = TestRepo::new();
        repo.write("plain", "1");
        repo.commit("files");
        let config = fs::read_to_string(repo.at(".git/config")).expect("reads");
        Self { repo, config, kinds: [Kind::Missing; 2], saved: BTreeMap::new(), steps: Vec::new() }
    }

    fn tree(&self) -> Tree {
        PATHS.iter().filter_map(|path| Some((*path, fs::read(self.repo.at(path)).ok()?))).collect()
    }

    fn configure(&self, more: &str) {
        let drivers: String = self.kinds.iter().zip(NAMES).map(|(kind, name)| kind.config(name)).collect();
        self.repo.write(".git/config", format!("{}{drivers}{more}", self.config));
    }

    fn attributes(dice: &mut Dice) -> String {
        let line = |pattern: &str, dice: &mut Dice| match dice.roll(4) {
            0 => String::new(),
            1 => format!("{pattern} -filter\n"),
            n => format!("{pattern} filter={}\n", NAMES[n - 2]),
        };
        line("*.x", dice) + &line("*.y", dice) + &line("b.x", dice)
    }

    fn step(&mut self, dice: &mut Dice) {
        let step = dice.roll(12);
        self.steps.push(format!("{step}"));
        match step {
            0..=2 => {
                let path = dice.pick(&PATHS[..4]);
                self.repo.write(path, dice.pick(&TEXTS));
            }
            3 => {
                let path = dice.pick(&PATHS[..4]);
                if self.repo.at(path).exists() {
                    self.repo.remove(path);
                }
            }
            4 => self.repo.write(dice.pick(&[".gitattributes", ".git/info/attributes"]), Self::attributes(dice)),
            5 => {
                self.kinds[dice.roll(2)] = dice.pick(&KINDS);
                self.configure("");
            }
            6 => self.slow_hook(dice),
            7..=9 => self.save(),
            _ => self.rewind(dice),
        }
    }

    fn save(&mut self) {
        let saved = self.repo.ask(["save"]);
        let number = saved["checkpoint"].as_u64().expect("a number");
        let left_out = saved["skipped"].as_array().expect("a list").iter();
        let left_out = left_out.map(|skipped| skipped["path"].as_str().unwrap_or_default().to_owned()).collect();
        let tree = self.tree();
        let before = self.saved.insert(number, Saved { tree, left_out });
        if let (Some(before), Some(now)) = (before, self.saved.get(&number)) {
            let seen = |saved: &Saved, by: &Saved| -> Tree {
                let all = saved.tree.iter().map(|(path, bytes)| (*path, bytes.clone()));
                all.filter(|(path, _)| !saved.left_out.contains(*path) && !by.left_out.contains(*path)).collect()
            };
            assert_eq!(seen(&before, now), seen(now, &before), "no news, so nothing changed: {:?}", self.steps);
        }
    }

    /// A turn of an agent while a driver hangs, in a session of its own.
    fn slow_hook(&self, dice: &mut Dice) {
        let name = dice.pick(&NAMES);
        self.configure(&format!(
            "[filter \"{name}\"]\n\tclean = sleep 3600\n\tprocess =\n[session \"snapshot\"]\n\tbudgetMs = 60\n"
        ));
        let before = self.tree();
        let agent = Agent::new(&self.repo, "slow");
        agent.prompt("while a driver hangs");
        self.configure("");
        assert_eq!(self.tree(), before, "a hook changes nothing: {:?}", self.steps);
        // The next step is the person's again.
        let first = self.saved.keys().next();
        if let Some(own) = first.and_then(|_| self.own_session()) {
            let current = self.repo.at(".git/session/current");
            let text = fs::read_to_string(&current).expect("reads");
            let slow: Value = serde_json::from_str(&text).expect("JSON");
            fs::write(current, text.replace(slow["session"].as_str().unwrap_or("-"), &own)).expect("writes");
        } else {
            drop(fs::remove_file(self.repo.at(".git/session/current")));
        }
    }

    /// The id of the session without an agent.
    fn own_session(&self) -> Option<String> {
        let all = self.repo.ask(["list"]);
        let own = all["sessions"].as_array()?.iter().find(|session| session["agent"] == "none")?;
        own["id"].as_str().map(str::to_owned)
    }

    fn rewind(&mut self, dice: &mut Dice) {
        let numbers: Vec<u64> = self.saved.keys().copied().collect();
        if numbers.is_empty() {
            return;
        }
        let number = dice.pick(&numbers);
        let before = self.tree();
        let Some(kept) = self.go(&["rewind", "code", &number.to_string(), "--all"], &before) else { return };
        let target = &self.saved[&number];
        let now = self.tree();
        for path in PATHS {
            let is_kept = kept.contains(path) || target.left_out.contains(path);
            let wanted = if is_kept { before.get(path) } else { target.tree.get(path) };
            assert_eq!(now.get(path), wanted, "{path} at {number}, kept {kept:?}: {:?}", self.steps);
        }
        if self.go(&["redo", "--all"], &now).is_some() {
            let again = self.tree();
            for path in PATHS.iter().filter(|path| !kept.contains(**path)) {
                assert_eq!(again.get(path), before.get(path), "{path} after redo: {:?}", self.steps);
            }
        }
    }

    /// What was left as it is; `None` where nothing was changed, for a reason that is one.
    fn go(&self, args: &[&str], before: &Tree) -> Option<BTreeSet<String>> {
        let out = self.repo.session(["--json"].iter().chain(args));
        let said = out.json();
        if out.code == Some(0) {
            let kept = said["files"]["kept"].as_array().expect("a list").iter();
            return Some(kept.map(|kept| kept[0].as_str().unwrap_or_default().to_owned()).collect());
        }
        assert_eq!(&self.tree(), before, "{args:?} changes nothing: {out} {:?}", self.steps);
        let code = said["error"]["code"].as_str().unwrap_or_default().to_owned();
        let message = said["error"]["message"].as_str().unwrap_or_default();
        let names_driver = NAMES.iter().any(|name| message.contains(&format!("filter driver {name}")));
        let is_one = match code.as_str() {
            "filter.missing" | "filter.failed" | "filter.other-bytes" => names_driver,
            "restore.obstacle" => said.to_string().contains("filter driver"),
            "rewind.nothing" | "redo.nothing" => true,
            _ => false,
        };
        assert!(is_one, "{args:?}: {out} {:?}", self.steps);
        None
    }
}

#[test]
fn whatever_becomes_of_attributes_and_drivers_the_bytes_come_back_or_nothing_is_changed() {
    let lives: u64 = if std::env::var_os("SESSION_TEST_THOROUGH").is_some() { 1000 } else { 8 };
    let next = AtomicU64::new(1);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let life = next.fetch_add(1, Ordering::Relaxed);
                    if life > lives {
                        break;
                    }
                    let mut dice = Dice(life.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
                    let mut world = World::new();
                    world.steps.push(format!("life {life}"));
                    world.configure("");
                    for _ in 0..24 {
                        world.step(&mut dice);
                    }
                    world.repo.assert_sound();
                }
            });
        }
    });
}

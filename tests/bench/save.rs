//! A whole save of a big tree against git's own way to the same commit (`cargo bench --bench save [-- FILES]`).
//!
//! `BENCH_TREE` names a committed repository to use instead of a made one (tree L of design.md); `BENCH_SESSION` names
//! another program than the one just built. Some files of it are changed, and its `.git/session` is removed.
//!
//! git: a private index that is kept between saves, `add --all`, `write-tree`, `commit-tree`, `update-ref`. The two are
//! timed in turn, so that a busy machine slows both; what counts is the ratio of the medians. A rewind is compared with
//! `read-tree -m -u` with such an index; what was written before is synced before either begins, because a rewind syncs and git
//! does not, and that work is not the rewind's.
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a program of its own, run by hand")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 20;

/// Changed files of the rows with many.
const MANY: usize = 1000;

struct Tree {
    folder: tempfile::TempDir,
    repo: PathBuf,
    /// Those that rounds change.
    files: Vec<PathBuf>,
}

impl Tree {
    /// A repository that is there already.
    fn of(repo: PathBuf) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("home")).expect("makes the home");
        let mut tree = Self { folder, repo, files: Vec::new() };
        tree.git(&["reset", "--hard", "--quiet"]);
        tree.git(&["status"]);
        let listed = tree.git(&["ls-files", "*.c"]);
        tree.files = listed.lines().map(|path| tree.repo.join(path)).collect();
        fs::copy(tree.repo.join(".git/index"), tree.private_index()).expect("copies the index");
        match fs::remove_dir_all(tree.repo.join(".git/session")) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => panic!("{e}"),
            _ => tree,
        }
    }
}

impl Tree {
    /// Folders of 25 files, three deep, of a few kilobytes.
    fn new(files: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut tree = Self { repo: folder.path().join("repo"), folder, files: Vec::new() };
        fs::create_dir(tree.folder.path().join("home")).expect("makes the home");
        for file in 0..files {
            let dir = file / 25;
            tree.files.push(tree.repo.join(format!("part{}/sub{}/dir{dir}/file{file}.c", dir % 20, dir % 7)));
            tree.write(file, "first");
        }
        tree.git(&["init", "--quiet"]);
        tree.git(&["add", "--all"]);
        tree.git(&["commit", "--quiet", "--message=first"]);
        tree.git(&["repack", "-adq"]);
        fs::copy(tree.repo.join(".git/index"), tree.private_index()).expect("copies the index");
        tree
    }

    fn private_index(&self) -> PathBuf {
        self.folder.path().join("index")
    }

    fn write(&self, file: usize, text: &str) {
        let path = &self.files[file];
        fs::create_dir_all(path.parent().expect("below the top")).expect("makes folders");
        fs::write(path, format!("/* {text} {file} */\n").repeat(100)).expect("writes");
    }

    /// Ten files in six folders, or a hundredth of all.
    fn change(&self, round: usize, changed: usize) {
        let all = self.files.len();
        for n in 0..changed {
            let place =
                if changed == 10 { round * 131 + n % 6 * all / 6 + n / 6 } else { round * 131 + n * all / changed };
            self.write(place % all, &format!("round {round}"));
        }
    }

    /// A save of one file that an agent's hook names.
    fn hinted(&self, round: usize) -> Duration {
        self.write(round * 17 % self.files.len(), &format!("hinted {round}"));
        let path = self.files[round * 17 % self.files.len()].display().to_string();
        let input = serde_json::json!({ "session_id": "bench", "cwd": self.repo, "tool": "write", "paths": [path] });
        let start = Instant::now();
        let mut command = self.clean(session());
        command.args(["hook", "generic", "tool"]).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().expect("starts");
        child.stdin.take().expect("a pipe").write_all(input.to_string().as_bytes()).expect("writes");
        assert!(child.wait().expect("ends").success());
        start.elapsed()
    }

    fn status(&self) -> Duration {
        let start = Instant::now();
        self.git(&["status"]);
        start.elapsed()
    }

    /// A first save in a checkout that nothing was saved in.
    fn first(&self) -> Duration {
        let cache = self.repo.join(".git/session/stat-cache");
        if cache.exists() {
            fs::remove_file(cache).expect("removes the cache");
        }
        self.save()
    }

    fn clean(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.env_clear().current_dir(&self.repo);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.folder.path().join("home"));
        command.envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")]);
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Bench").env(format!("GIT_{who}_EMAIL"), "bench@example.invalid");
        }
        command
    }

    fn git(&self, args: &[&str]) -> String {
        let out =
            self.clean("git").env("GIT_INDEX_FILE", self.index_for(args)).args(args).output().expect("git starts");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).trim().to_owned()
    }

    /// The user's index makes the repository; the saves by git have their own.
    fn index_for(&self, args: &[&str]) -> PathBuf {
        let saving = self.private_index().exists() && matches!(args[0], "add" | "write-tree" | "read-tree");
        if saving { self.private_index() } else { self.repo.join(".git/index") }
    }

    fn save_by_git(&self) -> Duration {
        let start = Instant::now();
        self.git(&["add", "--all"]);
        let tree = self.git(&["write-tree"]);
        let commit = self.git(&["commit-tree", "-p", "HEAD", "-m", "a save", &tree]);
        self.git(&["update-ref", "refs/bench/save", &commit]);
        start.elapsed()
    }

    /// Takes changed files back to checkpoint `number`; a safety checkpoint is made unless they were saved before.
    fn rewind(&self, round: usize, number: &str, saved: bool) -> Duration {
        self.change(round, MANY);
        if saved {
            self.save();
        }
        self.settle();
        let start = Instant::now();
        let rewind = self.clean(session()).args(["rewind", "code", number, "--json"]).output().expect("starts");
        assert!(rewind.status.success(), "{}", String::from_utf8_lossy(&rewind.stderr));
        start.elapsed()
    }

    /// Waits until nothing that was written is only in memory.
    fn settle(&self) {
        assert!(Command::new("sync").arg("--file-system").arg(&self.repo).status().expect("starts").success());
    }

    /// The same by git, whose private index knows the changed files.
    fn rewind_by_git(&self, round: usize) -> Duration {
        self.change(round, MANY);
        self.git(&["add", "--all"]);
        let changed = self.git(&["write-tree"]);
        self.settle();
        let start = Instant::now();
        self.git(&["read-tree", "-m", "-u", &changed, "HEAD"]);
        start.elapsed()
    }

    fn save(&self) -> Duration {
        let start = Instant::now();
        let status = self.clean(session()).args(["save", "--json"]).output().expect("starts").status;
        assert!(status.success());
        start.elapsed()
    }
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

fn session() -> PathBuf {
    std::env::var_os("BENCH_SESSION").map_or_else(|| env!("CARGO_BIN_EXE_session").into(), PathBuf::from)
}

/// Times both in turn. Whoever goes first finds the folders cold, so they take turns at that too.
fn compare(what: &str, mut prepare: impl FnMut(usize), ours: impl Fn() -> Duration, gits: impl Fn() -> Duration) {
    let (mut our_times, mut git_times) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        prepare(round);
        if round % 2 == 0 {
            our_times.push(ours());
            git_times.push(gits());
        } else {
            git_times.push(gits());
            our_times.push(ours());
        }
    }
    let (ours, gits) = (median(&mut our_times), median(&mut git_times));
    println!("{what:<22} ours {ours:7.1} ms, git {gits:7.1} ms, ratio {:.2}", ours / gits);
}

fn main() {
    let files = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(30_000);
    let tree = std::env::var_os("BENCH_TREE").map_or_else(|| Tree::new(files), |repo| Tree::of(repo.into()));
    println!("{} lines of git ls-files", tree.git(&["ls-files"]).lines().count());
    tree.save();
    tree.save_by_git();
    compare("first save, git status", |_| (), || tree.first(), || tree.status());
    compare("nothing changed", |_| (), || tree.save(), || tree.save_by_git());
    compare("10 files changed", |round| tree.change(round + 1, 10), || tree.save(), || tree.save_by_git());
    compare("1,000 files changed", |round| tree.change(round + 100, MANY), || tree.save(), || tree.save_by_git());
    let same = tree.git(&["rev-parse", "refs/bench/save^{tree}"]);
    let saved = tree.git(&["for-each-ref", "--sort=-committerdate", "--format=%(objectname)", "refs/sessions/heads"]);
    let saved = saved.lines().next().expect("a session").to_owned();
    assert_eq!(tree.git(&["rev-parse", &format!("{saved}^1^{{tree}}")]), same, "both stored the same tree");
    tree.git(&["reset", "--hard", "--quiet"]);
    tree.git(&["status"]);
    tree.save();
    let log = tree.clean(session()).args(["log", "--json"]).output().expect("starts").stdout;
    let log: serde_json::Value = serde_json::from_slice(&log).expect("is JSON");
    let number = log["checkpoints"].as_array().expect("a list").iter().filter_map(|c| c["number"].as_u64()).max();
    let number = number.expect("a checkpoint").to_string();
    for (what, saved) in [("rewind of 1,000 files", true), ("the same, not saved", false)] {
        let round = std::cell::Cell::new(200);
        compare(
            what,
            |n| round.set(200 + n),
            || tree.rewind(round.get(), &number, saved),
            || tree.rewind_by_git(round.get()),
        );
    }
    let mut hinted: Vec<_> = (0..ROUNDS).map(|round| tree.hinted(round)).collect();
    println!("hinted save of one file: {:.1} ms", median(&mut hinted));
}

//! A whole save of a big tree against git's own way to the same commit (`cargo bench --bench save [-- FILES]`).
//!
//! git: a private index that is kept between saves, `add --all`, `write-tree`, `commit-tree`, `update-ref`. The two are
//! timed in turn, so that a busy machine slows both; what counts is the ratio of the medians.
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a program of its own, run by hand")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const ROUNDS: usize = 20;

struct Tree {
    folder: tempfile::TempDir,
    files: usize,
}

impl Tree {
    /// Folders of 25 files, three deep, of a few kilobytes.
    fn new(files: usize) -> Self {
        let tree = Self { folder: tempfile::tempdir().expect("a folder"), files };
        fs::create_dir(tree.folder.path().join("home")).expect("makes the home");
        for file in 0..files {
            tree.write(file, "first");
        }
        tree.git(&["init", "--quiet"]);
        tree.git(&["add", "--all"]);
        tree.git(&["commit", "--quiet", "--message=first"]);
        tree.git(&["repack", "-adq"]);
        fs::copy(tree.repo().join(".git/index"), tree.private_index()).expect("copies the index");
        tree
    }

    fn repo(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    fn private_index(&self) -> PathBuf {
        self.folder.path().join("index")
    }

    fn write(&self, file: usize, text: &str) {
        let folder = file / 25;
        let path = self.repo().join(format!("part{}/sub{}/dir{folder}/file{file}.c", folder % 20, folder % 7));
        fs::create_dir_all(path.parent().expect("below the top")).expect("makes folders");
        fs::write(path, format!("/* {text} {file} */\n").repeat(100)).expect("writes");
    }

    fn change(&self, round: usize) {
        for n in 0..10 {
            self.write((round * 131 + n * self.files / 10) % self.files, &format!("round {round}"));
        }
    }

    fn clean(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.env_clear().current_dir(self.repo());
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
        let saving = self.private_index().exists() && matches!(args[0], "add" | "write-tree");
        if saving { self.private_index() } else { self.repo().join(".git/index") }
    }

    fn save_by_git(&self) -> Duration {
        let start = Instant::now();
        self.git(&["add", "--all"]);
        let tree = self.git(&["write-tree"]);
        let commit = self.git(&["commit-tree", "-p", "HEAD", "-m", "a save", &tree]);
        self.git(&["update-ref", "refs/bench/save", &commit]);
        start.elapsed()
    }

    fn save(&self) -> Duration {
        let start = Instant::now();
        let status =
            self.clean(env!("CARGO_BIN_EXE_session")).args(["save", "--json"]).output().expect("starts").status;
        assert!(status.success());
        start.elapsed()
    }
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

fn main() {
    let files = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(30_000);
    let tree = Tree::new(files);
    println!("{files} files; the first save: {:.0} ms", tree.save().as_secs_f64() * 1000.0);
    tree.save_by_git();
    for changed in [0, 10] {
        let (mut ours, mut gits) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            if changed > 0 {
                tree.change(round + 1);
            }
            // Whoever goes first finds the folders cold, so they take turns at that too.
            if round % 2 == 0 {
                ours.push(tree.save());
                gits.push(tree.save_by_git());
            } else {
                gits.push(tree.save_by_git());
                ours.push(tree.save());
            }
        }
        let (ours, gits) = (median(&mut ours), median(&mut gits));
        println!("{changed:>2} changed: ours {ours:6.1} ms, git {gits:6.1} ms, ratio {:.2}", ours / gits);
    }
    let same = tree.git(&["rev-parse", "refs/bench/save^{tree}"]);
    let saved = tree.git(&["for-each-ref", "--format=%(objectname)", "refs/sessions/heads"]);
    assert_eq!(tree.git(&["rev-parse", &format!("{saved}^1^{{tree}}")]), same, "both stored the same tree");
}

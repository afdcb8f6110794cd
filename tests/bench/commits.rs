//! What a commit waits for our hooks (`cargo bench --bench commits`): `git commit` with and without them, taken in turn,
//! and of each pair what it adds: median, 95th percentile, most.
//!
//! On 300 files, where the save is made at once, and on 6,000, where it is detached. The bar: at most 50 ms more.
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a program of its own, run by hand")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const RUNS: usize = 40;

fn command(program: &str, home: &Path, cwd: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(cwd).env_clear().env("HOME", home).env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")]);
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "Bench").env(format!("GIT_{who}_EMAIL"), "bench@example.invalid");
    }
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn git(home: &Path, cwd: &Path, args: &[&str]) {
    assert!(command("git", home, cwd).args(args).status().expect("git starts").success(), "git {args:?}");
}

/// A repository of so many files, with or without hooks.
fn repository(top: &Path, files: usize, enabled: bool) -> PathBuf {
    let repo = top.join(format!("{files}-{enabled}"));
    fs::create_dir(&repo).expect("makes the folder");
    git(top, &repo, &["init", "--quiet"]);
    for n in 0..files {
        let folder = repo.join(format!("part{}", n % 50));
        fs::create_dir_all(&folder).expect("makes folders");
        fs::write(folder.join(format!("file{n}")), format!("{n}\n")).expect("writes");
    }
    git(top, &repo, &["add", "--all"]);
    git(top, &repo, &["commit", "--quiet", "--message=first"]);
    if enabled {
        let status = command(env!("CARGO_BIN_EXE_session"), top, &repo).arg("enable").status();
        assert!(status.expect("session starts").success());
    }
    repo
}

fn commit(top: &Path, repo: &Path, n: usize) -> Duration {
    fs::write(repo.join("part1/file1"), format!("change {n}\n")).expect("writes");
    let start = Instant::now();
    git(top, repo, &["commit", "--quiet", "--all", "--message=change"]);
    start.elapsed()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn main() {
    let top = tempfile::tempdir().expect("a folder");
    let top = top.path();
    println!(
        "{:>6} {:>12} {:>12} {:>12} {:>12} {:>12}",
        "files", "plain p50", "ours p50", "added p50", "added p95", "added max"
    );
    for files in [300, 6000] {
        let (plain, ours) = (repository(top, files, false), repository(top, files, true));
        let (mut without, mut with, mut added) = (Vec::new(), Vec::new(), Vec::new());
        for n in 0..RUNS {
            let pair = (commit(top, &plain, n), commit(top, &ours, n));
            without.push(ms(pair.0));
            with.push(ms(pair.1));
            added.push(ms(pair.1) - ms(pair.0));
        }
        for times in [&mut without, &mut with, &mut added] {
            times.sort_by(f64::total_cmp);
        }
        let (half, most) = (RUNS / 2, RUNS * 95 / 100);
        let cells = [without[half], with[half], added[half], added[most], added[RUNS - 1]];
        let cells = cells.map(|ms| format!("{ms:>9.1} ms")).join(" ");
        println!("{files:>6} {cells}");
    }
}

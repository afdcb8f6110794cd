//! What a commit waits for our hooks (`cargo bench --bench commits`): git with and without them, taken in turn, and of each
//! pair what ours adds: median, 95th percentile, most.
//!
//! On 300 files, where the save is made at once; on 6,000, in reftable and beside much untracked content, where it is
//! detached. The bar: at most 50 ms more. A rebase of 300 picks: at most 1.3 times. A push of 200 refs: at most 50 ms more.
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
    fill(top, &repo, files, enabled);
    repo
}

fn fill(top: &Path, repo: &Path, files: usize, enabled: bool) {
    for n in 0..files {
        let folder = repo.join(format!("part{}", n % 50));
        fs::create_dir_all(&folder).expect("makes folders");
        fs::write(folder.join(format!("file{n}")), format!("{n}\n")).expect("writes");
    }
    git(top, repo, &["add", "--all"]);
    git(top, repo, &["commit", "--quiet", "--message=first"]);
    if enabled {
        enable(top, repo);
    }
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
        "{:<34} {:>12} {:>12} {:>12} {:>12} {:>12}",
        "", "plain p50", "ours p50", "added p50", "added p95", "added max"
    );
    for files in [300, 6000] {
        let (plain, ours) = (repository(top, files, false), repository(top, files, true));
        row(
            &format!("commit, {files} files"),
            RUNS,
            |n| commit(top, &plain, n),
            |n| commit(top, &ours, n),
            || settle(&ours),
        );
    }
    let (plain, ours) = (reftable(top, false), reftable(top, true));
    row("commit, 300 files, reftable", RUNS, |n| commit(top, &plain, n), |n| commit(top, &ours, n), || settle(&ours));
    for (what, files, bytes) in [("60,000 untracked files", 60_000, 20), ("540 MB untracked", 360, 1_500_000)] {
        let (plain, ours) = (untracked(top, what, files, bytes, false), untracked(top, what, files, bytes, true));
        // The first finds all of it new; the later ones find it known.
        row(
            &format!("commit, {what}, first"),
            1,
            |n| commit(top, &plain, n),
            |n| commit(top, &ours, n),
            || settle(&ours),
        );
        row(
            &format!("commit, {what}"),
            10,
            |n| commit(top, &plain, n + 1),
            |n| commit(top, &ours, n + 1),
            || settle(&ours),
        );
        fs::remove_dir_all(&plain).expect("removes");
        fs::remove_dir_all(&ours).expect("removes");
    }
    let (plain, ours) = (picks(top, false), picks(top, true));
    row("rebase of 300 picks", 5, |n| rebase(top, &plain, n), |n| rebase(top, &ours, n), || settle(&ours));
    let (plain, ours) = (refs(top, false), refs(top, true));
    row("push of 200 refs", 10, |n| push(top, &plain, n), |n| push(top, &ours, n), || settle(&ours));
}

/// One line: the two in turn, and what ours adds.
fn row(
    what: &str,
    runs: usize,
    plain: impl Fn(usize) -> Duration,
    ours: impl Fn(usize) -> Duration,
    between: impl Fn(),
) {
    let (mut without, mut with, mut added) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..runs {
        let pair = (plain(n), ours(n));
        // What was left for later must not slow the next one down.
        between();
        without.push(ms(pair.0));
        with.push(ms(pair.1));
        added.push(ms(pair.1) - ms(pair.0));
    }
    for times in [&mut without, &mut with, &mut added] {
        times.sort_by(f64::total_cmp);
    }
    let (half, most) = (runs / 2, (runs * 95 / 100).min(runs - 1));
    let cells = [without[half], with[half], added[half], added[most], added[runs - 1]];
    let cells = cells.map(|ms| format!("{ms:>9.1} ms")).join(" ");
    println!("{what:<34} {cells}   x {:.2}", with[half] / without[half]);
}

/// Waits until what hooks left is done.
fn settle(repo: &Path) {
    let spool = repo.join(".git/session/spool");
    let is_left = || fs::read_dir(&spool).into_iter().flatten().flatten().any(|e| e.path().extension().is_some());
    while is_left() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn enable(top: &Path, repo: &Path) {
    let status = command(env!("CARGO_BIN_EXE_session"), top, repo).arg("enable").status();
    assert!(status.expect("session starts").success());
}

fn reftable(top: &Path, enabled: bool) -> PathBuf {
    let repo = top.join(format!("reftable-{enabled}"));
    fs::create_dir(&repo).expect("makes the folder");
    git(top, &repo, &["init", "--quiet", "--ref-format=reftable"]);
    fill(top, &repo, 300, enabled);
    repo
}

/// A repository of 300 files beside which so many of so many bytes lie that git does not know.
fn untracked(top: &Path, what: &str, files: usize, bytes: usize, enabled: bool) -> PathBuf {
    let repo = top.join(format!("{}-{enabled}", what.replace([' ', ','], "-")));
    fs::create_dir(&repo).expect("makes the folder");
    git(top, &repo, &["init", "--quiet"]);
    fill(top, &repo, 300, enabled);
    let mut seed = 1_u64;
    for n in 0..files {
        let folder = repo.join(format!("new{}", n % 20));
        fs::create_dir_all(&folder).expect("makes folders");
        // Not to be compressed.
        let mut content = Vec::with_capacity(bytes + 8);
        while content.len() < bytes {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            content.extend_from_slice(&(seed ^ (seed >> 29)).to_le_bytes());
        }
        fs::write(folder.join(format!("file{n}")), content).expect("writes");
    }
    repo
}

/// A branch `topic` of 300 commits, and two places to put them.
fn picks(top: &Path, enabled: bool) -> PathBuf {
    let repo = top.join(format!("picks-{enabled}"));
    fs::create_dir(&repo).expect("makes the folder");
    git(top, &repo, &["init", "--quiet", "--initial-branch=main"]);
    fill(top, &repo, 50, enabled);
    git(top, &repo, &["checkout", "--quiet", "-b", "topic"]);
    for n in 0..300 {
        fs::write(repo.join("part1/file1"), format!("topic {n}\n")).expect("writes");
        git(top, &repo, &["commit", "--quiet", "--all", "--message=topic"]);
        settle(&repo);
    }
    for place in ["even", "odd"] {
        git(top, &repo, &["checkout", "--quiet", "-b", place, "main"]);
        git(top, &repo, &["commit", "--quiet", "--allow-empty", "--message", place]);
    }
    git(top, &repo, &["checkout", "--quiet", "topic"]);
    settle(&repo);
    repo
}

fn rebase(top: &Path, repo: &Path, n: usize) -> Duration {
    let (onto, from) = if n.is_multiple_of(2) { ("even", "odd") } else { ("odd", "even") };
    let from = if n == 0 { "main" } else { from };
    let start = Instant::now();
    git(top, repo, &["rebase", "--quiet", "--onto", onto, from, "topic"]);
    start.elapsed()
}

/// A repository with 200 branches, and a remote.
fn refs(top: &Path, enabled: bool) -> PathBuf {
    let repo = top.join(format!("refs-{enabled}"));
    fs::create_dir(&repo).expect("makes the folder");
    git(top, &repo, &["init", "--quiet"]);
    fill(top, &repo, 50, enabled);
    let remote = top.join(format!("remote-{enabled}"));
    git(top, &repo, &["init", "--quiet", "--bare", remote.to_str().expect("UTF-8")]);
    git(top, &repo, &["remote", "add", "origin", remote.to_str().expect("UTF-8")]);
    repo
}

fn push(top: &Path, repo: &Path, n: usize) -> Duration {
    commit(top, repo, n);
    settle(repo);
    for at in 0..200 {
        git(top, repo, &["branch", "--force", &format!("b{at}"), "HEAD"]);
    }
    let start = Instant::now();
    git(top, repo, &["push", "--quiet", "origin", "refs/heads/b*:refs/heads/b*"]);
    start.elapsed()
}

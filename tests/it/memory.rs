//! Peak memory of the verbs over one large file: at most 1.2 times its size and 64 MiB, loose and packed.

use std::process::Command;

use crate::support::repo::TestRepo;

const LARGE: usize = 120 << 20;
const MOST: u64 = (LARGE as u64 / 5 * 6 + (64 << 20)) >> 20;

/// Runs what follows, prints its own output, then its exit code and peak memory in MiB.
const MEASURE: &str = "import resource as r, subprocess, sys; c = subprocess.call(sys.argv[1:]); \
    m = r.getrusage(r.RUSAGE_CHILDREN).ru_maxrss; \
    print(f'\\npeak {c} {m // (1048576 if sys.platform == \"darwin\" else 1024)}')";

#[track_caller]
fn is_modest(repo: &TestRepo, words: &[&str]) {
    let words = ["-c", MEASURE, env!("CARGO_BIN_EXE_session")].iter().chain(words);
    let out = repo.sandbox.run_with_input("python3", &repo.at("."), words.collect::<Vec<_>>(), b"");
    let peak = out.stdout.lines().rev().find_map(|line| line.strip_prefix("peak ")).expect("a line of ours");
    let (code, mib) = peak.split_once(' ').expect("two numbers");
    assert_eq!(code, "0", "{out}");
    let mib: u64 = mib.parse().expect("a number");
    assert!(mib <= MOST, "{mib} MiB, where {MOST} are enough: {}", out.stderr);
}

#[test]
fn no_verb_holds_a_large_file_more_than_once() {
    if Command::new("python3").arg("--version").output().is_err() {
        crate::killed::skipped("memory is measured by python3, which is not here");
        return;
    }
    let repo = TestRepo::new();
    repo.git(["config", "session.snapshot.maxFileBytes", "1000000000"]);
    // Quick to deflate, and text, so that a diff would look into it.
    let content = |mark: &str| [mark.as_bytes(), &b"0123456789abcde\n".repeat(LARGE / 16)].concat();
    repo.write("large", content("one\n"));
    is_modest(&repo, &["save"]);
    repo.write("large", content("two\n"));
    is_modest(&repo, &["save"]);
    for storage in ["loose", "packed"] {
        if storage == "packed" {
            // Of a delta git itself holds both sides.
            repo.git(["repack", "-adq", "--window=0"]);
        }
        is_modest(&repo, &["rewind", "code", "1", "--dry-run"]);
        is_modest(&repo, &["rewind", "code", "1"]);
        assert!(repo.read("large").starts_with(b"one\n"), "{storage}");
        is_modest(&repo, &["redo"]);
        assert!(repo.read("large").starts_with(b"two\n"), "{storage}");
        is_modest(&repo, &["diff", "1", "2"]);
        is_modest(&repo, &["diff", "--stat", "1", "2"]);
    }
    is_modest(&repo, &["fork", "--at", "1", "--worktree", "../forked"]);
    assert_eq!(std::fs::metadata(repo.at("../forked/large")).expect("is there").len(), LARGE as u64 + 4);
}

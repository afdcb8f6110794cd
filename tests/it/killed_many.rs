//! A restore of so many files that their file system is synced as a whole and several threads move them: it dies as any other,
//! and nothing is changed before the journal and the new files are sure.

use std::cell::Cell;
use std::fs;
use std::process::Stdio;

use crate::killed::{at_each, no_lock_is_left, runs};
use crate::support::repo::TestRepo;

const FILES: usize = 90;

/// Two versions of many files, saved as 1 and 2, the second on disk.
fn two_versions() -> TestRepo {
    let repo = TestRepo::new();
    let path = |n: usize| format!("d{}/f{n}", n % 20);
    for n in 0..FILES {
        repo.write(path(n), format!("one {n}"));
    }
    repo.ask(["save", "one"]);
    for n in 0..FILES {
        match n % 9 {
            0 => repo.remove(path(n)),
            _ => repo.write(path(n), format!("two {n}")),
        }
        if n % 9 == 1 {
            repo.write(format!("new{n}/f"), "two");
        }
    }
    repo.ask(["save", "two"]);
    repo
}

#[test]
fn a_rewind_of_many_files_killed_at_any_point_is_settled_by_the_next_save() {
    if !runs("strace", &["-V"]) {
        return;
    }
    let interrupted = Cell::new(0);
    let make = || {
        let repo = two_versions();
        let two = repo.listing().join("\n");
        repo.ask(["rewind", "code", "1"]);
        let one = repo.listing().join("\n");
        repo.ask(["redo"]);
        (repo, vec![one, two])
    };
    let deaths = at_each("rewind of many", [90, 5], &["rewind", "code", "1"], &make, &|repo, facts, death| {
        let [one, two] = facts else { panic!("two trees") };
        let pending = repo.at(".git/session/journal").exists();
        interrupted.set(interrupted.get() + u32::from(pending));
        repo.ask(["save"]);
        let now = repo.listing().join("\n");
        assert!(now == *one || now == *two && !pending, "death {death}: half a restore\n{now}");
        assert!(!repo.at(".git/session/journal").exists(), "death {death}");
        no_lock_is_left(repo);
        repo.assert_sound();
        let _back = repo.session(["rewind", "code", "2"]);
        assert_eq!(repo.listing().join("\n"), *two, "death {death}");
    });
    assert!(deaths > 15 && interrupted.get() > 5, "{deaths} deaths, {} in the middle", interrupted.get());
}

/// The traced calls of a rewind to checkpoint 1, a line each.
fn trace(repo: &TestRepo) -> Vec<String> {
    let trace = repo.sandbox.path().join("trace");
    let calls = "trace=openat,rename,renameat,renameat2,unlink,unlinkat,syncfs";
    let mut command = repo.sandbox.command("strace", repo.path());
    command.args(["-f", "-qq", "-s", "200", "-o"]).arg(&trace).args(["-e", calls]);
    let out = command.arg(env!("CARGO_BIN_EXE_session")).args(["rewind", "code", "1"]).stdin(Stdio::null()).output();
    assert!(out.expect("strace runs").status.success());
    fs::read_to_string(trace).expect("reads").lines().map(str::to_owned).collect()
}

#[test]
#[cfg(target_os = "linux")]
fn the_journal_and_all_new_files_are_sure_before_the_first_change() {
    if !runs("strace", &["-V"]) {
        return;
    }
    let rewound = two_versions();
    let emptied = TestRepo::new();
    emptied.write("kept", "x");
    emptied.ask(["save"]);
    (0..FILES).for_each(|n| emptied.write(format!("f{n}"), "x"));
    for (what, repo, calls) in [("written", &rewound, FILES), ("deleted", &emptied, FILES)] {
        let lines = trace(repo);
        let journal = lines.iter().position(|line| line.contains("session/journal\"")).expect("a journal is written");
        // Files of the work tree are reached through their folders alone; the repository's by their whole paths.
        let change = |line: &String| (line.contains("rename") || line.contains("unlink")) && !line.contains("/.git/");
        let first = lines.iter().position(change).expect("something changes");
        // One more was begun before the files were made; the one that counts begins when all are.
        let is_made = |line: &String| line.contains(".session-restore-") && line.contains("O_CREAT");
        let made = lines[..first].iter().rposition(is_made).unwrap_or(journal);
        assert_eq!(made > journal, what == "written", "{what}: {lines:#?}");
        assert!(lines[made..first].iter().any(|line| line.contains("syncfs(")), "{what}: {lines:#?}");
        assert!(!lines[first..].iter().any(|line| line.contains("syncfs")), "{what}: {lines:#?}");
        assert!(lines[first..].iter().filter(|line| change(line)).count() >= calls, "{what}");
    }
}

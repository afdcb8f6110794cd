//! Each file that we or git keep, deleted, cut or overwritten: every command works, repairs, or names the damage in one line with
//! the right exit code; it never panics, never hangs, and never loses a file of the user.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::killed::{killed_at, runs};
use crate::support::hostile::{NATIVE, head, overwrite};
use crate::support::repo::{Shape, TestRepo};
use crate::support::run::CommandOutput;

/// What happens to a file.
const WAYS: [&str; 4] = ["deleted", "cut", "garbage", "a folder"];

/// The commands that meet the damage.
const VERBS: [&[&str]; 7] = [
    &["save"],
    &["list"],
    &["log"],
    &["rewind", "code", "1", "--all"],
    &["redo"],
    &["status"],
    &["hook", "generic", "prompt"],
];

/// A repository that was lived in, kept aside so that it can be damaged again and again.
struct Kept {
    repo: TestRepo,
    /// The files now, and at each checkpoint.
    listings: Vec<Vec<String>>,
}

impl Kept {
    /// Two turns, most of it packed, then a save and a rewind, so that there is something to redo; a log of hooks.
    fn new(shape: Shape) -> Self {
        let repo = TestRepo::of_shape(shape);
        repo.write("f", "zero");
        repo.write("user/own", "kept");
        repo.commit("files");
        repo.generic("prompt", serde_json::json!({ "prompt": "x" }));
        let first = repo.listing();
        repo.write("f", "one");
        repo.generic("turn-end", serde_json::json!({}));
        repo.git(["repack", "-adkq"]);
        repo.write("f", "two");
        repo.write("new", "two");
        repo.ask(["save", "-s", NATIVE]);
        let last = repo.listing();
        repo.ask(["rewind", "code", "2", "--all"]);
        repo.hook("generic", "prompt", b"no JSON");
        assert!(!repo.hook_log().is_empty(), "a log");
        let listings = vec![repo.listing(), first, last];
        let kept = Self { repo, listings };
        kept.keep();
        kept
    }

    /// The state to which every damage is done.
    fn keep(&self) {
        let kept = self.repo.sandbox.path().join("kept");
        if kept.exists() {
            fs::remove_dir_all(&kept).expect("removes");
        }
        copy(self.repo.path(), &kept);
    }

    /// As it was before any damage.
    fn restore(&self) {
        fs::remove_dir_all(self.repo.path()).expect("removes");
        copy(&self.repo.sandbox.path().join("kept"), self.repo.path());
    }

    fn run(&self, verb: &[&str]) -> CommandOutput {
        let payload = serde_json::json!({ "session_id": NATIVE, "cwd": self.repo.path(), "prompt": "y" }).to_string();
        let input = if verb[0] == "hook" { payload.as_bytes() } else { b"" };
        self.repo.sandbox.session_in_time(self.repo.path(), verb, input)
    }

    /// Damages that file in every way and meets it with every verb. Besides success, only these exit codes may come; where a
    /// folder is in the place of a file, or a file in that of a folder, also 1 and 6.
    fn meet(&self, what: &str, path: &dyn Fn(&TestRepo) -> PathBuf, allowed: &[i32]) {
        let mut seen = String::new();
        let mut wrong = String::new();
        for way in WAYS {
            self.restore();
            let is_file = path(&self.repo).symlink_metadata().expect("is there").is_file();
            let other_kind = way == "a folder" || !is_file && way != "deleted";
            let allowed = if other_kind { [allowed, &[1, 6, 7]].concat() } else { allowed.to_vec() };
            let _ = write!(seen, " {way}:");
            for verb in VERBS {
                self.restore();
                damage(&path(&self.repo), way);
                let out = self.run(verb);
                let _ = write!(seen, " {}", out.code.unwrap_or(-1));
                if let Some(problem) = self.judge(verb, &out, &allowed) {
                    let _ = writeln!(wrong, "{what} {way}, {verb:?}: {problem}\n{out}");
                }
                // Whatever came of it, the next save says what it did and no file is lost.
                let next = self.run(&["save"]);
                if let Some(problem) = self.judge(&["save"], &next, &allowed) {
                    let _ = writeln!(wrong, "{what} {way}, {verb:?}, then a save: {problem}\n{next}");
                }
            }
        }
        assert!(wrong.is_empty(), "{what}:{seen}\n{wrong}");
        let _told = writeln!(std::io::stderr(), "{what}:{seen}");
    }

    /// What is wrong with an outcome.
    fn judge(&self, verb: &[&str], out: &CommandOutput, allowed: &[i32]) -> Option<String> {
        let files = whole(&self.repo.listing());
        let moves = verb == ["save"] || matches!(verb[0], "rewind" | "redo");
        if !(files == self.listings[0] || moves && self.listings.contains(&files)) {
            return Some(format!("files were lost: {files:#?}"));
        }
        if out.stderr.contains("panicked") {
            return Some("it panicked".to_owned());
        }
        let code = out.code.unwrap_or(-1);
        match (verb[0], code) {
            ("hook", 0) if out.stdout.is_empty() => None,
            ("hook", _) => Some("a hook must be silent and succeed".to_owned()),
            (_, 0) => None,
            _ if !allowed.contains(&code) => Some(format!("exit {code}")),
            _ if !out.stderr.lines().any(|l| l.starts_with("error: ")) => Some("the failure is not named".to_owned()),
            _ => None,
        }
    }
}

fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp runs");
    assert!(copied.success());
}

fn damage(path: &Path, way: &str) {
    let kind = path.symlink_metadata().unwrap_or_else(|e| panic!("{}: {e}", path.display())).file_type();
    let is_folder = !kind.is_file();
    let remove = || if kind.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.expect("removes");
    match way {
        "cut" if !is_folder => {
            let bytes = fs::read(path).expect("reads");
            overwrite(path, &bytes[..bytes.len() / 2]);
        }
        "garbage" if !is_folder => overwrite(path, b"\x00\xff{ this is garbage \n[[\x80"),
        "garbage" | "cut" => {
            remove();
            fs::write(path, "a file now").expect("writes");
        }
        "a folder" => {
            remove();
            fs::create_dir_all(path.join("with")).expect("makes it");
        }
        _ => remove(),
    }
}

/// The only file of a folder.
fn only(folder: PathBuf, ending: &str) -> PathBuf {
    let names = fs::read_dir(folder).expect("lists").map(|e| e.expect("an entry").path());
    let found: Vec<_> = names.filter(|p| p.to_string_lossy().ends_with(ending)).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

#[test]
fn what_we_keep_beside_the_repository_can_be_damaged() {
    let kept = Kept::new(Shape::PLAIN);
    for name in ["stat-cache", "net-changes", "current", "lock", "refs.lock", "label", "log/hooks.log", "log"] {
        kept.meet(name, &|repo| repo.at(format!(".git/session/{name}")), &[]);
    }
    kept.meet("native", &|repo| only(repo.at(".git/session/native"), ""), &[]);
    kept.meet("session", &|repo| repo.at(".git/session"), &[]);
}

#[test]
fn a_facade_can_be_damaged() {
    let kept = Kept::new(Shape { ref_format: "reftable", ..Shape::PLAIN });
    for name in ["facade", "facade/HEAD", "facade/config", "facade/refs", "facade/objects"] {
        kept.meet(name, &|repo| repo.at(format!(".git/session/{name}")), &[]);
    }
}

#[test]
fn a_session_ref_can_be_damaged() {
    let kept = Kept::new(Shape::PLAIN);
    kept.meet("ref", &|repo| repo.at(format!(".git/{}", head(NATIVE))), &[3, 7]);
}

#[test]
fn the_list_of_packed_refs_can_be_damaged() {
    let kept = Kept::new(Shape::PLAIN);
    kept.repo.git(["pack-refs", "--all"]);
    kept.keep();
    kept.meet("packed-refs", &|repo| repo.at(".git/packed-refs"), &[1, 3, 7]);
}

#[test]
fn loose_objects_can_be_damaged() {
    let kept = Kept::new(Shape::PLAIN);
    let tip = head(NATIVE);
    let mut damaged = 0;
    for name in ["", "^{tree}", ":session.json", ":turns", "^", "^^{tree}", "^:f", "^^:f", "^^:new"] {
        kept.restore();
        let name = format!("{tip}{name}");
        let oid = kept.repo.git(["rev-parse", &name]);
        let path = format!(".git/objects/{}/{}", &oid[..2], &oid[2..]);
        // The others lie in a pack.
        if kept.repo.at(&path).exists() {
            kept.meet(&name, &|repo| repo.at(&path), &[7]);
            damaged += 1;
        }
    }
    assert!(damaged > 4, "{damaged}");
}

#[test]
fn packs_can_be_damaged() {
    let kept = Kept::new(Shape::PLAIN);
    for ending in [".pack", ".idx"] {
        kept.meet(ending, &|repo| only(repo.at(".git/objects/pack"), ending), &[7]);
    }
}

/// Without the file that was about to be renamed into its place.
fn whole(listing: &[String]) -> Vec<String> {
    listing.iter().filter(|line| !line.contains(".session-restore-")).cloned().collect()
}

#[test]
fn the_journal_of_an_interrupted_restore_can_be_damaged() {
    if !runs("strace", &["-V"]) {
        return;
    }
    let mut kept = Kept::new(Shape::PLAIN);
    for name in ["f", "user/own", "more"] {
        kept.repo.write(name, "three");
    }
    kept.repo.ask(["save", "-s", NATIVE]);
    kept.listings.push(kept.repo.listing());
    kept.keep();
    let is_half = |n: u32| {
        kept.restore();
        let died = killed_at(&kept.repo, "renameat,renameat2", n, &["rewind", "code", "1", "--all"]);
        died && kept.repo.at(".git/session/journal").exists() && !kept.listings.contains(&whole(&kept.repo.listing()))
    };
    assert!((1..12).any(is_half), "in the middle of the restore");
    kept.listings.insert(0, whole(&kept.repo.listing()));
    kept.keep();
    // Without it a command may find that there is nothing to do.
    kept.meet("journal", &|repo| repo.at(".git/session/journal"), &[1, 7]);
    // Nothing was lost: without the journal, what was there before is a checkpoint away.
    kept.restore();
    fs::remove_file(kept.repo.at(".git/session/journal")).expect("removes");
    let before = kept.repo.checkpoints().last().expect("some")["number"].to_string();
    let back = kept.repo.session(["rewind", "code", &before, "--all"]).success();
    assert!(kept.listings[1..].contains(&whole(&kept.repo.listing())), "{back}");
}

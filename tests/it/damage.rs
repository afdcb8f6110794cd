//! Each file that we or git keep, deleted, cut or overwritten: every command works, repairs, or names the damage in one line with
//! the right exit code; it never panics, never hangs, and never loses a file of the user.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

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
    /// The files at checkpoint 1, before the last rewind, and now.
    listings: [Vec<String>; 3],
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
        let listings = [first, last, repo.listing()];
        copy(repo.path(), &repo.sandbox.path().join("kept"));
        Self { repo, listings }
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

    /// Damages that file in every way and meets it with every verb; the exit codes that came, by way and verb.
    fn meet(&self, what: &str, path: &dyn Fn(&TestRepo) -> PathBuf, allowed: &[i32]) {
        let mut seen = String::new();
        let mut wrong = String::new();
        for way in WAYS {
            for verb in VERBS {
                self.restore();
                damage(&path(&self.repo), way);
                let out = self.run(verb);
                let _ = write!(seen, " {}", out.code.unwrap_or(-1));
                if let Some(problem) = self.judge(verb, &out, allowed) {
                    let _ = writeln!(wrong, "{what} {way}, {verb:?}: {problem}\n{out}");
                }
                // Whatever came of it, the next save says what it did and no file is lost.
                let next = self.run(&["save"]);
                if let Some(problem) = self.judge(&["save"], &next, allowed) {
                    let _ = writeln!(wrong, "{what} {way}, {verb:?}, then a save: {problem}\n{next}");
                }
            }
        }
        assert!(wrong.is_empty(), "{what}:{seen}\n{wrong}");
    }

    /// What is wrong with an outcome.
    fn judge(&self, verb: &[&str], out: &CommandOutput, allowed: &[i32]) -> Option<String> {
        let files = self.repo.listing();
        let [first, last, now] = &self.listings;
        let moves = verb == ["save"] || matches!(verb[0], "rewind" | "redo");
        if !(files == *now || moves && (files == *first || files == *last)) {
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
    for name in ["stat-cache", "current", "lock", "refs.lock", "label", "log/hooks.log", "log"] {
        kept.meet(name, &|repo| repo.at(format!(".git/session/{name}")), &[1, 7]);
    }
    kept.meet("native", &|repo| only(repo.at(".git/session/native"), ""), &[1, 7]);
    kept.meet("session", &|repo| repo.at(".git/session"), &[1, 7]);
}

#[test]
fn a_facade_can_be_damaged() {
    let kept = Kept::new(Shape { ref_format: "reftable", ..Shape::PLAIN });
    for name in ["facade", "facade/HEAD", "facade/config", "facade/refs", "facade/objects"] {
        kept.meet(name, &|repo| repo.at(format!(".git/session/{name}")), &[1, 7]);
    }
}

#[test]
fn a_session_ref_can_be_damaged() {
    let kept = Kept::new(Shape::PLAIN);
    kept.meet("ref", &|repo| repo.at(format!(".git/{}", head(NATIVE))), &[1, 3, 7]);
}

#[test]
fn loose_objects_can_be_damaged() {
    let kept = Kept::new(Shape::PLAIN);
    let tip = head(NATIVE);
    for name in ["", "^{tree}", ":session.json", "^", "^^{tree}", "^:f", "^^:f", "^:new", "^^:new"] {
        let name = format!("{tip}{name}");
        let oid = std::process::Command::new("git")
            .arg("-C")
            .arg(kept.repo.path())
            .args(["rev-parse", "-q", "--verify", &name])
            .output()
            .expect("git starts");
        let hex = String::from_utf8(oid.stdout).expect("text");
        let Some((fan, rest)) = hex.trim().split_at_checked(2) else { continue };
        let path = format!(".git/objects/{fan}/{rest}");
        if kept.repo.at(&path).exists() {
            kept.meet(&name, &|repo| repo.at(&path), &[1, 7]);
        }
    }
}

#[test]
fn packs_can_be_damaged() {
    let kept = Kept::new(Shape::PLAIN);
    for ending in [".pack", ".idx"] {
        kept.meet(ending, &|repo| only(repo.at(".git/objects/pack"), ending), &[1, 7]);
    }
}

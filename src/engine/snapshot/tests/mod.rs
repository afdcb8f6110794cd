//! Snapshots against git itself, on trees made to be awkward. Here is the repository that the tests work on.

mod against_git;
mod any_steps;
mod cache;
mod hinted;
mod index;
mod left_out;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::*;
use crate::base::progress::Silent;
use crate::git::repo::RepoEnv;
use crate::git::{FileMode, tree};
use crate::model::SkipReason;

/// A repository of its own in a folder of its own, with a home of its own.
struct Bench {
    dir: tempfile::TempDir,
    root: PathBuf,
}

impl Bench {
    fn new(init: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path().canonicalize().expect("a path").join("work");
        fs::create_dir(&root).expect("makes the root");
        let bench = Self { dir, root };
        bench.git(&[&["init", "-q", "-b", "main"], init].concat());
        bench.git(&["config", "user.name", "T"]);
        bench.git(&["config", "user.email", "t@example.org"]);
        bench
    }

    fn git_in(&self, folder: &Path, index: Option<&Path>, args: &[&str]) -> Vec<u8> {
        let mut command = Command::new("git");
        command.current_dir(folder).args(args).env_clear();
        command.env("PATH", std::env::var_os("PATH").expect("a PATH")).env("HOME", self.dir.path());
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        command.env("GIT_ALLOW_PROTOCOL", "file");
        if let Some(index) = index {
            command.env("GIT_INDEX_FILE", index);
        }
        let out = command.output().expect("git runs");
        assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        out.stdout
    }

    fn git(&self, args: &[&str]) -> Vec<u8> {
        self.git_in(&self.root, None, args)
    }

    fn word(&self, args: &[&str]) -> String {
        String::from_utf8(self.git(args)).expect("text").trim().to_owned()
    }

    /// Writes a file that is old enough to be trusted.
    fn file(&self, path: impl AsRef<Path>, content: &[u8]) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("makes folders");
        fs::write(&path, content).expect("writes");
        age(&path);
    }

    fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "c"]);
    }

    fn repo(&self) -> Repo {
        Repo::discover(&self.root, &RepoEnv::isolated(self.dir.path())).expect("a repository")
    }

    fn take(&self, previous: Option<Oid>, options: &Options) -> Snapshot {
        take(&self.repo(), previous, options, &Silent).expect("a snapshot")
    }

    fn full(&self, previous: Option<Oid>) -> Snapshot {
        self.take(previous, &options())
    }

    fn hinted(&self, previous: Oid, only: &[&str]) -> Snapshot {
        let only = only.iter().map(|path| repo_path(path)).collect();
        self.take(Some(previous), &Options { only: Some(only), ..options() })
    }

    /// The tree that git itself makes of the work tree, with an index of its own that starts as the user's.
    fn git_tree(&self) -> Oid {
        let index = self.dir.path().join("private-index");
        let real = self.repo().git_dir.join("index");
        if real.exists() {
            fs::copy(real, &index).expect("copies");
        }
        self.git_in(&self.root, Some(&index), &["add", "-A"]);
        let tree = self.git_in(&self.root, Some(&index), &["write-tree"]);
        if index.exists() {
            fs::remove_file(index).expect("removes");
        }
        Oid::parse(String::from_utf8(tree).expect("text").trim()).expect("an id")
    }

    fn paths(&self, snapshot: &Snapshot) -> Vec<Vec<u8>> {
        let files = tree::list_files(&self.repo().objects, snapshot.tree).expect("lists");
        files.into_iter().map(|(path, ..)| path.as_bytes().to_vec()).collect()
    }

    fn entry(&self, snapshot: &Snapshot, path: &str) -> Option<(FileMode, Vec<u8>)> {
        let repo = self.repo();
        let (mode, oid) = tree::lookup(&repo.objects, snapshot.tree, &repo_path(path)).expect("looks up")?;
        Some((mode, if mode.is_blob() { repo.objects.read_blob(oid).expect("reads") } else { oid.as_bytes().to_vec() }))
    }
}

fn options() -> Options {
    Options {
        only: None,
        max_file_bytes: 10 << 20,
        max_untracked_per_folder: 10_000,
        budget: None,
        home: None,
        at_once: None,
    }
}

fn repo_path(path: &str) -> RepoPath {
    RepoPath::new(path).expect("a path")
}

/// Sets the time of a file into the past, so that it is out of the racy window.
fn age(path: &Path) {
    let past = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    fs::File::open(path).and_then(|f| f.set_modified(past)).expect("sets the time");
}

fn skipped(snapshot: &Snapshot) -> Vec<(&str, SkipReason)> {
    snapshot.skipped.paths.iter().map(|s| (s.path.as_str(), s.reason)).collect()
}

/// Tracked, new, ignored in every way, awkward names, links, exec bits.
fn awkward(bench: &Bench) {
    bench.file("a.txt", b"a");
    bench.file("d/deep/er/f", b"f");
    bench.file("build/tracked.o", b"o");
    bench.file("exec", b"#!");
    fs::set_permissions(bench.root.join("exec"), fs::Permissions::from_mode(0o755)).expect("sets the mode");
    symlink("nowhere/at all", bench.root.join("link")).expect("links");
    symlink("d", bench.root.join("link-to-folder")).expect("links");
    bench.file("gone", b"gone");
    bench.file("swap", b"file");
    bench.file("turn/x", b"folder");
    bench.commit();
    bench.file(".gitignore", b"build/\n*.log\n!keep.log\n/top-only\n");
    bench.file("build/new.o", b"ignored");
    bench.file("build/sub/new.o", b"ignored");
    bench.file("x.log", b"ignored");
    bench.file("keep.log", b"kept");
    bench.file("d/y.log", b"ignored");
    bench.file("d/.gitignore", b"!y.log\ndeep/*\n!deep/er\n");
    bench.file("d/deep/other", b"ignored");
    bench.file("d/deep/er/new", b"new");
    bench.file("top-only", b"ignored");
    bench.file("d/top-only", b"kept");
    bench.file("e/mpty/.gitignore", b"*\n");
    bench.file(OsStr::from_bytes(b"not-\xff-text"), b"1");
    bench.file("new\nline \"quoted\"\\", b"2");
    bench.file("a.txt.b", b"sorts between");
    bench.file("a/z", b"folder beside a.txt");
    fs::create_dir_all(bench.root.join("empty/folder")).expect("makes folders");
    bench.file("local", b"excluded");
    fs::create_dir_all(bench.root.join(".git/info")).expect("makes the folder");
    fs::write(bench.root.join(".git/info/exclude"), b"/local\n").expect("writes");
    fs::remove_file(bench.root.join("gone")).expect("removes");
    fs::remove_file(bench.root.join("swap")).expect("removes");
    bench.file("swap/inside", b"folder now");
    fs::remove_dir_all(bench.root.join("turn")).expect("removes");
    bench.file("turn", b"file now");
}

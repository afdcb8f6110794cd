//! A repository of any kind that git knows, and what lies in its work tree.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::env::Sandbox;

/// What a repository can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// `sha1` or `sha256`.
    pub object_format: &'static str,
    /// `files` or `reftable`.
    pub ref_format: &'static str,
    /// Whether tests act in a linked worktree.
    pub linked: bool,
}

impl Shape {
    /// The plain one.
    pub const PLAIN: Self = Self { object_format: "sha1", ref_format: "files", linked: false };
}

/// Every shape: both hashes, both ref formats, main and linked worktree.
pub fn matrix() -> impl Iterator<Item = Shape> {
    ["sha1", "sha256"].into_iter().flat_map(|object_format| {
        ["files", "reftable"].into_iter().flat_map(move |ref_format| {
            [false, true].into_iter().map(move |linked| Shape { object_format, ref_format, linked })
        })
    })
}

/// A repository in a sandbox, with one commit.
pub struct TestRepo {
    /// Where it lives.
    pub sandbox: Sandbox,
    work_tree: PathBuf,
}

impl TestRepo {
    /// A plain one.
    pub fn new() -> Self {
        Self::of_shape(Shape::PLAIN)
    }

    /// One of that shape.
    pub fn of_shape(shape: Shape) -> Self {
        let sandbox = Sandbox::new();
        let main = sandbox.path().join("repo");
        fs::create_dir(&main).expect("makes the folder");
        let mut repo = Self { sandbox, work_tree: main };
        let (objects, refs) =
            (format!("--object-format={}", shape.object_format), format!("--ref-format={}", shape.ref_format));
        repo.git(["init", "--quiet", "--initial-branch=main", &objects, &refs]);
        repo.git(["commit", "--quiet", "--allow-empty", "--message=first"]);
        if shape.linked {
            repo.git(["worktree", "add", "--quiet", "-b", "side", "../linked"]);
            repo.work_tree = repo.sandbox.path().join("linked");
        }
        repo
    }

    /// The same sandbox, another work tree.
    #[must_use]
    pub fn moved_to(self, work_tree: PathBuf) -> Self {
        Self { work_tree, ..self }
    }

    /// The top of the work tree.
    pub fn path(&self) -> &Path {
        &self.work_tree
    }

    /// A path below the top, given as bytes.
    pub fn at(&self, path: impl AsRef<[u8]>) -> PathBuf {
        self.work_tree.join(OsStr::from_bytes(path.as_ref()))
    }

    /// Writes a file and the folders above it.
    pub fn write(&self, path: impl AsRef<[u8]>, content: impl AsRef<[u8]>) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().expect("below the top")).expect("makes folders");
        fs::write(path, content).expect("writes");
    }

    /// Reads a file.
    #[track_caller]
    pub fn read(&self, path: impl AsRef<[u8]>) -> Vec<u8> {
        fs::read(self.at(path)).expect("reads")
    }

    /// Removes a file, a link, or a folder with all that is in it.
    #[track_caller]
    pub fn remove(&self, path: impl AsRef<[u8]>) {
        let path = self.at(path);
        let is_folder = path.symlink_metadata().expect("is there").is_dir();
        if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) }.expect("removes");
    }

    /// Sets permission bits.
    #[track_caller]
    pub fn chmod(&self, path: impl AsRef<[u8]>, mode: u32) {
        fs::set_permissions(self.at(path), fs::Permissions::from_mode(mode)).expect("sets the mode");
    }

    /// Makes a symlink.
    pub fn symlink(&self, path: impl AsRef<[u8]>, target: impl AsRef<[u8]>) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().expect("below the top")).expect("makes folders");
        symlink(OsStr::from_bytes(target.as_ref()), path).expect("links");
    }

    /// Runs git in the work tree; its output without the last line end. A failure of git fails the test with all it said.
    #[track_caller]
    pub fn git<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        let mut command = self.sandbox.command("git", &self.work_tree);
        let out = command.args(args).output().expect("git starts");
        let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success(), "{command:?}\n{stdout}--- stderr\n{stderr}--- {}", out.status);
        self.let_hooks_end();
        stdout.trim_end_matches('\n').to_owned()
    }

    /// Waits for the detached work of hooks in this repository. Each look is a process: time enough, and no clock.
    #[track_caller]
    pub fn let_hooks_end(&self) {
        let main = self.sandbox.path().join("repo/.git");
        let linked = fs::read_dir(main.join("worktrees")).into_iter().flatten().flatten().map(|entry| entry.path());
        for git_dir in std::iter::once(main).chain(linked) {
            let spool = git_dir.join("session/spool");
            let is_left = || {
                let mut entries = fs::read_dir(&spool).into_iter().flatten().flatten();
                entries.any(|entry| entry.path().extension().is_some())
            };
            let looks = (0..20_000).take_while(|_| is_left()).inspect(|_| {
                let _looked = self.sandbox.command("git", &self.work_tree).arg("--version").output();
            });
            assert!(looks.count() < 20_000, "the detached work came to no end in {}", spool.display());
        }
    }

    /// Puts a `git` in front of PATH that notes each start in [`Self::git_calls`]; how many there were so far.
    pub fn count_gits(&mut self) -> impl Fn() -> usize + use<> {
        let (shim, log) = (self.sandbox.path().join("shim"), self.git_calls());
        fs::create_dir(&shim).expect("makes the folder");
        let path = std::env::var("PATH").expect("PATH is set");
        let script = format!("#!/bin/sh\necho \"$@\" >> '{}'\nPATH='{path}' exec git \"$@\"\n", log.display());
        fs::write(shim.join("git"), script).expect("writes");
        fs::set_permissions(shim.join("git"), fs::Permissions::from_mode(0o755)).expect("sets the mode");
        self.sandbox.set("PATH", format!("{}:{path}", shim.display()));
        move || fs::read_to_string(&log).unwrap_or_default().lines().count()
    }

    /// Where the words of each start are.
    pub fn git_calls(&self) -> PathBuf {
        self.sandbox.path().join("calls")
    }

    /// Commits all that git would add; the commit's id.
    #[track_caller]
    pub fn commit(&self, message: &str) -> String {
        self.git(["add", "--all"]);
        self.git(["commit", "--quiet", "--allow-empty", "--message", message]);
        self.git(["rev-parse", "HEAD"])
    }

    /// Runs `session` in the work tree.
    pub fn session<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> super::run::CommandOutput {
        self.sandbox.session(&self.work_tree, args)
    }

    /// All that lies below the top but `.git`, one line each in order of names: type, permission bits, hash of the
    /// content or target of the link, path.
    pub fn listing(&self) -> Vec<String> {
        Self::list(&self.work_tree)
    }

    /// The same of any folder.
    pub fn list(top: &Path) -> Vec<String> {
        walkdir::WalkDir::new(top)
            .min_depth(1)
            .sort_by_file_name()
            .into_iter()
            .filter_entry(|entry| !(entry.depth() == 1 && entry.file_name() == ".git"))
            .map(|entry| Self::listed(top, &entry.expect("walks the work tree")))
            .collect()
    }

    fn listed(top: &Path, entry: &walkdir::DirEntry) -> String {
        let path = entry.path();
        let name = path.strip_prefix(top).expect("below the top");
        let mode = path.symlink_metadata().expect("is there").permissions().mode() & 0o7777;
        let kind = entry.file_type();
        if kind.is_symlink() {
            format!("link {:?} {name:?}", fs::read_link(path).expect("reads the link"))
        } else if kind.is_dir() {
            format!("folder {mode:04o} {name:?}")
        } else if kind.is_file() {
            format!("file {mode:04o} {} {name:?}", content_hash(&fs::read(path).expect("reads")))
        } else {
            format!("other {name:?}")
        }
    }

    /// The index file, byte for byte; empty where there is none.
    pub fn index_bytes(&self) -> Vec<u8> {
        let index = self.git(["rev-parse", "--path-format=absolute", "--git-path", "index"]);
        fs::read(index).unwrap_or_default()
    }
}

/// Enough to tell contents apart in one test run: length and a 64-bit hash.
fn content_hash(bytes: &[u8]) -> String {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("{}:{:016x}", bytes.len(), hasher.finish())
}

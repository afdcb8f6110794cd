//! Repositories of every kind for this floor's tests: {sha1, sha256} x {files, reftable} x {main, linked worktree}.
//! Hermetic: own home, no configuration but the repository's. The git command line, started plainly, is the oracle.

use std::path::{Path, PathBuf};

use super::cli::Git;
use super::{Repo, RepoEnv};

/// One repository and all that is needed to look at it.
pub(crate) struct Bench {
    /// `sha256/reftable/linked`, for messages.
    pub kind: String,
    /// The worktree under test.
    pub top: PathBuf,
    /// The environment.
    pub env: RepoEnv,
    /// Kept until the test ends.
    _root: tempfile::TempDir,
}

impl Bench {
    /// A repository with one commit (`a`, `dir/b`), seen from its main or from a linked worktree.
    pub fn new(hash: &str, refs: &str, linked: bool) -> Self {
        let root = tempfile::tempdir().expect("a temporary folder");
        let main = root.path().canonicalize().expect("it is there").join("main");
        let env = RepoEnv::isolated(root.path());
        std::fs::create_dir_all(main.join("dir")).expect("makes the folder");
        let init = ["init", "-q", "-b", "main", &format!("--object-format={hash}"), &format!("--ref-format={refs}")];
        git_in(&main, &env, &init);
        git_in(&main, &env, &["config", "user.name", "A U Thor"]);
        git_in(&main, &env, &["config", "user.email", "author@example.com"]);
        let place = if linked { "linked" } else { "main" };
        let mut bench = Self { kind: format!("{hash}/{refs}/{place}"), top: main.clone(), env, _root: root };
        bench.write("a", "a\n");
        bench.write("dir/b", "b\n");
        bench.git(&["add", "-A"]);
        bench.git(&["commit", "-q", "-m", "first"]);
        if linked {
            bench.git(&["worktree", "add", "-q", "-b", "side", "../linked"]);
            bench.top = main.with_file_name("linked");
        }
        bench
    }

    /// One of each kind.
    pub fn all() -> impl Iterator<Item = Self> {
        let kinds = ["sha1", "sha256"].into_iter().flat_map(|hash| ["files", "reftable"].map(|refs| (hash, refs)));
        kinds.flat_map(|(hash, refs)| [false, true].map(|linked| Self::new(hash, refs, linked)))
    }

    /// The plainest one.
    pub fn plain() -> Self {
        Self::new("sha1", "files", false)
    }

    /// Found as the tool finds it.
    pub fn repo(&self) -> Repo {
        self.repo_in(&self.top)
    }

    /// Found from some folder.
    pub fn repo_in(&self, cwd: &Path) -> Repo {
        Repo::discover(cwd, &self.env).unwrap_or_else(|e| panic!("{}: {e}", self.kind))
    }

    /// Writes a file of the work tree.
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.top.join(path);
        std::fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("makes the folder");
        std::fs::write(path, text).expect("writes the file");
    }

    /// What git says, without the last line end.
    pub fn git(&self, args: &[&str]) -> String {
        let out = git_in(&self.top, &self.env, args);
        String::from_utf8(out).expect("git says text").trim_end().to_owned()
    }

    /// git that stops and wants a hand.
    pub fn git_stops(&self, args: &[&str]) {
        let out = Git::bare(&self.top, &self.env).args(args.iter().copied()).output().expect("git runs");
        assert!(!out.ok(), "git {args:?} did not stop");
    }

    /// git with some input; its output as it is.
    pub fn git_with(&self, args: &[&str], stdin: Vec<u8>) -> Vec<u8> {
        let out = Git::bare(&self.top, &self.env).args(args.iter().copied()).stdin(stdin).output().expect("git runs");
        assert!(matches!(out.code, Some(0 | 1)), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        out.stdout
    }
}

fn git_in(dir: &Path, env: &RepoEnv, args: &[&str]) -> Vec<u8> {
    Git::bare(dir, env).args(args.iter().copied()).run(&format!("git {args:?}")).expect("git does it")
}

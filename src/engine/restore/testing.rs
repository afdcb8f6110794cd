//! A repository to restore in, for the tests of this floor: files are put on disk, git itself captures and lists trees.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::base::RepoPath;
use crate::base::process::Run;
use crate::base::progress::Silent;
use crate::engine::passed::PassedFiles;
use crate::engine::plan::{self, Target};
use crate::engine::restore::{Applied, apply};
use crate::engine::snapshot::{IndexState, Stats};
use crate::engine::{Plan, Result, Snapshot, Stamps};
use crate::git::repo::RepoEnv;
use crate::git::{Oid, Repo};
use crate::model::{Scope, Skipped};

/// What git would list: mode and content by path.
pub(in crate::engine) type Listing = BTreeMap<Vec<u8>, (u32, Vec<u8>)>;

pub(in crate::engine) struct Bench {
    pub(in crate::engine) repo: Repo,
    folder: tempfile::TempDir,
}

pub(in crate::engine) fn p(path: &str) -> RepoPath {
    RepoPath::new(path).expect("a valid path")
}

impl Bench {
    pub(in crate::engine) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("exists").join("work");
        std::fs::create_dir(&root).expect("makes");
        git(&root, &["init", "-q", "-b", "main"], &[]);
        let repo = Repo::discover(&root, &RepoEnv::isolated(folder.path())).expect("opens");
        Self { repo, folder }
    }

    /// The same with some configuration in force.
    pub(in crate::engine) fn configured(pairs: &[(&str, &str)]) -> Self {
        let mut bench = Self::new();
        bench.configure(pairs);
        bench
    }

    /// Sets configuration and opens the repository anew.
    pub(in crate::engine) fn configure(&mut self, pairs: &[(&str, &str)]) {
        for (key, value) in pairs {
            self.git(&["config", key, value]);
        }
        self.repo = Repo::discover(&self.root(), &RepoEnv::isolated(self.folder.path())).expect("opens");
    }

    /// Runs git with an index of its own.
    pub(in crate::engine) fn git_with_index(&self, index: &Path, args: &[&str]) -> String {
        git(&self.root(), args, &[("GIT_INDEX_FILE", index.as_os_str())])
    }

    pub(in crate::engine) fn root(&self) -> PathBuf {
        self.repo.work_dir().expect("has a work tree").to_path_buf()
    }

    /// A place outside of the work tree.
    pub(in crate::engine) fn outside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(in crate::engine) fn at(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    pub(in crate::engine) fn git(&self, args: &[&str]) -> String {
        git(&self.root(), args, &[])
    }

    pub(in crate::engine) fn put(&self, path: &str, content: &str) {
        self.put_bytes(path.as_bytes(), content.as_bytes());
    }

    pub(in crate::engine) fn put_bytes(&self, path: &[u8], content: &[u8]) {
        let place = self.root().join(OsStr::from_bytes(path));
        std::fs::create_dir_all(place.parent().expect("has a folder")).expect("makes");
        std::fs::write(place, content).expect("writes");
    }

    pub(in crate::engine) fn link(&self, path: &str, target: &str) {
        std::fs::create_dir_all(self.at(path).parent().expect("has a folder")).expect("makes");
        std::os::unix::fs::symlink(target, self.at(path)).expect("links");
    }

    pub(in crate::engine) fn bits(&self, path: &str, bits: u32) {
        std::fs::set_permissions(self.at(path), std::fs::Permissions::from_mode(bits)).expect("sets");
    }

    pub(in crate::engine) fn bits_of(&self, path: &str) -> u32 {
        std::fs::symlink_metadata(self.at(path)).expect("is there").mode() & 0o7777
    }

    /// Removes a file or a whole folder.
    pub(in crate::engine) fn remove(&self, path: &str) {
        self.remove_bytes(path.as_bytes());
    }

    pub(in crate::engine) fn remove_bytes(&self, path: &[u8]) {
        let place = self.root().join(OsStr::from_bytes(path));
        if std::fs::symlink_metadata(&place).expect("is there").is_dir() {
            std::fs::remove_dir_all(place).expect("removes");
        } else {
            std::fs::remove_file(place).expect("removes");
        }
    }

    pub(in crate::engine) fn exists(&self, path: &str) -> bool {
        std::fs::symlink_metadata(self.at(path)).is_ok()
    }

    pub(in crate::engine) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.at(path)).expect("reads")
    }

    /// Empties the work tree.
    pub(in crate::engine) fn clear(&self) {
        for entry in std::fs::read_dir(self.root()).expect("lists") {
            let name = entry.expect("lists").file_name();
            if name != ".git" {
                self.remove_bytes(name.as_bytes());
            }
        }
    }

    /// The work tree as git takes it, through an index of its own; the user's index is not touched.
    pub(in crate::engine) fn capture(&self) -> Snapshot {
        let index = self.folder.path().join("index");
        drop(std::fs::remove_file(&index));
        let env = [("GIT_INDEX_FILE", index.as_os_str())];
        git(&self.root(), &["add", "-A"], &env);
        let tree = git(&self.root(), &["write-tree"], &env);
        snapshot(Oid::parse(tree.trim()).expect("an id"))
    }

    pub(in crate::engine) fn plan(&self, present: &Snapshot, target: &Snapshot) -> Plan {
        self.try_plan(present, target).expect("plans")
    }

    pub(in crate::engine) fn try_plan(&self, present: &Snapshot, target: &Snapshot) -> Result<Plan> {
        let (tree, scope, skipped, rules) = (target.tree, target.scope, &target.skipped, target.exclude.as_slice());
        plan::make(&self.repo, present, &Target { rules, ..Target::whole(tree, scope, skipped) })
    }

    pub(in crate::engine) fn apply(&self, plan: &Plan) -> Result<Applied> {
        apply(&self.repo, plan, &BTreeMap::new(), &self.root(), &Silent)
    }

    /// Goes from what is on disk to `target`.
    pub(in crate::engine) fn restore(&self, target: &Snapshot) -> Applied {
        let plan = self.plan(&self.capture(), target);
        assert_eq!(plan.obstacles, [], "nothing is in the way");
        self.apply(&plan).expect("applies")
    }

    /// Everything on disk outside of `.git`, folders left out.
    pub(in crate::engine) fn listing(&self) -> Listing {
        let mut all = Listing::new();
        list(&self.root(), &self.root(), &mut all);
        all
    }
}

fn list(root: &Path, folder: &Path, all: &mut Listing) {
    for entry in std::fs::read_dir(folder).expect("lists") {
        let place = entry.expect("lists").path();
        let meta = std::fs::symlink_metadata(&place).expect("is there");
        let name = place.strip_prefix(root).expect("is below").as_os_str().as_bytes().to_vec();
        if name == b".git" {
        } else if meta.is_dir() {
            list(root, &place, all);
        } else if meta.is_symlink() {
            let target = std::fs::read_link(&place).expect("reads");
            all.insert(name, (0o120_000, target.into_os_string().as_bytes().to_vec()));
        } else {
            let mode = if meta.mode() & 0o100 == 0 { 0o644 } else { 0o755 };
            all.insert(name, (mode, std::fs::read(&place).expect("reads")));
        }
    }
}

pub(in crate::engine) fn snapshot(tree: Oid) -> Snapshot {
    Snapshot {
        tree,
        scope: Scope::Full,
        skipped: Skipped::default(),
        index: IndexState::default(),
        modes: BTreeMap::new(),
        umask: 0o022,
        passed: PassedFiles::default(),
        exclude: Vec::new(),
        stamps: Stamps::default(),
        stats: Stats::default(),
    }
}

fn git(cwd: &Path, args: &[&str], env: &[(&str, &OsStr)]) -> String {
    let mut run = Run::new("git");
    run.args = args.iter().map(Into::into).collect();
    run.cwd = Some(cwd.to_path_buf());
    run.env_remove = ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"].map(Into::into).to_vec();
    run.env = [("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1"), ("HOME", "/nonexistent")]
        .into_iter()
        .map(|(key, value)| (key.into(), value.into()))
        .chain(env.iter().map(|(key, value)| (key.into(), value.into())))
        .collect();
    let output = run.output().expect("git starts");
    assert!(output.ok(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

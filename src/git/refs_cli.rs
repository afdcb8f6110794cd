//! Refs of every format that git knows, by the git command line. Constant cost: one process a call.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use bstr::ByteSlice as _;

use super::cli::{Git, failure};
use super::repo::RepoEnv;
use super::{Error, Expected, Oid, RefEdit, RefName, RefStore, Result};

/// The store.
#[derive(Debug)]
pub(super) struct CliRefs {
    git_dir: PathBuf,
    work_dir: Option<PathBuf>,
    env: RepoEnv,
}

impl CliRefs {
    /// For one worktree of a repository.
    pub fn new(git_dir: &Path, work_dir: Option<&Path>, env: &RepoEnv) -> Self {
        Self { git_dir: git_dir.to_owned(), work_dir: work_dir.map(Path::to_owned), env: env.clone() }
    }

    /// git that finds the repository itself and so checks its owner and format.
    pub fn git_in(&self, dir: &Path) -> Git {
        Git::bare(dir, &self.env)
    }

    /// Where the refs are that all worktrees share.
    fn common_dir(&self) -> Result<PathBuf> {
        let common = crate::base::file::read_optional(&self.git_dir.join("commondir"))?;
        Ok(common.map_or_else(|| self.git_dir.clone(), |path| self.git_dir.join(path.trim_ascii().to_path_lossy())))
    }

    fn git(&self) -> Git {
        Git::at(&self.git_dir, self.work_dir.as_deref(), &self.env)
    }
}

/// The refs of which git says on standard error that it passes over them.
fn named_as_broken(stderr: &[u8]) -> Vec<RefName> {
    let named = |line: &[u8]| {
        let line = line.to_str().ok()?;
        let kinds = ["ignoring broken ref ", "ignoring dangling symref "];
        let (_, name) = kinds.iter().find_map(|kind| line.split_once(kind))?;
        RefName::from_git(name).ok()
    };
    stderr.lines().filter_map(named).collect()
}

/// The lines of `git update-ref --stdin -z` for one edit.
pub(super) fn script(edit: &RefEdit) -> Vec<u8> {
    let name = &edit.name;
    let text = match (edit.new, edit.expected) {
        (Some(new), Expected::Absent) => format!("create {name}\0{new}\0"),
        (Some(new), Expected::Exactly(old)) => format!("update {name}\0{new}\0{old}\0"),
        (None, Expected::Exactly(old)) => format!("delete {name}\0{old}\0"),
        // An empty old value means that the ref must not be there.
        (None, Expected::Absent) => format!("verify {name}\0\0"),
    };
    text.into_bytes()
}

impl RefStore for CliRefs {
    fn read(&self, name: &RefName) -> Result<Option<Oid>> {
        let out = self.git().args(["rev-parse", "-q", "--verify", name.as_str()]).output()?;
        match out.code {
            Some(0) => Ok(Some(Oid::parse(&out.stdout.trim_ascii().to_str_lossy())?)),
            // As where there is none; but this it says.
            Some(1) if name.as_session_head().is_some() && named_as_broken(&out.stderr).contains(name) => {
                Err(Error::Damaged { what: format!("{name}: it leads to no object") })
            }
            Some(1) => Ok(None),
            _ => Err(failure(&format!("read {name}"), &out)),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<(RefName, Oid)>> {
        let attempted = format!("list the refs {prefix}");
        // No ref name has a space or a line end in it.
        let out = self.git().args(["for-each-ref", "--format=%(objectname) %(refname)", prefix]).run(&attempted)?;
        let mut found = Vec::new();
        for line in out.lines() {
            let line = line.to_str().map_err(|_| Error::BadRefName { name: line.to_str_lossy().into_owned() })?;
            let (oid, name) = line.split_once(' ').ok_or_else(|| Error::BadRefName { name: line.to_owned() })?;
            found.push((RefName::from_git(name)?, Oid::parse(oid)?));
        }
        found.sort();
        Ok(found)
    }

    fn broken(&self, prefix: &str) -> Result<Vec<RefName>> {
        let attempted = format!("list the refs {prefix}");
        let out = self.git().args(["for-each-ref", "--format=%(refname)", prefix]).output()?;
        if !out.ok() {
            return Err(failure(&attempted, &out));
        }
        let mut broken = named_as_broken(&out.stderr);
        // A listing says nothing of a symbolic ref that leads nowhere. Among files it is found; in reftable only by its name.
        let listed: HashSet<&[u8]> = out.stdout.lines().collect();
        for name in super::refs::loose(&self.common_dir()?, prefix) {
            if !listed.contains(name.as_str().as_bytes()) && !broken.contains(&name) && self.read(&name).is_err() {
                broken.push(name);
            }
        }
        broken.sort();
        Ok(broken)
    }

    fn update(&self, edit: &RefEdit) -> Result<()> {
        let mut git = self.git().args(["update-ref", "--no-deref"]);
        if !edit.message.is_empty() {
            git = git.args(["-m", &edit.message]);
        }
        let out = git.args(["--stdin", "-z"]).stdin(script(edit)).output()?;
        if out.ok() {
            return Ok(());
        }
        // git's words for a lost race differ by format and version; what the ref holds now does not.
        let actual = self.read(&edit.name)?;
        let expected = match edit.expected {
            Expected::Absent => None,
            Expected::Exactly(old) => Some(old),
        };
        let name = edit.name.to_string();
        if actual != expected {
            return Err(Error::Lost { name, actual });
        }
        // The first of the `files` format, the second of reftable.
        let locked = ["File exists", "cannot lock references"].iter().any(|said| out.stderr.contains_str(said));
        if locked { Err(Error::RefLocked { name }) } else { Err(failure(&format!("update {name}"), &out)) }
    }

    fn kind(&self) -> &'static str {
        "git"
    }
}

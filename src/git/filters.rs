//! Filter drivers (`filter.<name>.clean`, `smudge`, `process`): which are configured, and which attributes give to paths.
//!
//! The drivers themselves are run by [`super::driver`], without any other conversion. Where no driver is configured, and where
//! no attributes mention one, no git is started.

use std::collections::BTreeMap;

use bstr::{BStr, BString, ByteSlice as _};

use super::cli::Git;
use super::{Error, Oid, Repo, Result, attributes};
use crate::base::RepoPath;

/// What the configuration says of one driver. An empty command is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Driver {
    /// Makes of a file what is stored.
    pub clean: Option<BString>,
    /// Makes of what is stored a file.
    pub smudge: Option<BString>,
    /// Does both, for many files.
    pub process: Option<BString>,
    /// Whether a failure is one; else the bytes stay as they are.
    pub required: bool,
}

impl Driver {
    /// A text that is another one where the driver is another one.
    fn fingerprint(&self, format: super::ObjectFormat) -> Result<Oid> {
        format.hash_blob(format!("{self:?}").as_bytes())
    }
}

/// The configured drivers, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drivers(BTreeMap<BString, Driver>);

impl Drivers {
    /// Reads them.
    pub fn read(repo: &Repo) -> Result<Self> {
        let mut drivers: BTreeMap<BString, Driver> = BTreeMap::new();
        for (key, value) in repo.config.matching("^filter\\..*\\.(clean|smudge|process|required)$")? {
            let Some((name, what)) = key.strip_prefix("filter.").and_then(|rest| rest.rsplit_once('.')) else {
                continue;
            };
            let driver = drivers.entry(name.into()).or_default();
            let command = Some(value.clone()).filter(|command| !command.is_empty());
            match what {
                "clean" => driver.clean = command,
                "smudge" => driver.smudge = command,
                "process" => driver.process = command,
                _ => driver.required = repo.config.bool(&key)?.unwrap_or(false),
            }
        }
        // One without any command is none: git, too, leaves the bytes as they are unless they are required to change.
        drivers.retain(|_, d| d.required || d.clean.is_some() || d.smudge.is_some() || d.process.is_some());
        Ok(Self(drivers))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The driver of that name.
    pub fn get(&self, name: &BStr) -> Option<&Driver> {
        self.0.get(name)
    }

    /// An id that is another one where the driver of that name is another one.
    pub fn fingerprint(&self, name: &BStr, format: super::ObjectFormat) -> Result<Option<Oid>> {
        self.get(name).map(|driver| driver.fingerprint(format)).transpose()
    }

    /// An id that is another one where any driver is another one.
    pub fn all(&self, format: super::ObjectFormat) -> Result<Oid> {
        format.hash_blob(format!("{:?}", self.0).as_bytes())
    }

    /// For each of `paths` the configured driver that attributes give to it, one `git check-attr` for all. `source` is a tree
    /// whose attributes count in place of those on disk. Whether any attributes mention one was looked at by the caller.
    pub fn of_paths(&self, repo: &Repo, paths: &[RepoPath], source: Option<Oid>) -> Result<Vec<Option<BString>>> {
        if self.is_empty() || paths.is_empty() {
            return Ok(vec![None; paths.len()]);
        }
        let mut input = Vec::new();
        for path in paths {
            input.extend_from_slice(path.as_bytes());
            input.push(0);
        }
        let attempted = "ask for the filters of files";
        let mut git = Git::new(repo).args(["check-attr", "-z", "--stdin"]);
        if let Some(tree) = source {
            git = git.args([format!("--source={tree}")]);
        } else if !attributes::index_counts(repo)? {
            // A file of attributes that is gone from the disk does not count, whatever the index has.
            git = git.without_index(repo);
        }
        let out = git.args(["filter"]).stdin(input).run(attempted)?;
        // "<path>\0filter\0<value>\0" for each path, in their order.
        let values: Vec<&[u8]> = out.split_str("\0").skip(2).step_by(3).collect();
        if values.len() != paths.len() {
            return Err(Error::Git {
                attempted: attempted.to_owned(),
                said: "not one answer for each path".to_owned(),
            });
        }
        let known = |value: &[u8]| self.0.contains_key(value.as_bstr()).then(|| value.into());
        Ok(values.into_iter().map(known).collect())
    }

    /// [`Self::of_paths`] by the attributes on disk above these paths; no git where none mention a filter.
    pub fn of_named(&self, repo: &Repo, paths: &[RepoPath]) -> Result<Vec<Option<BString>>> {
        if self.is_empty() || paths.is_empty() || !attributes::Sources::above(repo, paths)?.mention_filter {
            return Ok(vec![None; paths.len()]);
        }
        self.of_paths(repo, paths, None)
    }
}

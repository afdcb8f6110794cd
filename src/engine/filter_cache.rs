//! What the last snapshot of this worktree made of files with a filter driver, so that the next one runs drivers only for what
//! changed: the file, its driver, or what the driver runs. The stat cache never vouches for such a file.
//!
//! `<git dir>/session/filtered`, JSON. It may always be deleted; what cannot be read is empty.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Result;
use super::passed::Passed;
use super::stat_cache::Stamp;
use crate::base::RepoPath;
use crate::base::file::{self, Durability};
use crate::git::Oid;
use crate::model::filters::Bytes;

const VERSION: u32 = 1;

/// What was made of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The file: size, times, inode, device; `None` where it was too young.
    stamp: Option<(u64, i64, u32, i64, u32, u64, u64)>,
    /// The driver.
    pub driver: String,
    /// Another id where the driver was another one.
    pub runs: Oid,
    /// What the driver made.
    pub blob: Oid,
    bytes: Bytes,
    disk: Oid,
}

impl Entry {
    /// Of a file as it was when the driver read it.
    pub fn new(stamp: Option<Stamp>, runs: Oid, blob: Oid, passed: &Passed) -> Self {
        let Passed { driver, bytes, disk } = passed.clone();
        Self { stamp: stamp.as_ref().map(fields), driver, runs, blob, bytes, disk }
    }

    /// Whether it is of the file that `lstat` says this of. All of the stamp counts, whatever git is told to trust.
    pub fn is_of(&self, now: &Stamp) -> bool {
        self.stamp == Some(fields(now))
    }

    /// What it says of the file.
    pub fn passed(&self) -> Passed {
        Passed { driver: self.driver.clone(), bytes: self.bytes, disk: self.disk }
    }
}

fn fields(s: &Stamp) -> (u64, i64, u32, i64, u32, u64, u64) {
    (s.size, s.mtime.0, s.mtime.1, s.ctime.0, s.ctime.1, s.ino, s.dev)
}

/// The cache.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterCache {
    version: u32,
    /// Another id where attributes or drivers were other ones; then each path has to be asked for its driver again.
    pub state: Option<Oid>,
    /// By path.
    pub entries: BTreeMap<RepoPath, Entry>,
}

impl FilterCache {
    /// Reads it.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = file::read_optional(path)?.unwrap_or_default();
        let read: Option<Self> = serde_json::from_slice(&bytes).ok();
        Ok(read.filter(|cache| cache.version == VERSION).unwrap_or_default())
    }

    /// Writes it.
    pub fn store(mut self, path: &Path) -> Result<()> {
        self.version = VERSION;
        let bytes = serde_json::to_vec(&self).map_err(|e| crate::base::Error::io("write", path)(e.into()))?;
        Ok(file::write_atomic(path, &bytes, Some(0o600), Durability::Process)?)
    }
}

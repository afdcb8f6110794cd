//! What a snapshot knows of files that went through a filter driver, and what a checkpoint records of them.

use std::collections::BTreeMap;

use super::Result;
use crate::base::{Error as BaseError, IdSource, RepoPath, file};
use crate::git::{Oid, Repo};
use crate::model::filters::{Bytes, Filtered, Filters};

/// One such file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// The driver's name; bytes that are not UTF-8 as `\xNN`.
    pub driver: String,
    /// How its bytes come back.
    pub bytes: Bytes,
    /// The id that its bytes on disk have as a blob, which need not be stored.
    pub disk: Oid,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassedFiles {
    /// Those that were looked at.
    pub looked_at: BTreeMap<RepoPath, Passed>,
    /// Those that were not.
    pub carried: Carried,
}

/// The paths of which stays what was recorded before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carried {
    /// These.
    Only(Vec<RepoPath>),
    /// All but these, which a partial snapshot looked at.
    AllBut(Vec<RepoPath>),
}

impl Default for Carried {
    fn default() -> Self {
        Self::Only(Vec::new())
    }
}

impl PassedFiles {
    /// The id of the bytes on disk of a file that is stored as `blob`.
    pub fn on_disk(&self, path: &RepoPath, blob: Oid) -> Oid {
        self.looked_at.get(path).map_or(blob, |passed| passed.disk)
    }
}

/// Makes and compares checks of bytes. They are made with a key that never leaves the clone, so that nobody who has a
/// checkpoint can try out what a file may have held.
#[derive(Debug)]
pub struct Checks {
    key: String,
}

impl Checks {
    /// With this clone's key, which is made where it is missing.
    pub fn of(repo: &Repo) -> Result<Self> {
        let folder = repo.common_dir.join("session");
        let path = folder.join("filter-key");
        if let Some(key) = file::read_optional(&path)? {
            return Ok(Self { key: String::from_utf8_lossy(&key).trim().to_owned() });
        }
        file::create_private_dir(&folder)?;
        let key = IdSource::Random.uuid().simple().to_string();
        file::write_atomic(&path, key.as_bytes(), Some(repo.shared.private_file()), file::Durability::Process)?;
        // Another process may have made one at the same time; the last one stays.
        let key = file::read_optional(&path)?
            .ok_or_else(|| BaseError::io("read", &path)(std::io::ErrorKind::NotFound.into()))?;
        Ok(Self { key: String::from_utf8_lossy(&key).trim().to_owned() })
    }

    /// The check of bytes that have this id as a blob.
    pub fn make(&self, repo: &Repo, disk: Oid) -> Result<String> {
        let format = repo.caps.object_format;
        let name = format.hash_blob(format!("name {}", self.key).as_bytes())?.to_string();
        let check = format.hash_blob(format!("{} {disk}", self.key).as_bytes())?.to_string();
        Ok(format!("{}:{}", &name[..8], &check[..32]))
    }

    /// Whether bytes are those of which this check was made; `None` where it was made with another key.
    pub fn holds(&self, repo: &Repo, check: &str, disk: Oid) -> Result<Option<bool>> {
        let own = self.make(repo, disk)?;
        let name = |check: &str| check.split(':').next().map(str::to_owned);
        Ok((name(&own) == name(check)).then(|| own == check))
    }
}

impl PassedFiles {
    /// The record of a checkpoint, and the blobs for `raw/`: what was looked at, and of the rest what was recorded before.
    pub fn record(&self, repo: &Repo, before: Option<&Filters>) -> Result<Filters> {
        let mut record = Filters::default();
        if let Some(before) = before {
            let is_carried = |path: &RepoPath| match &self.carried {
                Carried::Only(paths) => paths.binary_search(path).is_ok(),
                Carried::AllBut(paths) => paths.binary_search(path).is_err(),
            };
            let carried = before.paths.iter().filter(|(path, _)| is_carried(path));
            record.paths.extend(carried.map(|(path, filtered)| (path.clone(), filtered.clone())));
        }
        if self.looked_at.is_empty() {
            return Ok(record);
        }
        let checks = Checks::of(repo)?;
        for (path, passed) in &self.looked_at {
            let check = (passed.bytes == Bytes::Driver).then(|| checks.make(repo, passed.disk)).transpose()?;
            let driver = passed.driver.clone();
            record.paths.insert(path.clone(), Filtered { driver, bytes: passed.bytes, check });
        }
        Ok(record)
    }
}

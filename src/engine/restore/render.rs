//! Makes the bytes that filter drivers have to make, before anything is changed: by the driver that the checkpoint recorded,
//! whatever attributes say today, and only where it gives the bytes that were there then.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Instant;

use bstr::ByteSlice as _;

use crate::base::repo_path::unescape;
use crate::base::{Error as BaseError, RepoPath, file};
use crate::engine::error::DriverProblem;
use crate::engine::passed::Checks;
use crate::engine::plan::{Conversion, Plan, PlanItem, Via};
use crate::engine::snapshot::FILTER_PATIENCE;
use crate::engine::{Error, Result};
use crate::git::driver::{Ran, Runner, Way};
use crate::git::filters::Drivers;
use crate::git::{Oid, Repo};

/// Held in memory up to this, all files together up to [`IN_MEMORY`].
const SMALL: u64 = 1 << 16;
const IN_MEMORY: u64 = 1 << 24;

/// What a driver made: in memory, or in a file without a name.
#[derive(Clone, Debug)]
pub struct Made {
    content: Content,
    /// The id of the bytes as a blob.
    id: Oid,
}

#[derive(Clone, Debug)]
enum Content {
    Memory(Arc<[u8]>),
    File(Arc<File>, u64),
}

impl Made {
    /// All of it.
    pub(super) fn bytes(&self, path: &RepoPath) -> Result<Vec<u8>> {
        match &self.content {
            Content::Memory(bytes) => Ok(bytes.to_vec()),
            Content::File(file, length) => {
                let mut bytes = vec![0; usize::try_from(*length).unwrap_or(usize::MAX)];
                file.read_exact_at(&mut bytes, 0)
                    .map_err(BaseError::io("read what a filter made of", path.to_string()))?;
                Ok(bytes)
            }
        }
    }
}

impl Plan {
    /// Makes all that drivers have to make. Items that turn out to be there already are left out.
    ///
    /// # Errors
    /// A driver that is not configured, that fails, or that gives other bytes than the file had. Nothing was changed.
    pub fn render(&mut self, repo: &Repo) -> Result<()> {
        let Self { items, bytes, .. } = self;
        if !render(repo, wanted(items, bytes), false)? {
            return Ok(());
        }
        let is_made = |path: &RepoPath| bytes.get(path).is_some_and(|conversion| conversion.new.is_some());
        items.retain(|item| item.old != item.new || !is_made(&item.path));
        for item in items.iter_mut().filter(|item| is_made(&item.path)) {
            *item = PlanItem::new(item.path.clone(), item.old, item.new);
        }
        Ok(())
    }
}

/// The items for which a driver still has to make the bytes.
pub(super) fn wanted<'p>(
    items: &'p mut [PlanItem],
    bytes: &'p mut BTreeMap<RepoPath, Conversion>,
) -> Vec<(&'p mut PlanItem, &'p mut Via)> {
    let mut vias: BTreeMap<&RepoPath, &mut Via> =
        bytes.iter_mut().filter_map(|(path, conversion)| Some((path, conversion.new.as_mut()?))).collect();
    vias.retain(|_, via| via.made.is_none());
    items.iter_mut().filter_map(|item| vias.remove(&item.path).map(|via| (item, via))).collect()
}

/// Makes the bytes of these files and puts their ids into the items. `is_known`: the items have the ids already. Whether
/// there were any.
pub(super) fn render(repo: &Repo, wanted: Vec<(&mut PlanItem, &mut Via)>, is_known: bool) -> Result<bool> {
    if wanted.is_empty() {
        return Ok(false);
    }
    let drivers = Drivers::read(repo)?;
    let can_smudge = |via: &Via| {
        let driver = drivers.get(unescape(&via.driver).as_bstr());
        driver.is_some_and(|driver| driver.smudge.is_some() || driver.process.is_some())
    };
    let mut missing = wanted.iter().filter(|(_, via)| !can_smudge(via));
    if let Some((item, via)) = missing.next() {
        return Err(failed(&item.path, via, DriverProblem::Missing, missing.count()));
    }
    let checks = Checks::of(repo)?;
    let mut runner = Runner::new(repo, &drivers, Instant::now() + FILTER_PATIENCE)?;
    let mut in_memory = 0;
    for (item, via) in wanted {
        let made = one(repo, &mut runner, &item.path, via, &mut in_memory)?;
        let other = match (is_known, item.new, &via.check) {
            (true, Some((_, id)), _) => id != made.id,
            (_, _, Some(check)) => checks.holds(repo, check, made.id)? == Some(false),
            _ => false,
        };
        if other {
            return Err(failed(&item.path, via, DriverProblem::OtherBytes, 0));
        }
        item.new = item.new.map(|(mode, _)| (mode, made.id));
        via.made = Some(made);
    }
    Ok(true)
}

fn one(repo: &Repo, runner: &mut Runner<'_>, path: &RepoPath, via: &Via, in_memory: &mut u64) -> Result<Made> {
    let io = || BaseError::io("hold what a filter made of", path.to_string());
    let folder = repo.git_dir.join("session");
    file::create_private_dir(&folder)?;
    let blob = repo.objects.read_blob(via.blob)?;
    let mut spool = tempfile::spooled_tempfile_in(SMALL as usize, &folder);
    let name = unescape(&via.driver);
    match runner.run(Way::Smudge, name.as_bstr(), path, &mut blob.as_slice(), &mut spool)? {
        Ran::Done => {}
        Ran::Nothing => spool.write_all(&blob).map_err(io())?,
        Ran::Failed(said) => return Err(failed(path, via, DriverProblem::Failed(said), 0)),
        Ran::TooSlow => return Err(failed(path, via, DriverProblem::TooSlow, 0)),
    }
    let length = spool.seek(SeekFrom::End(0)).map_err(io())?;
    spool.seek(SeekFrom::Start(0)).map_err(io())?;
    let id = repo.objects.hash_from(&mut spool, length)?;
    if *in_memory + length > IN_MEMORY {
        spool.roll().map_err(io())?;
    }
    let content = match spool.into_inner() {
        tempfile::SpooledData::InMemory(cursor) => {
            *in_memory += length;
            Content::Memory(cursor.into_inner().into())
        }
        tempfile::SpooledData::OnDisk(file) => Content::File(Arc::new(file), length),
    };
    Ok(Made { content, id })
}

fn failed(path: &RepoPath, via: &Via, problem: DriverProblem, more: usize) -> Error {
    Error::Driver { path: path.clone(), driver: via.driver.clone(), problem, more }
}

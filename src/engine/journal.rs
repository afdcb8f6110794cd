//! The journal of a restore in progress: enough to finish it or to take it back after a death at any instruction.
//!
//! `<git dir of the worktree>/session/journal`, written and synced before the first change, removed after the last.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::plan::{Conversion, Via};
use super::{Error, Plan, PlanItem, Result};
use crate::base::file::{self, Durability};
use crate::base::supplied::{self, Links};
use crate::base::{Error as BaseError, RepoPath, SessionId};
use crate::git::{FileMode, Oid, Repo};

const VERSION: u32 = 1;
/// Bytes of the largest journal that is read: one of millions of files.
const LARGEST: u64 = 1 << 30;

/// What the journal says beside the items of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purpose {
    /// The session.
    pub session: SessionId,
    /// Its tip when the restore began.
    pub tip: Oid,
    /// What the checkpoint at the end will be: everything `ops` needs to make it, as it wrote it.
    pub then: serde_json::Value,
}

/// A journal as found.
#[derive(Clone, Debug)]
pub struct Journal {
    /// What it is for.
    pub purpose: Purpose,
    /// The plan; `kept`, `obstacles` and `left` are empty.
    pub plan: Plan,
    /// Permission bits that written files get, by path.
    pub modes: BTreeMap<RepoPath, u32>,
}

/// The first thing read: a journal of another version need not have the other fields.
#[derive(Deserialize)]
struct Header {
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct Record {
    version: u32,
    purpose: Purpose,
    present: Oid,
    result: Oid,
    items: Vec<Item>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    modes: BTreeMap<RepoPath, u32>,
}

#[derive(Serialize, Deserialize)]
struct Item {
    path: RepoPath,
    old: Option<Entry>,
    new: Option<Entry>,
    /// How filter drivers make the bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    old_via: Option<By>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    new_via: Option<By>,
}

/// How a filter driver makes bytes whose id stands in an entry.
#[derive(Serialize, Deserialize)]
struct By {
    driver: String,
    blob: Oid,
}

impl By {
    fn of(via: Option<&Via>) -> Option<Self> {
        via.map(|via| Self { driver: via.driver.clone(), blob: via.blob })
    }

    fn read(self) -> Via {
        Via { driver: self.driver, blob: self.blob, check: None, made: None }
    }
}

#[derive(Serialize, Deserialize)]
struct Entry {
    /// The six digits that git prints.
    mode: String,
    oid: Oid,
}

impl Entry {
    fn of((mode, oid): (FileMode, Oid)) -> Self {
        Self { mode: mode.octal(), oid }
    }

    fn read(self, place: &Path) -> Result<(FileMode, Oid)> {
        let mode = u32::from_str_radix(&self.mode, 8).ok().and_then(|raw| FileMode::from_raw(raw).ok());
        let mode = mode.filter(|m| m.is_blob());
        Ok((mode.ok_or_else(|| damaged(place, format!("{:?} is not the mode of a file", self.mode)))?, self.oid))
    }
}

/// Writes the journal; with [`Durability::Process`] whoever goes by it syncs it before the first change.
pub fn write(
    repo: &Repo,
    purpose: &Purpose,
    plan: &Plan,
    modes: &BTreeMap<RepoPath, u32>,
    durability: Durability,
) -> Result<()> {
    let path = place(repo);
    let item = |item: &PlanItem| {
        let bytes = plan.bytes.get(&item.path);
        Item {
            path: item.path.clone(),
            old: item.old.map(Entry::of),
            new: item.new.map(Entry::of),
            old_via: By::of(bytes.and_then(|bytes| bytes.old.as_ref())),
            new_via: By::of(bytes.and_then(|bytes| bytes.new.as_ref())),
        }
    };
    let record = Record {
        version: VERSION,
        purpose: purpose.clone(),
        present: plan.present,
        result: plan.result,
        items: plan.items.iter().map(item).collect(),
        modes: modes.clone(),
    };
    let bytes = serde_json::to_vec(&record).map_err(|e| BaseError::io("write", &path)(e.into()))?;
    if let Some(folder) = path.parent() {
        repo.shared.make_private_dir(folder)?;
    }
    file::write_atomic(&path, &bytes, Some(repo.shared.private_file()), durability)?;
    Ok(())
}

/// The journal of this worktree, if a restore was interrupted.
///
/// # Errors
/// A journal that cannot be read is [`super::Error::Damaged`], never taken for none.
pub fn read(repo: &Repo) -> Result<Option<Journal>> {
    let path = place(repo);
    let Some(bytes) = supplied::read(&path, Links::Refuse, LARGEST)? else { return Ok(None) };
    let unreadable = |e: serde_json::Error| damaged(&path, e.to_string());
    let header: Header = serde_json::from_slice(&bytes).map_err(unreadable)?;
    if header.version != VERSION {
        let problem = format!("it has version {}, this program knows version {VERSION}", header.version);
        return Err(damaged(&path, problem));
    }
    let record: Record = serde_json::from_slice(&bytes).map_err(unreadable)?;
    let mut items = Vec::with_capacity(record.items.len());
    let mut bytes = BTreeMap::new();
    for item in record.items {
        let old = item.old.map(|entry| entry.read(&path)).transpose()?;
        let new = item.new.map(|entry| entry.read(&path)).transpose()?;
        if item.old_via.is_some() || item.new_via.is_some() {
            let conversion = Conversion { old: item.old_via.map(By::read), new: item.new_via.map(By::read) };
            bytes.insert(item.path.clone(), conversion);
        }
        items.push(PlanItem::new(item.path, old, new));
    }
    let (kept, obstacles, left) = (Vec::new(), Vec::new(), Vec::new());
    let is_converted = !bytes.is_empty();
    let plan =
        Plan { present: record.present, result: record.result, items, kept, obstacles, bytes, is_converted, left };
    Ok(Some(Journal { purpose: record.purpose, plan, modes: record.modes }))
}

/// Removes the journal; the restore is settled.
pub fn remove(repo: &Repo, durability: Durability) -> Result<()> {
    let path = place(repo);
    if file::remove_optional(&path)?
        && durability == Durability::Power
        && let Some(folder) = path.parent()
    {
        // Else a loss of power could bring it back, and with it an old restore.
        file::sync_dir(folder)?;
    }
    Ok(())
}

fn place(repo: &Repo) -> PathBuf {
    folder(repo).join("journal")
}

/// Where the journal lies.
pub(super) fn folder(repo: &Repo) -> PathBuf {
    repo.git_dir.join("session")
}

fn damaged(path: &Path, problem: String) -> Error {
    Error::Damaged { path: path.to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::restore::testing::{Bench, p};
    use std::os::unix::fs::PermissionsExt as _;

    fn sample(bench: &Bench) -> (Purpose, Plan, BTreeMap<RepoPath, u32>) {
        bench.put("a", "one");
        bench.put("gone", "x");
        let before = bench.capture();
        bench.put("a", "two");
        bench.put_bytes(b"odd\xff\n\\name", b"y");
        bench.remove("gone");
        let after = bench.capture();
        bench.put("a", "one");
        bench.put("gone", "x");
        bench.remove_bytes(b"odd\xff\n\\name");
        let plan = bench.plan(&before, &after);
        let session = SessionId::parse("094320c0-d68c-4670-b77b-7456115d8c99").expect("an id");
        let purpose = Purpose { session, tip: before.tree, then: serde_json::json!({"kind": "rewind", "target": 3}) };
        (purpose, plan, BTreeMap::from([(p("a"), 0o640)]))
    }

    #[test]
    fn a_journal_reads_back_as_it_was_written_and_is_private() {
        let bench = Bench::new();
        let (purpose, plan, modes) = sample(&bench);
        assert!(read(&bench.repo).expect("reads").is_none(), "no journal, no restore");
        write(&bench.repo, &purpose, &plan, &modes, Durability::Power).expect("writes");
        let back = read(&bench.repo).expect("reads").expect("is there");
        assert_eq!((back.purpose, back.modes), (purpose, modes));
        assert_eq!((back.plan.present, back.plan.result), (plan.present, plan.result));
        assert_eq!(back.plan.items, plan.items);
        assert_eq!(plan.items.len(), 3);
        let bits = std::fs::metadata(place(&bench.repo)).expect("is there").permissions().mode();
        assert_eq!(bits & 0o777, 0o600);
        remove(&bench.repo, Durability::Power).expect("removes");
        remove(&bench.repo, Durability::Power).expect("removes nothing");
        assert!(read(&bench.repo).expect("reads").is_none());
    }

    #[test]
    fn a_journal_that_cannot_be_read_is_damage_and_never_taken_for_none() {
        let bench = Bench::new();
        let (purpose, plan, modes) = sample(&bench);
        write(&bench.repo, &purpose, &plan, &modes, Durability::Power).expect("writes");
        let path = place(&bench.repo);
        let good = std::fs::read(&path).expect("reads");
        let newer = String::from_utf8(good.clone()).expect("text").replacen("\"version\":1", "\"version\":2", 1);
        for bad in [&b""[..], &good[..good.len() / 2], newer.as_bytes()] {
            std::fs::write(&path, bad).expect("writes");
            let error = read(&bench.repo).expect_err("is damaged");
            assert!(matches!(&error, Error::Damaged { path: at, .. } if *at == path), "{error}");
        }
        assert!(read(&bench.repo).expect_err("is newer").to_string().contains("version 2"));
    }
}

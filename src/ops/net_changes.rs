//! The changes of the present session from its first checkpoint to now, kept in the git dir between saves so that each
//! compares only what is new (`.git/session/net-changes`). A cache: damaged or deleted, all is compared anew.

use std::path::PathBuf;

use super::{App, Failure, FailureKind, Result};
use crate::base::file::{self, Durability};
use crate::engine::local;
use crate::features::state::changes::{CARRIED, Changes};
use crate::git::Oid;

/// The changes that one command works with.
#[derive(Debug)]
pub struct NetChanges {
    kept: Option<Changes>,
    now: Option<Changes>,
}

impl NetChanges {
    /// What the last save kept.
    pub fn load(app: &App<'_>) -> Result<Self> {
        let bytes = file::read_optional(&app.repo.git_dir.join("session").join("net-changes"))?;
        let kept: Option<Changes> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok(Self { now: kept.clone(), kept })
    }

    /// The changes from a code commit to a tree.
    pub fn between(&mut self, app: &App<'_>, base: Oid, tree: Oid) -> Result<&mut Changes> {
        let objects = &app.repo.objects;
        let base = objects.read_commit(base)?.tree;
        let changes = Changes::between(objects, base, tree, self.now.take())?;
        Ok(self.now.insert(changes))
    }

    /// Keeps them for the next save.
    pub fn keep(self, app: &App<'_>) -> Result<()> {
        if self.now == self.kept {
            return Ok(());
        }
        let path = path(app)?;
        match self.now.filter(|changes| changes.files.len() <= CARRIED) {
            Some(changes) => {
                let bytes = serde_json::to_vec(&changes).map_err(|e| {
                    Failure::new(FailureKind::Internal, "internal", format!("cannot keep the changes: {e}"))
                })?;
                file::write_atomic(&path, &bytes, Some(app.repo.shared.private_file()), Durability::Process)?;
            }
            None => drop(file::remove_optional(&path)?),
        }
        Ok(())
    }
}

fn path(app: &App<'_>) -> Result<PathBuf> {
    Ok(local::worktree_dir(&app.repo)?.join("net-changes"))
}

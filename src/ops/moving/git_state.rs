//! The index and HEAD of a checkpoint, put back where the user asked for that very thing (`--staged`, `--head`).

use super::Destination;
use crate::engine::{Snapshot, layout};
use crate::git::{FileMode, Head, Oid, RefName, index_write, tree};
use crate::model::Checkpoint;
use crate::ops::{App, Result};

/// What git itself held besides the files.
#[derive(Clone, Debug)]
pub struct GitState {
    staged: Oid,
    conflicts: [Option<Oid>; 3],
    intended: Option<Oid>,
    head: Head,
}

impl GitState {
    /// Of a checkpoint. Where it stored no index of its own, the staged tree was HEAD's.
    pub fn of(app: &App<'_>, checkpoint: &Checkpoint) -> Result<Self> {
        let objects = &app.repo.objects;
        let folder = |at| -> Result<Option<Oid>> {
            let entry = tree::lookup(objects, checkpoint.meta_tree, &at)?;
            Ok(entry.filter(|(mode, _)| *mode == FileMode::Tree).map(|(_, oid)| oid))
        };
        let committed = match checkpoint.base {
            Some(base) => objects.read_commit(base)?.tree,
            None => objects.format().empty_tree(),
        };
        let branch = checkpoint.head.as_ref().and_then(|b| RefName::branch(std::str::from_utf8(b).ok()?).ok());
        Ok(Self {
            staged: folder(layout::index()?)?.unwrap_or(committed),
            conflicts: [
                folder(layout::index_conflict(1)?)?,
                folder(layout::index_conflict(2)?)?,
                folder(layout::index_conflict(3)?)?,
            ],
            intended: folder(layout::index_intended()?)?,
            head: Head { branch, commit: checkpoint.base },
        })
    }

    /// Whether what was asked for differs from what is there.
    pub fn differs(&self, app: &App<'_>, to: &Destination<'_>, present: &Snapshot) -> Result<bool> {
        let head = app.repo.head()?;
        if to.terms.head && head != self.head {
            return Ok(true);
        }
        let committed = match head.commit {
            Some(commit) => app.repo.objects.read_commit(commit)?.tree,
            None => app.repo.objects.format().empty_tree(),
        };
        let staged = present.index.staged.unwrap_or(committed);
        let now = (staged, present.index.conflicts, present.index.intended);
        Ok(to.terms.staged && now != (self.staged, self.conflicts, self.intended))
    }

    /// Puts back what was asked for. No branch moves, no file is touched.
    pub fn restore(&self, app: &App<'_>, to: &Destination<'_>) -> Result<()> {
        if to.terms.head {
            index_write::set_head(&app.repo, &self.head)?;
        }
        if to.terms.staged {
            index_write::set_index(&app.repo, self.staged, self.conflicts, self.intended)?;
        }
        Ok(())
    }
}

//! The tree that a snapshot starts from, and the edits that make the new tree of it.
//!
//! What the base holds of a path is had without listing it: the cached tree is known by its records, and a base that is
//! another tree is compared with that one.

use std::collections::HashMap;

use bstr::{BString, ByteSlice as _};

use crate::base::RepoPath;
use crate::engine::Result;
use crate::engine::stat_cache::{Records, StatCache};
use crate::git::tree::{self, Edit};
use crate::git::{FileMode, Oid, Repo};

/// The base, by path.
#[derive(Debug)]
pub(super) struct BaseTree {
    /// Its id.
    pub id: Oid,
    /// Where it differs from what the records say; all of it where they say nothing.
    differs: HashMap<BString, Option<(FileMode, Oid)>>,
    /// What the records say.
    behind: Behind,
}

/// Which part of the records stands behind the differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behind {
    /// What was taken: the cached tree.
    Taken,
    /// What is tracked: the index's tree.
    Tracked,
    Nothing,
}

impl BaseTree {
    /// Compares the base with the cached tree; lists it where that is not possible. `staged` is the tree that the index was
    /// just read to be.
    pub(super) fn open(repo: &Repo, id: Oid, cache: &StatCache, staged: Option<Oid>) -> Result<Self> {
        let objects = &repo.objects;
        if cache.state.tree == Some(id) {
            return Ok(Self { id, differs: HashMap::new(), behind: Behind::Taken });
        }
        let behind = match (cache.state.tree, staged) {
            (Some(cached), _) => Some((cached, Behind::Taken)),
            (None, Some(staged)) => Some((staged, Behind::Tracked)),
            (None, None) => None,
        };
        if let Some((tree, behind)) = behind
            && let Ok(changes) = tree::diff(objects, tree, id)
        {
            let differs = changes.into_iter().map(|change| (change.path.as_bstr().to_owned(), change.new)).collect();
            return Ok(Self { id, differs, behind });
        }
        let files = tree::list_files(objects, id)?;
        let differs =
            files.into_iter().map(|(path, mode, oid)| (path.as_bstr().to_owned(), Some((mode, oid)))).collect();
        Ok(Self { id, differs, behind: Behind::Nothing })
    }

    /// What the base holds at a path; its record, if it has one, lies at `at`.
    pub(super) fn get(&self, path: &[u8], known: &Records, at: Option<usize>) -> Option<(FileMode, Oid)> {
        // Almost always there is no difference at all, and then no path has to be hashed.
        let differs = if self.differs.is_empty() { None } else { self.differs.get(path.as_bstr()) };
        match (differs, self.behind) {
            (Some(entry), _) => *entry,
            (None, Behind::Taken) => known.taken(at?).map(|t| (t.mode, t.oid)),
            (None, Behind::Tracked) => known.tracked(at?).map(|t| (t.mode, t.oid)),
            (None, Behind::Nothing) => None,
        }
    }

    /// Whether the base holds at a path what was taken of it.
    pub(super) fn holds_cached<'p>(&self, path: impl FnOnce() -> &'p [u8]) -> bool {
        self.behind == Behind::Taken && !self.differs_at(path)
    }

    /// Whether the base holds at a path what is tracked of it.
    pub(super) fn holds_tracked<'p>(&self, path: impl FnOnce() -> &'p [u8]) -> bool {
        self.behind == Behind::Tracked && !self.differs_at(path)
    }

    fn differs_at<'p>(&self, path: impl FnOnce() -> &'p [u8]) -> bool {
        !self.differs.is_empty() && self.differs.contains_key(path().as_bstr())
    }

    /// All files of the base, in no order.
    pub(super) fn files<'b>(&'b self, known: &'b Records) -> impl Iterator<Item = (&'b [u8], (FileMode, Oid))> + 'b {
        let unchanged = (0..known.len()).filter(|at| !self.differs_at(|| known.path(*at)));
        let unchanged =
            unchanged.filter_map(|at| self.get(known.path(at), known, Some(at)).map(|entry| (known.path(at), entry)));
        unchanged.chain(self.differs.iter().filter_map(|(path, entry)| Some((path.as_slice(), (*entry)?))))
    }

    /// Writes the tree that holds exactly the paths that are taken now. `edits` are those paths at which a known record was
    /// not settled, with what is taken there now.
    pub(super) fn write(&self, repo: &Repo, edits: Vec<Edit>, is_taken: impl Fn(&[u8]) -> bool) -> Result<Oid> {
        let beyond = self.differs.iter().filter(|(path, entry)| entry.is_some() && !is_taken(path));
        let beyond = beyond.map(|(path, _)| Ok((RepoPath::new(path.clone())?, None))).collect::<Result<Vec<Edit>>>()?;
        let (set, mut removed): (Vec<Edit>, Vec<Edit>) = edits.into_iter().partition(|(_, entry)| entry.is_some());
        removed.extend(beyond);
        if removed.is_empty() && set.is_empty() {
            return Ok(self.id);
        }
        // First what goes, so that a file can take the place of a folder and the other way round.
        let left = if removed.is_empty() { self.id } else { tree::edit(&repo.objects, self.id, removed)? };
        Ok(if set.is_empty() { left } else { tree::edit(&repo.objects, left, set)? })
    }
}

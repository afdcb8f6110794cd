//! What is known before anything is looked at: the cached records, brought up to date with the user's index.

use std::cmp::Ordering;
use std::path::Path;

use crate::base::{RepoPath, file};
use crate::engine::Result;
use crate::engine::stat_cache::{IndexRecord, Moment, Records, Stamp, StatCache, Tracked};
use crate::git::index::{self, IndexStat, UserIndex};
use crate::git::{FileMode, ObjectFormat, Repo};

/// The records, and what the index recorded of files where it was read just now.
#[derive(Debug)]
pub(super) struct Known {
    /// In the order of paths.
    pub records: Records,
    /// By the position of the record, what the index recorded of its file; empty where the index was not read.
    pub seeds: Vec<Option<IndexStat>>,
    /// The index file's mtime, for the racy rule.
    pub index_mtime: (i64, u32),
    /// Whether the index was read, and all that it holds is in its tree.
    pub index_is_tree: bool,
    /// Whether the records are the cached ones as they were.
    pub from_cache: bool,
}

impl Known {
    /// What the index recorded of the file of a record.
    pub(super) fn seed(&self, at: usize) -> Option<IndexStat> {
        self.seeds.get(at).copied().flatten()
    }
}

/// Takes over the cache's records; reads the index where its file is not the one that the cache was made with.
pub(super) fn read(
    repo: &Repo,
    cache: &mut StatCache,
    now: Moment,
) -> Result<(Known, IndexRecord, Option<IndexRecord>)> {
    let stamp = Stamp::of_path(&repo.git_dir.join("index"))?;
    let records = std::mem::replace(&mut cache.records, Records::new(repo.caps.object_format));
    if let (Some(cached), Some(stamp)) = (cache.state.index, stamp)
        && cached.stamp == stamp
        && repo.objects.exists(cached.staged)
        && cached.conflicts.iter().chain([&cached.intended]).flatten().all(|tree| repo.objects.exists(*tree))
    {
        let known = Known { records, seeds: Vec::new(), index_mtime: (0, 0), index_is_tree: false, from_cache: true };
        return Ok((known, cached, Some(cached)));
    }
    let index = index::read(repo)?;
    let conflict = |stage| index::conflict_tree(repo, &index, stage);
    let record = IndexRecord {
        stamp: stamp.unwrap_or(Stamp { size: 0, mtime: (0, 0), ctime: (0, 0), ino: 0, dev: 0 }),
        staged: index::staged_tree(repo, &index)?,
        conflicts: [conflict(1)?, conflict(2)?, conflict(3)?],
        intended: index::intended_tree(repo, &index)?,
    };
    // An index as young as this read could be written again without its times showing it.
    let keep = stamp.is_some_and(|stamp| stamp.mtime < now && stamp.ctime < now);
    Ok((merge(&records, index, repo.caps.object_format), record, keep.then_some(record)))
}

fn merge(cached: &Records, index: UserIndex, format: ObjectFormat) -> Known {
    let index_is_tree = index.conflicts.is_empty() && !index.entries.iter().any(|e| e.intent_to_add);
    let (mut records, mut seeds) = (Records::new(format), Vec::new());
    let index_mtime = index.mtime;
    let paths = (index.entries.len() + index.conflicts.len()).max(cached.len());
    records.reserve(paths);
    seeds.reserve(paths);
    let (mut old, mut new) = (0..cached.len(), tracked(index).peekable());
    loop {
        let order = match (cached.len() - old.len(), new.peek()) {
            (at, None) if at == cached.len() => break,
            (at, Some(_)) if at == cached.len() => Ordering::Greater,
            (_, None) => Ordering::Less,
            (at, Some((path, ..))) => cached.path(at).cmp(path.as_bytes()),
        };
        let record = if order.is_le() { old.next() } else { None };
        let entry = if order.is_ge() { new.next() } else { None };
        let taken = record.and_then(|at| cached.taken(at));
        match (record, entry) {
            (_, Some((path, tracked, seed))) => {
                records.push(path.as_bytes(), Some(tracked), taken);
                seeds.push(seed);
            }
            (Some(at), None) if taken.is_some() => {
                records.push(cached.path(at), None, taken);
                seeds.push(None);
            }
            _ => {}
        }
    }
    Known { records, seeds, index_mtime, index_is_tree, from_cache: false }
}

/// Every path that the index holds, once and in order; one in conflict as our side has it where it does.
fn tracked(index: UserIndex) -> impl Iterator<Item = (RepoPath, Tracked, Option<IndexStat>)> {
    let mut conflicts = index.conflicts;
    conflicts.sort_by(|a, b| (&a.1, a.0 != 2, a.0).cmp(&(&b.1, b.0 != 2, b.0)));
    conflicts.dedup_by(|later, earlier| later.1 == earlier.1);
    let mut conflicts = conflicts.into_iter().map(|(_, path, mode, oid)| {
        let tracked = Tracked { mode, oid, skip_worktree: false, vouches: false };
        (path, tracked, None)
    });
    let mut entries = index.entries.into_iter().map(|e| {
        let vouches = !e.skip_worktree && !e.assume_unchanged && !e.intent_to_add;
        let tracked = Tracked { mode: e.mode, oid: e.oid, skip_worktree: e.skip_worktree, vouches };
        (e.path, tracked, e.stat.filter(|_| vouches && e.mode != FileMode::Gitlink))
    });
    let (mut entry, mut conflict) = (entries.next(), conflicts.next());
    std::iter::from_fn(move || {
        let is_first = match (&entry, &conflict) {
            (Some(entry), Some(conflict)) => entry.0 < conflict.0,
            (entry, _) => entry.is_some(),
        };
        if is_first {
            std::mem::replace(&mut entry, entries.next())
        } else {
            std::mem::replace(&mut conflict, conflicts.next())
        }
    })
}

/// The present moment of the file system: the mtime of a file made just now in `folder`.
pub(super) fn moment(folder: &Path) -> Result<Moment> {
    let io = || crate::base::Error::io("create a file in", folder);
    let probe = tempfile::Builder::new().prefix(file::TEMP_PREFIX).tempfile_in(folder).map_err(io())?;
    let stat = rustix::fs::fstat(probe.as_file()).map_err(|e| io()(e.into()))?;
    Ok(Stamp::of(&stat).mtime)
}

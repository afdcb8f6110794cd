//! A snapshot of the whole tree: walk, decide what must be read, read it, edit the tree.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::base_tree::BaseTree;
use super::folders::Folders;
use super::hash::{self, Content};
use super::ignore_rules;
use super::known::{self, Known};
use super::look::Look;
use super::seed::{self, Trust};
use super::settings::{self, Settings};
use super::walk::{self, Found, Walked};
use super::{Options, Snapshot, Stats, index_state, modes};
use crate::base::repo_path::escape;
use crate::base::{RepoPath, file, progress::Progress};
use crate::engine::Result;
use crate::engine::stat_cache::{Moment, Record, Stamp, StatCache, Taken};
use crate::git::exclude::Exclude;
use crate::git::tree::Edit;
use crate::git::{FileMode, Oid, Repo, filters};
use crate::model::{Scope, SkipReason, Skipped, SkippedPath};

/// Takes the snapshot.
pub(super) fn take(
    repo: &Repo,
    previous: Option<Oid>,
    options: &Options,
    deadline: Option<Instant>,
    progress: &dyn Progress,
) -> Result<Snapshot> {
    let session = repo.git_dir.join("session");
    file::create_private_dir(&session)?;
    let cache_path = session.join("stat-cache");
    let format = repo.caps.object_format;
    let mut cache = StatCache::load(&cache_path, format);
    let started = known::moment(&session)?;
    let (mut known, index, index_to_keep) = known::read(repo, &mut cache, started)?;
    let head_tree = index_state::head_tree(repo)?;
    let staged = known.index_is_tree.then_some(index.staged);
    let base = BaseTree::open(repo, previous.unwrap_or(head_tree), &cache, staged)?;
    let settings = Settings::read(repo)?;

    let source = |folder: Option<&RepoPath>| ignore_rules::of_folder(repo, &known.records, folder);
    let mut exclude = Exclude::new(repo, &source)?;
    let rules = settings.folder_times.then(|| format.hash_blob(exclude.general_text())).transpose()?;
    let same_rules = known.from_cache && rules.is_some() && rules == cache.rules;
    let look = Look {
        known: &known.records,
        listed: if same_rules && ignore_rules::are_as_listed(repo, &cache.folders)? { &cache.folders } else { &[] },
        base: &base,
        settings: &settings,
        umask: modes::umask(),
        max_file_bytes: options.max_file_bytes,
        deadline,
        settled: known.records.iter().map(|_| AtomicBool::new(false)).collect(),
    };
    let mut folders = Folders::at(repo.work_dir()?)?;
    let mut walked = walk::walk(repo, options, &look, &mut exclude, started, &mut folders)?;
    let settled = look.settled.into_iter().map(AtomicBool::into_inner).collect();

    let mut take = Take {
        repo,
        settings: &settings,
        known: &known,
        base: &base,
        settled,
        carries: previous.is_some(),
        started,
        deadline,
        taken: Vec::with_capacity(walked.files.len()),
        carried: Vec::new(),
        skipped: Vec::new(),
        modes: BTreeMap::new(),
        umask: modes::umask(),
        stats: Stats { files: walked.looked_at, listed: walked.listed, ..Stats::default() },
        overrun: !walked.unsearched.is_empty(),
        unfinished: HashSet::new(),
    };
    let trust = seed::trust(repo, &known, &walked)?;
    take.files(&walked, trust, &mut folders, progress)?;
    take.others(&walked);
    let merged = take.merged();
    let Take { settled, skipped, modes, umask, stats, overrun, unfinished, .. } = take;
    let changed = !known.from_cache || merged.iter().any(|(at, new)| at.map(|at| &known.records[at]) != new.as_ref());
    let edits = edits(&known, &base, &merged);
    drop(exclude);
    let records = records(std::mem::take(&mut known.records), &settled, merged);
    let tree = base.write(repo, edits, &records)?;

    let rules = rules.filter(|_| !walked.young_rules);
    let (mut seen, index_is_kept) = (std::mem::take(&mut walked.folders), cache.index == index_to_keep);
    for folder in unfinished {
        let path = folder.map_or_else(Vec::new, |folder| [folder.as_bytes(), b"/"].concat());
        seen.iter_mut().filter(|f| f.path == path).for_each(|f| f.stamp = None);
    }
    if changed || !index_is_kept || cache.tree != Some(tree) || cache.rules != rules || cache.folders != seen {
        let fresh = StatCache { tree: Some(tree), index: index_to_keep, records, rules, folders: seen };
        fresh.store(&cache_path, format)?;
    }
    let mut paths = walked.skipped;
    paths.extend(skipped);
    paths.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Snapshot {
        tree,
        scope: if overrun { Scope::Tracked } else { Scope::Full },
        skipped: Skipped { paths, only: Vec::new(), conversion: settings::conversion(&repo.config)? },
        index: index_state::against(&index, head_tree),
        modes,
        umask,
        stats,
    })
}

/// A snapshot in the making, after the walk.
struct Take<'t> {
    repo: &'t Repo,
    settings: &'t Settings,
    known: &'t Known,
    base: &'t BaseTree,
    /// By the place of the record: whether its file is as the record says.
    settled: Vec<bool>,
    /// Whether there is a previous tree to carry paths over from.
    carries: bool,
    /// The file system's time before anything was read.
    started: Moment,
    deadline: Option<Instant>,
    /// What was looked at.
    taken: Vec<(RepoPath, Taken)>,
    /// What was not, and stays.
    carried: Vec<(RepoPath, Taken)>,
    skipped: Vec<SkippedPath>,
    modes: BTreeMap<RepoPath, u32>,
    umask: u32,
    stats: Stats,
    /// Whether the time ended before all new files were taken.
    overrun: bool,
    /// Folders with files that were met and not taken: the next snapshot must list them to meet these again.
    unfinished: HashSet<Option<RepoPath>>,
}

impl Take<'_> {
    /// Decides for every found file, reading those whose content nothing vouches for: tracked ones first.
    fn files(&mut self, walked: &Walked, trust: Trust, folders: &mut Folders, progress: &dyn Progress) -> Result<()> {
        let mut unread = Vec::new();
        for found in &walked.files {
            match self.unchanged(found, trust)? {
                Some(oid) => self.take(found, oid, Some(found.now.stamp)),
                None => unread.push(found),
            }
        }
        if unread.is_empty() {
            return Ok(());
        }
        unread.sort_by(|a, b| (!self.is_tracked(a), &a.path).cmp(&(!self.is_tracked(b), &b.path)));
        progress.start("reading files", Some(unread.len() as u64));
        let filtered = self.filtered(&unread)?;
        for found in unread {
            progress.advance(1);
            if filtered.contains(&found.path) {
                continue;
            }
            if self.deadline.is_some_and(|d| Instant::now() >= d) && !self.is_tracked(found) {
                self.overrun = true;
                self.carry(&found.path, found.known);
                continue;
            }
            self.read(found, folders)?;
        }
        progress.finish();
        Ok(())
    }

    /// Reads one file.
    fn read(&mut self, found: &Found, folders: &mut Folders) -> Result<()> {
        match hash::read(&self.repo.objects, folders, &found.path, found.known)? {
            Content::Read(oid, found) => {
                self.stats.hashed += 1;
                self.stats.hashed_bytes += found.now.stamp.size;
                // A file as young as this snapshot could change again without its times showing it.
                let stamp = found.now.stamp.is_older_than(self.started, self.settings.stat).then_some(found.now.stamp);
                self.take(&found, oid, stamp);
            }
            Content::Gone => {}
            Content::Unreadable => self.left_out(found, SkipReason::Unreadable),
            Content::Changing => self.left_out(found, SkipReason::Changing),
        }
        Ok(())
    }

    /// Lets git clean those files that have a filter driver, in one batch; gives their paths.
    fn filtered(&mut self, unread: &[&Found]) -> Result<HashSet<RepoPath>> {
        if !self.settings.filters {
            return Ok(HashSet::new());
        }
        let files: Vec<_> = unread.iter().filter(|f| !f.now.symlink).copied().collect();
        let paths: Vec<_> = files.iter().map(|f| f.path.clone()).collect();
        let wanted: Vec<RepoPath> = filters::filtered(self.repo, &paths)?.into_iter().cloned().collect();
        if wanted.is_empty() {
            return Ok(HashSet::new());
        }
        let oids = filters::clean(self.repo, &wanted)?;
        let by_path: HashSet<_> = wanted.iter().cloned().collect();
        let cleaned = files.into_iter().filter(|f| by_path.contains(&f.path));
        let root = self.repo.work_dir()?;
        for (found, oid) in cleaned.zip(oids) {
            self.stats.hashed += 1;
            self.stats.hashed_bytes += found.now.stamp.size;
            let unchanged = Stamp::of_path(&found.path.on_disk(root))? == Some(found.now.stamp);
            let old = found.now.stamp.is_older_than(self.started, self.settings.stat);
            self.take(found, oid, (unchanged && old).then_some(found.now.stamp));
        }
        Ok(by_path)
    }

    /// The blob of a file that did not change since the cache or the index knew it.
    fn unchanged(&self, found: &Found, trust: Trust) -> Result<Option<Oid>> {
        let Some(at) = found.known else { return Ok(None) };
        let rules = self.settings.stat;
        let record = &self.known.records[at];
        let cached = record.taken.filter(|taken| {
            let same_kind = (taken.mode == FileMode::Symlink) == (self.mode(found) == FileMode::Symlink);
            same_kind && taken.stamp.is_some_and(|stamp| stamp.matches(&found.now.stamp, rules))
        });
        let oid = match cached {
            Some(taken) => Some(taken.oid),
            None => seed::vouched(self.repo, self.known, trust, rules, found)?,
        };
        Ok(oid.filter(|oid| {
            let in_base = self.base.get(&found.path, Some(record)).is_some_and(|(_, there)| there == *oid);
            in_base || self.repo.objects.exists(*oid)
        }))
    }

    /// The mode that a file gets in the tree.
    fn mode(&self, found: &Found) -> FileMode {
        let record = found.known.map(|at| &self.known.records[at]);
        let staged = record.and_then(|r| r.tracked).map(|t| t.mode);
        let before = self.base.get(&found.path, record).map(|(mode, _)| mode);
        self.settings.mode(&found.now, staged, before)
    }

    fn take(&mut self, found: &Found, oid: Oid, stamp: Option<Stamp>) {
        let mode = self.mode(found);
        if !found.now.symlink && self.settings.file_mode {
            let bits = modes::unusual(found.now.permissions, self.umask);
            self.modes.extend(bits.map(|bits| (found.path.clone(), bits)));
        }
        self.taken.push((found.path.clone(), Taken { mode, oid, stamp }));
    }

    /// What is no file on disk, or was not looked at: submodules, sparse paths, what could not be read, what time left.
    fn others(&mut self, walked: &Walked) {
        for (path, oid) in &walked.gitlinks {
            self.taken.push((path.clone(), Taken { mode: FileMode::Gitlink, oid: *oid, stamp: None }));
        }
        for (record, _) in self.known.records.iter().zip(&self.settled).filter(|(_, settled)| !**settled) {
            if let Some(sparse) = record.tracked.filter(|t| t.skip_worktree) {
                let taken = Taken { mode: sparse.mode, oid: sparse.oid, stamp: None };
                self.carried.push((record.path.clone(), taken));
            }
        }
        let unsearched: HashSet<_> = walked.unsearched.iter().collect();
        if !self.carries || walked.unreadable.is_empty() && unsearched.is_empty() {
            return;
        }
        let is_tracked = |path: &RepoPath| {
            crate::engine::stat_cache::find(&self.known.records, path.as_bytes())
                .is_some_and(|(_, record)| record.tracked.is_some())
        };
        for (path, (mode, oid)) in self.base.files(&self.known.records) {
            let unreadable = walked.unreadable.iter().any(|folder| path.is_at_or_below(folder));
            let above = path.ancestors().map(Some).chain([None]);
            let unsearched = || !is_tracked(path) && above.into_iter().any(|folder| unsearched.contains(&folder));
            if unreadable || unsearched() {
                self.carried.push((path.clone(), Taken { mode, oid, stamp: None }));
            }
        }
    }

    /// A file that was found and could not be read.
    fn left_out(&mut self, found: &Found, reason: SkipReason) {
        self.skipped.push(SkippedPath { path: escape(found.path.as_bytes()), reason, bytes: None });
        self.carry(&found.path, found.known);
    }

    fn carry(&mut self, path: &RepoPath, known: Option<usize>) {
        self.unfinished.insert(path.parent());
        let record = known.map(|at| &self.known.records[at]);
        if let Some((mode, oid)) = self.base.get(path, record).filter(|_| self.carries) {
            self.carried.push((path.clone(), Taken { mode, oid, stamp: None }));
        }
    }

    fn is_tracked(&self, found: &Found) -> bool {
        found.known.is_some_and(|at| self.known.records[at].tracked.is_some())
    }

    /// What became of every known record that is not settled, and of every path that is new, in order. What was looked at
    /// wins over what is carried, at a path and below or above it.
    fn merged(&mut self) -> Vec<Merged> {
        let mut taken = std::mem::take(&mut self.taken);
        taken.sort_by(|a, b| a.0.cmp(&b.0));
        if !self.carried.is_empty() {
            let settled = self.known.records.iter().zip(&self.settled).filter(|(_, settled)| **settled);
            let settled = settled.map(|(record, _)| &record.path);
            let files: HashSet<&RepoPath> = taken.iter().map(|(path, _)| path).chain(settled).collect();
            let folders: HashSet<RepoPath> = files.iter().flat_map(|path| path.ancestors()).collect();
            let mut carried = std::mem::take(&mut self.carried);
            carried.retain(|(path, _)| {
                !folders.contains(path) && !files.contains(path) && path.ancestors().all(|up| !files.contains(&up))
            });
            taken.append(&mut carried);
            taken.sort_by(|a, b| a.0.cmp(&b.0));
            taken.dedup_by(|later, earlier| later.0 == earlier.0);
        }
        let mut merged = Vec::with_capacity(taken.len());
        let new = |(path, taken)| (None, Some(Record { path, tracked: None, taken: Some(taken) }));
        let mut taken = taken.into_iter().peekable();
        for (at, record) in self.known.records.iter().enumerate().filter(|(at, _)| !self.settled[*at]) {
            while let Some(before) = taken.next_if(|(path, _)| *path < record.path) {
                merged.push(new(before));
            }
            let here = taken.next_if(|(path, _)| *path == record.path);
            let stays = here.is_some() || record.tracked.is_some();
            let path = here.as_ref().map_or_else(|| record.path.clone(), |(path, _)| path.clone());
            let now = Record { path, tracked: record.tracked, taken: here.map(|(_, taken)| taken) };
            merged.push((Some(at), stays.then_some(now)));
        }
        merged.extend(taken.map(new));
        merged
    }
}

/// The place of a known record, and the record that comes instead of it; `None` for a new path and for one that is gone.
type Merged = (Option<usize>, Option<Record>);

/// Where the new tree differs from what the base has at the merged paths.
fn edits(known: &Known, base: &BaseTree, merged: &[Merged]) -> Vec<Edit> {
    let edit = |(at, new): &Merged| {
        let old = at.map(|at| &known.records[at]);
        let path = &new.as_ref().or(old)?.path;
        let now = new.as_ref().and_then(|r| r.taken).map(|t| (t.mode, t.oid));
        (base.get(path, old) != now).then(|| (path.clone(), now))
    };
    merged.iter().filter_map(edit).collect()
}

/// The records of the new cache: the settled ones as they were, and the merged ones.
fn records(mut known: Vec<Record>, settled: &[bool], merged: Vec<Merged>) -> Vec<Record> {
    if merged.iter().all(|(at, new)| at.is_some() && new.is_some()) {
        // The usual case: files changed, none came or went.
        for (at, new) in merged {
            if let (Some(at), Some(new)) = (at, new) {
                known[at] = new;
            }
        }
        return known;
    }
    let mut records = Vec::with_capacity(known.len() + merged.len());
    let mut merged = merged.into_iter().filter_map(|(_, new)| new).peekable();
    for (record, _) in known.into_iter().zip(settled).filter(|(_, settled)| **settled) {
        while let Some(before) = merged.next_if(|new| new.path < record.path) {
            records.push(before);
        }
        records.push(record);
    }
    records.extend(merged);
    records
}

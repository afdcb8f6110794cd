//! A snapshot of the whole tree: walk, decide what must be read, read it, edit the tree.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::base_tree::BaseTree;
use super::filtered::{Filtered, Filtering, PATIENCE as FILTER_PATIENCE};
use super::folders::Folders;
use super::hash::{self, Content};
use super::ignore_rules;
use super::known::{self, Known};
use super::look::Look;
use super::merged::{Merged, changes, edits, records};
use super::seed::{self, Trust};
use super::settings::{self, Settings};
use super::walk::{self, Found, Lstat, Walked};
use super::{AtOnce, Options, Snapshot, Stamps, Stats, index_state, modes};
use crate::base::repo_path::escape;
use crate::base::{RepoPath, progress::Progress};
use crate::engine::stat_cache::{End, Moment, Record, Stamp, StatCache, State, Taken};
use crate::engine::{Error, Result};
use crate::git::exclude::Exclude;
use crate::git::{FileMode, Oid, Repo, nested};
use crate::model::{Scope, SkipReason, Skipped, SkippedPath};

/// Bytes that are read without a look at the time.
const LOT_BYTES: u64 = 8 << 20;

/// Takes the snapshot.
pub(super) fn take(
    repo: &Repo,
    previous: Option<Oid>,
    options: &Options,
    deadline: Option<Instant>,
    progress: &dyn Progress,
) -> Result<Snapshot> {
    let session = repo.git_dir.join("session");
    repo.shared.make_private_dir(&session)?;
    let cache_path = session.join("stat-cache");
    let format = repo.caps.object_format;
    let mut cache = StatCache::load(&cache_path, format);
    let started = known::moment(&session)?;
    let (mut known, index, index_to_keep) = known::read(repo, &mut cache, started)?;
    let head_tree = index_state::head_tree(repo)?;
    let staged = known.index_is_tree.then_some(index.staged);
    let base = BaseTree::open(repo, previous.unwrap_or(head_tree), &cache, staged)?;
    let settings = Settings::read(repo)?;

    let source = |folder: Option<&RepoPath>| ignore_rules::of_folder(repo, Some(&known.records), folder);
    let mut exclude = Exclude::new(repo, &source)?;
    let rules = settings.folder_times.then(|| format.hash_blob(exclude.general_text())).transpose()?;
    let same_rules = known.from_cache && rules.is_some() && rules == cache.state.rules;
    let mut filtering = Filtering::open(repo, settings.drivers.clone())?;
    let look = Look {
        known: &known.records,
        seeds: &known.seeds,
        index_mtime: known.index_mtime,
        listed: if same_rules && ignore_rules::are_as_listed(repo, &cache.folders)? { &cache.folders } else { &[] },
        base: &base,
        settings: &settings,
        umask: modes::umask(),
        max_file_bytes: options.max_file_bytes,
        deadline,
        attributes: filtering.is_active(),
        settled: (0..known.records.len()).map(|_| AtomicBool::new(false)).collect(),
    };
    let mut folders = Folders::at(repo.work_dir()?)?;
    let mut walked = walk::walk(repo, options, &look, &mut exclude, started, &mut folders)?;
    leave_out_changes_in_submodules(repo, &mut walked, deadline)?;
    let mut settled: Vec<bool> = look.settled.into_iter().map(AtomicBool::into_inner).collect();
    let trust = seed::trust(repo, &known, &walked)?;
    let vouched = vouched(&known, &mut walked, trust, &mut settled)?;

    filtering.see(&walked.attributes, || all_files(&known, &walked, &settled))?;
    for (at, found) in filtering.settled(&known.records, &settled, &mut folders)? {
        settled[at] = false;
        walked.files.extend(found);
    }

    let mut take = Take {
        repo,
        filtering,
        settings: &settings,
        known: &known,
        base: &base,
        settled,
        carries: previous.is_some(),
        started,
        deadline,
        at_once: options.at_once,
        taken: Vec::with_capacity(walked.files.len()),
        carried: Vec::new(),
        skipped: Vec::new(),
        modes: BTreeMap::new(),
        umask: modes::umask(),
        stats: Stats { files: walked.looked_at, listed: walked.listed, ..Stats::default() },
        overrun: !walked.unsearched.is_empty(),
        unfinished: HashSet::new(),
    };
    take.files(&walked, trust, &mut folders, progress)?;
    take.others(&walked)?;
    take.filtering.carry(take.carried.iter().map(|(path, _)| path.clone()).collect());
    let merged = take.merged()?;
    let Take { settled, skipped, modes, umask, stats, overrun, unfinished, filtering, .. } = take;
    // Before the stat cache: what that vouches for is never older.
    let passed = filtering.keep()?;
    let edits = edits(&known, &base, &merged)?;
    let is_taken = |path: &[u8]| match merged.binary_search_by(|m| m.path(&known.records).cmp(path)) {
        Ok(place) => merged[place].new.as_ref().is_some_and(|new| new.taken.is_some()),
        Err(_) => known.records.find(path).is_some_and(|at| settled[at]),
    };
    let tree = base.write(repo, edits, is_taken)?;
    let outside_rules = exclude.outside_rules().to_vec();
    drop(exclude);
    for (at, now) in vouched.into_iter().flatten() {
        known.records.take_as_tracked(at, &now.stamp);
    }

    let rules = rules.filter(|_| !walked.young_rules);
    let mut seen = std::mem::take(&mut walked.folders);
    for folder in unfinished {
        let path = folder.map_or_else(Vec::new, |folder| [folder.as_bytes(), b"/"].concat());
        seen.iter_mut().filter(|f| f.path == path).for_each(|f| f.stamp = None);
    }
    let state = State { tree: Some(tree), index: index_to_keep, rules };
    let changes = if known.from_cache { changes(&known.records, &merged) } else { Vec::new() };
    let says_all = known.from_cache && changes.is_empty() && cache.state == state && cache.folders == seen;
    let end = match (says_all, known.from_cache) {
        (true, _) => Some(cache.end),
        (false, true) => cache.add(&cache_path, &state, &seen, &changes)?,
        (false, false) => None,
    };
    let stamps = if let Some(end) = end {
        let cache = StatCache { state, records: known.records, folders: seen, end };
        Stamps::new(cache, settled, merged)
    } else {
        let records = records(known.records, &settled, &merged);
        StatCache::store(&cache_path, format, &state, &seen, &records)?;
        repo.shared.open_private(&cache_path)?;
        let cache = StatCache { state, records, folders: seen, end: End::NOWHERE };
        Stamps::new(cache, Vec::new(), Vec::new())
    };
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
        passed,
        exclude: outside_rules,
        stamps,
        stats,
    })
}

/// A snapshot in the making, after the walk.
struct Take<'t> {
    repo: &'t Repo,
    filtering: Filtering<'t>,
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
    at_once: Option<AtOnce>,
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
        let (mut unread, mut filtered) = (Vec::new(), Vec::new());
        for found in &walked.files {
            if self.is_file(found) && self.filtering.has(&found.path) {
                match self.filtering.cached(&found.path, &found.now.stamp)? {
                    Some(oid) => self.take(found, oid, None),
                    None => filtered.push(found),
                }
                continue;
            }
            match self.unchanged(found, trust)? {
                Some(oid) => self.take(found, oid, Some(found.now.stamp)),
                None => unread.push(found),
            }
        }
        if unread.is_empty() && filtered.is_empty() {
            return Ok(());
        }
        if self.at_once.is_some_and(|most| is_more(&unread, most)) {
            return Err(Error::TooMuch);
        }
        let order = |a: &&Found, b: &&Found| (!self.is_tracked(a), &a.path).cmp(&(!self.is_tracked(b), &b.path));
        unread.sort_by(order);
        progress.start("reading files", Some((unread.len() + filtered.len()) as u64));
        let files = unread.iter().filter(|found| self.is_file(found));
        let files: Vec<RepoPath> = files.map(|found| found.path.clone()).collect();
        self.filtering.ask_more(&files)?;
        let (with_driver, unread): (Vec<&Found>, Vec<&Found>) =
            unread.into_iter().partition(|found| self.is_file(found) && self.filtering.has(&found.path));
        filtered.extend(with_driver);
        filtered.sort_by(|a, b| (!self.is_tracked(a), &a.path).cmp(&(!self.is_tracked(b), &b.path)));
        // A driver takes its own time.
        if self.at_once.is_some() && !filtered.is_empty() {
            return Err(Error::TooMuch);
        }
        let root = self.repo.work_dir()?;
        let mut rest = unread.as_slice();
        while !rest.is_empty() {
            let (some, after) = rest.split_at(lot(rest));
            rest = after;
            progress.advance(some.len() as u64);
            let is_late = self.deadline.is_some_and(|d| Instant::now() >= d);
            if is_late && self.at_once.is_some() {
                return Err(Error::TooMuch);
            }
            let (late, now): (Vec<&Found>, Vec<&Found>) =
                some.iter().copied().partition(|f| is_late && !self.is_tracked(f));
            for found in late {
                self.overrun = true;
                self.carry(&found.path, found.known);
            }
            let base = |found: &Found| self.base(&found.path, found.known).map(|(_, oid)| oid);
            let read = hash::read_many(&self.repo.objects, root, &now, base)?;
            for (found, oid) in now.iter().zip(read) {
                match oid {
                    Some(oid) => self.hashed(found, oid),
                    None => self.read(found, folders)?,
                }
            }
        }
        // Last, because a driver may take all the time there is.
        self.filtered(&filtered, folders)?;
        progress.finish();
        Ok(())
    }

    /// Reads one file.
    fn read(&mut self, found: &Found, folders: &mut Folders) -> Result<()> {
        match hash::read(&self.repo.objects, folders, &found.path, found.known)? {
            Content::Read(oid, found) => self.hashed(&found, oid),
            Content::Gone => {}
            Content::Unreadable => self.left_out(found, SkipReason::Unreadable),
            Content::Changing => self.left_out(found, SkipReason::Changing),
        }
        Ok(())
    }

    fn hashed(&mut self, found: &Found, oid: Oid) {
        self.stats.hashed += 1;
        self.stats.hashed_bytes += found.now.stamp.size;
        // A file as young as this snapshot could change again without its times showing it.
        let stamp = found.now.stamp.is_older_than(self.started, self.settings.stat).then_some(found.now.stamp);
        self.take(found, oid, stamp);
    }

    /// Lets the drivers of files make what is stored of them. The stat cache never vouches for such a file.
    fn filtered(&mut self, files: &[&Found], folders: &mut Folders) -> Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        let (started, rules) = (self.started, self.settings.stat);
        let made = self.filtering.run(files, folders, self.deadline, |stamp| stamp.is_older_than(started, rules))?;
        for (found, made) in files.iter().zip(made) {
            match made {
                Filtered::Taken(oid) => {
                    self.stats.hashed += 1;
                    self.stats.hashed_bytes += found.now.stamp.size;
                    self.take(found, oid, None);
                }
                Filtered::Gone => {}
                Filtered::LeftOut(reason) => self.left_out(found, reason),
            }
        }
        Ok(())
    }

    /// Whether it is taken as a file: a driver has nothing to do with links, nor with files that stand for them.
    fn is_file(&self, found: &Found) -> bool {
        self.mode(found) != FileMode::Symlink
    }

    /// The blob of a file that did not change since the cache or the index knew it.
    fn unchanged(&self, found: &Found, trust: Trust) -> Result<Option<Oid>> {
        let Some(at) = found.known else { return Ok(None) };
        let rules = self.settings.stat;
        let cached = self.known.records.taken(at).filter(|taken| {
            let same_kind = (taken.mode == FileMode::Symlink) == (self.mode(found) == FileMode::Symlink);
            same_kind && taken.stamp.is_some_and(|stamp| stamp.matches(&found.now.stamp, rules))
        });
        let oid = match cached {
            Some(taken) => Some(taken.oid),
            None => seed::vouched(self.repo, self.known, trust, rules, found)?,
        };
        Ok(oid.filter(|oid| {
            let in_base = self.base(&found.path, Some(at)).is_some_and(|(_, there)| there == *oid);
            in_base || self.repo.objects.exists(*oid)
        }))
    }

    /// The mode that a file gets in the tree.
    fn mode(&self, found: &Found) -> FileMode {
        let staged = found.known.and_then(|at| self.known.records.tracked_mode(at));
        let before = self.base(&found.path, found.known).map(|(mode, _)| mode);
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
    fn others(&mut self, walked: &Walked) -> Result<()> {
        for (path, oid) in &walked.gitlinks {
            self.taken.push((path.clone(), Taken { mode: FileMode::Gitlink, oid: *oid, stamp: None }));
        }
        let records = &self.known.records;
        for at in (0..records.len()).filter(|at| !self.settled[*at]) {
            if let Some(sparse) = records.tracked(at).filter(|t| t.skip_worktree) {
                let taken = Taken { mode: sparse.mode, oid: sparse.oid, stamp: None };
                self.carried.push((RepoPath::new(records.path(at))?, taken));
            }
        }
        let unsearched: HashSet<_> = walked.unsearched.iter().collect();
        if !self.carries || walked.unreadable.is_empty() && unsearched.is_empty() {
            return Ok(());
        }
        let is_tracked = |path: &RepoPath| records.find(path.as_bytes()).is_some_and(|at| records.is_tracked(at));
        for (path, (mode, oid)) in self.base.files(records) {
            let path = RepoPath::new(path)?;
            let unreadable = walked.unreadable.iter().any(|folder| path.is_at_or_below(folder));
            let is_unsearched = || path.ancestors().map(Some).chain([None]).any(|folder| unsearched.contains(&folder));
            if unreadable || !is_tracked(&path) && is_unsearched() {
                self.carried.push((path, Taken { mode, oid, stamp: None }));
            }
        }
        Ok(())
    }

    /// A file that was found and could not be read.
    fn left_out(&mut self, found: &Found, reason: SkipReason) {
        self.skipped.push(SkippedPath { path: escape(found.path.as_bytes()), reason, bytes: None });
        self.carry(&found.path, found.known);
    }

    fn carry(&mut self, path: &RepoPath, known: Option<usize>) {
        self.unfinished.insert(path.parent());
        if let Some((mode, oid)) = self.base(path, known).filter(|_| self.carries) {
            self.carried.push((path.clone(), Taken { mode, oid, stamp: None }));
        }
    }

    fn is_tracked(&self, found: &Found) -> bool {
        found.known.is_some_and(|at| self.known.records.is_tracked(at))
    }

    /// What became of every known record that is not settled, and of every path that is new, in order. What was looked at
    /// wins over what is carried, at a path and below or above it.
    fn merged(&mut self) -> Result<Vec<Merged>> {
        let mut taken = std::mem::take(&mut self.taken);
        taken.sort_by(|a, b| a.0.cmp(&b.0));
        if !self.carried.is_empty() {
            let settled = (0..self.settled.len()).filter(|at| self.settled[*at]);
            let settled = settled.map(|at| RepoPath::new(self.known.records.path(at)));
            let taken_paths = taken.iter().map(|(path, _)| Ok(path.clone()));
            let files: HashSet<RepoPath> = taken_paths.chain(settled).collect::<std::result::Result<_, _>>()?;
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
        let new = |(path, taken)| Merged { at: None, new: Some(Record { path, tracked: None, taken: Some(taken) }) };
        let mut taken = taken.into_iter().peekable();
        let records = &self.known.records;
        for at in (0..records.len()).filter(|at| !self.settled[*at]) {
            while let Some(before) = taken.next_if(|(path, _)| path.as_bytes() < records.path(at)) {
                merged.push(new(before));
            }
            let here = taken.next_if(|(path, _)| path.as_bytes() == records.path(at));
            let tracked = records.tracked(at);
            let new = match here {
                Some((path, taken)) => Some(Record { path, tracked, taken: Some(taken) }),
                None if tracked.is_some() => {
                    Some(Record { path: RepoPath::new(records.path(at))?, tracked, taken: None })
                }
                None => None,
            };
            merged.push(Merged { at: Some(at), new });
        }
        merged.extend(taken.map(new));
        Ok(merged)
    }

    /// What the base holds at a path.
    fn base(&self, path: &RepoPath, known: Option<usize>) -> Option<(FileMode, Oid)> {
        self.base.get(path.as_bytes(), &self.known.records, known)
    }
}

/// Says of which submodules the commits are not all that is there.
fn leave_out_changes_in_submodules(repo: &Repo, walked: &mut Walked, deadline: Option<Instant>) -> Result<()> {
    let left = deadline.map_or(FILTER_PATIENCE, |deadline| deadline.saturating_duration_since(Instant::now()));
    // One that git cannot look at, or not in this time, is no reason to save nothing.
    for path in nested::changed(repo, &walked.submodules, left).unwrap_or_default() {
        let (path, reason) = (escape(path.as_bytes()), SkipReason::NestedRepository);
        if walked.skipped.iter().all(|skipped| skipped.path != path) {
            walked.skipped.push(SkippedPath { path, reason, bytes: None });
        }
    }
    Ok(())
}

/// All regular files of the tree.
fn all_files(known: &Known, walked: &Walked, settled: &[bool]) -> Result<Vec<RepoPath>> {
    let records = &known.records;
    let is_file = |mode: Option<FileMode>| matches!(mode, Some(FileMode::File | FileMode::Executable));
    let settled = (0..records.len()).filter(|at| settled[*at]);
    let settled = settled.filter(|at| is_file(records.taken_mode(*at).or(records.tracked_mode(*at))));
    let mut all = settled.map(|at| RepoPath::new(records.path(at))).collect::<std::result::Result<Vec<_>, _>>()?;
    all.extend(walked.files.iter().filter(|found| !found.now.symlink).map(|found| found.path.clone()));
    Ok(all)
}

/// Whether there is more to be read than can be at once.
fn is_more(unread: &[&Found], most: AtOnce) -> bool {
    unread.len() > most.files || unread.iter().map(|found| found.now.stamp.size).sum::<u64>() > most.bytes
}

/// How many of the files are read before the time is looked at again: at least one, and few bytes.
fn lot(unread: &[&Found]) -> usize {
    let mut bytes = 0;
    let fits = |found: &&&Found| {
        bytes += found.now.stamp.size;
        bytes <= LOT_BYTES
    };
    unread.iter().take(hash::AT_ONCE).take_while(fits).count().max(1)
}

/// The files that the index vouches for, where its word counts in full; else they are left to be judged one by one.
fn vouched(known: &Known, walked: &mut Walked, trust: Trust, settled: &mut [bool]) -> Result<Vec<Vec<(usize, Lstat)>>> {
    let mut vouched = std::mem::take(&mut walked.vouched);
    // The walk may have found that a folder is another repository.
    vouched.iter_mut().for_each(|folder| folder.retain(|(at, _)| settled[*at]));
    if trust == Trust::Full {
        return Ok(vouched);
    }
    for (at, now) in vouched.into_iter().flatten() {
        settled[at] = false;
        walked.files.push(Found { path: RepoPath::new(known.records.path(at))?, known: Some(at), now });
    }
    Ok(Vec::new())
}

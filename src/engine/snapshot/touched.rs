//! The snapshot that a restore leaves behind, from the one before it and a second look at what the plan touched: every such
//! path is looked at again, nothing else. Where rules changed, or anything is not as planned, only a look at all of the tree tells.

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;

use super::settings::Settings;
use super::{Options, Snapshot, Stamps, Stats, ignore_rules, known, modes};
use crate::base::RepoPath;
use crate::engine::plan::PlanItem;
use crate::engine::restore::WorkTree;
use crate::engine::restore::compare::Compare;
use crate::engine::stat_cache::{Change, Record, Stamp, StatCache, State, Taken};
use crate::engine::{Plan, Result};
use crate::git::exclude::Exclude;
use crate::git::filters::Drivers;
use crate::git::{FileMode, Oid, Repo};
use crate::model::Scope;

/// Looks at what the plan touched; `None` where a look at the whole tree is needed. `written` are files that need not be read
/// again while they are the same.
pub fn touched(
    repo: &Repo,
    before: &Snapshot,
    plan: &Plan,
    written: &BTreeMap<RepoPath, (Stamp, Oid)>,
    options: &Options,
) -> Result<Option<Snapshot>> {
    let Some(cache) = before.stamps.cache() else { return Ok(None) };
    if before.scope != Scope::Full || !is_plain(repo, before, plan)? {
        return Ok(None);
    }
    let session = repo.git_dir.join("session");
    let started = known::moment(&session)?;
    let settings = Settings::read(repo)?;
    if may_be_left_out(repo, cache, before, plan, options)? {
        return Ok(None);
    }
    let disk = WorkTree::open(repo)?;
    let none = Stamps::default();
    // None of the paths has a filter driver.
    let compare = Compare::new(repo, &disk, &none)?.knowing(written);
    let look = |item: &PlanItem| compare.file_where(&item.path, item.new);
    let found: Vec<_> = plan.items.par_iter().map(look).collect::<Result<_>>()?;

    let mut modes: BTreeMap<RepoPath, u32> = before.modes.clone();
    let mut taken = Vec::with_capacity(plan.items.len());
    for (item, found) in plan.items.iter().zip(found) {
        let Some(file) = found else { return Ok(None) };
        let is_large = file.is_some_and(|stat| Stamp::of(&stat).size > options.max_file_bytes);
        if is_large && before.stamps.tracked(&item.path).is_none() {
            return Ok(None);
        }
        modes.remove(&item.path);
        let is_link = item.new.is_some_and(|(mode, _)| mode == FileMode::Symlink);
        let bits = file.filter(|_| settings.file_mode && !is_link).map(|stat| stat.st_mode & 0o7777);
        let unusual = bits.and_then(|bits| modes::unusual(bits, before.umask));
        modes.extend(unusual.map(|bits| (item.path.clone(), bits)));
        // A file as young as this look could change again without its times showing it.
        let stamp = file.map(|stat| Stamp::of(&stat)).filter(|stamp| stamp.is_older_than(started, settings.stat));
        taken.push(item.new.map(|(mode, oid)| Taken { mode, oid, stamp }));
    }
    keep(&session.join("stat-cache"), cache, before.tree, plan, &taken)?;
    let stats = Stats { files: plan.items.len() as u64, ..Stats::default() };
    Ok(Some(Snapshot { tree: plan.result, modes, stamps: Stamps::default(), stats, ..before.clone() }))
}

/// Whether all paths of the plan are files whose content alone says what a snapshot takes, and none changes what it takes.
fn is_plain(repo: &Repo, before: &Snapshot, plan: &Plan) -> Result<bool> {
    // A link of the last name is not taken.
    let are_rules = |item: &PlanItem| {
        let name = item.path.file_name();
        [".gitignore", ".gitattributes", ".gitmodules"].iter().any(|rules| name.eq_ignore_ascii_case(rules.as_bytes()))
    };
    // Of a file outside of a sparse checkout the index tells once it is gone.
    let is_sparse = |item: &PlanItem| before.stamps.tracked(&item.path).is_some_and(|tracked| tracked.skip_worktree);
    if plan.items.iter().any(|item| are_rules(item) || is_sparse(item)) {
        return Ok(false);
    }
    // What a driver makes of a file may be another blob than the one that the driver made the file of.
    if plan.is_converted || plan.items.iter().any(|item| before.passed.looked_at.contains_key(&item.path)) {
        return Ok(false);
    }
    let drivers = Drivers::read(repo)?;
    let paths: Vec<RepoPath> = plan.items.iter().map(|item| item.path.clone()).collect();
    Ok(drivers.is_empty() || drivers.of_named(repo, &paths)?.iter().all(Option::is_none))
}

/// Whether a snapshot might leave out a file that the plan makes: one that the index does not have and that is ignored, or
/// one too many.
fn may_be_left_out(repo: &Repo, cache: &StatCache, before: &Snapshot, plan: &Plan, options: &Options) -> Result<bool> {
    let new = plan.items.iter().filter(|item| item.new.is_some() && before.stamps.tracked(&item.path).is_none());
    let new: Vec<&RepoPath> = new.map(|item| &item.path).collect();
    if new.is_empty() {
        return Ok(false);
    }
    if before.stamps.untracked() + new.len() > options.max_untracked_per_folder {
        return Ok(true);
    }
    let source = |folder: Option<&RepoPath>| ignore_rules::of_folder(repo, Some(&cache.records), folder);
    let mut exclude = Exclude::new(repo, &source)?;
    for path in new {
        if exclude.is_ignored(path, false)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Tells the stat cache of the snapshot before what became of the paths of the plan. Where another process has written it
/// since, the next snapshot reads them.
fn keep(path: &Path, known: &StatCache, before: Oid, plan: &Plan, taken: &[Option<Taken>]) -> Result<()> {
    let format = before.format();
    // One that was written anew has no end to add to before it is read.
    let read = known.end.is_nowhere().then(|| StatCache::load(path, format));
    let cache = read.as_ref().unwrap_or(known);
    if cache.state.tree != Some(before) {
        return Ok(());
    }
    let record = |(item, taken): (&PlanItem, &Option<Taken>)| {
        let tracked = cache.records.find(item.path.as_bytes()).and_then(|at| cache.records.tracked(at));
        Record { path: item.path.clone(), tracked, taken: *taken }
    };
    let records: Vec<Record> = plan.items.iter().zip(taken).map(record).collect();
    let is_gone = |record: &&Record| record.tracked.is_none() && record.taken.is_none();
    let change = |record| match is_gone(&record) {
        true => Change::Remove(record.path.as_bytes().to_vec()),
        false => Change::Put(record),
    };
    let changes: Vec<Change<&Record>> = records.iter().map(change).collect();
    let state = State { tree: Some(plan.result), ..cache.state };
    if cache.add(path, &state, &cache.folders, &changes)?.is_some() {
        return Ok(());
    }
    // So much that it is better written anew, of what the file says by now.
    let cache = StatCache::load(path, format);
    if cache.state.tree != Some(before) {
        return Ok(());
    }
    let mut stays = vec![true; cache.records.len()];
    for at in records.iter().filter_map(|record| cache.records.find(record.path.as_bytes())) {
        stays[at] = false;
    }
    let records = cache.records.with(|at| stays[at], records.iter().filter(|record| !is_gone(record)));
    StatCache::store(path, format, &state, &cache.folders, &records)
}

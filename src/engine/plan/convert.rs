//! Files of a plan that went through filter drivers, then or now: a tree holds what a driver made, the plan is about the bytes
//! on disk. After [`convert`] its items name the blobs that the bytes are or would be, so that each can be compared with the
//! disk as it is; what a driver has to make is made by [`super::Plan::render`], before anything is changed.

use std::collections::{BTreeMap, BTreeSet};

use bstr::ByteSlice as _;

use super::{Action, Plan, PlanItem, Target, is_among, was_looked_at};
use crate::base::RepoPath;
use crate::base::repo_path::escape;
use crate::engine::passed::Checks;
use crate::engine::restore::Made;
use crate::engine::{Result, Snapshot, layout};
use crate::git::attributes::Sources;
use crate::git::filters::Drivers;
use crate::git::{Error as GitError, FileMode, Oid, Repo, TreeChange, tree};
use crate::model::filters::{Bytes, Filters};

/// How a file of a target comes to its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// They are kept as this blob.
    Kept(Oid),
    /// A driver makes them of the blob in the tree.
    Driver {
        /// Its name, as recorded.
        driver: String,
        /// Tells whether they are the right ones.
        check: Option<String>,
    },
}

/// The files of a target whose bytes are not the blob in its tree. `None`: nobody recorded it, today's attributes have to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WantedFiles(pub Option<BTreeMap<RepoPath, Wanted>>);

impl WantedFiles {
    /// Of a checkpoint, by its session tree. Bytes that are kept nowhere here (they are left out of what is shared) have to be
    /// made by the driver.
    pub fn of_checkpoint(repo: &Repo, meta_tree: Oid) -> Result<Self> {
        let Some(Filters { paths }) = layout::read_filters(&repo.objects, meta_tree)? else { return Ok(Self(None)) };
        let mut wanted = BTreeMap::new();
        for (path, filtered) in paths {
            let kept = match filtered.bytes {
                Bytes::Blob => continue,
                Bytes::Driver => None,
                Bytes::Raw => tree::lookup(&repo.objects, meta_tree, &layout::raw(&path)?)?.map(|(_, oid)| oid),
            };
            let driver = Wanted::Driver { driver: filtered.driver, check: filtered.check };
            wanted.insert(path, kept.map_or(driver, Wanted::Kept));
        }
        Ok(Self(Some(wanted)))
    }
}

/// How a driver makes the bytes of a file.
#[derive(Clone, Debug)]
pub struct Via {
    /// Its name, as recorded.
    pub driver: String,
    /// What it makes them of.
    pub blob: Oid,
    /// Tells whether they are the right ones.
    pub check: Option<String>,
    /// What it made.
    pub made: Option<Made>,
}

/// What drivers have to do with an item of a plan.
#[derive(Clone, Debug, Default)]
pub struct Conversion {
    /// For the bytes that are there now, should they be wanted back.
    pub old: Option<Via>,
    /// For those that will be there.
    pub new: Option<Via>,
}

/// Makes the plan one about bytes on disk: see above. Items whose bytes are there already are left out, and files whose tree
/// entry is the same and whose bytes are not are added.
///
/// # Errors
/// A tree that cannot be read.
pub fn convert(
    repo: &Repo,
    plan: &mut Plan,
    present: &Snapshot,
    target: &Target<'_>,
    wanted: &WantedFiles,
) -> Result<()> {
    let legacy = match &wanted.0 {
        Some(_) => None,
        None => Some(by_attributes(repo, plan, target)?),
    };
    let (Some(paths), is_recorded) = (wanted.0.as_ref().or(legacy.as_ref()), wanted.0.is_some()) else { return Ok(()) };
    if paths.is_empty() && present.passed.looked_at.is_empty() {
        return Ok(());
    }
    let convert = Converter { repo, present, paths, checks: Checks::of(repo)? };
    for planned in std::mem::take(&mut plan.items) {
        let was_same = planned.old == planned.new;
        let before = (planned.old, planned.new);
        let (item, conversion) = convert.item(planned)?;
        plan.is_converted |= conversion.is_some() || (item.old, item.new) != before;
        let is_made = conversion.as_ref().is_some_and(|conversion| conversion.new.is_some());
        if item.old == item.new && !was_same && !is_made {
            plan.is_converted = true;
            continue;
        }
        plan.bytes.extend(conversion.map(|conversion| (item.path.clone(), conversion)));
        plan.items.push(item);
    }
    if is_recorded {
        convert.add_same_entries(plan, target)?;
        plan.items.sort_by(|a, b| a.path.cmp(&b.path));
    }
    Ok(())
}

/// Of checkpoints that did not record it: by the attributes that count, those of the target where they change.
fn by_attributes(repo: &Repo, plan: &Plan, target: &Target<'_>) -> Result<BTreeMap<RepoPath, Wanted>> {
    let drivers = Drivers::read(repo)?;
    let is_file = |item: &&PlanItem| item.new.is_some_and(|(mode, _)| is_file(mode));
    let paths: Vec<RepoPath> = plan.items.iter().filter(is_file).map(|item| item.path.clone()).collect();
    let change = plan.items.iter().any(|item| item.path.file_name() == ".gitattributes");
    if drivers.is_empty() || paths.is_empty() || !change && !Sources::above(repo, &paths)?.mention_filter {
        return Ok(BTreeMap::new());
    }
    let names = drivers.of_paths(repo, &paths, change.then_some(target.tree))?;
    let wanted = paths
        .into_iter()
        .zip(names)
        .filter_map(|(path, name)| Some((path, Wanted::Driver { driver: escape(name?.as_bytes()), check: None })));
    Ok(wanted.collect())
}

struct Converter<'a> {
    repo: &'a Repo,
    present: &'a Snapshot,
    paths: &'a BTreeMap<RepoPath, Wanted>,
    checks: Checks,
}

impl Converter<'_> {
    /// The item about bytes on disk.
    fn item(&self, item: PlanItem) -> Result<(PlanItem, Option<Conversion>)> {
        let path = &item.path;
        let mut conversion = Conversion::default();
        let old =
            item.old.map(
                |(mode, blob)| {
                    if is_file(mode) { (mode, self.present.passed.on_disk(path, blob)) } else { (mode, blob) }
                },
            );
        if let (Some((mode, blob)), Some(passed)) = (item.old, self.present.passed.looked_at.get(path))
            && is_file(mode)
            && passed.bytes == Bytes::Driver
        {
            let check = Some(self.checks.make(self.repo, passed.disk)?);
            let driver = passed.driver.clone();
            conversion.old = Some(Via { driver, blob, check, made: None });
        }
        let new = match item.new {
            Some((mode, blob)) if is_file(mode) => {
                Some((mode, self.coming(path, blob, old.map(|(_, disk)| disk), &mut conversion)?))
            }
            new => new,
        };
        let has_via = conversion.old.is_some() || conversion.new.is_some();
        let mut item = PlanItem::new(item.path, old, new);
        if conversion.new.is_some() {
            // The ids may be the same until the driver has made the bytes.
            item.action = Action::Write;
        }
        Ok((item, has_via.then_some(conversion)))
    }

    /// The blob that the bytes will be; of what a driver has to make first, what it makes them of.
    fn coming(&self, path: &RepoPath, blob: Oid, there: Option<Oid>, conversion: &mut Conversion) -> Result<Oid> {
        match self.paths.get(path) {
            None => Ok(blob),
            // What lies there already need not be stored.
            Some(Wanted::Kept(raw)) if there != Some(*raw) && !self.repo.objects.exists(*raw) => {
                Err(GitError::Missing { oid: *raw }.into())
            }
            Some(Wanted::Kept(raw)) => Ok(*raw),
            Some(Wanted::Driver { driver, check }) => {
                if let (Some(check), Some(there)) = (check, there)
                    && self.checks.holds(self.repo, check, there)? == Some(true)
                {
                    return Ok(there);
                }
                conversion.new = Some(Via { driver: driver.clone(), blob, check: check.clone(), made: None });
                Ok(blob)
            }
        }
    }

    /// Files that the trees have in common and whose bytes are others.
    fn add_same_entries(&self, plan: &mut Plan, target: &Target<'_>) -> Result<()> {
        let planned: BTreeSet<RepoPath> = plan.items.iter().map(|item| item.path.clone()).collect();
        let candidates: BTreeSet<&RepoPath> = self.paths.keys().chain(self.present.passed.looked_at.keys()).collect();
        for path in candidates.into_iter().filter(|path| !planned.contains(*path)) {
            let is_left = is_among(path, target.leave) || target.managed.contains(path);
            if is_left || target.only.is_some_and(|only| !only.matches(path)) {
                continue;
            }
            let objects = &self.repo.objects;
            let Some((mode, blob)) = tree::lookup(objects, target.tree, path)?.filter(|(mode, _)| is_file(*mode))
            else {
                continue;
            };
            let entry = Some((mode, blob));
            let change = TreeChange { path: path.clone(), old: entry, new: entry };
            let is_unseen = self.present.skipped.is_unseen(path);
            if is_unseen || !was_looked_at(&change, target) || tree::lookup(objects, self.present.tree, path)? != entry
            {
                continue;
            }
            // Where nobody can tell, the same driver makes the same of the same.
            let is_by_driver = |bytes: &Bytes| *bytes == Bytes::Driver;
            let now = self.present.passed.looked_at.get(path);
            let (item, conversion) = self.item(PlanItem::new(path.clone(), entry, entry))?;
            let via = conversion.as_ref().and_then(|conversion| conversion.new.as_ref());
            let is_same_way =
                now.is_some_and(|now| is_by_driver(&now.bytes) && via.is_some_and(|via| via.driver == now.driver));
            let is_unknown = match via.and_then(|via| via.check.as_ref()) {
                Some(check) => self.checks.holds(self.repo, check, blob)?.is_none(),
                None => true,
            };
            if via.is_some() && is_same_way && is_unknown || via.is_none() && item.old == item.new {
                continue;
            }
            plan.bytes.extend(conversion.map(|conversion| (path.clone(), conversion)));
            plan.is_converted = true;
            plan.items.push(PlanItem { action: Action::Write, ..item });
        }
        Ok(())
    }
}

fn is_file(mode: FileMode) -> bool {
    matches!(mode, FileMode::File | FileMode::Executable)
}

//! A snapshot of named files only: neither the index nor the stat cache is read, and no folder is listed.
//!
//! That a file is tracked is known by the previous tree and by HEAD's: an ignored file in neither is not taken.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::filtered::{Filtered, Filtering};
use super::folders::{Folders, is_gone};
use super::hash::{self, Content};
use super::ignore_rules;
use super::look::is_too_deep;
use super::settings::{self, Settings};
use super::walk::{Found, Lstat};
use super::{IndexState, Options, Snapshot, Stamps, Stats, index_state, modes, own_folders};
use crate::base::RepoPath;
use crate::base::repo_path::escape;
use crate::engine::passed::Carried;
use crate::engine::{Result, TEMP_PREFIX};
use crate::git::exclude::Exclude;
use crate::git::nested::{self, Nested};
use crate::git::tree::{self, Edit};
use crate::git::{FileMode, Oid, Repo, index};
use crate::model::{Scope, SkipReason, Skipped, SkippedPath};

/// Takes the snapshot.
pub(super) fn take(
    repo: &Repo,
    previous: Option<Oid>,
    options: &Options,
    only: &[RepoPath],
    deadline: Option<Instant>,
) -> Result<Snapshot> {
    let head_tree = index_state::head_tree(repo)?;
    let source = |folder: Option<&RepoPath>| ignore_rules::of_folder(repo, None, folder);
    let mut only = only.to_vec();
    only.sort();
    only.dedup();
    let mut hinted = Hinted {
        repo,
        options,
        settings: Settings::read(repo)?,
        head_tree,
        base: previous.unwrap_or(head_tree),
        exclude: Exclude::new(repo, &source)?,
        folders: Folders::at(repo.work_dir()?)?,
        removed: Vec::new(),
        set: Vec::new(),
        skipped: Vec::new(),
        modes: BTreeMap::new(),
        umask: modes::umask(),
        stats: Stats::default(),
    };
    let mut filtering = Filtering::of_named(repo, hinted.settings.drivers.clone());
    let mut filtered = hinted.filtered(&mut filtering, &only, deadline)?;
    let own = own_folders(repo)?;
    for path in only.iter().filter(|path| !own.iter().any(|folder| path.is_at_or_below(folder))) {
        hinted.look(path, filtered.remove(path))?;
    }
    let decided = hinted.removed.iter().chain(&hinted.set).map(|(path, _)| path.clone());
    let decided: BTreeSet<RepoPath> = decided.collect();
    let mut passed = filtering.passed;
    passed.looked_at.retain(|path, _| decided.contains(path));
    passed.carried = Carried::AllBut(decided.into_iter().collect());
    let left = tree::edit(&repo.objects, hinted.base, hinted.removed)?;
    Ok(Snapshot {
        tree: tree::edit(&repo.objects, left, hinted.set)?,
        scope: Scope::Paths,
        skipped: Skipped { paths: hinted.skipped, only, conversion: settings::conversion(&repo.config)? },
        index: IndexState::default(),
        modes: hinted.modes,
        umask: hinted.umask,
        passed,
        exclude: Vec::new(),
        stamps: Stamps::default(),
        stats: hinted.stats,
    })
}

struct Hinted<'h> {
    repo: &'h Repo,
    options: &'h Options,
    settings: Settings,
    head_tree: Oid,
    base: Oid,
    exclude: Exclude<'h>,
    folders: Folders,
    removed: Vec<Edit>,
    set: Vec<Edit>,
    skipped: Vec<SkippedPath>,
    modes: BTreeMap<RepoPath, u32>,
    umask: u32,
    stats: Stats,
}

impl Hinted<'_> {
    /// Looks at one path and notes what the tree shall hold there. `clean` is what its filter driver, where it
    /// has one, made of it.
    fn look(&mut self, path: &RepoPath, clean: Option<Filtered>) -> Result<()> {
        if path.file_name().starts_with(TEMP_PREFIX.as_bytes()) || self.is_in_nested(path)? {
            return Ok(());
        }
        if is_too_deep(path.as_bytes()) {
            self.skip(path, SkipReason::TooDeep, None);
            return Ok(());
        }
        let before = tree::lookup(&self.repo.objects, self.base, path)?;
        let stat = match self.folders.holding(path) {
            Ok(folder) => {
                let name: &[u8] = path.file_name().as_ref();
                rustix::fs::statat(folder, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
            }
            Err(e) => Err(e),
        };
        let stat = match stat {
            Ok(stat) => stat,
            Err(e) if is_gone(e) => return self.gone(path, before),
            Err(_) => {
                self.skip(path, SkipReason::Unreadable, None);
                return Ok(());
            }
        };
        self.stats.files += 1;
        let is_folder = rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Directory;
        let now = Lstat::new(&stat);
        let tracked =
            || Ok::<_, crate::engine::Error>(tree::lookup(&self.repo.objects, self.head_tree, path)?.is_some());
        let Some(now) = now else {
            self.gone(path, before)?;
            if !is_folder && !self.exclude.is_ignored(path, false)? {
                self.skip(path, SkipReason::Special, None);
            }
            return Ok(());
        };
        let is_too_large = now.stamp.size > self.options.max_file_bytes && !tracked()?;
        if before.is_none() && self.exclude.is_ignored(path, false)? && !tracked()? {
            return Ok(());
        }
        if now.is_refused_link(path) {
            self.skip(path, SkipReason::RefusedName, None);
            return self.gone(path, before);
        }
        if is_too_large {
            self.skip(path, SkipReason::TooLarge, Some(now.stamp.size));
            return self.gone(path, before);
        }
        match clean {
            Some(Filtered::Taken(oid)) => {
                self.stats.hashed += 1;
                self.stats.hashed_bytes += now.stamp.size;
                self.take(&Found { path: path.clone(), known: None, now }, oid, before);
            }
            Some(Filtered::LeftOut(reason)) => self.skip(path, reason, None),
            Some(Filtered::Gone) => self.gone(path, before)?,
            None => match hash::read(&self.repo.objects, &mut self.folders, path, None)? {
                Content::Read(oid, found) => {
                    self.stats.hashed += 1;
                    self.stats.hashed_bytes += now.stamp.size;
                    self.take(&found, oid, before);
                }
                Content::Gone => self.gone(path, before)?,
                Content::Unreadable => self.skip(path, SkipReason::Unreadable, None),
                Content::Changing => self.skip(path, SkipReason::Changing, None),
            },
        }
        Ok(())
    }

    fn take(&mut self, found: &Found, oid: Oid, before: Option<(FileMode, Oid)>) {
        let before = before.map(|(mode, _)| mode);
        let mode = self.settings.mode(&found.now, before, before);
        if !found.now.symlink && self.settings.file_mode {
            let bits = modes::unusual(found.now.permissions, self.umask);
            self.modes.extend(bits.map(|bits| (found.path.clone(), bits)));
        }
        self.set.push((found.path.clone(), Some((mode, oid))));
    }

    /// The file is not there. A folder of the tree stays: that its files are gone was not looked at.
    fn gone(&mut self, path: &RepoPath, before: Option<(FileMode, Oid)>) -> Result<()> {
        if before.is_some_and(|(mode, _)| mode.is_blob()) && !self.is_sparse(path)? {
            self.removed.push((path.clone(), None));
        }
        Ok(())
    }

    /// Whether a sparse checkout left the file out. Only then is the index asked.
    fn is_sparse(&self, path: &RepoPath) -> Result<bool> {
        if self.repo.config.bool("core.sparseCheckout")? != Some(true) {
            return Ok(false);
        }
        let index = index::read(self.repo)?;
        Ok(index.entries.iter().any(|entry| entry.skip_worktree && entry.path == *path))
    }

    /// Whether a folder above belongs to another repository: its files are not ours.
    fn is_in_nested(&self, path: &RepoPath) -> Result<bool> {
        let root = self.repo.work_dir()?;
        for folder in path.ancestors() {
            let before = tree::lookup(&self.repo.objects, self.base, &folder)?;
            if before.is_some_and(|(mode, _)| mode == FileMode::Gitlink) {
                return Ok(true);
            }
            let on_disk = folder.on_disk(root);
            let marked = std::fs::symlink_metadata(on_disk.join(".git")).is_ok();
            // A folder that the tree holds files of is an ordinary one, whatever lies in it.
            if marked && before.is_none() && nested::look(self.repo, &on_disk) != Nested::Folder {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What became of those named files that have a filter driver.
    fn filtered(
        &mut self,
        filtering: &mut Filtering<'_>,
        only: &[RepoPath],
        deadline: Option<Instant>,
    ) -> Result<BTreeMap<RepoPath, Filtered>> {
        if filtering.drivers.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut present = Vec::new();
        for path in only {
            let name: &[u8] = path.file_name().as_ref();
            let folder = self.folders.holding(path);
            let stat =
                folder.and_then(|folder| rustix::fs::statat(folder, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW));
            let before = tree::lookup(&self.repo.objects, self.base, path)?.map(|(mode, _)| mode);
            if let Some(now) = stat.ok().and_then(|stat| Lstat::new(&stat))
                && self.settings.mode(&now, before, before) != FileMode::Symlink
            {
                present.push(Found { path: path.clone(), known: None, now });
            }
        }
        let paths: Vec<RepoPath> = present.iter().map(|found| found.path.clone()).collect();
        filtering.ask_named(&paths)?;
        let wanted: Vec<&Found> = present.iter().filter(|found| filtering.has(&found.path)).collect();
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        let made = filtering.run(&wanted, &mut self.folders, deadline, |_| false)?;
        Ok(wanted.into_iter().map(|found| found.path.clone()).zip(made).collect())
    }

    fn skip(&mut self, path: &RepoPath, reason: SkipReason, bytes: Option<u64>) {
        self.skipped.push(SkippedPath { path: escape(path.as_bytes()), reason, bytes });
    }
}

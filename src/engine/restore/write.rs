//! Writes files: first beside their place under a temporary name, synced, then by rename into it.
//!
//! A rename replaces the name, not the file: what else is hard-linked to the old file keeps the old content.

use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use super::dirs::{Place, WorkTree, io};
use crate::base::{Error as BaseError, IdSource, RepoPath};
use crate::engine::plan::PlanItem;
use crate::engine::stat_cache::{Moment, Stamp};
use crate::engine::{Result, TEMP_PREFIX};
use crate::git::{Error as GitError, FileMode, Oid, Repo, filters};

/// Makes the new files of a restore.
pub(super) struct Writer<'a> {
    pub(super) repo: &'a Repo,
    pub(super) disk: &'a WorkTree,
    /// Permission bits to give, by path.
    pub(super) modes: &'a BTreeMap<RepoPath, u32>,
    /// Whether exec bits on disk mean anything (`core.fileMode`); else a replaced file keeps its own.
    file_mode: bool,
    /// What filter drivers made of the blobs of their paths.
    smudged: BTreeMap<RepoPath, Vec<u8>>,
}

/// Makes files with content that is at hand, from any thread.
pub(super) struct Maker<'a> {
    disk: &'a WorkTree,
    modes: &'a BTreeMap<RepoPath, u32>,
    file_mode: bool,
}

/// A finished file that waits beside its place. Dropped before it is placed, it is removed.
pub(super) struct Staged<'a> {
    disk: &'a WorkTree,
    temp: String,
    path: RepoPath,
    /// Its folder, and it itself unless it is a symbolic link; both until it is closed.
    open: Option<(File, Option<File>)>,
    placed: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(repo: &'a Repo, disk: &'a WorkTree, modes: &'a BTreeMap<RepoPath, u32>) -> Result<Self> {
        let file_mode = repo.config.bool("core.fileMode")?.unwrap_or(true);
        Ok(Self { repo, disk, modes, file_mode, smudged: BTreeMap::new() })
    }

    /// Runs the filter drivers for those of the items that have one, in one batch, by the attributes now on disk.
    pub(super) fn smudge(&mut self, items: &[&PlanItem]) -> Result<()> {
        if !filters::any_configured(self.repo)? {
            return Ok(());
        }
        let files: BTreeMap<RepoPath, (FileMode, Oid)> = items
            .iter()
            .filter_map(|item| item.new.map(|new| (item.path.clone(), new)))
            .filter(|(_, (mode, _))| *mode != FileMode::Symlink)
            .collect();
        let paths: Vec<RepoPath> = files.keys().cloned().collect();
        let filtered = filters::filtered(self.repo, &paths)?;
        let wanted: Vec<_> = filtered
            .into_iter()
            .filter_map(|path| files.get(path).map(|(mode, oid)| (path.clone(), *mode, *oid)))
            .collect();
        if !wanted.is_empty() {
            let contents = filters::smudge(self.repo, &wanted)?;
            self.smudged = wanted.into_iter().map(|(path, ..)| path).zip(contents).collect();
        }
        Ok(())
    }

    /// What a path shall hold.
    pub(super) fn content(&mut self, path: &RepoPath, (_, oid): (FileMode, Oid)) -> Result<Vec<u8>> {
        match self.smudged.remove(path) {
            Some(content) => Ok(content),
            None => Ok(self.repo.objects.read_blob(oid)?),
        }
    }

    /// What makes the files.
    pub(super) const fn maker(&self) -> Maker<'a> {
        Maker { disk: self.disk, modes: self.modes, file_mode: self.file_mode }
    }

    /// Whether the file has other names, whose exec bit is not ours to change.
    pub(super) fn is_shared(&self, path: &RepoPath) -> Result<bool> {
        let Some(file) = self.disk.open_file(path)? else { return Ok(false) };
        Ok(file.metadata().map_err(BaseError::io("look at", self.disk.on_disk(path)))?.nlink() > 1)
    }

    /// Gives or takes the exec bit of the file in place. Whether there was a file.
    pub(super) fn set_exec(&self, path: &RepoPath, executable: bool) -> Result<bool> {
        let Some(file) = self.disk.open_file(path)? else { return Ok(false) };
        let meta = file.metadata().map_err(BaseError::io("look at", self.disk.on_disk(path)))?;
        let bits = self.modes.get(path).copied().unwrap_or_else(|| self.maker().with_exec(meta.mode(), executable));
        file.set_permissions(Permissions::from_mode(bits & 0o777))
            .map_err(BaseError::io("set the permissions of", self.disk.on_disk(path)))?;
        Ok(true)
    }
}

impl<'a> Maker<'a> {
    /// Writes the new content beside its place; `None` where its folder's place is taken by something else.
    pub(super) fn stage(
        &self,
        path: &RepoPath,
        (mode, oid): (FileMode, Oid),
        content: &[u8],
    ) -> Result<Option<Staged<'a>>> {
        let Some(folder) = self.disk.make_folder(path.parent().as_ref())? else { return Ok(None) };
        let temp = format!("{TEMP_PREFIX}{}", IdSource::Random.hex12());
        let mut staged = Staged { disk: self.disk, temp, path: path.clone(), open: None, placed: true };
        let file = if mode == FileMode::Symlink {
            if content.is_empty() || content.contains(&0) {
                let what = format!("blob {oid}, the target of the symbolic link {path}");
                return Err(GitError::Damaged { what }.into());
            }
            rustix::fs::symlinkat(content, &folder, &staged.temp).map_err(io("create", self.disk.on_disk(path)))?;
            staged.placed = false;
            None
        } else {
            Some(self.write_file(&mut staged, &folder, content, mode == FileMode::Executable)?)
        };
        staged.open = Some((folder, file));
        Ok(Some(staged))
    }

    fn write_file(&self, staged: &mut Staged<'_>, folder: &File, content: &[u8], executable: bool) -> Result<File> {
        let path = &staged.path;
        let replaced = self.disk.stat_in(folder, path)?;
        let replaced = replaced.filter(|stat| Place::of(Some(stat)) == Place::File);
        let exact = self.modes.get(path).copied();
        // A file that gets its bits later must not be open to others in between; a new one gets them from the umask.
        let at_first = match (replaced.is_some() || exact.is_some(), executable) {
            (true, _) => 0o600,
            (false, true) => 0o777,
            (false, false) => 0o666,
        };
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::WRONLY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(folder, &staged.temp, flags, Mode::from_raw_mode(at_first));
        let mut file: File = opened.map_err(io("create", self.disk.on_disk(path)))?.into();
        staged.placed = false;
        file.write_all(content).map_err(BaseError::io("write", self.disk.on_disk(path)))?;
        if let Some(replaced) = &replaced {
            keep_owner(&file, replaced).map_err(io("set the owner of", self.disk.on_disk(path)))?;
        }
        if let Some(bits) = exact.or(replaced.map(|r| self.with_exec(r.st_mode, executable))) {
            file.set_permissions(Permissions::from_mode(bits & 0o777))
                .map_err(BaseError::io("set the permissions of", self.disk.on_disk(path)))?;
        }
        Ok(file)
    }

    /// The bits of a file with exec for those who may read, or for nobody.
    const fn with_exec(&self, bits: u32, executable: bool) -> u32 {
        match (executable, bits & 0o100 != 0) {
            _ if !self.file_mode => bits,
            (true, false) => bits | ((bits & 0o444) >> 2) | 0o100,
            (true, true) => bits,
            (false, _) => bits & !0o111,
        }
    }
}

impl Staged<'_> {
    /// The folder, as it was when the file was made.
    pub(super) fn folder(&self) -> Option<&File> {
        self.open.as_ref().map(|(folder, _)| folder)
    }

    /// When the file was made, by the file system's clock.
    pub(super) fn moment(&self) -> Option<Moment> {
        let (_, file) = self.open.as_ref()?;
        Some(Stamp::of(&rustix::fs::fstat(file.as_ref()?).ok()?).ctime)
    }

    /// Makes sure that the content survives a loss of power.
    pub(super) fn sync(&mut self) -> Result<()> {
        if let Some((_, Some(file))) = self.open.take() {
            file.sync_all().map_err(BaseError::io("sync", self.disk.on_disk(&self.path)))?;
        }
        Ok(())
    }

    /// Lets go of folder and file.
    pub(super) fn close(&mut self) {
        self.open = None;
    }

    /// Moves the file into its place in its folder. `false`, and nothing done, where something is there that should not be
    /// replaced, or where the folder is another one by now.
    pub(super) fn place(mut self, folder: &File, replace: bool) -> Result<bool> {
        let name = self.path.file_name().to_vec();
        let plain = || rustix::fs::renameat(folder, &self.temp, folder, name.as_slice());
        let renamed = if replace {
            plain()
        } else {
            match rustix::fs::renameat_with(folder, &self.temp, folder, name.as_slice(), RenameFlags::NOREPLACE) {
                // File systems that cannot: the check just before has to do.
                Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => plain(),
                other => other,
            }
        };
        match renamed {
            Ok(()) => self.placed = true,
            Err(Errno::EXIST | Errno::ISDIR | Errno::NOTEMPTY | Errno::NOENT) => return Ok(false),
            Err(e) => return Err(io("write", self.disk.on_disk(&self.path))(e)),
        }
        Ok(true)
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if !self.placed
            && let Ok(Some(folder)) = self.disk.folder(self.path.parent().as_ref())
        {
            // A temporary file that stays is seen by no snapshot; there is nobody to tell.
            let _ = rustix::fs::unlinkat(&folder, &self.temp, AtFlags::empty());
        }
    }
}

/// Gives the new file to whom the old one belonged, where we may.
fn keep_owner(file: &File, replaced: &Stat) -> rustix::io::Result<()> {
    let Ok(ours) = rustix::fs::fstat(file) else { return Ok(()) };
    if (ours.st_uid, ours.st_gid) == (replaced.st_uid, replaced.st_gid) {
        return Ok(());
    }
    let uid = rustix::fs::Uid::from_raw(replaced.st_uid);
    let gid = rustix::fs::Gid::from_raw(replaced.st_gid);
    match rustix::fs::fchown(file, Some(uid), Some(gid)) {
        // Only root gives files away; whose folder it is may write there, so the file becomes theirs.
        Err(Errno::PERM) => Ok(()),
        other => other,
    }
}

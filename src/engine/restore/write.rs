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
use super::place::Placed;
use crate::base::{Error as BaseError, IdSource, RepoPath};
use crate::engine::stat_cache::Stamp;
use crate::engine::{Result, TEMP_PREFIX};
use crate::git::{Error as GitError, FileMode, Oid, Reader, Repo};

/// Blobs of more bytes are copied in pieces, so that memory does not grow with them nor with the number of threads.
pub(super) const WHOLE: u64 = 1 << 20;

/// Makes the new files of a restore.
pub(super) struct Writer<'a> {
    pub(super) repo: &'a Repo,
    pub(super) disk: &'a WorkTree,
    /// Permission bits to give, by path.
    pub(super) modes: &'a BTreeMap<RepoPath, u32>,
    /// Whether exec bits on disk mean anything (`core.fileMode`); else a replaced file keeps its own.
    file_mode: bool,
    /// Whether links can be made (`core.symlinks`); else a plain file with the target stands for one.
    symlinks: bool,
}

/// Makes files, from any thread.
pub(super) struct Maker<'a> {
    objects: Reader<'a>,
    disk: &'a WorkTree,
    modes: &'a BTreeMap<RepoPath, u32>,
    file_mode: bool,
    symlinks: bool,
    /// The user and group that this process makes files for.
    ours: (u32, u32),
}

/// What a new file gets.
#[derive(Clone, Copy)]
enum Content<'c> {
    /// These bytes.
    Bytes(&'c [u8]),
    /// A large blob, to be copied in pieces.
    Blob(Oid),
}

/// A finished file that waits beside its place. Dropped before it is placed, it is removed.
pub(super) struct Staged<'a> {
    disk: &'a WorkTree,
    temp: String,
    path: RepoPath,
    /// Its folder, and it itself unless it is a symbolic link; both until it is closed.
    open: Option<(File, Option<File>)>,
    /// The finished file; none of a link, and of what a filter made.
    pub(super) stamp: Option<Stamp>,
    /// The file in its place as it was before; `None` where there was none.
    pub(super) replaced: Option<Stamp>,
    placed: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(repo: &'a Repo, disk: &'a WorkTree, modes: &'a BTreeMap<RepoPath, u32>) -> Result<Self> {
        let file_mode = repo.config.bool("core.fileMode")?.unwrap_or(true);
        let symlinks = repo.config.bool("core.symlinks")?.unwrap_or(true);
        Ok(Self { repo, disk, modes, file_mode, symlinks })
    }

    /// What makes so many files.
    pub(super) fn maker(&self, files: usize) -> Result<Maker<'a>> {
        Ok(Maker {
            objects: self.repo.objects.reader_of(files)?,
            disk: self.disk,
            modes: self.modes,
            file_mode: self.file_mode,
            symlinks: self.symlinks,
            ours: (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()),
        })
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
        let bits = self.modes.get(path).copied().unwrap_or_else(|| with_exec(self.file_mode, meta.mode(), executable));
        file.set_permissions(Permissions::from_mode(bits & 0o777))
            .map_err(BaseError::io("set the permissions of", self.disk.on_disk(path)))?;
        Ok(true)
    }
}

impl<'a> Maker<'a> {
    /// Writes the new content, that of the blob or what a filter made of it, beside its place; `None` where its folder's
    /// place is taken by something else.
    pub(super) fn stage(
        &self,
        path: &RepoPath,
        (mode, oid): (FileMode, Oid),
        smudged: Option<&[u8]>,
    ) -> Result<Option<Staged<'a>>> {
        // A link's target is as short as a path.
        let most = if mode == FileMode::Symlink { u64::MAX } else { WHOLE };
        let blob = if smudged.is_none() { self.objects.blob_checked(oid, most)? } else { None };
        let content = smudged.or(blob.as_deref());
        let Some(folder) = self.disk.make_folder(path.parent().as_ref())? else { return Ok(None) };
        let temp = format!("{TEMP_PREFIX}{}", IdSource::Random.hex12());
        let mut staged =
            Staged { disk: self.disk, temp, path: path.clone(), open: None, stamp: None, replaced: None, placed: true };
        let file = if mode == FileMode::Symlink && self.symlinks {
            let content = content.unwrap_or_default();
            if content.is_empty() || content.contains(&0) {
                let what = format!("blob {oid}, the target of the symbolic link {path}");
                return Err(GitError::Damaged { what }.into());
            }
            rustix::fs::symlinkat(content, &folder, &staged.temp).map_err(io("create", self.disk.on_disk(path)))?;
            staged.placed = false;
            None
        } else {
            let content = content.map_or(Content::Blob(oid), Content::Bytes);
            let (file, stamp) = self.write_file(&mut staged, &folder, content, mode == FileMode::Executable)?;
            // Only of a blob itself is known what it will be when it is read again.
            staged.stamp = smudged.is_none().then_some(stamp);
            Some(file)
        };
        staged.open = Some((folder, file));
        Ok(Some(staged))
    }

    fn write_file(
        &self,
        staged: &mut Staged<'_>,
        folder: &File,
        content: Content<'_>,
        executable: bool,
    ) -> Result<(File, Stamp)> {
        let path = &staged.path;
        let replaced = self.disk.stat_in(folder, path)?;
        let replaced = replaced.filter(|stat| Place::of(Some(stat)) == Place::File);
        staged.replaced = replaced.as_ref().map(Stamp::of);
        let exact = self.modes.get(path).copied();
        // Never open to others in between; where nothing says which, it gets them from the umask.
        let bits =
            exact.or(replaced.map(|r| with_exec(self.file_mode, r.st_mode, executable))).map(|bits| bits & 0o777);
        let is_ours = replaced.is_none_or(|r| (r.st_uid, r.st_gid) == self.ours);
        let at_first = match (bits, executable) {
            (Some(_), _) if !is_ours => 0o600,
            (Some(bits), _) => bits,
            (None, true) => 0o777,
            (None, false) => 0o666,
        };
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::WRONLY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(folder, &staged.temp, flags, Mode::from_raw_mode(at_first));
        let mut file: File = opened.map_err(io("create", self.disk.on_disk(path)))?.into();
        staged.placed = false;
        let mut put = |bytes: &[u8]| -> Result<()> {
            Ok(file.write_all(bytes).map_err(BaseError::io("write", self.disk.on_disk(path)))?)
        };
        match content {
            Content::Bytes(bytes) => put(bytes)?,
            Content::Blob(oid) => self.objects.copy_blob(oid, &mut put)?,
        }
        let stat = || rustix::fs::fstat(&file).map_err(io("look at", self.disk.on_disk(path)));
        let mut now = stat()?;
        let has_owner = replaced.as_ref().is_none_or(|r| (now.st_uid, now.st_gid) == (r.st_uid, r.st_gid));
        let has_bits = bits.is_none_or(|bits| now.st_mode & 0o777 == bits);
        if let Some(replaced) = replaced.filter(|_| !has_owner) {
            give_to_owner(&file, &replaced).map_err(io("set the owner of", self.disk.on_disk(path)))?;
        }
        if let Some(bits) = bits.filter(|_| !has_bits) {
            file.set_permissions(Permissions::from_mode(bits))
                .map_err(BaseError::io("set the permissions of", self.disk.on_disk(path)))?;
        }
        if !has_owner || !has_bits {
            now = stat()?;
        }
        Ok((file, Stamp::of(&now)))
    }
}

/// The bits of a file with exec for those who may read, or for nobody, where that means anything.
const fn with_exec(file_mode: bool, bits: u32, executable: bool) -> u32 {
    match (executable, bits & 0o100 != 0) {
        _ if !file_mode => bits,
        (true, false) => bits | ((bits & 0o444) >> 2) | 0o100,
        (true, true) => bits,
        (false, _) => bits & !0o111,
    }
}

impl Staged<'_> {
    /// The folder, as it was when the file was made.
    pub(super) fn folder(&self) -> Option<&File> {
        self.open.as_ref().map(|(folder, _)| folder)
    }

    /// Makes sure that the content survives a loss of power.
    pub(super) fn sync(&self) -> Result<()> {
        if let Some((_, Some(file))) = &self.open {
            file.sync_all().map_err(BaseError::io("sync", self.disk.on_disk(&self.path)))?;
        }
        Ok(())
    }

    /// Lets go of folder and file.
    pub(super) fn close(&mut self) {
        self.open = None;
    }

    /// What the file is in its place; `None` where it is not the one that was made, or was made so lately that a change
    /// since would not show.
    fn stamp_in(&self, folder: &File) -> Option<Stamp> {
        let stat = self.disk.stat_in(folder, &self.path).ok()??;
        let now = Stamp::of(&stat);
        let is_made = Place::of(Some(&stat)) == Place::File && now == Stamp { ctime: now.ctime, ..self.stamp? };
        (is_made && now.mtime < now.ctime).then_some(now)
    }

    /// Moves the file into its place in its folder, and says what it is there ([`Placed::Now`]). Nothing is done where
    /// something is there that should not be replaced, or where the folder is another one by now.
    pub(super) fn place(mut self, folder: &File, replace: bool) -> Result<Placed> {
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
            Err(Errno::EXIST | Errno::ISDIR | Errno::NOTEMPTY | Errno::NOENT) => return Ok(Placed::Changed),
            Err(e) => return Err(io("write", self.disk.on_disk(&self.path))(e)),
        }
        Ok(Placed::Now(self.stamp_in(folder)))
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
fn give_to_owner(file: &File, replaced: &Stat) -> rustix::io::Result<()> {
    let uid = rustix::fs::Uid::from_raw(replaced.st_uid);
    let gid = rustix::fs::Gid::from_raw(replaced.st_gid);
    match rustix::fs::fchown(file, Some(uid), Some(gid)) {
        // Only root gives files away; whose folder it is may write there, so the file becomes theirs.
        Err(Errno::PERM) => Ok(()),
        other => other,
    }
}

//! The work tree through directory handles: every path is walked part by part from the top and no symbolic link is ever
//! followed, so that a link that someone puts in a folder's place leads nowhere.
//!
//! The repository's own folders are refused by device and inode, whatever they are called.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use bstr::{BString, ByteSlice as _};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::systems;
use crate::base::{Error as BaseError, RepoPath};
use crate::engine::stat_cache::Stamp;
use crate::engine::{Error, Result};
use crate::git::Repo;

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Place {
    /// Nothing, or no folder above it.
    Nothing,
    /// A folder.
    Folder,
    /// A regular file.
    File,
    /// A symbolic link.
    Link,
    /// A FIFO, socket or device.
    Special,
}

impl Place {
    /// By what `lstat` says.
    pub(super) fn of(stat: Option<&Stat>) -> Self {
        match stat.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
            None => Self::Nothing,
            Some(FileType::RegularFile) => Self::File,
            Some(FileType::Symlink) => Self::Link,
            Some(FileType::Directory) => Self::Folder,
            Some(_) => Self::Special,
        }
    }
}

/// The top of a work tree, held open.
#[derive(Debug)]
pub struct WorkTree {
    top: File,
    root: PathBuf,
    /// Device and inode of the repository's own folders.
    refused: Vec<(u64, u64)>,
    /// Device and inode of folders that were walked to.
    walked: Mutex<HashMap<RepoPath, (u64, u64)>>,
}

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::RDONLY).union(OFlags::CLOEXEC);

/// Room that is made for a file before it is read; what a sparse file says of its size may be any number.
const READ_AT_ONCE: usize = 64 * 1024 * 1024;

impl WorkTree {
    /// Opens the work tree of a repository.
    pub fn open(repo: &Repo) -> Result<Self> {
        let root = repo.work_dir()?.to_path_buf();
        let identity =
            |path: &Path| std::fs::metadata(path).map(|m| (m.dev(), m.ino())).map_err(BaseError::io("look at", path));
        let refused = vec![identity(&repo.git_dir)?, identity(&repo.common_dir)?];
        let flags = OFlags::DIRECTORY.union(OFlags::RDONLY).union(OFlags::CLOEXEC);
        let top = rustix::fs::openat(CWD, &root, flags, Mode::empty()).map_err(io("open the folder", &root))?;
        Ok(Self { top: top.into(), root, refused, walked: Mutex::default() })
    }

    /// The device of the top, where it is of a file system that nobody else's machine writes to.
    pub(super) fn own_device(&self) -> Option<u64> {
        if !systems::is_of_this_machine(&self.top) {
            return None;
        }
        rustix::fs::fstat(&self.top).ok().map(|stat| Stamp::of(&stat).dev)
    }

    /// The place on disk, for messages only.
    pub(in crate::engine) fn on_disk(&self, path: &RepoPath) -> PathBuf {
        path.on_disk(&self.root)
    }

    /// The same for a folder, the top included.
    pub(super) fn place_of(&self, folder: Option<&RepoPath>) -> PathBuf {
        folder.map_or_else(|| self.root.clone(), |f| self.on_disk(f))
    }

    /// A folder that is already there; `None` where it, or one above it, is missing or no folder.
    pub(in crate::engine) fn folder(&self, folder: Option<&RepoPath>) -> Result<Option<File>> {
        self.walk(folder, false)
    }

    /// A folder, made where it is missing; `None` where something else is in its place.
    pub(super) fn make_folder(&self, folder: Option<&RepoPath>) -> Result<Option<File>> {
        self.walk(folder, true)
    }

    fn walk(&self, folder: Option<&RepoPath>, make: bool) -> Result<Option<File>> {
        if let Some(again) = folder.and_then(|folder| self.again(folder)) {
            return Ok(Some(again));
        }
        let top = || self.top.try_clone().map_err(BaseError::io("open the folder", &self.root));
        let Some(folder) = folder else { return Ok(Some(top()?)) };
        let known = folder.parent().and_then(|above| self.again(&above));
        let walked = if known.is_some() { folder.parts().count() - 1 } else { 0 };
        let mut here = known.map_or_else(top, Ok)?;
        let mut identity = (0, 0);
        for part in folder.parts().skip(walked) {
            let mut opened = rustix::fs::openat(&here, part.as_bytes(), FOLDER, Mode::empty());
            if make && matches!(opened, Err(Errno::NOENT)) {
                match rustix::fs::mkdirat(&here, part.as_bytes(), Mode::from_raw_mode(0o777)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(e) => return Err(io("create the folder", self.on_disk(folder))(e)),
                }
                opened = rustix::fs::openat(&here, part.as_bytes(), FOLDER, Mode::empty());
            }
            here = match opened {
                Ok(next) => next.into(),
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
                Err(e) => return Err(io("open the folder", self.on_disk(folder))(e)),
            };
            let meta = here.metadata().map_err(BaseError::io("look at", self.on_disk(folder)))?;
            identity = (meta.dev(), meta.ino());
            if self.refused.contains(&identity) {
                let reason = "it is the repository's own folder".to_owned();
                return Err(Error::Refused { path: folder.clone(), reason, more: 0 });
            }
        }
        if let Ok(mut walked) = self.walked.lock() {
            walked.insert(folder.clone(), identity);
        }
        Ok(Some(here))
    }

    /// A folder that was walked to before, in one step that follows no link either, where it still is that folder.
    #[cfg(target_os = "linux")]
    fn again(&self, folder: &RepoPath) -> Option<File> {
        use rustix::fs::ResolveFlags;
        let identity = *self.walked.lock().ok()?.get(folder)?;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let file: File = rustix::fs::openat2(&self.top, folder.as_bytes(), FOLDER, Mode::empty(), resolve).ok()?.into();
        let meta = file.metadata().ok()?;
        ((meta.dev(), meta.ino()) == identity).then_some(file)
    }

    #[cfg(not(target_os = "linux"))]
    fn again(&self, _folder: &RepoPath) -> Option<File> {
        None
    }

    /// What is at a path.
    pub(in crate::engine) fn look(&self, path: &RepoPath) -> Result<Place> {
        let Some(folder) = self.folder(path.parent().as_ref())? else { return Ok(Place::Nothing) };
        Ok(Place::of(self.stat_in(&folder, path)?.as_ref()))
    }

    /// What is at a path of this open folder.
    pub(super) fn stat_in(&self, folder: &File, path: &RepoPath) -> Result<Option<Stat>> {
        match rustix::fs::statat(folder, path.file_name().as_bytes(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(io("look at", self.on_disk(path))(e)),
        }
    }

    /// Opens a regular file for reading; `None` where there is none.
    pub(in crate::engine) fn open_file(&self, path: &RepoPath) -> Result<Option<File>> {
        let Some(folder) = self.folder(path.parent().as_ref())? else { return Ok(None) };
        Ok(self.open_in(&folder, path)?.map(|(file, _)| file))
    }

    /// Opens a regular file of this open folder, and what it was then.
    pub(super) fn open_in(&self, folder: &File, path: &RepoPath) -> Result<Option<(File, Stat)>> {
        // Without NONBLOCK a FIFO that just took the file's place would hang us.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file: File = match rustix::fs::openat(folder, path.file_name().as_bytes(), flags, Mode::empty()) {
            Ok(file) => file.into(),
            Err(Errno::NOENT | Errno::LOOP | Errno::MLINK | Errno::NXIO) => return Ok(None),
            Err(e) => return Err(io("open", self.on_disk(path))(e)),
        };
        let stat = rustix::fs::fstat(&file).map_err(io("look at", self.on_disk(path)))?;
        Ok((Place::of(Some(&stat)) == Place::File).then_some((file, stat)))
    }

    /// All bytes of an open file, which are about as many as `size`.
    pub(super) fn read(&self, path: &RepoPath, file: &File, size: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0).min(READ_AT_ONCE) + 1);
        file.take(u64::MAX).read_to_end(&mut bytes).map_err(BaseError::io("read", self.on_disk(path)))?;
        Ok(bytes)
    }

    /// Where a symbolic link of this open folder points; `None` where there is none.
    pub(super) fn read_link_in(&self, folder: &File, path: &RepoPath) -> Result<Option<Vec<u8>>> {
        match rustix::fs::readlinkat(folder, path.file_name().as_bytes(), Vec::new()) {
            Ok(target) => Ok(Some(target.into_bytes())),
            Err(Errno::NOENT | Errno::INVAL) => Ok(None),
            Err(e) => Err(io("read the link", self.on_disk(path))(e)),
        }
    }

    /// The names in a folder; none where it is no folder.
    pub(in crate::engine) fn names(&self, folder: Option<&RepoPath>) -> Result<Vec<BString>> {
        let Some(open) = self.folder(folder)? else { return Ok(Vec::new()) };
        self.names_in(&open, folder)
    }

    /// The names in this open folder.
    pub(super) fn names_in(&self, open: &File, folder: Option<&RepoPath>) -> Result<Vec<BString>> {
        let place = self.place_of(folder);
        let mut names = Vec::new();
        for entry in Dir::read_from(open).map_err(io("list the folder", &place))? {
            let entry = entry.map_err(io("list the folder", &place))?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(name.as_bstr().to_owned());
            }
        }
        Ok(names)
    }
}

/// Wraps an error number with the verb and the path; shaped for `map_err`.
pub(super) fn io(attempted: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(Errno) -> Error {
    let path = path.into();
    move |errno| Error::Base(BaseError::Io { attempted, path, source: errno.into() })
}

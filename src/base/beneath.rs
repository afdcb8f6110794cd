//! Files of a work tree that we read and write under a fixed name: an agent's settings and commands. No part of the way to
//! them may be a link, and a name that leads out of the work tree leads nowhere.
//!
//! Directories are opened one in another, so that a link which someone puts in a place meanwhile is not followed either.

use std::fs::File;
use std::io::Write as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::file::TEMP_PREFIX;
use super::supplied::{self, MOST};
use super::{Error, IdSource, Result};

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The file at `path` below `root`; `None` where there is none.
///
/// # Errors
/// [`Error::NotPlain`] where it is no regular file, or a directory on the way is a link or none.
pub fn read(root: &Path, path: &Path) -> Result<Option<Vec<u8>>> {
    let Some((directory, name)) = parent(root, path, false)? else { return Ok(None) };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file: File = match rustix::fs::openat(&directory, name, flags, Mode::empty()) {
        Ok(file) => file.into(),
        Err(Errno::NOENT) => return Ok(None),
        Err(e) => return Err(supplied::refused(path, e)),
    };
    if !file.metadata().map_err(Error::io("read", path))?.is_file() {
        return Err(Error::not_plain("read", path, "it is not a regular file"));
    }
    supplied::contents(&file, path, MOST).map(Some)
}

/// Replaces the file at `path` below `root`, making the directories that it lacks. It keeps the mode that it has; a new one
/// gets its own from the umask.
///
/// # Errors
/// As [`read`].
pub fn write(root: &Path, path: &Path, bytes: &[u8]) -> Result<()> {
    let io = |e: Errno| Error::io("write", path)(e.into());
    let Some((directory, name)) = parent(root, path, true)? else {
        return Err(Error::not_plain("write", path, "there is no directory for it"));
    };
    let before = match rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
            Some(Mode::from_raw_mode(stat.st_mode))
        }
        Ok(_) => return Err(Error::not_plain("write", path, "it is not a regular file")),
        Err(Errno::NOENT) => None,
        Err(e) => return Err(io(e)),
    };
    let temp = format!("{TEMP_PREFIX}{}", IdSource::Random.hex12());
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::WRONLY | OFlags::CLOEXEC;
    let at_first = Mode::from_raw_mode(before.map_or(0o666, |_| 0o600));
    let mut file: File = rustix::fs::openat(&directory, &temp, flags, at_first).map_err(io)?.into();
    let written = file
        .write_all(bytes)
        .and_then(|()| Ok(before.map_or(Ok(()), |mode| rustix::fs::fchmod(&file, mode))?))
        .and_then(|()| Ok(rustix::fs::renameat(&directory, &temp, &directory, name)?));
    written.map_err(|e| {
        // The name is ours alone; there is nobody to tell where it stays.
        let _left = rustix::fs::unlinkat(&directory, &temp, AtFlags::empty());
        Error::io("write", path)(e)
    })
}

/// Removes the file at `path` below `root`, and the directories that this empties, up to `root`. Whether there was one.
///
/// # Errors
/// As [`read`].
pub fn remove(root: &Path, path: &Path) -> Result<bool> {
    let Some((directory, name)) = parent(root, path, false)? else { return Ok(false) };
    match rustix::fs::unlinkat(&directory, name, AtFlags::empty()) {
        Ok(()) => {}
        Err(Errno::NOENT) => return Ok(false),
        Err(e) => return Err(Error::io("remove", path)(e.into())),
    }
    let above = path.ancestors().skip(1).take_while(|above| !above.as_os_str().is_empty());
    for emptied in above {
        let Some((directory, name)) = parent(root, emptied, false)? else { break };
        match rustix::fs::unlinkat(&directory, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::BUSY | Errno::ACCESS | Errno::PERM) => break,
            Err(e) => return Err(Error::io("remove the directory", emptied)(e.into())),
        }
    }
    Ok(true)
}

/// The directory that `path` lies in, opened, and its name there; `None` where that is not there and not to be made.
fn parent<'p>(root: &Path, path: &'p Path, make: bool) -> Result<Option<(File, &'p std::ffi::OsStr)>> {
    let leads_out = || Error::not_plain("find", path, "it leads out of the work tree");
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top = rustix::fs::openat(CWD, root, flags, Mode::empty()).map_err(|e| Error::io("open", root)(e.into()))?;
    let mut here: File = top.into();
    let mut parts = path.components().peekable();
    let mut walked = PathBuf::new();
    while let Some(part) = parts.next() {
        let Component::Normal(name) = part else { return Err(leads_out()) };
        if parts.peek().is_none() {
            return Ok(Some((here, name)));
        }
        walked.push(name);
        let mut opened = rustix::fs::openat(&here, name, DIRECTORY, Mode::empty());
        if make && matches!(opened, Err(Errno::NOENT)) {
            match rustix::fs::mkdirat(&here, name, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(e) => return Err(Error::io("create the directory", &walked)(e.into())),
            }
            opened = rustix::fs::openat(&here, name, DIRECTORY, Mode::empty());
        }
        here = match opened {
            Ok(next) => next.into(),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::MLINK | Errno::NOTDIR) => {
                return Err(Error::not_plain("open", &walked, "it is no directory, or a symbolic link"));
            }
            Err(e) => return Err(Error::io("open", &walked)(e.into())),
        };
    }
    Err(leads_out())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn no_part_of_the_way_is_a_link_and_nothing_is_written_elsewhere() {
        let dir = tempfile::tempdir().expect("a directory");
        let (root, elsewhere) = (dir.path().join("root"), dir.path().join("elsewhere"));
        for path in [&root, &elsewhere, &root.join("real")] {
            std::fs::create_dir(path).expect("makes");
        }
        std::fs::write(elsewhere.join("file"), "theirs").expect("writes");
        symlink("../elsewhere", root.join("link")).expect("links");
        symlink("../../elsewhere/file", root.join("real/file")).expect("links");
        symlink("/dev/zero", root.join("endless")).expect("links");
        for path in ["link/file", "link/new", "real/file", "endless", "../elsewhere/file", "link/deeper/new"] {
            let path = Path::new(path);
            assert!(matches!(read(&root, path), Err(Error::NotPlain { .. })), "{path:?}");
            assert!(matches!(write(&root, path, b"ours"), Err(Error::NotPlain { .. })), "{path:?}");
        }
        assert!(matches!(remove(&root, Path::new("link/file")), Err(Error::NotPlain { .. })));
        assert_eq!(std::fs::read(elsewhere.join("file")).expect("reads"), b"theirs");
        assert_eq!(std::fs::read_dir(&elsewhere).expect("lists").count(), 1);
    }

    #[test]
    fn a_file_is_made_replaced_and_removed_with_the_directories_that_it_needed() {
        let root = tempfile::tempdir().expect("a directory");
        let (root, path) = (root.path(), Path::new("a/b/c"));
        assert_eq!(read(root, path).expect("reads"), None);
        assert!(!remove(root, path).expect("finds nothing"));
        write(root, path, b"one").expect("writes");
        std::fs::set_permissions(root.join(path), Permissions::from_mode(0o640)).expect("sets");
        write(root, path, b"two").expect("writes");
        assert_eq!(std::fs::metadata(root.join(path)).expect("stats").permissions().mode() & 0o777, 0o640);
        assert_eq!(read(root, path).expect("reads").as_deref(), Some(b"two".as_slice()));
        assert_eq!(std::fs::read_dir(root.join("a/b")).expect("lists").count(), 1, "no temporary file is left");
        assert!(remove(root, path).expect("removes"));
        assert_eq!(std::fs::read_dir(root).expect("lists").count(), 0);
    }
}

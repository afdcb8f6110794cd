//! Small files of ours, written so that a death at any instruction leaves the old or the new content.
//!
//! For files in the git dir and for settings of agents; the work tree has its own writer (`engine::restore`).

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::supplied::{self, Links};
use super::{Error, Result};

/// How names of temporary files begin.
pub const TEMP_PREFIX: &str = ".session-tmp-";

/// Bytes that are read at a time of what may be large.
pub const PIECE: usize = 64 * 1024;

/// How sure a write must be once it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Survives the death of the process.
    Process,
    /// Survives loss of power: file and folder are synced.
    Power,
}

/// Replaces `path` by `bytes` through a temporary file in the same folder and a rename. Mode as given (such as 0o600),
/// or that of the file that is replaced where it exists and `mode` is `None` (else what the umask gives).
pub fn write_atomic(path: &Path, bytes: &[u8], mode: Option<u32>, durability: Durability) -> Result<()> {
    write_atomic_parts(path, &[bytes], mode, durability)
}

/// The same of bytes that lie in several places.
pub fn write_atomic_parts(path: &Path, parts: &[&[u8]], mode: Option<u32>, durability: Durability) -> Result<()> {
    let io = || Error::io("write", path);
    let folder = path.parent().unwrap_or(Path::new("."));
    let mode = mode.or_else(|| fs::symlink_metadata(path).ok().filter(|m| m.is_file()).map(|m| m.mode() & 0o7777));
    let mut builder = tempfile::Builder::new();
    if mode.is_none() {
        builder.permissions(Permissions::from_mode(0o666));
    }
    let mut temp = builder.prefix(TEMP_PREFIX).tempfile_in(folder).map_err(io())?;
    if let [bytes] = parts {
        temp.write_all(bytes).map_err(io())?;
    } else {
        let mut out = std::io::BufWriter::with_capacity(1 << 16, &mut temp);
        parts.iter().try_for_each(|part| out.write_all(part)).and_then(|()| out.flush()).map_err(io())?;
    }
    if let Some(mode) = mode {
        temp.as_file().set_permissions(Permissions::from_mode(mode)).map_err(io())?;
    }
    if durability == Durability::Power {
        temp.as_file().sync_all().map_err(io())?;
    }
    temp.persist(path).map_err(|e| Error::io("write", path)(e.error))?;
    if durability == Durability::Power {
        sync_dir(folder)?;
    }
    Ok(())
}

/// Whether a file could be made at `path`, with the folders above it; found out without making any.
pub fn can_be_made(path: &Path) -> Result<()> {
    let there = path.ancestors().skip(1).find(|folder| folder.exists()).unwrap_or(Path::new("."));
    let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    rustix::fs::access(there, access).map_err(|e| Error::io("write in the folder", there)(e.into()))
}

/// Reads a whole file of ours or of git's; `None` where there is none.
///
/// # Errors
/// As [`supplied::read`]: it may be a link or none of ours all the same, in a repository that came as an archive.
pub fn read_optional(path: &Path) -> Result<Option<Vec<u8>>> {
    supplied::read(path, Links::Refuse, supplied::MOST)
}

/// Makes a file for writing that was not there; a link in its place is not followed.
pub fn create_new(path: &Path) -> std::io::Result<File> {
    #[expect(clippy::disallowed_methods, reason = "the one place that opens files of ours for writing in place")]
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Whether something can be opened for reading, such as the terminal. Nothing is read.
pub fn is_openable(path: &Path) -> bool {
    rustix::fs::openat(rustix::fs::CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).is_ok()
}

/// What a file of ours is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To add to what is there.
    Append,
    /// The same; it is made where it is not there.
    AppendOrMake,
    /// To read and write; it is made where it is not there.
    ReadWriteOrMake,
}

/// Opens a file of ours to write in it, made with these bits where it is not there. Never one that is somewhere else too.
///
/// # Errors
/// [`Error::NotPlain`] for a link of either kind, and for what is no regular file.
pub fn open_own(path: &Path, access: Access, mode: u32) -> Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    match access {
        Access::Append => options.append(true),
        Access::AppendOrMake => options.append(true).create(true),
        Access::ReadWriteOrMake => options.read(true).write(true).create(true).truncate(false),
    };
    options.mode(mode).custom_flags(i32::try_from(flags.bits()).unwrap_or(0));
    #[expect(clippy::disallowed_methods, reason = "the one place that opens files of ours for writing in place")]
    let opened = options.open(path);
    let file = opened.map_err(|e| match Errno::from_io_error(&e) {
        Some(Errno::LOOP | Errno::MLINK | Errno::NXIO) => Error::not_plain("write", path, "it is a link or no file"),
        _ => Error::io("write", path)(e),
    })?;
    let meta = file.metadata().map_err(Error::io("write", path))?;
    if !meta.is_file() || meta.nlink() > 1 {
        return Err(Error::not_plain("write", path, "it is no file of its own"));
    }
    // What others are to write too, the umask may have kept from them.
    let is_own = meta.uid() == rustix::process::geteuid().as_raw();
    if mode & 0o077 != 0 && is_own && meta.mode() & 0o777 != mode {
        file.set_permissions(Permissions::from_mode(mode)).map_err(Error::io("write", path))?;
    }
    Ok(file)
}

/// Makes sure that the names in a directory survive a loss of power.
pub fn sync_dir(folder: &Path) -> Result<()> {
    open_dir(folder).and_then(|dir| dir.sync_all()).map_err(Error::io("sync", folder))
}

/// Opens a directory, to hold or to sync it.
pub fn open_dir(folder: &Path) -> std::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(rustix::fs::CWD, folder, flags, Mode::empty())?.into())
}

/// Reads the end of a file, at most so many bytes; `None` where there is none.
pub fn read_tail(path: &Path, most: u64) -> Result<Option<Vec<u8>>> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let io = || Error::io("read", path);
    let mut file = match supplied::open(path, Links::Refuse) {
        Ok(file) => file,
        Err(e) if e.is_absent() => return Ok(None),
        Err(e) => return Err(e),
    };
    let len = file.metadata().map_err(io())?.len();
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(len.saturating_sub(most))).map_err(io())?;
    file.take(most).read_to_end(&mut bytes).map_err(io())?;
    Ok(Some(bytes))
}

/// Removes a file; whether there was one.
pub fn remove_optional(path: &Path) -> Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        Err(e) => Err(Error::io("remove", path)(e)),
    }
}

/// Removes temporary files that writers in this folder left when they died: those last changed before `limit`.
pub fn remove_leftovers(folder: &Path, limit: SystemTime) -> Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(()),
        Err(e) => return Err(Error::io("list", folder)(e)),
    };
    for entry in entries {
        let entry = entry.map_err(Error::io("list", folder))?;
        if !entry.file_name().as_encoded_bytes().starts_with(TEMP_PREFIX.as_bytes()) {
            continue;
        }
        // One that is gone by now was a living writer's.
        let changed = entry.metadata().and_then(|meta| meta.modified());
        if changed.is_ok_and(|at| at < limit) {
            remove_optional(&entry.path())?;
        }
    }
    Ok(())
}

/// A path without `.` and `..`, by its text alone: what it names may be gone.
pub fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

/// Makes a directory (and those above it) that only the user can enter. A link in its place is not followed.
pub fn create_private_dir(path: &Path) -> Result<()> {
    create_dir(path, 0o700)
}

/// [`create_private_dir`] with other bits.
pub fn create_dir(path: &Path, mode: u32) -> Result<()> {
    let is_dir = |path: &Path| fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir());
    // Nearly always it is there.
    if is_dir(path) {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(mode).create(path).map_err(Error::io("create the folder", path))?;
    if is_dir(path) { Ok(()) } else { Err(Error::not_plain("write in", path, "it is a symbolic link")) }
}

/// The umask of this process. On Linux it is read; elsewhere it can only be asked for by setting it.
#[cfg_attr(target_os = "linux", expect(clippy::useless_conversion, reason = "mode bits are 16 wide on macOS"))]
pub fn umask() -> u32 {
    let status =
        supplied::read(Path::new("/proc/self/status"), Links::Refuse, 1 << 16).ok().flatten().unwrap_or_default();
    let status = String::from_utf8_lossy(&status);
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|text| u32::from_str_radix(text.trim(), 8).ok()).unwrap_or_else(|| {
        let mask = rustix::process::umask(Mode::empty());
        rustix::process::umask(mask);
        u32::from(mask.bits())
    })
}

/// Makes the owner of one path that of another; only root can, and for anybody else there is nothing to do.
pub fn give_to_owner_of(path: &Path, other: &Path) -> Result<()> {
    let of = |path: &Path| fs::metadata(path).map(|m| (m.uid(), m.gid())).map_err(Error::io("look at", path));
    let (is, wanted) = (of(path)?, of(other)?);
    if is.0 == 0 && wanted.0 != 0 && rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(path, Some(wanted.0), Some(wanted.1))
            .map_err(Error::io("change the owner of", path))?;
    }
    Ok(())
}

/// Appends one line; cuts the file's older half away when it passes `max_bytes`, so that logs stay bounded. The file has
/// these bits.
pub fn append_line_bounded(path: &Path, line: &str, max_bytes: u64, mode: u32) -> Result<()> {
    let io = || Error::io("append to", path);
    let mut file = open_own(path, Access::AppendOrMake, mode)?;
    if file.metadata().map_err(io())?.len() > max_bytes {
        let all = read_optional(path)?.unwrap_or_default();
        let half = all.len() / 2;
        let cut = all[half..].iter().position(|b| *b == b'\n').map_or(all.len(), |at| half + at + 1);
        write_atomic(path, &all[cut..], Some(mode), Durability::Process)?;
        file = open_own(path, Access::Append, mode)?;
    }
    if file.metadata().map_err(io())?.permissions().mode() & 0o777 != mode {
        // Another user's log of a shared repository has the bits that it needs.
        let _not_ours = file.set_permissions(Permissions::from_mode(mode));
    }
    file.write_all(format!("{line}\n").as_bytes()).map_err(io())
}

/// Whether files can be made in a folder, without making one.
///
/// # Errors
/// Why not.
pub fn may_write_in(folder: &Path) -> Result<()> {
    let io = || Error::io("write in", folder);
    if !std::fs::metadata(folder).map_err(io())?.is_dir() {
        return Err(io()(std::io::ErrorKind::NotADirectory.into()));
    }
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).map_err(|e| io()(e.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_keeps_its_mode() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("f");
        write_atomic(&path, b"one", Some(0o600), Durability::Process).expect("writes");
        write_atomic(&path, b"two", None, Durability::Power).expect("writes");
        assert_eq!(fs::read(&path).expect("reads"), b"two");
        assert_eq!(fs::metadata(&path).expect("stats").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 1, "no temporary file is left");
    }

    #[test]
    fn nothing_of_ours_is_written_through_a_link() {
        let dir = tempfile::tempdir().expect("a folder");
        let at = |name: &str| dir.path().join(name);
        fs::write(at("keep"), "keep me").expect("writes");
        fs::set_permissions(at("keep"), Permissions::from_mode(0o644)).expect("sets");
        std::os::unix::fs::symlink("keep", at("link")).expect("links");
        fs::hard_link(at("keep"), at("hard")).expect("links");
        std::os::unix::fs::symlink("gone", at("nowhere")).expect("links");
        rustix::fs::mknodat(rustix::fs::CWD, at("fifo"), rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("makes");
        for name in ["link", "hard", "nowhere", "fifo"] {
            let error = append_line_bounded(&at(name), "a line", 1, 0o600).expect_err(name);
            assert!(matches!(error, Error::NotPlain { .. }), "{name}: {error}");
            assert!(
                crate::base::lock::FileLock::acquire(&at(name), std::time::Duration::ZERO, 0o600).is_err(),
                "{name}"
            );
        }
        fs::create_dir(at("real")).expect("makes");
        std::os::unix::fs::symlink("real", at("linked")).expect("links");
        assert!(create_private_dir(&at("linked")).is_err());
        assert!(!at("gone").exists());
        assert_eq!(fs::read(at("keep")).expect("reads"), b"keep me");
        assert_eq!(fs::metadata(at("keep")).expect("stats").permissions().mode() & 0o777, 0o644);
    }

    #[test]
    fn a_bounded_log_loses_its_oldest_lines_only() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("log");
        for n in 0..100 {
            append_line_bounded(&path, &format!("line {n}"), 200, 0o600).expect("appends");
        }
        let text = fs::read_to_string(&path).expect("reads");
        assert!(text.len() < 300 && text.ends_with("line 99\n") && text.starts_with("line "), "{text}");
    }

    #[test]
    fn only_old_temporary_files_of_ours_are_leftovers() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        for name in [".session-tmp-old", ".session-tmp-new", "current"] {
            fs::write(path(name), "x").expect("writes");
        }
        let limit = fs::metadata(path("current")).and_then(|m| m.modified()).expect("has a time");
        for name in [".session-tmp-old", "current"] {
            let file = File::options().write(true).open(path(name)).expect("opens");
            file.set_modified(limit - std::time::Duration::from_secs(1)).expect("sets the time");
        }
        File::options()
            .write(true)
            .open(path(".session-tmp-new"))
            .and_then(|file| file.set_modified(limit))
            .expect("sets the time");
        remove_leftovers(folder.path(), limit).expect("removes");
        remove_leftovers(&path("none"), limit).expect("there is no such folder");
        assert!(!path(".session-tmp-old").exists());
        assert!(path(".session-tmp-new").exists() && path("current").exists());
    }
}

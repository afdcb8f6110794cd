//! Small files of ours, written so that a death at any instruction leaves the old or the new content.
//!
//! For files in the git dir and for settings of agents; the work tree has its own writer (`engine::restore`).

use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::SystemTime;

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
/// or that of the file that is replaced where it exists and `mode` is `None` (else 0644 less nothing).
pub fn write_atomic(path: &Path, bytes: &[u8], mode: Option<u32>, durability: Durability) -> Result<()> {
    write_atomic_parts(path, &[bytes], mode, durability)
}

/// The same of bytes that lie in several places.
pub fn write_atomic_parts(path: &Path, parts: &[&[u8]], mode: Option<u32>, durability: Durability) -> Result<()> {
    let io = || Error::io("write", path);
    let folder = path.parent().unwrap_or(Path::new("."));
    let mode = match mode {
        Some(mode) => mode,
        None => fs::metadata(path).map_or(0o644, |m| m.permissions().mode() & 0o7777),
    };
    let mut temp = tempfile::Builder::new().prefix(TEMP_PREFIX).tempfile_in(folder).map_err(io())?;
    if let [bytes] = parts {
        temp.write_all(bytes).map_err(io())?;
    } else {
        let mut out = std::io::BufWriter::with_capacity(1 << 16, &mut temp);
        parts.iter().try_for_each(|part| out.write_all(part)).and_then(|()| out.flush()).map_err(io())?;
    }
    temp.as_file().set_permissions(Permissions::from_mode(mode)).map_err(io())?;
    if durability == Durability::Power {
        temp.as_file().sync_all().map_err(io())?;
    }
    temp.persist(path).map_err(|e| Error::io("write", path)(e.error))?;
    if durability == Durability::Power {
        File::open(folder).and_then(|d| d.sync_all()).map_err(io())?;
    }
    Ok(())
}

/// Whether a file could be made at `path`, with the folders above it; found out without making any.
pub fn can_be_made(path: &Path) -> Result<()> {
    let there = path.ancestors().skip(1).find(|folder| folder.exists()).unwrap_or(Path::new("."));
    let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    rustix::fs::access(there, access).map_err(|e| Error::io("write in the folder", there)(e.into()))
}

/// Opens a file of someone else's for reading. A FIFO, a device or a folder is an error, and is never waited for.
pub fn open_regular(path: &Path) -> Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let io = || Error::io("read", path);
    // Without it, opening a FIFO waits for a writer; on regular files it means nothing.
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(io())?;
    if !file.metadata().map_err(io())?.is_file() {
        return Err(io()(std::io::Error::other("it is not a regular file")));
    }
    Ok(file)
}

/// Reads a whole file; `None` where there is none.
pub fn read_optional(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(Error::io("read", path)(e)),
    }
}

/// Reads the end of a file, at most so many bytes; `None` where there is none.
pub fn read_tail(path: &Path, most: u64) -> Result<Option<Vec<u8>>> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let io = || Error::io("read", path);
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(e) => return Err(io()(e)),
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

/// Makes a folder (and those above it) that only the user can enter.
pub fn create_private_dir(path: &Path) -> Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(Error::io("create the folder", path))
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

/// Appends one line; cuts the file's older half away when it passes `max_bytes`, so that logs stay bounded.
pub fn append_line_bounded(path: &Path, line: &str, max_bytes: u64) -> Result<()> {
    let io = || Error::io("append to", path);
    if fs::metadata(path).is_ok_and(|m| m.len() > max_bytes) {
        let all = fs::read(path).map_err(io())?;
        let half = all.len() / 2;
        let cut = all[half..].iter().position(|b| *b == b'\n').map_or(all.len(), |at| half + at + 1);
        write_atomic(path, &all[cut..], Some(0o600), Durability::Process)?;
    }
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path).map_err(io())?;
    file.set_permissions(Permissions::from_mode(0o600)).map_err(io())?;
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
    fn what_is_no_regular_file_is_not_waited_for() {
        let dir = tempfile::tempdir().expect("a folder");
        let fifo = dir.path().join("fifo");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).expect("makes a FIFO");
        for path in [fifo.as_path(), dir.path()] {
            let error = open_regular(path).expect_err("is no file").to_string();
            assert!(error.ends_with("it is not a regular file"), "{error}");
        }
        assert!(open_regular(&dir.path().join("absent")).expect_err("is absent").is_not_found());
    }

    #[test]
    fn a_bounded_log_loses_its_oldest_lines_only() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("log");
        for n in 0..100 {
            append_line_bounded(&path, &format!("line {n}"), 200).expect("appends");
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

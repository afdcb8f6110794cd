//! Reading files that somebody else supplies: a repository, an agent, an archive. The one reader of them; a test forbids others.
//!
//! Only regular files are read, and none is waited for: a FIFO, a device or a directory is an error at once. Links are
//! followed only where the caller says so. What is read has a limit, and memory is asked for, not taken: a file that says
//! to be larger than there is memory is an error too.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use super::{Error, Result};

/// Bytes of the largest file that is settings, notes or rules: git's own limit for files of rules.
pub const MOST: u64 = 100 * 1024 * 1024;

/// What of the way to a file may be a symbolic link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// The file too: it is the user's own choice, or git follows it as well.
    Follow,
    /// Not the file itself.
    Refuse,
}

/// Opens a regular file for reading.
///
/// # Errors
/// [`Error::Io`] where it is not there or may not be read, [`Error::NotPlain`] where it is anything else than a file.
pub fn open(path: &Path, links: Links) -> Result<File> {
    // Without NONBLOCK, opening a FIFO waits for a writer; on regular files it means nothing.
    let mut flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    if links == Links::Refuse {
        flags |= OFlags::NOFOLLOW;
    }
    let opened = rustix::fs::openat(CWD, path, flags, Mode::empty());
    let file: File = opened.map_err(|e| refused(path, e))?.into();
    let meta = file.metadata().map_err(Error::io("read", path))?;
    if meta.is_file() { Ok(file) } else { Err(Error::not_plain("read", path, "it is not a regular file")) }
}

/// Why a file was not opened.
pub(super) fn refused(path: &Path, errno: Errno) -> Error {
    match errno {
        Errno::LOOP | Errno::MLINK => Error::not_plain("read", path, "it is a symbolic link"),
        Errno::NXIO | Errno::OPNOTSUPP | Errno::NODEV => Error::not_plain("read", path, "it is not a regular file"),
        other => Error::io("read", path)(other.into()),
    }
}

/// Reads a whole file of at most `most` bytes; `None` where there is none.
///
/// # Errors
/// As [`open`]; [`Error::TooLarge`]; no memory for it.
pub fn read(path: &Path, links: Links, most: u64) -> Result<Option<Vec<u8>>> {
    match open(path, links) {
        Ok(file) => contents(&file, path, most).map(Some),
        Err(e) if e.is_absent() => Ok(None),
        Err(e) => Err(e),
    }
}

/// Reads a file of rules as git does: one that is no regular file, or too large, has none.
///
/// # Errors
/// One that is there and may not be read.
pub fn read_rules(path: &Path, links: Links) -> Result<Option<Vec<u8>>> {
    match read(path, links, MOST) {
        Err(Error::NotPlain { .. } | Error::TooLarge { .. }) => Ok(None),
        read => read,
    }
}

/// What an open file holds from where it stands, at most `most` bytes.
///
/// # Errors
/// [`Error::TooLarge`] where it holds more.
pub fn contents(file: &File, path: &Path, most: u64) -> Result<Vec<u8>> {
    let size = file.metadata().map_err(Error::io("read", path))?.len();
    let too_large = || Error::TooLarge { path: path.to_owned(), most };
    if size > most {
        return Err(too_large());
    }
    // It may grow while it is read, and files of /proc say that they are empty.
    let bytes = bounded(file, size, most.saturating_add(1)).map_err(Error::io("read", path))?;
    if bytes.len() as u64 > most { Err(too_large()) } else { Ok(bytes) }
}

/// At most `most` bytes of a stream, of which about `size` are awaited. Memory that there is not is an error.
pub fn bounded(mut from: impl Read, size: u64, most: u64) -> std::io::Result<Vec<u8>> {
    /// Taken at once, whatever a file says of its size.
    const STEP: usize = 1 << 20;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let size = usize::try_from(size).unwrap_or(usize::MAX).min(most);
    let mut bytes: Vec<u8> = Vec::new();
    let no_memory = |_| std::io::Error::from(ErrorKind::OutOfMemory);
    bytes.try_reserve_exact(size.saturating_add(1).min(most)).map_err(no_memory)?;
    loop {
        let room = (most - bytes.len()).min(STEP).min((bytes.capacity() - bytes.len()).max(1 << 13));
        if room == 0 {
            return Ok(bytes);
        }
        bytes.try_reserve(room).map_err(no_memory)?;
        // Less than was asked for is all that there is.
        if from.by_ref().take(room as u64).read_to_end(&mut bytes)? < room {
            return Ok(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_plain_file_is_neither_followed_nor_waited_for() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        rustix::fs::mknodat(CWD, at("fifo"), rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("makes a FIFO");
        std::fs::create_dir(at("directory")).expect("makes");
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).expect("binds");
        std::fs::write(at("file"), "x").expect("writes");
        std::os::unix::fs::symlink("file", at("link")).expect("links");
        std::os::unix::fs::symlink("/dev/zero", at("endless")).expect("links");
        for links in [Links::Follow, Links::Refuse] {
            for name in ["fifo", "directory", "socket", "endless"] {
                let error = read(&at(name), links, MOST).expect_err(name);
                assert!(matches!(error, Error::NotPlain { .. }), "{name}: {error}");
                assert_eq!(read_rules(&at(name), links).expect(name), None);
            }
            assert_eq!(read(&at("absent"), links, MOST).expect("reads"), None);
            assert_eq!(read(&at("file/below"), links, MOST).expect("reads"), None);
        }
        assert_eq!(read(&at("link"), Links::Follow, 1).expect("reads").as_deref(), Some(b"x".as_slice()));
        let error = read(&at("link"), Links::Refuse, 1).expect_err("is refused").to_string();
        assert!(error.ends_with("link: it is a symbolic link"), "{error}");
    }

    #[test]
    fn a_limit_is_kept_to_the_byte_and_a_sparse_file_costs_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        for len in [0, 1, 8191, 8192, 8193, 3 << 20] {
            let bytes: Vec<u8> = (0..len).map(|n: u32| n.to_le_bytes()[0]).collect();
            std::fs::write(&path, &bytes).expect("writes");
            assert_eq!(read(&path, Links::Refuse, u64::from(len)).expect("reads"), Some(bytes.clone()));
            if len > 0 {
                let error = read(&path, Links::Refuse, u64::from(len) - 1).expect_err("is too large");
                assert!(matches!(error, Error::TooLarge { .. }), "{error}");
            }
            assert_eq!(bounded(bytes.as_slice(), 0, u64::MAX).expect("reads"), bytes);
        }
        File::create(&path).and_then(|file| file.set_len(1 << 40)).expect("makes a sparse file");
        assert!(matches!(read(&path, Links::Refuse, MOST), Err(Error::TooLarge { .. })));
        assert_eq!(read_rules(&path, Links::Refuse).expect("reads"), None);
    }
}

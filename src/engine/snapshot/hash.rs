//! Reading a file into a blob, raw, and making sure that what was read is one state of the file.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::folders::{Folders, is_gone};
use super::walk::{Found, Lstat};
use crate::base::RepoPath;
use crate::engine::Result;
use crate::engine::stat_cache::Stamp;
use crate::git::{Objects, Oid};

/// Files above this are streamed.
const WHOLE: u64 = 1 << 20;

/// How often a file that changes while it is read is read again.
const TRIES: usize = 3;

/// What came of reading a file.
#[derive(Debug)]
pub(super) enum Content {
    /// Its blob, and the file as it was when it was read.
    Read(Oid, Found),
    /// It is not there any more, or no longer a file.
    Gone,
    /// The system refuses it.
    Unreadable,
    /// It was another one after each reading.
    Changing,
}

/// Reads and stores one file or link.
pub(super) fn read(objects: &Objects, folders: &mut Folders, path: &RepoPath, known: Option<usize>) -> Result<Content> {
    let folder = match folders.holding(path) {
        Ok(folder) => folder,
        Err(e) if is_gone(e) => return Ok(Content::Gone),
        Err(_) => return Ok(Content::Unreadable),
    };
    let name = path.file_name();
    for _ in 0..TRIES {
        let stat = match rustix::fs::statat(folder, name.as_ref() as &[u8], AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(e) if is_gone(e) => return Ok(Content::Gone),
            Err(_) => return Ok(Content::Unreadable),
        };
        let Some(now) = Lstat::new(&stat) else { return Ok(Content::Gone) };
        let read = if now.symlink { link(objects, folder, name) } else { file(objects, folder, name, &now.stamp) };
        match read? {
            Ok(Some(oid)) => return Ok(Content::Read(oid, Found { path: path.clone(), known, now })),
            // The next look tells what became of it.
            Ok(None) => {}
            Err(e) if is_gone(e) || e == Errno::INVAL => {}
            Err(_) => return Ok(Content::Unreadable),
        }
    }
    Ok(Content::Changing)
}

/// Inside: what the system refused, or `None` where the file is not (or did not stay) the one that was looked at.
type Tried = Result<std::result::Result<Option<Oid>, Errno>>;

fn link(objects: &Objects, folder: BorrowedFd<'_>, name: &bstr::BStr) -> Tried {
    match rustix::fs::readlinkat(folder, name.as_ref() as &[u8], Vec::new()) {
        Ok(target) => Ok(Ok(Some(objects.write_blob(target.as_bytes())?))),
        Err(e) => Ok(Err(e)),
    }
}

fn file(objects: &Objects, folder: BorrowedFd<'_>, name: &bstr::BStr, seen: &Stamp) -> Tried {
    // Not blocking: what was a file a moment ago may be a FIFO now.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let fd = match rustix::fs::openat(folder, name.as_ref() as &[u8], flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(e) => return Ok(Err(e)),
    };
    let mut file = File::from(fd);
    if rustix::fs::fstat(&file).map(|stat| Stamp::of(&stat)) != Ok(*seen) {
        return Ok(Ok(None));
    }
    // One byte more than there should be, so that a file that grows for ever ends here and is found out below.
    let mut content = (&mut file).take(seen.size + 1);
    let oid = if seen.size > WHOLE {
        objects.write_blob_from(&mut content)?
    } else {
        let mut bytes = Vec::with_capacity(seen.size as usize + 1);
        if let Err(e) = content.read_to_end(&mut bytes) {
            return Ok(Err(Errno::from_io_error(&e).unwrap_or(Errno::IO)));
        }
        if bytes.len() as u64 != seen.size {
            return Ok(Ok(None));
        }
        objects.write_blob(&bytes)?
    };
    let unchanged = rustix::fs::fstat(&file).map(|stat| Stamp::of(&stat)) == Ok(*seen);
    Ok(Ok(unchanged.then_some(oid)))
}

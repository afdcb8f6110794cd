//! Reading a file into a blob, raw, and making sure that what was read is one state of the file.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::BorrowedFd;
use std::path::Path;

use rayon::prelude::*;
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

/// Below this many files the threads cost more than they save.
const WORTH_THREADS: usize = 8;

/// How many files [`read_many`] is best given: enough for all threads, few enough to hold.
pub(super) const AT_ONCE: usize = 32;

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

/// Reads and stores several files, in parallel. `None` is for [`read`]: links, large files, what is not as it was found.
/// `base` is what the base holds of a file.
pub(super) fn read_many(
    objects: &Objects,
    top: &Path,
    files: &[&Found],
    base: impl Fn(&Found) -> Option<Oid>,
) -> Result<Vec<Option<Oid>>> {
    if files.len() < WORTH_THREADS {
        return Ok(vec![None; files.len()]);
    }
    let format = objects.format();
    let read = |folders: &mut Option<Folders>, found: &&Found| {
        let folders = folders.as_mut()?;
        if found.now.symlink || found.now.stamp.size > WHOLE {
            return None;
        }
        let folder = folders.holding(&found.path).ok()?;
        let bytes = whole(folder, found.path.file_name(), &found.now.stamp).ok()??;
        Some((format.hash_blob(&bytes).ok()?, bytes))
    };
    let chunks = files.par_chunks(AT_ONCE / 4);
    let read: Vec<Vec<_>> = chunks
        .map(|files| {
            let mut folders = Folders::at(top).ok();
            files.iter().map(|found| read(&mut folders, found)).collect()
        })
        .collect();
    let mut oids = Vec::with_capacity(files.len());
    let (mut blobs, mut kept) = (Vec::new(), Vec::new());
    for (blob, found) in read.into_iter().flatten().zip(files) {
        let oid = blob.as_ref().map(|(oid, _)| *oid);
        oids.push(oid);
        if let Some(blob) = blob {
            kept.push(base(found) == oid);
            blobs.push(blob);
        }
    }
    objects.write_blobs(&blobs, |n| kept[n])?;
    Ok(oids)
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
    if seen.size <= WHOLE {
        return match whole(folder, name, seen) {
            Ok(Some(bytes)) => Ok(Ok(Some(objects.write_blob(&bytes)?))),
            Ok(None) => Ok(Ok(None)),
            Err(e) => Ok(Err(e)),
        };
    }
    let file = match open(folder, name, seen) {
        Ok(Some(file)) => file,
        Ok(None) => return Ok(Ok(None)),
        Err(e) => return Ok(Err(e)),
    };
    // One byte more than there should be, so that a file that grows for ever ends here and is found out below.
    let oid = objects.write_blob_from(&mut (&file).take(seen.size + 1))?;
    Ok(Ok(is_still(&file, seen).then_some(oid)))
}

/// All of a file; `None` where it is not, or did not stay, the one that was looked at.
fn whole(folder: BorrowedFd<'_>, name: &bstr::BStr, seen: &Stamp) -> std::result::Result<Option<Vec<u8>>, Errno> {
    let Some(file) = open(folder, name, seen)? else { return Ok(None) };
    let mut bytes = Vec::with_capacity(seen.size as usize + 1);
    let read = (&file).take(seen.size + 1).read_to_end(&mut bytes);
    read.map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))?;
    Ok((bytes.len() as u64 == seen.size && is_still(&file, seen)).then_some(bytes))
}

fn open(folder: BorrowedFd<'_>, name: &bstr::BStr, seen: &Stamp) -> std::result::Result<Option<File>, Errno> {
    // Not blocking: what was a file a moment ago may be a FIFO now.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::openat(folder, name.as_ref() as &[u8], flags, Mode::empty())?);
    Ok(is_still(&file, seen).then_some(file))
}

fn is_still(file: &File, seen: &Stamp) -> bool {
    rustix::fs::fstat(file).map(|stat| Stamp::of(&stat)) == Ok(*seen)
}

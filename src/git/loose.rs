//! Loose objects. Read here because libgit2 never comes back from one that was cut off (its inflate loop waits for input
//! that there is none of), as a loss of power or a full disk leaves them; written here because libgit2 lists all packs
//! before each. Packed ones are libgit2's.

use std::fs::{File, Permissions};
use std::io::{BufRead, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::bufread::ZlibDecoder;
use flate2::write::ZlibEncoder;
use git2::ObjectType;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps, UTIME_NOW};
use rustix::io::Errno;

use super::{Error, ObjectFormat, Oid, Result, Shared, digest};
use crate::base;
use crate::base::file::PIECE;

/// Longer than any header, which is a type, a space, a number and a NUL.
const HEADER: usize = 40;
/// How often a `git gc` may take the folder of an object that is being written.
const ATTEMPTS: u32 = 8;
/// Most trees, commits and records, deflated, are shorter.
const USUAL_FILE: usize = 8 * 1024;

/// Type and content of an object that lies loose in this folder; `None` where it does not.
///
/// # Errors
/// [`Error::Damaged`] where the file is not what its name says; [`Error::NoMemory`].
pub(super) fn read(folder: &Path, format: ObjectFormat, oid: Oid) -> Result<Option<(ObjectType, Vec<u8>)>> {
    match read_within(folder, format, oid, u64::MAX)? {
        Loose::Whole(kind, content) => Ok(Some((kind, content))),
        Loose::Larger | Loose::Elsewhere => Ok(None),
    }
}

/// What came of reading an object of limited size.
pub(super) enum Loose {
    /// Its type and content.
    Whole(ObjectType, Vec<u8>),
    /// It is larger than the limit.
    Larger,
    /// It does not lie loose here.
    Elsewhere,
}

/// The same of one whose content has at most `most` bytes.
pub(super) fn read_within(folder: &Path, format: ObjectFormat, oid: Oid, most: u64) -> Result<Loose> {
    let path = place(folder, oid);
    let file = match read_file(&path, most) {
        Ok(file) => file,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Loose::Elsewhere),
        Err(e) if e.kind() == ErrorKind::OutOfMemory => return Err(Error::NoMemory { oid }),
        Err(e) => return Err(base::Error::io("read the object", path)(e).into()),
    };
    let mut inflating = Inflating::new(oid, file.as_slice())?;
    if inflating.size > most {
        return Ok(Loose::Larger);
    }
    let size = usize::try_from(inflating.size).map_err(|_| Error::NoMemory { oid })?;
    let mut content = Vec::new();
    content.try_reserve_exact(size).map_err(|_| Error::NoMemory { oid })?;
    inflating.read_rest(&mut content)?;
    if digest::id(format, inflating.kind.str(), &content)? != oid {
        return Err(inflating.damaged("its content is another one's"));
    }
    Ok(Loose::Whole(inflating.kind, content))
}

/// The same object, to be read in pieces; its content is not compared with its id.
///
/// # Errors
/// [`Error::Damaged`] where the file does not begin as an object does.
pub(super) fn open(folder: &Path, oid: Oid) -> Result<Option<Inflating<BufReader<File>>>> {
    let path = place(folder, oid);
    match open_file(&path) {
        Ok(file) => Inflating::new(oid, BufReader::with_capacity(PIECE, file)).map(Some),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(base::Error::io("read the object", path)(e).into()),
    }
}

/// An object that is being inflated: its header is read, its content comes next.
pub(super) struct Inflating<R> {
    oid: Oid,
    stream: ZlibDecoder<R>,
    /// What was inflated behind the header.
    begun: Vec<u8>,
    left: u64,
    pub(super) kind: ObjectType,
    /// Bytes of the content.
    pub(super) size: u64,
}

impl<R: BufRead> Inflating<R> {
    fn new(oid: Oid, file: R) -> Result<Self> {
        let mut stream = ZlibDecoder::new(file);
        let mut begun = vec![0; HEADER];
        let mut filled = 0;
        while filled < HEADER {
            match stream.read(&mut begun[filled..]).map_err(|_| damaged(oid, CUT))? {
                0 => break,
                read => filled += read,
            }
        }
        begun.truncate(filled);
        let (kind, size, start) = header(&begun).ok_or_else(|| damaged(oid, "its header is wrong"))?;
        begun.drain(..start);
        Ok(Self { oid, stream, begun, left: size, kind, size })
    }

    fn damaged(&self, problem: &str) -> Error {
        damaged(self.oid, problem)
    }

    /// The next bytes of the content; 0 at its end.
    ///
    /// # Errors
    /// [`Error::Damaged`] where there are fewer or more than the header says.
    pub(super) fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        let read = if self.begun.is_empty() {
            self.stream.read(into).map_err(|_| self.damaged(CUT))?
        } else {
            let read = self.begun.len().min(into.len());
            into[..read].copy_from_slice(&self.begun[..read]);
            self.begun.drain(..read);
            read
        };
        match self.left.checked_sub(read as u64) {
            Some(left) if read > 0 || left == 0 => self.left = left,
            _ => return Err(self.damaged("it is not as long as its header says")),
        }
        Ok(read)
    }

    /// All that is left of the content.
    fn read_rest(&mut self, into: &mut Vec<u8>) -> Result<()> {
        into.append(&mut self.begun);
        // One byte more than there should be, so that what is too long is found out and fills no memory.
        let room = self.size.saturating_add(1) - into.len() as u64;
        (&mut self.stream).take(room).read_to_end(into).map_err(|_| self.damaged(CUT))?;
        if into.len() as u64 != self.size {
            return Err(self.damaged("it is not as long as its header says"));
        }
        self.left = 0;
        Ok(())
    }
}

const CUT: &str = "its file is cut off or no object";

fn damaged(oid: Oid, problem: &str) -> Error {
    Error::Damaged { what: format!("object {oid}: {problem}") }
}

/// What is no object file is no object, is not followed and not waited for.
fn open_file(path: &Path) -> std::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(CWD, path, flags, Mode::empty())?.into())
}

/// In two system calls less than `std::fs::read`, which asks for the size first: a hook reads dozens of small objects.
/// Of the file of an object that is larger than `most` not all is read.
fn read_file(path: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(USUAL_FILE);
    // zlib makes content that it cannot shrink no longer than this.
    let longest = most.saturating_add(most / 512).saturating_add(USUAL_FILE as u64);
    open_file(path)?.take(longest).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether the object lies here; if so its file becomes as young as a new one, so that no `git prune` takes it before
/// something refers to it.
/// One that is another user's and cannot be changed stays as it is; git does the same.
pub(super) fn freshen(folder: &Path, oid: Oid) -> Result<bool> {
    let path = place(folder, oid);
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    match rustix::fs::utimensat(CWD, &path, &Timestamps { last_access: now, last_modification: now }, AtFlags::empty())
    {
        Ok(()) => Ok(true),
        Err(Errno::PERM | Errno::ACCESS | Errno::ROFS) => Ok(path.exists()),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
        Err(e) => Err(base::Error::io("freshen the object", path)(e.into()).into()),
    }
}

/// Writes an object under its id, as git does: a temporary file of a name that `git prune` knows, then a rename.
pub(super) fn write(folder: &Path, oid: Oid, kind: ObjectType, content: &[u8], shared: Shared) -> Result<()> {
    let path = place(folder, oid);
    let io = || base::Error::io("write the object", &path);
    let shard = path.parent().unwrap_or(folder);
    let mut deflated = Vec::with_capacity(USUAL_FILE.max(content.len() / 2));
    let mut encoder = ZlibEncoder::new(&mut deflated, Compression::fast());
    let header = format!("{} {}\0", kind.str(), content.len());
    encoder.write_all(header.as_bytes()).and_then(|()| encoder.write_all(content)).map_err(io())?;
    encoder.finish().map_err(io())?;
    let put = || -> std::io::Result<()> {
        let mode = Permissions::from_mode(0o444);
        let mut file = tempfile::Builder::new().prefix("tmp_obj_").permissions(mode).tempfile_in(shard)?;
        file.write_all(&deflated)?;
        file.persist(&path).map_err(|e| e.error)?;
        Ok(())
    };
    // The folder comes with its first object, and a `git gc` beside us takes it while it is empty.
    for _ in 0..ATTEMPTS {
        match put() {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                std::fs::create_dir_all(shard).map_err(io())?;
                shared.adjust(shard)?;
            }
            done => {
                done.map_err(io())?;
                return shared.adjust(&path);
            }
        }
    }
    put().map_err(io())?;
    shared.adjust(&path)
}

fn place(folder: &Path, oid: Oid) -> PathBuf {
    let hex = oid.to_string();
    folder.join(&hex[..2]).join(&hex[2..])
}

/// Type and size of an object, and where its content begins in these first bytes of it.
fn header(object: &[u8]) -> Option<(ObjectType, u64, usize)> {
    let end = object.iter().take(HEADER).position(|b| *b == 0)?;
    let (kind, size) = std::str::from_utf8(&object[..end]).ok()?.split_once(' ')?;
    Some((ObjectType::from_str(kind)?, size.parse().ok()?, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::matrix::Bench;

    #[test]
    fn an_object_reads_back_and_one_that_was_cut_anywhere_is_damaged() {
        for bench in Bench::all() {
            let repo = bench.repo();
            let folder = repo.common_dir.join("objects");
            let format = repo.caps.object_format;
            let oid = repo.objects.write_blob(b"some content that is stored loose\n").expect("writes");
            let whole = read(&folder, format, oid).expect("reads").expect("is there");
            assert_eq!(whole, (ObjectType::Blob, b"some content that is stored loose\n".to_vec()));
            let hex = oid.to_string();
            let path = folder.join(&hex[..2]).join(&hex[2..]);
            let bytes = std::fs::read(&path).expect("reads");
            for keep in 0..bytes.len() {
                std::fs::remove_file(&path).expect("removes");
                std::fs::write(&path, &bytes[..keep]).expect("writes");
                let error = repo.objects.read_blob(oid).expect_err("is cut");
                assert!(matches!(error, Error::Damaged { .. }), "{keep} bytes: {error}");
            }
            std::fs::remove_file(&path).expect("removes");
            assert!(read(&folder, format, oid).expect("looks").is_none());
        }
    }

    #[test]
    fn what_is_written_again_becomes_young_and_is_not_written_twice() {
        for bench in Bench::all() {
            let repo = bench.repo();
            let folder = repo.common_dir.join("objects");
            let oid = repo.objects.write_blob(b"old\n").expect("writes");
            let file = place(&folder, oid);
            let is_old = |file: &Path| {
                let changed = std::fs::metadata(file).and_then(|m| m.modified()).expect("has a time");
                changed.elapsed().is_ok_and(|age| age.as_secs() > 1_000_000)
            };
            let age = |file: &Path| {
                let then = Timespec { tv_sec: 1_500_000_000, tv_nsec: 0 };
                let times = Timestamps { last_access: then, last_modification: then };
                rustix::fs::utimensat(CWD, file, &times, AtFlags::empty()).expect("sets the time");
                assert!(is_old(file));
            };
            age(&file);
            assert_eq!(repo.objects.write_blob(b"old\n").expect("writes"), oid);
            assert!(!is_old(&file), "{}", bench.kind);
            // The same in a pack, which libgit2 freshens.
            let pack = bench.git_with(
                &["pack-objects", "-q", &folder.join("pack/pack").display().to_string()],
                format!("{oid}\n").into_bytes(),
            );
            bench.git(&["prune-packed"]);
            let pack = folder.join("pack").join(format!("pack-{}.pack", String::from_utf8_lossy(&pack).trim()));
            age(&pack);
            assert_eq!(bench.repo().objects.write_blob(b"old\n").expect("writes"), oid);
            assert!(!file.exists() && !is_old(&pack), "{}", bench.kind);
        }
    }

    #[test]
    fn an_object_under_the_name_of_another_is_damaged() {
        let bench = Bench::plain();
        let repo = bench.repo();
        let [one, two] = [b"one", b"two"].map(|b| repo.objects.write_blob(b).expect("writes").to_string());
        let place = |hex: &str| repo.common_dir.join("objects").join(&hex[..2]).join(&hex[2..]);
        std::fs::rename(place(&one), place(&two)).expect("renames");
        let oid = Oid::parse(&two).expect("an id");
        assert!(matches!(repo.objects.read_blob(oid), Err(Error::Damaged { .. })));
    }
}

//! What the last full snapshot of this worktree knew of every path, so that the next one reads only files that changed.
//!
//! One file, `<git dir>/session/stat-cache`, in a format of our own: whole when it is written, then what later snapshots
//! found changed. It is never the only copy of anything: a missing, foreign or damaged file reads as an empty cache or as
//! that of an earlier snapshot, and the snapshot hashes more. A stamp is kept only for a file that was
//! older than the moment at which its reading began, so a stamp that still matches vouches for the content.

use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rayon::prelude::*;
use rustix::fs::Stat;
use rustix::io::Errno;

use super::Result;
use crate::base::file::{self, Durability};
use crate::base::supplied::{self, Links};
use crate::base::{Error as BaseError, RepoPath, Result as BaseResult};
use crate::git::{FileMode, ObjectFormat, Oid};

mod encoding;
mod records;

pub use records::Records;

/// Seconds and nanoseconds since 1970, by the file system's clock.
pub type Moment = (i64, u32);

/// What `lstat` said of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// Time of the last change of content.
    pub mtime: Moment,
    /// Time of the last change of the inode.
    pub ctime: Moment,
    /// Inode.
    pub ino: u64,
    /// Device.
    pub dev: u64,
}

impl Stamp {
    /// Takes over the fields; their widths differ between platforms.
    #[cfg_attr(target_os = "linux", expect(clippy::unnecessary_cast, reason = "a device is 32 bits wide on macOS"))]
    pub fn of(stat: &Stat) -> Self {
        Self {
            size: stat.st_size as u64,
            mtime: (stat.st_mtime, stat.st_mtime_nsec as u32),
            ctime: (stat.st_ctime, stat.st_ctime_nsec as u32),
            ino: stat.st_ino,
            dev: stat.st_dev as u64,
        }
    }

    /// Of a file by name, links not followed; `None` where there is none.
    pub fn of_path(path: &Path) -> Result<Option<Self>> {
        match rustix::fs::lstat(path) {
            Ok(stat) => Ok(Some(Self::of(&stat))),
            // A link to itself, or a folder that may not be entered, in the way: whoever walks there tells.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS) => Ok(None),
            Err(e) => Err(BaseError::io("stat", path)(e.into()).into()),
        }
    }

    /// Whether both are of one unchanged file, as far as the rules let the fields be trusted.
    pub fn matches(&self, now: &Self, rules: StatRules) -> bool {
        if rules.minimal {
            return self.size == now.size && self.mtime.0 == now.mtime.0;
        }
        self.size == now.size
            && self.mtime == now.mtime
            && self.ino == now.ino
            && self.dev == now.dev
            && (!rules.trust_ctime || self.ctime == now.ctime)
    }

    /// Whether the file was last changed before `moment`, so that a later change must show in its times.
    pub fn is_older_than(&self, moment: Moment, rules: StatRules) -> bool {
        if rules.minimal { self.mtime.0 < moment.0 } else { self.mtime < moment }
    }
}

/// Which fields of a stamp count (`core.trustctime`, `core.checkStat`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatRules {
    /// Whether the inode's change time counts.
    pub trust_ctime: bool,
    /// Only size and whole seconds count.
    pub minimal: bool,
}

/// A path as the user's index has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// Mode.
    pub mode: FileMode,
    /// Object.
    pub oid: Oid,
    /// Outside of a sparse checkout.
    pub skip_worktree: bool,
    /// What git recorded of the file may vouch for it: not assumed unchanged, not skipped, with content, not in conflict.
    pub vouches: bool,
}

/// A path as the cached tree has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Mode.
    pub mode: FileMode,
    /// Object.
    pub oid: Oid,
    /// The file when it was read; `None` where it was too young then, or not looked at.
    pub stamp: Option<Stamp>,
}

/// All that is known of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Which.
    pub path: RepoPath,
    /// In the index.
    pub tracked: Option<Tracked>,
    /// In the tree.
    pub taken: Option<Taken>,
}

/// What was made of the index when it was last read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexRecord {
    /// The index file, from before it was read.
    pub stamp: Stamp,
    /// The staged tree.
    pub staged: Oid,
    /// Conflict stages 1 to 3 as trees.
    pub conflicts: [Option<Oid>; 3],
    /// What is to be added (`git add -N`), as a tree of empty files.
    pub intended: Option<Oid>,
}

/// What a cache says besides the paths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The tree that all that is taken makes.
    pub tree: Option<Oid>,
    /// The index; `None` where it has to be read.
    pub index: Option<IndexRecord>,
    /// The ignore rules outside of the work tree under which the folders were listed; `None` where they do not count.
    pub rules: Option<Oid>,
}

/// The cache.
#[derive(Clone, Debug)]
pub struct StatCache {
    /// What it says besides the paths.
    pub state: State,
    /// In the order of their paths' bytes.
    pub records: Records,
    /// The folders that were searched for new files, in the order of their paths' bytes.
    pub folders: Vec<Folder>,
    /// The end of the file that it was read from.
    pub end: End,
}

/// Where a later snapshot would add its changes.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// Stands for all that is there.
    chain: u64,
    /// Bytes before the first changes that were added; none where there is no file.
    base: usize,
    /// Bytes that count.
    whole: usize,
    /// Whether there are more.
    is_torn: bool,
}

impl End {
    /// That of no file that was read: nothing can be added.
    pub const NOWHERE: Self = Self { chain: 0, base: 0, whole: 0, is_torn: true };

    /// Whether it is that of no file.
    pub const fn is_nowhere(&self) -> bool {
        self.whole == 0
    }
}

/// What became of a path.
#[derive(Clone, Debug)]
pub enum Change<T> {
    /// It is as this says.
    Put(T),
    /// Nothing is known of it any more.
    Remove(Vec<u8>),
}

/// A folder of the work tree that was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// With a slash at its end; empty at the top.
    pub path: Vec<u8>,
    /// The folder, where all names in it are in the records, in `folders`, or ignored, and it was not young.
    pub stamp: Option<Stamp>,
    /// Its `.gitignore`.
    pub ignore: Option<Stamp>,
}

impl StatCache {
    /// Reads the cache; whatever is wrong with the file makes it empty.
    pub fn load(path: &Path, format: ObjectFormat) -> Self {
        let empty =
            || Self { state: State::default(), records: Records::new(format), folders: Vec::new(), end: End::NOWHERE };
        read(path).ok().and_then(|bytes| encoding::decode(bytes, format)).unwrap_or_else(empty)
    }

    /// Replaces the file. The folder must exist.
    pub fn store(
        path: &Path,
        format: ObjectFormat,
        state: &State,
        folders: &[Folder],
        records: &Records,
    ) -> Result<()> {
        let parts = encoding::encode(state, folders, records, format);
        let parts: Vec<&[u8]> =
            parts.iter().flat_map(|(before, run)| [before.as_slice()].into_iter().chain(run.iter().copied())).collect();
        Ok(file::write_atomic_parts(path, &parts, Some(0o600), Durability::Process)?)
    }

    /// Adds to the file that this cache was read from what changed since, and gives its new end. `None` where it could not
    /// be: the file is torn or another one by now, or so much was added already that it is better written anew.
    pub fn add(
        &self,
        path: &Path,
        state: &State,
        folders: &[Folder],
        records: &[Change<&Record>],
    ) -> Result<Option<End>> {
        let end = &self.end;
        let room = (end.base / ADDED_SHARE).saturating_sub(end.whole - end.base);
        if end.is_torn || records.len() * 64 > room {
            return Ok(None);
        }
        let block = encoding::encode_added(end.chain, state, &folder_changes(&self.folders, folders), records);
        if block.len() > room {
            return Ok(None);
        }
        let io = || BaseError::io("write", path);
        let mut file = match file::open_own(path, file::Access::Append, 0o600) {
            Ok(file) => file,
            Err(e) if e.is_not_found() => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        if file.metadata().map_err(io())?.len() != end.whole as u64 {
            return Ok(None);
        }
        // At once: what another process adds at this moment comes before or behind, and whichever is second does not
        // continue what it says it does.
        file.write_all(&block).map_err(io())?;
        let chain = encoding::chain_after(end.chain, &block);
        Ok(Some(End { chain, whole: end.whole + block.len(), ..*end }))
    }
}

/// The part of the file that changes may take besides it.
const ADDED_SHARE: usize = 8;

/// Pieces of the file that are read in parallel.
const PIECE: usize = 1 << 20;

/// Bytes of the largest cache that is read: one of some twenty million files.
const LARGEST: u64 = 4 << 30;

fn read(path: &Path) -> BaseResult<Vec<u8>> {
    let io = || BaseError::io("read", path);
    let file = supplied::open(path, Links::Refuse)?;
    let len = file.metadata().map_err(io())?.len();
    if len > LARGEST {
        return Err(BaseError::TooLarge { path: path.to_owned(), most: LARGEST });
    }
    let len = usize::try_from(len).unwrap_or(0);
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| io()(std::io::ErrorKind::OutOfMemory.into()))?;
    bytes.resize(len, 0);
    let pieces = bytes.par_chunks_mut(PIECE).enumerate();
    pieces.try_for_each(|(n, piece)| file.read_exact_at(piece, (n * PIECE) as u64)).map_err(io())?;
    Ok(bytes)
}

/// What became of folders between two lists in order.
fn folder_changes<'f>(old: &[Folder], new: &'f [Folder]) -> Vec<Change<&'f Folder>> {
    let mut changes = Vec::new();
    let mut old = old.iter().peekable();
    for folder in new {
        while let Some(gone) = old.next_if(|gone| gone.path < folder.path) {
            changes.push(Change::Remove(gone.path.clone()));
        }
        if old.next_if(|same| same.path == folder.path) != Some(folder) {
            changes.push(Change::Put(folder));
        }
    }
    changes.extend(old.map(|gone| Change::Remove(gone.path.clone())));
    changes
}

/// Those of the folders, in order, that lie below the one with this path.
pub fn folders_below<'f>(folders: &'f [Folder], path: &[u8]) -> &'f [Folder] {
    let rest = &folders[folders.partition_point(|f| f.path.as_slice() <= path)..];
    &rest[..rest.partition_point(|f| f.path.starts_with(path))]
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp { size: 5, mtime: (-3, 7), ctime: (9, 11), ino: u64::MAX, dev: 1 };

    fn record(path: &[u8], tracked: Option<Tracked>, taken: Option<Taken>) -> Record {
        Record { path: RepoPath::new(path).expect("a path"), tracked, taken }
    }

    fn folder(path: &[u8], stamp: Option<Stamp>) -> Folder {
        Folder { path: path.to_vec(), stamp, ignore: stamp }
    }

    fn of(list: &[Record], format: ObjectFormat) -> Records {
        let mut records = Records::new(format);
        list.iter().for_each(|r| records.push(r.path.as_bytes(), r.tracked, r.taken));
        records
    }

    fn listed(records: &Records) -> Vec<Record> {
        let record = |at| record(records.path(at), records.tracked(at), records.taken(at));
        (0..records.len()).map(record).collect()
    }

    type Content = (State, Vec<Record>, Vec<Folder>);

    fn content(cache: &StatCache) -> Content {
        (cache.state, listed(&cache.records), cache.folders.clone())
    }

    fn sample(format: ObjectFormat) -> Content {
        let oid = format.empty_tree();
        let tracked = Tracked { mode: FileMode::Executable, oid, skip_worktree: true, vouches: false };
        let index = IndexRecord { stamp: STAMP, staged: oid, conflicts: [None, Some(oid), None], intended: Some(oid) };
        let other = format.hash_blob(b"other").expect("hashes");
        let taken = |mode, stamp| Some(Taken { mode, oid: other, stamp });
        let records = vec![
            record(b"a\nb/\xff", Some(tracked), None),
            record(b"b", None, taken(FileMode::Symlink, Some(STAMP))),
            record(b"c", Some(tracked), taken(FileMode::Gitlink, None)),
            record(b"d", Some(tracked), Some(Taken { mode: FileMode::File, oid, stamp: Some(STAMP) })),
        ];
        let folders = vec![folder(b"", Some(STAMP)), folder(b"a\nb/", None)];
        (State { tree: Some(oid), index: Some(index), rules: Some(oid) }, records, folders)
    }

    /// A file of the sample and two changes, its content after each, and where each ends.
    fn grown(path: &Path, format: ObjectFormat) -> (Vec<Content>, Vec<usize>) {
        let (mut state, mut records, mut folders) = sample(format);
        // Room for what is added.
        let taken = records[1].taken;
        let filler = (0..200).map(|n| record(format!("x{n:03}").as_bytes(), None, taken));
        records.extend(filler);
        let (mut contents, mut ends) = (Vec::new(), Vec::new());
        let note = |contents: &mut Vec<_>, ends: &mut Vec<_>, content: Content| {
            contents.push(content);
            ends.push(std::fs::read(path).expect("reads").len());
        };
        StatCache::store(path, format, &state, &folders, &of(&records, format)).expect("stores");
        note(&mut contents, &mut ends, (state, records.clone(), folders.clone()));

        let cache = StatCache::load(path, format);
        state.rules = None;
        records[3].taken = None;
        records[2] = record(b"bb", records[2].tracked, None);
        folders[1] = folder(b"e/", Some(STAMP));
        let changes = [Change::Put(&records[2]), Change::Remove(b"c".to_vec()), Change::Put(&records[3])];
        assert!(cache.add(path, &state, &folders, &changes).expect("adds").is_some());
        note(&mut contents, &mut ends, (state, records.clone(), folders.clone()));

        let cache = StatCache::load(path, format);
        let again = record(b"c", None, records[1].taken);
        records[2] = again.clone();
        folders.push(folder(b"f/", None));
        assert!(
            cache
                .add(path, &state, &folders, &[Change::Put(&again), Change::Remove(b"bb".to_vec())])
                .expect("adds")
                .is_some()
        );
        note(&mut contents, &mut ends, (state, records, folders));
        (contents, ends)
    }

    #[test]
    fn a_stored_cache_and_what_was_added_read_back_in_both_object_formats() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("stat-cache");
        for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
            let (state, records, folders) = sample(format);
            StatCache::store(&path, format, &state, &folders, &of(&records, format)).expect("stores");
            assert_eq!(content(&StatCache::load(&path, format)), (state, records, folders));
            let (contents, _) = grown(&path, format);
            assert_eq!(Some(&content(&StatCache::load(&path, format))), contents.last());
        }
        let empty = (State::default(), Vec::new(), Vec::new());
        assert_eq!(content(&StatCache::load(&path, ObjectFormat::Sha1)), empty, "another object format");
        assert_eq!(content(&StatCache::load(&dir.path().join("none"), ObjectFormat::Sha1)), empty);
    }

    #[test]
    fn damage_and_truncation_anywhere_leave_an_earlier_cache_or_none_and_nothing_is_added_to_that() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("stat-cache");
        let format = ObjectFormat::Sha1;
        let (contents, ends) = grown(&path, format);
        let bytes = std::fs::read(&path).expect("reads");
        assert_eq!(ends.last(), Some(&bytes.len()));
        let empty = (State::default(), Vec::new(), Vec::new());
        let decode = |bytes: &[u8]| encoding::decode(bytes.to_vec(), format);
        for at in 0..bytes.len() {
            let whole = ends.iter().rposition(|end| *end <= at).map_or(&empty, |n| &contents[n]);
            let mut bad = bytes.clone();
            bad[at] ^= 0x41;
            for (what, bad) in [("damaged", bad.as_slice()), ("cut", &bytes[..at])] {
                let read = decode(bad);
                assert_eq!(&read.as_ref().map_or(empty.clone(), content), whole, "{what} at {at}");
                let is_torn = read.is_none_or(|cache| cache.end.is_torn);
                assert_eq!(is_torn, what == "damaged" || !ends.contains(&at), "{what} at {at}");
            }
        }
        std::fs::write(&path, &bytes[..bytes.len() - 1]).expect("tears the file");
        let torn = StatCache::load(&path, format);
        assert!(
            torn.add(&path, &torn.state, &torn.folders, &[]).expect("looks").is_none(),
            "a torn file is written anew"
        );
    }

    #[test]
    fn of_two_that_add_to_the_same_cache_the_second_does_not_count() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("stat-cache");
        let format = ObjectFormat::Sha1;
        let (contents, _) = grown(&path, format);
        let cache = StatCache::load(&path, format);
        let first = State { tree: None, ..cache.state };
        let changes = encoding::encode_added(cache.end.chain, &first, &[], &[]);
        let mut bytes = std::fs::read(&path).expect("reads");
        bytes.extend_from_slice(&changes);
        bytes.extend_from_slice(&encoding::encode_added(cache.end.chain, &State::default(), &[], &[]));
        std::fs::write(&path, &bytes).expect("writes both");
        let read = StatCache::load(&path, format);
        assert_eq!(read.state, first);
        assert_eq!(listed(&read.records), contents.last().expect("some").1);
        assert!(read.add(&path, &first, &read.folders, &[]).expect("looks").is_none(), "the file is written anew");
        assert!(cache.add(&path, &first, &cache.folders, &[]).expect("looks").is_none(), "it is another file by now");
    }

    #[test]
    fn a_file_that_grew_by_an_eighth_is_written_anew() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("stat-cache");
        let format = ObjectFormat::Sha1;
        let (contents, _) = grown(&path, format);
        let change = &contents[0].1[1];
        let mut rounds = 0;
        loop {
            let cache = StatCache::load(&path, format);
            if cache.add(&path, &cache.state, &cache.folders, &[Change::Put(change)]).expect("adds").is_none() {
                assert!(cache.end.whole - cache.end.base <= cache.end.base / ADDED_SHARE);
                break;
            }
            rounds += 1;
        }
        assert!(rounds > 1);
    }

    #[test]
    fn a_tracked_file_can_be_taken_later_as_the_index_has_it() {
        let format = ObjectFormat::Sha1;
        let (_, list, _) = sample(format);
        let mut records = of(&list, format);
        records.take_as_tracked(0, &STAMP);
        let tracked = list[0].tracked.expect("is tracked");
        let taken = Taken { mode: tracked.mode, oid: tracked.oid, stamp: Some(STAMP) };
        assert_eq!(listed(&records)[0], Record { taken: Some(taken), ..list[0].clone() });
        assert_eq!(listed(&records)[1..], list[1..]);
        assert_eq!((records.find(b"c"), records.find(b"cc")), (Some(2), None));
    }

    #[test]
    fn a_minimal_check_looks_at_size_and_whole_seconds_only() {
        let one = Stamp { size: 5, mtime: (3, 7), ctime: (9, 11), ino: 1, dev: 1 };
        let other = Stamp { mtime: (3, 8), ctime: (10, 0), ino: 2, ..one };
        let rules = StatRules { trust_ctime: true, minimal: false };
        assert!(one.matches(&other, StatRules { minimal: true, ..rules }));
        assert!(!one.matches(&other, rules));
        let touched = Stamp { ctime: (10, 0), ..one };
        assert!(!one.matches(&touched, rules));
        assert!(one.matches(&touched, StatRules { trust_ctime: false, ..rules }));
    }
}

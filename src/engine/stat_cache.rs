//! What the last full snapshot of this worktree knew of every path, so that the next one reads only files that changed.
//!
//! One file, `<git dir>/session/stat-cache`, in a format of our own. It is never the only copy of anything: a missing,
//! foreign or damaged file reads as an empty cache, and the snapshot hashes more. A stamp is kept only for a file that was
//! older than the moment at which its reading began, so a stamp that still matches vouches for the content.

use std::path::Path;

use rustix::fs::Stat;
use rustix::io::Errno;

use super::Result;
use crate::base::file::{self, Durability};
use crate::base::{Error as BaseError, RepoPath};
use crate::git::{FileMode, ObjectFormat, Oid};

mod encoding;

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

/// The cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatCache {
    /// The tree that all `taken` of the records make.
    pub tree: Option<Oid>,
    /// The index; `None` where it has to be read.
    pub index: Option<IndexRecord>,
    /// In the order of their paths' bytes.
    pub records: Vec<Record>,
    /// The ignore rules outside of the work tree under which `folders` were listed; `None` where they do not count.
    pub rules: Option<Oid>,
    /// The folders that were searched for new files, in the order of their paths' bytes.
    pub folders: Vec<Folder>,
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
        let bytes = file::read_optional(path).ok().flatten().unwrap_or_default();
        encoding::decode(&bytes, format).unwrap_or_default()
    }

    /// Replaces the file. The folder must exist.
    pub fn store(&self, path: &Path, format: ObjectFormat) -> Result<()> {
        Ok(file::write_atomic(path, &encoding::encode(self, format), Some(0o600), Durability::Process)?)
    }
}

/// The record of a path among records in order.
pub fn find<'r>(records: &'r [Record], path: &[u8]) -> Option<(usize, &'r Record)> {
    let at = records.binary_search_by(|r| r.path.as_bytes().cmp(path)).ok()?;
    Some((at, &records[at]))
}

/// Those of the folders, in order, that lie below the one with this path.
pub fn folders_below<'f>(folders: &'f [Folder], path: &[u8]) -> &'f [Folder] {
    let rest = &folders[folders.partition_point(|f| f.path.as_slice() <= path)..];
    &rest[..rest.partition_point(|f| f.path.starts_with(path))]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(format: ObjectFormat) -> StatCache {
        let oid = format.empty_tree();
        let stamp = Stamp { size: 5, mtime: (-3, 7), ctime: (9, 11), ino: u64::MAX, dev: 1 };
        let record =
            |path: &[u8], tracked, taken| Record { path: RepoPath::new(path).expect("a path"), tracked, taken };
        let tracked = Tracked { mode: FileMode::Executable, oid, skip_worktree: true, vouches: false };
        StatCache {
            tree: Some(oid),
            index: Some(IndexRecord { stamp, staged: oid, conflicts: [None, Some(oid), None], intended: None }),
            records: vec![
                record(b"a\nb/\xff", Some(tracked), None),
                record(b"b", None, Some(Taken { mode: FileMode::Symlink, oid, stamp: Some(stamp) })),
                record(b"c", Some(tracked), Some(Taken { mode: FileMode::Gitlink, oid, stamp: None })),
            ],
            rules: Some(oid),
            folders: vec![
                Folder { path: Vec::new(), stamp: Some(stamp), ignore: None },
                Folder { path: b"a\nb/".to_vec(), stamp: None, ignore: Some(stamp) },
            ],
        }
    }

    #[test]
    fn a_stored_cache_reads_back_in_both_object_formats() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("stat-cache");
        for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
            let cache = sample(format);
            cache.store(&path, format).expect("stores");
            assert_eq!(StatCache::load(&path, format), cache);
        }
        assert_eq!(StatCache::load(&path, ObjectFormat::Sha1), StatCache::default(), "another object format");
        assert_eq!(StatCache::load(&dir.path().join("none"), ObjectFormat::Sha1), StatCache::default());
    }

    #[test]
    fn any_damaged_byte_and_any_truncation_reads_as_empty() {
        let bytes = encoding::encode(&sample(ObjectFormat::Sha1), ObjectFormat::Sha1);
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 0x41;
            assert!(encoding::decode(&bad, ObjectFormat::Sha1).is_none(), "byte {at}");
            assert!(encoding::decode(&bytes[..at], ObjectFormat::Sha1).is_none(), "cut at {at}");
        }
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

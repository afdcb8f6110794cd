//! The bytes of the user's index, versions 2 to 4, without a library: entries and the root of the cache tree.
//!
//! Reads what libgit2 reads, in a fraction of its time: entries are found one after the other and taken over in parallel.
//! Whatever this does not know (an extension that must be understood, a split or sparse index, bytes that do not add up)
//! is `None`, and the caller asks libgit2 or git. The checksum at the end is not computed, as git does not.

use rayon::prelude::*;

use super::index::{IndexEntry, IndexStat};
use super::{FileMode, ObjectFormat, Oid};
use crate::base::RepoPath;

/// Bits of an entry's flags.
const NAME: u16 = 0x0fff;
const STAGE: u16 = 0x3000;
const EXTENDED: u16 = 0x4000;
const ASSUME_UNCHANGED: u16 = 0x8000;
/// Bits of its extended flags.
const INTENT_TO_ADD: u16 = 1 << 13;
const SKIP_WORKTREE: u16 = 1 << 14;

/// Ten fields of four bytes come before the id.
const STAT: usize = 40;

/// An index without conflicts or with them.
#[derive(Debug)]
pub(super) struct Parsed {
    /// Stage 0.
    pub entries: Vec<IndexEntry>,
    /// Stages 1 to 3.
    pub conflicts: Vec<(u8, RepoPath, FileMode, Oid)>,
    /// The tree of all entries, where git wrote it down.
    pub tree: Option<Oid>,
}

/// Where an entry lies, and its name: as it is there, or put together of the one before it.
struct Place<'b> {
    start: usize,
    stage: u16,
    name: std::borrow::Cow<'b, [u8]>,
}

/// Reads the file.
pub(super) fn parse(bytes: &[u8], format: ObjectFormat) -> Option<Parsed> {
    let id_len = format.id_len();
    let end = bytes.len().checked_sub(id_len)?;
    let version = number(bytes, 4)?;
    if !bytes.starts_with(b"DIRC") || !(2..=4).contains(&version) {
        return None;
    }
    let count = number(bytes, 8)? as usize;
    let mut places: Vec<Place<'_>> = Vec::with_capacity(count.min(end / (STAT + id_len)));
    let mut at = 12;
    for _ in 0..count {
        let place;
        (place, at) = next(&bytes[..end], at, version, id_len, places.last().map(|p| &*p.name))?;
        places.push(place);
    }
    let tree = extensions(&bytes[..end], at, id_len)?;
    let mut conflicts = Vec::new();
    if places.iter().any(|place| place.stage != 0) {
        for place in places.extract_if(.., |place| place.stage != 0) {
            let stage = u8::try_from(place.stage).ok()?;
            let entry = entry(bytes, place, id_len)?;
            conflicts.push((stage, entry.path, entry.mode, entry.oid));
        }
    }
    let mut read: Vec<Option<IndexEntry>> = Vec::new();
    places.into_par_iter().map(|place| entry(bytes, place, id_len)).collect_into_vec(&mut read);
    let entries: Vec<IndexEntry> = read.into_iter().collect::<Option<_>>()?;
    entries.is_sorted_by(|a, b| a.path < b.path).then_some(Parsed { entries, conflicts, tree })
}

/// The entry at a place, and where the next one begins.
fn next<'b>(
    bytes: &'b [u8],
    start: usize,
    version: u32,
    id_len: usize,
    before: Option<&[u8]>,
) -> Option<(Place<'b>, usize)> {
    let flags = short(bytes, start + STAT + id_len)?;
    let stage = (flags & STAGE) >> 12;
    let mut at = start + STAT + id_len + if flags & EXTENDED == 0 { 2 } else { 4 };
    if version == 4 {
        let (drop, after) = varint(bytes, at)?;
        let rest = bytes.get(after..)?;
        let len = rest.iter().position(|byte| *byte == 0)?;
        let before = before.unwrap_or_default();
        let mut name = before[..before.len().checked_sub(drop)?].to_vec();
        name.extend_from_slice(&rest[..len]);
        return Some((Place { start, stage, name: name.into() }, after + len + 1));
    }
    let len = match flags & NAME {
        NAME => bytes.get(at..)?.iter().position(|byte| *byte == 0)?,
        len => usize::from(len),
    };
    let name = bytes.get(at..at + len)?;
    at += len;
    // One to eight NUL bytes, so that the next one begins at a multiple of eight from here.
    let after = start + (at - start + 8) / 8 * 8;
    Some((Place { start, stage, name: name.into() }, after))
}

fn entry(bytes: &[u8], place: Place<'_>, id_len: usize) -> Option<IndexEntry> {
    let Place { start, name, .. } = place;
    let field = |n: usize| number(bytes, start + n * 4);
    let flags = short(bytes, start + STAT + id_len)?;
    let extended = if flags & EXTENDED == 0 { 0 } else { short(bytes, start + STAT + id_len + 2)? };
    let stat = IndexStat {
        ctime_seconds: field(0)?,
        ctime_nanos: field(1)?,
        mtime_seconds: field(2)?,
        mtime_nanos: field(3)?,
        dev: field(4)?,
        ino: field(5)?,
        uid: field(7)?,
        gid: field(8)?,
        size: field(9)?,
    };
    let mode = FileMode::from_raw(field(6)?).ok().filter(|mode| *mode != FileMode::Tree)?;
    Some(IndexEntry {
        path: RepoPath::new(&*name).ok()?,
        mode,
        oid: Oid::from_bytes(bytes.get(start + STAT..start + STAT + id_len)?).ok()?,
        stat: Some(stat),
        skip_worktree: extended & SKIP_WORKTREE != 0,
        assume_unchanged: flags & ASSUME_UNCHANGED != 0,
        intent_to_add: extended & INTENT_TO_ADD != 0,
    })
}

/// The root of the cache tree. `None` where an extension must be understood that is not.
fn extensions(bytes: &[u8], mut at: usize, id_len: usize) -> Option<Option<Oid>> {
    let mut tree = None;
    while at < bytes.len() {
        let (name, len) = (bytes.get(at..at + 4)?, number(bytes, at + 4)? as usize);
        let body = bytes.get(at + 8..at + 8 + len)?;
        match name {
            b"TREE" => tree = root(body, id_len),
            // Its first letter says whether it may be passed over.
            [b'A'..=b'Z', ..] => {}
            _ => return None,
        }
        at += 8 + len;
    }
    Some(tree)
}

/// An empty name, how many entries the tree covers (less than none where it is out of date), how many trees are in it.
fn root(body: &[u8], id_len: usize) -> Option<Oid> {
    let body = body.strip_prefix(b"\0")?;
    let line = body.iter().position(|byte| *byte == b'\n')?;
    if body.starts_with(b"-") {
        return None;
    }
    Oid::from_bytes(body.get(line + 1..line + 1 + id_len)?).ok()
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|raw| u32::from_be_bytes(*raw))
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|raw| u16::from_be_bytes(*raw))
}

/// Seven bits a byte, each further byte counting one more: as offsets in a pack.
fn varint(bytes: &[u8], mut at: usize) -> Option<(usize, usize)> {
    let mut byte = *bytes.get(at)?;
    let mut value = usize::from(byte & 0x7f);
    while byte & 0x80 != 0 {
        at += 1;
        byte = *bytes.get(at)?;
        value = value.checked_add(1)?.checked_mul(128)? + usize::from(byte & 0x7f);
    }
    Some((value, at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::index;
    use crate::git::matrix::Bench;

    fn facts(entries: &[IndexEntry]) -> Vec<String> {
        entries.iter().map(|entry| format!("{entry:?}")).collect()
    }

    /// Many entries of every kind, and a conflict.
    fn bench(hash: &str) -> Bench {
        let bench = Bench::new(hash, "files", false);
        for n in 0..40 {
            bench.write(&format!("deep/folder {n}/file{}", "x".repeat(n * 3)), "content\n");
        }
        bench.git(&["add", "-A"]);
        bench.git(&["commit", "-q", "-m", "many"]);
        bench.git(&["update-index", "--assume-unchanged", "a"]);
        bench.git(&["update-index", "--skip-worktree", "dir/b"]);
        bench.write("intent", "later\n");
        bench.git(&["add", "-N", "intent"]);
        bench
    }

    #[test]
    fn every_version_reads_as_libgit2_reads_it() {
        for hash in ["sha1", "sha256"] {
            let bench = bench(hash);
            for version in ["2", "4", "3"] {
                bench.git(&["update-index", "--index-version", version]);
                let bytes = std::fs::read(bench.top.join(".git/index")).expect("reads");
                let repo = bench.repo();
                let parsed = parse(&bytes, repo.objects.format()).expect("parses");
                let theirs = index::by_libgit2(&repo, (0, 0)).expect("reads");
                assert_eq!(facts(&parsed.entries), facts(&theirs.entries), "{hash} {version}");
                assert_eq!(parsed.entries.len(), 43);
                assert_eq!(parsed.conflicts, theirs.conflicts);
            }
        }
    }

    #[test]
    fn the_root_of_the_cache_tree_is_had_while_git_says_that_it_is_up_to_date() {
        let bench = Bench::plain();
        let tree = || {
            let bytes = std::fs::read(bench.top.join(".git/index")).expect("reads");
            parse(&bytes, bench.repo().objects.format()).expect("parses").tree.map(|tree| tree.to_string())
        };
        assert_eq!(tree(), Some(bench.git(&["write-tree"])));
        bench.write("dir/new", "x");
        bench.git(&["add", "-A"]);
        assert_eq!(tree(), None);
    }

    #[test]
    fn what_is_cut_off_anywhere_is_no_index() {
        let bench = bench("sha1");
        let bytes = std::fs::read(bench.top.join(".git/index")).expect("reads");
        let format = bench.repo().objects.format();
        let whole = parse(&bytes, format).expect("parses").entries.len();
        for at in 0..bytes.len() {
            let entries = parse(&bytes[..at], format).map(|parsed| parsed.entries.len());
            assert!(entries.is_none_or(|entries| entries == whole), "cut at {at}");
        }
    }
}

//! The records of a cache as the bytes that the file holds: taken over as they are, and read field by field when asked for.
//!
//! A record is flags, modes, the length of its path, a stamp, the ids that the flags say, and the path. The place of the
//! stamp is there in every record, so that it can be filled in later.

use std::ops::Range;

use super::{Record, Stamp, Taken, Tracked};
use crate::git::{FileMode, ObjectFormat, Oid};

const TRACKED: u8 = 1;
const SKIP_WORKTREE: u8 = 2;
const VOUCHES: u8 = 4;
const TAKEN: u8 = 8;
const STAMPED: u8 = 16;
/// Taken as tracked: the object is not repeated.
const SAME: u8 = 32;

/// Flags, modes (tracked in the low four bits, taken in the high ones), length of the path.
const HEAD: usize = 6;
/// Size, two moments, inode, device.
pub(super) const STAMP: usize = 48;
/// Where the ids begin.
const IDS: usize = HEAD + STAMP;

/// Records, in the order of their paths' bytes.
#[derive(Clone, Debug)]
pub struct Records {
    bytes: Vec<u8>,
    /// Where each begins.
    starts: Vec<usize>,
    format: ObjectFormat,
}

impl Records {
    /// None yet, of this object format.
    pub fn new(format: ObjectFormat) -> Self {
        Self { bytes: Vec::new(), starts: Vec::new(), format }
    }

    /// Those that begin at these places, each of them whole.
    pub(super) fn of(bytes: Vec<u8>, starts: Vec<usize>, format: ObjectFormat) -> Self {
        Self { bytes, starts, format }
    }

    /// Makes room for so many more.
    pub fn reserve(&mut self, more: usize) {
        self.bytes.reserve(more * 128);
        self.starts.reserve(more);
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// The path of a record.
    pub fn path(&self, at: usize) -> &[u8] {
        let record = self.from(at);
        let start = IDS + ids_len(record[0], self.format.id_len());
        &record[start..start + path_len(record)]
    }

    /// Whether it is in the index.
    pub fn is_tracked(&self, at: usize) -> bool {
        self.flags(at) & TRACKED != 0
    }

    /// Whether it is in the tree.
    pub fn is_taken(&self, at: usize) -> bool {
        self.flags(at) & TAKEN != 0
    }

    /// Its mode in the index.
    pub fn tracked_mode(&self, at: usize) -> Option<FileMode> {
        self.is_tracked(at).then(|| mode(self.from(at)[1] & 15))
    }

    /// Its mode in the tree.
    pub fn taken_mode(&self, at: usize) -> Option<FileMode> {
        self.is_taken(at).then(|| mode(self.from(at)[1] >> 4))
    }

    /// What is known of it in the index.
    pub fn tracked(&self, at: usize) -> Option<Tracked> {
        let flags = self.flags(at);
        Some(Tracked {
            mode: self.tracked_mode(at)?,
            oid: self.id(at, 0)?,
            skip_worktree: flags & SKIP_WORKTREE != 0,
            vouches: flags & VOUCHES != 0,
        })
    }

    /// What is known of it in the tree.
    pub fn taken(&self, at: usize) -> Option<Taken> {
        let flags = self.flags(at);
        let before = if flags & TRACKED != 0 && flags & SAME == 0 { self.format.id_len() } else { 0 };
        Some(Taken { mode: self.taken_mode(at)?, oid: self.id(at, before)?, stamp: self.stamp(at) })
    }

    /// The file when it was last taken.
    pub fn stamp(&self, at: usize) -> Option<Stamp> {
        let record = self.from(at);
        if record[0] & STAMPED == 0 { None } else { record.get(HEAD..IDS).and_then(get_stamp) }
    }

    /// The place of the record of a path.
    pub fn find(&self, path: &[u8]) -> Option<usize> {
        self.find_in(0..self.len(), path)
    }

    /// The same among those in a range.
    pub fn find_in(&self, range: Range<usize>, path: &[u8]) -> Option<usize> {
        let at = self.first_not(range, |p| p < path);
        (at < self.len() && self.path(at) == path).then_some(at)
    }

    /// The first place in the range whose path is not as asked; all that are come first.
    pub fn first_not(&self, range: Range<usize>, is: impl Fn(&[u8]) -> bool) -> usize {
        let (mut low, mut high) = (range.start, range.end);
        while low < high {
            let middle = low + (high - low) / 2;
            if is(self.path(middle)) { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// Adds one behind the last, whose path must come before it.
    pub fn push(&mut self, path: &[u8], tracked: Option<Tracked>, taken: Option<Taken>) {
        debug_assert!(self.is_empty() || self.path(self.len() - 1) < path, "records come in the order of paths");
        self.starts.push(self.bytes.len());
        put(&mut self.bytes, path, tracked, taken);
    }

    /// Keeps those places that are wanted, and puts other records between them; `new` is in the order of paths, and none
    /// of its paths is kept.
    pub fn with<'r>(mut self, keep: impl Fn(usize) -> bool, new: impl Iterator<Item = &'r Record>) -> Self {
        let mut starts = Vec::with_capacity(self.starts.len());
        let mut new = new.peekable();
        for at in (0..self.starts.len()).filter(|at| keep(*at)) {
            while let Some(before) = new.next_if(|new| new.path.as_bytes() < self.path(at)) {
                starts.push(self.append(before));
            }
            starts.push(self.starts[at]);
        }
        for last in new {
            starts.push(self.append(last));
        }
        self.starts = starts;
        debug_assert!(
            (1..self.len()).all(|at| self.path(at - 1) < self.path(at)),
            "records come in the order of paths"
        );
        self
    }

    fn append(&mut self, record: &Record) -> usize {
        let start = self.bytes.len();
        put(&mut self.bytes, record.path.as_bytes(), record.tracked, record.taken);
        start
    }

    /// The bytes of some, in pieces as long as they lie behind one another.
    pub(super) fn pieces(&self, range: Range<usize>) -> Vec<&[u8]> {
        let mut pieces = Vec::new();
        let mut piece = 0..0;
        for at in range {
            let start = self.starts[at];
            if start != piece.end {
                if !piece.is_empty() {
                    pieces.push(&self.bytes[piece]);
                }
                piece = start..start;
            }
            piece.end = start + self.raw(at).len();
        }
        pieces.push(&self.bytes[piece]);
        pieces
    }

    /// Takes a tracked file with the content that the index has.
    pub fn take_as_tracked(&mut self, at: usize, stamp: &Stamp) {
        let record = &mut self.bytes[self.starts[at]..];
        if record[0] & TRACKED != 0 && (record[0] & TAKEN == 0 || record[0] & SAME != 0) {
            record[0] |= TAKEN | STAMPED | SAME;
            record[1] = record[1] & 15 | record[1] << 4;
            record[HEAD..IDS].copy_from_slice(&stamp_bytes(stamp));
        }
    }

    /// The bytes of one.
    fn raw(&self, at: usize) -> &[u8] {
        let record = self.from(at);
        &record[..IDS + ids_len(record[0], self.format.id_len()) + path_len(record)]
    }

    fn from(&self, at: usize) -> &[u8] {
        &self.bytes[self.starts[at]..]
    }

    fn flags(&self, at: usize) -> u8 {
        self.bytes[self.starts[at]]
    }

    fn id(&self, at: usize, skip: usize) -> Option<Oid> {
        self.from(at).get(IDS + skip..)?.get(..self.format.id_len()).and_then(|raw| Oid::from_bytes(raw).ok())
    }
}

/// The length of the record that these bytes begin with; `None` where it does not fit into them, or cannot be one.
pub(super) fn whole(bytes: &[u8], id_len: usize) -> Option<usize> {
    let flags = *bytes.first()?;
    if bytes.len() < IDS || bytes[1] & 15 > 4 || bytes[1] >> 4 > 4 {
        return None;
    }
    let len = IDS + ids_len(flags, id_len) + path_len(bytes);
    (path_len(bytes) > 0 && len <= bytes.len()).then_some(len)
}

/// The path in the bytes of one whole record.
pub(super) fn path_of(record: &[u8], id_len: usize) -> &[u8] {
    &record[IDS + ids_len(record[0], id_len)..]
}

/// Writes one record.
pub(super) fn put(out: &mut Vec<u8>, path: &[u8], tracked: Option<Tracked>, taken: Option<Taken>) {
    let (mut flags, mut modes) = (0, 0);
    if let Some(tracked) = &tracked {
        flags |= TRACKED;
        flags |= if tracked.skip_worktree { SKIP_WORKTREE } else { 0 };
        flags |= if tracked.vouches { VOUCHES } else { 0 };
        modes |= code(tracked.mode);
    }
    if let Some(taken) = &taken {
        flags |= TAKEN;
        flags |= if taken.stamp.is_some() { STAMPED } else { 0 };
        flags |= if tracked.is_some_and(|t| t.oid == taken.oid) { SAME } else { 0 };
        modes |= code(taken.mode) << 4;
    }
    out.push(flags);
    out.push(modes);
    out.extend_from_slice(&(path.len() as u32).to_le_bytes());
    out.extend_from_slice(&taken.and_then(|t| t.stamp).map_or([0; STAMP], |stamp| stamp_bytes(&stamp)));
    tracked.iter().for_each(|tracked| out.extend_from_slice(tracked.oid.as_bytes()));
    if flags & SAME == 0 {
        taken.iter().for_each(|taken| out.extend_from_slice(taken.oid.as_bytes()));
    }
    out.extend_from_slice(path);
}

fn path_len(record: &[u8]) -> usize {
    u32::from_le_bytes([record[2], record[3], record[4], record[5]]) as usize
}

fn ids_len(flags: u8, id_len: usize) -> usize {
    let own = flags & TAKEN != 0 && flags & SAME == 0;
    id_len * (usize::from(flags & TRACKED != 0) + usize::from(own))
}

const fn code(mode: FileMode) -> u8 {
    match mode {
        FileMode::File => 0,
        FileMode::Executable => 1,
        FileMode::Symlink => 2,
        FileMode::Gitlink => 3,
        FileMode::Tree => 4,
    }
}

const fn mode(code: u8) -> FileMode {
    match code {
        0 => FileMode::File,
        1 => FileMode::Executable,
        2 => FileMode::Symlink,
        3 => FileMode::Gitlink,
        _ => FileMode::Tree,
    }
}

pub(super) fn stamp_bytes(stamp: &Stamp) -> [u8; STAMP] {
    let mut out = [0; STAMP];
    out[..8].copy_from_slice(&stamp.size.to_le_bytes());
    out[8..16].copy_from_slice(&stamp.mtime.0.to_le_bytes());
    out[16..20].copy_from_slice(&stamp.mtime.1.to_le_bytes());
    out[20..28].copy_from_slice(&stamp.ctime.0.to_le_bytes());
    out[28..32].copy_from_slice(&stamp.ctime.1.to_le_bytes());
    out[32..40].copy_from_slice(&stamp.ino.to_le_bytes());
    out[40..].copy_from_slice(&stamp.dev.to_le_bytes());
    out
}

pub(super) fn get_stamp(bytes: &[u8]) -> Option<Stamp> {
    let bytes: &[u8; STAMP] = bytes.try_into().ok()?;
    let long = |at: usize| bytes[at..].first_chunk().map(|raw| u64::from_le_bytes(*raw));
    let seconds = |at: usize| bytes[at..].first_chunk().map(|raw| i64::from_le_bytes(*raw));
    let nanos = |at: usize| bytes[at..].first_chunk().map(|raw| u32::from_le_bytes(*raw));
    Some(Stamp {
        size: long(0)?,
        mtime: (seconds(8)?, nanos(16)?),
        ctime: (seconds(20)?, nanos(28)?),
        ino: long(32)?,
        dev: long(40)?,
    })
}

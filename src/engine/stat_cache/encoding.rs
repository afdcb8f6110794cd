//! The bytes of the stat cache: magic and version, a block with the header and the folders, blocks of records. Each block
//! has a checksum.
//!
//! Numbers are little-endian and of fixed width. Whatever does not add up to the last byte is no cache.

use rayon::prelude::*;

use super::{Folder, IndexRecord, Moment, Record, Stamp, StatCache, Taken, Tracked};
use crate::base::RepoPath;
use crate::git::{FileMode, ObjectFormat, Oid};

const MAGIC: &[u8; 8] = b"gsstat\0\x03";

const TRACKED: u8 = 1;
const SKIP_WORKTREE: u8 = 2;
const VOUCHES: u8 = 4;
const TAKEN: u8 = 8;
const STAMPED: u8 = 16;
/// Taken as tracked: mode and object are not repeated.
const SAME: u8 = 32;

/// Records in a block; blocks are read in parallel.
const BLOCK: usize = 4096;

pub(super) fn encode(cache: &StatCache, format: ObjectFormat) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024 + cache.records.len() * 128 + cache.folders.len() * 128);
    out.extend_from_slice(MAGIC);
    put_block(&mut out, |out| {
        out.push(format.id_len() as u8);
        put_optional(out, cache.tree);
        out.push(u8::from(cache.index.is_some()));
        if let Some(index) = &cache.index {
            put_stamp(out, &index.stamp);
            out.extend_from_slice(index.staged.as_bytes());
            index.conflicts.iter().for_each(|stage| put_optional(out, *stage));
            put_optional(out, index.intended);
        }
        put_optional(out, cache.rules);
        out.extend_from_slice(&(cache.records.len() as u64).to_le_bytes());
        for folder in &cache.folders {
            put_path(out, &folder.path);
            for stamp in [&folder.stamp, &folder.ignore] {
                out.push(u8::from(stamp.is_some()));
                stamp.iter().for_each(|stamp| put_stamp(out, stamp));
            }
        }
    });
    for records in cache.records.chunks(BLOCK) {
        put_block(&mut out, |out| records.iter().for_each(|record| put_record(out, record)));
    }
    out
}

pub(super) fn decode(bytes: &[u8], format: ObjectFormat) -> Option<StatCache> {
    let oid_len = format.id_len();
    let mut file = Reader { rest: bytes.strip_prefix(MAGIC)?, oid_len };
    let mut head = Reader { rest: file.block()?.checked()?, oid_len };
    if usize::from(head.byte()?) != oid_len {
        return None;
    }
    let tree = head.optional_oid()?;
    let index = match head.byte()? {
        0 => None,
        _ => Some(IndexRecord {
            stamp: head.stamp()?,
            staged: head.oid()?,
            conflicts: [head.optional_oid()?, head.optional_oid()?, head.optional_oid()?],
            intended: head.optional_oid()?,
        }),
    };
    let rules = head.optional_oid()?;
    let count = usize::try_from(head.number()?).ok()?;
    let mut folders: Vec<Folder> = Vec::new();
    while !head.rest.is_empty() {
        let folder = head.folder()?;
        if folders.last().is_some_and(|last| last.path >= folder.path) {
            return None;
        }
        folders.push(folder);
    }
    let mut blocks = Vec::new();
    while !file.rest.is_empty() {
        blocks.push(file.block()?);
    }
    let read: Option<Vec<Vec<Record>>> = blocks.into_par_iter().map(|block| decode_records(block, oid_len)).collect();
    let mut records: Vec<Record> = Vec::with_capacity(count.min(bytes.len()));
    for mut block in read? {
        let (last, first) = (records.last(), block.first()?);
        if last.is_some_and(|last| last.path >= first.path) {
            return None;
        }
        records.append(&mut block);
    }
    (records.len() == count).then_some(StatCache { tree, index, records, rules, folders })
}

fn decode_records(block: Block<'_>, oid_len: usize) -> Option<Vec<Record>> {
    let mut reader = Reader { rest: block.checked()?, oid_len };
    let mut records: Vec<Record> = Vec::with_capacity(BLOCK);
    while !reader.rest.is_empty() {
        let record = reader.record()?;
        if records.last().is_some_and(|last| last.path >= record.path) {
            return None;
        }
        records.push(record);
    }
    Some(records)
}

/// Its length and its checksum come before it.
fn put_block(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 16]);
    fill(out);
    let (head, body) = out[start..].split_at_mut(16);
    head[..8].copy_from_slice(&(body.len() as u64).to_le_bytes());
    head[8..].copy_from_slice(&checksum(body).to_le_bytes());
}

/// A block that was not checked yet.
struct Block<'b> {
    body: &'b [u8],
    sum: u64,
}

impl<'b> Block<'b> {
    fn checked(self) -> Option<&'b [u8]> {
        (checksum(self.body) == self.sum).then_some(self.body)
    }
}

fn put_record(out: &mut Vec<u8>, record: &Record) {
    let mut flags = 0;
    if let Some(tracked) = &record.tracked {
        flags |= TRACKED;
        flags |= if tracked.skip_worktree { SKIP_WORKTREE } else { 0 };
        flags |= if tracked.vouches { VOUCHES } else { 0 };
    }
    if let Some(taken) = &record.taken {
        flags |= TAKEN;
        flags |= if taken.stamp.is_some() { STAMPED } else { 0 };
        let same = record.tracked.is_some_and(|t| (t.mode, t.oid) == (taken.mode, taken.oid));
        flags |= if same { SAME } else { 0 };
    }
    out.push(flags);
    put_path(out, record.path.as_bytes());
    if let Some(tracked) = &record.tracked {
        out.extend_from_slice(&tracked.mode.raw().to_le_bytes());
        out.extend_from_slice(tracked.oid.as_bytes());
    }
    if let Some(taken) = &record.taken {
        if flags & SAME == 0 {
            out.extend_from_slice(&taken.mode.raw().to_le_bytes());
            out.extend_from_slice(taken.oid.as_bytes());
        }
        if let Some(stamp) = &taken.stamp {
            put_stamp(out, stamp);
        }
    }
}

fn put_path(out: &mut Vec<u8>, path: &[u8]) {
    out.extend_from_slice(&(path.len() as u32).to_le_bytes());
    out.extend_from_slice(path);
}

fn put_optional(out: &mut Vec<u8>, oid: Option<Oid>) {
    out.push(u8::from(oid.is_some()));
    if let Some(oid) = oid {
        out.extend_from_slice(oid.as_bytes());
    }
}

fn put_stamp(out: &mut Vec<u8>, stamp: &Stamp) {
    out.extend_from_slice(&stamp.size.to_le_bytes());
    for (seconds, nanos) in [stamp.mtime, stamp.ctime] {
        out.extend_from_slice(&seconds.to_le_bytes());
        out.extend_from_slice(&nanos.to_le_bytes());
    }
    out.extend_from_slice(&stamp.ino.to_le_bytes());
    out.extend_from_slice(&stamp.dev.to_le_bytes());
}

/// Not against an enemy, only against torn and foreign files; a word at a time because the file is large.
fn checksum(bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |sum: u64, word: u64| (sum ^ word).wrapping_mul(PRIME).rotate_left(29);
    let (words, rest) = bytes.as_chunks::<8>();
    let sum = words.iter().fold(bytes.len() as u64, |sum, word| mix(sum, u64::from_le_bytes(*word)));
    rest.iter().fold(sum, |sum, byte| mix(sum, u64::from(*byte)))
}

/// Takes fields off the front; `None` once there is too little, or something that cannot be.
struct Reader<'b> {
    rest: &'b [u8],
    oid_len: usize,
}

impl<'b> Reader<'b> {
    fn bytes(&mut self, len: usize) -> Option<&'b [u8]> {
        let (head, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*head)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn short(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn oid(&mut self) -> Option<Oid> {
        let len = self.oid_len;
        Oid::from_bytes(self.bytes(len)?).ok()
    }

    fn optional_oid(&mut self) -> Option<Option<Oid>> {
        if self.byte()? == 0 { Some(None) } else { self.oid().map(Some) }
    }

    fn mode(&mut self) -> Option<FileMode> {
        FileMode::from_raw(self.short()?).ok()
    }

    fn moment(&mut self) -> Option<Moment> {
        Some((self.array().map(i64::from_le_bytes)?, self.short()?))
    }

    fn stamp(&mut self) -> Option<Stamp> {
        Some(Stamp {
            size: self.number()?,
            mtime: self.moment()?,
            ctime: self.moment()?,
            ino: self.number()?,
            dev: self.number()?,
        })
    }

    fn block(&mut self) -> Option<Block<'b>> {
        let (len, sum) = (usize::try_from(self.number()?).ok()?, self.number()?);
        Some(Block { body: self.bytes(len)?, sum })
    }

    fn folder(&mut self) -> Option<Folder> {
        let len = usize::try_from(self.short()?).ok()?;
        let path = self.bytes(len)?.to_vec();
        let is_path = path.is_empty() || path.ends_with(b"/");
        is_path.then_some(Folder { path, stamp: self.optional_stamp()?, ignore: self.optional_stamp()? })
    }

    fn optional_stamp(&mut self) -> Option<Option<Stamp>> {
        if self.byte()? == 0 { Some(None) } else { self.stamp().map(Some) }
    }

    fn record(&mut self) -> Option<Record> {
        let flags = self.byte()?;
        let len = usize::try_from(self.short()?).ok()?;
        let path = RepoPath::new(self.bytes(len)?).ok()?;
        let mut tracked = None;
        if flags & TRACKED != 0 {
            tracked = Some(Tracked {
                mode: self.mode()?,
                oid: self.oid()?,
                skip_worktree: flags & SKIP_WORKTREE != 0,
                vouches: flags & VOUCHES != 0,
            });
        }
        let mut taken = None;
        if flags & TAKEN != 0 {
            let (mode, oid) = match tracked {
                Some(tracked) if flags & SAME != 0 => (tracked.mode, tracked.oid),
                _ => (self.mode()?, self.oid()?),
            };
            let stamp = if flags & STAMPED != 0 { Some(self.stamp()?) } else { None };
            taken = Some(Taken { mode, oid, stamp });
        }
        Some(Record { path, tracked, taken })
    }
}

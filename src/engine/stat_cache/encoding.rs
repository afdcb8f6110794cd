//! The bytes of the stat cache: magic and version, a block with the header and the folders, blocks of records, then what
//! later snapshots added, a block each. Each block has a checksum.
//!
//! Numbers are little-endian and of fixed width. Where anything up to the last block of records does not add up, it is no
//! cache. What was added counts as far as it is whole and continues what is before it: the rest is cut off, which leaves
//! the cache of an earlier snapshot.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use rayon::prelude::*;

use super::records::{self, Records, STAMP, get_stamp, stamp_bytes};
use super::{Change, End, Folder, IndexRecord, Record, Stamp, StatCache, State};
use crate::git::{ObjectFormat, Oid};

const MAGIC: &[u8; 8] = b"gsstat\0\x04";

/// Records in a block; blocks are checked in parallel.
const BLOCK: usize = 4096;

/// Bytes before the body of a block: its length and its checksum.
const BEFORE: usize = 16;

/// The whole file, in pieces: what comes before each run of records, and the run.
pub(super) fn encode<'r>(
    state: &State,
    folders: &[Folder],
    records: &'r Records,
    format: ObjectFormat,
) -> Vec<(Vec<u8>, Vec<&'r [u8]>)> {
    let encode_block = |n: usize| {
        let pieces = records.pieces(n * BLOCK..records.len().min((n + 1) * BLOCK));
        let len: usize = pieces.iter().map(|piece| piece.len()).sum();
        let mut before = [0; BEFORE];
        before[..8].copy_from_slice(&(len as u64).to_le_bytes());
        let sum = if let [piece] = pieces.as_slice() { checksum(piece) } else { checksum(&pieces.concat()) };
        before[8..].copy_from_slice(&sum.to_le_bytes());
        (before.to_vec(), pieces)
    };
    let blocks: Vec<_> = (0..records.len().div_ceil(BLOCK)).into_par_iter().map(encode_block).collect();
    let mut out = Vec::with_capacity(1024 + folders.len() * 160);
    out.extend_from_slice(MAGIC);
    put_block(&mut out, |out| {
        out.push(format.id_len() as u8);
        put_state(out, state);
        put_count(out, blocks.len());
        put_count(out, folders.len());
        folders.iter().for_each(|folder| put_folder(out, folder));
    });
    let mut parts = vec![(out, Vec::new())];
    parts.extend(blocks);
    parts
}

/// A block that makes the cache of this state, with these changes, of the one whose blocks give `chain`.
pub(super) fn encode_added(
    chain: u64,
    state: &State,
    folders: &[Change<&Folder>],
    records: &[Change<&Record>],
) -> Vec<u8> {
    let mut out = Vec::new();
    put_block(&mut out, |out| {
        out.extend_from_slice(&chain.to_le_bytes());
        put_state(out, state);
        put_changes(out, folders, put_folder);
        put_changes(out, records, |out, record| {
            records::put(out, record.path.as_bytes(), record.tracked, record.taken);
        });
    });
    out
}

/// What stands for all blocks once this one is added.
pub(super) fn chain_after(chain: u64, block: &[u8]) -> u64 {
    let sum = block.get(8..BEFORE).and_then(|sum| sum.try_into().ok()).map_or(0, u64::from_le_bytes);
    mix(chain, sum)
}

fn put_changes<T>(out: &mut Vec<u8>, changes: &[Change<&T>], put: impl Fn(&mut Vec<u8>, &T)) {
    put_count(out, changes.len());
    for change in changes {
        out.push(u8::from(matches!(change, Change::Put(_))));
        match change {
            Change::Put(value) => put(out, value),
            Change::Remove(path) => put_path(out, path),
        }
    }
}

/// Reads the whole file.
pub(super) fn decode(bytes: Vec<u8>, format: ObjectFormat) -> Option<StatCache> {
    let id_len = format.id_len();
    let mut file = Reader { bytes: &bytes, at: MAGIC.len(), id_len };
    if !bytes.starts_with(MAGIC) {
        return None;
    }
    let first = file.block()?;
    let mut head = first.checked(&bytes, id_len)?;
    if usize::from(head.byte()?) != id_len {
        return None;
    }
    let mut state = head.state()?;
    let blocks: Vec<Block> = (0..head.number()?).map(|_| file.block()).collect::<Option<_>>()?;
    let starts = || blocks.par_iter().map(|block| starts(&bytes, block, id_len)).collect::<Option<Vec<_>>>();
    let (folders, starts) = rayon::join(|| head.folders(), starts);
    let (mut folders, mut starts) = (folders?, starts?.concat());
    let mut chain = blocks.iter().fold(mix(0, first.sum), |chain, block| mix(chain, block.sum));
    let base = file.at;
    let mut whole = base;
    let (mut new_folders, mut new_records) = (BTreeMap::new(), BTreeMap::new());
    while let Some(block) = file.block()
        && let Some(added) = Added::read(&bytes, &block, chain, id_len)
    {
        (chain, whole, state) = (mix(chain, block.sum), file.at, added.state);
        new_folders.extend(added.folders);
        new_records.extend(added.records);
    }
    folders = changed(folders, new_folders, |folder, path| folder.path.as_slice().cmp(path));
    starts = changed(starts, new_records, |start, path| path_at(&bytes, *start, id_len).cmp(path));
    let end = End { chain, base, whole, is_torn: whole != bytes.len() };
    Some(StatCache { state, records: Records::of(bytes, starts, format), folders, end })
}

/// The path of the record at this place, which was read before.
fn path_at(bytes: &[u8], at: usize, id_len: usize) -> &[u8] {
    records::whole(&bytes[at..], id_len).map_or(&[], |len| records::path_of(&bytes[at..at + len], id_len))
}

/// Where the records of a block begin.
fn starts(bytes: &[u8], block: &Block, id_len: usize) -> Option<Vec<usize>> {
    let mut reader = block.checked(bytes, id_len)?;
    let mut starts = Vec::with_capacity(BLOCK);
    while !reader.is_at_end() {
        starts.push(reader.record()?);
    }
    Some(starts)
}

/// A list in order after changes, each by its path; `None` removes.
fn changed<T>(
    mut list: Vec<T>,
    mut changes: BTreeMap<Vec<u8>, Option<T>>,
    order: impl Fn(&T, &[u8]) -> Ordering,
) -> Vec<T> {
    // Almost always nothing came or went.
    changes.retain(|key, change| match (list.binary_search_by(|item| order(item, key)), change.take()) {
        (Ok(place), Some(new)) => {
            list[place] = new;
            false
        }
        (Err(_), None) => false,
        (_, new) => {
            *change = new;
            true
        }
    });
    if changes.is_empty() {
        return list;
    }
    let mut merged = Vec::with_capacity(list.len() + changes.len());
    let mut changes = changes.into_iter().peekable();
    for item in list {
        while let Some((_, new)) = changes.next_if(|(key, _)| order(&item, key).is_gt()) {
            merged.extend(new);
        }
        match changes.next_if(|(key, _)| order(&item, key).is_eq()) {
            Some((_, new)) => merged.extend(new),
            None => merged.push(item),
        }
    }
    merged.extend(changes.filter_map(|(_, new)| new));
    merged
}

/// What one later snapshot added.
struct Added {
    state: State,
    folders: Vec<(Vec<u8>, Option<Folder>)>,
    /// By where they begin.
    records: Vec<(Vec<u8>, Option<usize>)>,
}

impl Added {
    /// `None` where the block is damaged, or does not go on from `chain`: then it was made of another cache.
    fn read(bytes: &[u8], block: &Block, chain: u64, id_len: usize) -> Option<Self> {
        let mut reader = block.checked(bytes, id_len)?;
        if reader.number()? != chain {
            return None;
        }
        let state = reader.state()?;
        let folders = reader.changes(|reader| reader.folder().map(|folder| (folder.path.clone(), folder)))?;
        let records = reader.changes(|reader| {
            let start = reader.record()?;
            Some((path_at(bytes, start, id_len).to_vec(), start))
        })?;
        reader.is_at_end().then_some(Self { state, folders, records })
    }
}

/// Its length and its checksum come before it.
fn put_block(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; BEFORE]);
    fill(out);
    let (head, body) = out[start..].split_at_mut(BEFORE);
    head[..8].copy_from_slice(&(body.len() as u64).to_le_bytes());
    head[8..].copy_from_slice(&checksum(body).to_le_bytes());
}

/// A block that was not checked yet.
struct Block {
    start: usize,
    end: usize,
    sum: u64,
}

impl Block {
    fn checked<'b>(&self, bytes: &'b [u8], id_len: usize) -> Option<Reader<'b>> {
        let sound = checksum(bytes.get(self.start..self.end)?) == self.sum;
        sound.then_some(Reader { bytes: &bytes[..self.end], at: self.start, id_len })
    }
}

fn put_state(out: &mut Vec<u8>, state: &State) {
    put_optional(out, state.tree);
    out.push(u8::from(state.index.is_some()));
    if let Some(index) = &state.index {
        out.extend_from_slice(&stamp_bytes(&index.stamp));
        out.extend_from_slice(index.staged.as_bytes());
        index.conflicts.iter().for_each(|stage| put_optional(out, *stage));
        put_optional(out, index.intended);
    }
    put_optional(out, state.rules);
}

fn put_folder(out: &mut Vec<u8>, folder: &Folder) {
    put_path(out, &folder.path);
    for stamp in [&folder.stamp, &folder.ignore] {
        out.push(u8::from(stamp.is_some()));
        stamp.iter().for_each(|stamp| out.extend_from_slice(&stamp_bytes(stamp)));
    }
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&(count as u64).to_le_bytes());
}

fn put_path(out: &mut Vec<u8>, path: &[u8]) {
    put_count(out, path.len());
    out.extend_from_slice(path);
}

fn put_optional(out: &mut Vec<u8>, oid: Option<Oid>) {
    out.push(u8::from(oid.is_some()));
    if let Some(oid) = oid {
        out.extend_from_slice(oid.as_bytes());
    }
}

const fn mix(sum: u64, word: u64) -> u64 {
    (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}

/// Not against an enemy, only against torn and foreign files; four words at a time because the file is large.
fn checksum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let (fours, last) = words.as_chunks::<4>();
    let (mut a, mut b, mut c, mut d) = (bytes.len() as u64, 1, 2, 3);
    for four in fours {
        a = mix(a, u64::from_le_bytes(four[0]));
        b = mix(b, u64::from_le_bytes(four[1]));
        c = mix(c, u64::from_le_bytes(four[2]));
        d = mix(d, u64::from_le_bytes(four[3]));
    }
    let sum = last.iter().fold(mix(mix(mix(a, b), c), d), |sum, word| mix(sum, u64::from_le_bytes(*word)));
    rest.iter().fold(sum, |sum, byte| mix(sum, u64::from(*byte)))
}

/// Takes fields off the front; `None` once there is too little, or something that cannot be.
struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
    id_len: usize,
}

impl<'b> Reader<'b> {
    fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    fn bytes(&mut self, len: usize) -> Option<&'b [u8]> {
        let end = self.at.checked_add(len)?;
        let bytes = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(bytes)
    }

    fn byte(&mut self) -> Option<u8> {
        self.bytes(1).map(|bytes| bytes[0])
    }

    fn number(&mut self) -> Option<u64> {
        self.bytes(8)?.first_chunk().map(|raw| u64::from_le_bytes(*raw))
    }

    fn count(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    fn oid(&mut self) -> Option<Oid> {
        let len = self.id_len;
        Oid::from_bytes(self.bytes(len)?).ok()
    }

    fn optional_oid(&mut self) -> Option<Option<Oid>> {
        if self.byte()? == 0 { Some(None) } else { self.oid().map(Some) }
    }

    fn stamp(&mut self) -> Option<Stamp> {
        self.bytes(STAMP).and_then(get_stamp)
    }

    fn optional_stamp(&mut self) -> Option<Option<Stamp>> {
        if self.byte()? == 0 { Some(None) } else { self.stamp().map(Some) }
    }

    fn block(&mut self) -> Option<Block> {
        let (len, sum) = (self.count()?, self.number()?);
        let start = self.at;
        self.bytes(len)?;
        Some(Block { start, end: self.at, sum })
    }

    fn state(&mut self) -> Option<State> {
        let tree = self.optional_oid()?;
        let index = match self.byte()? {
            0 => None,
            _ => Some(IndexRecord {
                stamp: self.stamp()?,
                staged: self.oid()?,
                conflicts: [self.optional_oid()?, self.optional_oid()?, self.optional_oid()?],
                intended: self.optional_oid()?,
            }),
        };
        Some(State { tree, index, rules: self.optional_oid()? })
    }

    fn path(&mut self) -> Option<&'b [u8]> {
        let len = self.count()?;
        self.bytes(len)
    }

    fn folder(&mut self) -> Option<Folder> {
        let path = self.path()?.to_vec();
        let is_path = path.is_empty() || path.ends_with(b"/");
        is_path.then_some(Folder { path, stamp: self.optional_stamp()?, ignore: self.optional_stamp()? })
    }

    fn folders(&mut self) -> Option<Vec<Folder>> {
        let count = self.count()?;
        let mut folders: Vec<Folder> = Vec::with_capacity(count.min(self.bytes.len()));
        for _ in 0..count {
            let folder = self.folder()?;
            if folders.last().is_some_and(|last| last.path >= folder.path) {
                return None;
            }
            folders.push(folder);
        }
        self.is_at_end().then_some(folders)
    }

    /// Where a record begins that ends within the block.
    fn record(&mut self) -> Option<usize> {
        let start = self.at;
        let len = records::whole(&self.bytes[start..], self.id_len)?;
        self.at += len;
        Some(start)
    }

    fn changes<T>(&mut self, put: impl Fn(&mut Self) -> Option<(Vec<u8>, T)>) -> Option<Vec<(Vec<u8>, Option<T>)>> {
        let mut changes = Vec::new();
        for _ in 0..self.number()? {
            changes.push(match self.byte()? {
                0 => (self.path()?.to_vec(), None),
                _ => put(self).map(|(path, value)| (path, Some(value)))?,
            });
        }
        Some(changes)
    }
}

//! How much a pulled chain may hold. Generous for what people make, and small enough that judging and reading one ends in
//! seconds and in a bounded memory, whatever a stranger made.
//!
//! What compresses well costs a stranger nothing to send, so every repetition counts.

use super::Judged;

/// Checkpoints that are new in one chain.
const LONGEST_CHAIN: usize = 200_000;
/// Bytes of a commit: a message, and its parents.
pub(super) const LARGEST_COMMIT: u64 = 1 << 20;
/// Bytes of one tree object.
pub(super) const LARGEST_TREE: u64 = 64 << 20;
/// Files of one tree, counted as a restore would write them.
pub(super) const MOST_FILES: u64 = 2_000_000;
/// Directories within directories.
pub(super) const DEEPEST: usize = 1_024;
/// Bytes of a path; what the operating system takes.
pub(super) const LONGEST_PATH: usize = 4_000;
/// Bytes of one name in a path.
pub(super) const LONGEST_NAME: usize = 255;
/// Bytes of all records of one checkpoint.
pub(super) const RECORDS: u64 = 64 << 20;
/// Bytes of all transcripts of one checkpoint.
pub(super) const TRANSCRIPTS: u64 = 512 << 20;
/// Bytes of one piece of a transcript; a single record of an agent may be large.
pub(super) const LARGEST_PIECE: u64 = 64 << 20;
/// Rows and pieces that their numbering has room for.
pub(super) const MOST_NUMBERED: u32 = 1 << 16;
/// Characters of an id that an agent gave.
pub(super) const LONGEST_NATIVE: usize = 200;
/// The largest count of anything: what JSON readers of every kind take.
pub(super) const MOST: u64 = 1 << 53;

/// Bytes that one record of this name in a session tree may have.
pub(super) fn largest_record(name: &[u8]) -> u64 {
    match name {
        b"manifest.json" => 64 << 10,
        b"session.json" => 1 << 20,
        b"state.json" => 4 << 20,
        b"skipped.json" => 8 << 20,
        _ => 16 << 20,
    }
}

/// Bytes of a turn's row.
pub(super) const LARGEST_ROW: u64 = 1 << 20;

/// What may still be spent on a chain: it grows with each checkpoint, so that the whole is linear.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    checkpoints: usize,
    entries: u64,
    bytes: u64,
}

impl Budget {
    /// At the beginning.
    pub const fn of_a_chain() -> Self {
        Self { checkpoints: 0, entries: 4_000_000, bytes: 128 << 20 }
    }

    /// One more checkpoint.
    pub fn checkpoint(&mut self) -> Judged<()> {
        self.checkpoints += 1;
        self.entries += 1_000;
        self.bytes += 512 << 10;
        if self.checkpoints > LONGEST_CHAIN {
            return Err(format!("the chain has more than {LONGEST_CHAIN} checkpoints"));
        }
        Ok(())
    }

    /// Entries of a tree that is read.
    pub fn entries(&mut self, n: u64) -> Judged<()> {
        self.entries = self.entries.checked_sub(n).ok_or("its trees have too many entries to look at")?;
        Ok(())
    }

    /// Bytes of records that are read.
    pub fn bytes(&mut self, n: u64) -> Judged<()> {
        self.bytes = self.bytes.checked_sub(n).ok_or("its records have too many bytes to read")?;
        Ok(())
    }
}

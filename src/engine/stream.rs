//! Transcripts in pieces: append-only, byte for byte, a byte written at most twice.
//!
//! Pieces end at a line end and hold at most 256 KiB; a longer record gets its own. Only the last one may end in the middle
//! of a line, and the next save replaces it. Once the pieces after the last full segment pass 256 KiB they are folded.

use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::{Result, layout};
use crate::base::Error as BaseError;
use crate::base::supplied::{self, Links};
use crate::git::tree::Edit;
use crate::git::{FileMode, Objects, Oid};
use crate::model::session::Stream;

/// Bytes of a full segment.
pub const SEGMENT: usize = 256 * 1024;
/// Bytes of the largest transcript that is stored, and of the longest record in one.
const LARGEST: u64 = 2 << 30;
const RECORD: u64 = 64 << 20;
/// Bytes before the end that are compared on each turn.
const TAIL: u64 = 16 * 1024;

/// How much of what is stored is compared with the file before it is appended to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Size and the last 16 KiB.
    Tail,
    /// Everything.
    Full,
}

/// What storing a file's present content takes.
#[derive(Clone, Debug)]
pub struct Update {
    /// The stream afterwards.
    pub stream: Stream,
    /// Edits of the session tree.
    pub edits: Vec<Edit>,
    /// Where the stored bytes now differ from before; the old length where they only grew.
    pub from: u64,
    /// The file's inode.
    pub inode: u64,
}

/// Where bytes come from: an agent's file, or memory.
#[derive(Debug)]
pub enum Source<'a> {
    /// A file that may grow while it is read; what it holds when opened is taken.
    File(&'a Path),
    /// A file that we are about to write.
    Bytes(&'a [u8]),
}

/// Compares the source with what is stored and prepares what is new. `None` where nothing is.
///
/// # Errors
/// The file cannot be read; it being absent is an [`BaseError::Io`] that says so.
pub fn prepare(
    objects: &Objects,
    tree: Option<Oid>,
    stored: Option<&Stream>,
    id: &str,
    source: &Source<'_>,
    check: Check,
) -> Result<Option<Update>> {
    let mut input = Input::open(source)?;
    let stored = match (tree, stored) {
        (Some(tree), Some(stream)) => Some((tree, stream)),
        _ => None,
    };
    let Some((tree, old)) = stored else {
        let empty = Stream { id: id.to_owned(), bytes: 0, pieces: 0, sealed: 0, sealed_bytes: 0 };
        return write_after(objects, &empty, &mut input, 0).map(Some);
    };
    if old.bytes <= input.len {
        let grown = append(objects, tree, old, &mut input, check)?;
        if let Grown::Yes(update) = grown {
            return Ok(update);
        }
    }
    rewrite(objects, tree, old, &mut input).map(Some)
}

enum Grown {
    Yes(Option<Update>),
    NoLongerAPrefix,
}

/// The common case: what is stored is a prefix of the file. Only pieces that the check asks for are read.
fn append(objects: &Objects, tree: Oid, old: &Stream, input: &mut Input<'_>, check: Check) -> Result<Grown> {
    let open = layout::pieces(objects, tree, old, old.sealed)?;
    let mut last = None;
    let mut at = old.bytes;
    for n in (0..old.pieces).rev() {
        if check == Check::Tail && old.bytes - at >= TAIL {
            break;
        }
        let oid = match n.checked_sub(old.sealed) {
            Some(n) => open.get(n as usize).copied(),
            None => layout::pieces(objects, tree, old, n)?.first().copied(),
        };
        let Some(oid) = oid else { return Ok(Grown::NoLongerAPrefix) };
        let piece = objects.read_blob(oid)?;
        let from = at.checked_sub(piece.len() as u64);
        let Some(from) = from else { return Ok(Grown::NoLongerAPrefix) };
        if input.range(from, at)? != piece {
            return Ok(Grown::NoLongerAPrefix);
        }
        at = from;
        last = last.or(Some(piece));
    }
    if input.len == old.bytes {
        return Ok(Grown::Yes(None));
    }
    if input.len - old.sealed_bytes > SEGMENT as u64 {
        return Ok(Grown::Yes(Some(write_after(objects, old, input, old.bytes)?)));
    }
    // One new piece; it takes over a last piece that ended in the middle of a line.
    let torn = last.filter(|piece| !piece.ends_with(b"\n"));
    let n = if torn.is_some() { old.pieces - 1 } else { old.pieces };
    let piece = [torn.unwrap_or_default(), input.from(old.bytes)?].concat();
    let edit = (layout::piece(&old.id, n)?, Some((FileMode::File, objects.write_blob(&piece)?)));
    let stream = Stream { bytes: input.len, pieces: n + 1, ..old.clone() };
    Ok(Grown::Yes(Some(Update { stream, edits: vec![edit], from: old.bytes, inode: input.inode })))
}

/// The agent rewrote its file: the full segments that still fit are kept, the rest is stored anew.
fn rewrite(objects: &Objects, tree: Oid, old: &Stream, input: &mut Input<'_>) -> Result<Update> {
    let mut kept = Stream { sealed: 0, sealed_bytes: 0, ..old.clone() };
    for oid in layout::pieces(objects, tree, old, 0)?.into_iter().take(old.sealed as usize) {
        let piece = objects.read_blob(oid)?;
        let end = kept.sealed_bytes + piece.len() as u64;
        if end > input.len || input.range(kept.sealed_bytes, end)? != piece {
            break;
        }
        kept.sealed += 1;
        kept.sealed_bytes = end;
    }
    let from = kept.sealed_bytes;
    write_after(objects, &kept, input, from)
}

/// Stores what comes after the full segments of `old` as the pieces from there on, all but the last being full segments, and
/// removes old ones beyond. No more than a record and a segment is held at a time.
fn write_after(objects: &Objects, old: &Stream, input: &mut Input<'_>, from: u64) -> Result<Update> {
    let mut edits = Vec::new();
    let mut stream = Stream { pieces: old.sealed, bytes: old.sealed_bytes, ..old.clone() };
    let mut put = |stream: &mut Stream, segment: &[u8]| -> Result<()> {
        let blob = objects.write_blob(segment)?;
        edits.push((layout::piece(&old.id, stream.pieces)?, Some((FileMode::File, blob))));
        stream.pieces += 1;
        stream.bytes += segment.len() as u64;
        Ok(())
    };
    let (mut at, mut held) = (old.sealed_bytes, Vec::new());
    while at < input.len {
        // As much again as is held: a long record is gone through a few times only.
        let end = at.saturating_add(held.len().max(2 * SEGMENT) as u64).min(input.len);
        let read = input.range(at, end)?;
        at = if read.is_empty() { input.len } else { at + read.len() as u64 };
        held.extend_from_slice(&read);
        let segments = segments(&held);
        // The last one may go on.
        let Some((last, whole)) = segments.split_last() else { continue };
        for segment in whole {
            put(&mut stream, segment)?;
            stream.sealed += 1;
            stream.sealed_bytes += segment.len() as u64;
        }
        if last.len() as u64 > RECORD {
            return Err(BaseError::TooLarge { path: input.name(), most: RECORD }.into());
        }
        held = last.to_vec();
    }
    if !held.is_empty() {
        put(&mut stream, &held)?;
    }
    for n in stream.pieces..old.pieces {
        edits.push((layout::piece(&old.id, n)?, None));
    }
    Ok(Update { stream, edits, from, inode: input.inode })
}

/// Whether a file begins with all that is stored of a stream. Piece by piece.
pub fn begins_with(objects: &Objects, tree: Oid, stored: &Stream, file: &Path) -> Result<bool> {
    let mut input = match Input::open(&Source::File(file)) {
        Ok(input) => input,
        Err(super::Error::Base(BaseError::NotPlain { .. } | BaseError::TooLarge { .. })) => return Ok(false),
        Err(super::Error::Base(e)) if e.is_absent() => return Ok(false),
        Err(e) => return Err(e),
    };
    if input.len < stored.bytes {
        return Ok(false);
    }
    let mut at = 0;
    for oid in layout::pieces(objects, tree, stored, 0)? {
        let piece = objects.read_blob(oid)?;
        let end = at + piece.len() as u64;
        if end > input.len || input.range(at, end)? != piece {
            return Ok(false);
        }
        at = end;
    }
    Ok(at == stored.bytes)
}

/// Cuts at line ends into stretches of at most 256 KiB; a longer line stands alone; the last may lack its line end.
fn segments(bytes: &[u8]) -> Vec<&[u8]> {
    let mut out = Vec::new();
    let (mut start, mut end) = (0, 0);
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        if end > start && end - start + line.len() > SEGMENT {
            out.push(&bytes[start..end]);
            start = end;
        }
        end += line.len();
    }
    if end > start {
        out.push(&bytes[start..end]);
    }
    out
}

/// A source of known length that can be read in ranges.
struct Input<'a> {
    file: Option<(File, &'a Path)>,
    bytes: &'a [u8],
    len: u64,
    inode: u64,
}

impl<'a> Input<'a> {
    fn open(source: &Source<'a>) -> Result<Self> {
        match *source {
            Source::Bytes(bytes) => Ok(Self { file: None, bytes, len: bytes.len() as u64, inode: 0 }),
            Source::File(path) => {
                let file = supplied::open(path, Links::Refuse)?;
                let meta = file.metadata().map_err(BaseError::io("read the transcript", path))?;
                if meta.len() > LARGEST {
                    return Err(BaseError::TooLarge { path: path.to_owned(), most: LARGEST }.into());
                }
                Ok(Self { file: Some((file, path)), bytes: &[], len: meta.len(), inode: meta.ino() })
            }
        }
    }

    /// What it is called in messages.
    fn name(&self) -> std::path::PathBuf {
        self.file.as_ref().map_or_else(|| "the transcript".into(), |(_, path)| path.to_path_buf())
    }

    fn from(&mut self, at: u64) -> Result<Vec<u8>> {
        self.range(at, self.len)
    }

    /// Bytes from `start` to `end`; fewer where the file was cut meanwhile.
    fn range(&mut self, start: u64, end: u64) -> Result<Vec<u8>> {
        let Some((file, path)) = &mut self.file else {
            let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(self.bytes.len());
            return Ok(self.bytes[at(start)..at(end.max(start))].to_vec());
        };
        let room = end.min(self.len).saturating_sub(start);
        let most = end.saturating_sub(start);
        let read = file.seek(SeekFrom::Start(start)).and_then(|_| supplied::bounded(file, room, most));
        Ok(read.map_err(BaseError::io("read the transcript", *path))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_end_at_line_ends_and_a_long_record_stands_alone() {
        let long = vec![b'x'; SEGMENT + 5];
        let mut bytes = b"one\ntwo\n".to_vec();
        bytes.extend_from_slice(&long);
        bytes.extend_from_slice(b"\nthree\nfou");
        let cut = segments(&bytes);
        assert_eq!(cut.concat(), bytes);
        assert_eq!(cut.iter().map(|s| s.len()).collect::<Vec<_>>(), [8, SEGMENT + 6, 9]);
        assert!(segments(b"").is_empty());
    }
}

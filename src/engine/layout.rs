//! Where things lie in a session tree (docs/storage-format.md), and reading them.

use super::{Error, Result, local};
use crate::base::RepoPath;
use crate::git::{Error as GitError, FileMode, Objects, Oid, tree};
use crate::model::filters::Filters;
use crate::model::session::Stream;
use crate::model::snapshot::Modes;
use crate::model::{Manifest, Session, Skipped, StateRecord, TurnRow, codec};

/// A path of the session tree; the parts are ours and always valid.
fn path(text: &str) -> Result<RepoPath> {
    Ok(RepoPath::new(text)?)
}

/// `manifest.json`.
pub fn manifest() -> Result<RepoPath> {
    path("manifest.json")
}

/// `session.json`.
pub fn session() -> Result<RepoPath> {
    path("session.json")
}

/// `state.json`.
pub fn state() -> Result<RepoPath> {
    path("state.json")
}

/// `skipped.json`.
pub fn skipped() -> Result<RepoPath> {
    path("skipped.json")
}

/// `filters`: which files went through which filter driver.
pub fn filters() -> Result<RepoPath> {
    path("filters")
}

/// `raw/<path>`: the bytes of a file that its filter driver would lose.
pub fn raw(of: &RepoPath) -> Result<RepoPath> {
    Ok(path("raw")?.join(of.as_bytes())?)
}

/// `modes`.
pub fn modes() -> Result<RepoPath> {
    path("modes")
}

/// `exclude`: the ignore rules that lay outside of the tree.
pub fn exclude() -> Result<RepoPath> {
    path("exclude")
}

/// `index`: the staged tree.
pub fn index() -> Result<RepoPath> {
    path("index")
}

/// `index-conflicts/<stage>`.
pub fn index_conflict(stage: u8) -> Result<RepoPath> {
    path(&format!("index-conflicts/{stage}"))
}

/// `index-intended`: what is to be added (`git add -N`).
pub fn index_intended() -> Result<RepoPath> {
    path("index-intended")
}

/// `turns/NN/NN`: row `n`, from 0, in the order of writing.
pub fn row(n: u32) -> Result<RepoPath> {
    path(&format!("turns/{:02x}/{:02x}", n >> 8, n & 0xff))
}

/// `chat/<stream>`.
pub fn stream(id: &str) -> Result<RepoPath> {
    path(&format!("chat/{}", local::component(id)))
}

/// `chat/<stream>/NNNN/NNNN`: piece `n`, from 0.
pub fn piece(id: &str, n: u32) -> Result<RepoPath> {
    path(&format!("chat/{}/{:04x}/{:04x}", local::component(id), n >> 8, n & 0xff))
}

/// The blob at a path of a session tree; `None` where there is none.
pub fn read_blob(objects: &Objects, tree: Oid, at: &RepoPath) -> Result<Option<Vec<u8>>> {
    match tree::lookup(objects, tree, at)? {
        Some((mode, oid)) if mode.is_blob() => Ok(Some(objects.read_blob(oid)?)),
        Some(_) => Err(GitError::Damaged { what: format!("{at} in a session tree is no file") }.into()),
        None => Ok(None),
    }
}

/// Reads and checks the manifest, then `session.json`.
pub fn read_session(objects: &Objects, tree: Oid) -> Result<Session> {
    let need = |at: RepoPath| -> Result<Vec<u8>> {
        read_blob(objects, tree, &at)?
            .ok_or_else(|| GitError::Damaged { what: format!("a session tree without {at}") }.into())
    };
    Manifest::decode(&need(manifest()?)?)?;
    Ok(codec::decode("session.json", &need(session()?)?)?)
}

/// Reads `skipped.json`; nothing skipped where it is absent.
pub fn read_skipped(objects: &Objects, tree: Oid) -> Result<Skipped> {
    match read_blob(objects, tree, &skipped()?)? {
        Some(bytes) => Ok(codec::decode("skipped.json", &bytes)?),
        None => Ok(Skipped::default()),
    }
}

/// Reads `state.json`; `None` where it is absent.
pub fn read_state(objects: &Objects, tree: Oid) -> Result<Option<StateRecord>> {
    let bytes = read_blob(objects, tree, &state()?)?;
    Ok(bytes.map(|bytes| codec::decode("state.json", &bytes)).transpose()?)
}

/// Reads `filters`; `None` where nobody recorded it.
pub fn read_filters(objects: &Objects, tree: Oid) -> Result<Option<Filters>> {
    let bytes = read_blob(objects, tree, &filters()?)?;
    Ok(bytes.map(|bytes| codec::decode("filters", &bytes)).transpose()?)
}

/// Reads `modes`; none where it is absent.
pub fn read_modes(objects: &Objects, tree: Oid) -> Result<Modes> {
    match read_blob(objects, tree, &modes()?)? {
        Some(bytes) => Ok(codec::decode("modes", &bytes)?),
        None => Ok(Modes::default()),
    }
}

/// Reads `exclude`; no rules where it is absent.
pub fn read_exclude(objects: &Objects, tree: Oid) -> Result<Vec<u8>> {
    Ok(read_blob(objects, tree, &exclude()?)?.unwrap_or_default())
}

/// Reads one row.
pub fn read_row(objects: &Objects, tree: Oid, n: u32) -> Result<TurnRow> {
    let at = row(n)?;
    let bytes = read_blob(objects, tree, &at)?
        .ok_or_else(|| GitError::Damaged { what: format!("a session tree without {at}") })?;
    Ok(codec::decode("a turn row", &bytes)?)
}

/// Reads the rows from row `from` on, in the order of writing.
pub fn read_rows(objects: &Objects, tree: Oid, session: &Session, from: u32) -> Result<Vec<TurnRow>> {
    (from..session.rows).map(|n| read_row(objects, tree, n)).collect()
}

/// The rows of the live stream with their places, in the order of turns. The last row of a turn wins.
pub fn live_rows(session: &Session, rows: &[TurnRow]) -> Vec<(u32, TurnRow)> {
    session.agent.live.as_deref().map(|live| rows_of(live, rows)).unwrap_or_default()
}

/// The rows of any stream, as [`live_rows`] are those of the live one.
pub fn rows_of(stream: &str, rows: &[TurnRow]) -> Vec<(u32, TurnRow)> {
    let mut found: Vec<(u32, TurnRow)> = Vec::new();
    for (n, row) in (0_u32..).zip(rows) {
        if row.stream == stream {
            // Turns ascend, so those that this row replaces are at the end.
            while found.last().is_some_and(|(_, last)| last.turn >= row.turn) {
                found.pop();
            }
            found.push((n, row.clone()));
        }
    }
    found
}

/// The ids of a stream's pieces from piece `from` on, in order.
pub fn pieces(objects: &Objects, tree: Oid, stream: &Stream, from: u32) -> Result<Vec<Oid>> {
    let mut oids = Vec::new();
    for fan in (from >> 8)..=(stream.pieces.saturating_sub(1) >> 8) {
        let folder = self::stream(&stream.id)?.join(format!("{fan:04x}").as_bytes())?;
        let Some((FileMode::Tree, oid)) = tree::lookup(objects, tree, &folder)? else { break };
        let mut entries = objects.read_tree(oid)?;
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let skip = if fan == from >> 8 { (from & 0xff) as usize } else { 0 };
        oids.extend(entries.into_iter().skip(skip).map(|e| e.oid));
    }
    if oids.len() != (stream.pieces - from.min(stream.pieces)) as usize {
        return Err(GitError::Damaged { what: format!("the transcript {} lacks pieces", stream.id) }.into());
    }
    Ok(oids)
}

/// Bytes of the longest conversation that is put together in memory, to be cut or written anew.
pub const LONGEST: u64 = 256 << 20;

/// A whole stream: the agent's file, byte for byte.
///
/// # Errors
/// One that is longer than [`LONGEST`], or not as long as its record says.
pub fn read_stream(objects: &Objects, tree: Oid, stream: &Stream) -> Result<Vec<u8>> {
    let damaged = |problem: &str| GitError::Damaged { what: format!("the transcript {} {problem}", stream.id) };
    if stream.bytes > LONGEST {
        return Err(Error::TooLong { what: format!("the conversation {}", stream.id), most: LONGEST });
    }
    let mut bytes: Vec<u8> = Vec::new();
    for oid in pieces(objects, tree, stream, 0)? {
        if bytes.len() as u64 + objects.blob_size(oid)? > stream.bytes {
            return Err(damaged("is longer than it was").into());
        }
        let piece = objects.read_blob(oid)?;
        bytes.try_reserve(piece.len()).map_err(|_| damaged("does not fit into memory"))?;
        bytes.extend_from_slice(&piece);
    }
    if bytes.len() as u64 != stream.bytes {
        return Err(damaged("is not as long as it was").into());
    }
    Ok(bytes)
}

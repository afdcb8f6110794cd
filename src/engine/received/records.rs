//! Records of a pulled checkpoint: each is of the form that its readers take, and what one counts is there. A record is read
//! once, however many checkpoints hold it.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::budget::{self, Budget};
use super::{Judged, said};
use crate::base::{RepoPath, SessionId};
use crate::engine::{Result, layout};
use crate::git::{FileMode, Objects, Oid, Repo, tree};
use crate::model::session::{Stream, Usage};
use crate::model::state::State;
use crate::model::{Checkpoint, Result as ModelResult, Session, StateRecord, TurnRow, codec};

/// Records that were read.
#[derive(Debug)]
pub(super) struct Records<'r> {
    repo: &'r Repo,
    good: HashSet<(&'static str, Oid)>,
    /// Rows of whole trees, by the tree of turns and how many are counted.
    rows: HashSet<(Oid, u32)>,
    /// Streams by the tree of their pieces.
    streams: HashMap<Oid, Stream>,
}

impl<'r> Records<'r> {
    /// Of one repository.
    pub fn new(repo: &'r Repo) -> Self {
        Self { repo, good: HashSet::new(), rows: HashSet::new(), streams: HashMap::new() }
    }

    /// The records of a checkpoint.
    pub fn judge(&mut self, checkpoint: &Checkpoint, is_tip: bool, budget: &mut Budget) -> Judged<()> {
        let tree = checkpoint.meta_tree;
        self.once("skipped.json", tree, budget, |objects| layout::read_skipped(objects, tree).map(drop))?;
        self.once("modes", tree, budget, |objects| layout::read_modes(objects, tree).map(drop))?;
        self.once("filters", tree, budget, |objects| layout::read_filters(objects, tree).map(drop))?;
        self.once("state.json", tree, budget, |objects| match layout::read_state(objects, tree)? {
            Some(record) => Ok(readable(record)?),
            None => Ok(()),
        })?;
        self.once("session.json", tree, budget, |_| Ok(()))?;
        let session = layout::read_session(&self.repo.objects, tree).map_err(said)?;
        self.session(checkpoint.session, &session)?;
        // A row is read again only where the turn is asked for; the newest checkpoint has them all.
        if is_tip {
            self.rows(checkpoint, &session, budget)?;
        }
        budget.entries(session.streams.len() as u64)?;
        session.streams.iter().try_for_each(|stream| self.stream(tree, stream))
    }

    /// Reads a record where it was not read before.
    fn once(
        &mut self,
        name: &'static str,
        tree: Oid,
        budget: &mut Budget,
        read: impl FnOnce(&Objects) -> Result<()>,
    ) -> Judged<()> {
        let objects = &self.repo.objects;
        let path = RepoPath::new(name).map_err(said)?;
        let Some((_, oid)) = tree::lookup(objects, tree, &path).map_err(said)? else { return Ok(()) };
        if self.good.insert((name, oid)) {
            budget.bytes(objects.blob_size(oid).map_err(said)?)?;
            read(objects).map_err(said)?;
        }
        Ok(())
    }

    /// A transcript: its pieces are there, and as long as is said.
    fn stream(&mut self, tree: Oid, stream: &Stream) -> Judged<()> {
        let objects = &self.repo.objects;
        let bad = |what: &str| Err(format!("the transcript {} {what}", stream.id));
        if stream.pieces > budget::MOST_NUMBERED || stream.sealed > stream.pieces || stream.sealed_bytes > stream.bytes
        {
            return bad("is miscounted");
        }
        let place = layout::stream(&stream.id).map_err(said)?;
        let folder = tree::lookup(objects, tree, &place).map_err(said)?.map(|(_, oid)| oid);
        if folder.is_some_and(|oid| self.streams.get(&oid).is_some_and(|good| good == stream)) {
            return Ok(());
        }
        let mut bytes: u64 = 0;
        for (n, piece) in (0..).zip(layout::pieces(objects, tree, stream, 0).map_err(said)?) {
            if n == stream.sealed && bytes != stream.sealed_bytes {
                return bad("is miscounted");
            }
            bytes = bytes.saturating_add(objects.blob_size(piece).map_err(said)?);
        }
        if bytes != stream.bytes {
            return bad(&format!("has {bytes} bytes and not {}", stream.bytes));
        }
        self.streams.extend(folder.map(|oid| (oid, stream.clone())));
        Ok(())
    }

    /// `session.json`.
    fn session(&self, id: SessionId, session: &Session) -> Judged<()> {
        if session.id != id {
            return Err(format!("its session.json is that of session {}", session.id));
        }
        let ids = session.agent.native_ids.iter().chain(&session.agent.live);
        if let Some(bad) = ids.chain(session.streams.iter().map(|s| &s.id)).find(|id| !is_native_id(id)) {
            return Err(format!("{:?} cannot be an agent's id", bad.chars().take(80).collect::<String>()));
        }
        if session.rows > budget::MOST_NUMBERED || session.turns > session.rows {
            return Err(format!("it counts {} turns in {} rows", session.turns, session.rows));
        }
        if !is_countable(session.usage) || session.active_ms > budget::MOST {
            return Err("it counts more than can be counted".to_owned());
        }
        Ok(())
    }

    /// All rows, one at a time.
    fn rows(&mut self, checkpoint: &Checkpoint, session: &Session, budget: &mut Budget) -> Judged<()> {
        let objects = &self.repo.objects;
        let place = RepoPath::new("turns").map_err(said)?;
        let turns = match tree::lookup(objects, checkpoint.meta_tree, &place).map_err(said)? {
            Some((FileMode::Tree, oid)) => oid,
            _ if session.rows == 0 => return Ok(()),
            _ => return Err("a session tree without turns".to_owned()),
        };
        if self.rows.contains(&(turns, session.rows)) {
            return Ok(());
        }
        let mut all = Vec::new();
        for fan in 0..=(session.rows.saturating_sub(1) >> 8) {
            let name = format!("{fan:02x}");
            let entries = objects.read_tree(turns).map_err(said)?;
            let found = entries.iter().find(|e| e.name == name.as_str() && e.mode == FileMode::Tree);
            let Some(folder) = found else { break };
            let mut rows = objects.read_tree(folder.oid).map_err(said)?;
            rows.sort_by(|a, b| a.name.cmp(&b.name));
            let named = (0_u32..).zip(&rows).all(|(n, row)| row.name == format!("{n:02x}").as_str());
            if !named {
                return Err("its rows of turns are not numbered".to_owned());
            }
            all.extend(rows.into_iter().map(|row| row.oid));
        }
        if all.len() < session.rows as usize {
            return Err(format!("it counts {} rows of turns and has {}", session.rows, all.len()));
        }
        for oid in all.into_iter().take(session.rows as usize) {
            if self.good.contains(&("turns", oid)) {
                continue;
            }
            let bytes = objects.read_blob(oid).map_err(said)?;
            budget.bytes(bytes.len() as u64)?;
            let row: TurnRow = codec::decode("a turn row", &bytes).map_err(said)?;
            if row.end.is_some_and(|end| end < row.start) || !is_countable(row.tokens) || row.turn == 0 {
                return Err(format!("the row of turn {} cannot be", row.turn));
            }
            self.good.insert(("turns", oid));
        }
        self.rows.insert((turns, session.rows));
        Ok(())
    }
}

/// Whether a state of what is stored can be made: values of the types that its readers take.
fn readable(record: StateRecord) -> ModelResult<()> {
    let state: State = codec::from_value("state.json", Value::Object(record.state))?;
    let mut set = Value::Object(record.set);
    without_nulls(&mut set);
    let set: State = codec::from_value("state.json", set)?;
    drop((state, set));
    Ok(())
}

/// A null in what was set gives a value back to what is derived. Values are nested no deeper than our reader takes.
fn without_nulls(value: &mut Value) {
    if let Value::Object(map) = value {
        map.retain(|_, value| !value.is_null());
        map.values_mut().for_each(without_nulls);
    }
}

/// Sums of such numbers are numbers.
fn is_countable(usage: Usage) -> bool {
    [usage.input, usage.output, usage.cache_read, usage.cache_write].iter().all(|n| *n <= budget::MOST)
}

/// Ids that go into file names and onto command lines of agents.
fn is_native_id(id: &str) -> bool {
    let safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    let is_plain = id.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    is_plain && id.len() <= budget::LONGEST_NATIVE && id.bytes().all(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_could_be_options_or_paths_are_refused() {
        for good in ["094320c0-d68c-4670-b77b-7456115d8c99", "s1", "a.agent-ad25c39ccca495976", "user:1"] {
            assert!(is_native_id(good), "{good}");
        }
        for bad in ["", "-x", "--resume", "../x", "a/b", "a b", ".git", "a\n", "$(x)", &"a".repeat(201)] {
            assert!(!is_native_id(bad), "{bad:?}");
        }
    }
}

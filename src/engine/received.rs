//! What came from a remote, judged as hostile input before any ref of ours moves.
//!
//! A chain is good where every new checkpoint reads, the trailers tell the truth about parents, numbers fall by one down to a
//! chain that is known already (or to 1), records are of a version and size that we read, and no tree holds a path that could
//! leave the work tree. What is judged good may still say foolish things in words; those are only ever shown.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::{Error, layout, store};
use crate::base::SessionId;
use crate::base::repo_path::is_safe_part;
use crate::git::{Commit, FileMode, Objects, Oid, Repo};
use crate::model::{Checkpoint, Session};

/// Checkpoints of one chain.
const LONGEST_CHAIN: usize = 1_000_000;
/// Files of one tree, counted as a restore would write them.
const MOST_FILES: u64 = 10_000_000;
/// Folders within folders; deeper than any path that the operating system takes.
const DEEPEST: usize = 2_048;
/// Bytes of one record.
const LARGEST_RECORD: u64 = 16 * 1024 * 1024;
/// Bytes of one piece of a transcript; a single record of an agent may be large.
const LARGEST_PIECE: u64 = 512 * 1024 * 1024;
/// Rows and pieces that their numbering has room for.
const MOST_NUMBERED: u32 = 1 << 16;
/// Characters of an id that an agent gave.
const LONGEST_NATIVE: usize = 200;

/// Why a chain is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The commit at which it was found.
    pub at: Oid,
    /// What is wrong, a sentence without its end.
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (commit {})", self.problem, self.at.short())
    }
}

/// Judges chains; remembers the trees that it has seen, so that common ones are read once.
#[derive(Debug)]
pub struct Judge<'r> {
    repo: &'r Repo,
    files: HashMap<(Oid, Holds), u64>,
    sizes: HashMap<Oid, u64>,
}

/// What a tree is of; decides how large its blobs may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Holds {
    Code,
    Records,
    Pieces,
}

type Judged<T> = std::result::Result<T, String>;

impl<'r> Judge<'r> {
    /// For one repository.
    pub fn new(repo: &'r Repo) -> Self {
        Self { repo, files: HashMap::new(), sizes: HashMap::new() }
    }

    /// Judges the chain that ends in `tip` and is said to be that of `session`, down to the first commit of `known`. The
    /// new checkpoints, the newest first.
    ///
    /// # Errors
    /// The first fault that was found, from the tip down.
    pub fn chain(
        &mut self,
        session: SessionId,
        tip: Oid,
        known: &HashSet<Oid>,
    ) -> std::result::Result<Vec<Checkpoint>, Fault> {
        let mut new: Vec<Checkpoint> = Vec::new();
        let mut next = Some(tip);
        while let Some(oid) = next {
            let fault = |problem| Fault { at: oid, problem };
            let commit = self.commit(oid).map_err(fault)?;
            let checkpoint = Checkpoint::from_commit(&commit).map_err(|e| fault(e.to_string()))?;
            match new.last() {
                Some(newer) => self.link(newer, &checkpoint).map_err(|problem| Fault { at: newer.commit, problem })?,
                None if checkpoint.session != session => {
                    return Err(fault(format!("it says that it is of session {}", checkpoint.session)));
                }
                None => {}
            }
            if known.contains(&oid) {
                return Ok(new);
            }
            if new.len() >= LONGEST_CHAIN {
                return Err(fault("the chain is longer than any session".to_owned()));
            }
            self.checkpoint(&commit, &checkpoint, new.is_empty()).map_err(fault)?;
            next = checkpoint.previous.first().copied();
            if next.is_none() && checkpoint.number != 1 {
                return Err(fault(format!("the chain begins with checkpoint {}", checkpoint.number)));
            }
            new.push(checkpoint);
        }
        Ok(new)
    }

    /// A checkpoint and the one before it.
    fn link(&self, newer: &Checkpoint, older: &Checkpoint) -> Judged<()> {
        if newer.number != older.number + 1 {
            return Err(format!("checkpoint {} follows checkpoint {}", newer.number, older.number));
        }
        if newer.session != older.session && newer.parent_session.is_none() {
            return Err(format!("the chain goes over from session {} without a fork", older.session));
        }
        if newer.code != older.code && self.commit(newer.code)?.parents != [older.code] {
            return Err("the code commit does not follow the one before".to_owned());
        }
        let commit = self.commit(newer.commit)?;
        if newer.base.is_some_and(|base| Some(base) != older.base && !commit.parents.contains(&base)) {
            return Err("its trailer Base names a commit that is no parent of it".to_owned());
        }
        Ok(())
    }

    /// One checkpoint for itself.
    fn checkpoint(&mut self, commit: &Commit, checkpoint: &Checkpoint, is_tip: bool) -> Judged<()> {
        if checkpoint.previous.len() > 2 || checkpoint.number == 0 {
            return Err("it is no checkpoint of a chain".to_owned());
        }
        if let Some(m) = checkpoint.movement
            && [Some(m.from), Some(m.target), m.redone].iter().flatten().any(|n| *n >= checkpoint.number)
        {
            return Err("it goes back to a checkpoint that is not before it".to_owned());
        }
        let code = self.commit(checkpoint.code)?;
        if code.parents.len() > 1 {
            return Err(format!("its code commit has {} parents", code.parents.len()));
        }
        let begins = checkpoint.previous.is_empty();
        if begins
            && checkpoint.base.is_some_and(|base| !code.parents.contains(&base) && !commit.parents.contains(&base))
        {
            return Err("its trailer Base names a commit that is no parent of it".to_owned());
        }
        self.tree(code.tree, Holds::Code, 0)?;
        self.tree(checkpoint.meta_tree, Holds::Records, 0)?;
        let objects = &self.repo.objects;
        let session = layout::read_session(objects, checkpoint.meta_tree).map_err(said)?;
        if session.id != checkpoint.session {
            return Err(format!("its session.json is that of session {}", session.id));
        }
        self.record(checkpoint, &session, is_tip)
    }

    /// `session.json` and what it counts.
    fn record(&mut self, checkpoint: &Checkpoint, session: &Session, is_tip: bool) -> Judged<()> {
        let objects = &self.repo.objects;
        let ids = session.agent.native_ids.iter().chain(&session.agent.live);
        if let Some(bad) = ids.chain(session.streams.iter().map(|s| &s.id)).find(|id| !is_native_id(id)) {
            return Err(format!("{bad:?} cannot be an agent's id"));
        }
        if session.rows > MOST_NUMBERED {
            return Err(format!("it counts {} turns", session.rows));
        }
        // A row is read again only where the turn is asked for; the newest checkpoint has them all.
        if is_tip {
            layout::read_rows(objects, checkpoint.meta_tree, session, 0).map_err(said)?;
        }
        layout::read_skipped(objects, checkpoint.meta_tree).map_err(said)?;
        layout::read_modes(objects, checkpoint.meta_tree).map_err(said)?;
        for stream in &session.streams {
            let bad = |what: &str| Err(format!("the transcript {} {what}", stream.id));
            if stream.pieces > MOST_NUMBERED || stream.sealed > stream.pieces || stream.sealed_bytes > stream.bytes {
                return bad("is miscounted");
            }
            let mut bytes: u64 = 0;
            for (n, piece) in (0..).zip(layout::pieces(objects, checkpoint.meta_tree, stream, 0).map_err(said)?) {
                if n == stream.sealed && bytes != stream.sealed_bytes {
                    return bad("is miscounted");
                }
                bytes = bytes.saturating_add(self.size(piece)?);
            }
            if bytes != stream.bytes {
                return bad(&format!("has {bytes} bytes and not {}", stream.bytes));
            }
        }
        Ok(())
    }

    /// Paths, modes and sizes of a tree; how many files a restore of it would write.
    fn tree(&mut self, oid: Oid, holds: Holds, depth: usize) -> Judged<u64> {
        if let Some(files) = self.files.get(&(oid, holds)) {
            return Ok(*files);
        }
        if depth > DEEPEST {
            return Err(format!("tree {} is deeper than any path can be", oid.short()));
        }
        let entries = self.repo.objects.read_tree(oid).map_err(said)?;
        let mut names = HashSet::with_capacity(entries.len());
        let mut files: u64 = 0;
        for entry in &entries {
            if !is_safe_part(entry.name.as_ref()) {
                return Err(format!("tree {} holds the name {:?}", oid.short(), entry.name));
            }
            if !names.insert(&entry.name) {
                return Err(format!("tree {} holds the name {:?} twice", oid.short(), entry.name));
            }
            let below = match (holds, depth) {
                (Holds::Records, 0) if entry.name == "chat" => Holds::Pieces,
                // The index and its conflicts are trees of code.
                (Holds::Records, 0) if entry.name.starts_with(b"index") => Holds::Code,
                _ => holds,
            };
            files = files.saturating_add(match entry.mode {
                FileMode::Tree => self.tree(entry.oid, below, depth + 1)?,
                _ => 1,
            });
            let largest = match below {
                Holds::Code => continue,
                Holds::Records => LARGEST_RECORD,
                Holds::Pieces => LARGEST_PIECE,
            };
            let is_record = entry.mode.is_blob();
            if is_record && self.size(entry.oid)? > largest {
                return Err(format!("{:?} in a session tree is larger than any record", entry.name));
            }
        }
        if files > MOST_FILES {
            return Err(format!("tree {} holds more than {MOST_FILES} files", oid.short()));
        }
        self.files.insert((oid, holds), files);
        Ok(files)
    }

    fn size(&mut self, blob: Oid) -> Judged<u64> {
        if let Some(size) = self.sizes.get(&blob) {
            return Ok(*size);
        }
        let size = self.repo.objects.blob_size(blob).map_err(said)?;
        self.sizes.insert(blob, size);
        Ok(size)
    }

    fn commit(&self, oid: Oid) -> Judged<Commit> {
        self.repo.objects.read_commit(oid).map_err(said)
    }
}

/// Ids that go into file names and onto command lines of agents.
fn is_native_id(id: &str) -> bool {
    let safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    id.len() <= LONGEST_NATIVE && id.bytes().all(safe) && id.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
}

fn said(error: impl Into<Error>) -> String {
    error.into().to_string()
}

/// The session commits of a chain that is ours already.
///
/// # Errors
/// Part of it cannot be read.
pub fn known_commits(repo: &Repo, tips: impl IntoIterator<Item = Oid>) -> super::Result<HashSet<Oid>> {
    let mut known = HashSet::new();
    for tip in tips {
        let mut next = Some(tip);
        while let Some(oid) = next.filter(|oid| known.insert(*oid)) {
            next = store::checkpoint(repo, oid)?.previous.first().copied();
        }
    }
    Ok(known)
}

/// Whether a tip that was promised came at all.
pub fn is_here(objects: &Objects, tip: Oid) -> bool {
    tip.format() == objects.format() && objects.exists(tip)
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

//! Links from commits of the project to checkpoints: notes in `git notes` form, under a ref of our own.
//!
//! A note holds one line a checkpoint: session, number, session commit. Lines of others are kept. Existing fan-out (folders
//! of two digits) is read and kept; a note list that grew long gets one level. git carries notes over to amended and rebased
//! commits by itself (`notes.rewriteRef`).

use bstr::ByteSlice as _;

use super::writers::Writers;
use super::{Error, Result};
use crate::base::{RepoPath, SessionId, Timestamp};
use crate::git::{Error as GitError, Expected, FileMode, NewCommit, Oid, RefEdit, RefName, Repo, committer, tree};
use crate::model::Checkpoint;

/// Entries from which on a new note goes into a folder.
const FAN_OUT: usize = 256;
/// Lost races before giving up.
const TRIES: usize = 5;

/// One line of a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The session.
    pub session: SessionId,
    /// Number of the checkpoint.
    pub number: u64,
    /// Its session commit.
    pub commit: Oid,
}

impl Link {
    /// To this checkpoint.
    pub const fn to(checkpoint: &Checkpoint) -> Self {
        Self { session: checkpoint.session, number: checkpoint.number, commit: checkpoint.commit }
    }

    /// The line, without its end.
    pub fn line(&self) -> String {
        format!("{} {} {}", self.session, self.number, self.commit)
    }

    fn parse(line: &[u8]) -> Option<Self> {
        let mut words = line.to_str().ok()?.split_ascii_whitespace();
        let (session, number, commit) = (words.next()?, words.next()?, words.next()?);
        if words.next().is_some() {
            return None;
        }
        Some(Self {
            session: SessionId::parse(session).ok()?,
            number: number.parse().ok()?,
            commit: Oid::parse(commit).ok()?,
        })
    }
}

/// The links of a commit, in the order of its note's lines.
pub fn read(repo: &Repo, commit: Oid) -> Result<Vec<Link>> {
    let Some(tip) = repo.refs.read(&RefName::notes())? else { return Ok(Vec::new()) };
    let root = repo.objects.read_commit(tip)?.tree;
    links_at(repo, root, commit)
}

fn links_at(repo: &Repo, root: Oid, commit: Oid) -> Result<Vec<Link>> {
    let found = place(repo, root, commit)?.1;
    let note = found.map(|oid| repo.objects.read_blob(oid)).transpose()?.unwrap_or_default();
    Ok(note.lines().filter_map(Link::parse).collect())
}

/// Those of these commits that no link is noted of.
pub fn unlinked(repo: &Repo, commits: &[Oid]) -> Result<Vec<Oid>> {
    let tip = if commits.is_empty() { None } else { repo.refs.read(&RefName::notes())? };
    let Some(tip) = tip else { return Ok(commits.to_vec()) };
    let root = repo.objects.read_commit(tip)?.tree;
    let mut unlinked = Vec::new();
    for commit in commits {
        if links_at(repo, root, *commit)?.is_empty() {
            unlinked.push(*commit);
        }
    }
    Ok(unlinked)
}

/// Adds a link to the notes of these commits, in one step; whether there was anything to add.
///
/// # Errors
/// Another writer that kept winning.
pub fn link(repo: &Repo, writers: &mut Writers<'_>, commits: &[Oid], link: Link, now: Timestamp) -> Result<bool> {
    let name = RefName::notes();
    let mut tries = 0;
    loop {
        tries += 1;
        let tip = repo.refs.read(&name)?;
        let root = match tip {
            Some(tip) => repo.objects.read_commit(tip)?.tree,
            None => repo.objects.format().empty_tree(),
        };
        let mut edits = Vec::new();
        for commit in commits {
            let (path, found) = place(repo, root, *commit)?;
            let mut note = found.map(|oid| repo.objects.read_blob(oid)).transpose()?.unwrap_or_default();
            if note.lines().any(|line| Link::parse(line) == Some(link)) {
                continue;
            }
            if !note.is_empty() && !note.ends_with(b"\n") {
                note.push(b'\n');
            }
            note.extend_from_slice(format!("{}\n", link.line()).as_bytes());
            edits.push((path, Some((FileMode::File, repo.objects.write_blob(&note)?))));
        }
        if edits.is_empty() {
            return Ok(false);
        }
        let tree = tree::edit(&repo.objects, root, edits)?;
        let offset = now.local_offset();
        let new = repo.objects.write_commit(&NewCommit {
            tree,
            parents: tip.as_slice(),
            author: &repo.author(now, offset)?,
            committer: &committer(now, offset),
            message: b"Notes added by git-session\n",
        })?;
        let edit = RefEdit {
            name: name.clone(),
            new: Some(new),
            expected: tip.map_or(Expected::Absent, Expected::Exactly),
            message: format!("notes: checkpoint {}", link.number),
        };
        match writers.update(&edit) {
            Ok(()) => return Ok(true),
            // git itself writes here too, when it carries notes over.
            Err(Error::Git(GitError::Lost { .. })) if tries < TRIES => {}
            Err(e) => return Err(e),
        }
    }
}

/// Where the note of a commit is, or would be put, and its blob.
fn place(repo: &Repo, root: Oid, commit: Oid) -> Result<(RepoPath, Option<Oid>)> {
    let digits = commit.to_string();
    let (mut tree, mut taken) = (root, 0);
    let mut path = String::new();
    loop {
        let entries = repo.objects.read_tree(tree)?;
        let rest = &digits[taken..];
        if let Some(leaf) = entries.iter().find(|e| e.name == rest && e.mode.is_blob()) {
            return Ok((RepoPath::new(format!("{path}{rest}").as_str())?, Some(leaf.oid)));
        }
        let folder = |e: &&tree::TreeEntry| e.mode == FileMode::Tree && e.name.len() == 2;
        let pair = &rest[..2.min(rest.len())];
        if let Some(below) = entries.iter().filter(folder).find(|e| e.name == pair) {
            path.push_str(&format!("{pair}/"));
            (tree, taken) = (below.oid, taken + 2);
            continue;
        }
        if entries.len() >= FAN_OUT || entries.iter().any(|e| folder(&e)) {
            path.push_str(&format!("{pair}/"));
            taken += 2;
        }
        return Ok((RepoPath::new(format!("{path}{}", &digits[taken..]).as_str())?, None));
    }
}

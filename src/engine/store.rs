//! The store of checkpoints: reads a session's tip, appends to it. Objects first, then checks, then the ref by compare-and-swap.
//!
//! A checkpoint is two commits (docs/storage-format.md): the code, a plain linear history, and the session commit on top of it.
//! Without news nothing is written.

use bstr::{BString, ByteSlice as _};

use super::passed::PassedFiles;
use super::writers::Writers;
use super::{Error, Result, layout};
use crate::base::{RepoPath, SessionId, Timestamp};
use crate::git::tree::Edit;
use crate::git::{
    Error as GitError, Expected, FileMode, Head, NewCommit, Oid, RefEdit, RefName, RemoteKey, Repo, tree,
};
use crate::model::checkpoint::{Movement, code_message};
use crate::model::filters::{Bytes, Filters};
use crate::model::snapshot::Modes;
use crate::model::{Checkpoint, Kind, Manifest, Scope, Session, Skipped, StateRecord, codec};

/// The newest checkpoint of a session, with what its trees say.
#[derive(Clone, Debug)]
pub struct Tip {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Its session record.
    pub session: Session,
    /// The tree of its code commit.
    pub code_tree: Oid,
}

/// All sessions that have a head, with their tips' ids, in the order of their ids.
pub fn heads(repo: &Repo) -> Result<Vec<(SessionId, Oid)>> {
    let refs = repo.refs.list(RefName::session_heads_prefix())?;
    Ok(refs.into_iter().filter_map(|(name, oid)| Some((name.as_session_head()?, oid))).collect())
}

/// Sessions whose head is there and names no object.
pub fn broken_heads(repo: &Repo) -> Result<Vec<SessionId>> {
    let refs = repo.refs.broken(RefName::session_heads_prefix())?;
    Ok(refs.iter().filter_map(RefName::as_session_head).collect())
}

/// Sessions that were deleted here.
pub fn deleted(repo: &Repo) -> Result<Vec<SessionId>> {
    let refs = repo.refs.list(RefName::trash_prefix())?;
    Ok(refs.iter().filter_map(|(name, _)| name.as_deleted()).collect())
}

/// A session's tip; `None` where there is no such session.
pub fn tip(repo: &Repo, id: SessionId) -> Result<Option<Tip>> {
    repo.refs.read(&RefName::session_head(id))?.map(|oid| load(repo, oid)).transpose()
}

/// What was fetched: sessions of remotes with their tips, in the order of remotes and ids.
pub fn tracked(repo: &Repo) -> Result<Vec<(RemoteKey, SessionId, Oid)>> {
    let refs = repo.refs.list(RefName::tracking_prefix())?;
    Ok(refs.into_iter().filter_map(|(name, oid)| name.as_tracking().map(|(key, id)| (key, id, oid))).collect())
}

/// The checkpoint of a session commit.
pub fn checkpoint(repo: &Repo, oid: Oid) -> Result<Checkpoint> {
    Ok(Checkpoint::from_commit(&repo.objects.read_commit(oid)?)?)
}

/// The tree of a checkpoint's code.
pub fn code_tree(repo: &Repo, checkpoint: &Checkpoint) -> Result<Oid> {
    Ok(repo.objects.read_commit(checkpoint.code)?.tree)
}

/// A session commit with its record.
pub fn load(repo: &Repo, oid: Oid) -> Result<Tip> {
    let checkpoint = checkpoint(repo, oid)?;
    let session = layout::read_session(&repo.objects, checkpoint.meta_tree)?;
    let code_tree = code_tree(repo, &checkpoint)?;
    Ok(Tip { checkpoint, session, code_tree })
}

/// The code of a draft.
#[derive(Clone, Debug)]
pub struct DraftCode {
    /// Files that went through filter drivers.
    pub passed: PassedFiles,
    /// The work tree.
    pub tree: Oid,
    /// How much was looked at.
    pub scope: Scope,
    /// What was left out.
    pub skipped: Skipped,
    /// The index and unusual permissions; `None` takes over those of the tip.
    pub extras: Option<Extras>,
}

/// What a full look also captured.
#[derive(Clone, Debug)]
pub struct Extras {
    /// The index, where it differs from HEAD.
    pub index: super::snapshot::IndexState,
    /// Unusual permissions.
    pub modes: Modes,
    /// The ignore rules that lie outside of the tree.
    pub exclude: Vec<u8>,
}

impl Extras {
    /// Of a full snapshot.
    pub fn of(taken: &super::Snapshot) -> Self {
        let modes = Modes::new(taken.umask, &taken.modes);
        Self { index: taken.index.clone(), modes, exclude: taken.exclude.clone() }
    }
}

/// A checkpoint to append.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Why.
    pub kind: Kind,
    /// The turn it belongs to.
    pub turn: Option<u32>,
    /// The code; `None` takes over the tip's.
    pub code: Option<DraftCode>,
    /// HEAD now.
    pub head: Head,
    /// What a rewind or redo did.
    pub movement: Option<Movement>,
    /// On a fork's first checkpoint: the session that was forked.
    pub parent_session: Option<SessionId>,
    /// First line of the prompt, or a title.
    pub title: String,
    /// The record as it will be.
    pub session: Session,
    /// Other edits of the session tree: rows, pieces of transcript.
    pub edits: Vec<Edit>,
    /// Now.
    pub now: Timestamp,
    /// Append even where nothing else is news (starts and ends of turns, rewinds, forks).
    pub always: bool,
}

/// What came of a draft.
#[derive(Clone, Debug)]
pub struct Appended {
    /// The tip afterwards.
    pub tip: Tip,
    /// Whether a checkpoint was made; otherwise the tip is the old one.
    pub news: bool,
}

/// Appends a checkpoint to `tip`, or begins a session where there is none. For a fork, `tip` is the fork point and
/// `draft.session.id` the new session.
///
/// # Errors
/// [`Error::Moved`] where another process appended meanwhile; nothing changed then.
pub fn append(repo: &Repo, writers: &mut Writers<'_>, tip: Option<&Tip>, draft: Draft) -> Result<Appended> {
    let number = tip.map_or(1, |t| t.checkpoint.number + 1);
    let new_session = tip.is_none_or(|t| t.session.id != draft.session.id);
    let tree = match (&draft.code, tip) {
        (Some(code), _) => code.tree,
        (None, Some(tip)) => tip.code_tree,
        (None, None) => repo.objects.format().empty_tree(),
    };
    let meta_tree = meta_tree(repo, tip, &draft)?;
    if let Some(tip) = tip
        && !new_session
        && !draft.always
        && !is_news(repo, tip, &draft, tree, meta_tree)?
    {
        return Ok(Appended { tip: tip.clone(), news: false });
    }

    let author = repo.author(draft.now, draft.now.local_offset())?;
    let committer = crate::git::signature::committer(draft.now, draft.now.local_offset());
    let session = draft.session.id;
    let code = match tip {
        Some(tip) if tip.code_tree == tree => tip.checkpoint.code,
        _ => {
            let parent = tip.map(|t| t.checkpoint.code).or(draft.head.commit);
            let before = match parent {
                Some(parent) => repo.objects.read_commit(parent)?.tree,
                None => repo.objects.format().empty_tree(),
            };
            let changed = changed_paths(repo, before, tree)?;
            repo.objects.write_commit(&NewCommit {
                tree,
                parents: parent.as_slice(),
                author: &author,
                committer: &committer,
                message: &code_message(draft.kind, number, session, changed.as_bstr()),
            })?
        }
    };

    let mut parents = vec![code];
    parents.extend(tip.map(|t| t.checkpoint.commit));
    let base_is_news = tip.is_some_and(|t| t.checkpoint.base != draft.head.commit);
    if let Some(base) = draft.head.commit
        && base_is_news
        && !parents.contains(&base)
    {
        parents.push(base);
    }
    let checkpoint = Checkpoint {
        commit: code,
        meta_tree,
        session,
        number,
        kind: draft.kind,
        turn: draft.turn,
        scope: draft.code.as_ref().map_or(Scope::Full, |c| c.scope),
        code,
        previous: tip.map(|t| t.checkpoint.commit).into_iter().collect(),
        base: draft.head.commit,
        head: draft.head.branch.as_ref().and_then(|b| b.as_branch()).map(BString::from),
        agent: draft.session.agent.kind.clone(),
        movement: draft.movement,
        parent_session: draft.parent_session,
        time: draft.now,
        title: crate::base::text::first_line(&draft.title, 60).into(),
        extra: Vec::new(),
    };
    let checkpoint = carry_scope(checkpoint, &draft, tip);
    let commit = repo.objects.write_commit(&NewCommit {
        tree: meta_tree,
        parents: &parents,
        author: &author,
        committer: &committer,
        message: &checkpoint.message(),
    })?;

    // Read back what was written before anything refers to it.
    let written = load(repo, commit)?;
    if written.session.id != session || written.checkpoint.number != number || written.code_tree != tree {
        return Err(GitError::Damaged { what: format!("the checkpoint just written, {commit}") }.into());
    }
    let expected = match tip {
        Some(tip) if !new_session => Expected::Exactly(tip.checkpoint.commit),
        _ => Expected::Absent,
    };
    let edit = RefEdit {
        name: RefName::session_head(session),
        new: Some(commit),
        expected,
        message: format!("session: {} {number}", draft.kind),
    };
    match writers.update(&edit) {
        Ok(()) => Ok(Appended { tip: written, news: true }),
        Err(Error::Git(GitError::Lost { .. })) => Err(Error::Moved(session)),
        Err(e) => Err(e),
    }
}

/// A checkpoint that takes over the tip's code also takes over how much of it was looked at.
fn carry_scope(mut checkpoint: Checkpoint, draft: &Draft, tip: Option<&Tip>) -> Checkpoint {
    if draft.code.is_none()
        && let Some(tip) = tip
    {
        checkpoint.scope = tip.checkpoint.scope;
        checkpoint.set_carried();
    }
    checkpoint
}

/// The session tree of a draft.
fn meta_tree(repo: &Repo, tip: Option<&Tip>, draft: &Draft) -> Result<Oid> {
    let objects = &repo.objects;
    let start = tip.map(|t| t.checkpoint.meta_tree);
    let mut edits = draft.edits.clone();
    let file = |path: RepoPath, bytes: &[u8]| -> Result<Edit> {
        Ok((path, Some((FileMode::File, objects.write_blob(bytes)?))))
    };
    if start.is_none() {
        edits.push(file(layout::manifest()?, &Manifest::default().encode()?)?);
    }
    // A tool's checkpoint takes over everything but its turn's row and what it looked at.
    if draft.kind != Kind::Tool || start.is_none() {
        edits.push(file(layout::session()?, &codec::encode("session.json", &draft.session)?)?);
    }
    if let Some(code) = &draft.code {
        edits.push(if code.skipped.is_empty() {
            (layout::skipped()?, None)
        } else {
            file(layout::skipped()?, &codec::encode("skipped.json", &code.skipped)?)?
        });
        if let Some(extras) = &code.extras {
            edits.push(file(layout::modes()?, &codec::encode("modes", &extras.modes)?)?);
            edits.push((layout::index()?, extras.index.staged.map(|t| (FileMode::Tree, t))));
            for (stage, tree) in (1_u8..).zip(extras.index.conflicts) {
                edits.push((layout::index_conflict(stage)?, tree.map(|t| (FileMode::Tree, t))));
            }
            edits.push(if extras.exclude.is_empty() {
                (layout::exclude()?, None)
            } else {
                file(layout::exclude()?, &extras.exclude)?
            });
            edits.push((layout::index_intended()?, extras.index.intended.map(|t| (FileMode::Tree, t))));
        }
    }
    let start = start.unwrap_or(objects.format().empty_tree());
    let (removed, set) = filter_edits(repo, tip, draft)?;
    // First what goes, so that a file can take the place of a folder and the other way round.
    let start = if removed.is_empty() { start } else { tree::edit(objects, start, removed)? };
    edits.extend(set);
    Ok(tree::edit(objects, start, edits)?)
}

/// What goes and what comes of `filters` and `raw/`.
fn filter_edits(repo: &Repo, tip: Option<&Tip>, draft: &Draft) -> Result<(Vec<Edit>, Vec<Edit>)> {
    let (mut removed, mut set) = (Vec::new(), Vec::new());
    let Some(code) = &draft.code else { return Ok((removed, set)) };
    let before = tip.map(|tip| layout::read_filters(&repo.objects, tip.checkpoint.meta_tree)).transpose()?.flatten();
    // What nobody recorded of the other files is not known.
    if before.is_none() && tip.is_some() && code.scope == Scope::Paths {
        return Ok((removed, set));
    }
    let record = code.passed.record(repo, before.as_ref())?;
    if Some(&record) != before.as_ref() {
        let blob = repo.objects.write_blob(&codec::encode("filters", &record)?)?;
        set.push((layout::filters()?, Some((FileMode::File, blob))));
    }
    for (path, _) in before.iter().flat_map(Filters::raw) {
        if record.paths.get(path).is_none_or(|now| now.bytes != Bytes::Raw) {
            removed.push((layout::raw(path)?, None));
        }
    }
    for (path, passed) in code.passed.looked_at.iter().filter(|(_, passed)| passed.bytes == Bytes::Raw) {
        set.push((layout::raw(path)?, Some((FileMode::File, passed.disk))));
    }
    Ok((removed, set))
}

/// Whether there is anything to tell: not times, not counters, but transcript bytes, code, index, HEAD, a full look after
/// a partial one, or anything else in the session tree.
fn is_news(repo: &Repo, tip: &Tip, draft: &Draft, tree: Oid, meta_tree: Oid) -> Result<bool> {
    let old = &tip.checkpoint;
    let head = draft.head.branch.as_ref().and_then(|b| b.as_branch()).map(BString::from);
    if tree != tip.code_tree || draft.head.commit != old.base || head != old.head {
        return Ok(true);
    }
    let fuller = draft.code.as_ref().is_some_and(|c| c.scope == Scope::Full) && old.scope != Scope::Full;
    if fuller {
        return Ok(true);
    }
    if meta_tree == old.meta_tree {
        return Ok(false);
    }
    // Something differs: is it more than the times and counters of session.json?
    let mut same = draft.session.clone();
    same.updated_at = tip.session.updated_at;
    same.clone.clone_from(&tip.session.clone);
    same.ended_at = tip.session.ended_at;
    same.usage = tip.session.usage;
    same.active_ms = tip.session.active_ms;
    same.turns = tip.session.turns;
    let quiet = codec::encode("session.json", &same)?;
    let blob = repo.objects.write_blob(&quiet)?;
    let mut calmed = vec![(layout::session()?, Some((FileMode::File, blob)))];
    // That the state now names the session's first checkpoint is none either.
    let state = |tree| layout::read_state(&repo.objects, tree);
    if let (Some(new), Some(before)) = (state(meta_tree)?, state(old.meta_tree)?)
        && new == (StateRecord { base: new.base, ..before })
    {
        calmed.push((layout::state()?, tree::lookup(&repo.objects, old.meta_tree, &layout::state()?)?));
    }
    Ok(tree::edit(&repo.objects, meta_tree, calmed)? != old.meta_tree)
}

/// The changed paths for a subject line, cut at 60 characters.
fn changed_paths(repo: &Repo, before: Oid, after: Oid) -> Result<BString> {
    let mut out = Vec::new();
    let changes = tree::diff(&repo.objects, before, after)?;
    for (at, change) in changes.iter().enumerate() {
        let name = crate::base::text::sanitise_bytes(change.path.as_bytes());
        if at > 0 && out.len() + name.len() + 2 > 60 {
            out.extend_from_slice(format!(" and {} more", changes.len() - at).as_bytes());
            break;
        }
        if at > 0 {
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(name.as_bytes());
    }
    Ok(out.into())
}

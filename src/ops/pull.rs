//! `pull [REMOTE]`: what a remote has of sessions comes here, is judged, and moves what it may: tracking refs, and heads that
//! exist and can be fast-forwarded. It never makes a head: that happens on resume, rewind or fork.
//!
//! Where a session went on here and there, the remote's line keeps the id and one's own goes on as a fork. Every step can be
//! cut short: the next pull finds what is done and does the rest.

use std::collections::HashSet;

use serde::Serialize;

use super::{App, Caller, Result, find, settle};
use crate::base::SessionId;
use crate::engine::received::{Judge, is_here, known_commits};
use crate::engine::store::Tip;
use crate::engine::writers::Writers;
use crate::engine::{diverged, local, store};
use crate::git::remote::{Advertised, Direction};
use crate::git::{Expected, Oid, RefEdit, RefName, Remote, whole};

/// Where to pull from.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A remote or a URL; the default one where `None`.
    pub remote: Option<String>,
}

/// What became of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Case {
    /// It was not known here.
    New,
    /// Nothing has changed there.
    Same,
    /// One's own line is ahead.
    Ahead,
    /// It went on there.
    FastForward,
    /// It went on there, and another way here: one's own line is a fork now.
    Diverged,
    /// Its line there was replaced by another.
    Replaced,
    /// It cannot be taken.
    Quarantined,
}

/// One session of the remote.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Its id.
    pub id: SessionId,
    /// What became of it.
    pub case: Case,
    /// Its title, where it can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Checkpoints that came now.
    pub checkpoints: usize,
    /// Whether it is one's own too.
    pub own: bool,
    /// The fork that one's own line goes on as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fork: Option<SessionId>,
    /// Why it was not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What came.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The remote.
    pub remote: String,
    /// Its URLs, masked.
    pub urls: Vec<String>,
    /// Its sessions, in the order of their ids.
    pub sessions: Vec<Row>,
    /// Refs there that are no sessions.
    pub odd: Vec<String>,
}

/// Pulls.
pub fn run(app: &App<'_>, options: &Options) -> Result<Outcome> {
    let asks = app.caller == Caller::Explicit;
    let remote = Remote::find(&app.repo, options.remote.as_deref(), Direction::Fetch, asks)?;
    let there = remote.advertised(&app.repo)?;
    let mut failed = bring(app, &remote, &there)?;
    let cut = cut_short(app, &remote, &there)?;
    let _lock = app.lock_worktree()?;
    settle::settle(app)?;
    let mut writers = app.writers()?;
    let mut judge = Judge::new(&app.repo);
    let mut sessions = Vec::with_capacity(there.sessions.len());
    for (id, tip) in &there.sessions {
        let problem = failed.iter().position(|(f, _)| f == id).map(|at| failed.swap_remove(at).1);
        let row = match problem {
            Some(problem) => Err(problem),
            None => one(app, &mut writers, &mut judge, &remote, (*id, *tip), cut.contains(id))?,
        };
        sessions.push(row.unwrap_or_else(|problem| Row {
            id: *id,
            case: Case::Quarantined,
            title: None,
            checkpoints: 0,
            own: false,
            fork: None,
            problem: Some(problem),
        }));
    }
    Ok(Outcome { remote: remote.name, urls: remote.urls, sessions, odd: there.odd })
}

/// Brings the objects that are not here. Where that fails as a whole, each session is tried for itself, so that one that
/// the remote cannot give does not keep the others away; those that fail are returned with git's words.
fn bring(app: &App<'_>, remote: &Remote, there: &Advertised) -> Result<Vec<(SessionId, String)>> {
    // One that came without all that it stands on may be whole there by now.
    let cut = cut_short(app, remote, there)?;
    let is_missing = |(id, tip): &&(SessionId, Oid)| !is_here(&app.repo.objects, *tip) || cut.contains(id);
    let missing: Vec<SessionId> = there.sessions.iter().filter(is_missing).map(|(id, _)| *id).collect();
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let Err(whole) = remote.fetch(&app.repo, &missing) else { return Ok(Vec::new()) };
    if missing.len() == 1 {
        // It may be this session alone that cannot be had: the remote itself just answered.
        return match remote.advertised(&app.repo) {
            Ok(_) => Ok(vec![(missing[0], whole.to_string())]),
            Err(gone) => Err(gone.into()),
        };
    }
    let mut failed = Vec::new();
    for id in &missing {
        if let Err(e) = remote.fetch(&app.repo, &[*id]) {
            failed.push((*id, e.to_string()));
        }
    }
    if failed.len() == missing.len() { Err(whole.into()) } else { Ok(failed) }
}

/// Sessions that came without all that they stand on.
fn cut_short(app: &App<'_>, remote: &Remote, there: &Advertised) -> Result<Vec<SessionId>> {
    let repo = &app.repo;
    let mut new = Vec::new();
    for (id, tip) in &there.sessions {
        let names = [RefName::tracking(&remote.key, *id), RefName::session_head(*id)];
        let known = [repo.refs.read(&names[0])?, repo.refs.read(&names[1])?];
        if !known.contains(&Some(*tip)) && is_here(&repo.objects, *tip) {
            new.push((*id, *tip));
        }
    }
    let tips: Vec<Oid> = new.iter().map(|(_, tip)| *tip).collect();
    if whole::is_whole(repo, &tips)? {
        return Ok(Vec::new());
    }
    let mut cut = Vec::new();
    for (id, tip) in new {
        if !whole::is_whole(repo, &[tip])? {
            cut.push(id);
        }
    }
    Ok(cut)
}

/// One session: judged, then moved as far as it may be. The inner error is why it is quarantined.
fn one(
    app: &App<'_>,
    writers: &mut Writers<'_>,
    judge: &mut Judge<'_>,
    remote: &Remote,
    (id, there): (SessionId, Oid),
    is_cut: bool,
) -> Result<std::result::Result<Row, String>> {
    let repo = &app.repo;
    let tracking = RefName::tracking(&remote.key, id);
    let (tracked, head) = (repo.refs.read(&tracking)?, repo.refs.read(&RefName::session_head(id))?);
    let title = |oid: Oid| store::load(repo, oid).ok().and_then(|tip| tip.session.title);
    let row = |case, checkpoints| Row {
        id,
        case,
        title: title(there),
        checkpoints,
        own: head.is_some(),
        fork: None,
        problem: None,
    };
    if tracked == Some(there) && (head.is_none() || head == Some(there)) {
        return Ok(Ok(row(Case::Same, 0)));
    }
    if !is_here(&repo.objects, there) {
        return Ok(Err("the remote promised it and did not send it; it may have moved meanwhile".to_owned()));
    }
    let known = match known_commits(repo, tracked.into_iter().chain(head)) {
        Ok(known) => known,
        Err(e) => return Ok(Err(format!("what is here of it cannot be read: {e}"))),
    };
    let new = match judge.chain(id, there, &known) {
        Ok(new) => new,
        Err(fault) => return Ok(Err(fault.to_string())),
    };
    if is_cut {
        let problem = "the remote has only a part of what it stands on: perhaps its history is cut (a shallow clone)";
        return Ok(Err(problem.to_owned()));
    }
    if tracked != Some(there) {
        let expected = tracked.map_or(Expected::Absent, Expected::Exactly);
        writers.update(&RefEdit { name: tracking, new: Some(there), expected, message: "session pull".to_owned() })?;
    }
    let Some(head) = head else {
        let case = match tracked {
            None => Case::New,
            Some(before) if repo.objects.is_ancestor(before, there)? => Case::FastForward,
            Some(_) => Case::Replaced,
        };
        return Ok(Ok(row(case, new.len())));
    };
    if head == there {
        return Ok(Ok(row(Case::Same, new.len())));
    }
    // The chain alone decides: a merge of the project's commits may make more reachable.
    if known_commits(repo, [head])?.contains(&there) {
        return Ok(Ok(row(Case::Ahead, 0)));
    }
    let theirs = known_commits(repo, [there])?;
    if theirs.contains(&head) {
        move_head(writers, id, head, there)?;
        return Ok(Ok(row(Case::FastForward, new.len())));
    }
    let own = store::load(repo, head)?;
    let fork = part(app, writers, &own, &theirs, there)?;
    Ok(Ok(Row { fork: Some(fork), ..row(Case::Diverged, new.len()) }))
}

/// The remote's line keeps the id; one's own goes on as a fork, and whatever followed it follows it there.
fn part(app: &App<'_>, writers: &mut Writers<'_>, own: &Tip, theirs: &HashSet<Oid>, there: Oid) -> Result<SessionId> {
    let id = own.session.id;
    let head = own.checkpoint.commit;
    let parting = diverged::parting(&app.repo, head, theirs)?.ok_or(crate::engine::Error::Moved(id))?;
    let (fork, tip, is_there) = diverged::fork(&app.repo, own, &parting)?;
    if !is_there {
        let name = RefName::session_head(fork);
        let message = format!("session pull: own line of {id}");
        writers.update(&RefEdit { name, new: Some(tip), expected: Expected::Absent, message })?;
    }
    local::follow(&app.repo, id, fork)?;
    // Agents whose ids were never cached here go on there as well.
    for native in &own.session.agent.native_ids {
        if local::native(&app.repo, native)?.is_none() {
            local::set_native(
                &app.repo,
                native,
                &local::Native { session: fork, transcript: None, inode: None, resumes: None },
            )?;
        }
    }
    move_head(writers, id, head, there)?;
    Ok(fork)
}

fn move_head(writers: &mut Writers<'_>, id: SessionId, from: Oid, to: Oid) -> Result<()> {
    let name = RefName::session_head(id);
    let message = "session pull".to_owned();
    writers.update(&RefEdit { name, new: Some(to), expected: Expected::Exactly(from), message })?;
    Ok(())
}

/// How many were found of a case.
pub fn count(outcome: &Outcome, case: Case) -> usize {
    outcome.sessions.iter().filter(|row| row.case == case).count()
}

/// Whether the default session of this worktree is one that goes on as a fork now; said, because names moved.
pub fn current_fork(app: &App<'_>, outcome: &Outcome) -> Result<Option<SessionId>> {
    let current = find::default(app)?;
    Ok(outcome.sessions.iter().filter_map(|row| row.fork).find(|fork| Some(*fork) == current))
}

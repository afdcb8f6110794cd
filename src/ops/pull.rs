//! `pull [REMOTE]`: what a remote has of sessions comes here, is judged, and moves what it may: tracking refs, and heads that
//! exist and can be fast-forwarded. It never makes a head: that happens on resume, rewind or fork.
//!
//! Where a session went on here and there, the remote's line keeps the id and one's own goes on as a fork. Every step can be
//! cut short: the next pull finds what is done and does the rest. All of it is linear in what is new, whatever the remote says
//! that it has; judging holds no lock.

mod bring;
mod here;

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use self::here::Here;
use super::{App, Caller, Result, find, settle};
use crate::base::SessionId;
use crate::engine::received::{Chain, Judge, is_here};
use crate::engine::store::Tip;
use crate::engine::writers::Writers;
use crate::engine::{diverged, local, store, theirs};
use crate::git::remote::Direction;
use crate::git::{Expected, Oid, RefEdit, RefName, Remote};

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
    /// It was deleted here.
    Deleted,
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

impl Row {
    fn new(id: SessionId, case: Case) -> Self {
        Self { id, case, title: None, checkpoints: 0, own: false, fork: None, problem: None }
    }

    fn quarantined(id: SessionId, problem: String) -> Self {
        Self { problem: Some(problem), ..Self::new(id, Case::Quarantined) }
    }
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
    /// Refs there that are no sessions; the first of them.
    pub odd: Vec<String>,
    /// Sessions there that are more than are looked at in one pull.
    pub left: usize,
}

/// Pulls.
pub fn run(app: &App<'_>, options: &Options) -> Result<Outcome> {
    let asks = app.caller == Caller::Explicit;
    let remote = Remote::find(&app.repo, options.remote.as_deref(), Direction::Fetch, asks)?;
    let there = remote.advertised(&app.repo)?;
    let before = Here::read(app, &remote)?;
    let (wanted, deleted, left) = here::choose(&there.sessions, &before);
    let mut failed = bring::all(app, &remote, &before, &wanted)?;
    let cut = bring::cut_short(app, &before, &wanted)?;
    let judged = judge(app, &before, &wanted, &cut, &mut failed);

    let _lock = app.lock_worktree()?;
    settle::settle(app)?;
    let mut pull =
        Pull { app, remote: &remote, here: Here::read(app, &remote)?, writers: app.writers()?, tracking: Vec::new() };
    let mut sessions: Vec<Row> = deleted.into_iter().map(|id| Row::new(id, Case::Deleted)).collect();
    for ((id, tip), judged) in wanted.iter().zip(judged) {
        sessions.push(match judged {
            Ok(chain) => pull.one(*id, *tip, chain).unwrap_or_else(|failure| {
                Row::quarantined(*id, format!("what is here of it stands in the way: {failure}"))
            }),
            Err(problem) => Row::quarantined(*id, problem),
        });
    }
    let lost = pull.track()?;
    for row in sessions.iter_mut() {
        if let Some(problem) = lost.get(&row.id) {
            *row = Row::quarantined(row.id, problem.clone());
        }
    }
    sessions.sort_by_key(|row| row.id);
    let odd = there.odd.into_iter().take(here::MOST_ODD).collect();
    Ok(Outcome { remote: remote.name.clone(), urls: remote.urls.clone(), sessions, odd, left })
}

/// What is new of each session, or why it is not taken. Moves nothing and holds no lock.
fn judge(
    app: &App<'_>,
    before: &Here,
    wanted: &[(SessionId, Oid)],
    cut: &HashSet<SessionId>,
    failed: &mut HashMap<SessionId, String>,
) -> Vec<std::result::Result<Chain, String>> {
    let mut judge = Judge::new(&app.repo, before.known());
    let mut one = |id: SessionId, tip: Oid| {
        if let Some(problem) = failed.remove(&id) {
            return Err(problem);
        }
        if before.tracked.get(&id) == Some(&tip) {
            return Ok(Chain { new: 0, met: Some(tip) });
        }
        if !is_here(&app.repo.objects, tip) {
            return Err("the remote promised it and did not send it; it may have moved meanwhile".to_owned());
        }
        let chain = judge.chain(id, tip).map_err(|fault| fault.to_string())?;
        if cut.contains(&id) {
            return Err(
                "the remote has only a part of what it stands on: perhaps its history is cut (a shallow clone)"
                    .to_owned(),
            );
        }
        Ok(chain)
    };
    wanted.iter().map(|(id, tip)| one(*id, *tip)).collect()
}

/// A pull that moves refs.
struct Pull<'a> {
    app: &'a App<'a>,
    remote: &'a Remote,
    here: Here,
    writers: Writers<'a>,
    /// Tracking refs to move at the end, together.
    tracking: Vec<RefEdit>,
}

impl Pull<'_> {
    /// One session that was judged, moved as far as it may be.
    fn one(&mut self, id: SessionId, there: Oid, chain: Chain) -> Result<Row> {
        let repo = &self.app.repo;
        let (tracked, head) = (self.here.tracked.get(&id).copied(), self.here.heads.get(&id).copied());
        let title = store::load(repo, there).ok().and_then(|tip| tip.session.title);
        let row =
            |case| Row { title: title.clone(), checkpoints: chain.new, own: head.is_some(), ..Row::new(id, case) };
        if tracked == Some(there) && (head.is_none() || head == Some(there)) {
            return Ok(Row { checkpoints: 0, ..row(Case::Same) });
        }
        if tracked != Some(there) {
            let name = RefName::tracking(&self.remote.key, id);
            let expected = tracked.map_or(Expected::Absent, Expected::Exactly);
            let edit = RefEdit { name, new: Some(there), expected, message: "session pull".to_owned() };
            match head {
                // Before the head moves, so that a death in between leaves what the next pull goes on from.
                Some(_) => self.writers.update(&edit)?,
                None => self.tracking.push(edit),
            }
        }
        let Some(head) = head else {
            return Ok(row(match tracked {
                None => Case::New,
                Some(before) if chain.met == Some(before) => Case::FastForward,
                Some(before) if repo.objects.is_ancestor(before, there)? => Case::FastForward,
                Some(_) => Case::Replaced,
            }));
        };
        if head == there {
            return Ok(row(Case::Same));
        }
        // The chain alone decides: a merge of the project's commits may make more reachable.
        if chain_of(self.app, head)?.contains(&there) {
            return Ok(Row { checkpoints: 0, ..row(Case::Ahead) });
        }
        let line = chain_of(self.app, there)?;
        let newest = store::checkpoint(repo, there)?.number;
        if line.contains(&head) {
            self.move_head(id, head, there)?;
            theirs::went_on(repo, id, head, store::checkpoint(repo, head)?.number, there, newest)?;
            return Ok(row(Case::FastForward));
        }
        // Where one's head is at what the remote had before, and nothing was added here, that line was never one's own.
        if theirs::is_at(repo, id, head)? {
            self.move_head(id, head, there)?;
            theirs::taken(repo, id, there, 1, newest)?;
            return Ok(row(Case::Replaced));
        }
        let own = store::load(repo, head)?;
        let fork = self.part(&own, &line, there, newest)?;
        Ok(Row { fork: Some(fork), ..row(Case::Diverged) })
    }

    /// The remote's line keeps the id; one's own goes on as a fork, and whatever followed it follows it there.
    fn part(&mut self, own: &Tip, line: &HashSet<Oid>, there: Oid, newest: u64) -> Result<SessionId> {
        let repo = &self.app.repo;
        let (id, head) = (own.session.id, own.checkpoint.commit);
        let parting = diverged::parting(repo, head, line)?.ok_or(crate::engine::Error::Moved(id))?;
        let (fork, tip, is_there) = diverged::fork(repo, own, &parting)?;
        if !is_there {
            let name = RefName::session_head(fork);
            let message = format!("session pull: own line of {id}");
            self.writers.update(&RefEdit { name, new: Some(tip), expected: Expected::Absent, message })?;
        }
        theirs::inherit(repo, id, fork, own.checkpoint.number)?;
        local::follow(repo, id, fork)?;
        self.move_head(id, head, there)?;
        theirs::taken(repo, id, there, parting.common + 1, newest)?;
        Ok(fork)
    }

    fn move_head(&mut self, id: SessionId, from: Oid, to: Oid) -> Result<()> {
        let name = RefName::session_head(id);
        let message = "session pull".to_owned();
        self.writers.update(&RefEdit { name, new: Some(to), expected: Expected::Exactly(from), message })?;
        Ok(())
    }

    /// Moves what is only tracked, together; where that cannot be, one by one. What was not moved, and why.
    fn track(&mut self) -> Result<HashMap<SessionId, String>> {
        let edits = std::mem::take(&mut self.tracking);
        if self.writers.update_together(&edits)? {
            return Ok(HashMap::new());
        }
        let mut lost = HashMap::new();
        for edit in edits {
            if let (Err(failure), Some((_, id))) = (self.writers.update(&edit), edit.name.as_tracking()) {
                lost.insert(id, failure.to_string());
            }
        }
        Ok(lost)
    }
}

/// The session commits of a chain.
fn chain_of(app: &App<'_>, tip: Oid) -> Result<HashSet<Oid>> {
    let mut chain = HashSet::new();
    let mut next = Some(tip);
    while let Some(oid) = next.filter(|oid| chain.insert(*oid)) {
        next = store::checkpoint(&app.repo, oid)?.previous.first().copied();
    }
    Ok(chain)
}

/// How many were found of a case.
pub fn count(outcome: &Outcome, case: Case) -> usize {
    outcome.sessions.iter().filter(|row| row.case == case).count()
}

/// Whether the default session of this worktree is one that goes on as a fork now; said, because names moved.
pub fn current_fork(app: &App<'_>, outcome: &Outcome) -> Result<Option<SessionId>> {
    let forks: HashSet<SessionId> = outcome.sessions.iter().filter_map(|row| row.fork).collect();
    if forks.is_empty() {
        return Ok(None);
    }
    Ok(find::default(app)?.filter(|current| forks.contains(current)))
}

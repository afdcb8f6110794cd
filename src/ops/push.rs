//! `push [REMOTE] [SESSION...]`: sessions go to a remote exactly as they are, fast-forward only, and only after it was said
//! what leaves this machine.
//!
//! [`plan`] looks and changes nothing; [`send`] sends what was planned, each session by compare-and-swap on what the remote
//! had when it was planned.

use std::collections::{BTreeSet, HashSet};

use bstr::ByteSlice as _;
use serde::Serialize;

use super::{App, Caller, Failure, FailureKind, Result, find};
use crate::base::{RepoPath, SessionId, text};
use crate::engine::history::History;
use crate::engine::store::Tip;
use crate::engine::{layout, store, theirs};
use crate::features::secret_names::looks_secret;
use crate::git::outgoing::{self, Has};
use crate::git::remote::{self, Advertised, Direction, Exposure, Rejection, Sending, Sent};
use crate::git::{Expected, FileMode, Oid, RefEdit, RefName, Remote, TreeChange, tree};
use crate::model::Checkpoint;

/// Commits and files that a plan lists by name; beyond, they are counted.
const LISTED: usize = 200;

/// What to push.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A remote or a URL; the default one where `None`.
    pub remote: Option<String>,
    /// Which sessions; the default one where there are none.
    pub sessions: Vec<String>,
    /// All that are one's own.
    pub all: bool,
}

/// A session that would go.
#[derive(Clone, Debug, Serialize)]
pub struct Going {
    /// Its id.
    pub id: SessionId,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// Its newest checkpoint.
    pub checkpoint: u64,
    /// Checkpoints that the remote does not have.
    pub new_checkpoints: usize,
    /// Bytes of transcript in it.
    pub transcript_bytes: u64,
    /// Whether the remote does not know it yet.
    pub is_new: bool,
    #[serde(skip)]
    tip: Oid,
    #[serde(skip)]
    expected: Option<Oid>,
}

/// A commit of the project that would go along.
#[derive(Clone, Debug, Serialize)]
pub struct ProjectCommit {
    /// Its id.
    pub id: Oid,
    /// Its subject.
    pub subject: String,
}

/// What would leave.
#[derive(Debug, Serialize)]
pub struct Plan {
    /// The remote.
    pub remote: String,
    /// Where it lies, masked.
    pub urls: Vec<String>,
    /// Sessions that have something to send.
    pub sessions: Vec<Going>,
    /// Sessions that the remote has already.
    pub up_to_date: Vec<SessionId>,
    /// About how many bytes.
    pub bytes: u64,
    /// Commits of the project that the remote does not have and that go along.
    pub commits: Vec<ProjectCommit>,
    /// How many more there are.
    pub more_commits: usize,
    /// Files that go along whose names look like secrets. All of them.
    pub secrets: Vec<RepoPath>,
    /// Files that go along as they were staged, and that no commit holds so.
    pub staged: Vec<RepoPath>,
    /// How many more there are.
    pub more_staged: usize,
    /// Files that git does not track and that go along.
    pub untracked: Vec<RepoPath>,
    /// How many more there are.
    pub more_untracked: usize,
    /// Files of which a filter driver drops a part that goes along all the same.
    pub raw: Vec<RepoPath>,
    /// Whether transcripts were redacted. They are not.
    pub redacted: bool,
    /// Settings by which git itself would publish sessions.
    pub exposures: Vec<Exposure>,
    #[serde(skip)]
    to: Remote,
}

impl Plan {
    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }
}

/// What became of one session.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Its id.
    pub id: SessionId,
    /// Whether it is there now.
    pub pushed: bool,
    /// Why the remote did not take it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejection: Option<Rejection>,
    /// What it said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
}

/// What was sent.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// What was planned.
    #[serde(flatten)]
    pub plan: Plan,
    /// Whether this only says what would be sent.
    pub dry_run: bool,
    /// What became of each session.
    pub results: Vec<Row>,
}

/// Looks what would leave.
///
/// # Errors
/// The remote cannot be used; it is ahead of a session (5): nothing is sent at all then.
pub fn plan(app: &App<'_>, options: &Options) -> Result<Plan> {
    let asks = app.caller == Caller::Explicit;
    let chosen = chosen(app, options)?;
    let to = Remote::find(&app.repo, options.remote.as_deref(), Direction::Push, asks)?;
    let there = to.advertised(&app.repo)?;
    let mut going = Vec::new();
    let mut up_to_date = Vec::new();
    let mut behind = Vec::new();
    for tip in chosen {
        let (id, oid) = (tip.session.id, tip.checkpoint.commit);
        match there.session(id) {
            Some(same) if same == oid => up_to_date.push(id),
            Some(other) if !app.repo.objects.exists(other) || !app.repo.objects.is_ancestor(other, oid)? => {
                behind.push(id)
            }
            expected => going.push((tip, expected)),
        }
    }
    if !behind.is_empty() {
        let what = text::count(behind.len(), "session");
        return Err(Failure::new(
            FailureKind::Conflict,
            "push.behind",
            format!("{} is ahead of {what} here; nothing was sent", to.name),
        )
        .target(to.name.clone())
        .hint(format!("`session pull {}` first; what went on here and there is kept, one of them as a fork.", to.name))
        .details(behind.iter().map(ToString::to_string).collect()));
    }
    weigh(app, to, &there, going, up_to_date)
}

/// The sessions that are meant, with their tips.
fn chosen(app: &App<'_>, options: &Options) -> Result<Vec<Tip>> {
    let mut tips = Vec::new();
    if options.all {
        for found in find::all(app)? {
            // What is a remote's own line, and nothing of one's own, is not one's own to publish.
            if found.tip.is_some_and(|tip| theirs::is_at(&app.repo, found.id, tip).unwrap_or(false)) {
                continue;
            }
            found.session?;
            tips.extend(found.tip.map(|tip| store::load(&app.repo, tip)).transpose()?);
        }
    } else if options.sessions.is_empty() {
        tips.push(find::session(app, None)?);
    } else {
        for named in &options.sessions {
            let tip = find::session(app, Some(named))?;
            if find::is_only_pulled(app, &tip)? {
                return Err(Failure::new(
                    FailureKind::Refused,
                    "push.not-own",
                    format!("session {} was pulled and never gone on with; nothing was sent", tip.session.id),
                )
                .target(named.clone())
                .hint("`session resume`, `rewind` or `fork` makes it yours."));
            }
            if tips.iter().all(|t: &Tip| t.session.id != tip.session.id) {
                tips.push(tip);
            }
        }
    }
    Ok(tips)
}

/// What these sessions take along.
fn weigh(
    app: &App<'_>,
    to: Remote,
    there: &Advertised,
    going: Vec<(Tip, Option<Oid>)>,
    up_to_date: Vec<SessionId>,
) -> Result<Plan> {
    let repo = &app.repo;
    let exposures =
        remote::exposures(repo)?.into_iter().filter(|e| Some(&e.remote) == to.configured.as_ref()).collect();
    let mut plan = Plan {
        remote: to.name.clone(),
        urls: to.urls.clone(),
        sessions: Vec::new(),
        up_to_date,
        bytes: 0,
        commits: Vec::new(),
        more_commits: 0,
        secrets: Vec::new(),
        staged: Vec::new(),
        more_staged: 0,
        untracked: Vec::new(),
        more_untracked: 0,
        raw: Vec::new(),
        redacted: false,
        exposures,
        to,
    };
    if going.is_empty() {
        return Ok(plan);
    }
    let tracked = match &plan.to.configured {
        Some(name) => repo.refs.list(&RefName::remote_branches_prefix(name))?,
        None => Vec::new(),
    };
    let advertised = there.sessions.iter().map(|(_, oid)| *oid).chain(there.others.iter().copied());
    let has = Has::of(repo, advertised, tracked.into_iter().map(|(_, oid)| oid));
    let tips: Vec<Oid> = going.iter().map(|(tip, _)| tip.checkpoint.commit).collect();
    let new = outgoing::commits(repo, &tips, &has)?;
    plan.bytes = outgoing::bytes(repo, &tips, &has)?;
    let new_set: HashSet<Oid> = new.iter().copied().collect();
    let mut ours = HashSet::new();
    let mut raw = BTreeSet::new();
    let (mut untracked, mut staged, mut secrets) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut indexes = HashSet::new();
    for (tip, expected) in going {
        let history = History::load(repo, tip.checkpoint.commit)?;
        let fresh: Vec<&Checkpoint> = history.all().iter().take_while(|c| new_set.contains(&c.commit)).collect();
        for checkpoint in &fresh {
            let filters = layout::read_filters(&repo.objects, checkpoint.meta_tree)?.unwrap_or_default();
            raw.extend(filters.raw().map(|(path, _)| path.clone()));
            staged.extend(staged_files(app, checkpoint, &mut indexes)?);
            if ours.insert(checkpoint.commit) && new_set.contains(&checkpoint.code) && ours.insert(checkpoint.code) {
                let changed = changed_files(app, checkpoint)?;
                secrets.extend(changed.iter().map(|c| &c.path).filter(|path| looks_secret(path)).cloned());
                untracked.extend(changed.into_iter().filter(|c| c.old.is_none()).map(|c| c.path));
            }
        }
        plan.sessions.push(Going {
            id: tip.session.id,
            name: tip.session.name.clone(),
            title: tip.session.title.clone(),
            checkpoint: tip.checkpoint.number,
            new_checkpoints: fresh.len(),
            transcript_bytes: tip.session.streams.iter().map(|s| s.bytes).sum(),
            is_new: expected.is_none(),
            tip: tip.checkpoint.commit,
            expected,
        });
    }
    let commits: Vec<Oid> = new.into_iter().filter(|oid| !ours.contains(oid)).collect();
    plan.more_commits = commits.len().saturating_sub(LISTED);
    for id in commits.into_iter().take(LISTED) {
        let message = repo.objects.read_commit(id)?.message;
        plan.commits.push(ProjectCommit { id, subject: text::first_line(&message.to_str_lossy(), 100) });
    }
    plan.raw = raw.into_iter().collect();
    secrets.extend(staged.iter().filter(|path| looks_secret(path)).cloned());
    plan.secrets = secrets.into_iter().collect();
    plan.more_staged = staged.len().saturating_sub(LISTED);
    plan.staged = staged.into_iter().take(LISTED).collect();
    plan.more_untracked = untracked.len().saturating_sub(LISTED);
    plan.untracked = untracked.into_iter().take(LISTED).collect();
    Ok(plan)
}

/// Files of a checkpoint that its base has otherwise or not at all, and that do not lie in the index as they are.
fn changed_files(app: &App<'_>, checkpoint: &Checkpoint) -> Result<Vec<TreeChange>> {
    let objects = &app.repo.objects;
    let staged = part(app, checkpoint, &layout::index()?)?;
    let mut found = Vec::new();
    for change in tree::diff(objects, base_tree(app, checkpoint)?, store::code_tree(&app.repo, checkpoint)?)? {
        let is_staged = match staged {
            Some(staged) if change.old.is_none() => tree::lookup(objects, staged, &change.path)?.is_some(),
            _ => false,
        };
        if change.new.is_some() && !is_staged {
            found.push(change);
        }
    }
    Ok(found)
}

/// Files whose content no commit of the project has, as the index held them, or a conflict in it.
fn staged_files(app: &App<'_>, checkpoint: &Checkpoint, seen: &mut HashSet<Oid>) -> Result<Vec<RepoPath>> {
    let objects = &app.repo.objects;
    let mut parts = vec![layout::index()?, layout::index_intended()?];
    for stage in 1..=3 {
        parts.push(layout::index_conflict(stage)?);
    }
    let mut found = Vec::new();
    for at in parts {
        let Some(staged) = part(app, checkpoint, &at)?.filter(|staged| seen.insert(*staged)) else { continue };
        let base = base_tree(app, checkpoint)?;
        let changed = tree::diff(objects, base, staged)?.into_iter().filter(|change| change.new.is_some());
        found.extend(changed.map(|change| change.path));
    }
    Ok(found)
}

fn base_tree(app: &App<'_>, checkpoint: &Checkpoint) -> Result<Oid> {
    Ok(match checkpoint.base {
        Some(base) => app.repo.objects.read_commit(base)?.tree,
        None => app.repo.objects.format().empty_tree(),
    })
}

/// A tree within a session tree.
fn part(app: &App<'_>, checkpoint: &Checkpoint, at: &RepoPath) -> Result<Option<Oid>> {
    Ok(match tree::lookup(&app.repo.objects, checkpoint.meta_tree, at)? {
        Some((FileMode::Tree, oid)) => Some(oid),
        _ => None,
    })
}

/// Sends what was planned.
///
/// # Errors
/// The remote could not be reached, or took none of it.
pub fn send(app: &App<'_>, plan: Plan) -> Result<Outcome> {
    let sending: Vec<Sending> =
        plan.sessions.iter().map(|s| Sending { session: s.id, tip: s.tip, expected: s.expected }).collect();
    let sent = if sending.is_empty() { Vec::new() } else { plan.to.push(&app.repo, &sending)? };
    let mut results = Vec::with_capacity(sending.len());
    for one in &sending {
        let verdict = sent.iter().find(|(id, _)| *id == one.session).map(|(_, verdict)| verdict);
        results.push(match verdict {
            Some(Sent::Done) => {
                track(app, &plan.to, one)?;
                Row { id: one.session, pushed: true, rejection: None, said: None }
            }
            Some(Sent::Rejected(rejection, said)) => {
                Row { id: one.session, pushed: false, rejection: Some(*rejection), said: Some(said.clone()) }
            }
            None => Row { id: one.session, pushed: false, rejection: Some(Rejection::Other), said: None },
        });
    }
    if let Some(first) = results.iter().find_map(|r| r.rejection)
        && results.iter().all(|r| !r.pushed)
    {
        return Err(rejected(&plan, first, &results));
    }
    Ok(Outcome { plan, dry_run: false, results })
}

/// Notes what the remote has now.
fn track(app: &App<'_>, remote: &Remote, sent: &Sending) -> Result<()> {
    let name = RefName::tracking(&remote.key, sent.session);
    let expected = app.repo.refs.read(&name)?.map_or(Expected::Absent, Expected::Exactly);
    let message = "session push".to_owned();
    Ok(app.writers()?.update(&RefEdit { name, new: Some(sent.tip), expected, message })?)
}

/// The failure where a remote took nothing.
fn rejected(plan: &Plan, why: Rejection, results: &[Row]) -> Failure {
    let name = &plan.remote;
    let (kind, code, hint) = match why {
        Rejection::Moved => (FailureKind::Conflict, "push.moved", format!("`session pull {name}`, then push again.")),
        Rejection::Namespace => (
            FailureKind::Refused,
            "push.namespace",
            format!("It takes no refs below {}: use another remote for sessions.", RefName::all_prefix()),
        ),
        Rejection::Hook => (FailureKind::Refused, "push.hook", "A hook or a rule of the remote declined.".to_owned()),
        Rejection::Shallow => {
            (FailureKind::Refused, "push.shallow", "`git fetch --unshallow` brings the whole history here.".to_owned())
        }
        Rejection::Other => (FailureKind::Failed, "push.rejected", String::new()),
    };
    let details = results.iter().map(|r| format!("{}: {}", r.id, r.said.as_deref().unwrap_or("not taken"))).collect();
    Failure::new(kind, code, format!("{name} took no session; nothing was changed there"))
        .target(name.clone())
        .hint(hint)
        .details(details)
}

/// The refusal where a person said no.
pub fn declined(plan: &Plan) -> Failure {
    Failure::new(FailureKind::Refused, "push.unconfirmed", "nothing was sent: the answer was no")
        .target(plan.remote.clone())
}

/// The refusal where nobody could be asked for a yes.
pub fn unconfirmed(plan: &Plan, lines: Vec<String>) -> Failure {
    Failure::new(FailureKind::Refused, "push.unconfirmed", "nothing was sent: this wants a yes")
        .target(plan.remote.clone())
        .hint("Read what would leave, then add --yes.")
        .all_details(lines)
}

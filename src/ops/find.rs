//! Which session is meant: by id, name, label, `latest` or a prefix; by an agent's own id; or by default.

use std::collections::{HashMap, HashSet};

use super::life::Lives;
use super::{App, Failure, FailureKind, Result};
use crate::base::SessionId;
use crate::engine::store::Tip;
use crate::engine::{binding, diverged, layout, local, store, theirs};
use crate::git::{Expected, Oid, RefEdit, RefName, RemoteKey};
use crate::model::Session;

/// A session as listed: its tip and record, or why it cannot be read.
#[derive(Debug)]
pub struct Found {
    /// The id, from the ref.
    pub id: SessionId,
    /// The tip; `None` where the ref itself is damaged.
    pub tip: Option<Oid>,
    /// The record.
    pub session: Result<Session>,
    /// The remote that it was pulled from, where it has no head here.
    pub remote: Option<RemoteKey>,
}

impl Found {
    /// Why it cannot be read, to stand behind "is damaged"; `None` where it can.
    pub fn problem(&self) -> Option<String> {
        let text = self.session.as_ref().err()?.to_string();
        Some(text.strip_prefix("damaged: ").map_or_else(|| text.clone(), str::to_owned))
    }
}

/// One's own sessions, the newest first; damaged ones last. Those that were only pulled are in [`pulled`].
pub fn all(app: &App<'_>) -> Result<Vec<Found>> {
    let heads = store::heads(&app.repo)?.into_iter();
    let mut found: Vec<Found> =
        heads.map(|(id, tip)| Found { id, tip: Some(tip), session: read(app, tip), remote: None }).collect();
    for id in store::broken_heads(&app.repo)? {
        // Reading it again says what is wrong.
        let session = store::tip(&app.repo, id).map_err(Failure::from);
        let session = session.and_then(|tip| tip.map(|tip| tip.session).ok_or_else(|| nowhere(id)));
        found.push(Found { id, tip: None, session, remote: None });
    }
    newest_first(&mut found);
    Ok(found)
}

/// Sessions that were pulled and are not one's own (yet), the newest first. Of one that several remotes have, the newest.
pub fn pulled(app: &App<'_>) -> Result<Vec<Found>> {
    let tracked = store::tracked(&app.repo)?;
    if tracked.is_empty() {
        return Ok(Vec::new());
    }
    // Nor those that were deleted here.
    let heads = store::heads(&app.repo)?.into_iter().map(|(id, _)| id);
    let own: HashSet<SessionId> = heads.chain(store::deleted(&app.repo)?).collect();
    let only_there = tracked.into_iter().filter(|(_, id, _)| !own.contains(id));
    let mut found: Vec<Found> = only_there
        .map(|(remote, id, tip)| Found { id, tip: Some(tip), session: read(app, tip), remote: Some(remote) })
        .collect();
    newest_first(&mut found);
    let mut seen = HashSet::new();
    found.retain(|f| seen.insert(f.id));
    Ok(found)
}

/// The remotes that have each session, as far as they were pulled from.
pub fn remotes(app: &App<'_>) -> Result<HashMap<SessionId, Vec<RemoteKey>>> {
    let mut remotes: HashMap<SessionId, Vec<RemoteKey>> = HashMap::new();
    for (remote, id, _) in store::tracked(&app.repo)? {
        remotes.entry(id).or_default().push(remote);
    }
    Ok(remotes)
}

/// Those of these sessions whose own line went on as a fork after a divergence: the fork keeps name and label, and agents
/// that ran here go on there.
pub fn given_way(found: &[Found]) -> HashSet<SessionId> {
    let readable = || found.iter().filter_map(|f| f.session.as_ref().ok());
    let forks: Vec<(SessionId, &Session)> =
        readable().filter_map(|s| s.lineage.as_ref().map(|l| (l.parent_session, s))).collect();
    if forks.is_empty() {
        return HashSet::new();
    }
    let by_id: HashMap<SessionId, &Session> = readable().map(|s| (s.id, s)).collect();
    // Any other fork has a beginning of its own. Those of earlier versions kept the label, too.
    let is_own_line = |fork: &Session, parent: &Session| {
        let label = parent.label.as_deref().map(|label| diverged::label(label, fork.id));
        fork.created_at == parent.created_at && (fork.label == parent.label || fork.label == label)
    };
    let parents = forks.into_iter().filter(|(id, fork)| by_id.get(id).is_some_and(|p| is_own_line(fork, p)));
    parents.map(|(id, _)| id).collect()
}

fn newest_first(found: &mut [Found]) {
    found.sort_by(|a, b| {
        let time = |f: &Found| f.session.as_ref().ok().map(|s| s.updated_at);
        time(b).cmp(&time(a)).then(a.id.cmp(&b.id))
    });
}

/// A ref that points at a ref that is not there.
fn nowhere(id: SessionId) -> Failure {
    let name = RefName::session_head(id);
    Failure::new(FailureKind::Damaged, "object.damaged", format!("damaged: {name}: it leads to nothing"))
        .hint("`git fsck` tells more.")
}

fn read(app: &App<'_>, tip: Oid) -> Result<Session> {
    let tree = app.repo.objects.read_commit(tip)?.tree;
    Ok(layout::read_session(&app.repo.objects, tree)?)
}

/// The session that a command means, with its tip: `named`, else the agent's own id in the environment, else the one of
/// this worktree, else the newest of this worktree, else the newest of the repository.
///
/// # Errors
/// Not found (3), ambiguous (4), or no session at all (3).
pub fn session(app: &App<'_>, named: Option<&str>) -> Result<Tip> {
    let id = match named {
        Some(text) => by_text(app, text)?,
        None => default(app)?.ok_or_else(|| {
            Failure::new(FailureKind::NotFound, "session.none", "there are no sessions in this repository")
                .hint("`session save` makes one; `session enable` saves every turn of your agent.")
        })?,
    };
    load(app, id)
}

/// [`session`] for commands that go on with it: one that was only pulled gets its head now.
pub fn own_session(app: &App<'_>, named: Option<&str>) -> Result<Tip> {
    let tip = session(app, named)?;
    take_up(app, &tip)?;
    Ok(tip)
}

/// Whether this session was pulled and never gone on with.
pub fn is_only_pulled(app: &App<'_>, tip: &Tip) -> Result<bool> {
    Ok(app.repo.refs.read(&RefName::session_head(tip.session.id))?.is_none())
}

/// Makes a pulled session one's own.
pub fn take_up(app: &App<'_>, tip: &Tip) -> Result<()> {
    if is_only_pulled(app, tip)? {
        let name = RefName::session_head(tip.session.id);
        let new = Some(tip.checkpoint.commit);
        let message = "session: taken up from a remote".to_owned();
        app.writers()?.update(&RefEdit { name, new, expected: Expected::Absent, message })?;
        theirs::taken(&app.repo, tip.session.id, tip.checkpoint.commit, 1, tip.checkpoint.number)?;
    }
    Ok(())
}

/// A session's tip: its head, else what was pulled.
pub fn load(app: &App<'_>, id: SessionId) -> Result<Tip> {
    if let Some(tip) = store::tip(&app.repo, id)? {
        return Ok(tip);
    }
    let found = pulled(app)?.into_iter().find(|f| f.id == id).and_then(|f| f.tip);
    Ok(store::load(&app.repo, found.ok_or(crate::engine::Error::NoSession(id))?)?)
}

/// The session meant when none is named; `None` where there is none at all.
pub fn default(app: &App<'_>) -> Result<Option<SessionId>> {
    if let Some(native) = app.agent_session.as_deref()
        && let Some(id) = by_native(app, native)?
        && store::tip(&app.repo, id)?.is_some()
    {
        return Ok(Some(id));
    }
    if let Some(current) = local::current(&app.repo)?
        && store::tip(&app.repo, current.session)?.is_some()
    {
        return Ok(Some(current.session));
    }
    let here = app.repo.worktree_name();
    let readable: Vec<(SessionId, Session)> =
        all(app)?.into_iter().filter_map(|f| Some((f.id, f.session.ok()?))).collect();
    Ok(readable.iter().find(|(_, s)| s.worktree == here).or(readable.first()).map(|(id, _)| *id))
}

/// Resolves what a person typed. Exact beats prefix: id, name, label, word, then prefix of id or name.
pub fn by_text(app: &App<'_>, text: &str) -> Result<SessionId> {
    let not_found = || {
        Failure::new(FailureKind::NotFound, "session.not-found", format!("session not found: {text}"))
            .target(text)
            .hint("`session list` shows the sessions of this repository.")
    };
    if text.is_empty() {
        return Err(Failure::new(FailureKind::Usage, "session.empty", "an empty text names no session")
            .hint("Give an id, the beginning of one, a name, a label or `latest`."));
    }
    if let Ok(id) = SessionId::parse(text) {
        return load(app, id)
            .map(|t| t.session.id)
            .map_err(|e| if e.code == "session.not-found" { not_found() } else { e });
    }
    let found = all(app)?;
    let lower = text.to_lowercase();
    let given = given_way(&found);
    if let Some(id) = by_name(&found, text, |f| !given.contains(&f.id))? {
        return Ok(id);
    }
    if is_latest(text) {
        return latest(app, &found)?.ok_or_else(not_found);
    }
    // A pulled session is meant by its own name only where that is free; `<remote>/<name>` always means it.
    let others = pulled(app)?;
    if let Some(id) = by_name(&others, text, |_| true)? {
        return Ok(id);
    }
    // Every clone counts its labels for itself.
    let labelled: Vec<&Found> = found.iter().chain(&others).filter(|f| has_label(f, &lower)).collect();
    if !labelled.is_empty() {
        return one(text, &labelled);
    }
    if let Some((remote, name)) = text.rsplit_once('/') {
        let remotes = remotes(app)?;
        let is_there = |f: &Found| remotes.get(&f.id).is_some_and(|keys| keys.iter().any(|k| k.shown() == remote));
        let there: Vec<&Found> = others.iter().chain(found.iter().filter(|f| given.contains(&f.id))).collect();
        let named = |f: &&&Found| is_there(f) && has_name(f, &name.to_lowercase());
        let matches: Vec<&Found> = there.iter().filter(named).copied().collect();
        if !matches.is_empty() {
            return one(text, &matches);
        }
    }
    let by_prefix: Vec<&Found> = found
        .iter()
        .chain(&others)
        .filter(|f| {
            let name = f.session.as_ref().ok().and_then(|s| s.name.as_deref());
            f.id.to_string().starts_with(&lower) || name.is_some_and(|n| n.to_lowercase().starts_with(&lower))
        })
        .collect();
    if by_prefix.is_empty() { Err(not_found()) } else { one(text, &by_prefix) }
}

/// Whether a word means the newest session.
pub fn is_latest(text: &str) -> bool {
    ["latest", "last", "recent"].contains(&text.to_lowercase().as_str())
}

/// The newest of these that does not run now; where each of them runs, the newest.
fn latest(app: &App<'_>, found: &[Found]) -> Result<Option<SessionId>> {
    let runs = Lives::load(app)?;
    let readable = || found.iter().filter_map(|f| Some((f.id, f.session.as_ref().ok()?)));
    let at_rest = readable().find(|(_, session)| !runs.is_live(session));
    Ok(at_rest.or_else(|| readable().next()).map(|(id, _)| id))
}

/// The session of exactly this name.
fn by_name(found: &[Found], text: &str, counts: impl Fn(&Found) -> bool) -> Result<Option<SessionId>> {
    let lower = text.to_lowercase();
    let is = |f: &&Found| {
        let name = f.session.as_ref().ok().and_then(|s| s.name.as_deref());
        name.is_some_and(|have| have.to_lowercase() == lower)
    };
    let matches: Vec<&Found> = found.iter().filter(is).filter(|f| counts(f)).collect();
    if matches.is_empty() { Ok(None) } else { one(text, &matches).map(Some) }
}

/// Whether this is its label, in lower case.
fn has_label(found: &Found, lower: &str) -> bool {
    found.session.as_ref().is_ok_and(|s| s.label.as_ref().is_some_and(|have| have.to_lowercase() == lower))
}

/// Whether this is its name or its label, in lower case.
fn has_name(found: &Found, lower: &str) -> bool {
    let is_name = |s: &Session| s.name.as_ref().is_some_and(|have| have.to_lowercase() == lower);
    has_label(found, lower) || found.session.as_ref().is_ok_and(is_name)
}

fn one(text: &str, matches: &[&Found]) -> Result<SessionId> {
    if let [only] = matches {
        return Ok(only.id);
    }
    let details = matches
        .iter()
        .map(|f| {
            let title = f.session.as_ref().map_or("(damaged)", |s| s.display_title());
            format!("{}  {}", f.id, crate::base::text::sanitise(title))
        })
        .collect();
    let message = format!("ambiguous prefix {text:?} matches {} sessions", matches.len());
    Err(Failure::new(FailureKind::Ambiguous, "session.ambiguous", message)
        .target(text)
        .hint("Give more characters of the id.")
        .details(details))
}

/// Whether some remote has this session: what its record says of folders may be of another machine, or a lie.
pub fn is_shared(app: &App<'_>, id: SessionId) -> Result<bool> {
    Ok(store::tracked(&app.repo)?.iter().any(|(_, tracked, _)| *tracked == id))
}

/// Our session of an agent's own id: the one that it is bound to, else one whose record has it. A record counts only where
/// no remote has the session: what a remote has may be anybody's, and would get every word of the agent from then on.
pub fn by_native(app: &App<'_>, native: &str) -> Result<Option<SessionId>> {
    if let Some(known) = binding::of(&app.repo, native)? {
        return Ok(Some(known.session));
    }
    let owns = |s: &Session| s.agent.native_ids.iter().any(|n| n == native);
    if let Ok(id) = SessionId::parse(native)
        && let Some(tip) = store::tip(&app.repo, id)?
        && owns(&tip.session)
        && !is_shared(app, id)?
    {
        return Ok(Some(id));
    }
    let shared: HashSet<SessionId> = store::tracked(&app.repo)?.into_iter().map(|(_, id, _)| id).collect();
    let found = all(app)?;
    let owners = || found.iter().filter(|f| !shared.contains(&f.id) && f.session.as_ref().is_ok_and(owns));
    let given = given_way(&found);
    Ok(owners().find(|f| !given.contains(&f.id)).or_else(|| owners().next()).map(|f| f.id))
}

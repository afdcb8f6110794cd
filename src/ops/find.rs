//! Which session is meant: by id, name, label, `latest` or a prefix; by an agent's own id; or by default.

use super::{App, Failure, FailureKind, Result};
use crate::base::SessionId;
use crate::engine::store::Tip;
use crate::engine::{layout, local, store};
use crate::git::Oid;
use crate::model::Session;

/// A session as listed: its tip and record, or why it cannot be read.
#[derive(Debug)]
pub struct Found {
    /// The id, from the ref.
    pub id: SessionId,
    /// The tip.
    pub tip: Oid,
    /// The record.
    pub session: Result<Session>,
}

/// All sessions of the repository, the newest first; damaged ones last.
pub fn all(app: &App<'_>) -> Result<Vec<Found>> {
    let mut found: Vec<Found> =
        store::heads(&app.repo)?.into_iter().map(|(id, tip)| Found { id, tip, session: read(app, tip) }).collect();
    found.sort_by(|a, b| {
        let time = |f: &Found| f.session.as_ref().ok().map(|s| s.updated_at);
        time(b).cmp(&time(a)).then(a.id.cmp(&b.id))
    });
    Ok(found)
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

/// A session's tip.
pub fn load(app: &App<'_>, id: SessionId) -> Result<Tip> {
    Ok(store::tip(&app.repo, id)?.ok_or(crate::engine::Error::NoSession(id))?)
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
        return store::tip(&app.repo, id)?.map(|t| t.session.id).ok_or_else(not_found);
    }
    let found = all(app)?;
    let lower = text.to_lowercase();
    let is = |have: Option<&str>| have.is_some_and(|h| h.to_lowercase() == lower);
    let exact = |by: fn(&Session) -> Option<&str>| {
        found.iter().filter(|f| f.session.as_ref().is_ok_and(|s| is(by(s)))).collect::<Vec<_>>()
    };
    for matches in [exact(|s| s.name.as_deref()), exact(|s| s.label.as_deref())] {
        if !matches.is_empty() {
            return one(text, &matches);
        }
    }
    if ["latest", "last", "recent"].contains(&lower.as_str()) {
        let newest = found.iter().find(|f| f.session.is_ok());
        return newest.map(|f| f.id).ok_or_else(not_found);
    }
    let by_prefix: Vec<&Found> = found
        .iter()
        .filter(|f| {
            let name = f.session.as_ref().ok().and_then(|s| s.name.as_deref());
            f.id.to_string().starts_with(&lower) || name.is_some_and(|n| n.to_lowercase().starts_with(&lower))
        })
        .collect();
    if by_prefix.is_empty() { Err(not_found()) } else { one(text, &by_prefix) }
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

/// Our session of an agent's own id: from the cache, by the id itself, or by looking through the sessions.
pub fn by_native(app: &App<'_>, native: &str) -> Result<Option<SessionId>> {
    if let Some(known) = local::native(&app.repo, native)? {
        return Ok(Some(known.session));
    }
    let owns = |s: &Session| s.agent.native_ids.iter().any(|n| n == native);
    if let Ok(id) = SessionId::parse(native)
        && let Some(tip) = store::tip(&app.repo, id)?
        && owns(&tip.session)
    {
        return Ok(Some(id));
    }
    Ok(all(app)?.into_iter().find(|f| f.session.as_ref().is_ok_and(owns)).map(|f| f.id))
}

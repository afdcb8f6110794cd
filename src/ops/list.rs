//! `list`: the sessions of the repository, the newest first; the damaged ones named, not hidden.

use std::collections::HashMap;

use serde::Serialize;

use super::life::{Life, Lives};
use super::{App, Result, find};
use crate::base::{SessionId, Timestamp};
use crate::engine::local;
use crate::git::{Oid, RemoteKey};
use crate::model::Session;

/// Which sessions.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only those begun in the folder of the command.
    pub here: bool,
    /// At most so many.
    pub limit: Option<usize>,
}

/// One session.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The id.
    pub id: SessionId,
    /// The shortest beginning of it that is unique here, at least eight characters.
    pub short: String,
    /// Its day label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// Its agent's kind.
    pub agent: String,
    /// What its agent does, where that is known: `running`, `waiting`, `ended` or `killed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<Life>,
    /// Turns of the live conversation.
    pub turns: u32,
    /// When its last event happened.
    pub updated_at: Timestamp,
    /// When it was begun.
    pub created_at: Timestamp,
    /// The worktree it last ran in.
    pub worktree: String,
    /// Whether it is the session of this worktree.
    pub current: bool,
    /// The session it was forked from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<SessionId>,
    /// The remote that it was pulled from; absent for one's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// The name as it is typed, where another session has the name: `<remote>/<name>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_as: Option<String>,
}

/// A session that cannot be read.
#[derive(Clone, Debug, Serialize)]
pub struct Corrupt {
    /// The id, from its ref.
    pub id: SessionId,
    /// Why.
    pub problem: String,
}

/// The sessions.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Those that can be read, the newest first.
    pub sessions: Vec<Row>,
    /// Those that cannot.
    pub corrupt: Vec<Corrupt>,
    /// How many more there are, beyond the limit.
    pub more: usize,
    /// The moment of the listing.
    #[serde(skip)]
    pub now: Timestamp,
}

/// Lists.
pub fn run(app: &App<'_>, options: &Options) -> Result<Outcome> {
    let mut found = find::all(app)?;
    let remotes = find::remotes(app)?;
    let given = find::given_way(&found);
    let keeps_name = |f: &&find::Found| !given.contains(&f.id);
    let names: HashMap<String, SessionId> =
        found.iter().rev().filter(keeps_name).filter_map(|f| Some((name_of(f)?.to_lowercase(), f.id))).collect();
    found.extend(find::pulled(app)?);
    found.sort_by_key(|f| std::cmp::Reverse(f.session.as_ref().ok().map(|s| s.updated_at)));
    let ids: Vec<String> = found.iter().map(|f| f.id.to_string()).collect();
    let current = local::current(&app.repo)?.map(|c| c.session);
    let lives = Lives::load(app)?;
    let mut corrupt = Vec::new();
    let mut sessions = Vec::new();
    let cwd = app.cwd.to_string_lossy();
    for found in found {
        if let Some(problem) = found.problem() {
            corrupt.push(Corrupt { id: found.id, problem });
        }
        let Ok(session) = found.session else { continue };
        if options.here && session.cwd != cwd {
            continue;
        }
        // What was only pulled runs on another machine, if anywhere.
        let state = match (found.tip, &found.remote) {
            (Some(tip), None) if session.agent.kind != "none" => state(app, &lives, &session, tip)?,
            _ => None,
        };
        let taken =
            session.name.as_ref().filter(|n| names.get(&n.to_lowercase()).is_some_and(|holder| *holder != found.id));
        let there = remotes
            .get(&found.id)
            .and_then(|keys| keys.first())
            .filter(|_| found.remote.is_some() || given.contains(&found.id));
        let known_as = taken.zip(there).map(|(name, remote)| format!("{}/{name}", remote.shown()));
        sessions.push(Row {
            remote: found.remote.as_ref().map(RemoteKey::shown),
            known_as,
            id: found.id,
            short: unique_prefix(&found.id.to_string(), &ids),
            label: session.label,
            name: session.name,
            title: session.title,
            agent: session.agent.kind,
            state,
            turns: session.turns,
            updated_at: session.updated_at,
            created_at: session.created_at,
            worktree: session.worktree,
            current: current == Some(found.id),
            parent: session.lineage.map(|l| l.parent_session),
        });
    }
    let more = options.limit.map_or(0, |limit| sessions.len().saturating_sub(limit));
    sessions.truncate(sessions.len() - more);
    Ok(Outcome { sessions, corrupt, more, now: app.now() })
}

/// What a session's agent does. Its tree is read only where an agent has it open: few are, and there may be thousands.
fn state(app: &App<'_>, lives: &Lives, session: &Session, tip: Oid) -> Result<Option<Life>> {
    let tree = if lives.is_live(session) { app.repo.objects.read_commit(tip)?.tree } else { tip };
    lives.of(app, session, tree)
}

fn name_of(found: &find::Found) -> Option<String> {
    found.session.as_ref().ok().and_then(|s| s.name.clone())
}

/// The shortest beginning, of at least eight characters, that no other id shares.
pub fn unique_prefix(id: &str, all: &[String]) -> String {
    let unique = |len: usize| all.iter().filter(|other| other.starts_with(&id[..len])).count() <= 1;
    let len = (8..id.len()).find(|len| unique(*len)).unwrap_or(id.len());
    id[..len].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_share_a_beginning_are_shown_longer() {
        let all = ["094320c0-d68c".to_owned(), "094320c0-d6ff".to_owned(), "11111111-0000".to_owned()];
        assert_eq!(unique_prefix(&all[0], &all), "094320c0-d68");
        assert_eq!(unique_prefix(&all[2], &all), "11111111");
    }
}

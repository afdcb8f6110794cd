//! Agents' hooks in this work tree: whether they are where `enable` put them and run, and when an agent was last heard from.
//!
//! `git clean -fdx` takes settings away that git ignores, and an agent drops a file that it does not like, without a word.
//! Nothing is saved then, and nobody would notice.

use serde::Serialize;

use super::{App, Result, find};
use crate::agents::{self, Hooks};
use crate::base::Timestamp;
use crate::base::clock::ago;
use crate::base::text::sanitise;
use crate::engine::{layout, local};
use crate::git::Oid;
use crate::model::Session;

/// How many of an agent's newest sessions are asked when it was last heard from: a person's save also makes one new.
const ASKED: usize = 4;

/// The hooks of one agent.
#[derive(Clone, Debug, Serialize)]
pub struct AgentHooks {
    /// Its kind.
    pub agent: &'static str,
    /// `there`, `missing` (they were put here, and are gone) or `idle` (they are here, and the agent does not run them).
    pub state: &'static str,
    /// Why the agent does not run them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When one of them last ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heard: Option<Timestamp>,
}

impl AgentHooks {
    /// Whether turns are saved.
    pub fn is_there(&self) -> bool {
        self.state == "there"
    }

    /// What is wrong, in a sentence without its end.
    pub fn problem(&self) -> Option<String> {
        match (&self.why, self.state) {
            (Some(why), _) => Some(format!("{} does not run our hooks: {}", self.agent, sanitise(why))),
            (None, "missing") => Some(format!(
                "{}'s hooks are gone from its settings here: its turns are not saved any more",
                self.agent
            )),
            (None, _) => None,
        }
    }

    /// `last heard from claude-code 3 days ago`.
    pub fn last_heard(&self, now: Timestamp) -> Option<String> {
        self.heard.map(|at| format!("last heard from {} {}", self.agent, ago(at, now)))
    }
}

/// The agents whose hooks are here, or were put here.
pub fn look(app: &App<'_>) -> Result<Vec<AgentHooks>> {
    let Ok(root) = app.repo.work_dir() else { return Ok(Vec::new()) };
    let here = app.repo.worktree_name();
    let noted = local::installed(&app.repo)?;
    let mut found = Vec::new();
    for agent in agents::AGENTS.iter().filter(|a| a.is_installable()) {
        let was_put = noted.iter().any(|i| i.is_in(&here) && agent.hook_files().contains(&i.path.as_str()));
        let (state, why) = match agent.hooks(root, &app.agent_env) {
            Ok(Hooks::There) => ("there", None),
            Ok(Hooks::Absent) if was_put => ("missing", None),
            Ok(Hooks::Absent) => continue,
            Ok(Hooks::Idle { path, why }) => ("idle", Some(format!("{}: {why}", path.display()))),
            Err(e) if was_put => ("idle", Some(e.to_string())),
            Err(_) => continue,
        };
        found.push(AgentHooks { agent: agent.kind(), state, why, heard: None });
    }
    if !found.is_empty() {
        hear(app, &mut found)?;
    }
    Ok(found)
}

/// Looks up when each was last heard from.
fn hear(app: &App<'_>, found: &mut [AgentHooks]) -> Result<()> {
    let sessions = find::all(app)?;
    for hooks in found {
        let own = sessions.iter().filter_map(|f| Some((f.session.as_ref().ok()?, f.tip?)));
        for (session, tip) in own.filter(|(s, _)| s.agent.kind == hooks.agent).take(ASKED) {
            hooks.heard = hooks.heard.max(last_event(app, session, tip)?);
        }
    }
    Ok(())
}

/// The last time that a turn of a session began or ended.
fn last_event(app: &App<'_>, session: &Session, tip: Oid) -> Result<Option<Timestamp>> {
    let tree = app.repo.objects.read_commit(tip)?.tree;
    let rows = layout::read_rows(&app.repo.objects, tree, session, session.rows.saturating_sub(1))?;
    Ok(rows.last().map(|row| row.ended_at.unwrap_or(row.started_at).max(row.started_at)))
}

/// Command files that `enable` wrote here and that are gone.
pub fn lost_files(app: &App<'_>) -> Result<Vec<String>> {
    let Ok(root) = app.repo.work_dir() else { return Ok(Vec::new()) };
    let here = app.repo.worktree_name();
    let hooks: Vec<&str> = agents::AGENTS.iter().flat_map(|a| a.hook_files()).copied().collect();
    let noted = local::installed(&app.repo)?.into_iter().filter(|i| i.is_in(&here)).map(|i| i.path);
    Ok(noted.filter(|path| !hooks.contains(&path.as_str()) && !root.join(path).exists()).collect())
}

//! `status`: where this worktree stands: its session, its agent, its checkpoints, what would be saved, what is odd.

use serde::Serialize;

use super::agent_hooks::{self, AgentHooks};
use super::life::Lives;
use super::rewind::Place;
use super::{App, Result, find, save, settle};
use crate::base::progress::Silent;
use crate::base::{SessionId, Timestamp};
use crate::engine::{snapshot, store};
use crate::git::tree;

/// The state.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// `none`; of the agent's session `running`, `waiting`, `ended` or `killed`; of one whose agent's process is not known, or
    /// that has no agent, `running` (it is the one of this worktree) or `idle`.
    pub state: &'static str,
    /// The session that commands mean by default.
    pub session: Option<Shown>,
    /// Sessions of the repository.
    pub sessions: usize,
    /// Where hooks are installed here: agents, and `git`.
    pub enabled: Vec<String>,
    /// Agents' hooks that are, or were put, here: whether they run, and when one of them last did.
    pub hooks: Vec<AgentHooks>,
    /// Branch that HEAD is on.
    pub branch: Option<String>,
    /// HEAD's commit.
    pub head: Option<crate::git::Oid>,
    /// Files that differ from the newest checkpoint; `None` where that cannot be found out.
    pub changed: Option<usize>,
    /// Whether an interrupted restore waits to be settled.
    pub interrupted_restore: bool,
    /// Object format, ref format, and which store serves refs.
    pub repository: Repository,
    /// The last line of the log of hooks, where something went wrong.
    pub last_problem: Option<String>,
    /// The moment.
    #[serde(skip)]
    pub now: Timestamp,
}

/// What the repository is made of.
#[derive(Clone, Debug, Serialize)]
pub struct Repository {
    /// `sha1` or `sha256`.
    pub objects: &'static str,
    /// `files` or `reftable`.
    pub refs: String,
    /// `libgit2` or `git`.
    pub ref_store: &'static str,
    /// The worktree's name.
    pub worktree: String,
}

/// A session in short.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// The id.
    pub id: SessionId,
    /// Its day label.
    pub label: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// Its agent's kind.
    pub agent: String,
    /// The model last used.
    pub model: Option<String>,
    /// Turns of the live conversation.
    pub turns: u32,
    /// Tokens.
    pub usage: crate::model::session::Usage,
    /// Number of the newest checkpoint.
    pub checkpoint: Place,
    /// When its last event happened.
    pub updated_at: Timestamp,
}

/// Files that differ from a checkpoint.
fn changed_since(app: &App<'_>, tip: &store::Tip) -> Result<usize> {
    let now = snapshot::take(&app.repo, Some(tip.code_tree), &app.snapshot_options(None)?, &Silent)?;
    Ok(tree::diff(&app.repo.objects, tip.code_tree, now.tree)?.len())
}

/// Tells.
pub fn run(app: &App<'_>) -> Result<Outcome> {
    let head = app.repo.head()?;
    let running = save::running(app)?;
    let is_running = running.is_some();
    let tip = match running {
        Some(tip) => Some(tip),
        None => find::default(app)?.map(|id| find::load(app, id)).transpose()?,
    };
    let life = match &tip {
        Some(tip) => Lives::load(app)?.of(app, &tip.session, tip.checkpoint.meta_tree)?,
        None => None,
    };
    let changed = match &tip {
        Some(tip) => match changed_since(app, tip) {
            Ok(count) => Some(count),
            // Looking stores what it finds; where nothing can be stored the rest can still be told.
            Err(e) if e.code == "io.permission" || e.code == "io.full" || e.code == "git.failed" => None,
            Err(e) => return Err(e),
        },
        None => None,
    };
    let log = crate::base::file::read_optional(&app.repo.common_dir.join("session/log/hooks.log"))?;
    let last_problem = log.and_then(|bytes| String::from_utf8_lossy(&bytes).lines().last().map(str::to_owned));
    let hooks = agent_hooks::look(app)?;
    let mut enabled: Vec<String> = hooks.iter().filter(|h| h.is_there()).map(|h| h.agent.to_owned()).collect();
    enabled.extend(super::git_installed::is_installed(app)?.then(|| "git".to_owned()));
    Ok(Outcome {
        state: match (&tip, life) {
            (None, _) => "none",
            (Some(_), Some(life)) => life.word(),
            (Some(_), None) if is_running => "running",
            (Some(_), None) => "idle",
        },
        sessions: store::heads(&app.repo)?.len(),
        enabled,
        hooks,
        branch: head.branch.as_ref().and_then(|b| b.as_branch()).map(str::to_owned),
        head: head.commit,
        changed,
        interrupted_restore: settle::pending(app),
        repository: Repository {
            objects: app.repo.caps.object_format.name(),
            refs: app.repo.caps.ref_format.clone(),
            ref_store: app.repo.refs.kind(),
            worktree: app.repo.worktree_name(),
        },
        last_problem,
        session: tip.map(|tip| Shown {
            id: tip.session.id,
            checkpoint: Place::from(&tip.checkpoint),
            label: tip.session.label,
            name: tip.session.name,
            title: tip.session.title,
            agent: tip.session.agent.kind,
            model: tip.session.model,
            turns: tip.session.turns,
            usage: tip.session.usage,
            updated_at: tip.session.updated_at,
        }),
        now: app.now(),
    })
}

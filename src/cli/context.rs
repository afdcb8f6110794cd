//! What every command gets: the environment and the writer; and how it opens the repository.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::output::Mode;
use super::{Env, Ui};
use crate::agents::AgentEnv;
use crate::base::progress::Progress;
use crate::git::Repo;
use crate::git::repo::RepoEnv;
use crate::ops::{App, Caller, Result, settle};

/// The surroundings of one command.
#[derive(Debug)]
pub struct Context {
    /// The environment.
    pub env: Env,
    /// The writer.
    pub ui: Ui,
}

impl Context {
    /// Of these parts.
    pub const fn new(env: Env, ui: Ui) -> Self {
        Self { env, ui }
    }

    /// Opens the repository for an explicit command.
    pub fn app<'p>(&self, progress: &'p dyn Progress) -> Result<App<'p>> {
        let env = RepoEnv { git_dir: self.env.git_dir(), work_tree: self.env.git_work_tree(), ..repo_env(&self.env) };
        let app = open(&self.env, &self.env.cwd, &env, Caller::Explicit, progress)?;
        Ok(app)
    }

    /// [`Self::app`] for a command that only reads: it names an interrupted restore and leaves it.
    pub fn reader<'p>(&mut self, progress: &'p dyn Progress) -> Result<App<'p>> {
        let app = self.app(progress)?;
        if settle::pending(&app) {
            self.ui.warning("a restore was interrupted here; the next command that writes settles it");
        }
        Ok(app)
    }

    /// Writes an outcome: as JSON under its schema, or as a person reads it.
    pub fn show<T: Serialize>(&mut self, verb: &str, outcome: &T, human: impl FnOnce(&mut Ui, &T)) {
        if self.ui.mode() == Mode::Json {
            self.ui.json(&Document { schema: format!("session.{verb}/1"), outcome });
        } else {
            human(&mut self.ui, outcome);
        }
    }

    /// The pager that the user chose for long output.
    pub fn pager(&self, app: &App<'_>) -> Result<String> {
        if let Some(pager) = self.env.git_pager() {
            return Ok(pager);
        }
        let configured = app.repo.config.bytes("core.pager")?.map(|v| v.to_string());
        Ok(configured.or_else(|| self.env.pager()).unwrap_or_else(|| "less".to_owned()))
    }
}

#[derive(Serialize)]
struct Document<'a, T: Serialize> {
    schema: String,
    #[serde(flatten)]
    outcome: &'a T,
}

/// Where git's configuration is found; nothing of the repository.
pub fn repo_env(env: &Env) -> RepoEnv {
    RepoEnv {
        git_dir: None,
        work_tree: None,
        config_global: env.git_config_global(),
        config_system: env.git_config_system(),
        config_nosystem: env.git_config_nosystem(),
        config_parameters: env.git_config_parameters(),
        config_pairs: env.git_config_pairs(),
        home: env.home(),
        xdg_config_home: env.xdg_config_home(),
    }
}

/// Opens the repository of a folder.
pub fn open<'p>(
    env: &Env,
    cwd: &Path,
    repo_env: &RepoEnv,
    caller: Caller,
    progress: &'p dyn Progress,
) -> Result<App<'p>> {
    Ok(App {
        repo: Repo::discover(cwd, repo_env)?,
        clock: env.clock(),
        ids: env.ids(),
        cwd: cwd.canonicalize().unwrap_or_else(|_| cwd.to_owned()),
        home: env.home(),
        agent_env: agent_env(env),
        agent_session: env.claude_session_id(),
        program: env.program().unwrap_or_else(|| PathBuf::from("git-session")),
        progress,
        caller,
    })
}

/// What adapters need of the environment.
pub fn agent_env(env: &Env) -> AgentEnv {
    AgentEnv {
        home: env.home(),
        claude_config_dir: env.claude_config_dir(),
        claude_project_dir: env.claude_project_dir(),
        claude_pid: env.claude_pid(),
    }
}

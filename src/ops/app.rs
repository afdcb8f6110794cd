//! What every use case needs: the repository, the clock, ids, the user's folders, limits. Opened once a command.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Result;
use crate::agents::AgentEnv;
use crate::base::lock::FileLock;
use crate::base::progress::Progress;
use crate::base::{Clock, IdSource, RepoPath, Timestamp};
use crate::engine::writers::{self, HASTY, PATIENT, Writers};
use crate::engine::{local, snapshot};
use crate::git::Repo;

/// How long a hook of git waits for others; what it cannot have by then is done detached.
const AT_ONCE: Duration = Duration::from_millis(10);
/// How long it looks at the work tree.
const WHILE_A_COMMIT_WAITS: Duration = Duration::from_millis(20);
/// What it reads meanwhile.
const AT_ONCE_READ: snapshot::AtOnce = snapshot::AtOnce { files: 100, bytes: 1 << 20 };

/// Graphemes of a title that nobody set otherwise.
const TITLE: usize = 50;

/// Who runs the use case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A person or a script: waits for others, settles interrupted restores.
    Explicit,
    /// A hook: gives up early, never settles.
    Hook,
    /// A hook of git, on whose end a commit waits: gives up at once.
    GitHook,
    /// A process that does what hooks left: waits for others, nobody waits for it.
    Detached,
}

/// The context of one command.
pub struct App<'a> {
    /// The repository.
    pub repo: Repo,
    /// Time.
    pub clock: Clock,
    /// New ids.
    pub ids: IdSource,
    /// Where the command was started (for a hook: the folder that the agent named).
    pub cwd: PathBuf,
    /// The user's home folder.
    pub home: Option<PathBuf>,
    /// What adapters need of the environment.
    pub agent_env: AgentEnv,
    /// The agent's own session id that is in our environment, when an agent runs us from its shell.
    pub agent_session: Option<String>,
    /// The path of this program, for hooks and for detached work.
    pub program: PathBuf,
    /// Shows how far long work has come.
    pub progress: &'a dyn Progress,
    /// Who asks.
    pub caller: Caller,
}

impl App<'_> {
    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// How long a title that is made may be; 0 for any length. A value that is no length must not keep a turn from being saved.
    pub fn title_limit(&self) -> usize {
        let wanted = self.repo.config.int("session.title.maxLength").ok().flatten();
        wanted.and_then(|n| usize::try_from(n).ok()).unwrap_or(TITLE)
    }

    /// How long to wait for others.
    pub fn patience(&self) -> Duration {
        match self.caller {
            Caller::Explicit | Caller::Detached => PATIENT,
            Caller::Hook => HASTY,
            Caller::GitHook => AT_ONCE,
        }
    }

    /// One at a time in a worktree: held while a checkpoint is made or files are restored.
    pub fn lock_worktree(&self) -> Result<FileLock> {
        let path = local::worktree_dir(&self.repo)?.join("lock");
        let mut lock = FileLock::acquire(&path, self.patience(), self.repo.shared.private_file())?;
        // Whoever waits can then say for whom.
        lock.set_note(&format!("pid {}", std::process::id()))?;
        if matches!(self.caller, Caller::Explicit | Caller::Detached) {
            local::sweep(&self.repo, &path)?;
            writers::free(&self.repo)?;
        }
        Ok(lock)
    }

    /// Paths that a tool named from a folder, as far as they lie in this work tree.
    pub fn inside(&self, cwd: &Path, paths: &[PathBuf]) -> Result<Vec<RepoPath>> {
        let root = self.repo.work_dir()?;
        let mut out: Vec<RepoPath> = paths
            .iter()
            .filter_map(|p| {
                let absolute = cwd.join(p);
                // The folder may be reached through a link; the file itself may be gone or be one.
                let folder = absolute.parent()?.canonicalize().ok()?;
                RepoPath::below(root, &folder.join(absolute.file_name()?)).ok()
            })
            .collect();
        out.sort();
        out.dedup();
        Ok(out)
    }

    /// The right to move our refs.
    pub fn writers(&self) -> Result<Writers<'_>> {
        Ok(Writers::acquire(&self.repo, self.patience())?)
    }

    /// Limits of a snapshot, from the configuration.
    pub fn snapshot_options(&self, only: Option<Vec<RepoPath>>) -> Result<snapshot::Options> {
        let config = &self.repo.config;
        let number = |key: &str, default: u64| -> Result<u64> {
            Ok(config.int(key)?.and_then(|n| u64::try_from(n).ok()).unwrap_or(default))
        };
        Ok(snapshot::Options {
            only,
            max_file_bytes: number("session.snapshot.maxFileBytes", 10 * 1024 * 1024)?,
            max_untracked_per_folder: usize::try_from(number("session.snapshot.maxUntrackedPerFolder", 10_000)?)
                .unwrap_or(usize::MAX),
            budget: match self.caller {
                Caller::Explicit | Caller::Detached => None,
                Caller::Hook => Some(Duration::from_millis(number("session.snapshot.budgetMs", 2_000)?)),
                Caller::GitHook => Some(WHILE_A_COMMIT_WAITS),
            },
            home: self.home.clone(),
            at_once: (self.caller == Caller::GitHook).then_some(AT_ONCE_READ),
        })
    }
}

impl std::fmt::Debug for App<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("repo", &self.repo.git_dir).field("caller", &self.caller).finish_non_exhaustive()
    }
}

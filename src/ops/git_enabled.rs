//! Where git's hooks may save: in a repository in which `enable` ran, and nowhere else.
//!
//! Hooks get about: a shared hooks directory, committed lines and a template bring ours into repositories that nobody
//! enabled. So `enable` marks the repository in its own configuration, which no clone and no template directory carries, and
//! names the worktree; `disable` in one worktree leaves what the others need, and names itself. Only values of the
//! repository's own file count: not the user's configuration, not a file that is included.

use std::path::{Path, PathBuf};

use super::{App, Result, git_install};
use crate::agents;
use crate::base::file;

/// A worktree in which `enable` ran.
pub const ENABLED: &str = "session.git.enabledIn";
/// A worktree in which `disable` ran while others went on.
pub const DISABLED: &str = "session.git.disabledIn";
/// The value that `enable` added to `notes.rewriteRef`.
pub const ADDED: &str = "session.git.addedRewriteRef";
/// The main worktree, by its git dir's path below the common one.
const MAIN: &str = ".";

/// What the repository's configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Worktrees in which `enable` ran.
    pub enabled: Vec<String>,
    /// Worktrees in which nothing is saved though others are enabled.
    pub disabled: Vec<String>,
    /// What was added to `notes.rewriteRef`.
    pub added: Vec<String>,
}

/// Reads them.
pub fn marks(app: &App<'_>) -> Result<Marks> {
    let read = |key| -> Result<Vec<String>> { Ok(app.repo.config.own(key)?.iter().map(ToString::to_string).collect()) };
    Ok(Marks { enabled: read(ENABLED)?, disabled: read(DISABLED)?, added: read(ADDED)? })
}

/// The name of this worktree in the marks.
pub fn here(app: &App<'_>) -> String {
    match app.repo.git_dir.strip_prefix(&app.repo.common_dir) {
        Ok(below) if !below.as_os_str().is_empty() => below.to_string_lossy().into_owned(),
        _ => MAIN.to_owned(),
    }
}

/// Whether git's hooks may save in this worktree. What the first version enabled has a note and no mark.
pub fn is_on(app: &App<'_>) -> Result<bool> {
    let marks = marks(app)?;
    if marks.disabled.contains(&here(app)) {
        return Ok(false);
    }
    Ok(!marks.enabled.is_empty() || git_install::is_noted(app))
}

/// The other worktrees that are enabled: their tops.
pub fn others(app: &App<'_>, marks: &Marks) -> Result<Vec<PathBuf>> {
    let here = here(app);
    let mut others = Vec::new();
    for (name, top) in worktrees(app)? {
        let is_enabled = if marks.enabled.is_empty() {
            git_install::is_noted(app) && !marks.disabled.contains(&name) && has_agents(&top)
        } else {
            marks.enabled.contains(&name)
        };
        if name != here && is_enabled {
            others.push(top);
        }
    }
    Ok(others)
}

/// Whether an agent's hooks are installed in a worktree.
fn has_agents(top: &Path) -> bool {
    agents::AGENTS.iter().any(|agent| agent.uninstall(top).is_ok_and(|edits| !edits.is_empty()))
}

/// Every worktree that is there, by name, with its top.
fn worktrees(app: &App<'_>) -> Result<Vec<(String, PathBuf)>> {
    let common = &app.repo.common_dir;
    let main = if common.ends_with(".git") { common.parent().unwrap_or(common) } else { common };
    let mut all = vec![(MAIN.to_owned(), main.to_owned())];
    let Ok(entries) = std::fs::read_dir(common.join("worktrees")) else { return Ok(all) };
    for entry in entries.filter_map(std::result::Result::ok) {
        let dir = entry.path();
        let Some(bytes) = file::read_optional(&dir.join("gitdir"))? else { continue };
        let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        let top = dir.join(text).parent().map(Path::to_owned).unwrap_or_default();
        // One that is gone is git's to prune; a locked one comes back.
        if top.join(".git").exists() || dir.join("locked").exists() {
            all.push((format!("worktrees/{}", entry.file_name().to_string_lossy()), top));
        }
    }
    all.sort();
    Ok(all)
}

//! What is installed of git's hooks, by looking: where git looks for them, what they hold, whether git runs them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::git_install::{HOOKS, block_for, shown};
use super::hook_aside::Aside;
use super::hook_text::{self, has_block, without_block};
use super::{App, Result, git_enabled};
use crate::base::supplied::{self, Links};
use crate::git::hooks_dir::{self, HooksDir, Place};

/// What to do where git runs no hooks.
pub const HOW_TO_SWITCH_ON: &str = "`git config --show-origin core.hooksPath` tells where it is set; without it, or once the \
    directory is there, `session enable` installs them. `session enable --no-git-hooks` leaves git's hooks out.";

/// The state of one hook, for `doctor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Our block is there.
    There,
    /// Our block is there, for another program or of another version.
    Outdated,
    /// Our block is there, and git does not run the file.
    SwitchedOff,
    /// The file is there, our block is not.
    Overwritten,
    /// No such file.
    Missing,
}

/// Whether git calls us here now.
pub fn is_installed(app: &App<'_>) -> Result<bool> {
    let (dir, states) = states(app)?;
    let calls = |state: &State| matches!(state, State::There | State::Outdated);
    Ok(dir.place != Place::Off && states.iter().any(|(_, state)| calls(state)))
}

/// Where git looks for hooks now, and each hook with its state there; none where this worktree is not enabled.
pub fn states(app: &App<'_>) -> Result<(HooksDir, Vec<(PathBuf, State)>)> {
    let dir = hooks_dir::find(&app.repo)?;
    let mut states = Vec::new();
    if dir.place != Place::Off && git_enabled::is_on(app)? {
        for (name, block) in HOOKS {
            states.push((dir.path.join(name), state_of(&dir, name, &block_for(app, block))?));
        }
    }
    Ok((dir, states))
}

/// Why git runs no hooks here, where it runs none.
pub fn why_off(app: &App<'_>, dir: &HooksDir) -> Result<Option<String>> {
    if dir.place != Place::Off {
        return Ok(None);
    }
    let lack = if dir.path.symlink_metadata().is_err() {
        "which is not there"
    } else if dir.path.exists() {
        "which is no directory"
    } else {
        "which leads nowhere"
    };
    let named = app.repo.config.bytes("core.hooksPath")?.unwrap_or_default();
    Ok(Some(match (dir.named, named.is_empty()) {
        (true, true) => "git's hooks are switched off: core.hooksPath is empty".to_owned(),
        (true, false) => format!("git's hooks are switched off: core.hooksPath is {named}, {lack}"),
        (false, _) => format!("git's hooks are switched off: git looks for them in {}, {lack}", shown(app, &dir.path)),
    }))
}

/// The bytes of a hook, behind a link, too; `None` where there are none that can be read.
pub fn read_hook(path: &Path) -> Option<Vec<u8>> {
    // What is no file is not opened: a pipe would be waited for.
    path.metadata()
        .is_ok_and(|meta| meta.is_file())
        .then(|| supplied::read_rules(path, Links::Follow).ok().flatten())
        .flatten()
}

/// The state of one hook.
pub fn state_of(dir: &HooksDir, name: &str, block: &str) -> Result<State> {
    let path = dir.path.join(name);
    let Ok(meta) = path.metadata() else {
        return Ok(if path.symlink_metadata().is_ok() { State::Overwritten } else { State::Missing });
    };
    let bytes = read_hook(&path).unwrap_or_default();
    let contains = |needle: &str| bytes.windows(needle.len()).any(|w| w == needle.as_bytes());
    let calls = has_block(&bytes) || contains(&format!(" hook git {name} "));
    if calls && !hook_text::runs(dir, meta.permissions().mode()) {
        return Ok(State::SwitchedOff);
    }
    let of_old = Aside::of(&path).is_some_and(|aside| aside.is_calling_of_old(&without_block(&bytes)));
    if contains(block) && !of_old || (calls && !has_block(&bytes)) {
        return Ok(State::There);
    }
    if calls {
        return Ok(State::Outdated);
    }
    // pre-commit goes on calling what it found.
    let moved = read_hook(&path.with_extension("legacy")).unwrap_or_default();
    Ok(if has_block(&moved) { State::There } else { State::Overwritten })
}

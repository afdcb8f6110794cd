//! What hooks could not do, in a line: in the log of the repository, else in the user's own, else on standard error.

use std::os::unix::fs::MetadataExt as _;

use crate::base::file;
use crate::base::text::sanitise;
use crate::cli::{Env, output};
use crate::engine::local::{self, LOG_BYTES};
use crate::ops::{App, Failure};

/// Writes a line into the log of the repository.
pub fn log(env: &Env, app: &App<'_>, line: &str) {
    if local::log(&app.repo, app.now(), line).is_err() {
        log_outside(env, &format!("{}: {line}", app.repo.git_dir.display()));
    }
}

/// Writes a line where there is no repository to write to.
pub fn log_outside(env: &Env, line: &str) {
    let folder = env.state_home().map(|home| home.join("git-session"));
    let written = folder.map(|folder| {
        let line = format!("{} {}", env.clock().now(), sanitise(line));
        file::create_private_dir(&folder)?;
        file::append_line_bounded(&folder.join("hooks.log"), &line, LOG_BYTES, 0o600)
    });
    if !matches!(written, Some(Ok(()))) {
        // Agents show it as a notice, if at all.
        output::say_unlogged(line);
    }
}

/// Tells why a repository was not opened; that there is none is no trouble.
pub fn unopened(env: &Env, failure: &Failure) {
    if failure.code != "repository.not-found" {
        log_outside(env, &failure.to_string());
    }
}

/// Whether a hook may not write here: files made under `sudo` would lock their owner out. Says so.
pub fn is_anothers(env: &Env, app: &App<'_>) -> bool {
    let owner = std::fs::metadata(&app.repo.common_dir).map(|m| m.uid()).unwrap_or_default();
    let is = env.sudo_uid().is_some_and(|user| user != 0) && rustix::process::geteuid().is_root() && owner != 0;
    if is {
        log(env, app, "started by sudo in a repository that is not root's: nothing was saved");
    }
    is
}

//! The git command line: the one builder that starts it, with a scrubbed environment and a deadline.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::repo::RepoEnv;
use super::{Error, Repo, Result};
use crate::base::process::{Output, Run};

/// What a hook or a caller of ours may have set for its own git and ours must not inherit. `GIT_CONFIG_GLOBAL` and its
/// like stay: they say which files are the user's. So do `GIT_SSH*` and `GIT_ASKPASS`.
const FOREIGN: &[&str] = &[
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_ATTR_SOURCE",
    "GIT_AUTHOR_DATE",
    "GIT_AUTHOR_EMAIL",
    "GIT_AUTHOR_NAME",
    "GIT_CEILING_DIRECTORIES",
    "GIT_COMMITTER_DATE",
    "GIT_COMMITTER_EMAIL",
    "GIT_COMMITTER_NAME",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DEFAULT_HASH",
    "GIT_DEFAULT_REF_FORMAT",
    "GIT_DIR",
    "GIT_EDITOR",
    "GIT_EXTERNAL_DIFF",
    "GIT_GLOB_PATHSPECS",
    "GIT_GRAFT_FILE",
    "GIT_ICASE_PATHSPECS",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INDEX_VERSION",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_LITERAL_PATHSPECS",
    "GIT_NAMESPACE",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_REFLOG_ACTION",
    "GIT_REPLACE_REF_BASE",
    "GIT_SEQUENCE_EDITOR",
    "GIT_SHALLOW_FILE",
    "GIT_TRACE",
    "GIT_WORK_TREE",
];

/// One call of git.
#[derive(Debug)]
pub struct Git {
    run: Run,
}

impl Git {
    /// git on this repository and worktree: `--no-optional-locks`, `core.fsmonitor=false`, `LC_ALL=C`, no prompts, no `GIT_*` from outside.
    pub fn new(repo: &Repo) -> Self {
        Self::at(&repo.git_dir, repo.work_dir.as_deref(), &repo.env)
    }

    /// The same before there is a [`Repo`].
    pub(super) fn at(git_dir: &Path, work_dir: Option<&Path>, env: &RepoEnv) -> Self {
        let mut git = Self::bare(work_dir.unwrap_or(git_dir), env);
        git.run.args.push(joined("--git-dir=", git_dir));
        if let Some(work_dir) = work_dir {
            git.run.args.push(joined("--work-tree=", work_dir));
        }
        git
    }

    /// git that judges the repository of `cwd` as it does for the user: what a caller says by `-c` and `GIT_CONFIG_COUNT`
    /// counts as git lets it count.
    pub(super) fn as_the_user(cwd: &Path, env: &RepoEnv) -> Self {
        let mut git = Self::bare(cwd, env);
        git.run.env_remove.retain(|name| *name != "GIT_CONFIG_COUNT" && *name != "GIT_CONFIG_PARAMETERS");
        git
    }

    /// git that finds the repository of `cwd` itself, with all its own checks.
    pub(super) fn bare(cwd: &Path, env: &RepoEnv) -> Self {
        let mut run = Run::new("git");
        run.own_search_path = true;
        run.cwd = Some(cwd.to_owned());
        run.args = ["--no-optional-locks", "-c", "core.fsmonitor=false"].map(OsString::from).to_vec();
        run.env_remove = FOREIGN.iter().map(OsString::from).collect();
        // What stands in for an object (`git replace`) is not what is stored, nor what a push sends.
        let fixed = [("LC_ALL", "C"), ("GIT_TERMINAL_PROMPT", "0"), ("GIT_NO_REPLACE_OBJECTS", "1")];
        run.env = fixed.map(|(name, value)| (name.into(), value.into())).to_vec();
        let files = [
            ("GIT_CONFIG_GLOBAL", &env.config_global),
            ("GIT_CONFIG_SYSTEM", &env.config_system),
            ("HOME", &env.home),
            ("XDG_CONFIG_HOME", &env.xdg_config_home),
        ];
        for (name, path) in files {
            if let Some(path) = path {
                run.env.push((name.into(), path.into()));
            }
        }
        if env.config_nosystem {
            run.env.push(("GIT_CONFIG_NOSYSTEM".into(), "1".into()));
        }
        Self { run }
    }

    /// What a filter driver is started with: as git starts it for this repository and worktree.
    pub(super) fn for_driver(repo: &Repo) -> Result<Run> {
        let work_dir = repo.work_dir()?;
        let mut run = Self::bare(work_dir, &repo.env).run;
        run.env.retain(|(name, _)| name != "LC_ALL");
        run.env.push(("GIT_DIR".into(), repo.git_dir.clone().into()));
        run.env.push(("GIT_WORK_TREE".into(), work_dir.into()));
        Ok(run)
    }

    /// git that sees an empty index.
    #[must_use]
    pub(super) fn without_index(mut self, repo: &Repo) -> Self {
        self.run.env_remove.retain(|name| name != "GIT_INDEX_FILE");
        let none = repo.git_dir.join("session").join("no-index");
        self.run.env.push(("GIT_INDEX_FILE".into(), none.into()));
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: Into<OsString>>(mut self, args: I) -> Self {
        self.run.args.extend(args.into_iter().map(Into::into));
        self
    }
    /// Gives standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: Vec<u8>) -> Self {
        self.run.stdin = Some(bytes);
        self
    }
    /// Sets the deadline (one minute otherwise).
    #[must_use]
    pub fn deadline(mut self, time: Duration) -> Self {
        self.run.deadline = time;
        self
    }
    /// Stops git where it says nothing for so long, or more than so many bytes.
    #[must_use]
    pub fn bounded(mut self, patience: Option<Duration>, most_output: usize) -> Self {
        self.run.patience = patience;
        self.run.most_output = most_output;
        self
    }
    /// Lets git ask for a password on the terminal, as it does when the user runs it. Never from a hook.
    #[must_use]
    pub fn may_ask(mut self) -> Self {
        self.run.env.retain(|(name, _)| name != "GIT_TERMINAL_PROMPT");
        self.run.may_ask = true;
        self
    }
    /// Runs; standard output where git exits with 0.
    ///
    /// # Errors
    /// [`super::Error::Git`] with `attempted` and the first line of standard error.
    pub fn run(self, attempted: &str) -> Result<Vec<u8>> {
        let out = self.output()?;
        if out.ok() { Ok(out.stdout) } else { Err(failure(attempted, &out)) }
    }
    /// Runs; gives standard output to `put` as it comes.
    ///
    /// # Errors
    /// [`super::Error::Git`] where git fails, what `put` was given then not being all; what `put` says, git being stopped.
    pub fn stream<E>(
        self,
        attempted: &str,
        put: &mut dyn FnMut(&[u8]) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E>
    where
        E: From<Error> + From<crate::base::Error>,
    {
        let out = self.run.stream(put)?;
        if out.ok() { Ok(()) } else { Err(failure(attempted, &out).into()) }
    }
    /// Runs; exit code and both outputs, a failure of git being no error.
    pub fn output(self) -> Result<Output> {
        Ok(self.run.output()?)
    }
}

/// The error for a call of git that failed.
pub(super) fn failure(attempted: &str, out: &Output) -> Error {
    let stderr = String::from_utf8_lossy(&out.stderr);
    let line = stderr.lines().map(str::trim).find(|l| !l.is_empty() && !l.starts_with("warning:")).unwrap_or_default();
    let line = line.trim_start_matches("fatal: ").trim_start_matches("error: ");
    let said = match (line, out.code) {
        ("", Some(code)) => format!("nothing, with exit code {code}"),
        ("", None) => "nothing, being killed by a signal".to_owned(),
        (line, _) => line.to_owned(),
    };
    Error::Git { attempted: attempted.to_owned(), said }
}

fn joined(option: &str, path: &Path) -> OsString {
    let mut text = OsString::from(option);
    text.push(path);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::matrix::Bench;

    #[test]
    fn a_failure_says_what_was_tried_and_what_git_said() {
        let bench = Bench::plain();
        let error = Git::new(&bench.repo()).args(["rev-parse", "--verify", "nothing"]).run("look up nothing");
        let text = error.expect_err("fails").to_string();
        assert_eq!(text, "cannot look up nothing: git said: Needed a single revision");
    }

    #[test]
    fn git_works_on_the_worktree_that_was_found() {
        for bench in Bench::all() {
            let repo = bench.repo_in(&bench.top.join("dir"));
            let out = Git::new(&repo).args(["rev-parse", "--show-toplevel"]).run("ask").expect("runs");
            assert_eq!(String::from_utf8_lossy(&out).trim_end(), bench.top.display().to_string(), "{}", bench.kind);
        }
    }
}

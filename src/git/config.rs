//! Reading git config through libgit2, all levels; the typed readers that the floors above use.
//!
//! Limits: where `GIT_CONFIG_GLOBAL` or `GIT_CONFIG_SYSTEM` name other files, and in the local config of a repository that
//! libgit2 cannot open, `includeIf` is not followed. Values from `git -c` and `GIT_CONFIG_COUNT` are not seen.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bstr::BString;
use git2::{ConfigLevel, ErrorCode};

use super::repo::RepoEnv;
use super::{Error, Result, locate};

/// A snapshot of the configuration of one repository (or of the user, outside of one).
pub struct Config {
    inner: Mutex<git2::Config>,
    home: Option<PathBuf>,
    xdg: Option<PathBuf>,
}
impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Config")
    }
}

impl Config {
    /// The user's configuration, outside of any repository.
    pub fn of_user(env: &RepoEnv) -> Result<Self> {
        let mut config = git2::Config::new().map_err(Error::libgit2("read git's configuration"))?;
        add_user_levels(&mut config, env)?;
        Self::take(config, env)
    }

    /// All levels of one repository; `opened` is libgit2's own view of it, where it has one.
    pub(super) fn load(
        git_dir: &Path,
        common_dir: &Path,
        env: &RepoEnv,
        opened: Option<&git2::Repository>,
    ) -> Result<Self> {
        let redirected = env.config_global.is_some() || env.config_system.is_some() || env.config_nosystem;
        if let Some(repo) = opened
            && !redirected
        {
            let config = repo.config().map_err(Error::libgit2("read git's configuration"))?;
            return Self::take(config, env);
        }
        let mut config = git2::Config::new().map_err(Error::libgit2("read git's configuration"))?;
        add_user_levels(&mut config, env)?;
        add(&mut config, &common_dir.join("config"), ConfigLevel::Local)?;
        if locate::own_worktree_config(common_dir) {
            add(&mut config, &git_dir.join("config.worktree"), ConfigLevel::Worktree)?;
        }
        Self::take(config, env)
    }

    fn take(mut config: git2::Config, env: &RepoEnv) -> Result<Self> {
        let inner = config.snapshot().map_err(Error::libgit2("read git's configuration"))?;
        Ok(Self { inner: Mutex::new(inner), home: env.home.clone(), xdg: env.xdg_config_home.clone() })
    }

    /// A value as bytes; `None` where unset.
    pub fn bytes(&self, key: &str) -> Result<Option<BString>> {
        match self.lock().get_bytes(key) {
            Ok(value) => Ok(Some(value.into())),
            Err(e) => absent(key, e),
        }
    }
    /// A boolean by git's rules.
    ///
    /// # Errors
    /// A value that is no boolean.
    pub fn bool(&self, key: &str) -> Result<Option<bool>> {
        self.lock().get_bool(key).map(Some).or_else(|e| absent(key, e))
    }
    /// An integer by git's rules (`10k`, `1m`).
    ///
    /// # Errors
    /// A value that is no integer.
    pub fn int(&self, key: &str) -> Result<Option<i64>> {
        self.lock().get_i64(key).map(Some).or_else(|e| absent(key, e))
    }
    /// A path with `~` expanded.
    pub fn path(&self, key: &str) -> Result<Option<PathBuf>> {
        let below_home = self.bytes(key)?.and_then(|v| v.strip_prefix(b"~/").map(BString::from));
        if let (Some(rest), Some(home)) = (below_home, &self.home) {
            return Ok(Some(home.join(os_path(&rest))));
        }
        self.lock().get_path(key).map(Some).or_else(|e| absent(key, e))
    }
    /// The user's own file of a kind that git reads besides a repository's: the one that `key` names, else `name` in
    /// [`Config::user_folder`].
    pub fn user_file(&self, key: &str, name: &str) -> Result<Option<PathBuf>> {
        Ok(self.path(key)?.or_else(|| self.user_folder().map(|folder| folder.join(name))))
    }
    /// All keys that match a regular expression, with their values, in the order of the files.
    pub fn matching(&self, pattern: &str) -> Result<Vec<(String, BString)>> {
        let attempted = || format!("read the configuration {pattern}");
        let config = self.lock();
        let entries = config.entries(Some(pattern)).map_err(Error::libgit2(attempted()))?;
        let mut found = Vec::new();
        entries
            .for_each(|entry| {
                let name = String::from_utf8_lossy(entry.name_bytes()).into_owned();
                let value = if entry.has_value() { entry.value_bytes() } else { b"true" };
                found.push((entry.level() as i32, name, BString::from(value)));
            })
            .map_err(Error::libgit2(attempted()))?;
        // libgit2 gives the strongest level first; a level's own entries are in the order of its file.
        found.sort_by_key(|(level, _, _)| *level);
        Ok(found.into_iter().map(|(_, name, value)| (name, value)).collect())
    }

    /// The folder of the user's git files (`$XDG_CONFIG_HOME/git`, else `~/.config/git`), where a home is known.
    pub fn user_folder(&self) -> Option<PathBuf> {
        let by_env = self.xdg.clone().or_else(|| self.home.as_ref().map(|h| h.join(".config")));
        by_env.map(|dir| dir.join("git")).or_else(|| {
            let xdg = git2::Config::find_xdg().ok();
            let global = git2::Config::find_global().ok();
            let folder = xdg.as_deref().and_then(Path::parent).map(Path::to_owned);
            folder.or_else(|| global.as_deref().and_then(Path::parent).map(|home| home.join(".config/git")))
        })
    }

    fn lock(&self) -> MutexGuard<'_, git2::Config> {
        // Reads leave nothing half done, so a thread that died in one spoiled nothing.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn absent<T>(key: &str, error: git2::Error) -> Result<Option<T>> {
    if error.code() == ErrorCode::NotFound {
        return Ok(None);
    }
    Err(Error::libgit2(format!("read the configuration {key}"))(error))
}

fn os_path(bytes: &[u8]) -> &Path {
    use std::os::unix::ffi::OsStrExt as _;
    Path::new(std::ffi::OsStr::from_bytes(bytes))
}

/// The files that git reads before a repository's own.
fn add_user_levels(config: &mut git2::Config, env: &RepoEnv) -> Result<()> {
    if !env.config_nosystem {
        let system = env.config_system.clone().or_else(|| git2::Config::find_system().ok());
        system.map_or(Ok(()), |path| add(config, &path, ConfigLevel::System))?;
    }
    if let Some(path) = &env.config_global {
        return add(config, path, ConfigLevel::Global);
    }
    let xdg = match (&env.xdg_config_home, &env.home) {
        (Some(xdg), _) => Some(xdg.join("git/config")),
        (None, Some(home)) => Some(home.join(".config/git/config")),
        (None, None) => git2::Config::find_xdg().ok(),
    };
    xdg.map_or(Ok(()), |path| add(config, &path, ConfigLevel::XDG))?;
    let global = env.home.as_ref().map(|h| h.join(".gitconfig")).or_else(|| git2::Config::find_global().ok());
    global.map_or(Ok(()), |path| add(config, &path, ConfigLevel::Global))
}

fn add(config: &mut git2::Config, path: &Path, level: ConfigLevel) -> Result<()> {
    // Not `is_file`: /dev/null is how one says "no such configuration".
    if !path.exists() || path == Path::new("/dev/null") {
        return Ok(());
    }
    config.add_file(path, level, false).map_err(Error::libgit2(format!("read {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::matrix::Bench;

    #[test]
    fn values_are_typed_and_levels_override_as_in_git() {
        for bench in Bench::all() {
            let users = bench.top.with_file_name("users");
            std::fs::write(
                &users,
                "[user]\n\tname = Global\n\temail = g@x\n[x \"Sub.Sect\"]\n\tkey = 1\n\tpath = ~/p\n\tflag\n",
            )
            .expect("writes");
            bench.git(&["config", "--add", "x.Sub.Sect.key", "2k"]);
            bench.git(&["config", "--add", "x.other.key", "no"]);
            bench.git(&["config", "extensions.worktreeConfig", "true"]);
            bench.git(&["config", "core.repositoryFormatVersion", "1"]);
            bench.git(&["config", "--worktree", "x.here", "yes"]);
            let env = RepoEnv { config_global: Some(users), ..bench.env.clone() };
            let config = super::super::Repo::discover(&bench.top, &env).expect("finds it").config;
            assert_eq!(config.bytes("user.name").expect("reads").expect("set"), "A U Thor", "local beats global");
            assert_eq!(config.int("x.Sub.Sect.key").expect("reads"), Some(2048));
            assert_eq!(config.bool("x.Sub.Sect.flag").expect("reads"), Some(true));
            assert_eq!(config.bool("x.here").expect("reads"), Some(true), "{}", bench.kind);
            assert_eq!(config.bool("x.other.KEY").expect("reads"), Some(false));
            assert_eq!(config.path("x.Sub.Sect.path").expect("reads"), env.home.as_ref().map(|h| h.join("p")));
            assert_eq!(config.bytes("x.absent").expect("reads"), None);
            assert!(config.bool("user.name").is_err() && config.int("user.name").is_err());
            let keys = config.matching("^x\\..*\\.key$").expect("reads");
            let keys: Vec<_> = keys.iter().map(|(k, v)| format!("{k}={v}")).collect();
            assert_eq!(keys, ["x.Sub.Sect.key=1", "x.Sub.Sect.key=2k", "x.other.key=no"]);
        }
    }
}

//! Reading git config through libgit2, all levels; the typed readers that the floors above use.
//!
//! What libgit2 does not read (conditional includes where it has no repository to judge by, `git -c`) is added
//! (`config_given`). Limits: those of `config_given`.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bstr::BString;
use git2::{ConfigLevel, ErrorCode};

use super::config_given::{self, Given, Included, Judge};
use super::repo::RepoEnv;
use super::{Error, Result, locate};

/// A snapshot of the configuration of one repository (or of the user, outside of one).
pub struct Config {
    inner: Mutex<git2::Config>,
    /// What libgit2 did not read: values, and the files that they come from.
    given: Vec<Given>,
    files: Mutex<Vec<(i32, git2::Config)>>,
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
        Self::take(config, env, None)
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
            return Self::take(config, env, Some(&Judge { git_dir, common_dir, env, by_libgit2: true }));
        }
        let mut config = git2::Config::new().map_err(Error::libgit2("read git's configuration"))?;
        add_user_levels(&mut config, env)?;
        add(&mut config, &common_dir.join("config"), ConfigLevel::Local)?;
        if locate::own_worktree_config(common_dir) {
            add(&mut config, &git_dir.join("config.worktree"), ConfigLevel::Worktree)?;
        }
        Self::take(config, env, Some(&Judge { git_dir, common_dir, env, by_libgit2: false }))
    }

    fn take(mut config: git2::Config, env: &RepoEnv, judge: Option<&Judge<'_>>) -> Result<Self> {
        let inner = config.snapshot().map_err(Error::libgit2("read git's configuration"))?;
        let included = judge.map_or_else(|| Ok(Included::default()), |judge| judge.included(&inner))?;
        let (mut given, files) = (included.values, Mutex::new(included.files));
        given.extend(config_given::of_command_line(env));
        Ok(Self { inner: Mutex::new(inner), given, files, home: env.home.clone(), xdg: env.xdg_config_home.clone() })
    }

    /// The value that libgit2 did not read, where it is stronger than the one that it did.
    fn given(&self, key: &str) -> Option<&Given> {
        let strongest = self.given.iter().rev().filter(|g| g.key.eq_ignore_ascii_case(key)).max_by_key(|g| g.level)?;
        let read = self.lock().get_entry(key).ok().map(|entry| entry.level() as i32);
        read.is_none_or(|level| strongest.level >= level).then_some(strongest)
    }

    /// A value as bytes; `None` where unset.
    pub fn bytes(&self, key: &str) -> Result<Option<BString>> {
        if let Some(given) = self.given(key) {
            return Ok(Some(given.value.clone()));
        }
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
        if let Some(given) = self.given(key) {
            let read = git2::Config::parse_bool(given.value.to_string());
            return read.map(Some).map_err(Error::libgit2(format!("read the configuration {key}")));
        }
        self.lock().get_bool(key).map(Some).or_else(|e| absent(key, e))
    }
    /// An integer by git's rules (`10k`, `1m`).
    ///
    /// # Errors
    /// A value that is no integer.
    pub fn int(&self, key: &str) -> Result<Option<i64>> {
        if let Some(given) = self.given(key) {
            let read = git2::Config::parse_i64(given.value.to_string());
            return read.map(Some).map_err(Error::libgit2(format!("read the configuration {key}")));
        }
        self.lock().get_i64(key).map(Some).or_else(|e| absent(key, e))
    }
    /// A path with `~` expanded.
    pub fn path(&self, key: &str) -> Result<Option<PathBuf>> {
        let below_home = self.bytes(key)?.and_then(|v| v.strip_prefix(b"~/").map(BString::from));
        if let (Some(rest), Some(home)) = (below_home, &self.home) {
            return Ok(Some(home.join(os_path(&rest))));
        }
        if let Some(given) = self.given(key) {
            return Ok(Some(os_path(&given.value).to_owned()));
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
        let mut found = Vec::new();
        let mut take = |config: &git2::Config, level: Option<i32>| {
            config.entries(Some(pattern))?.for_each(|entry| {
                let name = String::from_utf8_lossy(entry.name_bytes()).into_owned();
                let value = if entry.has_value() { entry.value_bytes() } else { b"true" };
                found.push((level.unwrap_or(entry.level() as i32), name, BString::from(value)));
            })
        };
        take(&self.lock(), None).map_err(Error::libgit2(attempted()))?;
        for (level, file) in self.files.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            take(file, Some(*level)).map_err(Error::libgit2(attempted()))?;
        }
        // libgit2 gives the strongest level first; a level's own entries are in the order of its file.
        found.sort_by_key(|(level, _, _)| *level);
        Ok(found.into_iter().map(|(_, name, value)| (name, value)).collect())
    }

    /// The values that the repository's own file gives a key; not those of other levels, nor of files that it includes.
    pub fn own(&self, key: &str) -> Result<Vec<BString>> {
        let attempted = || format!("read the configuration {key}");
        let config = self.lock();
        let entries = match config.multivar(key, None) {
            Err(e) if e.code() == ErrorCode::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(Error::libgit2(attempted()))?,
        };
        let mut found = Vec::new();
        entries
            .for_each(|entry| {
                if entry.level() == ConfigLevel::Local && entry.include_depth() == 0 && entry.has_value() {
                    found.push(BString::from(entry.value_bytes()));
                }
            })
            .map_err(Error::libgit2(attempted()))?;
        Ok(found)
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
            bench.git(&["config", "include.path", "included"]);
            std::fs::write(bench.repo().common_dir.join("included"), "[x \"other\"]\n\tkey = included\n")
                .expect("writes");
            let all = super::super::Repo::discover(&bench.top, &env).expect("finds it").config;
            assert_eq!(all.matching("^x\\.other\\.key$").expect("reads").len(), 2, "{}", bench.kind);
            assert_eq!(all.own("x.other.key").expect("reads"), ["no"], "{}", bench.kind);
            assert_eq!(config.own("x.Sub.Sect.key").expect("reads"), ["2k"], "not what the user's file says");
            assert_eq!(config.own("x.here").expect("reads"), [""; 0], "not what one worktree's file says");
            assert!(config.bool("user.name").is_err() && config.int("user.name").is_err());
            let keys = config.matching("^x\\..*\\.key$").expect("reads");
            let keys: Vec<_> = keys.iter().map(|(k, v)| format!("{k}={v}")).collect();
            assert_eq!(keys, ["x.Sub.Sect.key=1", "x.Sub.Sect.key=2k", "x.other.key=no"]);
        }
    }
}

//! The environment, read once at the start and passed down as typed values. The only reader of it.
//!
//! An empty variable counts as unset, as git and the NO_COLOR convention have it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::base::{Clock, Error, IdSource, Result, Timestamp};

/// What the process was given.
#[derive(Clone, Debug)]
pub struct Env {
    /// The folder it was started in.
    pub cwd: PathBuf,
    vars: BTreeMap<OsString, OsString>,
    clock: Option<Timestamp>,
    seed: Option<u64>,
    enabled: Option<bool>,
}

impl Env {
    /// Reads the real environment.
    ///
    /// # Errors
    /// The present folder is gone, or a `SESSION_*` variable cannot be read.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn of_process() -> Result<Self> {
        let cwd = std::env::current_dir().map_err(Error::io("find the present folder", "."))?;
        Self::from_pairs(cwd, std::env::vars_os()).map(Self::for_children)
    }

    /// Where children are searched is said before the first is started.
    fn for_children(self) -> Self {
        if let Some(path) = self.search_path() {
            crate::base::process::search_in(&path);
        }
        self
    }

    /// [`Self::of_process`] for a hook, which may be started in a folder that is gone: its name is empty then.
    ///
    /// # Errors
    /// A `SESSION_*` variable cannot be read.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn of_hook() -> Result<Self> {
        Self::from_pairs(std::env::current_dir().unwrap_or_default(), std::env::vars_os()).map(Self::for_children)
    }

    /// From given variables.
    ///
    /// # Errors
    /// A `SESSION_*` variable cannot be read.
    pub fn from_pairs<K, V>(cwd: impl Into<PathBuf>, pairs: impl IntoIterator<Item = (K, V)>) -> Result<Self>
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let vars: BTreeMap<OsString, OsString> =
            pairs.into_iter().map(|(k, v)| (k.into(), v.into())).filter(|(_, v)| !v.is_empty()).collect();
        let text = |name: &str| vars.get(OsStr::new(name)).map(|v| v.to_string_lossy().into_owned());
        let clock = text("SESSION_TEST_CLOCK").map(|t| Timestamp::parse(&t)).transpose()?;
        let seed = text("SESSION_TEST_SEED").map(|t| parse_seed(&t)).transpose()?;
        let enabled = text("SESSION_ENABLED").map(|t| parse_bool(&t)).transpose()?;
        Ok(Self { cwd: cwd.into(), vars, clock, seed, enabled })
    }

    /// The user's home folder.
    pub fn home(&self) -> Option<PathBuf> {
        self.path("HOME")
    }

    /// Where the user's configuration lies: `XDG_CONFIG_HOME`, else `~/.config`.
    pub fn config_home(&self) -> Option<PathBuf> {
        self.xdg("XDG_CONFIG_HOME", ".config")
    }

    /// Where the user's keys lie: `XDG_DATA_HOME`, else `~/.local/share`.
    pub fn data_home(&self) -> Option<PathBuf> {
        self.xdg("XDG_DATA_HOME", ".local/share")
    }

    /// Where the user's own log of hooks lies: `XDG_STATE_HOME`, else `~/.local/state`.
    pub fn state_home(&self) -> Option<PathBuf> {
        self.xdg("XDG_STATE_HOME", ".local/state")
    }

    /// Where Claude Code keeps its own files: `CLAUDE_CONFIG_DIR`, else `~/.claude`.
    pub fn claude_config_dir(&self) -> Option<PathBuf> {
        self.path("CLAUDE_CONFIG_DIR").or_else(|| self.home().map(|home| home.join(".claude")))
    }

    /// The native session of the Claude Code that runs us from its shell.
    pub fn claude_session_id(&self) -> Option<String> {
        self.text("CLAUDE_CODE_SESSION_ID")
    }

    /// The folder in which the Claude Code that runs our hook was started.
    pub fn claude_project_dir(&self) -> Option<PathBuf> {
        self.path("CLAUDE_PROJECT_DIR").filter(|path| path.is_absolute())
    }

    /// The process of the Claude Code that runs our hook.
    pub fn claude_pid(&self) -> Option<u32> {
        self.text("CLAUDE_PID")?.parse().ok()
    }

    /// `GIT_DIR`, which verbs honour and hooks do not.
    pub fn git_dir(&self) -> Option<PathBuf> {
        self.path("GIT_DIR")
    }

    /// `GIT_WORK_TREE`, which verbs honour and hooks do not.
    pub fn git_work_tree(&self) -> Option<PathBuf> {
        self.path("GIT_WORK_TREE")
    }

    /// `GIT_PAGER`, which goes before `core.pager`.
    pub fn git_pager(&self) -> Option<String> {
        self.text("GIT_PAGER")
    }

    /// `PAGER`, which goes after `core.pager`.
    pub fn pager(&self) -> Option<String> {
        self.text("PAGER")
    }

    /// `GIT_EDITOR`, else `VISUAL`, else `EDITOR`.
    pub fn editor(&self) -> Option<String> {
        ["GIT_EDITOR", "VISUAL", "EDITOR"].iter().find_map(|name| self.text(name))
    }

    /// Whether the user chose options for `less`.
    pub fn has_less(&self) -> bool {
        self.vars.contains_key(OsStr::new("LESS"))
    }

    /// `NO_COLOR`.
    pub fn no_color(&self) -> bool {
        self.vars.contains_key(OsStr::new("NO_COLOR"))
    }

    /// `CLICOLOR_FORCE`, unless it is `0`.
    pub fn clicolor_force(&self) -> bool {
        self.text("CLICOLOR_FORCE").is_some_and(|v| v != "0")
    }

    /// Whether the terminal can neither colour nor move its cursor.
    pub fn is_dumb_terminal(&self) -> bool {
        self.text("TERM").is_some_and(|t| t == "dumb")
    }

    /// Whether the locale writes UTF-8. An unset locale is taken to, as terminals of today do.
    pub fn is_utf8(&self) -> bool {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| self.text(name));
        locale.is_none_or(|l| {
            let l = l.to_ascii_lowercase();
            l.contains("utf-8") || l.contains("utf8")
        })
    }

    /// `COLUMNS`, the width that the user wants instead of the terminal's.
    pub fn columns(&self) -> Option<usize> {
        self.text("COLUMNS").and_then(|c| c.parse().ok()).filter(|c| *c > 0)
    }

    /// `SESSION_ENABLED`: off makes every hook do nothing.
    pub const fn enabled(&self) -> Option<bool> {
        self.enabled
    }

    /// The variable that overrides a setting: `session.<area>.<key>` is `SESSION_<AREA>_<KEY>`.
    pub fn setting(&self, key: &str) -> Option<String> {
        self.text(&key.to_ascii_uppercase().replace(['.', '-'], "_"))
    }

    /// The clock: the system's, or the one fixed by `SESSION_TEST_CLOCK`.
    pub fn clock(&self) -> Clock {
        self.clock.map_or(Clock::System, Clock::Fixed)
    }

    /// The source of ids: random, or the sequence from `SESSION_TEST_SEED`.
    pub fn ids(&self) -> IdSource {
        self.seed.map_or(IdSource::Random, IdSource::seeded)
    }

    /// `PATH`.
    pub fn search_path(&self) -> Option<OsString> {
        self.vars.get(OsStr::new("PATH")).cloned()
    }

    /// `SUDO_UID`: the user that `sudo` acts for.
    pub fn sudo_uid(&self) -> Option<u32> {
        self.text("SUDO_UID")?.parse().ok()
    }

    /// Names of the variables that begin with one of these.
    pub fn names_starting(&self, prefixes: &[&str]) -> Vec<OsString> {
        let wanted = |name: &&OsString| prefixes.iter().any(|p| name.as_encoded_bytes().starts_with(p.as_bytes()));
        self.vars.keys().filter(wanted).cloned().collect()
    }

    /// The path of this program.
    pub fn program(&self) -> Option<PathBuf> {
        std::env::current_exe().ok()
    }

    /// `GIT_CONFIG_GLOBAL`.
    pub fn git_config_global(&self) -> Option<PathBuf> {
        self.path("GIT_CONFIG_GLOBAL")
    }

    /// `GIT_CONFIG_SYSTEM`.
    pub fn git_config_system(&self) -> Option<PathBuf> {
        self.path("GIT_CONFIG_SYSTEM")
    }

    /// `GIT_CONFIG_NOSYSTEM`, unless it is a word for no.
    pub fn git_config_nosystem(&self) -> bool {
        self.text("GIT_CONFIG_NOSYSTEM").is_some_and(|v| parse_bool(&v).unwrap_or(true))
    }

    /// `GIT_CONFIG_PARAMETERS`, in which git hands on what its `-c` gave.
    pub fn git_config_parameters(&self) -> Option<Vec<u8>> {
        self.vars.get(OsStr::new("GIT_CONFIG_PARAMETERS")).map(|v| v.as_encoded_bytes().to_vec())
    }

    /// The keys and values that `GIT_CONFIG_COUNT` counts.
    pub fn git_config_pairs(&self) -> Vec<(String, bstr::BString)> {
        let count = self.text("GIT_CONFIG_COUNT").and_then(|c| c.parse().ok()).unwrap_or(0_usize);
        // An empty variable is unset here; as a value it is one.
        let value = |n| self.vars.get(OsStr::new(&format!("GIT_CONFIG_VALUE_{n}"))).map(|v| v.as_encoded_bytes());
        let pair = |n| Some((self.text(&format!("GIT_CONFIG_KEY_{n}"))?, value(n).unwrap_or_default().into()));
        // No list of variables is longer than what a process can be given.
        (0..count.min(self.vars.len())).filter_map(pair).collect()
    }

    /// `XDG_CONFIG_HOME`, where set.
    pub fn xdg_config_home(&self) -> Option<PathBuf> {
        self.path("XDG_CONFIG_HOME")
    }

    /// The same environment, seen from a folder in which an agent works on a session of its own.
    #[must_use]
    pub fn in_agent(mut self, cwd: &std::path::Path, native: &str) -> Self {
        self.cwd = cwd.to_owned();
        self.vars.insert("CLAUDE_CODE_SESSION_ID".into(), native.into());
        for name in ["GIT_DIR", "GIT_WORK_TREE"] {
            self.vars.remove(OsStr::new(name));
        }
        self
    }

    fn text(&self, name: &str) -> Option<String> {
        self.vars.get(OsStr::new(name)).map(|v| v.to_string_lossy().into_owned())
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.vars.get(OsStr::new(name)).map(PathBuf::from)
    }

    /// A relative XDG folder is to be ignored, says the specification.
    fn xdg(&self, name: &str, below_home: &str) -> Option<PathBuf> {
        self.path(name).filter(|p| p.is_absolute()).or_else(|| self.home().map(|home| home.join(below_home)))
    }
}

fn parse_seed(text: &str) -> Result<u64> {
    text.parse().map_err(|_| Error::BadText { text: text.to_owned(), wanted: "a seed (SESSION_TEST_SEED)" })
}

/// The words that git takes for true and false.
fn parse_bool(text: &str) -> Result<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err(Error::BadText { text: text.to_owned(), wanted: "true or false (SESSION_ENABLED)" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Env {
        Env::from_pairs("/work", pairs.iter().copied()).expect("a readable environment")
    }

    #[test]
    fn an_empty_variable_is_unset() {
        let env = env(&[("NO_COLOR", ""), ("PAGER", ""), ("COLUMNS", "0")]);
        assert!(!env.no_color() && env.pager().is_none() && env.columns().is_none());
    }

    #[test]
    fn folders_fall_back_to_home() {
        let env = env(&[("HOME", "/h"), ("XDG_STATE_HOME", "relative")]);
        assert_eq!(env.state_home(), Some("/h/.local/state".into()));
        assert_eq!(env.claude_config_dir(), Some("/h/.claude".into()));
        assert_eq!(Env::from_pairs("/", [("X", "y")]).expect("readable").home(), None);
    }

    #[test]
    fn clock_and_ids_can_be_fixed_from_outside() {
        let env = env(&[("SESSION_TEST_CLOCK", "2026-01-02T03:04:05Z"), ("SESSION_TEST_SEED", "7")]);
        assert_eq!(env.clock().now().to_string(), "2026-01-02T03:04:05.000Z");
        assert_eq!(env.ids().session(), IdSource::seeded(7).session());
        assert!(matches!(self::env(&[]).ids(), IdSource::Random));
    }

    #[test]
    fn a_variable_of_ours_that_cannot_be_read_is_an_error() {
        for pair in [("SESSION_TEST_CLOCK", "noon"), ("SESSION_TEST_SEED", "x"), ("SESSION_ENABLED", "maybe")] {
            assert!(Env::from_pairs("/", [pair]).is_err(), "{pair:?}");
        }
        assert_eq!(env(&[("SESSION_ENABLED", "off")]).enabled(), Some(false));
    }

    #[test]
    fn settings_are_found_under_their_variable() {
        let env = env(&[("SESSION_TITLE_MODE", "first-message"), ("LANG", "de_DE.ISO-8859-1")]);
        assert_eq!(env.setting("session.title.mode").as_deref(), Some("first-message"));
        assert!(!env.is_utf8());
    }
}

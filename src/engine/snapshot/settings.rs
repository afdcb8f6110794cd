//! The git settings that change what a snapshot sees: modes, links, stat trust, conversions.

use super::walk::Lstat;
use crate::engine::Result;
use crate::engine::stat_cache::StatRules;
use crate::git::config::Config;
use crate::git::filters::Drivers;
use crate::git::{FileMode, Repo};

/// Read once a snapshot.
#[derive(Debug)]
pub(super) struct Settings {
    /// Whether the exec bit on disk means something (`core.fileMode`).
    pub file_mode: bool,
    /// Whether links on disk are links (`core.symlinks`).
    pub symlinks: bool,
    /// Which fields of a stamp count.
    pub stat: StatRules,
    /// The configured filter drivers.
    pub drivers: Drivers,
    /// Whether a folder's times say that no name in it came or went.
    pub folder_times: bool,
}

impl Settings {
    /// Reads them.
    pub(super) fn read(repo: &Repo) -> Result<Self> {
        let config = &repo.config;
        let is = |key, default| config.bool(key).map(|value| value.unwrap_or(default));
        let minimal = config.bytes("core.checkStat")?.is_some_and(|v| v.eq_ignore_ascii_case(b"minimal"));
        Ok(Self {
            file_mode: is("core.fileMode", true)?,
            symlinks: is("core.symlinks", true)?,
            stat: StatRules { trust_ctime: is("core.trustctime", true)?, minimal },
            // Who does not trust times, or says that git must not, has a file system for it.
            folder_times: !minimal && is("core.trustctime", true)? && is_untracked_cache_allowed(config)?,
            drivers: Drivers::read(repo)?,
        })
    }

    /// The mode that a file gets in the tree; `staged` and `before` are the index's and the former tree's.
    pub(super) fn mode(&self, now: &Lstat, staged: Option<FileMode>, before: Option<FileMode>) -> FileMode {
        let executable =
            if self.file_mode { now.permissions & 0o100 != 0 } else { before.or(staged) == Some(FileMode::Executable) };
        // A file stands for a link that git knows of; of a path that git does not know, the former tree tells.
        if now.symlink || !self.symlinks && staged.or(before) == Some(FileMode::Symlink) {
            FileMode::Symlink
        } else if executable {
            FileMode::Executable
        } else {
            FileMode::File
        }
    }
}

/// `core.untrackedCache`, which is false, true or `keep`.
fn is_untracked_cache_allowed(config: &Config) -> Result<bool> {
    let value = config.bytes("core.untrackedCache")?;
    Ok(!value.is_some_and(|v| ["false", "no", "off", "0"].iter().any(|no| v.eq_ignore_ascii_case(no.as_bytes()))))
}

/// The conversion settings under which git's own checkout would give other bytes, as `key=value`.
pub(super) fn conversion(config: &Config) -> Result<Vec<String>> {
    let mut set = Vec::new();
    for key in ["core.autocrlf", "core.eol"] {
        let Some(value) = config.bytes(key)? else { continue };
        let value = value.to_ascii_lowercase();
        // A boolean has several spellings; `input` and the values of `core.eol` are none.
        let value = match config.bool(key) {
            Ok(Some(yes)) => yes.to_string(),
            _ => bstr::BString::from(value).to_string(),
        };
        if value != "false" {
            set.push(format!("{key}={value}"));
        }
    }
    Ok(set)
}

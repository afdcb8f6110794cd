//! Values of the repository's configuration that `enable` adds and `disable` takes away, by git itself.

use super::git_enabled::{DISABLED, ENABLED};
use super::{App, Result};
use crate::git::config_edit;

/// git's own setting: which notes follow commits that are rewritten.
pub const NOTES: &str = "notes.rewriteRef";

/// One value of the repository's configuration.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Its key.
    pub key: &'static str,
    /// The value.
    pub value: String,
    /// Added; otherwise taken away.
    pub add: bool,
}

impl Setting {
    /// Adds it, or takes it away.
    pub fn apply(&self, app: &App<'_>) -> Result<()> {
        if self.add {
            config_edit::add(&app.repo, self.key, &self.value)?;
        } else {
            config_edit::remove(&app.repo, self.key, &self.value)?;
        }
        Ok(())
    }

    /// How it is told.
    pub fn told(&self) -> String {
        let Self { key, value, add } = self;
        let what = match (*add, *key == NOTES) {
            (false, _) => "taken out",
            (true, true) => "links follow amended and rebased commits",
            (true, false) if *key == ENABLED => "git's hooks may save in this worktree",
            (true, false) if *key == DISABLED => "git's hooks save nothing in this worktree",
            (true, false) => "so that `disable` knows",
        };
        format!("{key}={value}: {what}")
    }

    /// The configuration as git will write it, for a dry run.
    pub fn in_text(&self, before: &[u8]) -> Vec<u8> {
        let (section, name) = self.key.rsplit_once('.').unwrap_or_default();
        let section = match section.split_once('.') {
            Some((section, sub)) => format!("[{section} \"{sub}\"]\n"),
            None => format!("[{section}]\n"),
        };
        let line = format!("\t{name} = {}\n", self.value);
        let text = String::from_utf8_lossy(before).into_owned();
        let after = match (self.add, text.split_once(&section)) {
            (true, None) => format!("{text}{section}{line}"),
            (true, Some((above, below))) => {
                let end = below.find("\n[").map_or(below.len(), |at| at + 1);
                format!("{above}{section}{}{line}{}", &below[..end], &below[end..])
            }
            (false, _) => {
                let text = text.replacen(&line, "", 1);
                let bare = text.split_once(&section).is_some_and(|(_, b)| b.is_empty() || b.starts_with('['));
                if bare { text.replacen(&section, "", 1) } else { text }
            }
        };
        after.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_shows_the_configuration_as_git_writes_it() {
        let setting = |key, value: &str, add| Setting { key, value: value.to_owned(), add };
        let before = "[core]\n\tbare = false\n[notes]\n\tx = y\n";
        let with = setting(ENABLED, "main", true).in_text(before.as_bytes());
        let with = setting(NOTES, "n", true).in_text(&with);
        let both = setting(ENABLED, "side", true).in_text(&with);
        let expected = "[core]\n\tbare = false\n[notes]\n\tx = y\n\trewriteRef = n\n[session \"git\"]\n\tenabledIn = main\n\tenabledIn = side\n";
        assert_eq!(String::from_utf8_lossy(&both), expected);
        let mut gone = both;
        for (key, value) in [(ENABLED, "main"), (NOTES, "n"), (ENABLED, "side")] {
            gone = setting(key, value, false).in_text(&gone);
        }
        assert_eq!(String::from_utf8_lossy(&gone), before);
    }
}

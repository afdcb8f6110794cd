//! The slash commands that we put into a project, so that the agent's menu knows them.
//!
//! The hook answers their lines before they are expanded. The text of a file tells the model what to do where it did not.

/// By this line we know a file as ours.
const MARK: &str = "<!-- git-session: written by `session enable`, taken out by `session disable` -->";

/// A command file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Command {
    /// Relative to `.claude/commands`, without the ending.
    pub(super) name: &'static str,
    /// What it says.
    pub(super) text: &'static str,
}

macro_rules! commands {
    ($($name:literal),*) => {
        &[$(Command { name: $name, text: include_str!(concat!("../../../hooks/claude-code/", $name, ".md")) }),*]
    };
}

/// All of them.
pub(super) const COMMANDS: &[Command] = commands![
    "rewind",
    "redo",
    "fork",
    "sessions",
    "session/rewind",
    "session/redo",
    "session/fork",
    "session/sessions",
    "session/save",
    "session/status"
];

impl Command {
    /// Whether this one takes the place of the agent's own.
    pub(super) fn shadows_builtin(&self) -> bool {
        self.name == "rewind"
    }

    /// Its file, relative to the top of the work tree.
    pub(super) fn path(&self) -> String {
        format!(".claude/commands/{}.md", self.name)
    }

    /// The line that a person types.
    pub(super) fn line(&self) -> String {
        format!("/{}", self.name.replace('/', ":"))
    }
}

/// Whether we wrote it.
pub(super) fn is_ours(bytes: &[u8]) -> bool {
    bytes.split(|b| *b == b'\n').any(|line| line.trim_ascii_end() == MARK.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_file_is_known_as_ours_and_names_what_to_run() {
        for command in COMMANDS {
            let verb = command.name.rsplit('/').next().expect("a name");
            assert!(is_ours(command.text.as_bytes()), "{}", command.name);
            assert!(command.text.contains(&format!("session slash \"/{verb} $ARGUMENTS\"")), "{}", command.name);
        }
        assert!(!is_ours(b"Rewind the thing.\n"));
    }
}

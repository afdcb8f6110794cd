//! Transcripts in neutral form: turns found in an agent's own file, and how to make a new file from an old one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::base::{IdSource, Timestamp};
use crate::model::session::Usage;
use crate::model::state::{Todo, TodoStatus};

/// A file beside a transcript that is stored along with it, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Companion {
    /// The part of its stream's id after `<native-id>.`.
    pub part: String,
    /// The file.
    pub path: PathBuf,
    /// Whether it is written once and never again, so that its size tells whether it is stored.
    pub is_final: bool,
}

/// Something in a turn that its state is derived from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// Where its line begins in the file.
    pub at: u64,
    /// What.
    pub what: Note,
}

/// What can be noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The todo list as a whole.
    Todos(Vec<Todo>),
    /// One more todo.
    TodoAdded(Todo),
    /// A todo is gone.
    TodoRemoved(String),
    /// Another status or text of a todo.
    TodoChanged {
        /// Which.
        id: String,
        /// How far it is now, where that changed.
        status: Option<TodoStatus>,
        /// What it says now, where that changed.
        content: Option<String>,
    },
    /// A tool ran.
    Ran(ToolRun),
}

/// One run of a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolRun {
    /// Its name.
    pub tool: String,
    /// What it was run on: a command, or a file as the tool named it.
    pub target: String,
    /// Whether `target` is a command for a shell.
    pub is_command: bool,
    /// Whether it is a file that was written.
    pub wrote: bool,
    /// Whether it failed.
    pub failed: bool,
    /// What it said, cut in the middle; empty for a success that is no command.
    pub output: String,
}

/// One turn as found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParsedTurn {
    /// The agent's key of the prompt.
    pub key: Option<String>,
    /// First byte of its prompt's line, in the file.
    pub start: u64,
    /// Byte after its last line so far.
    pub end: u64,
    /// The prompt's text.
    pub prompt: String,
    /// When it was sent.
    pub at: Option<Timestamp>,
    /// The agent's last sign of life in it: an answer, what a tool gave, an interrupt.
    pub last_at: Option<Timestamp>,
    /// Files that tools named as written outside of the work tree; found by who knows the tree.
    pub outside: Vec<String>,
    /// Tool calls by name.
    pub tools: BTreeMap<String, u32>,
    /// Tool calls that failed.
    pub errors: u32,
    /// Files that tools named as written, as the tools named them.
    pub files: Vec<PathBuf>,
    /// Tokens; usage repeated on several lines counted once.
    pub tokens: Usage,
    /// The last text of the agent in it.
    pub last_text: Option<String>,
    /// Todo lists and runs of tools, in order.
    pub notes: Vec<Noted>,
    /// Whether it still is on the line of conversation that the agent would resume.
    pub active: bool,
}

/// What a stretch of transcript holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// Turns in the order of the file. Lines before the first turn belong to none.
    pub turns: Vec<ParsedTurn>,
    /// Tool calls, tokens of lines before the first turn of this stretch (the rest of a turn that began earlier).
    pub before: ParsedTurn,
    /// The model last named.
    pub model: Option<String>,
    /// The agent's version last named.
    pub version: Option<String>,
    /// The agent's own title, last named.
    pub title: Option<String>,
    /// Working folder last named.
    pub cwd: Option<PathBuf>,
    /// Lines that are not what the agent writes.
    pub bad_lines: usize,
    /// Whether the last line has no end yet.
    pub torn: bool,
}

/// How much of the conversation a new file keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep<'a> {
    /// All complete turns.
    All,
    /// What came before one turn.
    Before {
        /// The agent's key of that turn's prompt, where known.
        key: Option<&'a str>,
        /// Where its prompt's line begins (used where the key is unknown or not found).
        offset: u64,
    },
}

/// How to make a new file.
#[derive(Clone, Copy, Debug)]
pub struct Rewrite<'a> {
    /// How much to keep.
    pub keep: Keep<'a>,
    /// The id of the new native session.
    pub new_id: &'a str,
    /// The id of the old one.
    pub old_id: &'a str,
    /// Folder in which it will be resumed.
    pub cwd: &'a Path,
    /// Title to give it.
    pub title: Option<&'a str>,
    /// For new ids inside.
    pub ids: &'a IdSource,
    /// The present moment.
    pub now: Timestamp,
}

/// A new file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// Its bytes; they end with a line end.
    pub bytes: Vec<u8>,
    /// Turns in it.
    pub turns: u32,
    /// The prompt of the first turn that was cut off.
    pub removed_prompt: Option<String>,
}

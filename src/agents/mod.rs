//! Floor 5: what is known of each agent: its hooks, its transcripts, how it resumes. One folder an agent, one table.
//!
//! Adapters know no git and no store. They turn bytes into neutral records and back, and never fail on what they do not know.

pub mod claude_code;
pub mod error;
pub mod generic;
pub mod hook;
pub mod install;
mod jsonl;
pub mod transcript;

use std::path::{Path, PathBuf};

use crate::base::RepoPath;

pub use error::{Error, Result};
pub use hook::{Event, HookInput, Reply};
pub use install::{FileEdit, Hooks, InstallOptions, ManagedFile};
pub use transcript::{Companion, Keep, Note, Noted, Parsed, ParsedTurn, Rewrite, Rewritten, ToolRun};

/// What adapters need of the environment; read once, by the command line.
#[derive(Clone, Debug, Default)]
pub struct AgentEnv {
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `CLAUDE_CONFIG_DIR`.
    pub claude_config_dir: Option<PathBuf>,
    /// `CLAUDE_PROJECT_DIR`: the folder in which Claude Code was started. Other agents set it as well.
    pub claude_project_dir: Option<PathBuf>,
    /// `CLAUDE_PID`: the process of the Claude Code that runs our hook.
    pub claude_pid: Option<u32>,
}

/// One agent.
pub trait Agent: Sync + std::fmt::Debug {
    /// Its kind: the folder's name with hyphens, as stored (`claude-code`).
    fn kind(&self) -> &'static str;
    /// Other names that the command line takes (`claude`).
    fn aliases(&self) -> &'static [&'static str];
    /// Its name for people (`Claude Code`).
    fn title(&self) -> &'static str;
    /// Reads what a hook got on standard input.
    ///
    /// # Errors
    /// Not JSON, or without what every event has.
    fn parse_hook(&self, event: &str, stdin: &[u8]) -> Result<HookInput>;
    /// The folder of the project, where the environment of its hooks tells.
    fn project(&self, _env: &AgentEnv) -> Option<PathBuf> {
        None
    }
    /// The project, at or above a folder, to which a transcript belongs by where it lies.
    fn project_of(&self, _transcript: &Path, _cwd: &Path) -> Option<PathBuf> {
        None
    }
    /// The agent's process, where the environment of its hooks tells.
    fn pid(&self, _env: &AgentEnv) -> Option<u32> {
        None
    }
    /// What the hook prints for a reply; empty where the agent wants nothing.
    fn render_reply(&self, event: &str, reply: &Reply) -> Vec<u8>;
    /// Reads transcript lines; `bytes` begin at a line start, at `offset` of the file. Unknown and torn lines are passed over.
    fn parse(&self, bytes: &[u8], offset: u64) -> Parsed;
    /// A new transcript file from an old one, cut at a turn's start with tool pairs intact, under a new id.
    ///
    /// # Errors
    /// The agent has no file that it resumes from.
    fn rewrite(&self, bytes: &[u8], how: &Rewrite<'_>) -> Result<Rewritten>;
    /// Where a transcript of that id lies for that working folder, if the agent resumes from files.
    fn transcript_path(&self, env: &AgentEnv, cwd: &Path, native_id: &str) -> Option<PathBuf>;
    /// The environment of the agent that wrote a transcript, as far as its place tells: it may have folders of its own.
    fn env_of(&self, env: &AgentEnv, _transcript: &Path) -> AgentEnv {
        env.clone()
    }
    /// Finds the transcript of an id wherever the agent may have put it.
    fn find_transcript(&self, env: &AgentEnv, native_id: &str) -> Option<PathBuf>;
    /// Whether a file, at its real place, is in the directories in which the agent keeps its transcripts, and named as one.
    fn owns_transcript(&self, env: &AgentEnv, path: &Path) -> bool;
    /// Whether a file that begins so is a conversation of the agent.
    fn is_conversation(&self, head: &[u8]) -> bool;
    /// Files that lie beside a transcript and belong to it: those of subagents, and outputs of tools too large for it.
    fn companions(&self, transcript: &Path) -> Vec<Companion>;
    /// The command that resumes an id outside of the agent; `None` where there is none.
    fn resume_command(&self, native_id: &str) -> Option<Vec<String>>;
    /// The line that resumes an id inside the agent; `None` where there is none.
    fn resume_line(&self, native_id: &str) -> Option<String>;
    /// Whether there is anything to install into this agent.
    fn is_installable(&self) -> bool {
        true
    }
    /// The files that an install may write.
    fn managed_files(&self) -> Vec<ManagedFile> {
        Vec::new()
    }
    /// Whether the content of such a file holds what we install.
    fn is_ours(&self, path: &RepoPath, bytes: &[u8]) -> bool {
        let (_, _) = (path, bytes);
        false
    }
    /// The edits that install our hooks and command files; empty where all is in place.
    fn install(&self, root: &Path, options: &InstallOptions) -> Result<Vec<FileEdit>>;
    /// Files that hold our hooks, relative to the top of the work tree.
    fn hook_files(&self) -> &'static [&'static str] {
        &[]
    }
    /// Whether our hooks are in a work tree, and whether the agent would run them.
    fn hooks(&self, _root: &Path, _env: &AgentEnv) -> Result<Hooks> {
        Ok(Hooks::Absent)
    }
    /// The edits that take out exactly what was put in, wherever it was put.
    fn uninstall(&self, root: &Path) -> Result<Vec<FileEdit>>;
}

/// Every agent that we know.
pub const AGENTS: &[&dyn Agent] = &[&claude_code::ClaudeCode, &generic::Generic];

/// The agent of a kind or alias.
pub fn find(name: &str) -> Option<&'static dyn Agent> {
    AGENTS.iter().copied().find(|a| a.kind() == name || a.aliases().contains(&name))
}

/// The agent of a recorded session; a name that we do not know came through the generic protocol.
pub fn of_session(kind: &str) -> Option<&'static dyn Agent> {
    find(kind).or_else(|| (kind != "none").then_some(&generic::Generic as &dyn Agent))
}

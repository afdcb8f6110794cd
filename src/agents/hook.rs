//! Hook events in neutral form: what an agent told us, and what we answer.

use std::path::PathBuf;

use crate::base::text::Shown;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The agent's session began or went on. `cleared`: it follows a `/clear` of another native session.
    /// `forked`: the agent forked it from one that it does not name.
    SessionStart {
        /// After the agent's own `/clear`.
        cleared: bool,
        /// After the agent's own fork.
        forked: bool,
    },
    /// A person sent a prompt. Also a slash line that an agent hands out before it expands it.
    Prompt {
        /// The whole text.
        text: String,
    },
    /// A tool ran.
    Tool {
        /// Its name.
        name: String,
        /// Files that it says it wrote, absolute or relative to `cwd`.
        paths: Vec<PathBuf>,
        /// Whether it failed.
        failed: bool,
    },
    /// The turn was answered.
    TurnEnd {
        /// The last text of the agent, where the event carries it.
        last_message: Option<String>,
    },
    /// The agent is about to compact its conversation.
    PreCompact,
    /// A subagent ended.
    SubagentEnd {
        /// Its transcript, where there is one.
        transcript: Option<PathBuf>,
    },
    /// The agent's session ended. `cleared`: by its own `/clear`; another SessionStart follows.
    SessionEnd {
        /// By the agent's own `/clear`.
        cleared: bool,
    },
    /// An event that we have no use for.
    Ignored,
}

/// One call of a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookInput {
    /// The agent's own id of its session.
    pub native_id: String,
    /// The folder the agent works in.
    pub cwd: PathBuf,
    /// Its transcript file, where known.
    pub transcript: Option<PathBuf>,
    /// The agent's key of the prompt that this belongs to.
    pub prompt_key: Option<String>,
    /// The agent's mode (such as its permission mode).
    pub mode: Option<String>,
    /// Agent kind named in the payload, for `generic`.
    pub agent: Option<String>,
    /// The agent's process, where it tells.
    pub pid: Option<u32>,
    /// Whether this comes from inside a subagent.
    pub in_subagent: bool,
    /// What happened.
    pub event: Event,
}

/// What we answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing; the agent goes on.
    Nothing,
    /// The prompt was for us: it is taken away and this text shown.
    Answer(Shown),
}

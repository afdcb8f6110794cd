//! The command line as typed. Parsing does nothing else; doc comments are the help.

use clap::{Parser, Subcommand, ValueEnum};

use super::commands::{
    complete, demo, diff, disable, doctor, enable, fork, list, log, man, pull, push, redo, resume, revert, rewind,
    save, show, slash, state,
};
use super::output::ColorChoice;

/// Session checkpoints for coding agents, in the project's own git repository.
///
/// Every turn of an agent becomes a checkpoint under refs/sessions/: the exact files and the conversation. Files and
/// conversation can be rewound and redone, forked into branches, and resumed, with nothing of yours touched on the way.
#[derive(Debug, Parser)]
#[command(
    name = "session",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = false,
    after_help = "Start with:\n  session enable           save every turn of your agent in this repository\n  session save \"title\"     a checkpoint now, with any tool or none\n  session log              what there is to go back to\n  session rewind code      put the files back; `session redo` undoes it\n  session demo             see it all in a scratch repository\n\nCheckpoints: 7 or #7, ~2 (two before the newest), turn:3 (just before turn 3 was answered), turn:3.end, \"@{10 minutes ago}\", a commit id.\n\nSessions: an id or its beginning, a name, a label, latest.\n\nExit codes: 0 done, 1 failed or nothing to do, 2 usage, 3 not found, 4 ambiguous, 5 conflict, 6 a choice is needed, 7 damaged."
)]
pub struct Cli {
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    pub json: bool,

    /// Colour: auto (on a terminal), always or never
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    pub color: Color,

    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Color {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl From<Color> for ColorChoice {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => Self::Auto,
            Color::Always => Self::Always,
            Color::Never => Self::Never,
        }
    }
}

/// The verbs.
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "the arguments of each verb tell what it does; a line here would hide their help")]
pub enum Command {
    Save(save::Args),
    #[command(visible_alias = "sessions")]
    List(list::Args),
    Show(show::Args),
    Log(log::Args),
    Diff(diff::Args),
    Rewind(rewind::Args),
    Redo(redo::Args),
    Revert(revert::Args),
    Fork(fork::Args),
    #[command(visible_alias = "load")]
    Resume(resume::Args),
    Continue(resume::ContinueArgs),
    State(state::Args),
    Push(push::Args),
    Pull(pull::Args),
    /// Show where this worktree stands
    #[command(after_help = "Examples:\n  session status\n  session status --json | jq -r .session.id")]
    Status,
    Doctor(doctor::Args),
    Enable(enable::Args),
    Disable(disable::Args),
    /// What agents' hooks call; reads JSON on standard input
    Hook(HookArgs),
    Slash(slash::Args),
    Demo(demo::Args),
    Completions(complete::Args),
    Man(man::Args),
}

/// Only for help: hooks are read by hand, so that nothing can make them fail.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  session hook claude-code Stop < payload.json\n  echo '{\"session_id\":\"s1\",\"cwd\":\"/repo\",\"prompt\":\"fix it\"}' | session hook generic prompt\n\nAlways exits 0; what goes wrong is in .git/session/log/hooks.log.\nEvents of `generic`: session-start, prompt, tool, turn-end, session-end (docs/agents/generic.md)."
)]
pub struct HookArgs {
    /// The agent: claude-code or generic; or git
    pub agent: String,
    /// Its event
    pub event: String,
}

/// Which session a verb acts on.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct SessionArg {
    /// The session: an id or its beginning, a name, a label, latest [default: the one of this worktree, else the newest]
    #[arg(long, short = 's', value_name = "SESSION")]
    pub session: Option<String>,
}

//! One file a command: its arguments and help, one call of `ops`, and how the outcome reads.

pub mod complete;
pub mod demo;
pub mod diff;
pub mod disable;
pub mod doctor;
pub mod enable;
pub mod fork;
pub mod git_hook;
pub mod hook;
mod hook_log;
pub mod list;
pub mod log;
pub mod man;
pub mod pull;
pub mod push;
pub mod redo;
pub mod resume;
pub mod revert;
pub mod rewind;
pub mod save;
pub mod show;
pub mod slash;
pub mod state;
pub mod status;

use super::Context;
use super::args::Command;
use crate::ops::Result;

/// Runs a command; its exit code where that is not a failure's.
pub fn run(context: &mut Context, command: Command) -> Result<u8> {
    match command {
        Command::Save(args) => save::run(context, args),
        Command::List(args) => list::run(context, &args),
        Command::Show(args) => show::run(context, args),
        Command::Log(args) => log::run(context, args),
        Command::Diff(args) => diff::run(context, args),
        Command::Rewind(args) => rewind::run(context, args),
        Command::Redo(args) => redo::run(context, args),
        Command::Revert(args) => revert::run(context, args),
        Command::Fork(args) => fork::run(context, args),
        Command::Resume(args) => resume::run(context, args),
        Command::Continue(args) => resume::run_continue(context, args),
        Command::State(args) => state::run(context, args),
        Command::Push(args) => push::run(context, args),
        Command::Pull(args) => pull::run(context, args),
        Command::Status => status::run(context),
        Command::Doctor(args) => doctor::run(context, &args),
        Command::Enable(args) => enable::run(context, args),
        Command::Disable(args) => disable::run(context, args),
        Command::Hook(args) => {
            hook::run(context, &args.agent, &args.event);
            Ok(0)
        }
        Command::Slash(args) => slash::run(context, &args),
        Command::Demo(args) => demo::run(context, &args),
        Command::Completions(args) => complete::run(context, &args),
        Command::Man(args) => man::run(context, &args),
    }
}

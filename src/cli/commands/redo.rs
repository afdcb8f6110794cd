//! `session redo`.

use super::rewind::{self, HowArgs};
use crate::cli::Context;
use crate::ops::Result;

/// Undo the last rewind
///
/// Brings back byte for byte what it replaced. Two rewinds take two redos; new work ends them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  session redo\n  session redo --dry-run")]
pub struct Args {
    #[command(flatten)]
    how: HowArgs,
}

/// Redoes.
pub fn run(context: &mut Context, args: Args) -> Result<u8> {
    rewind::run_redo(context, &args.how)
}

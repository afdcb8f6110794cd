//! `session revert`.

use super::rewind::tell;
use crate::cli::Context;
use crate::cli::args::SessionArg;
use crate::ops::moving::Terms;
use crate::ops::{Result, revert};

/// Take one turn's changes back and keep later ones
///
/// A three-way merge takes them out. Where later changes touch the same lines the files are named and nothing is changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  session revert 2\n  session revert 2 --dry-run")]
pub struct Args {
    /// The turn's number
    turn: u32,
    /// Show what would change, change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Also in the middle of a merge or rebase
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    session: SessionArg,
}

/// Reverts.
pub fn run(context: &mut Context, args: Args) -> Result<u8> {
    let progress = context.ui.progress();
    let app = context.app(&*progress)?;
    let terms = Terms { session: args.session.session, dry_run: args.dry_run, force: args.force, ..Terms::default() };
    let options = revert::Options { turn: args.turn, terms };
    let outcome = revert::run(&app, &options)?;
    context.show("revert", &outcome, |ui, o| tell(ui, "Reverted", o));
    Ok(0)
}

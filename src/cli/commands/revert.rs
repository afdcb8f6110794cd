//! `session revert`.

use std::path::PathBuf;

use super::rewind::{choosing, show_move};
use crate::cli::Context;
use crate::cli::args::SessionArg;
use crate::ops::choice::Foreign;
use crate::ops::moving::Terms;
use crate::ops::{Result, revert};

/// Take one turn's changes back and keep later ones
///
/// A three-way merge takes them out. Where later changes touch the same lines the files are named and nothing is changed.
/// Files that another session may have changed in that turn, too, are listed and need a choice: --mine, --all, or paths.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  session revert 2\n  session revert 2 --dry-run\n  session revert 2 -- src/main.rs"
)]
pub struct Args {
    /// The turn's number
    turn: u32,
    /// Show what would change, change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Leave files that someone else may have changed in the turn, and what cannot be touched, as they are
    #[arg(long, conflicts_with = "all")]
    mine: bool,
    /// Take files that someone else may have changed in the turn back too; what cannot be touched is left
    #[arg(long)]
    all: bool,
    /// Write configuration of somebody else's session that runs commands (hooks, tasks) too
    #[arg(long)]
    trust: bool,
    /// Also in the middle of a merge or rebase
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    session: SessionArg,
    /// Only these paths, as git's pathspecs
    #[arg(last = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// Reverts.
pub fn run(context: &mut Context, args: Args) -> Result<u8> {
    let progress = context.ui.progress();
    let app = if args.dry_run { context.reader(&*progress)? } else { context.app(&*progress)? };
    let terms = Terms {
        session: args.session.session,
        dry_run: args.dry_run,
        foreign: Foreign::of(args.mine, args.all),
        leave_obstacles: args.mine || args.all,
        paths: args.paths,
        trust: args.trust,
        force: args.force,
        ..Terms::default()
    };
    let turn = args.turn;
    let revert = |terms: &Terms| revert::run(&app, &revert::Options { turn, terms: terms.clone() });
    let outcome = choosing(&mut context.ui, terms, revert)?;
    show_move(context, "revert", outcome)
}

//! `session disable`.

use super::enable::tell;
use crate::cli::Context;
use crate::ops::{Result, disable};

/// Take out what `enable` installed; sessions stay
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  session disable\n  session disable --agent claude-code --dry-run")]
pub struct Args {
    /// The agent; may be repeated [default: all]
    #[arg(long, value_name = "AGENT")]
    agent: Vec<String>,
    /// Show the edits as a diff, make none
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// Takes out.
pub fn run(context: &mut Context, args: Args) -> Result<u8> {
    let progress = context.ui.progress();
    let app = context.app(&*progress)?;
    let outcome = disable::run(&app, &disable::Options { agents: args.agent, dry_run: args.dry_run })?;
    context.show("disable", &outcome, |ui, o| tell(ui, o, "Nothing of ours is installed here."));
    Ok(0)
}

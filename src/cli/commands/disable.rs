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
    /// Take git's hooks also out of a folder that is committed or that other repositories share
    #[arg(long)]
    write_hooks: bool,
    /// Show the edits as a diff, make none
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// Takes out.
pub fn run(context: &mut Context, args: Args) -> Result<u8> {
    let progress = context.ui.progress();
    let app = context.app(&*progress)?;
    let options = disable::Options { agents: args.agent, write_hooks: args.write_hooks, dry_run: args.dry_run };
    let outcome = disable::run(&app, &options)?;
    context.show("disable", &outcome, |ui, o| {
        let nothing = if o.left.is_empty() { "Nothing of ours is installed here." } else { "Nothing was taken out." };
        tell(ui, o, nothing);
        for left in &o.left {
            ui.note(&format!("left: {} ({})", left.path, left.why));
        }
    });
    Ok(0)
}

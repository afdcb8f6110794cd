//! `session completions`.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::{Cli, Context};
use crate::ops::Result;

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  session completions bash > ~/.local/share/bash-completion/completions/session\n  session completions zsh > ~/.zfunc/_session\n  session completions fish > ~/.config/fish/completions/session.fish"
)]
pub struct Args {
    /// Which shell
    shell: Shell,
}

/// Prints.
pub fn run(context: &mut Context, args: &Args) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "session", &mut script);
    context.ui.document(&script);
    Ok(0)
}

//! `session slash`.

use crate::cli::{Context, slash};
use crate::ops::{Failure, FailureKind, Result};

/// Run a line as it is typed in an agent
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  session slash \"/rewind code 3\"\n  session slash /sessions\n\nLines: /rewind [code|chat|both] [CHECKPOINT], /redo, /fork [TITLE], /sessions, /save [TITLE],\n/status, /log, /diff, /show, /resume [SESSION]; each also as /session:NAME."
)]
pub struct Args {
    /// The line
    #[arg(required = true, num_args = 1.., allow_hyphen_values = true)]
    line: Vec<String>,
}

/// Runs.
pub fn run(context: &mut Context, args: &Args) -> Result<u8> {
    let line = args.line.join(" ");
    let Some(command) = slash::parse(&line)? else {
        return Err(Failure::new(FailureKind::Usage, "slash.unknown", format!("{line:?} is no line of ours"))
            .hint("`session slash --help` lists the lines."));
    };
    context.ui.as_in_an_agent();
    super::run(context, command)
}

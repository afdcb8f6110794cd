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
    context.ui.as_in_an_agent();
    match slash::parse(&line)? {
        Some(slash::Line::Command(command)) => super::run(context, *command),
        Some(slash::Line::Help(help)) => {
            help.lines().for_each(|line| context.ui.data_line(line));
            Ok(0)
        }
        None => Err(Failure::new(FailureKind::Usage, "slash.unknown", format!("{line:?} is no line of ours"))
            .hint("`session slash --help` lists the lines.")),
    }
}

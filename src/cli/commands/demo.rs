//! `session demo`: skeleton.
use crate::cli::Context;
use crate::ops::Result;
/// Plays a recorded agent session into a scratch repository, and shows what can be done with it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Keep the folder, to look around in it
    #[arg(long)]
    pub keep: bool,
}
/// Runs the demonstration.
pub fn run(_context: &mut Context, _args: &Args) -> Result<u8> {
    Ok(0)
}

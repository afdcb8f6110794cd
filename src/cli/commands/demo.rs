//! `session demo`.

use std::path::PathBuf;

use serde::Serialize;

use crate::cli::Context;
use crate::cli::demo::{self, Scratch, Step, Teller};
use crate::cli::line::line;
use crate::cli::output::Mode;
use crate::cli::theme::{Theme, paint};
use crate::ops::{Failure, FailureKind, Result};

/// See it work: a recorded agent session in a scratch repository
///
/// Three turns of an agent are played through the real hooks; then the files and the conversation are rewound, redone and
/// forked. Every command shown is run, and every result is checked. Nothing of yours is touched: home folder and
/// configuration are the scratch folder's own, and it is removed at the end.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  session demo\n  session demo --keep        leave the folder, to look around in it\n  session demo --json        the steps as a document"
)]
pub struct Args {
    /// Keep the folder, to look around in it
    #[arg(long)]
    pub keep: bool,
}

#[derive(Serialize)]
struct Outcome {
    folder: PathBuf,
    kept: bool,
    steps: Vec<Step>,
}

/// Runs the demonstration.
pub fn run(context: &mut Context, args: &Args) -> Result<u8> {
    let program = context.env.program().ok_or_else(|| {
        Failure::new(
            FailureKind::Internal,
            "internal",
            "the path of this program is not known, so it cannot run itself",
        )
    })?;
    let (clock, colour) = (context.env.clock(), context.ui.theme() != Theme::plain());
    let scratch = Scratch::new(&context.env, &program, colour)?;
    let folder = scratch.root().to_owned();
    if context.ui.mode() == Mode::Human {
        context.ui.data_line(format!("A demonstration in {}; nothing of yours is touched.", folder.display()));
    }
    let mut teller = Teller::new(&mut context.ui);
    let played = demo::play(&mut teller, &scratch, &clock);
    let steps = teller.into_steps();
    if args.keep {
        scratch.keep()?;
    }
    let outcome = played.map(|()| Outcome { folder, kept: args.keep, steps })?;
    context.show("demo", &outcome, |ui, o| {
        let theme = ui.theme();
        ui.data_line("");
        if !o.kept {
            ui.data_line("The scratch folder is gone; `session demo --keep` leaves it to look around.");
            return;
        }
        let folder = o.folder.display();
        ui.data_line("Look around; `session` works there, with a home folder of its own:");
        ui.data_line(line!["  ", paint(theme.good, format!("cd {folder}/project && . ../env && session log"))]);
        ui.data_line(format!("Remove it with: rm -r {folder}"));
    });
    Ok(0)
}

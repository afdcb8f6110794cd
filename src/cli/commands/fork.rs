//! `session fork`.

use std::path::PathBuf;

use crate::base::text;
use crate::cli::Context;
use crate::cli::args::SessionArg;
use crate::cli::theme::paint;
use crate::ops::{Result, fork};

/// Make an independent session, and a branch, from a checkpoint
///
/// The branch is one clean commit on the commit that the checkpoint was based on; no conversation can be reached from
/// it. With --worktree or --switch the branch is that commit itself and the files are uncommitted work.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  session fork \"try a trie\"\n  session fork --at turn:2 --branch try/trie\n  session fork --at 7 --worktree ../try\n  session fork --switch"
)]
pub struct Args {
    /// Title of the fork [default: Fork of <title>]
    title: Option<String>,
    /// The checkpoint to fork at [default: the state now]
    #[arg(long, value_name = "CHECKPOINT")]
    at: Option<String>,
    /// Name of the branch [default: session/<title>]
    #[arg(long, value_name = "NAME", conflicts_with = "no_branch")]
    branch: Option<String>,
    /// Make no branch
    #[arg(long)]
    no_branch: bool,
    /// Make a worktree there and put the files into it
    #[arg(long, value_name = "PATH", conflicts_with_all = ["switch", "no_branch"])]
    worktree: Option<PathBuf>,
    /// Switch this worktree to the branch, and its files to the checkpoint
    #[arg(long, conflicts_with = "no_branch")]
    switch: bool,
    #[command(flatten)]
    session: SessionArg,
}

/// Forks.
pub fn run(context: &mut Context, args: Args) -> Result<u8> {
    let progress = context.ui.progress();
    let app = context.app(&*progress)?;
    let outcome = fork::run(
        &app,
        &fork::Options {
            title: args.title,
            session: args.session.session,
            at: args.at,
            branch: args.branch,
            no_branch: args.no_branch,
            worktree: args.worktree,
            switch: args.switch,
        },
    )?;
    context.show("fork", &outcome, |ui, o| {
        let theme = ui.theme();
        let title = text::sanitise(&o.title);
        ui.data_line(&format!("Forked session: {} ({title})", paint(theme.id, &o.session.short())));
        ui.data_line(&format!("  from    {} at checkpoint {}", o.parent_session.short(), o.at.number));
        match (&o.branch, o.no_branch) {
            (Some(branch), _) => {
                let at = o.branch_commit.map(|c| format!(" at {}", c.short())).unwrap_or_default();
                ui.data_line(&format!("  branch  {}{at}", paint(theme.good, &text::sanitise(branch))));
            }
            (None, Some(why)) => ui.data_line(&format!("  branch  none: {why}")),
            (None, None) => {}
        }
        if let Some(worktree) = &o.worktree {
            ui.data_line(&format!(
                "  files   in {}, as uncommitted work",
                text::sanitise(&worktree.display().to_string())
            ));
        }
        for path in &o.left_out {
            ui.warning(&format!("left out of the branch, it looks like a secret: {path}"));
        }
        if let Some(native) = &o.native {
            super::resume::how_to(ui, native);
        }
    });
    Ok(0)
}

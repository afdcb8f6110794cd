//! `session fork`.

use std::path::PathBuf;

use crate::base::text;
use crate::cli::Context;
use crate::cli::args::SessionArg;
use crate::cli::ask;
use crate::cli::line::line;
use crate::cli::output::Ui;
use crate::cli::render::paths;
use crate::cli::theme::paint;
use crate::model::Scope;
use crate::ops::choice::Foreign;
use crate::ops::{Result, fork};

use super::rewind::{executable, wants_trust, whose};

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
    /// Take configuration of somebody else's session that runs commands (hooks, tasks) along too
    #[arg(long)]
    trust: bool,
    /// With --switch: leave files that someone else changed, and what cannot be touched, as they are
    #[arg(long, requires = "switch", conflicts_with = "all")]
    mine: bool,
    /// With --switch: take files that someone else changed back too; what cannot be touched is left
    #[arg(long, requires = "switch")]
    all: bool,
    /// Show what would be made, change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    #[command(flatten)]
    session: SessionArg,
}

/// Forks.
pub fn run(context: &mut Context, args: Args) -> Result<u8> {
    let progress = context.ui.progress();
    let app = context.app(&*progress)?;
    let mut options = fork::Options {
        title: args.title,
        session: args.session.session,
        at: args.at,
        branch: args.branch,
        no_branch: args.no_branch,
        worktree: args.worktree,
        switch: args.switch,
        foreign: Foreign::of(args.mine, args.all),
        dry_run: args.dry_run,
        trust: args.trust,
    };
    let outcome = match fork::run(&app, &options) {
        Err(failure) if wants_trust(&context.ui, &failure) && ask::trust(&mut context.ui, &failure) => {
            options.trust = true;
            fork::run(&app, &options)?
        }
        other => other?,
    };
    context.show("fork", &outcome, show);
    Ok(0)
}

fn show(ui: &mut Ui, o: &fork::Outcome) {
    let theme = ui.theme();
    let title = o.title.as_str();
    match &o.session {
        Some(id) => ui.data_line(line!["Forked session: ", paint(theme.id, id.short()), format!(" ({title})")]),
        None => ui.data_line(line!["Would fork a session: ", title]),
    }
    ui.data_line(format!("  from    {} at checkpoint {}", o.parent_session.short(), o.at.number));
    if o.scope != Scope::Full {
        ui.data_line("          (it looked at some files only; the others are as the checkpoints before it had them)");
    }
    let base = o.base.map(|b| b.short().to_string()).unwrap_or_default();
    let as_work = o.worktree.is_some() || o.here.is_some();
    let files = text::count(o.files.len(), "file");
    match (&o.branch, o.no_branch) {
        (Some(branch), _) => {
            let at = if as_work { format!("at {base}") } else { format!("one commit on {base}, {files} changed") };
            ui.data_line(line!["  branch  ", paint(theme.good, branch), ", ", at]);
        }
        (None, Some(why)) => ui.data_line(format!("  branch  none: {why}")),
        (None, None) => {}
    }
    if let Some(worktree) = &o.worktree {
        let folder = worktree.display();
        ui.data_line(format!("  files   in {folder}, as uncommitted work: {files} changed since the base"));
    }
    if let Some(here) = &o.here {
        let moves = format!("{} written and {} deleted to get there", here.written.len(), here.deleted.len());
        ui.data_line(format!("  files   here, as uncommitted work: {files} changed since the base; {moves}"));
    }
    if o.dry_run {
        for line in paths::listed(ui, &o.files, paths::shown) {
            ui.data_line(format!("          {line}"));
        }
    }
    if let Some(here) = &o.here {
        paths::tell_left(ui, &here.kept);
    }
    for line in paths::listed(ui, &o.left_out, paths::shown) {
        ui.warning(&format!("left out of the branch, it looks like a secret: {line}"));
    }
    whose(ui, o.whose.as_ref());
    executable(ui, &o.executable, o.dry_run);
    if let Some(native) = &o.native {
        super::resume::how_to(ui, native);
    }
    if o.dry_run {
        ui.data_line("Nothing was changed.");
    }
}

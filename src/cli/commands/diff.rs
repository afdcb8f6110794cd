//! `session diff`.

use std::path::PathBuf;

use rayon::prelude::*;

use crate::cli::Context;
use crate::cli::args::SessionArg;
use crate::cli::output::Mode;
use crate::cli::render::diff::lines;
use crate::cli::render::stat::{FileStat, diffstat};
use crate::features::patch::FileDiff;
use crate::ops::{App, Result, diff};

/// Show what differs between two checkpoints, or one and now
///
/// Without a checkpoint: everything since the session began.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  session diff                     since the session began\n  session diff turn:2              since just before turn 2\n  session diff turn:2 turn:2.end   what turn 2 did\n  session diff --stat 3 7 -- src\n  session diff turn:2 turn:2.end > turn2.patch"
)]
pub struct Args {
    /// From this checkpoint
    #[arg(value_name = "A")]
    from: Option<String>,
    /// To this checkpoint
    #[arg(value_name = "B")]
    to: Option<String>,
    /// Only these paths, as git's pathspecs
    #[arg(last = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Only count lines
    #[arg(long)]
    stat: bool,
    #[command(flatten)]
    session: SessionArg,
}

/// Compares.
pub fn run(context: &mut Context, args: Args) -> Result<u8> {
    let progress = context.ui.progress();
    let app = context.reader(&*progress)?;
    let options = diff::Options { session: args.session.session, from: args.from, to: args.to, paths: args.paths };
    let outcome = diff::run(&app, &options)?;
    if context.ui.mode() == Mode::Json {
        let listed = each(&app, &outcome, |file| {
            let lines = file.line_count();
            serde_json::json!({
                "path": file.path, "added": lines.map(|l| l.added), "removed": lines.map(|l| l.removed),
                "binary": lines.is_none(), "patch": String::from_utf8_lossy(&file.patch()),
                "old_mode": file.old.map(|o| o.mode.octal()), "new_mode": file.new.map(|n| n.mode.octal()),
            })
        });
        let listed = listed.collect::<Result<Vec<_>>>()?.concat();
        let mut document = serde_json::to_value(&outcome).unwrap_or_default();
        document["files"] = listed.into();
        context.show("diff", &document, |_, _| {});
        return Ok(0);
    }
    let pager = context.pager(&app)?;
    context.ui.page(&pager)?;
    let theme = context.ui.theme();
    let coloured = theme != crate::cli::theme::Theme::plain();
    if args.stat {
        let stats = each(&app, &outcome, |file| FileStat { path: file.path.clone(), lines: file.line_count() });
        for line in diffstat(&stats.collect::<Result<Vec<_>>>()?.concat(), context.ui.width(), &theme) {
            context.ui.data_line(&line);
        }
        return Ok(0);
    }
    if coloured || !context.ui.writes_documents() {
        for some in each(&app, &outcome, |file| lines(file, &theme)) {
            some?.concat().iter().for_each(|line| context.ui.data_line(line));
        }
    } else {
        // Into a file or a pipe goes the patch itself, byte for byte.
        for some in each(&app, &outcome, |file| file.patch()) {
            some?.iter().for_each(|patch| context.ui.document(patch));
        }
    }
    Ok(0)
}

/// What `of` makes of each file, some at a time: contents are read and compared in parallel, and not held for longer.
fn each<'a, T: Send>(
    app: &'a App<'_>,
    outcome: &'a diff::Outcome,
    of: impl Fn(&FileDiff<'_>) -> T + Sync + 'a,
) -> impl Iterator<Item = Result<Vec<T>>> + 'a {
    outcome.files.chunks(diff::AT_ONCE).map(move |files| {
        let contents = diff::contents(app, files)?;
        Ok(contents.par_iter().map(|contents| of(&contents.diff())).collect())
    })
}

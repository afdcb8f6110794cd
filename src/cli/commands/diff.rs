//! `session diff`.

use std::path::PathBuf;

use crate::cli::Context;
use crate::cli::args::SessionArg;
use crate::cli::output::Mode;
use crate::cli::render::diff::lines;
use crate::cli::render::stat::{FileStat, diffstat};
use crate::features::patch::{FileDiff, Side};
use crate::git::FileMode;
use crate::ops::{Result, diff};

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
    /// Only these paths
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
    let gitlink = |side: &Option<diff::Side>| {
        side.as_ref()
            .filter(|s| s.mode == FileMode::Gitlink)
            .map(|s| format!("Subproject commit {}\n", s.oid).into_bytes())
    };
    let links: Vec<_> = outcome.files.iter().map(|f| (gitlink(&f.old), gitlink(&f.new))).collect();
    let files: Vec<FileDiff<'_>> = outcome
        .files
        .iter()
        .zip(&links)
        .map(|(f, (old, new))| FileDiff {
            path: &f.path,
            old: side(f.old.as_ref(), old.as_deref()),
            new: side(f.new.as_ref(), new.as_deref()),
        })
        .collect();
    let stats: Vec<FileStat> = files.iter().map(|f| FileStat { path: f.path.clone(), lines: f.line_count() }).collect();
    if context.ui.mode() == Mode::Json {
        let listed: Vec<_> = files
            .iter()
            .zip(&stats)
            .map(|(f, s)| {
                serde_json::json!({
                    "path": f.path, "added": s.lines.map(|l| l.added), "removed": s.lines.map(|l| l.removed),
                    "binary": s.lines.is_none(), "patch": String::from_utf8_lossy(&f.patch()),
                    "old_mode": f.old.map(|o| o.mode.octal()), "new_mode": f.new.map(|n| n.mode.octal()),
                })
            })
            .collect();
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
        for line in diffstat(&stats, context.ui.width(), &theme) {
            context.ui.data_line(&line);
        }
        return Ok(0);
    }
    for file in &files {
        if coloured || !context.ui.writes_documents() {
            lines(file, &theme).iter().for_each(|line| context.ui.data_line(line));
        } else {
            // Into a file or a pipe goes the patch itself, byte for byte.
            context.ui.document(&file.patch());
        }
    }
    Ok(0)
}

fn side<'a>(side: Option<&'a diff::Side>, link: Option<&'a [u8]>) -> Option<Side<'a>> {
    side.map(|s| Side { mode: s.mode, bytes: link.unwrap_or(&s.bytes) })
}

//! `session save`.

use crate::base::text;
use crate::cli::Context;
use crate::cli::args::SessionArg;
use crate::cli::line::line;
use crate::cli::render::paths::listed;
use crate::cli::theme::paint;
use crate::model::SkipReason;
use crate::ops::{Result, save};

/// Make a checkpoint now
///
/// It holds the files, and the conversation where an agent runs. Nothing of yours is touched: no branch, no index, no stash. Without a running session one is begun. Without
/// anything new, nothing is made.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  session save\n  session save \"parser works\"")]
pub struct Args {
    /// A title for the session
    pub title: Option<String>,
    /// Also write .session-state.json (after `session enable` every save does)
    #[arg(long)]
    state: bool,
    #[command(flatten)]
    session: SessionArg,
}

/// Saves.
pub fn run(context: &mut Context, args: Args) -> Result<u8> {
    let progress = context.ui.progress();
    let app = context.app(&*progress)?;
    let outcome =
        save::run(&app, &save::Options { session: args.session.session, title: args.title, state: args.state })?;
    context.show("save", &outcome, |ui, o| {
        let theme = ui.theme();
        let title = format!(" ({})", o.title.as_deref().unwrap_or("untitled"));
        let id = paint(theme.id, o.session.short());
        if o.saved {
            let checkpoint = paint(theme.id, o.checkpoint.to_string());
            ui.data_line(line!["Saved session: ", id, title, ", checkpoint ", checkpoint]);
        } else {
            ui.data_line(line![format!("Nothing new since checkpoint {} of session ", o.checkpoint), id, title]);
        }
        for notice in &o.notices {
            ui.warning(notice);
        }
        let told = listed(ui, &o.skipped, |skipped| {
            let size = skipped.bytes.map(|b| format!(" ({})", text::bytes(b))).unwrap_or_default();
            format!("{}{size}: {}", skipped.path, reason(skipped.reason))
        });
        for line in told {
            ui.warning(&format!("not saved: {line}"));
        }
    });
    Ok(0)
}

/// Why a path was left out, as a phrase.
pub const fn reason(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::TooLarge => "untracked and larger than session.snapshot.maxFileBytes",
        SkipReason::Special => "neither a file nor a link",
        SkipReason::NestedRepository => "a repository of its own",
        SkipReason::Unreadable => "it cannot be read",
        SkipReason::FilterFailed => "its filter driver failed",
        SkipReason::FilterTooSlow => "its filter driver took too long",
        SkipReason::RefusedName => "git refuses this name",
        SkipReason::TooManyFiles => "too many untracked files in one folder",
        SkipReason::Changing => "it changed each time it was read",
        SkipReason::TimeBudget => "the time ran out",
        SkipReason::TooDeep => "directories lie in each other deeper than a snapshot goes",
    }
}

//! `session pull`.

use crate::base::text;
use crate::cli::Context;
use crate::cli::line::line;
use crate::cli::theme::paint;
use crate::ops::pull::{self, Case};
use crate::ops::{FailureKind, Result};

/// Get the sessions that a remote has
///
/// Sessions of others are listed then and can be shown, rewound, resumed and forked. Your own are fast-forwarded. Where a
/// session went on both there and here, the remote's line keeps the id and yours goes on as a fork: nothing is lost.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  session pull\n  session pull team\n  session pull --json")]
pub struct Args {
    /// The remote, or a URL [default: as for git fetch]
    remote: Option<String>,
}

/// Pulls.
pub fn run(context: &mut Context, args: Args) -> Result<u8> {
    let progress = context.ui.progress();
    let app = context.app(&*progress)?;
    let outcome = pull::run(&app, &pull::Options { remote: args.remote })?;
    let quarantined = pull::count(&outcome, Case::Quarantined);
    let current = pull::current_fork(&app, &outcome)?;
    for row in &outcome.sessions {
        if let Some(problem) = &row.problem {
            context.ui.warning(&format!("session {} was not taken: {problem}", row.id));
        }
    }
    for odd in &outcome.odd {
        context.ui.warning(&format!("passed over {odd}: its name is no session's"));
    }
    if outcome.left > 0 {
        let more = text::count(outcome.left, "session");
        context.ui.warning(&format!("{} has {more} more than are looked at in one pull", outcome.remote));
    }
    context.show("pull", &outcome, |ui, o| {
        let theme = ui.theme();
        for row in &o.sessions {
            let title = row.title.as_deref().unwrap_or("(untitled)");
            let came = text::count(row.checkpoints, "checkpoint");
            let what = match row.case {
                Case::Same | Case::Quarantined => continue,
                Case::Deleted => "was deleted here and is not taken".to_owned(),
                Case::New => format!("new, {came}"),
                Case::Ahead => "is ahead here; `session push` sends it".to_owned(),
                Case::FastForward => format!("went on there, {came}"),
                Case::Replaced => format!("was replaced there, {came}"),
                Case::Diverged => {
                    let fork = row.fork.map(|f| f.short()).unwrap_or_default();
                    format!("went on there, {came}; your own line is {fork} now")
                }
            };
            ui.data_line(line![paint(theme.id, row.id.short()), "  ", title, ": ", what]);
        }
        if let Some(fork) = current {
            ui.note(&format!("You are on {} now, with all of your work.", fork.short()));
        }
        let same = pull::count(o, Case::Same);
        if same == o.sessions.len() {
            ui.note(&format!("Nothing new at {}: {}.", o.remote, text::count(same, "session")));
        }
    });
    Ok(if quarantined > 0 { FailureKind::Damaged.exit_code() } else { 0 })
}

//! `session doctor`.

use crate::cli::line::line;
use crate::cli::theme::paint;
use crate::cli::{Context, Ui};
use crate::ops::{Result, doctor};

/// Look for what is wrong or in danger here
///
/// Hooks overwritten or missing, remotes that would publish sessions, branches that reach a checkpoint, stale locks, an
/// unfinished restore. Says how libgit2 and git share the work.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  session doctor\n  session doctor --fix     settle an interrupted restore, remove stale locks of ours\n\nExits with 1 where something needs attention."
)]
pub struct Args {
    /// Settle an interrupted restore and remove stale locks of ours
    #[arg(long)]
    fix: bool,
}

/// Looks.
pub fn run(context: &mut Context, args: &Args) -> Result<u8> {
    let progress = context.ui.progress();
    let app = context.app(&*progress)?;
    let outcome = doctor::run(&app, args.fix)?;
    context.show("doctor", &outcome, tell);
    Ok(u8::from(!outcome.ok))
}

fn tell(ui: &mut Ui, o: &doctor::Outcome) {
    let theme = ui.theme();
    for finding in &o.findings {
        let (style, word) = if finding.fixed { (theme.good, "fixed") } else { (theme.warn, "found") };
        ui.data_line(line![paint(style, word), "  ", &finding.message]);
        if !finding.fixed {
            ui.data_line(line!["       ", paint(theme.dim, &finding.hint)]);
        }
    }
    if o.findings.is_empty() {
        ui.data_line(paint(theme.good, "Nothing needs attention."));
    }
    for note in &o.notes {
        ui.data_line(line![paint(theme.dim, "note "), "  ", note]);
    }
    let r = &o.repository;
    let mut row = |label: &str, text: String| ui.data_line(line![paint(theme.dim, format!("{label:>8}")), "  ", text]);
    row("objects", format!("{} by {}", r.object_format, r.objects));
    row("refs", format!("{} by {}", r.ref_format, r.refs));
    let more = [(r.partial, ", partial clone"), (r.shallow, ", shallow clone")];
    let more: String = more.iter().filter(|(is, _)| *is).map(|(_, text)| *text).collect();
    row("index", format!("by {}{more}", r.index));
    row("hooks", r.hooks.clone());
    for heard in o.agents.iter().filter_map(|hooks| hooks.last_heard(o.now)) {
        row("agent", heard);
    }
    for logged in &o.log {
        row("log", logged.clone());
    }
}

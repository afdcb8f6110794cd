//! `session list`.

use crate::base::text;
use crate::cli::Context;
use crate::cli::render::table::{Cell, Column, Table};
use crate::cli::render::time::when;
use crate::ops::life::Life;
use crate::ops::{Result, list};

/// List the sessions of this repository, the newest first
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  session list\n  session list --here --limit 10\n  session list --json | jq -r '.sessions[].id'"
)]
pub struct Args {
    /// Only sessions that were begun in this folder
    #[arg(long)]
    here: bool,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N")]
    limit: Option<usize>,
}

/// Lists.
pub fn run(context: &mut Context, args: &Args) -> Result<u8> {
    let progress = context.ui.progress();
    let app = context.reader(&*progress)?;
    let outcome = list::run(&app, &list::Options { here: args.here, limit: args.limit })?;
    for corrupt in &outcome.corrupt {
        context.ui.warning(&format!("session {} is damaged: {}", corrupt.id, corrupt.problem));
    }
    context.show("list", &outcome, |ui, o| {
        if o.sessions.is_empty() {
            if o.corrupt.is_empty() {
                ui.note(
                    "No saved sessions. `session save` makes one; `session enable` saves every turn of your agent.",
                );
            } else {
                ui.note("No session here can be read. `git fsck` tells more.");
            }
            return;
        }
        let theme = ui.theme();
        let mut table = Table::new([
            Column::left(""),
            Column::left("ID"),
            Column::flexible("TITLE"),
            Column::left("AGENT"),
            Column::right("TURNS"),
            Column::left("UPDATED"),
        ]);
        for row in &o.sessions {
            let name = row.known_as.as_ref().or(row.name.as_ref()).map(|n| format!("{n}: ")).unwrap_or_default();
            let from = row.remote.as_ref().map(|r| format!(" [{r}]")).unwrap_or_default();
            let title = row.title.as_deref().unwrap_or("(untitled)");
            // That one has ended is nothing to say of most of them.
            let state = row.state.filter(|state| *state != Life::Ended);
            let state = state.map(|state| format!(", {}", state.word())).unwrap_or_default();
            table.row([
                Cell::styled(if row.current { "*" } else { "" }, theme.good),
                Cell::styled(&row.short, theme.id),
                Cell::styled(&format!("{name}{title}{from}"), theme.title),
                Cell::styled(&format!("{}{state}", row.agent), theme.kind),
                Cell::plain(&row.turns.to_string()),
                Cell::styled(&when(row.updated_at, o.now), theme.dim),
            ]);
        }
        for line in table.lines(ui.width(), &theme) {
            ui.data_line(&line);
        }
        if o.more > 0 {
            ui.note(&format!("and {}; leave --limit out to see all", text::count(o.more, "older session")));
        }
    });
    Ok(0)
}

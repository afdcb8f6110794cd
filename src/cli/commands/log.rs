//! `session log`: the graph of checkpoints.

use crate::base::text;
use crate::cli::args::SessionArg;
use crate::cli::line::line;
use crate::cli::render::graph::{Glyphs, GraphRow, graph};
use crate::cli::render::time::when;
use crate::cli::theme::paint;
use crate::cli::{Context, Ui};
use crate::git::RefName;
use crate::model::Kind;
use crate::ops::{Result, log};

fn examples() -> String {
    let heads = RefName::session_heads_prefix();
    format!(
        "Examples:\n  session log\n  session log -n 20\n  session log -s latest --json\n\n\
         Plain git reads the code of a session too: git log -p {heads}<id>^"
    )
}

/// Show the checkpoints of a session as a graph
///
/// The newest comes first; the graph tells what is live and what a rewind left behind. ±3 counts changed files, t3 is
/// turn 3.
#[derive(Debug, clap::Args)]
#[command(after_help = examples())]
pub struct Args {
    #[command(flatten)]
    session: SessionArg,
    /// At most so many checkpoints
    #[arg(long, short = 'n', value_name = "N")]
    limit: Option<usize>,
}

/// Shows.
pub fn run(context: &mut Context, args: Args) -> Result<u8> {
    let progress = context.ui.progress();
    let app = context.reader(&*progress)?;
    let outcome = log::run(&app, &log::Options { session: args.session.session, limit: args.limit })?;
    if outcome.checkpoints.len() > 20 {
        let pager = context.pager(&app)?;
        context.ui.page(&pager)?;
    }
    context.show("log", &outcome, draw);
    Ok(0)
}

fn draw(ui: &mut Ui, o: &log::Outcome) {
    let theme = ui.theme();
    let title = o.title.as_deref().unwrap_or("(untitled)");
    ui.data_line(line![
        paint(theme.id, o.session.short()),
        " ",
        paint(theme.title, title),
        "  ",
        paint(theme.dim, &o.agent)
    ]);
    let rows: Vec<GraphRow> = o
        .checkpoints
        .iter()
        .zip(o.checkpoints.iter().skip(1).map(|c| Some(c.number)).chain([None]))
        .map(|(c, previous)| GraphRow {
            number: c.number,
            previous,
            // The graph is of the code; a rewind of the chat alone is a point on its line.
            target: c.target.filter(|_| c.kind.is_move() && c.mode.is_none_or(crate::model::Mode::code)),
        })
        .collect();
    let lines = graph(&rows, &Glyphs::new(ui.is_utf8()));
    let digits = o.checkpoints.first().map_or(1, |c| c.number.to_string().len());
    let kinds = o.checkpoints.iter().map(|c| c.kind.word().len()).max().unwrap_or(0);
    let ages: Vec<String> = o.checkpoints.iter().map(|c| when(c.time, o.now)).collect();
    let age_width = ages.iter().map(|a| text::width(a)).max().unwrap_or(0);
    for ((c, line), age) in o.checkpoints.iter().zip(&lines).zip(&ages) {
        let turn = c.turn.map_or_else(String::new, |t| format!("t{t}"));
        let files = match c.files {
            0 => String::new(),
            n if ui.is_utf8() => format!("±{n}"),
            n => format!("~{n}"),
        };
        let head = format!(
            "{}  {:>digits$}  {:<kinds$}  {turn:<4}{files:>5}  {age:<age_width$}  ",
            line.lanes,
            c.number,
            c.kind.word()
        );
        let room = ui.width().map_or(usize::MAX, |w| w.saturating_sub(text::width(&head)).max(10));
        let title = text::truncate(&text::sanitise(&c.title), room);
        let kind_style = match c.kind {
            Kind::TurnStart | Kind::Save | Kind::Commit => theme.kind,
            Kind::Rewind | Kind::Redo | Kind::Revert => theme.warn,
            _ => theme.dim,
        };
        let lanes = if line.live { paint(theme.good, &line.lanes) } else { paint(theme.dim, &line.lanes) };
        let row = line![
            lanes,
            "  ",
            paint(theme.id, format!("{:>digits$}", c.number)),
            "  ",
            paint(kind_style, format!("{:<kinds$}", c.kind.word())),
            format!("  {turn:<4}"),
            paint(theme.added, format!("{files:>5}")),
            "  ",
            paint(theme.dim, format!("{age:<age_width$}")),
            "  ",
            title
        ];
        ui.data_line(row.trim_end());
    }
    if o.more > 0 {
        ui.note(&format!("and {}; leave --limit out to see all", text::count(o.more, "older checkpoint")));
    }
}

//! `session show`.

use crate::base::text::{self, sanitise};
use crate::cli::line::{Line, line};
use crate::cli::render::time::{duration, when};
use crate::cli::theme::paint;
use crate::cli::{Context, Ui};
use crate::ops::{Result, outside, show};

/// Show a session, or one checkpoint of it
///
/// Of a session: its agent, its turns, its newest checkpoint. Of a checkpoint: what it changed and what it left out.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  session show\n  session show latest\n  session show --at turn:2\n  session show --at 7 --json"
)]
pub struct Args {
    /// The session: an id or its beginning, a name, a label, latest [default: the one of this worktree, else the newest]
    #[arg(conflicts_with = "named")]
    session: Option<String>,
    /// The same
    #[arg(id = "named", long = "session", short = 's', value_name = "SESSION", hide = true)]
    named: Option<String>,
    /// A checkpoint of it
    #[arg(long, value_name = "CHECKPOINT")]
    at: Option<String>,
}

/// Shows.
pub fn run(context: &mut Context, args: Args) -> Result<u8> {
    let progress = context.ui.progress();
    let app = context.reader(&*progress)?;
    let options = show::Options { session: args.session.or(args.named), checkpoint: args.at };
    let outcome = show::run(&app, &options)?;
    context.show("show", &outcome, |ui, o| if o.one { checkpoint(ui, o) } else { session(ui, o) });
    Ok(0)
}

/// Text cut to what a line has room for beside that many columns.
fn fit(ui: &Ui, beside: usize, value: &str) -> String {
    ui.width().map_or_else(|| value.to_owned(), |width| text::truncate(value, width.saturating_sub(beside).max(10)))
}

fn row(ui: &mut Ui, label: &str, value: impl Into<Line>) {
    let label = paint(ui.theme().dim, format!("{label:>12}"));
    ui.data_line(line![label, "  ", value.into()]);
}

fn session(ui: &mut Ui, o: &show::Outcome) {
    let theme = ui.theme();
    ui.data_line(paint(theme.title, o.title.as_deref().unwrap_or("(untitled)")));
    row(ui, "id", paint(theme.id, o.id.to_string()));
    if let Some(label) = &o.label {
        row(ui, "label", label);
    }
    if let Some(name) = &o.name {
        row(ui, "name", name);
    }
    let version = o.agent_version.as_ref().map(|v| format!(" {v}")).unwrap_or_default();
    let model = o.model.as_ref().map(|m| format!(", {m}")).unwrap_or_default();
    row(ui, "agent", format!("{}{version}{model}", o.agent));
    row(ui, "project", format!("{} (worktree {})", o.project, o.worktree));
    let ended = if o.ended_at.is_some() { ", ended" } else { "" };
    row(ui, "updated", format!("{}{ended}, begun {}", when(o.updated_at, o.now), when(o.created_at, o.now)));
    if let Some(lineage) = &o.lineage {
        row(ui, "fork of", format!("{} at checkpoint {}", lineage.parent_session, lineage.checkpoint));
    }
    let tokens = o.usage.input + o.usage.output + o.usage.cache_read + o.usage.cache_write;
    row(ui, "turns", format!("{}, {tokens} tokens, {} of transcript", o.turns, text::bytes(o.transcript_bytes)));
    let newest = &o.checkpoint.place;
    row(
        ui,
        "checkpoints",
        line![
            format!("{}, the newest is ", o.checkpoints),
            paint(theme.id, newest.number.to_string()),
            format!(" ({})", newest.kind)
        ],
    );
    for turn in &o.turn_list {
        let state = match turn.ended_at {
            None => ", open".to_owned(),
            Some(_) if turn.interrupted => ", interrupted".to_owned(),
            Some(end) => format!(", {}", duration(turn.started_at, end)),
        };
        let failed = if turn.errors > 0 { format!(", {} failed", turn.errors) } else { String::new() };
        let outside = turn.outside.clone();
        let about = format!("({}{failed}{state})", text::count(turn.tool_calls as usize, "tool call"));
        let prompt = fit(ui, 16 + text::width(&about), &sanitise(&turn.prompt));
        let turn = paint(theme.kind, format!("{:>12}", format!("turn {}", turn.turn)));
        ui.data_line(line![turn, "  ", prompt, "  ", paint(theme.dim, about)]);
        if let Some(elsewhere) = outside::line(&outside) {
            row(ui, "", elsewhere);
        }
    }
}

fn checkpoint(ui: &mut Ui, o: &show::Outcome) {
    let theme = ui.theme();
    let c = &o.checkpoint;
    ui.data_line(line![
        paint(theme.kind, c.place.kind.word()),
        " ",
        paint(theme.id, c.place.number.to_string()),
        "  ",
        paint(theme.title, &c.place.title)
    ]);
    let title = fit(ui, 52, &sanitise(o.title.as_deref().unwrap_or("(untitled)")));
    row(ui, "session", format!("{}  {title}", o.id));
    if let Some(turn) = c.place.turn {
        row(ui, "turn", turn.to_string());
    }
    row(ui, "time", format!("{} ({})", c.place.time.local_minutes(), when(c.place.time, o.now)));
    row(ui, "code", line![paint(theme.id, c.commit.to_string()), format!(" (tree {})", c.tree.short())]);
    row(ui, "chat", c.session_commit.to_string());
    let head = c.head.as_ref().map_or_else(|| "detached".to_owned(), |h| h.clone());
    let base = c.base.map_or_else(|| "no commit yet".to_owned(), |b| b.short());
    row(ui, "HEAD", format!("{head}, {base}{}", if c.staged { ", with staged changes" } else { "" }));
    row(ui, "scope", c.scope.word());
    for file in &c.changed {
        let (sign, style) = match file.change {
            "created" => ("+", theme.added),
            "deleted" => ("-", theme.removed),
            _ => ("~", theme.warn),
        };
        let path = text::sanitise_bytes(file.path.as_bytes());
        ui.data_line(line![" ".repeat(14), paint(style, format!("{sign} {path}"))]);
    }
    if c.changed.is_empty() {
        row(ui, "files", "no change");
    }
    for raw in &c.kept_raw {
        let path = text::sanitise_bytes(raw.path.as_bytes());
        row(ui, "kept raw", format!("{path}: its filter driver {} would not give its bytes back", raw.driver));
    }
    for skipped in &c.skipped {
        row(ui, "not saved", format!("{}: {}", skipped.path, super::save::reason(skipped.reason)));
    }
}

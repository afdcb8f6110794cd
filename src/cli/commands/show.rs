//! `session show`.

use crate::base::text::{self, sanitise};
use crate::cli::render::time::{duration, when};
use crate::cli::theme::paint;
use crate::cli::{Context, Ui};
use crate::ops::{Result, show};

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

fn line(ui: &mut Ui, label: &str, value: &str) {
    let theme = ui.theme();
    ui.data_line(&format!("{}  {value}", paint(theme.dim, &format!("{label:>12}"))));
}

fn session(ui: &mut Ui, o: &show::Outcome) {
    let theme = ui.theme();
    ui.data_line(&paint(theme.title, &sanitise(o.title.as_deref().unwrap_or("(untitled)"))));
    line(ui, "id", &paint(theme.id, &o.id.to_string()));
    if let Some(label) = &o.label {
        line(ui, "label", &sanitise(label));
    }
    if let Some(name) = &o.name {
        line(ui, "name", &sanitise(name));
    }
    let version = o.agent_version.as_ref().map(|v| format!(" {}", sanitise(v))).unwrap_or_default();
    let model = o.model.as_ref().map(|m| format!(", {}", sanitise(m))).unwrap_or_default();
    line(ui, "agent", &format!("{}{version}{model}", sanitise(&o.agent)));
    line(ui, "project", &format!("{} (worktree {})", sanitise(&o.project), sanitise(&o.worktree)));
    let ended = if o.ended_at.is_some() { ", ended" } else { "" };
    line(ui, "updated", &format!("{}{ended}, begun {}", when(o.updated_at, o.now), when(o.created_at, o.now)));
    if let Some(lineage) = &o.lineage {
        line(ui, "fork of", &format!("{} at checkpoint {}", lineage.parent_session, lineage.checkpoint));
    }
    let tokens = o.usage.input + o.usage.output + o.usage.cache_read + o.usage.cache_write;
    line(ui, "turns", &format!("{}, {tokens} tokens, {} of transcript", o.turns, text::bytes(o.transcript_bytes)));
    let newest = &o.checkpoint.place;
    line(
        ui,
        "checkpoints",
        &format!("{}, the newest is {} ({})", o.checkpoints, paint(theme.id, &newest.number.to_string()), newest.kind),
    );
    for turn in &o.turn_list {
        let state = match turn.ended_at {
            None => ", open".to_owned(),
            Some(_) if turn.interrupted => ", interrupted".to_owned(),
            Some(end) => format!(", {}", duration(turn.started_at, end)),
        };
        let failed = if turn.errors > 0 { format!(", {} failed", turn.errors) } else { String::new() };
        let about = format!("({}{failed}{state})", text::count(turn.tool_calls as usize, "tool call"));
        let prompt = fit(ui, 16 + text::width(&about), &sanitise(&turn.prompt));
        ui.data_line(&format!(
            "{}  {prompt}  {}",
            paint(theme.kind, &format!("{:>12}", format!("turn {}", turn.turn))),
            paint(theme.dim, &about),
        ));
    }
}

fn checkpoint(ui: &mut Ui, o: &show::Outcome) {
    let theme = ui.theme();
    let c = &o.checkpoint;
    let title = sanitise(&c.place.title);
    ui.data_line(&format!(
        "{} {}  {}",
        paint(theme.kind, c.place.kind.word()),
        paint(theme.id, &c.place.number.to_string()),
        paint(theme.title, &title)
    ));
    let title = fit(ui, 52, &sanitise(o.title.as_deref().unwrap_or("(untitled)")));
    line(ui, "session", &format!("{}  {title}", o.id));
    if let Some(turn) = c.place.turn {
        line(ui, "turn", &turn.to_string());
    }
    line(ui, "time", &format!("{} ({})", c.place.time.local_minutes(), when(c.place.time, o.now)));
    line(ui, "code", &format!("{} (tree {})", paint(theme.id, &c.commit.to_string()), c.tree.short()));
    line(ui, "chat", &c.session_commit.to_string());
    let head = c.head.as_ref().map_or_else(|| "detached".to_owned(), |h| sanitise(h));
    let base = c.base.map_or_else(|| "no commit yet".to_owned(), |b| b.short());
    line(ui, "HEAD", &format!("{head}, {base}{}", if c.staged { ", with staged changes" } else { "" }));
    line(ui, "scope", c.scope.word());
    for file in &c.changed {
        let (sign, style) = match file.change {
            "created" => ("+", theme.added),
            "deleted" => ("-", theme.removed),
            _ => ("~", theme.warn),
        };
        ui.data_line(&format!(
            "{:>12}  {}",
            "",
            paint(style, &format!("{sign} {}", text::sanitise_bytes(file.path.as_bytes())))
        ));
    }
    if c.changed.is_empty() {
        line(ui, "files", "no change");
    }
    for skipped in &c.skipped {
        line(ui, "not saved", &format!("{}: {}", sanitise(&skipped.path), super::save::reason(skipped.reason)));
    }
}

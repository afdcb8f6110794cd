//! `session push`.

use crate::base::text;
use crate::cli::line::line;
use crate::cli::output::Mode;
use crate::cli::theme::paint;
use crate::cli::{Context, Ui, ask};
use crate::ops::push::{self, Outcome, Plan};
use crate::ops::{FailureKind, Result};

/// Lines of a list that a person is shown.
const SHOWN: usize = 12;

/// Send sessions to a remote, where teammates pull them
///
/// First it says what would leave this machine: sessions, commits of the project that the remote does not have, untracked
/// files. Transcripts go out as they are, not redacted. It then wants a yes: on the terminal, or by --yes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  session push --dry-run\n  session push\n  session push origin fix-parser --yes\n  session push --all --yes --json\n\nFast-forward only: where the remote is ahead, `session pull` first."
)]
pub struct Args {
    /// The remote, or a URL [default: as for git push]
    remote: Option<String>,
    /// The sessions [default: the one of this worktree, else the newest]
    #[arg(value_name = "SESSION", conflicts_with = "all")]
    sessions: Vec<String>,
    /// All sessions of one's own
    #[arg(long)]
    all: bool,
    /// Send without asking
    #[arg(long, short = 'y')]
    yes: bool,
    /// Say what would leave, send nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// Pushes.
pub fn run(context: &mut Context, args: Args) -> Result<u8> {
    let progress = context.ui.progress();
    let app = context.app(&*progress)?;
    let options = push::Options { remote: args.remote, sessions: args.sessions, all: args.all };
    let plan = push::plan(&app, &options)?;
    if args.dry_run || plan.is_empty() {
        let outcome = Outcome { plan, dry_run: args.dry_run, results: Vec::new() };
        context.show("push", &outcome, |ui, o| {
            for line in lines(&o.plan) {
                ui.data_line(&line);
            }
        });
        return Ok(0);
    }
    if !args.yes {
        let said = lines(&plan);
        if !context.ui.can_ask() {
            return Err(push::unconfirmed(&plan, said));
        }
        for line in &said {
            context.ui.note(line);
        }
        if !ask::yes(&mut context.ui, &format!("Send this to {}?", plan.remote)) {
            return Err(push::declined(&plan));
        }
    }
    // Who is not asked reads here what leaves.
    if args.yes && context.ui.mode() != Mode::Json {
        for line in lines(&plan) {
            context.ui.note(&line);
        }
    }
    let outcome = push::send(&app, plan)?;
    let refused = outcome.results.iter().filter(|r| !r.pushed).count();
    context.show("push", &outcome, told);
    Ok(if refused > 0 { FailureKind::Failed.exit_code() } else { 0 })
}

fn told(ui: &mut Ui, outcome: &Outcome) {
    let theme = ui.theme();
    for row in &outcome.results {
        let id = paint(theme.id, row.id.short());
        match (&row.pushed, &row.said) {
            (true, _) => ui.data_line(line![id, "  ", paint(theme.good, "pushed")]),
            (false, said) => {
                let said = said.as_deref().unwrap_or("the remote said nothing");
                ui.data_line(line![id, "  ", paint(theme.removed, "not taken"), ": ", said]);
            }
        }
    }
}

/// What would leave, in words.
fn lines(plan: &Plan) -> Vec<String> {
    let to = format!("{} ({})", plan.remote, plan.urls.join(", "));
    if plan.is_empty() {
        return vec![format!("{to} has everything: {}", text::count(plan.up_to_date.len(), "session"))];
    }
    let checkpoints: usize = plan.sessions.iter().map(|s| s.new_checkpoints).sum();
    let mut out = vec![format!(
        "To {to}: {}, {}, about {}",
        text::count(plan.sessions.len(), "session"),
        text::count(checkpoints, "new checkpoint"),
        text::bytes(plan.bytes)
    )];
    for session in plan.sessions.iter().take(SHOWN) {
        let title = session.name.as_deref().or(session.title.as_deref()).unwrap_or("(untitled)");
        let new = if session.is_new { ", not there yet" } else { "" };
        let count = text::count(session.new_checkpoints, "new checkpoint");
        out.push(format!("  {}  {title}: {count} up to {}{new}", session.id.short(), session.checkpoint));
    }
    out.extend(more(plan.sessions.len()));
    if !plan.secrets.is_empty() {
        out.push(format!("{} that by name may hold secrets:", text::count(plan.secrets.len(), "file")));
        out.extend(plan.secrets.iter().map(|p| format!("  {}", text::sanitise_bytes(p.as_bytes()))));
    }
    let staged = plan.staged.len() + plan.more_staged;
    if staged > 0 {
        out.push(format!("{} as staged, in no commit yet:", text::count(staged, "file")));
        out.extend(plan.staged.iter().take(SHOWN).map(|p| format!("  {}", text::sanitise_bytes(p.as_bytes()))));
        out.extend(more(staged));
    }
    let transcripts: u64 = plan.sessions.iter().map(|s| s.transcript_bytes).sum();
    out.push(format!("Transcripts go out as they are, not redacted ({}).", text::bytes(transcripts)));
    let commits = plan.commits.len() + plan.more_commits;
    if commits > 0 {
        out.push(format!("{} of the project that the remote does not have:", text::count(commits, "commit")));
        let shown = plan.commits.iter().take(SHOWN).map(|c| format!("  {}  {}", c.id.short(), c.subject));
        out.extend(shown);
        out.extend(more(commits));
    }
    let untracked = plan.untracked.len() + plan.more_untracked;
    if untracked > 0 {
        out.push(format!("{} that git does not track:", text::count(untracked, "file")));
        out.extend(plan.untracked.iter().take(SHOWN).map(|p| format!("  {}", text::sanitise_bytes(p.as_bytes()))));
        out.extend(more(untracked));
    }
    if !plan.raw.is_empty() {
        let files = text::count(plan.raw.len(), "file");
        out.push(format!("{files} whose filter driver drops a part go out with all of their bytes:"));
        out.extend(plan.raw.iter().take(SHOWN).map(|p| format!("  {}", text::sanitise_bytes(p.as_bytes()))));
        out.extend(more(plan.raw.len()));
    }
    for exposure in &plan.exposures {
        let (setting, value) = (&exposure.setting, &exposure.value);
        out.push(format!("With {setting} = {value} a plain git command carries sessions as well."));
    }
    out
}

fn more(count: usize) -> Option<String> {
    (count > SHOWN).then(|| format!("  and {} more", text::grouped(count - SHOWN)))
}

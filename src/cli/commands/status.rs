//! `session status`.

use crate::base::text::{self, sanitise};
use crate::cli::render::time::when;
use crate::cli::theme::paint;
use crate::cli::{Context, Ui};
use crate::model::Kind;
use crate::ops::{Result, status};

/// Shows where this worktree stands.
pub fn run(context: &mut Context) -> Result<u8> {
    let progress = context.ui.progress();
    let app = context.reader(&*progress)?;
    let outcome = status::run(&app)?;
    context.show("status", &outcome, tell);
    Ok(0)
}

fn tell(ui: &mut Ui, o: &status::Outcome) {
    let theme = ui.theme();
    let mut line =
        |label: &str, value: String| ui.data_line(&format!("{}  {value}", paint(theme.dim, &format!("{label:>10}"))));
    match &o.session {
        None => line("session", "none yet; `session save` or `session enable` begins".to_owned()),
        Some(s) => {
            let title = sanitise(s.title.as_deref().unwrap_or("(untitled)"));
            line("session", format!("{}  {}", paint(theme.id, &s.id.to_string()), paint(theme.title, &title)));
            let model = s.model.as_ref().map(|m| format!(", {}", sanitise(m))).unwrap_or_default();
            let state = match (s.agent.as_str(), s.checkpoint.kind) {
                ("none", _) => String::new(),
                // Nobody has gone on with it yet.
                (_, Kind::Fork) => ", not begun".to_owned(),
                _ => format!(", {}", o.state),
            };
            line("agent", format!("{}{model}{state}", sanitise(&s.agent)));
            let tokens = s.usage.input + s.usage.output + s.usage.cache_read + s.usage.cache_write;
            line("turns", format!("{}, {tokens} tokens", s.turns));
            let c = &s.checkpoint;
            let changed = match o.changed {
                None => "changes since are not known".to_owned(),
                Some(0) => "nothing changed since".to_owned(),
                Some(n) => format!("{} changed since", text::count(n, "file")),
            };
            line(
                "checkpoint",
                format!("{} ({}, {}), {changed}", paint(theme.id, &c.number.to_string()), c.kind, when(c.time, o.now)),
            );
        }
    }
    let branch = o.branch.as_ref().map_or_else(|| "detached".to_owned(), |b| sanitise(b));
    line("HEAD", format!("{branch}, {}", o.head.map_or_else(|| "no commit yet".to_owned(), |h| h.short())));
    let enabled =
        if o.enabled.is_empty() { "no agent; `session enable` installs".to_owned() } else { o.enabled.join(", ") };
    line("enabled", enabled);
    line("sessions", o.sessions.to_string());
    let r = &o.repository;
    line(
        "repository",
        format!("{} objects, {} refs (by {}), worktree {}", r.objects, r.refs, r.ref_store, sanitise(&r.worktree)),
    );
    if let Some(problem) = &o.last_problem {
        ui.note(&format!("last problem of a hook: {problem}"));
    }
}

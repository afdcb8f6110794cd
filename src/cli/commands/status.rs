//! `session status`.

use crate::base::text;
use crate::cli::line::{Line, line};
use crate::cli::render::time::when;
use crate::cli::theme::paint;
use crate::cli::{Context, Ui};
use crate::model::Kind;
use crate::ops::agent_hooks::AgentHooks;
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
    let mut row = |label: &str, value: Line| ui.data_line(line![paint(theme.dim, format!("{label:>10}")), "  ", value]);
    match &o.session {
        None => row("session", "none yet; `session save` or `session enable` begins".into()),
        Some(s) => {
            let title = s.title.as_deref().unwrap_or("(untitled)");
            row("session", line![paint(theme.id, s.id.to_string()), "  ", paint(theme.title, title)]);
            let model = s.model.as_ref().map(|m| format!(", {m}")).unwrap_or_default();
            let state = match (s.agent.as_str(), s.checkpoint.kind) {
                ("none", _) => String::new(),
                // Nobody has gone on with it yet.
                (_, Kind::Fork) => ", not begun".to_owned(),
                _ => format!(", {}", o.state),
            };
            row("agent", line![s.agent.as_str(), model, state]);
            let tokens = s.usage.input + s.usage.output + s.usage.cache_read + s.usage.cache_write;
            row("turns", format!("{}, {tokens} tokens", s.turns).into());
            let c = &s.checkpoint;
            let changed = match o.changed {
                None => "changes since are not known".to_owned(),
                Some(0) => "nothing changed since".to_owned(),
                Some(n) => format!("{} changed since", text::count(n, "file")),
            };
            let what = format!(" ({}, {}), {changed}", c.kind, when(c.time, o.now));
            row("checkpoint", line![paint(theme.id, c.number.to_string()), what]);
        }
    }
    let branch = o.branch.as_deref().unwrap_or("detached");
    row("HEAD", line![branch, ", ", o.head.map_or_else(|| "no commit yet".to_owned(), |h| h.short())]);
    let enabled =
        if o.enabled.is_empty() { "no agent; `session enable` installs".to_owned() } else { o.enabled.join(", ") };
    row("enabled", enabled.into());
    for heard in o.hooks.iter().filter_map(|hooks| hooks.last_heard(o.now)) {
        row("agent", heard.into());
    }
    row("sessions", o.sessions.to_string().into());
    let r = &o.repository;
    row(
        "repository",
        format!("{} objects, {} refs (by {}), worktree {}", r.objects, r.refs, r.ref_store, r.worktree).into(),
    );
    for problem in o.hooks.iter().filter_map(AgentHooks::problem) {
        ui.warning(&format!("{problem}; `session doctor` tells what to do"));
    }
    if let Some(problem) = &o.last_problem {
        ui.note(&format!("last problem of a hook: {problem}"));
    }
}

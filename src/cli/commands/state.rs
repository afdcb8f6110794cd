//! `session state`.

use std::path::PathBuf;

use clap::Subcommand;

use crate::base::Error as BaseError;
use crate::base::supplied::{self, Links};
use crate::base::text::count;
use crate::cli::args::SessionArg;
use crate::cli::line::line;
use crate::cli::theme::paint;
use crate::cli::{Context, Ui};
use crate::ops::state::{self, Action, Outcome};
use crate::ops::{Failure, FailureKind, Result};

/// Show and set what a session is about and what is open: .session-state.json
///
/// Most of it is derived: the objective from the first prompt, todos from the agent's list, files from the checkpoints,
/// errors and tests from what commands said. What is set by hand wins until it is set to null.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  session state show --json\n  session state set objectives.primary \"Login with JWT\"\n  session state set todos '[\"reset password\", \"write tests\"]'\n  session state set todos null          back to the agent's own list\n  echo '{\"context\":{\"key_decisions\":[\"bcrypt\"]}}' | session state set -\n  session state export                  writes .session-state.json\n  session state import old-state.json\n  session state clear\n\nThe keys are in docs/state-file.md."
)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show the state
    Show {
        #[command(flatten)]
        session: SessionArg,
    },
    /// Set a value, or with `-` a JSON merge patch read from standard input; null gives a value back to what is derived
    Set {
        /// A key such as objectives.primary, or `-`
        key: String,
        /// A text, or JSON
        value: Option<String>,
        #[command(flatten)]
        session: SessionArg,
    },
    /// Write the state to a file: .session-state.json, another one, or with `-` standard output
    Export {
        /// The file
        file: Option<PathBuf>,
        #[command(flatten)]
        session: SessionArg,
    },
    /// Set all that a state file says
    Import {
        /// The file, or `-` for standard input
        file: PathBuf,
        #[command(flatten)]
        session: SessionArg,
    },
    /// Empty the state; the old one stays in the history, and no file is touched
    Clear {
        #[command(flatten)]
        session: SessionArg,
    },
}

/// Runs one of them.
pub fn run(context: &mut Context, args: Args) -> Result<u8> {
    let verb = args.action.unwrap_or(Verb::Show { session: SessionArg::default() });
    let progress = context.ui.progress();
    let app = context.app(&*progress)?;
    let (session, action, to_stdout) = match verb {
        Verb::Show { session } => (session, Action::Show, false),
        Verb::Set { key, value, session } => {
            let patch = match value {
                Some(value) if key != "-" => state::typed(&key, &value)?,
                None if key == "-" => state::patch(&read(std::path::Path::new("-"))?)?,
                _ => {
                    return Err(Failure::new(
                        FailureKind::Usage,
                        "usage",
                        "`state set` takes KEY and VALUE, or `-` alone",
                    ));
                }
            };
            (session, Action::Set(patch), false)
        }
        Verb::Export { file, session } if file.as_deref() == Some("-".as_ref()) => (session, Action::Show, true),
        Verb::Export { file, session } => (session, Action::Export(file), false),
        Verb::Import { file, session } => (session, Action::Import(read(&app.cwd.join(file))?), false),
        Verb::Clear { session } => (session, Action::Clear, false),
    };
    let is_show = matches!(action, Action::Show);
    let outcome = state::run(&app, session.session.as_deref(), action)?;
    if to_stdout {
        context.ui.document(&outcome.state.encode()?);
        return Ok(0);
    }
    for notice in &outcome.notices {
        context.ui.warning(notice);
    }
    context.show("state", &outcome, |ui, o| if is_show { show(ui, o) } else { done(ui, o) });
    Ok(0)
}

fn read(path: &std::path::Path) -> Result<Vec<u8>> {
    if path.file_name() == Some("-".as_ref()) {
        let bytes = supplied::bounded(std::io::stdin().lock(), 0, supplied::MOST);
        return Ok(bytes.map_err(BaseError::io("read", "standard input"))?);
    }
    let bytes = supplied::read(path, Links::Follow, supplied::MOST)?;
    Ok(bytes.ok_or_else(|| BaseError::io("read", path)(std::io::ErrorKind::NotFound.into()))?)
}

fn done(ui: &mut Ui, o: &Outcome) {
    let id = paint(ui.theme().id, o.session.short());
    ui.data_line(match (&o.file, o.saved) {
        (Some(file), _) => line![format!("Wrote {}", file.display())],
        (None, true) => line!["State of session ", id, format!(" saved in checkpoint {}", o.checkpoint)],
        (None, false) => line!["Nothing new in the state of session ", id],
    });
}

fn show(ui: &mut Ui, o: &Outcome) {
    let theme = ui.theme();
    let s = &o.state;
    let primary = Some(s.objectives.primary.as_str()).filter(|primary| !primary.is_empty());
    ui.data_line(paint(theme.title, primary.unwrap_or("(no objective)")));
    let mut row = |label: &str, value: String| {
        if !value.is_empty() {
            ui.data_line(line![paint(theme.dim, format!("{label:>12}")), "  ", value]);
        }
    };
    row(
        "session",
        format!(
            "{} ({}), {}",
            s.session_id,
            s.project,
            count(usize::try_from(s.duration_minutes).unwrap_or(usize::MAX), "minute")
        ),
    );
    row("status", s.objectives.status.clone());
    let lists: [(&str, &[String]); 9] = [
        ("also", &s.objectives.secondary),
        ("completed", &s.progress.completed),
        ("in progress", &s.progress.in_progress),
        ("blocked", &s.progress.blocked),
        ("todo", &s.todos),
        ("decided", &s.context.key_decisions),
        ("created", &s.files.created),
        ("modified", &s.files.modified),
        ("deleted", &s.files.deleted),
    ];
    for (label, items) in lists {
        for (at, item) in items.iter().enumerate() {
            row(if at == 0 { label } else { "" }, item.clone());
        }
    }
    for error in &s.errors.unresolved {
        let place = error.line.map(|n| format!("{}:{n}: ", error.file)).unwrap_or_default();
        row(
            "error",
            format!(
                "{place}{} (met {})",
                error.error,
                count(usize::try_from(error.attempts).unwrap_or(usize::MAX), "time")
            ),
        );
    }
    if s.tests.passing + s.tests.failing > 0 {
        row("tests", format!("{} passing, {} failing", s.tests.passing, s.tests.failing));
    }
    for (at, prompt) in s.next_prompts.iter().enumerate() {
        row(if at == 0 { "next" } else { "" }, prompt.clone());
    }
}

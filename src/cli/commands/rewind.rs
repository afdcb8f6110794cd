//! `session rewind`, and what it shares with `redo`.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::base::text;
use crate::cli::args::SessionArg;
use crate::cli::line::line;
use crate::cli::render::moved::tell;
use crate::cli::render::paths::{listed, shown};
use crate::cli::theme::paint;
use crate::cli::{Context, Ui, ask, output};
use crate::model::Mode;
use crate::ops::choice::Foreign;
use crate::ops::moving::Terms;
use crate::ops::rewind::{self, Outcome};
use crate::ops::{App, Failure, FailureKind, Result, redo, show, trust};

/// Go back: the files, the conversation, or both
///
/// `session redo` undoes it.
///
/// `code` makes the files exactly what they were, new and deleted ones included; index, HEAD and ignored files stay as
/// they are. Without a checkpoint it goes to the newest turn start or save that differs; repeated, further back.
/// `chat` writes a new conversation file, cut before a turn, and says how to resume it; the live one is not touched.
///
/// Files that someone else changed since then, and things in the way that no checkpoint holds (ignored, too large, special,
/// nested), are listed and need a choice: --mine, --all, or paths. A dry run ends with the exit code of the real one.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  session rewind code                undo what the last turn did to the files\n  session rewind code --dry-run      only show it\n  session rewind code turn:2         as it was just before turn 2 was answered\n  session rewind code 7 -- src/main.rs\n  session rewind chat                cut the last turn off the conversation\n  session rewind both turn:3 --mine\n  session redo"
)]
pub struct Args {
    /// What goes back; without it the turns are listed
    mode: Option<ModeArg>,
    /// The checkpoint: 7, ~2, turn:3, turn:3.end, "@{10 minutes ago}", a commit id
    checkpoint: Option<String>,
    #[command(flatten)]
    how: HowArgs,
    /// To the previous checkpoint of any kind
    #[arg(long, conflicts_with = "checkpoint")]
    step: bool,
    /// Cut so many turns off the conversation
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with_all = ["checkpoint", "step"])]
    turns: Option<u32>,
    /// Undo the last rewind: the same as `session redo`
    #[arg(long, conflicts_with_all = ["mode", "checkpoint", "step", "turns"])]
    undo: bool,
}

/// Flags of both directions.
#[derive(Clone, Debug, clap::Args)]
pub struct HowArgs {
    /// Show what would change, change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Leave files that someone else changed, and what cannot be touched, as they are
    #[arg(long, conflicts_with = "all")]
    mine: bool,
    /// Take files that someone else changed back too; what cannot be touched is left
    #[arg(long)]
    all: bool,
    /// Write configuration of somebody else's session that runs commands (hooks, tasks) too
    #[arg(long)]
    trust: bool,
    /// The index goes there too: what was staged then is staged again
    #[arg(long)]
    staged: bool,
    /// HEAD goes there too: to its branch, or detached where that has moved on; no branch moves
    #[arg(long)]
    head: bool,
    /// Also in the middle of a merge or rebase, or to an empty tree
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    session: SessionArg,
    /// Only these paths, as git's pathspecs
    #[arg(last = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

impl HowArgs {
    fn terms(&self) -> Terms {
        Terms {
            session: self.session.session.clone(),
            dry_run: self.dry_run,
            foreign: Foreign::of(self.mine, self.all),
            leave_obstacles: self.mine || self.all,
            paths: self.paths.clone(),
            staged: self.staged,
            head: self.head,
            trust: self.trust,
            force: self.force,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ModeArg {
    /// The files
    Code,
    /// The conversation
    Chat,
    /// Both
    Both,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Code => Self::Code,
            ModeArg::Chat => Self::Chat,
            ModeArg::Both => Self::Both,
        }
    }
}

/// Rewinds.
pub fn run(context: &mut Context, args: Args) -> Result<u8> {
    if args.undo {
        return run_redo(context, &args.how);
    }
    let progress = context.ui.progress();
    let app = if args.how.dry_run { context.reader(&*progress)? } else { context.app(&*progress)? };
    let Some(mode) = args.mode else { return points(context, &app, &args.how) };
    let target = match args.turns {
        Some(n) => Some(turns_back(&app, &args.how, n)?),
        None => args.checkpoint,
    };
    let (mode, step) = (mode.into(), args.step);
    let rewind = |terms: &Terms| {
        rewind::run(&app, &rewind::Options { mode, target: target.clone(), step, terms: terms.clone() })
    };
    let outcome = choosing(&mut context.ui, args.how.terms(), rewind)?;
    show_move(context, "rewind", outcome)
}

/// Redoes.
pub fn run_redo(context: &mut Context, how: &HowArgs) -> Result<u8> {
    let progress = context.ui.progress();
    let app = if how.dry_run { context.reader(&*progress)? } else { context.app(&*progress)? };
    let outcome = choosing(&mut context.ui, how.terms(), |terms| redo::run(&app, terms))?;
    show_move(context, "redo", outcome)
}

/// Shows what a move did, or would do; a dry run then fails as the real one would.
pub fn show_move(context: &mut Context, verb: &str, mut outcome: Outcome) -> Result<u8> {
    if context.ui.mode() == output::Mode::Json {
        context.show(verb, &outcome, |_, _| {});
        return Ok(outcome.exit_code());
    }
    let failure = outcome.error.take();
    // Where nothing is to be done, that is all there is to say.
    if failure.as_ref().is_none_or(|failure| failure.kind != FailureKind::Failed) {
        context.show(verb, &outcome, tell);
    }
    failure.map_or(Ok(0), Err)
}

/// Moves; where a choice is needed and somebody can be asked, asks, and moves by the answer.
pub fn choosing(ui: &mut Ui, mut terms: Terms, go: impl Fn(&Terms) -> Result<Outcome> + Copy) -> Result<Outcome> {
    match go(&terms) {
        Err(failure) if wants_choice(ui, &failure) => match ask::foreign(ui, &failure) {
            Some(choice) => {
                terms.foreign = choice;
                terms.leave_obstacles = true;
                choosing(ui, terms, go)
            }
            None => Err(failure),
        },
        Err(failure) if wants_trust(ui, &failure) => {
            if !ask::trust(ui, &failure) {
                return Err(failure);
            }
            terms.trust = true;
            choosing(ui, terms, go)
        }
        other => other,
    }
}

/// Whether somebody can be asked whether what would run may be written.
pub fn wants_trust(ui: &Ui, failure: &Failure) -> bool {
    failure.code == "session.untrusted" && ui.is_interactive() && ui.can_ask()
}

fn wants_choice(ui: &Ui, failure: &Failure) -> bool {
    matches!(failure.code, "rewind.foreign" | "restore.obstacle") && ui.is_interactive() && ui.can_ask()
}

fn turns_back(app: &App<'_>, how: &HowArgs, n: u32) -> Result<String> {
    let turns = show::run(app, &show::Options { session: how.session.session.clone(), checkpoint: None })?.turns;
    if n > turns {
        return Err(Failure::new(
            FailureKind::NotFound,
            "turn.not-found",
            format!("the conversation has {}", text::count(turns as usize, "turn")),
        )
        .target(n.to_string())
        .hint(format!("Give --turns a number from 1 to {turns}.")));
    }
    Ok(format!("turn:{}", turns - n + 1))
}

/// Without `code`, `chat` or `both`: where one could go.
fn points(context: &mut Context, app: &App<'_>, how: &HowArgs) -> Result<u8> {
    let outcome = show::run(app, &show::Options { session: how.session.session.clone(), checkpoint: None })?;
    context.show("rewind", &outcome, |ui, o| {
        let theme = ui.theme();
        let title = o.title.as_deref().unwrap_or("(untitled)");
        ui.data_line(line![paint(theme.title, title), "  ", paint(theme.dim, o.id.short())]);
        let skip = o.turn_list.len().saturating_sub(10);
        for turn in o.turn_list.iter().skip(skip) {
            let at = paint(theme.id, format!("{:>8}", format!("turn:{}", turn.turn)));
            ui.data_line(line![at, "  ", text::truncate(&text::sanitise(&turn.prompt), 70)]);
        }
        ui.data_line("");
        for (verb, rest, does) in [
            ("rewind", " code", "the files, as before the last turn that changed them"),
            ("rewind", " code turn:N", "the files, as before turn N"),
            ("rewind", " chat turn:N", "the conversation, as before turn N"),
            ("rewind", " both turn:N", "files and conversation"),
            ("redo", "", "takes the last rewind back"),
        ] {
            ui.data_line(format!("{:<28}{does}", format!("{}{rest}", ui.command(verb))));
        }
    });
    Ok(0)
}

/// Says whose a session is.
pub fn whose(ui: &mut Ui, whose: Option<&trust::Whose>) {
    if let Some(whose) = whose {
        ui.note(&format!("Note that {}.", whose.sentence()));
    }
}

/// Names what runs commands, apart from all else.
pub fn executable(ui: &mut Ui, paths: &[crate::base::RepoPath], needs_trust: bool) {
    if paths.is_empty() {
        return;
    }
    ui.warning("configuration of somebody else that runs commands:");
    for line in listed(ui, paths, shown) {
        ui.note(&format!("  {line}"));
    }
    if needs_trust {
        ui.hint("Read it first; it is written with --trust only.");
    }
}

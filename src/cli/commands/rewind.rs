//! `session rewind`, and what it shares with `redo`.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::base::text;
use crate::cli::args::SessionArg;
use crate::cli::line::{Line, line};
use crate::cli::theme::paint;
use crate::cli::{Context, Ui, ask};
use crate::model::{Kind, Mode};
use crate::ops::choice::Foreign;
use crate::ops::moving::Terms;
use crate::ops::rewind::{self, Outcome};
use crate::ops::{App, Failure, FailureKind, Result, outside, redo, show, trust};

/// Go back: the files, the conversation, or both
///
/// `session redo` undoes it.
///
/// `code` makes the files exactly what they were, new and deleted ones included; index, HEAD and ignored files stay as
/// they are. Without a checkpoint it goes to the newest turn start or save that differs; repeated, further back.
/// `chat` writes a new conversation file, cut before a turn, and says how to resume it; the live one is not touched.
///
/// Files that someone else changed since then are listed and need a choice: --mine, --all, or paths.
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
    /// Leave files that someone else changed as they are
    #[arg(long, conflicts_with = "all")]
    mine: bool,
    /// Take files that someone else changed back too
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
    /// Only these paths
    #[arg(last = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

impl HowArgs {
    fn terms(&self) -> Terms {
        Terms {
            session: self.session.session.clone(),
            dry_run: self.dry_run,
            foreign: Foreign::of(self.mine, self.all),
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
    let app = context.app(&*progress)?;
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
    context.show("rewind", &outcome, |ui, o| tell(ui, "Rewound", o));
    Ok(0)
}

/// Redoes.
pub fn run_redo(context: &mut Context, how: &HowArgs) -> Result<u8> {
    let progress = context.ui.progress();
    let app = context.app(&*progress)?;
    let outcome = choosing(&mut context.ui, how.terms(), |terms| redo::run(&app, terms))?;
    context.show("redo", &outcome, |ui, o| tell(ui, "Redone", o));
    Ok(0)
}

/// Moves; where a choice is needed and somebody can be asked, asks, and moves by the answer.
pub fn choosing(ui: &mut Ui, mut terms: Terms, go: impl Fn(&Terms) -> Result<Outcome> + Copy) -> Result<Outcome> {
    match go(&terms) {
        Err(failure) if wants_choice(ui, &failure) => match ask::foreign(ui, &failure.details) {
            Some(choice) => {
                terms.foreign = choice;
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
    failure.code == "rewind.foreign" && ui.is_interactive() && ui.can_ask()
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
    for path in paths {
        ui.note(&format!("  {}", text::sanitise_bytes(path.as_bytes())));
    }
    if needs_trust {
        ui.hint("Read it first; it is written with --trust only.");
    }
}

/// What a checkpoint is to a person: where in the conversation it lies, else its kind.
fn what_it_is(place: &rewind::Place) -> String {
    let title = text::truncate(&text::sanitise(&place.title), 60);
    let what = match (place.kind, place.turn) {
        (Kind::TurnStart, Some(turn)) => format!("before turn {turn}"),
        (Kind::TurnEnd | Kind::Tail, Some(turn)) => format!("after turn {turn}"),
        (Kind::End, _) => "when the agent ended".to_owned(),
        (Kind::PreRewind, _) => return "the state before that move".to_owned(),
        (kind, _) => kind.to_string(),
    };
    if title.is_empty() { what } else { format!("{what}: {title}") }
}

/// Tells what a rewind, redo or revert did, or would do.
pub fn tell(ui: &mut Ui, done: &str, o: &Outcome) {
    let theme = ui.theme();
    let what = match o.mode {
        Mode::Code => "code",
        Mode::Chat => "chat",
        Mode::Both => "code and chat",
    };
    let number = paint(theme.id, format!("checkpoint {}", o.target.number));
    let place = line![number, format!(" ({})", what_it_is(&o.target))];
    if o.dry_run {
        ui.data_line(line![format!("Would take {what} to "), place, ":"]);
    } else {
        ui.data_line(match o.target.turn.filter(|_| done == "Reverted") {
            Some(turn) => Line::from(format!("{done}: turn {turn}; what came later stays.")),
            None => line![format!("{done}: {what} to "), place, "."],
        });
    }
    for (sign, style, paths) in [
        ("write ", theme.added, &o.files.written),
        ("delete", theme.removed, &o.files.deleted),
        ("mode  ", theme.warn, &o.files.modes),
    ] {
        for path in paths.iter().take(50) {
            ui.data_line(line!["  ", paint(style, sign), "  ", text::sanitise_bytes(path.as_bytes())]);
        }
        if paths.len() > 50 {
            ui.data_line(format!("  {sign}  and {} more", paths.len() - 50));
        }
    }
    if o.mode.code() && o.files.is_empty() {
        ui.data_line("  no file differs");
    }
    for (path, why) in &o.files.kept {
        ui.note(&format!("  left    {path} ({why})"));
    }
    if let Some(elsewhere) = outside::line(&o.outside) {
        ui.note(&elsewhere);
    }
    whose(ui, o.whose.as_ref());
    executable(ui, &o.executable, o.needs_trust);
    if o.needs_choice {
        ui.warning(&format!(
            "changed outside of this session since then: {}",
            o.foreign.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        ));
        ui.hint("Add --mine to leave them, --all to take them back too, or `-- PATH...` to pick.");
    }
    if let Some(turns) = o.turns {
        let have = if o.dry_run { "would have" } else { "has" };
        ui.data_line(format!("The conversation {have} {}.", text::count(turns, "turn")));
    }
    if let Some(prompt) = &o.removed_prompt {
        ui.data_line(format!("Cut off first: {}", text::sanitise(&text::first_line(prompt, 200))));
    }
    if !o.dry_run
        && let Some(from) = o.from
    {
        let back = if done == "Rewound" {
            format!("`{}` brings it back", ui.command("redo"))
        } else {
            format!("`{} {} {from}` goes there", ui.command("rewind"), o.mode)
        };
        ui.note(&format!("The state before is checkpoint {from}; {back}."));
    }
    if let Some(native) = &o.native {
        super::resume::how_to(ui, native);
    }
}

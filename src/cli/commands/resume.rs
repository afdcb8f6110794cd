//! `session resume` and `session continue`.

use crate::base::process::Run;
use crate::base::text;
use crate::cli::line::line;
use crate::cli::theme::paint;
use crate::cli::{Context, Ui};
use crate::ops::native::Native;
use crate::ops::{Result, resume};

/// Go on with a session's conversation in its agent
///
/// The agent's own file is used where it still is there, else written anew from what is stored. On a terminal the agent
/// is started; with --print, or without a terminal, the command is printed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  session resume latest\n  session resume 094320c0 --print\n  session resume --json"
)]
pub struct Args {
    /// The session [default: the newest with a conversation]
    session: Option<String>,
    /// Print the command instead of running it
    #[arg(long)]
    print: bool,
}

/// Go on with the newest conversation of this repository
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  session continue\n  session continue --print")]
pub struct ContinueArgs {
    /// Print the command instead of running it
    #[arg(long)]
    print: bool,
}

/// Resumes.
pub fn run(context: &mut Context, args: Args) -> Result<u8> {
    go_on(context, args.session, args.print)
}

/// Continues.
pub fn run_continue(context: &mut Context, args: ContinueArgs) -> Result<u8> {
    go_on(context, None, args.print)
}

fn go_on(context: &mut Context, session: Option<String>, print: bool) -> Result<u8> {
    let progress = context.ui.progress();
    let start = context.ui.is_interactive() && !print;
    let app = if start { context.app(&*progress)? } else { context.reader(&*progress)? };
    let outcome = resume::run(&app, &resume::Options { session, start })?;
    let start = start && !outcome.native.command.is_empty();
    context.show("resume", &outcome, |ui, o| {
        let theme = ui.theme();
        let about =
            format!(" ({}), {}", o.title.as_deref().unwrap_or("(untitled)"), text::count(o.turns as usize, "turn"));
        ui.data_line(line!["Resumed session: ", paint(theme.id, o.session.short()), about]);
        super::rewind::whose(ui, o.whose.as_ref());
        if let Some(worktree) = &o.worktree {
            ui.note(&format!("It last ran in the worktree {worktree}."));
        }
        if !start {
            how_to(ui, &o.native);
        }
    });
    if !start {
        return Ok(0);
    }
    let mut command = outcome.native.command.iter();
    let mut run = Run::new(command.next().cloned().unwrap_or_default());
    run.args = command.map(Into::into).collect();
    run.cwd.clone_from(&outcome.native.dir);
    Ok(u8::try_from(run.interactive()?).unwrap_or(255))
}

/// The command as a shell takes it, with the way to where it has to be run.
fn command_line(native: &Native) -> String {
    let command = native.command.join(" ");
    match &native.dir {
        Some(dir) => format!("cd {} && {command}", text::shell_word(&dir.to_string_lossy())),
        None => command,
    }
}

/// The lines that go on with a conversation.
pub fn how_to(ui: &mut Ui, native: &Native) {
    let theme = ui.theme();
    let command = command_line(native);
    if native.command.is_empty() {
        ui.data_line(format!("The conversation is in {}", native.path.display()));
        return;
    }
    if let Some(line) = native.line.as_deref().filter(|_| ui.is_in_agent()) {
        ui.data_line(line!["To go on in a shell:  ", command]);
        ui.data_line("To go on here, type:");
        ui.data_line(line);
        return;
    }
    ui.data_line("Go on in a shell with:");
    ui.data_line(line!["  ", paint(theme.good, command)]);
    if let Some(line) = &native.line {
        ui.data_line("or in the agent with:");
        ui.data_line(paint(theme.good, line));
    }
}

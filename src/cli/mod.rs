//! Floor 7: the command line. What a person or a script sees: the environment read once, output written in one place.

pub mod args;
pub mod ask;
pub mod commands;
pub mod context;
#[expect(clippy::disallowed_methods, reason = "the demonstration makes its files itself, in a directory of its own")]
pub mod demo;
pub mod env;
pub mod line;
pub mod output;
pub mod progress;
pub mod render;
pub mod slash;
pub mod theme;

use std::ffi::OsString;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use clap::Parser as _;

pub use args::Cli;
pub use context::Context;
pub use env::Env;
pub use output::Ui;

use crate::ops::{Failure, FailureKind};
use output::{Mode, UiEnv};

/// Runs a command line; the exit code.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    // Hooks never print but their reply and never fail, whatever they are given.
    if args.get(1).is_some_and(|a| a == "hook") {
        return commands::hook::main(&args[2..]);
    }
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, &args),
    };
    let env = match Env::of_process() {
        Ok(env) => env,
        Err(error) => {
            let mut ui = Ui::on_standard_streams(mode(&cli), UiEnv::default(), cli.color.into());
            return fail(&mut ui, &Failure::from(error));
        }
    };
    let ui = Ui::on_standard_streams(mode(&cli), UiEnv::of_process(&env), cli.color.into());
    let mut context = Context::new(env, ui);
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| commands::run(&mut context, cli.command)));
    let outcome = outcome.unwrap_or_else(|_told| {
        Err(Failure::new(FailureKind::Internal, "internal", "this is a fault of git-session, not yours")
            .hint("Please report it, with the lines above."))
    });
    let code = match outcome {
        Ok(code) => ExitCode::from(code),
        Err(failure) => fail(&mut context.ui, &failure),
    };
    match context.ui.finish() {
        Ok(()) => code,
        Err(_cannot_write) => ExitCode::from(FailureKind::Failed.exit_code()),
    }
}

const fn mode(cli: &Cli) -> Mode {
    if cli.json { Mode::Json } else { Mode::Human }
}

/// A command line that cannot be read: clap's own words for people, an error object for programs.
fn usage(error: &clap::Error, args: &[OsString]) -> ExitCode {
    if error.use_stderr() && args.iter().any(|a| a == "--json") {
        let text = error.render().to_string();
        let line = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let failure = Failure::new(FailureKind::Usage, "usage", line).hint("`--help` shows what a command takes.");
        let mut ui = Ui::on_standard_streams(Mode::Json, UiEnv::default(), output::ColorChoice::Never);
        return fail(&mut ui, &failure);
    }
    // A closed output is all that can go wrong here.
    let _closed = error.print();
    ExitCode::from(if error.use_stderr() { FailureKind::Usage.exit_code() } else { 0 })
}

/// Tells a failure; its exit code.
pub fn fail(ui: &mut Ui, failure: &Failure) -> ExitCode {
    tell(ui, failure);
    ExitCode::from(failure.kind.exit_code())
}

/// Writes a failure: an error object on standard output, or sentences on standard error.
pub fn tell(ui: &mut Ui, failure: &Failure) {
    if ui.mode() == Mode::Json {
        ui.json(&serde_json::json!({ "error": failure }));
        return;
    }
    ui.error(&failure.message);
    let lines = match failure.is_whole {
        true => failure.details.clone(),
        false => render::paths::listed(ui, &failure.details, Clone::clone),
    };
    for line in lines {
        ui.note(&format!("  {line}"));
    }
    if let Some(hint) = failure.hint.as_deref().filter(|h| !h.is_empty()) {
        ui.hint(hint);
    }
}

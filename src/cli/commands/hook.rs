//! `session hook <agent> <event>`: what agents call (and git: [`super::git_hook`]). Exits 0 whatever happens, prints only the reply that the agent wants,
//! and logs what went wrong.

use std::ffi::OsString;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::ExitCode;

use super::hook_log::{is_anothers, log, log_outside, unopened};
use crate::agents::{self, Event, HookInput, Reply};
use crate::base::pid::ProcessId;
use crate::base::process::Run;
use crate::base::progress::Silent;
use crate::base::supplied;
use crate::base::text::Shown;
use crate::cli::context::{agent_env, open, repo_env};
use crate::cli::output::{ColorChoice, Mode, UiEnv};
use crate::cli::{Context, Env, Ui, slash};
use crate::ops::hook::{self, Outcome};
use crate::ops::{App, Caller, Result, answered, binding, finish};

/// The entry point that agents use; parsed by hand, so that nothing can make it fail.
pub fn main(args: &[OsString]) -> ExitCode {
    let words: Vec<String> = args.iter().map(|a| a.to_string_lossy().into_owned()).collect();
    if words.is_empty() || words.iter().any(|w| w == "--help" || w == "-h") {
        let help = ["session", "hook", "--help"].map(OsString::from);
        return help_of(&help);
    }
    // A fault of ours must not reach the agent either.
    let done = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let mut code = 0;
        if let Ok(env) = Env::of_hook() {
            let ui = Ui::on_standard_streams(Mode::Human, UiEnv::default(), ColorChoice::Never);
            let mut context = Context::new(env, ui);
            let (agent, event) = (words[0].as_str(), words.get(1).map_or("", String::as_str));
            if agent == "git" && context.env.enabled() != Some(false) {
                code = super::git_hook::run(&mut context, &words[1..]);
            } else if agent != "git" {
                run(&mut context, agent, event);
            }
            // A reader that went away is no business of ours.
            let _closed = context.ui.finish();
        }
        code
    }));
    ExitCode::from(done.unwrap_or(0))
}

fn help_of(args: &[OsString]) -> ExitCode {
    use clap::Parser as _;
    if let Err(help) = crate::cli::Cli::try_parse_from(args) {
        let _closed = help.print();
    }
    ExitCode::SUCCESS
}

/// Handles one event; the reply goes to standard output.
pub fn run(context: &mut Context, agent: &str, event: &str) {
    if context.env.enabled() == Some(false) {
        return;
    }
    if agent == "finish" {
        finish_tail(&context.env, event);
        return;
    }
    let Some(payload) = given(&context.env) else { return };
    let reply = handle(&context.env, agent, event, &payload);
    if !reply.is_empty() {
        context.ui.reply(&reply);
    }
}

/// Bytes of the longest payload: a prompt may have images in it.
const LONGEST: u64 = 256 << 20;

/// What the hook got on standard input; `None` where it is more than that, or cannot be read.
pub(super) fn given(env: &Env) -> Option<Vec<u8>> {
    match supplied::bounded(std::io::stdin().lock(), 0, LONGEST + 1) {
        Ok(bytes) if bytes.len() as u64 <= LONGEST => Some(bytes),
        Ok(_) => {
            log_at(env, &format!("a hook got more than {LONGEST} bytes: nothing was saved"));
            None
        }
        Err(_) => None,
    }
}

fn handle(env: &Env, agent: &str, event: &str, payload: &[u8]) -> Vec<u8> {
    let Some(adapter) = agents::find(agent) else {
        log_at(env, &format!("unknown agent {agent:?}"));
        return Vec::new();
    };
    let mut input = match adapter.parse_hook(event, payload) {
        Ok(input) => input,
        Err(e) => {
            log_at(env, &e.to_string());
            return Vec::new();
        }
    };
    let notes = env.state_home().map(|home| home.join("git-session").join("bound"));
    let agent_env = agent_env(env);
    let place = binding::place(notes.as_deref(), adapter, &agent_env, &input);
    let mut app = match open(env, &place.dir, &repo_env(env), Caller::Hook, &Silent) {
        Ok(app) => app,
        Err(failure) => {
            unopened(env, &failure);
            return Vec::new();
        }
    };
    let top = match app.repo.work_dir() {
        Ok(top) => top.to_owned(),
        Err(bare) => {
            log_outside(env, &format!("{agent} {event}: {bare}"));
            return Vec::new();
        }
    };
    if hook::is_off(&app).unwrap_or(false) || is_anothers(env, &app) {
        return Vec::new();
    }
    if let Err(e) = settle_in(env, &place, &mut app, &top, &input) {
        log(env, &app, &format!("{agent} {event}: {e}"));
    }
    if let Event::Prompt { text } = &input.event
        && !input.in_subagent
    {
        // The line means the session of the agent in which it was typed.
        let env = env.clone().in_agent(&app.cwd, &input.native_id);
        if slash::is_ours(text) {
            let answer =
                answered::once(&app, &input.native_id, input.prompt_key.as_deref(), text, || slash::answer(&env, text));
            // A line of ours never goes on to the model, whatever happens to it here.
            let answer = answer.unwrap_or_else(|failure| Some(Shown::lines(&format!("error: {failure}"))));
            return adapter.render_reply(event, &Reply::Answer(answer.unwrap_or_default()));
        }
        if event == "UserPromptExpansion" {
            return Vec::new();
        }
    }
    if matches!(input.event, Event::Prompt { .. } | Event::SessionStart { .. }) {
        // Who gives no process of its own was started by it.
        input.pid = input.pid.or_else(|| adapter.pid(&agent_env)).or_else(|| caller(agent, event));
    }
    match hook::run(&app, adapter.kind(), &input) {
        Ok(Outcome::Saved { tail_missing, rest, .. }) => {
            let waits = if tail_missing { wait_detached(&app, &input.native_id) } else { Ok(()) };
            let goes_on = if rest { super::git_hook::detach(&app) } else { Ok(()) };
            for failure in [waits, goes_on].into_iter().filter_map(Result::err) {
                log(env, &app, &format!("{agent} {event}: {failure}"));
            }
        }
        Ok(Outcome::Nothing) => {}
        Err(e) => log(env, &app, &format!("{agent} {event}: {e}")),
    }
    adapter.render_reply(event, &Reply::Nothing)
}

/// Takes leave of where the session was, and notes where it is.
fn settle_in(env: &Env, place: &binding::Place, app: &mut App<'_>, top: &Path, input: &HookInput) -> Result<()> {
    app.cwd = place.folder(app, &input.cwd)?;
    if let Some(before) = place.left(app)?
        && let Ok(old) = open(env, before, &repo_env(env), Caller::Hook, &Silent)
        && old.repo.work_dir().is_ok_and(|top| top == before)
        && !hook::is_off(&old)?
    {
        binding::leave(&old, Some(app), input)?;
    }
    place.note(top, input)
}

fn caller(agent: &str, event: &str) -> Option<u32> {
    ProcessId::caller(&format!("hook {agent} {event}")).map(|process| process.pid)
}

/// One detached process waits for the tail of the transcript.
fn wait_detached(app: &App<'_>, native: &str) -> Result<()> {
    let mut run = Run::new(app.program.as_os_str());
    run.args = vec!["hook".into(), "finish".into(), native.into()];
    run.cwd = Some(app.repo.work_dir()?.to_owned());
    Ok(run.detach()?)
}

fn finish_tail(env: &Env, native: &str) {
    let Ok(app) = open(env, &env.cwd, &repo_env(env), Caller::Hook, &Silent) else { return };
    if let Err(e) = finish::run(&app, native) {
        log(env, &app, &format!("finish: {e}"));
    }
}

fn log_at(env: &Env, line: &str) {
    match open(env, &env.cwd, &repo_env(env), Caller::Hook, &Silent) {
        Ok(app) => log(env, &app, line),
        Err(_) => log_outside(env, line),
    }
}

//! `session hook git <name>`: what git's hooks call. Exits 0 whatever happens; pre-push alone refuses, with 1 and clear lines
//! on standard error. What goes wrong is logged.
//!
//! The repository is found from the present folder: the variables that git gives to its hooks lead nowhere here.

use super::hook_log::{is_anothers, log, log_outside, unopened};
use crate::base::process::Run;
use crate::base::progress::Silent;
use crate::cli::context::{open, repo_env};
use crate::cli::{Context, Env};
use crate::git::Oid;
use crate::ops::git_hook::{self, Event, Outcome};
use crate::ops::{App, Caller, Result, git_enabled, hook, later, pre_push};

/// Refs of a refused push that are named.
const SHOWN: usize = 5;

/// Handles one hook; the exit code.
pub fn run(context: &mut Context, words: &[String]) -> u8 {
    let (name, args) = (words.first().map_or("", String::as_str), words.get(1..).unwrap_or_default());
    let mut input = String::new();
    if matches!(name, "post-rewrite" | "pre-push") {
        let Some(bytes) = super::hook::given(&context.env) else { return 0 };
        input = String::from_utf8_lossy(&bytes).into_owned();
    }
    let caller = if name == "save" { Caller::Detached } else { Caller::GitHook };
    let mut app = match open(&context.env, &context.env.cwd, &repo_env(&context.env), caller, &Silent) {
        Ok(app) => app,
        Err(failure) => {
            unopened(&context.env, &failure);
            return 0;
        }
    };
    // A bare repository cannot be enabled; what is said of it comes below. What an agent's hook left for later goes on also
    // where git's hooks are not installed.
    let is_on = name == "save" || app.repo.work_dir.is_none() || git_enabled::is_on(&app).unwrap_or(false);
    if hook::is_off(&app).unwrap_or(false) || !is_on {
        return 0;
    }
    if name == "pre-push" {
        return push(context, &app, args, &input);
    }
    if let Err(bare) = app.repo.work_dir() {
        log_outside(&context.env, &format!("git {name}: {bare}"));
        return 0;
    }
    if is_anothers(&context.env, &app) {
        return 0;
    }
    let done = match name {
        "save" => later::run(&mut app),
        _ => saved(&context.env, &app, name, args, &input),
    };
    if let Err(failure) = done {
        log(&context.env, &app, &format!("git {name}: {failure}"));
    }
    0
}

fn saved(env: &Env, app: &App<'_>, name: &str, args: &[String], input: &str) -> Result<()> {
    let Some(event) = event(name, args, input) else {
        log(env, app, &format!("unknown hook of git: {name:?}"));
        return Ok(());
    };
    match git_hook::run(app, &event)? {
        Outcome::Later => detach(app),
        Outcome::Nothing | Outcome::Saved { .. } => Ok(()),
    }
}

/// What git said, as an event.
fn event(name: &str, args: &[String], input: &str) -> Option<Event> {
    let arg = |at: usize| args.get(at).map_or("", String::as_str);
    let oid = |text: &str| if text.bytes().all(|b| b == b'0') { None } else { Oid::parse(text).ok() };
    Some(match name {
        "post-commit" => Event::Commit,
        "post-checkout" => Event::Checkout { from: oid(arg(0)), switched: arg(2) == "1" },
        "post-applypatch" => Event::Applied,
        "post-merge" => Event::Merge { squash: arg(0) == "1" },
        "post-rewrite" => {
            // "<old> <new>" and perhaps more; several old ones may have become one.
            let new = input.lines().filter_map(|line| oid(line.split_ascii_whitespace().nth(1)?));
            let mut new: Vec<Oid> = new.collect();
            new.dedup();
            Event::Rewrite { rebase: arg(0) == "rebase", new }
        }
        _ => return None,
    })
}

/// One process of its own does what nobody waits for; where one is at it already, it will.
pub fn detach(app: &App<'_>) -> Result<()> {
    if later::is_under_way(app)? {
        return Ok(());
    }
    let mut run = Run::new(app.program.as_os_str());
    run.args = vec!["hook".into(), "git".into(), "save".into()];
    run.cwd = Some(app.repo.work_dir()?.to_owned());
    Ok(run.detach()?)
}

fn push(context: &mut Context, app: &App<'_>, args: &[String], input: &str) -> u8 {
    let remote = args.first().map_or("", String::as_str);
    let refused = match pre_push::run(app, remote, &pre_push::parse(input)) {
        Ok(refused) => refused,
        Err(failure) => {
            // What cannot be judged is not held up.
            log(&context.env, app, &format!("git pre-push: {failure}"));
            return 0;
        }
    };
    let Some(first) = refused.first() else { return 0 };
    for r in refused.iter().take(SHOWN) {
        context.ui.error(&format!(
            "git-session: nothing was pushed: {} would publish checkpoint {} of session {} (commit {})",
            r.remote,
            r.ours.checkpoint,
            short(&r.ours.session.to_string()),
            r.ours.commit.short()
        ));
    }
    if let Some(more) = refused.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        context.ui.error(&format!("git-session: and {more} more of {} branches and tags", refused.len()));
    }
    context.ui.hint(&format!(
        "`session fork --session {} --at {}` makes a branch with the same files and a clean history; push that one. \
         `session push` shares a session itself. `git push --no-verify` pushes this in spite of it.",
        short(&first.ours.session.to_string()),
        first.ours.checkpoint
    ));
    1
}

fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

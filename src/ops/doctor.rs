//! `doctor`: looks for what is wrong or in danger here, says what to do, and with `--fix` does what needs no decision.
//!
//! Fixed are interrupted restores, half made worktrees and stale locks of ours. Everything else is somebody's decision or somebody else's file.

use std::collections::BTreeSet;

use serde::Serialize;

use super::agent_hooks::{self, AgentHooks};
use super::git_installed::{self, State};
use super::show::{self, KeptRaw};
use super::{App, Result, find, git_enabled, pre_push, rewritten, settle};
use crate::base::text::{self, sanitise};
use crate::base::{Timestamp, file};
use crate::engine::{half_added, local, locks, store};
use crate::git::hooks_dir::Place;
use crate::git::remote;

/// Lines of the log that are shown.
const LOG_LINES: usize = 5;

/// One thing that needs attention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable, for programs: `hooks.missing`.
    pub code: &'static str,
    /// What it is.
    pub message: String,
    /// What to do.
    pub hint: String,
    /// Whether it was put right now.
    pub fixed: bool,
}

/// How libgit2 and the git command share the work here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sharing {
    /// The hash of objects.
    pub object_format: &'static str,
    /// How refs are stored.
    pub ref_format: String,
    /// Who reads and writes objects.
    pub objects: &'static str,
    /// Who reads and moves refs.
    pub refs: &'static str,
    /// Who reads the index.
    pub index: &'static str,
    /// Whether a remote owes objects.
    pub partial: bool,
    /// Whether history is cut.
    pub shallow: bool,
    /// Where git looks for hooks.
    pub hooks: String,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Whether nothing is left that needs attention.
    pub ok: bool,
    /// What needs, or needed, attention.
    pub findings: Vec<Finding>,
    /// What is as it shall be, and worth knowing.
    pub notes: Vec<String>,
    /// How the work is shared.
    pub repository: Sharing,
    /// Agents' hooks here.
    pub agents: Vec<AgentHooks>,
    /// The last lines that hooks logged.
    pub log: Vec<String>,
    /// The moment.
    #[serde(skip)]
    pub now: Timestamp,
}

/// Looks, and fixes where told to.
pub fn run(app: &App<'_>, fix: bool) -> Result<Outcome> {
    let mut findings = Vec::new();
    unwritable(app, &mut findings);
    restore(app, fix, &mut findings)?;
    half_added_worktree(app, fix, &mut findings)?;
    stale_locks(app, fix, &mut findings)?;
    findings.extend(rewritten::findings(app, fix)?);
    damaged(app, &mut findings)?;
    let agents = agents(app, &mut findings)?;
    let hooks = hooks(app, &mut findings)?;
    remotes(app, &mut findings)?;
    for (name, ours) in pre_push::branches_and_tags(app)? {
        findings.push(Finding {
            code: "branch.reaches-session",
            message: format!(
                "{} reaches checkpoint {} of session {} (commit {}): a push of it would publish a session",
                sanitise(name.as_str()),
                ours.checkpoint,
                ours.session,
                ours.commit.short()
            ),
            hint: format!(
                "`session fork --session {} --at {}` makes a branch with the same files and a clean history.",
                ours.session, ours.checkpoint
            ),
            fixed: false,
        });
    }
    let caps = &app.repo.caps;
    let repository = Sharing {
        object_format: caps.object_format.name(),
        ref_format: caps.ref_format.clone(),
        objects: if caps.libgit2_opens { "libgit2" } else { "libgit2, through a facade" },
        refs: app.repo.refs.kind(),
        index: if caps.index_needs_git { "git" } else { "libgit2" },
        partial: caps.partial,
        shallow: caps.shallow,
        hooks,
    };
    let log = file::read_optional(&app.repo.common_dir.join("session").join("log").join("hooks.log"))?;
    let log = log.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<String> = log.lines().map(sanitise).collect();
    let ok = findings.iter().all(|f| f.fixed);
    let log = lines[lines.len().saturating_sub(LOG_LINES)..].to_vec();
    let notes = lossy_filters(app)?;
    Ok(Outcome { ok, findings, notes, repository, agents, log, now: app.now() })
}

/// Places without which nothing can be saved and in which we may not write. Looked at, not tried out.
fn unwritable(app: &App<'_>, findings: &mut Vec<Finding>) {
    let (repo, mut seen) = (&app.repo, BTreeSet::new());
    let ours = [repo.git_dir.join("session"), repo.common_dir.join("session")];
    for place in [repo.common_dir.join("objects")].into_iter().chain(ours) {
        // What is not there yet is made in the nearest folder that is.
        let there = place.ancestors().find(|above| above.symlink_metadata().is_ok()).unwrap_or(&place).to_owned();
        let Err(why) = file::may_write_in(&there) else { continue };
        if seen.insert(there.clone()) {
            findings.push(Finding {
                code: "repository.unwritable",
                message: format!("nothing can be saved here: {}", sanitise(&why.to_string())),
                hint: "Check who may write there, and whether the file system is read-only.".to_owned(),
                fixed: false,
            });
        }
    }
}

/// Files of this worktree's session of which a filter driver loses bytes, a line each.
fn lossy_filters(app: &App<'_>) -> Result<Vec<String>> {
    let Some(current) = local::current(&app.repo)? else { return Ok(Vec::new()) };
    // A damaged session has its own line.
    let Ok(Some(tip)) = store::tip(&app.repo, current.session) else { return Ok(Vec::new()) };
    let line = |raw: KeptRaw| {
        format!(
            "filter driver {} does not give the bytes of {} back: checkpoints keep them beside the code",
            sanitise(&raw.driver),
            text::sanitise_bytes(raw.path.as_bytes())
        )
    };
    Ok(show::kept_raw(&app.repo.objects, tip.checkpoint.meta_tree)?.into_iter().map(line).collect())
}

fn restore(app: &App<'_>, fix: bool, findings: &mut Vec<Finding>) -> Result<()> {
    if !settle::pending(app) {
        return Ok(());
    }
    let mut message = "a restore of files was interrupted here".to_owned();
    if fix {
        let _lock = app.lock_worktree()?;
        if let Some(done) = settle::settle(app)? {
            message = format!("{message}: {}", format!("{:?}", done.settled).to_lowercase());
            if !done.left.is_empty() {
                message.push_str(&format!(", {} left as they are", text::count(done.left.len(), "path")));
            }
        }
    }
    findings.push(Finding {
        code: "restore.interrupted",
        message,
        hint: "`session doctor --fix`, or the next command that writes, finishes it or takes it back.".to_owned(),
        fixed: fix && !settle::pending(app),
    });
    Ok(())
}

fn half_added_worktree(app: &App<'_>, fix: bool, findings: &mut Vec<Finding>) -> Result<()> {
    let Some(half) = half_added::find(&app.repo)? else { return Ok(()) };
    if !half.is_old(&app.repo)? {
        return Ok(());
    }
    if fix {
        let _lock = app.lock_worktree()?;
        half.take_away(&app.repo)?;
    }
    findings.push(Finding {
        code: "worktree.unfinished",
        message: format!("a fork died while git added its worktree at {}", sanitise(&half.path.display().to_string())),
        hint: "`session doctor --fix`, or the next fork, takes away what is there of it.".to_owned(),
        fixed: fix,
    });
    Ok(())
}

fn stale_locks(app: &App<'_>, fix: bool, findings: &mut Vec<Finding>) -> Result<()> {
    let found = locks::stale(&app.repo)?;
    let removed = if fix && found.iter().any(|l| l.ours) {
        locks::remove_stale(&app.repo, &found, &app.writers()?)?
    } else {
        Vec::new()
    };
    for lock in found {
        let path = lock.path.display();
        findings.push(Finding {
            code: if lock.ours { "lock.stale" } else { "lock.stale-of-git" },
            message: format!("{path} was left behind by a process that died"),
            hint: if lock.ours {
                "`session doctor --fix` removes it.".to_owned()
            } else {
                "It is git's own: when no git runs here any more, delete it.".to_owned()
            },
            fixed: removed.contains(&lock.path),
        });
    }
    Ok(())
}

/// Sessions whose newest checkpoint cannot be read.
fn damaged(app: &App<'_>, findings: &mut Vec<Finding>) -> Result<()> {
    for found in find::all(app)? {
        if let Some(problem) = found.problem() {
            findings.push(Finding {
                code: "session.damaged",
                message: format!("session {} is damaged: {}", found.id, problem),
                hint: "`git fsck` tells more. Other sessions are not touched by it.".to_owned(),
                fixed: false,
            });
        }
    }
    Ok(())
}

/// Agents' hooks that are gone or do not run, and command files that are gone.
fn agents(app: &App<'_>, findings: &mut Vec<Finding>) -> Result<Vec<AgentHooks>> {
    let agents = agent_hooks::look(app)?;
    for hooks in &agents {
        let Some(problem) = hooks.problem() else { continue };
        let heard = hooks.last_heard(app.now()).map(|heard| format!("; {heard}")).unwrap_or_default();
        let (code, hint) = match hooks.why {
            Some(_) => ("agent.hooks-idle", "Put the file right, then run `session enable`."),
            None => ("agent.hooks-missing", "`session enable` puts them back."),
        };
        findings.push(Finding { code, message: format!("{problem}{heard}"), hint: hint.to_owned(), fixed: false });
    }
    let lost = agent_hooks::lost_files(app)?;
    if let Some(first) = lost.first() {
        let more = if lost.len() > 1 { format!(" and {} more", lost.len() - 1) } else { String::new() };
        findings.push(Finding {
            code: "agent.files-missing",
            message: format!("what `session enable` wrote is gone: {}{more}", sanitise(first)),
            hint: "`session enable` puts it back.".to_owned(),
            fixed: false,
        });
    }
    Ok(agents)
}

/// Hooks that git does not run, missing and overwritten ones; where git looks for them.
fn hooks(app: &App<'_>, findings: &mut Vec<Finding>) -> Result<String> {
    let (dir, states) = git_installed::states(app)?;
    if let Some(why) = git_installed::why_off(app, &dir)?.filter(|_| git_enabled::is_on(app).unwrap_or(false)) {
        findings.push(Finding {
            code: "hooks.off",
            message: format!("{}; commits make no checkpoints", sanitise(&why)),
            hint: git_installed::HOW_TO_SWITCH_ON.to_owned(),
            fixed: false,
        });
    }
    let hint = match dir.place {
        Place::GitDir | Place::Off => "`session enable` puts it back.",
        Place::WorkTree | Place::Outside => {
            "`session enable` prints the lines to add there, `session enable --write-hooks` adds them."
        }
    };
    for (path, state) in states {
        let (code, problem) = match state {
            State::There => continue,
            State::Outdated => ("hooks.outdated", "calls another program than this one, or an older version"),
            State::SwitchedOff => ("hooks.not-executable", "may not be run: git passes it over"),
            State::Overwritten => ("hooks.overwritten", "was overwritten: it does not call us any more"),
            State::Missing => ("hooks.missing", "is missing"),
        };
        findings.push(Finding {
            code,
            message: format!("git's hook {} {problem}", path.display()),
            hint: hint.to_owned(),
            fixed: false,
        });
    }
    Ok(dir.path.display().to_string())
}

/// Remotes to which a plain push, or from which a plain fetch, would take sessions.
fn remotes(app: &App<'_>, findings: &mut Vec<Finding>) -> Result<()> {
    for exposure in remote::exposures(&app.repo)? {
        let (name, key, value) = (sanitise(&exposure.remote), sanitise(&exposure.setting), sanitise(&exposure.value));
        let (code, message, hint) = if key.ends_with(".mirror") {
            (
                "remote.mirror",
                format!("remote {name} is a mirror: `git push {name}` publishes every session as it is"),
                format!("`git config --unset {key}`, if that remote is not yours alone."),
            )
        } else if key.ends_with(".push") {
            (
                "remote.push-refspec",
                format!("{key} = {value} publishes sessions as they are"),
                "Name branches and tags in it. On a server of yours, `git config transfer.hideRefs` with our namespace keeps them out."
                    .to_owned(),
            )
        } else {
            (
                "remote.fetch-refspec",
                format!("{key} = {value} takes the sessions of that repository along"),
                "Name branches in it; `session pull` fetches sessions.".to_owned(),
            )
        };
        findings.push(Finding { code, message, hint, fixed: false });
    }
    Ok(())
}

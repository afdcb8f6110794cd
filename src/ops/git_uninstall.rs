//! Taking the hooks of git out again: found by looking, given back as they were, and what stays is named.

use std::path::{Path, PathBuf};

use super::git_enabled::{self, ADDED, DISABLED, ENABLED};
use super::git_install::{Edit, HOOKS, Kept, KeptHook, Left, Plan, Step, absolute, read_kept, shown};
use super::git_installed::read_hook;
use super::git_setting::{NOTES, Setting};
use super::hook_aside::Aside;
use super::hook_text::{self, has_block, is_bare, without_block};
use super::{App, Result, enable};
use crate::git::RefName;
use crate::git::hooks_dir::{self, HooksDir, Place};

/// What other tools call a hook that they found: pre-commit (which goes on calling it), lefthook (which does not).
const MOVED: [&str; 2] = [".legacy", ".old"];

/// Plans what takes them out again, wherever they are by now; of a directory that is not this clone's alone only where
/// `write_hooks`. While another worktree is enabled its hooks stay.
pub fn uninstall(app: &App<'_>, write_hooks: bool) -> Result<Plan> {
    let marks = git_enabled::marks(app)?;
    let others = git_enabled::others(app, &marks)?;
    if !others.is_empty() {
        return Ok(leave_to(app, &marks, &others));
    }
    let mut plan = Plan { kept: read_kept(app)?, ..Plan::default() };
    let mut dirs = vec![hooks_dir::of(&app.repo, &hooks_dir::own(&app.repo)), hooks_dir::find(&app.repo)?];
    for hook in &plan.kept.hooks {
        dirs.extend(absolute(app, &hook.path).parent().map(|dir| hooks_dir::of(&app.repo, dir)));
    }
    dirs.sort_by(|a, b| a.path.cmp(&b.path));
    dirs.dedup_by(|a, b| a.path == b.path);
    for dir in &dirs {
        take_out_of(app, dir, write_hooks, &mut plan)?;
    }
    let is_of_old = marks.enabled.is_empty() && marks.added.is_empty();
    let mut set = |key, values: Vec<String>| {
        plan.config.extend(values.into_iter().map(|value| Setting { key, value, add: false }));
    };
    let mut added = marks.added.clone();
    if is_of_old && (plan.kept != Kept::default() || !plan.edits.is_empty()) {
        let ours = RefName::notes().to_string();
        added.extend(app.repo.config.own(NOTES)?.iter().map(ToString::to_string).filter(|v| *v == ours));
    }
    set(NOTES, added);
    set(ENABLED, marks.enabled);
    set(DISABLED, marks.disabled);
    set(ADDED, marks.added);
    Ok(plan)
}

/// Nothing goes but this worktree's part.
fn leave_to(app: &App<'_>, marks: &git_enabled::Marks, others: &[PathBuf]) -> Plan {
    let here = git_enabled::here(app);
    let mut plan = Plan::default();
    if marks.enabled.contains(&here) {
        plan.config.push(Setting { key: ENABLED, value: here.clone(), add: false });
    }
    if !marks.disabled.contains(&here) {
        plan.config.push(Setting { key: DISABLED, value: here, add: true });
    }
    let others: Vec<String> = others.iter().map(|top| top.display().to_string()).collect();
    let why = format!(
        "git's hooks stay for the other worktrees that are enabled ({}); in this one they save nothing any more",
        others.join(", ")
    );
    plan.left.push(Left { path: shown(app, &hooks_dir::own(&app.repo)), why });
    plan
}

/// Plans what takes the hooks out of one directory, and says what stays.
fn take_out_of(app: &App<'_>, dir: &HooksDir, write_hooks: bool, plan: &mut Plan) -> Result<()> {
    let mut foreign = Vec::new();
    let mut edited = false;
    for (name, _) in HOOKS {
        let path = dir.path.join(name);
        let known = plan.kept.hooks.iter().find(|h| absolute(app, &h.path) == path).cloned();
        let is_ours = match dir.place {
            Place::GitDir => true,
            Place::WorkTree => write_hooks || known.is_some() || !is_committed(app, &path)?,
            Place::Outside => write_hooks,
            Place::Off => false,
        };
        if !is_ours {
            let is_there = read_hook(&path).is_some_and(|bytes| has_block(&bytes));
            foreign.extend(is_there.then_some(name));
            continue;
        }
        edited = true;
        let edit = take_out(&path, name, known.as_ref())?;
        let brings = edit.as_ref().is_some_and(|e| matches!(e.step, Step::BringBack(..)));
        plan.edits.extend(edit);
        if let Some(kept) = Aside::of(&path).filter(|_| !brings).and_then(|aside| aside.found().map(Path::to_owned)) {
            let why = format!(
                "the hook {name} that was there before `enable`; another one has its place now, so it stays where it is kept"
            );
            plan.left.push(Left { path: shown(app, &kept), why });
        }
        for suffix in MOVED {
            // What another tool moved out of its way and holds nothing of others was ours.
            let moved = known.as_ref().map(|k| KeptHook { aside: false, created: true, ..k.clone() });
            plan.edits.extend(take_out(&dir.path.join(format!("{name}{suffix}")), name, moved.as_ref())?);
        }
    }
    if edited {
        plan.dirs.push(dir.path.clone());
    }
    if !foreign.is_empty() {
        let whose = if dir.place == Place::WorkTree { "are committed" } else { "may serve other repositories" };
        let why = format!(
            "our lines in {} stay, for they {whose}; they save nothing in this repository any more. \
             `session disable --write-hooks` takes them out",
            foreign.join(", ")
        );
        plan.left.push(Left { path: shown(app, &dir.path), why });
    }
    Ok(())
}

/// Whether HEAD has a file of the work tree: then its lines are not this clone's alone.
fn is_committed(app: &App<'_>, path: &Path) -> Result<bool> {
    let below = app.repo.work_dir.as_deref().and_then(|top| path.strip_prefix(top).ok());
    below.map_or(Ok(false), |below| enable::is_tracked(app, below))
}

/// What takes the block out of one hook again.
fn take_out(path: &Path, name: &str, known: Option<&KeptHook>) -> Result<Option<Edit>> {
    let before = match path.symlink_metadata() {
        Ok(meta) if meta.is_file() => read_hook(path),
        Ok(_) => return Ok(None),
        Err(_) => None,
    };
    let what = "git's hook as it was before";
    let edit = |after, step| Some(Edit { path: path.to_owned(), before: before.clone(), after, step, what });
    let rest = before.as_deref().map(without_block);
    let aside = Aside::of(path);
    let calls = aside.as_ref().is_some_and(|aside| rest.as_ref().is_some_and(|rest| aside.is_calling(rest)));
    if let Some((aside, from)) = aside.as_ref().and_then(|aside| Some((aside, aside.found()?.to_owned()))) {
        // Our own file with nothing of others in it, or nothing at all: what was there comes back.
        let is_noted = known.is_some_and(|k| k.aside);
        if calls || (path.symlink_metadata().is_err() && (from == aside.kept || is_noted)) {
            let after = read_hook(&from).map(|bytes| without_block(&bytes));
            return Ok(edit(after, Step::BringBack(aside.clone(), from)));
        }
    }
    let Some((bytes, rest)) = before.as_ref().zip(rest) else { return Ok(None) };
    if !has_block(bytes) {
        return Ok(None);
    }
    let is_theirs = known.is_some_and(|k| !k.created) && rest == hook_text::SHEBANG;
    let is_ours = calls || (is_bare(&rest, name) && !is_theirs);
    Ok(edit((!is_ours).then_some(rest), Step::Write(None)))
}

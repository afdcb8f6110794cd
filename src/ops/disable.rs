//! `disable`: takes out exactly what `enable` put in. Sessions stay.

use super::enable::{self, Outcome};
use super::git_install::{Left, Plan};
use super::{App, Result, git_uninstall, state_file};
use crate::agents::FileEdit;
use crate::base::file;
use crate::engine::local;

/// What to take out.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Agents; all where empty.
    pub agents: Vec<String>,
    /// Take git's hooks also out of a directory that is committed or that other repositories share.
    pub write_hooks: bool,
    /// Only say it.
    pub dry_run: bool,
}

/// Takes out.
pub fn run(app: &App<'_>, options: &Options) -> Result<Outcome> {
    let root = app.repo.work_dir()?.to_owned();
    let chosen = enable::agents_of(&options.agents)?;
    let mut edits: Vec<(&str, FileEdit)> = Vec::new();
    let installed = local::installed(&app.repo)?;
    let here = app.repo.worktree_name();
    for agent in &chosen {
        for mut edit in agent.uninstall(&root)? {
            enable::give_back(&installed, &mut edit, &here);
            edits.push((agent.kind(), edit));
        }
    }
    let mut changes: Vec<_> = edits.iter().map(|(agent, edit)| enable::describe(agent, edit)).collect();
    let mut installed = installed;
    installed.retain(|i| !(i.is_in(&here) && edits.iter().any(|(_, e)| e.path.to_string_lossy() == i.path)));
    let (is_last, state_lines) = (installed.is_empty(), state_file::exclude_lines(app)?);
    // Lines for files of ours that are now gone or without us go too.
    let lines: Vec<String> = enable::excluded_lines(app)?
        .into_iter()
        .filter(|line| !edits.iter().any(|(_, e)| format!("/{}", e.path.display()) == *line))
        .filter(|line| !(is_last && state_lines.contains(line)))
        .collect();
    let had_state_file = is_last && enable::excluded_lines(app)?.iter().any(|line| state_lines.contains(line));
    let exclude = enable::exclude_edit(app, &lines)?;
    changes.extend(exclude.as_ref().map(|(before, after)| enable::exclude_change(before, after)));
    // git's hooks serve every agent: they go with the last one.
    let others = enable::enabled_agents(app)?.iter().any(|a| !chosen.iter().any(|c| c.kind() == a));
    let hooks = if others { Plan::default() } else { git_uninstall::uninstall(app, options.write_hooks)? };
    changes.extend(hooks.changes(app)?);
    edits.iter().try_for_each(|(_, edit)| file::can_be_made(&root.join(&edit.path)))?;
    if !options.dry_run {
        for (_, edit) in &edits {
            enable::apply(&root, edit)?;
        }
        if let Some((_, after)) = &exclude {
            enable::write_exclude(app, after)?;
        }
        if is_last {
            state_file::remove_unchanged(app)?;
        }
        if !others {
            hooks.apply_uninstall(app)?;
        }
        local::set_installed(&app.repo, &installed)?;
        // Without hooks nothing runs here any more.
        local::set_current(&app.repo, None)?;
    }
    let mut left = hooks.left;
    if had_state_file {
        left.extend(state_file_left(app, options.dry_run)?);
    }
    Ok(Outcome {
        agents: chosen.iter().map(|a| a.kind().to_owned()).collect(),
        changes,
        by_hand: Vec::new(),
        hooks_off: None,
        left,
        dry_run: options.dry_run,
    })
}

/// The state file, where it stays: edited, or without the note that tells whether it was.
fn state_file_left(app: &App<'_>, dry_run: bool) -> Result<Option<Left>> {
    let path = state_file::path(app)?;
    let stays = if dry_run { state_file::copy(app)?.is_none() } else { true };
    let is_there = app.repo.work_dir()?.join(path.to_path()).symlink_metadata().is_ok();
    let why = "the state file: somebody edited it, or nothing tells any more that nobody did; delete it if you do not need it";
    Ok((stays && is_there).then(|| Left { path: path.escaped(), why: why.to_owned() }))
}

//! `disable`: takes out exactly what `enable` put in. Sessions stay.

use super::enable::{self, Outcome};
use super::{App, Result};
use crate::agents::FileEdit;
use crate::engine::local;

/// What to take out.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Agents; all where empty.
    pub agents: Vec<String>,
    /// Only say it.
    pub dry_run: bool,
}

/// Takes out.
pub fn run(app: &App<'_>, options: &Options) -> Result<Outcome> {
    let root = app.repo.work_dir()?.to_owned();
    let chosen = enable::agents_of(&options.agents)?;
    let mut edits: Vec<(&str, FileEdit)> = Vec::new();
    let installed = local::installed(&app.repo)?;
    for agent in &chosen {
        for mut edit in agent.uninstall(&root)? {
            enable::give_back(&installed, &mut edit);
            edits.push((agent.kind(), edit));
        }
    }
    let mut changes: Vec<_> = edits.iter().map(|(agent, edit)| enable::describe(agent, edit)).collect();
    // Lines for files of ours that are now gone or without us go too.
    let lines: Vec<String> = enable::excluded_lines(app)?
        .into_iter()
        .filter(|line| !edits.iter().any(|(_, e)| format!("/{}", e.path.display()) == *line))
        .collect();
    let exclude = enable::exclude_edit(app, &lines)?;
    changes.extend(exclude.as_ref().map(|(before, after)| enable::exclude_change(before, after)));
    if !options.dry_run {
        for (_, edit) in &edits {
            enable::apply(&root, edit)?;
        }
        if let Some((_, after)) = &exclude {
            enable::write_exclude(app, after)?;
        }
        let mut installed = installed;
        installed.retain(|i| !edits.iter().any(|(_, e)| e.path.to_string_lossy() == i.path));
        local::set_installed(&app.repo, &installed)?;
        // Without hooks nothing runs here any more.
        local::set_current(&app.repo, None)?;
    }
    Ok(Outcome { agents: chosen.iter().map(|a| a.kind().to_owned()).collect(), changes, dry_run: options.dry_run })
}

//! Files of the work tree that are ours to write: what `enable` puts there, and the state file. No plan touches them, whether
//! they are in place now or were at a checkpoint: a move can neither switch us off, nor on again, nor take a person's own
//! settings in such a file away.

use crate::agents::{self, ManagedFile};
use crate::base::RepoPath;
use crate::engine::local;
use crate::git::{Oid, tree};

use super::{App, Result, git_install, state_file};

/// Those that a plan between these trees could touch.
///
/// A file that may be the project's own as well (a command of the same name, committed settings, a hook) is one of them only
/// where it is installed now, or one of the trees holds it with our lines.
pub fn paths(app: &App<'_>, trees: &[Oid]) -> Result<Vec<RepoPath>> {
    let mut paths = state_file::own_paths(app)?;
    paths.extend(git_install::in_work_tree(app)?);
    paths.extend(local::installed(&app.repo)?.iter().filter_map(|file| RepoPath::new(file.path.as_str()).ok()));
    for agent in agents::AGENTS {
        for ManagedFile { path, is_personal } in agent.managed_files() {
            let path = RepoPath::new(path)?;
            if is_personal || any_holds(app, trees, &path, |bytes| agent.is_ours(&path, bytes))? {
                paths.push(path);
            }
        }
    }
    for path in git_install::possible_in_work_tree(app)? {
        if any_holds(app, trees, &path, git_install::holds_ours)? {
            paths.push(path);
        }
    }
    paths.sort();
    paths.dedup();
    Ok(paths)
}

fn any_holds(app: &App<'_>, trees: &[Oid], path: &RepoPath, is_ours: impl Fn(&[u8]) -> bool) -> Result<bool> {
    let objects = &app.repo.objects;
    for tree in trees {
        if let Some((mode, oid)) = tree::lookup(objects, *tree, path)?
            && mode.is_blob()
            && objects.exists(oid)
            && is_ours(&objects.read_blob(oid)?)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

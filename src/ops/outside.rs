//! What tools wrote where no checkpoint looks: outside of the work tree, or in a repository inside it.
//!
//! Known only of tools that name their files; what a shell wrote elsewhere nobody tells.

use std::path::{Component, Path, PathBuf};

use super::moving::Destination;
use super::{App, Result};
use crate::base::text;
use crate::engine::layout;
use crate::engine::store::Tip;
use crate::model::{Kind, TurnRow};

/// Those of the paths, named from a folder, that lie elsewhere: relative to the top of the work tree.
pub fn of(app: &App<'_>, cwd: &Path, paths: &[PathBuf]) -> Result<Vec<String>> {
    let top = app.repo.work_dir()?;
    let mut found: Vec<String> = paths
        .iter()
        .map(|path| real(&cwd.join(path)))
        .filter(|path| is_elsewhere(top, path))
        .map(|p| shown(top, &p))
        .collect();
    found.sort();
    found.dedup();
    Ok(found)
}

/// The path with its folder as it really is; the file itself may be gone, or be a link.
fn real(path: &Path) -> PathBuf {
    let plain = without_dots(path);
    let Some((folder, name)) = plain.parent().zip(plain.file_name()) else { return plain };
    let mut above = folder;
    loop {
        if let Ok(found) = above.canonicalize() {
            let rest = folder.strip_prefix(above).unwrap_or(Path::new(""));
            return found.join(rest).join(name);
        }
        match above.parent() {
            Some(next) => above = next,
            None => return plain.clone(),
        }
    }
}

fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}

fn is_elsewhere(top: &Path, path: &Path) -> bool {
    let Ok(below) = path.strip_prefix(top) else { return true };
    // A repository of its own begins at any folder between.
    below
        .ancestors()
        .skip(1)
        .filter(|a| !a.as_os_str().is_empty())
        .any(|a| top.join(a).join(".git").symlink_metadata().is_ok())
}

fn shown(top: &Path, path: &Path) -> String {
    let common = top.components().zip(path.components()).take_while(|(a, b)| a == b).count();
    let up = top.components().count() - common;
    // What has nothing but the root in common is named from there.
    if common <= 1 && up > 0 {
        return path.to_string_lossy().into_owned();
    }
    let rest: PathBuf = path.components().skip(common).collect();
    let steps: PathBuf = std::iter::repeat_n("..", up).collect();
    steps.join(rest).to_string_lossy().into_owned()
}

/// What the turns that a move takes back wrote elsewhere: of a rewind those after its target, of a revert its turn.
pub fn since(app: &App<'_>, tip: &Tip, to: &Destination<'_>) -> Result<Vec<String>> {
    let rows = layout::read_rows(&app.repo.objects, tip.checkpoint.meta_tree, &tip.session, 0)?;
    let goes = |row: &&TurnRow| match to.kind {
        Kind::Revert => Some(to.target.number) == row.start_checkpoint(),
        Kind::Redo => false,
        _ => row.checkpoints.last().is_some_and(|last| *last > to.target.number),
    };
    let mut found: Vec<String> = rows.iter().filter(goes).flat_map(|row| row.outside.iter().cloned()).collect();
    found.sort();
    found.dedup();
    Ok(found)
}

/// The line that says it; `None` where nothing was written elsewhere.
pub fn line(paths: &[String]) -> Option<String> {
    const SHOWN: usize = 20;
    if paths.is_empty() {
        return None;
    }
    let named: Vec<String> = paths.iter().take(SHOWN).map(|path| text::sanitise(path)).collect();
    let more = if paths.len() > SHOWN { format!(" and {} more", paths.len() - SHOWN) } else { String::new() };
    Some(format!("also wrote outside of this work tree: {}{more} (not taken back)", named.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_named_from_the_top_of_the_work_tree() {
        let top = Path::new("/w/p");
        for (path, name) in
            [("/w/vendor/x", "../vendor/x"), ("/w/p/v/x", "v/x"), ("/etc/x", "/etc/x"), ("/w/x", "../x")]
        {
            assert_eq!(shown(top, Path::new(path)), name);
        }
        assert_eq!(without_dots(Path::new("/w/p/../v/./x")), Path::new("/w/v/x"));
    }
}

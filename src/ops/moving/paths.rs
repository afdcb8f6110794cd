//! The paths that a person names after `--`: the same rule for every verb that takes some.

use std::path::PathBuf;

use bstr::ByteSlice as _;

use crate::base::text;
use crate::engine::history::{Half, History};
use crate::engine::{Snapshot, store};
use crate::git::{Oid, Pathspec};
use crate::model::Checkpoint;
use crate::ops::{App, Failure, FailureKind, Result};

/// Words as typed, as git's pathspecs.
pub fn paths(app: &App<'_>, typed: &[PathBuf]) -> Result<Pathspec> {
    let words = typed.iter().map(|word| word.as_os_str());
    Ok(Pathspec::parse(app.repo.work_dir()?, &app.cwd, words)?)
}

/// Refuses words that match no file of any of these trees, naming each.
pub fn refuse_unmatched(app: &App<'_>, paths: &Pathspec, trees: &[Oid]) -> Result<()> {
    refuse(app, paths, trees.iter().copied().map(Ok))
}

/// The same for a move: files of now, of where it goes, or, where that is still to be chosen, of any stop on the way back.
pub fn refuse_unknown(
    app: &App<'_>,
    paths: &Pathspec,
    present: &Snapshot,
    history: &History,
    target: Option<&Checkpoint>,
) -> Result<()> {
    let way = history.tip().filter(|_| target.is_none()).into_iter();
    let way = way.flat_map(|tip| history.live_line(tip, Half::Code)).chain(target);
    let tree = |checkpoint| store::code_tree(&app.repo, checkpoint);
    let trees = std::iter::once(Ok(present.tree)).chain(way.map(tree));
    // An error of the engine is one of git here; it is kept whole.
    let mut failed = None;
    let trees = trees.map_while(|tree| tree.map_err(|error| failed = Some(error)).ok().map(Ok));
    let refused = refuse(app, paths, trees);
    match failed {
        Some(error) => Err(error.into()),
        None => refused,
    }
}

fn refuse(app: &App<'_>, paths: &Pathspec, trees: impl Iterator<Item = crate::git::Result<Oid>>) -> Result<()> {
    let unmatched = paths.unmatched(&app.repo.objects, trees)?;
    let names: Vec<String> = unmatched.iter().map(|word| word.to_str_lossy().into_owned()).collect();
    let message = match names.as_slice() {
        [] => return Ok(()),
        [one] => format!("no file matches {one}"),
        all => format!("{} match no file", text::count(all.len(), "path")),
    };
    Err(Failure::new(FailureKind::Failed, "path.unmatched", message)
        .target(names[0].clone())
        .hint("Paths are relative to this directory, and globs are git's; quote a glob so that the shell leaves it alone.")
        .details(if names.len() > 1 { names } else { Vec::new() }))
}

//! `diff [A [B]]`: what differs between two checkpoints, or between one and the files as they are now.

use std::path::PathBuf;

use serde::Serialize;

use super::rewind::Place;
use super::{App, Result, address, find, moving};
use crate::base::progress::Silent;
use crate::base::{RepoPath, SessionId};
use crate::engine::history::History;
use crate::engine::{snapshot, store};
use crate::git::{FileMode, Oid, tree};

/// What to compare.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which session; the default one where `None`.
    pub session: Option<String>,
    /// From; the session's first checkpoint where `None`.
    pub from: Option<String>,
    /// To; the files as they are now where `None`.
    pub to: Option<String>,
    /// Only these paths.
    pub paths: Vec<PathBuf>,
}

/// One side of a file.
#[derive(Clone, Debug)]
pub struct Side {
    /// Mode.
    pub mode: FileMode,
    /// Object.
    pub oid: Oid,
    /// Content; empty for a gitlink.
    pub bytes: Vec<u8>,
}

/// A file that differs.
#[derive(Clone, Debug)]
pub struct FileDiff {
    /// Which.
    pub path: RepoPath,
    /// Before.
    pub old: Option<Side>,
    /// After.
    pub new: Option<Side>,
}

/// The comparison.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The session.
    pub session: SessionId,
    /// From.
    pub from: Place,
    /// To; absent for the files as they are now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Place>,
    /// The trees compared.
    pub trees: (Oid, Oid),
    /// What differs, in the order of paths.
    #[serde(skip)]
    pub files: Vec<FileDiff>,
}

/// Compares.
pub fn run(app: &App<'_>, options: &Options) -> Result<Outcome> {
    let tip = find::session(app, options.session.as_deref())?;
    let history = History::load(&app.repo, tip.checkpoint.commit)?;
    let from = match &options.from {
        Some(text) => address::checkpoint(app, &tip, &history, text)?,
        None => history.all().iter().rev().find(|c| c.session == tip.session.id).unwrap_or(&tip.checkpoint),
    };
    let to = options.to.as_ref().map(|text| address::checkpoint(app, &tip, &history, text)).transpose()?;
    let old = store::code_tree(&app.repo, from)?;
    let new = match to {
        Some(to) => store::code_tree(&app.repo, to)?,
        None => snapshot::take(&app.repo, Some(tip.code_tree), &app.snapshot_options(None)?, &Silent)?.tree,
    };
    let only = moving::paths(app, &options.paths)?;
    let wanted = |path: &RepoPath| only.is_empty() || only.iter().any(|o| path.is_at_or_below(o));
    let side = |entry: Option<(FileMode, Oid)>| -> Result<Option<Side>> {
        let Some((mode, oid)) = entry else { return Ok(None) };
        let bytes = if mode.is_blob() { app.repo.objects.read_blob(oid)? } else { Vec::new() };
        Ok(Some(Side { mode, oid, bytes }))
    };
    let mut files = Vec::new();
    for change in tree::diff(&app.repo.objects, old, new)? {
        if wanted(&change.path) {
            files.push(FileDiff { path: change.path, old: side(change.old)?, new: side(change.new)? });
        }
    }
    Ok(Outcome { session: tip.session.id, from: Place::from(from), to: to.map(Place::from), trees: (old, new), files })
}

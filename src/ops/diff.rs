//! `diff [A [B]]`: what differs between two checkpoints, or between one and the files as they are now.

use std::path::PathBuf;

use rayon::prelude::*;
use serde::Serialize;

use super::rewind::Place;
use super::{App, Result, address, find, moving};
use crate::base::progress::Silent;
use crate::base::{RepoPath, SessionId};
use crate::engine::history::History;
use crate::engine::{snapshot, store};
use crate::features::patch::{FileDiff, Side};
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

/// A file that differs.
#[derive(Clone, Debug)]
pub struct FileChange {
    /// Which.
    pub path: RepoPath,
    /// Before.
    pub old: Option<(FileMode, Oid)>,
    /// After.
    pub new: Option<(FileMode, Oid)>,
}

/// A file that differs, and what it held and holds.
#[derive(Debug)]
pub struct Contents<'a> {
    change: &'a FileChange,
    old: Option<Content>,
    new: Option<Content>,
}

#[derive(Debug)]
struct Content {
    mode: FileMode,
    bytes: Vec<u8>,
    is_large: bool,
}

/// Files whose contents are read at a time, by all threads; few enough to hold.
pub const AT_ONCE: usize = 32;
/// Content of more bytes is only named, whatever `core.bigFileThreshold` says: both sides and their lines are held at once.
const LARGEST: u64 = 32 << 20;

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
    pub files: Vec<FileChange>,
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
    moving::refuse_unmatched(app, &only, &[old, new])?;
    let mut files = Vec::new();
    for change in tree::diff(&app.repo.objects, old, new)? {
        if only.matches(&change.path) {
            files.push(FileChange { path: change.path, old: change.old, new: change.new });
        }
    }
    Ok(Outcome { session: tip.session.id, from: Place::from(from), to: to.map(Place::from), trees: (old, new), files })
}

/// Reads what some files held and hold, in parallel.
///
/// # Errors
/// A blob that is missing or damaged.
pub fn contents<'a>(app: &App<'_>, files: &'a [FileChange]) -> Result<Vec<Contents<'a>>> {
    let objects = app.repo.objects.reader_of(files.len() * 2)?;
    let most = app.repo.config.int("core.bigFileThreshold")?.and_then(|n| u64::try_from(n).ok());
    let most = most.unwrap_or(LARGEST).min(LARGEST);
    let read = |change: &'a FileChange| -> Result<Contents<'a>> {
        // Where only the mode differs there is nothing to compare.
        let is_same = change.old.zip(change.new).is_some_and(|(old, new)| old.1 == new.1);
        let side = |entry: Option<(FileMode, Oid)>| -> Result<Option<Content>> {
            let Some((mode, oid)) = entry else { return Ok(None) };
            let bytes = match mode {
                _ if is_same => Some(Vec::new()),
                FileMode::Gitlink => Some(format!("Subproject commit {oid}\n").into_bytes()),
                _ if objects.blob_size(oid).is_some_and(|size| size > most) => None,
                _ => Some(objects.blob(oid)?),
            };
            Ok(Some(Content { mode, is_large: bytes.is_none(), bytes: bytes.unwrap_or_default() }))
        };
        Ok(Contents { change, old: side(change.old)?, new: side(change.new)? })
    };
    files.par_iter().map(read).collect()
}

impl Contents<'_> {
    /// The comparison of its lines.
    pub fn diff(&self) -> FileDiff<'_> {
        let [old, new] = [&self.old, &self.new].map(|content| content.as_ref().map(Content::side));
        FileDiff { path: &self.change.path, old, new }
    }
}

impl Content {
    fn side(&self) -> Side<'_> {
        Side { mode: self.mode, bytes: &self.bytes, is_large: self.is_large }
    }
}

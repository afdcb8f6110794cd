//! `.session-state.json` at the top of the work tree: the newest checkpoint's state as a file, for agents and people.
//!
//! Written after each save once `enable` ran here, else only when asked for. What somebody changed in it is taken over as set
//! before it is written again; a copy of what was last written, in the git dir, tells what that is. Trouble with the file never
//! costs a checkpoint: it is told, and the next save tries again.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::net_changes::NetChanges;
use super::record::Recording;
use super::{App, Failure, FailureKind, Result, enable, state_record};
use crate::base::file::{self, Durability};
use crate::base::repo_path::{escape, unescape};
use crate::base::{Error as BaseError, RepoPath, SessionId};
use crate::engine::local;
use crate::engine::store::Tip;
use crate::features::state::{merge, next_prompts};
use crate::git::{Oid, tree};
use crate::model::state::{FACTS, STATUSES, State};
use crate::model::{Session, codec};

/// The file's name where none is configured.
pub const NAME: &str = ".session-state.json";

/// What was last written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Copy {
    /// Where, relative to the top.
    pub path: RepoPath,
    /// Whose state.
    pub session: SessionId,
    /// The document.
    pub written: Map<String, Value>,
    /// The one before it, without facts: what lies there where we died between this note and the writing.
    #[serde(default)]
    pub before: Map<String, Value>,
    /// Which of `written`'s next prompts nobody set: an editor that leaves them in the list does not set them.
    #[serde(default)]
    pub derived_prompts: Vec<String>,
}

/// A file of a person's own that lay there before we wrote ours: what `disable` gives back.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Before {
    /// Where, relative to the top.
    path: RepoPath,
    /// Its bytes, escaped.
    bytes: String,
    /// Whether somebody has changed ours since: then that is theirs, too.
    #[serde(default)]
    is_edited: bool,
}

fn before_place(app: &App<'_>) -> PathBuf {
    app.repo.git_dir.join("session").join("state-file.before")
}

fn before(app: &App<'_>, path: &RepoPath) -> Result<Option<Before>> {
    let bytes = file::read_optional(&before_place(app))?;
    let noted = bytes.and_then(|bytes| serde_json::from_slice::<Before>(&bytes).ok());
    Ok(noted.filter(|before| before.path == *path))
}

fn set_before(app: &App<'_>, before: &Before) -> Result<()> {
    let bytes = serde_json::to_vec(before)
        .map_err(|e| Failure::new(FailureKind::Internal, "internal", format!("cannot note the state file: {e}")))?;
    local::worktree_dir(&app.repo)?;
    Ok(file::write_atomic(&before_place(app), &bytes, Some(0o600), Durability::Process)?)
}

/// The file's path, as configured.
///
/// # Errors
/// A path that leaves the work tree or enters `.git`.
pub fn path(app: &App<'_>) -> Result<RepoPath> {
    let configured = app.repo.config.bytes("session.state.file")?;
    let Some(text) = configured.filter(|text| !text.is_empty()) else { return Ok(RepoPath::new(NAME)?) };
    RepoPath::new(text.clone()).map_err(|_| {
        Failure::new(
            FailureKind::Refused,
            "state.path",
            format!("session.state.file must name a file inside the work tree, not {:?}", text.to_string()),
        )
        .target(text.to_string())
        .hint(format!("`git config session.state.file {NAME}` sets the default."))
    })
}

/// Where an invalid file is kept.
fn backup(path: &RepoPath) -> Result<RepoPath> {
    Ok(RepoPath::new([path.as_bytes(), b".bak"].concat())?)
}

/// The file and its backup: never part of what a session changed.
pub fn own_paths(app: &App<'_>) -> Result<Vec<RepoPath>> {
    // A bad configuration is told where the file is written, not by every save.
    let Ok(path) = path(app) else { return Ok(Vec::new()) };
    Ok(vec![backup(&path)?, path])
}

/// The lines that keep the file out of git's sight.
pub fn exclude_lines(app: &App<'_>) -> Result<Vec<String>> {
    Ok(own_paths(app)?.iter().rev().map(|path| format!("/{path}")).collect())
}

/// What was last written here.
pub fn copy(app: &App<'_>) -> Result<Option<Copy>> {
    let bytes = file::read_optional(&app.repo.git_dir.join("session").join("state-file"))?;
    // Damaged is as good as absent: then the whole file counts as edited.
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

fn set_copy(app: &App<'_>, copy: &Copy) -> Result<()> {
    let bytes = serde_json::to_vec(copy)
        .map_err(|e| Failure::new(FailureKind::Internal, "internal", format!("cannot note the state file: {e}")))?;
    let path = local::worktree_dir(&app.repo)?.join("state-file");
    Ok(file::write_atomic(&path, &bytes, Some(app.repo.shared.private_file()), Durability::Process)?)
}

/// Whether the session runs in this work tree: a fork may begin in another one.
fn is_here(app: &App<'_>, session: &Session) -> bool {
    app.repo.work_dir().is_ok() && session.worktree == app.repo.worktree_name()
}

/// Whether saves write the file by themselves.
fn is_automatic(app: &App<'_>) -> Result<bool> {
    match app.repo.config.bool("session.state.writeFile")? {
        Some(wanted) => Ok(wanted),
        None => Ok(!local::installed(&app.repo)?.is_empty()),
    }
}

/// Whether the project has the file under version control: then it is its own, and written only when asked for.
fn is_tracked(app: &App<'_>, path: &RepoPath, code: Option<Oid>) -> Result<bool> {
    if enable::is_tracked(app, path.to_path())? {
        return Ok(true);
    }
    // Added to the index and not committed: what is excluded is in no snapshot otherwise.
    let excluded = enable::excluded_lines(app)?.contains(&format!("/{path}"));
    Ok(match code {
        Some(code) if excluded => tree::lookup(&app.repo.objects, code, path)?.is_some(),
        _ => false,
    })
}

/// Where the file lies on disk.
///
/// # Errors
/// It, or a folder above it, is a link: what lies there is not the project's.
fn place(app: &App<'_>, path: &RepoPath) -> Result<PathBuf> {
    let root = app.repo.work_dir()?;
    let steps = path.ancestors().chain(std::iter::once(path.clone()));
    for step in steps {
        if step.on_disk(root).is_symlink() {
            return Err(Failure::new(
                FailureKind::Refused,
                "state.path",
                format!("{step} is a link: the state file is neither read nor written through it"),
            )
            .target(path.to_string())
            .hint("`git config session.state.file` names another place."));
        }
    }
    Ok(path.on_disk(root))
}

/// Takes what somebody changed in the file over into the recording's state. What it cannot use is kept and told.
pub fn take_in(app: &App<'_>, recording: &mut Recording, notices: &mut Vec<String>) -> Result<()> {
    let taken = changes(app, recording, notices);
    match taken {
        Ok(mut patch) => {
            // What the command itself sets wins over the file.
            merge::compose(&mut patch, &recording.state.patch);
            recording.state.patch = patch;
        }
        Err(failure) if recording.state.write_file => return Err(failure),
        Err(failure) => notices.push(format!("state file: {failure}")),
    }
    Ok(())
}

fn changes(app: &App<'_>, recording: &Recording, notices: &mut Vec<String>) -> Result<Map<String, Value>> {
    let demanded = recording.state.write_file;
    if !(demanded || is_here(app, &recording.session) && is_automatic(app)?) {
        return Ok(Map::new());
    }
    let path = path(app)?;
    let code = recording.tip.as_ref().map(|tip| tip.code_tree);
    if !demanded && is_tracked(app, &path, code)? {
        return Ok(Map::new());
    }
    let place = place(app, &path)?;
    let Some(bytes) = file::read_optional(&place)? else { return Ok(Map::new()) };
    let known = copy(app)?.filter(|copy| copy.path == path);
    if known.is_none() && before(app, &path)?.is_none() {
        set_before(app, &Before { path: path.clone(), bytes: escape(&bytes), is_edited: false })?;
    }
    let found = match State::decode(&bytes) {
        Ok(state) => state,
        Err(problem) => {
            let kept = backup(&path)?;
            std::fs::rename(&place, kept.on_disk(app.repo.work_dir()?)).map_err(BaseError::io("rename", &place))?;
            notices.push(format!("{path} is no valid state file and was kept as {kept}: {problem}"));
            return Ok(Map::new());
        }
    };
    let opinions = merge::without(found.to_map()?, FACTS);
    if known.as_ref().is_some_and(|copy| opinions == copy.before) {
        return Ok(Map::new());
    }
    // As it stands there: a key that was taken out is given back to what is derived.
    let after: Map<String, Value> = codec::decode("state file", &bytes)?;
    let patch = match &known {
        Some(copy) => {
            let mut patch = merge::without(merge::changes(&copy.written, &after), FACTS);
            next_prompts::without_derived(&mut patch, &copy.derived_prompts);
            patch
        }
        // A file that we never wrote: all that it says, but not what it leaves empty.
        None => merge::without(without_empty(after), FACTS),
    };
    if known.is_some()
        && !patch.is_empty()
        && let Some(before) = before(app, &path)?.filter(|before| !before.is_edited)
    {
        set_before(app, &Before { is_edited: true, ..before })?;
    }
    let word = patch.get("objectives").and_then(|o| o.get("status")).and_then(Value::as_str);
    if let Some(word) = word.filter(|word| !STATUSES.contains(word)) {
        notices.push(format!("{path}: objectives.status {word:?} is none of {}; taken as it is", STATUSES.join(", ")));
    }
    Ok(patch)
}

fn without_empty(map: Map<String, Value>) -> Map<String, Value> {
    let is_empty = |value: &Value| match value {
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Number(n) => n.as_u64() == Some(0),
        _ => false,
    };
    map.into_iter()
        .filter(|(_, value)| !is_empty(value))
        .map(|(key, value)| match value {
            Value::Object(inner) => (key, Value::Object(without_empty(inner))),
            other => (key, other),
        })
        .collect()
}

/// Writes the file after a save, where that is wanted. `demanded`: it was asked for, and what prevents it is an error.
pub fn follow(
    app: &App<'_>,
    tip: &Tip,
    demanded: bool,
    changes: &mut NetChanges,
    notices: &mut Vec<String>,
) -> Result<()> {
    match write(app, tip, demanded, changes) {
        Err(failure) if !demanded => {
            notices.push(format!("state file: {failure}"));
            Ok(())
        }
        done => done,
    }
}

fn write(app: &App<'_>, tip: &Tip, demanded: bool, changes: &mut NetChanges) -> Result<()> {
    if !(demanded || is_here(app, &tip.session) && is_automatic(app)?) {
        return Ok(());
    }
    let path = path(app)?;
    if !demanded && is_tracked(app, &path, Some(tip.code_tree))? {
        return Ok(());
    }
    let place = place(app, &path)?;
    let known = copy(app)?.filter(|copy| copy.path == path);
    let have = file::read_optional(&place)?;
    // A new session's agent can still read what the one before it left: its first checkpoint is made before it answers.
    let of_another = known.as_ref().is_some_and(|copy| copy.session != tip.session.id);
    let first = tip.checkpoint.number == 1 && tip.checkpoint.kind == crate::model::Kind::TurnStart;
    if !demanded && first && of_another && have.is_some() {
        return Ok(());
    }
    let state = state_record::document(app, tip, changes)?;
    let bytes = state.encode()?;
    let record = state_record::of_tip(app, tip)?;
    let set_prompts = next_prompts::set_in(&record.set).unwrap_or_default();
    let copy = Copy {
        path: path.clone(),
        session: tip.session.id,
        written: state.to_map()?,
        before: known.as_ref().map(|copy| merge::without(copy.written.clone(), FACTS)).unwrap_or_default(),
        derived_prompts: state.next_prompts.iter().filter(|p| !set_prompts.contains(p)).cloned().collect(),
    };
    let is_written = have.as_deref() == Some(bytes.as_slice());
    let is_noted = |known: &Copy| known.session == copy.session && known.derived_prompts == copy.derived_prompts;
    if !is_written || !known.as_ref().is_some_and(is_noted) {
        set_copy(app, &copy)?;
    }
    if !is_written {
        exclude(app)?;
        if let Some(folder) = place.parent() {
            file::create_dir(folder, 0o777)?;
        }
        file::write_atomic(&place, &bytes, None, Durability::Process)?;
    }
    Ok(())
}

/// Keeps the file out of git's sight.
fn exclude(app: &App<'_>) -> Result<()> {
    let mut lines = enable::excluded_lines(app)?;
    let missing: Vec<String> = exclude_lines(app)?.into_iter().filter(|line| !lines.contains(line)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    lines.extend(missing);
    if let Some((_, after)) = enable::exclude_edit(app, &lines)? {
        enable::write_exclude(app, &after)?;
    }
    Ok(())
}

/// Removes the file where it still is what we wrote, or gives back the one that was there before; for `disable`.
pub fn remove_unchanged(app: &App<'_>) -> Result<()> {
    let Some(copy) = copy(app)? else { return Ok(()) };
    let place = place(app, &copy.path)?;
    let written = State::from_map(copy.written)?.encode()?;
    if !is_same(&place, &written)? {
        return Ok(());
    }
    match before(app, &copy.path)? {
        Some(before) if !before.is_edited => {
            let bytes = unescape(&before.bytes);
            file::write_atomic(&place, &bytes, None, Durability::Process)?;
            let kept = backup(&copy.path)?.on_disk(app.repo.work_dir()?);
            // It was kept there since we could not read it.
            if is_same(&kept, &bytes)? {
                file::remove_optional(&kept)?;
            }
        }
        // It is theirs, with what they changed in it since.
        Some(_) => {}
        None => {
            file::remove_optional(&place)?;
        }
    }
    file::remove_optional(&before_place(app))?;
    file::remove_optional(&local::worktree_dir(&app.repo)?.join("state-file"))?;
    Ok(())
}

fn is_same(place: &Path, bytes: &[u8]) -> Result<bool> {
    Ok(file::read_optional(place)?.as_deref() == Some(bytes))
}

//! What changed between two trees, as the state file tells it: the lists of paths, and a patch that stays small.

use super::changes::Changes;
use crate::base::RepoPath;
use crate::base::text::count;
use crate::git::{Objects, Oid, Result};
use crate::model::state::{Files, GitDiff};

/// Bytes of a patch.
pub const PATCH_BYTES: usize = 64 * 1024;
/// What the marker of a cut leaves of them.
const ROOM: usize = PATCH_BYTES - 128;
/// Bytes of content that are compared; what lies beyond is counted as files only.
const COMPARED_BYTES: u64 = 8 * 1024 * 1024;

/// The paths that differ, but those in `leave`.
pub fn files(changes: &Changes, leave: &[RepoPath]) -> Files {
    let mut files = Files::default();
    for (path, change) in changes.files.iter().filter(|(path, _)| !leave.contains(path)) {
        let list = match (change.old, change.new) {
            (None, _) => &mut files.created,
            (_, None) => &mut files.deleted,
            _ => &mut files.modified,
        };
        list.push(path.to_string());
    }
    files
}

/// The patch and its sum. What had to be compared for it is kept in the changes.
pub fn make(objects: &Objects, base: Oid, changes: &mut Changes, leave: &[RepoPath]) -> Result<GitDiff> {
    let mut patch = String::new();
    let (mut shown, mut compared, mut full) = (0_usize, 0_u64, false);
    let (mut added, mut removed, mut counted) = (0, 0, 0);
    let files = changes.files.iter().filter(|(path, _)| !leave.contains(path)).count();
    for (path, change) in changes.files.iter_mut().filter(|(path, _)| !leave.contains(path)) {
        compared += change.size(objects)?;
        if compared > COMPARED_BYTES {
            break;
        }
        let part = change.part(objects, path, !full)?;
        (added, removed, counted) = (added + part.added, removed + part.removed, counted + 1);
        if !full {
            patch.push_str(part.patch.as_deref().unwrap_or_default());
            full = patch.len() > ROOM;
            shown += usize::from(!full);
        }
    }
    if shown < files {
        let end = patch[..patch.floor_char_boundary(ROOM)].rfind('\n').filter(|_| full).map(|at| at + 1);
        patch.truncate(end.unwrap_or(if full { 0 } else { patch.len() }));
        let whole = count(files, "file");
        patch.push_str(&format!("# cut at 64 KiB: {shown} of {whole} in full; `session diff` shows all\n"));
    }
    Ok(GitDiff { base: base.to_string(), stat: stat(files, counted, added, removed), patch })
}

/// As `git diff --shortstat` says it.
fn stat(files: usize, counted: usize, added: usize, removed: usize) -> String {
    let mut line = format!("{} changed", count(files, "file"));
    if added > 0 {
        line.push_str(&format!(", {}(+)", count(added, "insertion")));
    }
    if removed > 0 {
        line.push_str(&format!(", {}(-)", count(removed, "deletion")));
    }
    if counted < files {
        line.push_str(&format!(" (lines of the first {})", count(counted, "file")));
    }
    line
}

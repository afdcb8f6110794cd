//! What changed between two trees, as the state file tells it: the lists of paths, and a patch that stays small.

use crate::base::RepoPath;
use crate::base::text::count;
use crate::features::patch::{FileDiff, Side};
use crate::git::{FileMode, Objects, Oid, Result, tree};
use crate::model::state::{Files, GitDiff};

/// Bytes of a patch.
pub const PATCH_BYTES: usize = 64 * 1024;
/// What the marker of a cut leaves of them.
const ROOM: usize = PATCH_BYTES - 128;
/// Bytes of content that are compared; what lies beyond is counted as files only.
const COMPARED_BYTES: u64 = 8 * 1024 * 1024;

/// The paths that differ, but those in `leave`.
pub fn files(changes: &[tree::TreeChange], leave: &[RepoPath]) -> Files {
    let mut files = Files::default();
    for change in changes.iter().filter(|c| !leave.contains(&c.path)) {
        let list = match (change.old, change.new) {
            (None, _) => &mut files.created,
            (_, None) => &mut files.deleted,
            _ => &mut files.modified,
        };
        list.push(change.path.to_string());
    }
    files
}

/// The patch and its sum.
pub fn make(objects: &Objects, base: Oid, changes: &[tree::TreeChange], leave: &[RepoPath]) -> Result<GitDiff> {
    let mut patch: Vec<u8> = Vec::new();
    let (mut shown, mut compared, mut full) = (0_usize, 0_u64, false);
    let (mut added, mut removed, mut counted) = (0, 0, 0);
    let changes: Vec<&tree::TreeChange> = changes.iter().filter(|c| !leave.contains(&c.path)).collect();
    for change in &changes {
        let sizes = [change.old, change.new].into_iter().flatten().filter(|(mode, _)| mode.is_blob());
        for (_, oid) in sizes {
            compared += objects.blob_size(oid)?;
        }
        if compared > COMPARED_BYTES {
            break;
        }
        let (old, new) = (content(objects, change.old)?, content(objects, change.new)?);
        let diff = FileDiff { path: &change.path, old: side(&old), new: side(&new) };
        let lines = diff.line_count().unwrap_or_default();
        (added, removed, counted) = (added + lines.added, removed + lines.removed, counted + 1);
        if !full {
            patch.extend(diff.patch());
            full = patch.len() > ROOM;
            shown += usize::from(!full);
        }
    }
    let mut patch = String::from_utf8_lossy(&patch).into_owned();
    if shown < changes.len() {
        let end = patch[..patch.floor_char_boundary(ROOM)].rfind('\n').filter(|_| full).map(|at| at + 1);
        patch.truncate(end.unwrap_or(if full { 0 } else { patch.len() }));
        let whole = count(changes.len(), "file");
        patch.push_str(&format!("# cut at 64 KiB: {shown} of {whole} in full; `session diff` shows all\n"));
    }
    Ok(GitDiff { base: base.to_string(), stat: stat(changes.len(), counted, added, removed), patch })
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

fn side(content: &Option<(FileMode, Vec<u8>)>) -> Option<Side<'_>> {
    content.as_ref().map(|(mode, bytes)| Side { mode: *mode, bytes })
}

fn content(objects: &Objects, entry: Option<(FileMode, Oid)>) -> Result<Option<(FileMode, Vec<u8>)>> {
    entry
        .map(|(mode, oid)| {
            let bytes = if mode.is_blob() {
                objects.read_blob(oid)?
            } else {
                format!("Subproject commit {oid}\n").into_bytes()
            };
            Ok((mode, bytes))
        })
        .transpose()
}

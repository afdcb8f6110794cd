//! Removes files, the folders that this emptied, and temporary files that a killed run left.

use std::collections::BTreeSet;
use std::fs::File;

use bstr::ByteSlice as _;
use rustix::fs::{Access, AtFlags};
use rustix::io::Errno;

use super::dirs::{Place, WorkTree, io};
use crate::base::RepoPath;
use crate::engine::snapshot::DEEPEST;
use crate::engine::{Result, TEMP_PREFIX};

/// Removes one file or link. The caller has just seen what it is.
pub(super) fn file(disk: &WorkTree, path: &RepoPath) -> Result<()> {
    let Some(folder) = disk.folder(path.parent().as_ref())? else { return Ok(()) };
    match rustix::fs::unlinkat(&folder, path.file_name().as_bytes(), AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(e) => Err(io("remove", disk.on_disk(path))(e)),
    }
}

/// Removes those of `folders` that are empty, the lowest first, but neither `keep` nor one above it.
pub(super) fn emptied(disk: &WorkTree, folders: &BTreeSet<RepoPath>, keep: Option<&RepoPath>) -> Result<()> {
    // A folder sorts before all that is in it.
    for folder in folders.iter().rev() {
        if keep.is_some_and(|keep| keep.is_at_or_below(folder)) {
            continue;
        }
        let Some(above) = disk.folder(folder.parent().as_ref())? else { continue };
        remove_if_empty(disk, &above, folder)?;
    }
    Ok(())
}

/// Removes a folder in which, at any depth, there are only empty folders. Whether it is gone; if not, some of those may be.
pub(super) fn empty_folders(disk: &WorkTree, folder: &RepoPath) -> Result<bool> {
    // It goes as deep as the folders do; what is deeper than a snapshot goes is nobody's empty folder.
    if folder.parts().count() > DEEPEST {
        return Ok(false);
    }
    for name in disk.names(Some(folder))? {
        let Ok(below) = folder.join(&name) else { return Ok(false) };
        if disk.look(&below)? != Place::Folder || !empty_folders(disk, &below)? {
            return Ok(false);
        }
    }
    let Some(above) = disk.folder(folder.parent().as_ref())? else { return Ok(true) };
    remove_if_empty(disk, &above, folder)
}

fn remove_if_empty(disk: &WorkTree, above: &File, folder: &RepoPath) -> Result<bool> {
    match rustix::fs::unlinkat(above, folder.file_name().as_bytes(), AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        // Not empty, no folder any more, in use as a mount point, or not ours to remove: an empty folder harms nobody.
        Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR | Errno::BUSY | Errno::ACCESS | Errno::PERM) => Ok(false),
        Err(e) => Err(io("remove the folder", disk.on_disk(folder))(e)),
    }
}

/// Removes what killed runs left in a folder: files named as only this writer names them.
pub(super) fn leftovers(disk: &WorkTree, folder: Option<&RepoPath>) -> Result<()> {
    for name in disk.names(folder)? {
        let id = name.strip_prefix(TEMP_PREFIX.as_bytes());
        if !id.is_some_and(|id| id.len() == 12 && id.iter().all(u8::is_ascii_hexdigit)) {
            continue;
        }
        let path = folder.map_or_else(|| RepoPath::new(name.clone()), |f| f.join(&name))?;
        if matches!(disk.look(&path)?, Place::File | Place::Link) {
            file(disk, &path)?;
        }
    }
    Ok(())
}

/// Opens a folder in which we may make and remove files, and refuses another; where it is not there yet, the one above it
/// that is.
pub(super) fn writable(disk: &WorkTree, folder: Option<&RepoPath>) -> Result<File> {
    let mut nearest = folder.cloned();
    loop {
        if let Some(open) = disk.folder(nearest.as_ref())? {
            rustix::fs::accessat(&open, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)
                .map_err(io("write in the folder", disk.place_of(nearest.as_ref())))?;
            return Ok(open);
        }
        nearest = nearest.and_then(|folder| folder.parent());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::restore::testing::{Bench, p};

    #[test]
    fn only_files_named_by_this_writer_are_leftovers() {
        let bench = Bench::new();
        let ours = format!("d/{TEMP_PREFIX}0123456789ab");
        let not_ours = format!("d/{TEMP_PREFIX}notes");
        bench.put(&ours, "half");
        bench.put(&not_ours, "whole");
        let disk = WorkTree::open(&bench.repo).expect("opens");
        leftovers(&disk, Some(&p("d"))).expect("sweeps");
        assert!(!bench.exists(&ours) && bench.exists(&not_ours));
    }

    #[test]
    fn a_folder_goes_only_if_nothing_but_empty_folders_is_in_it() {
        let bench = Bench::new();
        std::fs::create_dir_all(bench.root().join("empty/a/b")).expect("makes");
        std::fs::create_dir_all(bench.root().join("full/a")).expect("makes");
        bench.put("full/z", "x");
        let disk = WorkTree::open(&bench.repo).expect("opens");
        assert!(empty_folders(&disk, &p("empty")).expect("removes") && !bench.exists("empty"));
        assert!(!empty_folders(&disk, &p("full")).expect("leaves it") && bench.exists("full/z"));
    }
}

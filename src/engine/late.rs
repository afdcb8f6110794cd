//! Whether a file changed after a moment, by the times that the file system keeps and nobody sets.
//!
//! A deletion leaves a time only at the folder, which other changes renew as well: then it may seem later than it was.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::base::{RepoPath, Timestamp};

/// Whether what is, or was, at a path below `top` changed after that moment. What cannot be told counts as late.
pub fn changed_after(top: &Path, path: &RepoPath, moment: Timestamp) -> bool {
    let file = path.on_disk(top);
    if let Ok(found) = file.symlink_metadata() {
        return millis(found.ctime(), found.ctime_nsec()) > moment.millis();
    }
    let folder = file.ancestors().skip(1).find_map(|above| above.symlink_metadata().ok());
    folder.is_none_or(|found| millis(found.mtime(), found.mtime_nsec()) > moment.millis())
}

const fn millis(seconds: i64, nanos: i64) -> i64 {
    seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_late_from_its_change_on_and_a_deletion_from_that_of_its_folder() {
        let top = tempfile::tempdir().expect("a folder");
        let path = RepoPath::new("f").expect("a path");
        std::fs::write(top.path().join("f"), "x").expect("writes");
        let at = |moment: i64| changed_after(top.path(), &path, Timestamp::from_millis(moment));
        let changed = std::fs::metadata(top.path().join("f")).expect("there");
        let changed = millis(changed.ctime(), changed.ctime_nsec());
        assert!(at(changed - 1) && !at(changed));
        std::fs::remove_file(top.path().join("f")).expect("removes");
        assert!(at(changed - 1) && !at(i64::MAX));
    }
}

//! Whether attributes can name a filter driver at all. Which one they name is git's to say (`filters`): that takes a process,
//! and where a driver is configured for the whole machine, as LFS often is, most repositories have no use for it.
//!
//! Only looks for the word: a file that mentions `filter` anywhere makes git be asked. A `.gitattributes` that is gone from the
//! disk and still in the index does not count, as it does not for `git hash-object`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bstr::ByteSlice as _;

use super::{Repo, Result};
use crate::base::{RepoPath, file};

/// Where a folder has its attributes.
const FILE: &str = ".gitattributes";

/// The system's files; where git was built to look is known to git alone.
const SYSTEM: [&str; 3] = ["/etc/gitattributes", "/usr/local/etc/gitattributes", "/opt/homebrew/etc/gitattributes"];

/// Whether any attributes file that counts for these paths mentions a filter.
pub(super) fn mention_filter(repo: &Repo, paths: &[RepoPath]) -> Result<bool> {
    let config = &repo.config;
    if config.bool("core.sparseCheckout")?.unwrap_or(false) || config.bytes("attr.tree")?.is_some() {
        return Ok(true);
    }
    let user = config.user_file("core.attributesFile", "attributes")?;
    let general = SYSTEM.iter().map(PathBuf::from).chain([repo.common_dir.join("info/attributes")]).chain(user);
    for path in general {
        if mentions(&path) {
            return Ok(true);
        }
    }
    let root = repo.work_dir()?;
    let folders: BTreeSet<Option<RepoPath>> =
        paths.iter().flat_map(|p| p.ancestors().map(Some)).chain([None]).collect();
    for folder in folders {
        let path = folder.map_or_else(|| RepoPath::new(FILE), |folder| folder.join(FILE.as_bytes().as_bstr()))?;
        if mentions(&path.on_disk(root)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether there is such a file and it does; one that cannot be read is git's to judge.
fn mentions(path: &Path) -> bool {
    file::read_optional(path).map_or(true, |text| text.is_some_and(|text| text.find("filter").is_some()))
}

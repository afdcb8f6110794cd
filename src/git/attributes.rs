//! The files from which git takes attributes: whether any names a filter at all, and whether they are what they were. Which
//! filter a path has is git's to say (`filters`): that takes a process, and where a driver is configured for the whole machine,
//! as LFS often is, most repositories have no use for it.
//!
//! Only looks for the word: a file that mentions `filter` anywhere makes git be asked. A `.gitattributes` that is gone from the
//! disk and still in the index does not count, except in a sparse checkout.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bstr::ByteSlice as _;

use super::{Error, Oid, Repo, Result};
use crate::base::RepoPath;
use crate::base::supplied::{self, Links};

/// Where a folder has its attributes.
const FILE: &str = ".gitattributes";

/// The system's files; where git was built to look is known to git alone.
const SYSTEM: [&str; 3] = ["/etc/gitattributes", "/usr/local/etc/gitattributes", "/opt/homebrew/etc/gitattributes"];

/// What the sources of attributes say, taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sources {
    /// Whether any mentions a filter, or may.
    pub mention_filter: bool,
    /// Another id where any of them is another one.
    pub id: Oid,
}

/// Whether git takes attributes from the index, too.
pub(super) fn index_counts(repo: &Repo) -> Result<bool> {
    Ok(repo.config.bool("core.sparseCheckout")?.unwrap_or(false) || repo.config.bytes("attr.tree")?.is_some())
}

impl Sources {
    /// Of the whole tree, with these files of the work tree.
    pub fn read(repo: &Repo, in_tree: &[RepoPath]) -> Result<Self> {
        let config = &repo.config;
        let user = config.user_file("core.attributesFile", "attributes")?;
        let root = repo.work_dir()?;
        let general = SYSTEM.iter().map(PathBuf::from).chain([repo.common_dir.join("info/attributes")]).chain(user);
        let mut mention_filter = false;
        let mut all = Vec::new();
        let in_tree = in_tree.iter().map(|path| (path.on_disk(root), Links::Refuse));
        let mut awaited = None;
        for (path, links) in general.map(|path| (path, Links::Follow)).chain(in_tree) {
            if links == Links::Refuse && is_awaited(&path) {
                awaited.get_or_insert(path.clone());
            }
            let text = match supplied::read_rules(&path, links) {
                Ok(Some(text)) => text,
                Ok(None) => continue,
                // What cannot be read is git's to judge.
                Err(_) => b"filter".to_vec(),
            };
            mention_filter |= text.find("filter").is_some();
            all.extend_from_slice(path.as_os_str().as_encoded_bytes());
            all.extend_from_slice(format!("\0{}\0", text.len()).as_bytes());
            all.extend_from_slice(&text);
        }
        if index_counts(repo)? {
            mention_filter = true;
            let meta = std::fs::metadata(repo.git_dir.join("index")).ok();
            let head = repo.head()?.commit;
            let tree = config.bytes("attr.tree")?;
            let moment = meta.and_then(|meta| meta.modified().ok());
            all.extend_from_slice(format!("{head:?} {tree:?} {moment:?}").as_bytes());
        }
        if let Some(path) = awaited.filter(|_| mention_filter) {
            let reason = "it is neither a file nor a link: git, which knows the filters, would wait for it".to_owned();
            return Err(Error::Unsupported { path, reason });
        }
        Ok(Self { mention_filter, id: repo.caps.object_format.hash_blob(&all)? })
    }

    /// Of these paths alone.
    pub fn above(repo: &Repo, paths: &[RepoPath]) -> Result<Self> {
        let folders: BTreeSet<Option<RepoPath>> =
            paths.iter().flat_map(|p| p.ancestors().map(Some)).chain([None]).collect();
        let file = |folder: Option<RepoPath>| {
            folder.map_or_else(|| RepoPath::new(FILE), |folder| folder.join(FILE.as_bytes().as_bstr()))
        };
        let in_tree = folders.into_iter().map(file).collect::<std::result::Result<Vec<_>, _>>()?;
        Self::read(repo, &in_tree)
    }
}

/// Whether git would open it and not come back.
fn is_awaited(path: &Path) -> bool {
    let kind = path.symlink_metadata().map(|meta| meta.file_type());
    kind.is_ok_and(|kind| !kind.is_file() && !kind.is_dir() && !kind.is_symlink())
}

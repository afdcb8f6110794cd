//! What a repository is made of, and so which of libgit2 and the git command line serves what. Decided once, here.

use std::path::Path;

use super::config::Config;
use super::{Error, ObjectFormat, Result};

/// The facts of one repository.
#[derive(Clone, Debug)]
pub struct Capabilities {
    /// Hash function.
    pub object_format: ObjectFormat,
    /// How refs are stored: `files`, `reftable`, or what the config names.
    pub ref_format: String,
    /// Whether libgit2 can open the repository itself.
    pub libgit2_opens: bool,
    /// Whether a remote owes objects (partial clone).
    pub partial: bool,
    /// Whether history is cut (shallow clone).
    pub shallow: bool,
    /// Whether the config asks for a sparse or split index, which libgit2 cannot read. A hint for `doctor`: the index
    /// itself decides when it is read.
    pub index_needs_git: bool,
}

impl Capabilities {
    /// Reads them off the config and the common git dir.
    pub(super) fn find(common_dir: &Path, config: &Config, libgit2_opens: bool) -> Result<Self> {
        // Extensions count from format version 1 on; objectformat and refstorage are refused below that.
        let extensions = config.int("core.repositoryFormatVersion")?.unwrap_or(0) >= 1;
        let extension = |key: &str| -> Result<Option<String>> {
            let value = if extensions { config.bytes(key)? } else { None };
            Ok(value.map(|v| v.to_string().to_ascii_lowercase()))
        };
        let object_format = match extension("extensions.objectFormat")?.as_deref() {
            None | Some("sha1") => ObjectFormat::Sha1,
            Some("sha256") => ObjectFormat::Sha256,
            Some(other) => {
                return Err(Error::Unsupported {
                    path: common_dir.to_owned(),
                    reason: format!("its objects are named by {other:?}, which this program does not know"),
                });
            }
        };
        let promisor = config
            .matching("^remote\\..*\\.promisor$")?
            .iter()
            .any(|(_, value)| git2::Config::parse_bool(value.as_slice()).unwrap_or(false));
        Ok(Self {
            object_format,
            ref_format: extension("extensions.refStorage")?.unwrap_or_else(|| "files".to_owned()),
            libgit2_opens,
            partial: promisor || config.bytes("extensions.partialClone")?.is_some(),
            shallow: common_dir.join("shallow").exists(),
            index_needs_git: config.bool("core.splitIndex")?.unwrap_or(false)
                || config.bool("index.sparse")?.unwrap_or(false),
        })
    }
}

//! `filters`: which files went through which filter driver, and how their bytes come back. What is not listed was taken as it
//! was on disk. Absent in checkpoints of programs that did not know it, and then today's attributes have to tell.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::RepoPath;

/// How the bytes of a file come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bytes {
    /// The driver makes them of the blob.
    #[default]
    Driver,
    /// They are the blob: the driver changed nothing.
    Blob,
    /// They are kept as they were, in `raw/<path>`: the driver would not give them back.
    Raw,
}

/// One file that went through a driver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filtered {
    /// The driver's name; bytes that are not UTF-8 as `\xNN`.
    pub driver: String,
    /// How its bytes come back.
    #[serde(default, skip_serializing_if = "is_driver")]
    pub bytes: Bytes,
    /// Tells whoever has the key of the clone whether bytes are those that were taken. Says nothing to others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn is_driver(bytes: &Bytes) -> bool {
    *bytes == Bytes::Driver
}

/// The record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filters {
    /// By path.
    #[serde(default)]
    pub paths: BTreeMap<RepoPath, Filtered>,
}

impl Filters {
    /// The files whose bytes a driver would lose.
    pub fn raw(&self) -> impl Iterator<Item = (&RepoPath, &Filtered)> {
        self.paths.iter().filter(|(_, filtered)| filtered.bytes == Bytes::Raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::codec;

    #[test]
    fn a_record_says_only_what_is_not_plain() {
        let text = br#"{"paths": {"a.bin": {"driver": "lfs"}, "n\\xff": {"driver": "nb", "bytes": "raw"}}}"#;
        let filters: Filters = codec::decode("filters", text).expect("reads");
        let raw: Vec<_> = filters.raw().map(|(path, filtered)| (path.as_bytes(), filtered.driver.as_str())).collect();
        assert_eq!(raw, [(&b"n\xff"[..], "nb")]);
        let again = codec::encode("filters", &filters).expect("writes");
        assert_eq!(codec::decode::<Filters>("filters", &again).expect("reads"), filters);
        assert_eq!(String::from_utf8_lossy(&again).matches("bytes").count(), 1);
    }
}

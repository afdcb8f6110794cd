//! `manifest.json`: what a session tree is and in which version; read and checked before anything else in it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Error, Result, codec};

/// The newest storage version that this program reads, and the one that it writes.
pub const VERSION: u32 = 1;
const TYPE: &str = "session.meta";

/// The manifest. Fields of newer minor versions are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always `session.meta`.
    #[serde(rename = "type")]
    kind: String,
    /// Storage version.
    pub version: u32,
    /// What we do not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Default for Manifest {
    fn default() -> Self {
        Self { kind: TYPE.to_owned(), version: VERSION, extra: Map::new() }
    }
}

impl Manifest {
    /// Reads and checks.
    ///
    /// # Errors
    /// Not a manifest, another type, or a version that is newer than ours.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let manifest: Self = codec::decode("manifest.json", bytes)?;
        if manifest.kind != TYPE {
            return Err(Error::Damaged {
                what: "manifest.json".to_owned(),
                problem: format!("it is of type {:?}, not {TYPE:?}", manifest.kind),
            });
        }
        if manifest.version > VERSION {
            return Err(Error::TooNew { what: "this session".to_owned(), found: manifest.version, known: VERSION });
        }
        Ok(manifest)
    }

    /// The bytes.
    pub fn encode(&self) -> Result<Vec<u8>> {
        codec::encode("manifest.json", self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_major_version_is_named_and_unknown_fields_are_kept() {
        assert!(matches!(
            Manifest::decode(br#"{"type":"session.meta","version":2}"#),
            Err(Error::TooNew { found: 2, known: 1, .. })
        ));
        let kept = Manifest::decode(br#"{"type":"session.meta","version":1,"minor":3}"#).expect("reads");
        assert!(String::from_utf8_lossy(&kept.encode().expect("writes")).contains("\"minor\": 3"));
        assert!(Manifest::decode(br#"{"type":"other","version":1}"#).is_err());
    }
}

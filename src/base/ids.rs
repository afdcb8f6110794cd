//! Ids that we mint: sessions (UUIDv4) and actors. The one place that draws random numbers for them.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Error, Result};

/// A session's id: a UUIDv4, written in lower case with hyphens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(Uuid);

impl SessionId {
    /// Reads the canonical form; anything else (upper case, no hyphens, another version) is refused.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = || Error::BadText { text: text.to_owned(), wanted: "a session id (a UUIDv4)" };
        let id = Uuid::parse_str(text).map_err(|_| bad())?;
        if id.get_version_num() != 4 || id.to_string() != text {
            return Err(bad());
        }
        Ok(Self(id))
    }

    /// The id that these 16 bytes make, with the marks of a UUIDv4 set: the same wherever it is derived from the same.
    pub fn derived(bytes: [u8; 16]) -> Self {
        Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }

    /// The first eight digits, as shown in lists.
    pub fn short(&self) -> String {
        self.to_string().chars().take(8).collect()
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Where new ids come from.
#[derive(Debug)]
pub enum IdSource {
    /// The system's random numbers.
    Random,
    /// A fixed sequence from a seed; for tests.
    Seeded(AtomicU64),
}

impl IdSource {
    /// A fixed sequence.
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(AtomicU64::new(seed))
    }

    /// A new UUIDv4.
    #[expect(clippy::disallowed_methods, reason = "the one place that draws random ids")]
    pub fn uuid(&self) -> Uuid {
        match self {
            Self::Random => Uuid::new_v4(),
            Self::Seeded(state) => {
                let mut bytes = [0_u8; 16];
                for half in bytes.chunks_mut(8) {
                    half.copy_from_slice(&split_mix(state.fetch_add(1, Ordering::Relaxed)).to_be_bytes());
                }
                uuid::Builder::from_random_bytes(bytes).into_uuid()
            }
        }
    }

    /// A new session id.
    pub fn session(&self) -> SessionId {
        SessionId(self.uuid())
    }

    /// Twelve random hex digits, for an actor and for names of temporary files.
    pub fn hex12(&self) -> String {
        self.uuid().simple().to_string().chars().take(12).collect()
    }
}

/// SplitMix64, so that neighbouring seeds give unrelated ids.
fn split_mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_canonical_uuid_of_version_4_is_a_session_id() {
        assert!(SessionId::parse("094320c0-d68c-4670-b77b-7456115d8c99").is_ok());
        assert!(SessionId::parse("094320C0-D68C-4670-B77B-7456115D8C99").is_err());
        assert!(SessionId::parse("01a1fdfe-ca31-7160-b5bd-d69fd92a0169").is_err(), "version 7");
        assert!(SessionId::parse("").is_err());
    }

    #[test]
    fn seeded_ids_repeat_and_random_ones_do_not() {
        assert_eq!(IdSource::seeded(7).session(), IdSource::seeded(7).session());
        assert_ne!(IdSource::Random.session(), IdSource::Random.session());
    }
}

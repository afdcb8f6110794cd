//! Object ids of either length. The only conversion from and to libgit2's.

use std::fmt;

use super::{Error, Result};

/// The hash function that names a repository's objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObjectFormat {
    /// 20 bytes.
    Sha1,
    /// 32 bytes.
    Sha256,
}

impl ObjectFormat {
    /// Bytes of an id.
    pub const fn id_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// As git's config spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }

    /// The id of the tree with nothing in it.
    pub fn empty_tree(self) -> Oid {
        let hex = match self {
            Self::Sha1 => "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
            Self::Sha256 => "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
        };
        Oid::parse(hex).unwrap_or(Oid { bytes: [0; 32], len: 20 })
    }

    pub(super) fn git2(self) -> git2::ObjectFormat {
        match self {
            Self::Sha1 => git2::ObjectFormat::Sha1,
            Self::Sha256 => git2::ObjectFormat::Sha256,
        }
    }
}

/// The id of an object: 20 or 32 bytes, shown as hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid {
    bytes: [u8; 32],
    len: u8,
}

impl Oid {
    /// From raw bytes of either length.
    pub fn from_bytes(raw: &[u8]) -> Result<Self> {
        if raw.len() != 20 && raw.len() != 32 {
            return Err(Error::BadOid { text: format!("{} bytes", raw.len()) });
        }
        let mut bytes = [0; 32];
        bytes[..raw.len()].copy_from_slice(raw);
        let len = if raw.len() == 20 { 20 } else { 32 };
        Ok(Self { bytes, len })
    }

    /// From 40 or 64 hex digits.
    pub fn parse(hex: &str) -> Result<Self> {
        let bad = || Error::BadOid { text: hex.to_owned() };
        if hex.len() != 40 && hex.len() != 64 {
            return Err(bad());
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).ok_or_else(bad);
        let mut raw = [0_u8; 32];
        for (byte, pair) in raw.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Self::from_bytes(&raw[..hex.len() / 2])
    }

    /// The raw bytes, 20 or 32.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The format it belongs to.
    pub const fn format(&self) -> ObjectFormat {
        if self.len == 20 { ObjectFormat::Sha1 } else { ObjectFormat::Sha256 }
    }

    /// The first ten hex digits, for people.
    pub fn short(&self) -> String {
        self.to_string().chars().take(10).collect()
    }

    pub(super) fn from_git2(oid: git2::Oid) -> Self {
        let raw = oid.as_bytes();
        let mut bytes = [0; 32];
        bytes[..raw.len()].copy_from_slice(raw);
        Self { bytes, len: if raw.len() == 20 { 20 } else { 32 } }
    }

    pub(super) fn git2(self) -> Result<git2::Oid> {
        git2::Oid::from_bytes(self.as_bytes()).map_err(|_| Error::BadOid { text: self.to_string() })
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [0; 64];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.as_bytes()) {
            pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        f.write_str(std::str::from_utf8(&hex[..self.as_bytes().len() * 2]).unwrap_or_default())
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Oid({self})")
    }
}

impl serde::Serialize for Oid {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Oid {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_both_lengths_read_back() {
        for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
            let tree = format.empty_tree();
            assert_eq!(tree.format(), format);
            assert_eq!(Oid::parse(&tree.to_string()).expect("parses"), tree);
        }
        for bad in ["4b825d", &"g".repeat(40), &"+1".repeat(20), &"é".repeat(20)] {
            assert!(Oid::parse(bad).is_err(), "{bad}");
        }
    }
}

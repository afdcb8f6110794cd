//! The id of an object that is there already, by the processor's own instructions where it has them: to check what the store
//! gave. New objects get their ids from libgit2, which also notices bytes that were made to collide.

use std::io::{ErrorKind, Read};

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::{ObjectFormat, Oid, Result};

/// The id of an object of this kind (`blob`) and content.
pub(super) fn id(format: ObjectFormat, kind: &str, content: &[u8]) -> Result<Oid> {
    let header = format!("{kind} {}\0", content.len());
    match format {
        ObjectFormat::Sha1 => of::<Sha1>(&header, content),
        ObjectFormat::Sha256 => of::<Sha256>(&header, content),
    }
}

/// The id of an object whose content comes in pieces.
pub(super) enum Hasher {
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Hasher {
    /// For an object of this kind (`blob`) and of so many bytes.
    pub(super) fn new(format: ObjectFormat, kind: &str, size: u64) -> Self {
        let header = format!("{kind} {size}\0");
        match format {
            ObjectFormat::Sha1 => Self::Sha1(Sha1::new().chain_update(header)),
            ObjectFormat::Sha256 => Self::Sha256(Sha256::new().chain_update(header)),
        }
    }

    pub(super) fn update(&mut self, piece: &[u8]) {
        match self {
            Self::Sha1(hasher) => hasher.update(piece),
            Self::Sha256(hasher) => hasher.update(piece),
        }
    }

    pub(super) fn finish(self) -> Result<Oid> {
        match self {
            Self::Sha1(hasher) => Oid::from_bytes(&hasher.finalize()),
            Self::Sha256(hasher) => Oid::from_bytes(&hasher.finalize()),
        }
    }
}

/// The id of a blob of this length that a reader gives.
///
/// # Errors
/// What the reader gives, and a blob of another length.
pub(super) fn blob_from(format: ObjectFormat, reader: &mut dyn Read, length: u64) -> std::io::Result<Result<Oid>> {
    let mut hasher = Hasher::new(format, "blob", length);
    let (mut buffer, mut seen) = (vec![0; 1 << 16], 0_u64);
    loop {
        let got = match reader.read(&mut buffer) {
            Ok(0) if seen == length => return Ok(hasher.finish()),
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(got) => got,
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        seen += got as u64;
        hasher.update(&buffer[..got]);
    }
}

fn of<D: Digest>(header: &str, content: &[u8]) -> Result<Oid> {
    Oid::from_bytes(&D::new().chain_update(header).chain_update(content).finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::matrix::Bench;

    #[test]
    fn ids_are_those_of_git() {
        for bench in Bench::all() {
            let id = |kind, content: &[u8]| id(bench.repo().caps.object_format, kind, content).expect("hashes");
            for content in [&b""[..], b"one\n", &[0xff; 5000]] {
                let git = bench.git_with(&["hash-object", "--stdin"], content.to_vec());
                let streamed = blob_from(bench.repo().caps.object_format, &mut { content }, content.len() as u64);
                assert_eq!(streamed.expect("reads").expect("hashes"), id("blob", content), "{}", bench.kind);
                assert_eq!(id("blob", content).to_string(), String::from_utf8_lossy(&git).trim(), "{}", bench.kind);
            }
            assert_eq!(id("tree", b""), bench.repo().caps.object_format.empty_tree());
        }
    }
}

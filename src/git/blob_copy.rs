//! Blobs of any size out of the object store and back, in pieces: memory does not grow with them.
//!
//! Loose ones are inflated as they are read. A packed one is libgit2's to inflate, which holds all of it; one at a time, and
//! only up to [`PACKED_WHOLE`]; a larger one comes from `git cat-file`, which streams it.

use std::io::Read;

use git2::ObjectType;

use super::cli::Git;
use super::digest::Hasher;
use super::reader::{Reader, expect_kind, unreadable};
use super::{Error, ObjectFormat, Oid, Result, loose};
use crate::base::file::PIECE;

/// A packed blob of more bytes comes from a git of its own.
const PACKED_WHOLE: u64 = 32 << 20;
/// Packed blobs of more bytes are held by one thread at a time.
const HELD_BY_MANY: u64 = 1 << 20;

impl Reader<'_> {
    /// Gives the content of a blob to `put`, in pieces, and compares it with its id at the end: what `put` was given before
    /// an error is not to be used.
    ///
    /// # Errors
    /// A blob that is missing, or whose content is not what its id says; what `put` says.
    pub fn copy_blob<E>(
        &self,
        oid: Oid,
        put: &mut dyn FnMut(&[u8]) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E>
    where
        E: From<Error> + From<crate::base::Error>,
    {
        self.count_read();
        if let Some(mut inflating) = loose::open(self.folder, oid)? {
            expect_kind(oid, inflating.kind, ObjectType::Blob)?;
            let mut piece = vec![0; PIECE];
            let mut hasher = Hasher::new(self.format, ObjectType::Blob.str(), inflating.size);
            loop {
                let read = inflating.read(&mut piece)?;
                if read == 0 {
                    break;
                }
                hasher.update(&piece[..read]);
                put(&piece[..read])?;
            }
            return Ok(is_it(hasher, oid)?);
        }
        let (size, kind) = self.header(oid)?;
        expect_kind(oid, kind, ObjectType::Blob)?;
        let mut hasher = Hasher::new(self.format, ObjectType::Blob.str(), size);
        if size <= PACKED_WHOLE {
            let one_at_a_time = (size > HELD_BY_MANY).then(|| self.large.lock());
            let object = self.odb().read(oid.git2()?).map_err(|e| unreadable(oid, e))?;
            hasher.update(object.data());
            is_it(hasher, oid)?;
            put(object.data())?;
            drop(one_at_a_time);
            return Ok(());
        }
        let git = Git::at(self.git_dir, None, self.env).args(["cat-file", "blob"]).args([oid.to_string()]);
        git.stream(&format!("read object {oid}"), &mut |piece| {
            hasher.update(piece);
            put(piece)
        })?;
        Ok(is_it(hasher, oid)?)
    }
}

impl ObjectFormat {
    /// The id that the next `size` bytes of a reader would have as a blob; `None` where it has fewer or more.
    ///
    /// # Errors
    /// What reading says.
    pub fn hash_blob_from(self, reader: &mut dyn Read, size: u64) -> std::io::Result<Option<Oid>> {
        let mut hasher = Hasher::new(self, ObjectType::Blob.str(), size);
        let mut piece = vec![0; PIECE];
        let mut left = size;
        loop {
            let read = match reader.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => read,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            let Some(rest) = left.checked_sub(read as u64) else { return Ok(None) };
            left = rest;
            hasher.update(&piece[..read]);
        }
        Ok(if left == 0 { hasher.finish().ok() } else { None })
    }
}

fn is_it(hasher: Hasher, oid: Oid) -> Result<()> {
    if hasher.finish()? == oid {
        return Ok(());
    }
    Err(Error::Damaged { what: format!("object {oid}: its content is another one's") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::matrix::Bench;

    /// Content in which no line is like another, and that differs by `seed`.
    fn content(size: usize, seed: usize) -> Vec<u8> {
        let lines = (seed..).flat_map(|n| [n.to_ne_bytes(), (n * 7919).to_ne_bytes()]);
        let mut bytes = lines.take(size / 8 + 1).collect::<Vec<_>>().concat();
        bytes.truncate(size);
        bytes
    }

    fn copied(bench: &Bench, oid: Oid) -> Result<Vec<u8>> {
        let repo = bench.repo();
        let mut bytes = Vec::new();
        repo.objects.reader()?.copy_blob::<Error>(oid, &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(bytes)
    }

    #[test]
    fn blobs_of_every_size_are_copied_whole_loose_and_packed() {
        for (nth, bench) in Bench::all().enumerate() {
            let repo = bench.repo();
            // The largest takes its time.
            let sizes = if nth == 0 { vec![0, 1, 70_000, 1_100_000, 33_600_000] } else { vec![1, 1_100_000] };
            let blobs: Vec<_> = sizes.iter().map(|size| content(*size, *size)).collect();
            let ids: Vec<Oid> = blobs.iter().map(|b| repo.objects.write_blob(b).expect("writes")).collect();
            for (oid, bytes) in ids.iter().zip(&blobs) {
                assert!(copied(&bench, *oid).expect("copies") == *bytes, "{} loose, {}", bytes.len(), bench.kind);
                let mut reader = bytes.as_slice();
                let hashed = repo.objects.format().hash_blob_from(&mut reader, bytes.len() as u64).expect("reads");
                assert_eq!(hashed, Some(*oid));
            }
            let pack = repo.common_dir.join("objects/pack/pack");
            let names: String = ids.iter().map(|oid| format!("{oid}\n")).collect();
            let words = ["-c", "core.compression=0", "pack-objects", "-q", &pack.display().to_string()];
            bench.git_with(&words, names.into_bytes());
            bench.git(&["prune-packed"]);
            for (oid, bytes) in ids.iter().zip(&blobs) {
                assert!(copied(&bench, *oid).expect("copies") == *bytes, "{} packed, {}", bytes.len(), bench.kind);
            }
        }
    }

    #[test]
    fn a_blob_that_is_cut_or_another_one_or_missing_is_told() {
        let bench = Bench::plain();
        let repo = bench.repo();
        let oid = repo.objects.write_blob(&content(300_000, 1)).expect("writes");
        let other = repo.objects.write_blob(&content(300_000, 2)).expect("writes");
        let place = |oid: Oid| {
            let hex = oid.to_string();
            repo.common_dir.join("objects").join(&hex[..2]).join(&hex[2..])
        };
        let whole = std::fs::read(place(oid)).expect("reads");
        std::fs::remove_file(place(oid)).expect("removes");
        assert!(matches!(copied(&bench, oid), Err(Error::Missing { .. })));
        for keep in [0, 1, 30, 1000, whole.len() - 1] {
            std::fs::write(place(oid), &whole[..keep]).expect("writes");
            assert!(matches!(copied(&bench, oid), Err(Error::Damaged { .. })), "{keep}");
            std::fs::remove_file(place(oid)).expect("removes");
        }
        std::fs::copy(place(other), place(oid)).expect("copies");
        assert!(matches!(copied(&bench, oid), Err(Error::Damaged { .. })));
        let short = repo.objects.format().hash_blob_from(&mut &b"abc"[..], 4).expect("reads");
        let long = repo.objects.format().hash_blob_from(&mut &b"abc"[..], 2).expect("reads");
        assert_eq!((short, long), (None, None));
    }
}

//! Reading objects from any thread: the object store without what [`super::Objects`] keeps of it for itself.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use git2::{ErrorClass, ErrorCode, ObjectType};

use super::loose::Loose;
use super::repo::RepoEnv;
use super::{Error, ObjectFormat, Oid, Result, digest, loose};

/// Reads objects, each anew.
pub struct Reader<'o> {
    pub(super) odb: git2::Odb<'o>,
    /// One for each thread of rayon's, as far as there are any: libgit2 locks a store while it reads an object.
    pub(super) others: &'o [git2::Odb<'static>],
    pub(super) folder: &'o Path,
    pub(super) format: ObjectFormat,
    /// How many were read, with those that [`super::Objects`] read.
    pub(super) reads: &'o AtomicU64,
    /// Held by who holds a large packed object.
    pub(super) large: &'o Mutex<()>,
    /// The git dir and its surroundings, for what git itself shall read.
    pub(super) git_dir: &'o Path,
    pub(super) env: &'o RepoEnv,
}

impl std::fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl<'o> Reader<'o> {
    /// A blob's content.
    ///
    /// # Errors
    /// A blob that is missing, a loose one whose content is not what its id says, a packed one that cannot be inflated.
    pub fn blob(&self, oid: Oid) -> Result<Vec<u8>> {
        let (found, content) = self.any(oid)?;
        expect_kind(oid, found, ObjectType::Blob)?;
        Ok(content)
    }

    /// The same of one that is about to replace somebody's work: hashed also where it comes from a pack. `None` where it has
    /// more bytes than `most`, for [`Self::copy_blob`] to read in pieces.
    ///
    /// # Errors
    /// A blob that is missing, or whose content is not what its id says.
    pub fn blob_checked(&self, oid: Oid, most: u64) -> Result<Option<Vec<u8>>> {
        self.count_read();
        let (found, content) = match loose::read_within(self.folder, self.format, oid, most)? {
            Loose::Whole(kind, content) => (kind, content),
            Loose::Larger => return Ok(None),
            Loose::Elsewhere if self.header(oid)?.0 > most => return Ok(None),
            Loose::Elsewhere => {
                let (kind, content) = self.stored(oid)?;
                if digest::id(self.format, kind.str(), &content)? != oid {
                    return Err(Error::Damaged { what: format!("object {oid}: its content is another one's") });
                }
                (kind, content)
            }
        };
        expect_kind(oid, found, ObjectType::Blob)?;
        Ok(Some(content))
    }

    pub(super) fn count_read(&self) {
        self.reads.fetch_add(1, Ordering::Relaxed);
    }

    /// Size and type of an object that is not loose.
    pub(super) fn header(&self, oid: Oid) -> Result<(u64, ObjectType)> {
        let (size, kind) = self.odb().read_header(oid.git2()?).map_err(|e| unreadable(oid, e))?;
        Ok((size as u64, kind))
    }

    /// Whether the object is here (loose, packed or in an alternate).
    pub fn exists(&self, oid: Oid) -> bool {
        // libgit2 looks for new packs before it says no.
        oid.git2().is_ok_and(|id| self.odb().exists(id))
    }

    /// The size in bytes of a blob; `None` where it is not here, or no blob.
    pub fn blob_size(&self, oid: Oid) -> Option<u64> {
        let (size, kind) = self.odb().read_header(oid.git2().ok()?).ok()?;
        (kind == ObjectType::Blob).then_some(size as u64)
    }

    /// Ids as this store makes them.
    pub fn format(&self) -> ObjectFormat {
        self.format
    }

    pub(super) fn odb(&self) -> &git2::Odb<'o> {
        match (rayon::current_thread_index(), self.others.len()) {
            (Some(thread), others @ 1..) => &self.others[thread % others],
            _ => &self.odb,
        }
    }

    /// Type and content of an object.
    pub(super) fn any(&self, oid: Oid) -> Result<(ObjectType, Vec<u8>)> {
        self.count_read();
        match loose::read(self.folder, self.format, oid)? {
            Some(loose) => Ok(loose),
            None => self.stored(oid),
        }
    }

    /// One of a pack or of another store.
    fn stored(&self, oid: Oid) -> Result<(ObjectType, Vec<u8>)> {
        let object = self.odb().read(oid.git2()?).map_err(|e| unreadable(oid, e))?;
        let mut content = Vec::new();
        content.try_reserve_exact(object.len()).map_err(|_| Error::NoMemory { oid })?;
        content.extend_from_slice(object.data());
        Ok((object.kind(), content))
    }
}

pub(super) fn expect_kind(oid: Oid, found: ObjectType, wanted: ObjectType) -> Result<()> {
    if found == wanted {
        return Ok(());
    }
    Err(Error::Damaged { what: format!("object {oid} is a {found}, where a {wanted} should be") })
}

pub(super) fn unreadable(oid: Oid, error: git2::Error) -> Error {
    match (error.code(), error.class()) {
        (ErrorCode::NotFound, _) => Error::Missing { oid },
        (_, ErrorClass::NoMemory) => Error::NoMemory { oid },
        (_, ErrorClass::Os) => Error::libgit2(format!("read object {oid}"))(error),
        _ => Error::Damaged { what: format!("object {oid}: {}", error.message()) },
    }
}

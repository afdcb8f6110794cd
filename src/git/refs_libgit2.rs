//! Refs in the `files` format, by libgit2. Cannot be had for any other format: libgit2 would list nothing without an error
//! and write refs that git never sees.

use std::rc::Rc;

use git2::{ErrorClass, ErrorCode};

use super::{Capabilities, Error, Expected, ObjectFormat, Oid, RefEdit, RefName, RefStore, Result, Shared};

/// The store.
pub(super) struct Libgit2Refs {
    repo: Rc<git2::Repository>,
    shared: Shared,
}

impl std::fmt::Debug for Libgit2Refs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Libgit2Refs").finish_non_exhaustive()
    }
}

impl Libgit2Refs {
    /// The refs of an opened repository.
    ///
    /// # Errors
    /// A repository of another ref format, or one that libgit2 does not open.
    pub fn new(repo: &Rc<git2::Repository>, caps: &Capabilities, shared: Shared) -> Result<Self> {
        if caps.ref_format != "files" || !caps.libgit2_opens {
            return Err(Error::Unsupported {
                path: repo.path().to_owned(),
                reason: format!("libgit2 cannot read refs of the format {}", caps.ref_format),
            });
        }
        Ok(Self { repo: Rc::clone(repo), shared })
    }

    /// Turns what libgit2 says of a failed edit into what a caller can act on.
    fn refused(&self, edit: &RefEdit, error: git2::Error) -> Error {
        let name = edit.name.to_string();
        match error.code() {
            ErrorCode::Locked => Error::RefLocked { name },
            ErrorCode::Modified | ErrorCode::NotFound | ErrorCode::Exists => match self.read(&edit.name) {
                // `Exists` for an absent ref: another ref's name is a folder of this one.
                Ok(None) if error.code() == ErrorCode::Exists => Error::libgit2(format!("update {name}"))(error),
                Ok(actual) => Error::Lost { name, actual },
                Err(e) => e,
            },
            _ => Error::libgit2(format!("update {name}"))(error),
        }
    }

    /// Gives what libgit2 wrote for a ref the permissions of a repository that others use too.
    fn share(&self, name: &str) -> Result<()> {
        let top = self.repo.commondir();
        for path in [top.join(name), top.join("logs").join(name), top.join("packed-refs")] {
            self.shared.adjust_below(top, &path)?;
        }
        Ok(())
    }

    fn delete(&self, edit: &RefEdit, old: Oid) -> Result<()> {
        let mut found = self.repo.find_reference(edit.name.as_str()).map_err(|e| self.refused(edit, e))?;
        let actual = found.target().map(Oid::from_git2);
        if actual != Some(old) {
            return Err(Error::Lost { name: edit.name.to_string(), actual });
        }
        // libgit2 compares once more under the lock.
        found.delete().map_err(|e| self.refused(edit, e))
    }
}

impl RefStore for Libgit2Refs {
    fn read(&self, name: &RefName) -> Result<Option<Oid>> {
        match self.repo.refname_to_id(name.as_str()) {
            Ok(oid) => Ok(Some(Oid::from_git2(oid))),
            // It may be there and lead to a ref that is not.
            Err(e) if e.code() == ErrorCode::NotFound => match self.repo.find_reference(name.as_str()) {
                Ok(found) if found.kind() == Some(git2::ReferenceType::Symbolic) => {
                    Err(Error::Damaged { what: format!("{name}: it leads to no object") })
                }
                // Made a moment ago.
                Ok(found) => Ok(found.target().map(Oid::from_git2)),
                Err(_) => Ok(None),
            },
            Err(e) if e.class() == ErrorClass::Reference && e.code() == ErrorCode::GenericError => {
                Err(Error::Damaged { what: format!("{name}: it holds no object id") })
            }
            Err(e) => Err(Error::libgit2(format!("read {name}"))(e)),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<(RefName, Oid)>> {
        let attempted = || format!("list the refs {prefix}");
        let refs = self.repo.references_glob(&format!("{prefix}*")).map_err(Error::libgit2(attempted()))?;
        let mut found = Vec::new();
        for one in refs {
            let one = one.map_err(Error::libgit2(attempted()))?;
            let oid = one.target().or_else(|| one.resolve().ok().and_then(|r| r.target()));
            let name = one.name().ok().and_then(|name| RefName::from_git(name).ok());
            if let (Some(name), Some(oid)) = (name, oid) {
                found.push((name, Oid::from_git2(oid)));
            }
        }
        found.sort();
        Ok(found)
    }

    fn broken(&self, prefix: &str) -> Result<Vec<RefName>> {
        let listed = self.list(prefix)?;
        let mut broken = super::refs::loose(self.repo.commondir(), prefix);
        broken.retain(|name| listed.binary_search_by(|(known, _)| known.cmp(name)).is_err());
        // One that was made or removed since the listing is sound.
        broken.retain(|name| self.read(name).is_err());
        broken.sort();
        Ok(broken)
    }

    fn update(&self, edit: &RefEdit) -> Result<()> {
        let name = edit.name.as_str();
        match (edit.new, edit.expected) {
            (Some(new), expected) => {
                // Absent is the zero id here and not `force: false`: in a linked worktree libgit2 looks for an existing ref
                // in the wrong folder then, and overwrites it.
                let old = match expected {
                    Expected::Exactly(old) => old.git2()?,
                    Expected::Absent if new.format() == ObjectFormat::Sha256 => git2::Oid::ZERO_SHA256,
                    Expected::Absent => git2::Oid::ZERO_SHA1,
                };
                self.repo
                    .reference_matching(name, new.git2()?, true, old, &edit.message)
                    .map(drop)
                    .map_err(|e| self.refused(edit, e))?;
                self.share(name)
            }
            (None, Expected::Exactly(old)) => {
                self.delete(edit, old)?;
                self.share(name)
            }
            (None, Expected::Absent) => match self.read(&edit.name)? {
                None => Ok(()),
                actual => Err(Error::Lost { name: name.to_owned(), actual }),
            },
        }
    }

    fn kind(&self) -> &'static str {
        "libgit2"
    }
}

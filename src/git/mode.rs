//! The kinds of entry a tree can hold.

use super::{Error, Result};

/// Mode of a tree entry. Other modes that old repositories hold (0100664) read as [`FileMode::File`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileMode {
    /// 0100644.
    File,
    /// 0100755.
    Executable,
    /// 0120000; the blob is the target.
    Symlink,
    /// 0160000; a commit of another repository.
    Gitlink,
    /// 0040000.
    Tree,
}

impl FileMode {
    /// The number that git stores.
    pub const fn raw(self) -> u32 {
        match self {
            Self::File => 0o100_644,
            Self::Executable => 0o100_755,
            Self::Symlink => 0o120_000,
            Self::Gitlink => 0o160_000,
            Self::Tree => 0o040_000,
        }
    }

    /// From the number that git stores.
    pub fn from_raw(raw: u32) -> Result<Self> {
        match raw & 0o170_000 {
            0o100_000 if raw & 0o100 != 0 => Ok(Self::Executable),
            0o100_000 => Ok(Self::File),
            0o120_000 => Ok(Self::Symlink),
            0o160_000 => Ok(Self::Gitlink),
            0o040_000 => Ok(Self::Tree),
            _ => Err(Error::Damaged { what: format!("a tree entry of mode {raw:o}") }),
        }
    }

    /// Whether its object is a blob.
    pub const fn is_blob(self) -> bool {
        matches!(self, Self::File | Self::Executable | Self::Symlink)
    }

    /// The six digits, as `git ls-files -s` prints them.
    pub fn octal(self) -> String {
        format!("{:06o}", self.raw())
    }
}

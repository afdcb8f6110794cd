//! Opening folders of the work tree without ever following a link, so that no name leads out of it.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::base::{Error, RepoPath, Result};

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The top of the work tree and the folder that was last asked for, kept open: callers go through paths in order.
pub(super) struct Folders {
    top: OwnedFd,
    last: Option<(RepoPath, OwnedFd)>,
}

/// Opens a folder in a folder.
pub(super) fn open_in(parent: BorrowedFd<'_>, name: &[u8]) -> std::result::Result<OwnedFd, Errno> {
    rustix::fs::openat(parent, name, FOLDER, Mode::empty())
}

/// Whether the error says that the name is not there, or no longer a folder.
pub(super) fn is_gone(error: Errno) -> bool {
    matches!(error, Errno::NOENT | Errno::NOTDIR | Errno::LOOP)
}

impl Folders {
    /// Opens the top of a work tree.
    pub(super) fn at(top: &Path) -> Result<Self> {
        let open = rustix::fs::open(top, FOLDER, Mode::empty());
        Ok(Self { top: open.map_err(|e| Error::io("open", top)(e.into()))?, last: None })
    }

    /// The top itself.
    pub(super) fn top(&self) -> BorrowedFd<'_> {
        self.top.as_fd()
    }

    /// The folder that holds `path`.
    pub(super) fn holding(&mut self, path: &RepoPath) -> std::result::Result<BorrowedFd<'_>, Errno> {
        let Some(folder) = path.parent() else { return Ok(self.top.as_fd()) };
        if self.last.as_ref().is_none_or(|(open, _)| *open != folder) {
            let mut parts = folder.parts();
            let first = parts.next().unwrap_or_default();
            let mut fd = open_in(self.top.as_fd(), first)?;
            for part in parts {
                fd = open_in(fd.as_fd(), part)?;
            }
            self.last = Some((folder, fd));
        }
        Ok(self.last.as_ref().map_or(self.top.as_fd(), |(_, fd)| fd.as_fd()))
    }
}

//! Advisory locks on files, with a wait: one writer at a time, released by the kernel when its holder dies.
//!
//! The holder's process id stands in the file so that others can name it; being there says nothing, only the OS lock does.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Error, Result};

/// A held lock. Dropping it releases it.
#[derive(Debug)]
pub struct FileLock {
    file: File,
    path: PathBuf,
}

impl FileLock {
    /// Takes the lock on `path` (made if need be), waiting at most `wait`.
    ///
    /// # Errors
    /// [`Error::Locked`] with what the holder wrote of itself, [`Error::Io`] where the file cannot be opened.
    pub fn acquire(path: &Path, wait: Duration) -> Result<Self> {
        let io = || Error::io("lock", path);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io())?;
        let start = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(std::fs::TryLockError::WouldBlock) if start.elapsed() < wait => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(50));
                }
                Err(std::fs::TryLockError::WouldBlock) => {
                    let mut text = String::new();
                    let holder = file
                        .read_to_string(&mut text)
                        .ok()
                        .map(|_| text.lines().last().unwrap_or_default().trim().to_owned());
                    return Err(Error::Locked { path: path.to_owned(), holder: holder.filter(|h| !h.is_empty()) });
                }
                Err(std::fs::TryLockError::Error(e)) => return Err(io()(e)),
            }
        }
        Ok(Self { file, path: path.to_owned() })
    }

    /// What the last holder left in the file.
    pub fn note(&mut self) -> Result<String> {
        let mut text = Vec::new();
        self.file
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.file.read_to_end(&mut text))
            .map_err(Error::io("read", &self.path))?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Replaces the file's text; it stays there after the lock is released.
    pub fn set_note(&mut self, text: &str) -> Result<()> {
        self.file
            .set_len(0)
            .and_then(|()| self.file.seek(SeekFrom::Start(0)))
            .and_then(|_| self.file.write_all(text.as_bytes()))
            .map_err(Error::io("write", &self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_is_told_who_holds_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("lock");
        let mut held = FileLock::acquire(&path, Duration::ZERO).expect("takes");
        held.set_note("pid 7").expect("notes");
        match FileLock::acquire(&path, Duration::from_millis(5)) {
            Err(Error::Locked { holder, .. }) => assert_eq!(holder.as_deref(), Some("pid 7")),
            other => panic!("{other:?}"),
        }
        drop(held);
        assert!(FileLock::acquire(&path, Duration::ZERO).is_ok());
    }
}

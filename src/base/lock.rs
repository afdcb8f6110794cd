//! Advisory locks on files, with a wait: one writer at a time, released by the kernel when its holder dies.
//!
//! The holder's process id stands in the file so that others can name it; being there says nothing, only the OS lock does.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Error, Result, file, supplied};

/// Bytes of the longest note.
const NOTE: u64 = 1 << 20;

/// A held lock. Dropping it releases it.
#[derive(Debug)]
pub struct FileLock {
    file: File,
    path: PathBuf,
}

impl FileLock {
    /// Takes the lock on `path` (made with these bits if need be), waiting at most `wait`.
    ///
    /// # Errors
    /// [`Error::Locked`] with what the holder wrote of itself, [`Error::Io`] where the file cannot be opened,
    /// [`Error::NotPlain`] where it is a link.
    pub fn acquire(path: &Path, wait: Duration, mode: u32) -> Result<Self> {
        let io = || Error::io("lock", path);
        let file = file::open_own(path, file::Access::ReadWriteOrMake, mode)?;
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
                    let text = supplied::contents(&file, path, NOTE).unwrap_or_default();
                    let text = String::from_utf8_lossy(&text);
                    let holder = text.lines().rev().map(str::trim).find(|line| !line.is_empty());
                    return Err(Error::Locked { path: path.to_owned(), holder: holder.map(str::to_owned) });
                }
                Err(std::fs::TryLockError::Error(e)) => return Err(io()(e)),
            }
        }
        Ok(Self { file, path: path.to_owned() })
    }

    /// What the last holder left in the file.
    pub fn note(&mut self) -> Result<String> {
        self.file.seek(SeekFrom::Start(0)).map_err(Error::io("read", &self.path))?;
        let text = supplied::contents(&self.file, &self.path, NOTE)?;
        Ok(String::from_utf8_lossy(&text).trim_end_matches('\n').to_owned())
    }

    /// Replaces the file's text, but for line ends at its end; it stays there after the lock is released. Whoever dies here
    /// leaves the old text or the new one: what the old one had more of becomes line ends before it is cut off.
    pub fn set_note(&mut self, text: &str) -> Result<()> {
        let io = || Error::io("write", &self.path);
        let old = usize::try_from(self.file.metadata().map_err(io())?.len()).unwrap_or(0);
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(bytes.len().max(old), b'\n');
        self.file.seek(SeekFrom::Start(0)).and_then(|_| self.file.write_all(&bytes)).map_err(io())?;
        self.file.set_len(text.len() as u64).map_err(io())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_is_told_who_holds_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("lock");
        let mut held = FileLock::acquire(&path, Duration::ZERO, 0o600).expect("takes");
        held.set_note("pid 7").expect("notes");
        match FileLock::acquire(&path, Duration::from_millis(5), 0o600) {
            Err(Error::Locked { holder, .. }) => assert_eq!(holder.as_deref(), Some("pid 7")),
            other => panic!("{other:?}"),
        }
        drop(held);
        assert!(FileLock::acquire(&path, Duration::ZERO, 0o600).is_ok());
    }

    #[test]
    fn a_note_is_replaced_by_shorter_and_longer_ones_and_ends_without_line_ends() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("lock");
        let mut held = FileLock::acquire(&path, Duration::ZERO, 0o600).expect("takes");
        for (text, back) in
            [("one\ntwo\n", "one\ntwo"), ("x", "x"), ("", ""), ("\nlonger than all", "\nlonger than all")]
        {
            held.set_note(text).expect("notes");
            assert_eq!(held.note().expect("reads"), back);
            assert_eq!(std::fs::read_to_string(&path).expect("reads"), text);
        }
        // Of a death before the end is cut off.
        std::fs::write(&path, "pid 7\n\n\n\n").expect("writes");
        assert_eq!(held.note().expect("reads"), "pid 7");
        let taken = FileLock::acquire(&path, Duration::ZERO, 0o600);
        assert!(matches!(taken, Err(Error::Locked { holder: Some(holder), .. }) if holder == "pid 7"));
    }
}

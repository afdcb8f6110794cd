//! How many entries the user's index has, from its header alone: decides whether a hook saves at once or detached.

use std::io::Read as _;
use std::path::Path;

use super::Repo;
use crate::base::supplied::{self, Links};

/// Entries of this worktree's index; of a split one, those of the shared part too. 0 where there is none to be read.
pub fn entries(repo: &Repo) -> u64 {
    let own = count(&repo.git_dir.join("index"));
    let shared = std::fs::read_dir(&repo.git_dir).into_iter().flatten().flatten();
    let shared =
        shared.filter(|e| e.file_name().as_encoded_bytes().starts_with(b"sharedindex.")).map(|e| count(&e.path()));
    own + shared.max().unwrap_or(0)
}

/// `DIRC`, the version, then the number of entries, each in four bytes.
fn count(path: &Path) -> u64 {
    let mut header = [0; 12];
    let read = supplied::open(path, Links::Follow).map(|mut file| file.read_exact(&mut header));
    match read {
        Ok(Ok(())) if header.starts_with(b"DIRC") => {
            u64::from(u32::from_be_bytes([header[8], header[9], header[10], header[11]]))
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::matrix::Bench;

    #[test]
    fn the_header_says_how_many_files_git_knows() {
        for bench in Bench::all() {
            assert_eq!(entries(&bench.repo()), 2, "{}", bench.kind);
        }
        let bench = Bench::plain();
        bench.git(&["update-index", "--split-index"]);
        bench.write("c", "c");
        bench.git(&["add", "c"]);
        assert!(entries(&bench.repo()) >= 3, "own and shared part");
    }
}

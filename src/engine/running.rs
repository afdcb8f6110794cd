//! `session/running/<native id>` beside the refs: the process in which an agent's session runs, noted at its start and at each
//! prompt, and removed at its end. What is left there when the process is gone was killed.
//!
//! A cache: without it nothing is known of processes. One small file a session that runs, so that all are read at once.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::Result;
use super::local::{component, entries, shared_dir, write_json};
use crate::base::file;
use crate::base::pid::ProcessId;
use crate::git::Repo;

const FOLDER: &str = "running";

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    native: String,
    process: ProcessId,
}

/// Notes the process of an agent's session.
pub fn note(repo: &Repo, native: &str, process: &ProcessId) -> Result<()> {
    let dir = shared_dir(repo)?.join(FOLDER);
    let path = dir.join(component(native));
    let wanted = Note { native: native.to_owned(), process: process.clone() };
    if read(&path)?.as_ref() == Some(&wanted) {
        return Ok(());
    }
    repo.shared.make_private_dir(&dir)?;
    write_json(repo, &path, &wanted)
}

/// An agent's session ended: nothing runs it any more.
pub fn forget(repo: &Repo, native: &str) -> Result<()> {
    let path = repo.common_dir.join("session").join(FOLDER).join(component(native));
    Ok(file::remove_optional(&path).map(drop)?)
}

/// The processes that were noted, by the agent's id of the session.
pub fn all(repo: &Repo) -> Result<HashMap<String, ProcessId>> {
    let mut found = HashMap::new();
    for path in entries(&repo.common_dir.join("session").join(FOLDER))? {
        if let Some(note) = read(&path)? {
            found.insert(note.native, note.process);
        }
    }
    Ok(found)
}

/// A damaged note is as good as none.
fn read(path: &std::path::Path) -> Result<Option<Note>> {
    Ok(file::read_optional(path)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::matrix::Bench;

    #[test]
    fn a_note_is_there_until_it_is_forgotten_and_shared_by_all_worktrees() {
        let bench = Bench::new("sha1", "files", true);
        let (linked, main) = (bench.repo(), bench.repo_in(&bench.top.with_file_name("main")));
        let process = ProcessId { pid: 7, started: Some(3), space: None };
        note(&linked, "../x", &process).expect("notes");
        assert_eq!(all(&main).expect("reads"), HashMap::from([("../x".to_owned(), process)]));
        forget(&main, "../x").expect("forgets");
        forget(&main, "../x").expect("once more");
        assert_eq!(all(&linked).expect("reads"), HashMap::new());
    }
}

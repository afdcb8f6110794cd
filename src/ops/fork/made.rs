//! What a fork has made so far. When a later step fails all of it is taken back; what cannot be is named.

use std::path::{Path, PathBuf};

use crate::base::{SessionId, file};
use crate::engine::binding;
use crate::git::{Expected, Head, Oid, RefEdit, RefName, index_write, worktree};
use crate::ops::{App, Failure, Result};

/// One thing that was made, or changed.
#[derive(Debug)]
enum Step {
    Branch(RefName, Oid),
    Folder(PathBuf),
    Worktree { path: PathBuf, was_there: bool },
    File(PathBuf),
    Native(String),
    Session(SessionId, Oid),
    Head(Head),
}

/// The steps, in order.
#[derive(Debug)]
pub struct Made<'a> {
    app: &'a App<'a>,
    steps: Vec<Step>,
    keep: bool,
}

impl<'a> Made<'a> {
    /// Nothing yet.
    pub const fn new(app: &'a App<'a>) -> Self {
        Self { app, steps: Vec::new(), keep: false }
    }

    /// A branch at a commit.
    pub fn branch(&mut self, name: &RefName, commit: Oid) {
        self.steps.push(Step::Branch(name.clone(), commit));
    }

    /// Folders above a path that are about to be made.
    pub fn folders_above(&mut self, path: &Path) {
        let missing: Vec<_> = path.ancestors().skip(1).take_while(|above| !above.exists()).collect();
        self.steps.extend(missing.into_iter().rev().map(|folder| Step::Folder(folder.to_owned())));
    }

    /// A worktree.
    pub fn worktree(&mut self, path: &Path, was_there: bool) {
        self.steps.push(Step::Worktree { path: path.to_owned(), was_there });
    }

    /// A file.
    pub fn file(&mut self, path: &Path) {
        self.steps.push(Step::File(path.to_owned()));
    }

    /// A note on whose an agent's id is.
    pub fn native(&mut self, id: &str) {
        self.steps.push(Step::Native(id.to_owned()));
    }

    /// A session, or where it stands by now.
    pub fn session(&mut self, id: SessionId, tip: Oid) {
        let same = |step: &&mut Step| matches!(step, Step::Session(known, _) if *known == id);
        match self.steps.iter_mut().find(same) {
            Some(step) => *step = Step::Session(id, tip),
            None => self.steps.push(Step::Session(id, tip)),
        }
    }

    /// HEAD, which was there before.
    pub fn head(&mut self, before: &Head) {
        self.steps.push(Step::Head(before.clone()));
    }

    /// From here on nothing may be taken back.
    pub const fn keep(&mut self) {
        self.keep = true;
    }

    /// Takes everything back, the last first. The failure says what could not be.
    pub fn take_back(self, mut failure: Failure) -> Failure {
        let mut left = Vec::new();
        for step in self.steps.iter().rev() {
            if self.keep || self.undo(step).is_err() {
                left.extend(step.named());
            }
        }
        failure.message.truncate(failure.message.trim_end_matches('.').len());
        if !left.is_empty() {
            left.reverse();
            failure.message.push_str("; what was made stays");
            failure.details.extend(left.into_iter().map(|what| format!("left: {what}")));
        } else if !self.steps.is_empty() {
            failure.message.push_str("; nothing of the fork was kept");
        }
        failure
    }

    fn undo(&self, step: &Step) -> Result<()> {
        let app = self.app;
        let delete = |name: RefName, at: Oid| -> Result<()> {
            let expected = Expected::Exactly(at);
            let edit = RefEdit { name, new: None, expected, message: "session fork: taken back".to_owned() };
            Ok(app.writers()?.update(&edit)?)
        };
        match step {
            Step::Branch(name, commit) => delete(name.clone(), *commit),
            Step::Session(id, tip) => delete(RefName::session_head(*id), *tip),
            Step::Worktree { path, was_there } => {
                worktree::remove(&app.repo, path)?;
                if *was_there {
                    std::fs::create_dir(path).map_err(crate::base::Error::io("create the folder", path))?;
                }
                Ok(())
            }
            Step::Folder(path) => match std::fs::remove_dir(path) {
                // Someone else put something into it meanwhile, or it was never made.
                Err(_) if !path.exists() => Ok(()),
                gone => Ok(gone.map_err(crate::base::Error::io("remove the folder", path))?),
            },
            Step::File(path) => Ok(file::remove_optional(path).map(drop)?),
            Step::Native(id) => Ok(binding::forget(&app.repo, id)?),
            Step::Head(before) => Ok(index_write::set_head(&app.repo, before)?),
        }
    }
}

impl Step {
    /// What is left where it is not taken back.
    fn named(&self) -> Option<String> {
        Some(match self {
            Self::Branch(name, _) => format!("branch {}", name.as_branch().unwrap_or(name.as_str())),
            Self::Folder(path) => format!("folder {}", path.display()),
            Self::Worktree { path, .. } => format!("worktree {}", path.display()),
            Self::File(path) => format!("file {}", path.display()),
            Self::Session(id, _) => format!("session {id}"),
            Self::Head(_) => "HEAD, which was moved".to_owned(),
            Self::Native(_) => return None,
        })
    }
}

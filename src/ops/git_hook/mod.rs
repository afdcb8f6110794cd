//! What git's hooks do: a commit, merge, rebase or checkout makes a checkpoint, and notes link commits to checkpoints.
//!
//! A commit waits for us, so what cannot be done at once is written down as it is ([`Occasion`]) and done by a detached process
//! ([`super::later`]): where the tree is large, where much is to be read, where git has to be asked for refs, where others
//! are at work. Failures are the caller's to log.

mod alone;
mod own;
mod perform;
mod task;

use std::os::unix::fs::MetadataExt as _;

use serde::{Deserialize, Serialize};

pub use self::alone::is_younger;
pub use self::perform::{Later, perform};
use super::{App, Result, later, settle};
use crate::base::SessionId;
use crate::engine::{local, spool};
use crate::git::{During, Head, Oid, RefName, index_size};

/// Index entries beyond which a save is not made at once.
const ENTRIES: u64 = 5_000;
/// Bytes of the stat cache beyond which it is not: so much has about as many files.
const CACHE_BYTES: u64 = 640 << 10;
/// Commits beyond which they are not linked at once.
const COMMITS: usize = 50;

/// What git tells a hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A commit was made.
    Commit,
    /// `git am` made a commit of a patch.
    Applied,
    /// HEAD was switched from one commit to another, or to another branch.
    Checkout {
        /// Where HEAD was; `None` in a new clone or worktree.
        from: Option<Oid>,
        /// A switch, not a checkout of single files.
        switched: bool,
    },
    /// A merge or a fast-forward was made.
    Merge {
        /// Into the work tree and the index only.
        squash: bool,
    },
    /// Commits were rewritten.
    Rewrite {
        /// By a rebase; otherwise by an amend.
        rebase: bool,
        /// The new commits, the last one last.
        new: Vec<Oid>,
    },
}

/// An event with what was there when it came: all that is needed to handle it later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occasion {
    /// What git said.
    pub event: Event,
    /// HEAD's commit then.
    pub commit: Option<Oid>,
    /// HEAD's branch then, in full.
    pub branch: Option<String>,
    /// What git was in the middle of.
    pub during: During,
    /// The index file then: its inode, size and time.
    index: Option<(u64, u64, i64, i64)>,
    /// The agent in whose shell it was.
    pub agent: Option<String>,
}

impl Occasion {
    /// The event now.
    pub fn now(app: &App<'_>, event: &Event) -> Result<Self> {
        let head = app.repo.head()?;
        Ok(Self {
            event: event.clone(),
            commit: head.commit,
            branch: head.branch.map(|branch| branch.to_string()),
            during: app.repo.during()?,
            index: index_now(app),
            agent: app.agent_session.clone(),
        })
    }

    /// HEAD as it was.
    pub fn head(&self) -> Result<Head> {
        let branch = self.branch.as_deref().map(RefName::from_git).transpose()?;
        Ok(Head { branch, commit: self.commit })
    }

    /// Whether HEAD is still where it was.
    fn head_is_there(&self, app: &App<'_>) -> Result<bool> {
        Ok(app.repo.head()? == self.head()?)
    }

    /// Whether the index is still the same.
    fn index_is_there(&self, app: &App<'_>) -> bool {
        index_now(app) == self.index
    }
}

fn index_now(app: &App<'_>) -> Option<(u64, u64, i64, i64)> {
    let meta = std::fs::metadata(app.repo.git_dir.join("index")).ok()?;
    Some((meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()))
}

/// What came of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was to do.
    Nothing,
    /// A checkpoint was made, or there was no news.
    Saved {
        /// The session.
        session: SessionId,
        /// Its newest checkpoint.
        checkpoint: u64,
    },
    /// Left for a process of its own.
    Later,
}

/// Handles an event.
pub fn run(app: &App<'_>, event: &Event) -> Result<Outcome> {
    if app.repo.work_dir.is_none() || matches!(event, Event::Checkout { switched: false, .. }) {
        return Ok(Outcome::Nothing);
    }
    if settle::pending(app) {
        local::log(&app.repo, app.now(), "a restore was interrupted here; the next command that writes settles it")?;
    }
    let occasion = Occasion::now(app, event)?;
    if task::is_nothing(&occasion) {
        return Ok(Outcome::Nothing);
    }
    if !can_be_done_at_once(app, event) {
        return leave(app, &occasion);
    }
    match perform(app, &occasion, None) {
        // Someone else is at work here, or there is too much to do; a commit waits for neither.
        Err(failure) if failure.kind == super::FailureKind::Conflict => leave(app, &occasion),
        done => done,
    }
}

/// Whether it is likely to be quick; what is found out only on the way is left then.
fn can_be_done_at_once(app: &App<'_>, event: &Event) -> bool {
    let caps = &app.repo.caps;
    let cache = std::fs::metadata(app.repo.git_dir.join("session").join("stat-cache")).map_or(0, |m| m.len());
    let is_long = matches!(event, Event::Rewrite { new, .. } if new.len() > COMMITS);
    // Else each look at a ref is a process.
    caps.libgit2_opens
        && caps.ref_format == "files"
        && cache <= CACHE_BYTES
        && index_size::entries(&app.repo) <= ENTRIES
        && !is_long
        // What came before is done before.
        && spool::is_empty(&app.repo)
}

fn leave(app: &App<'_>, occasion: &Occasion) -> Result<Outcome> {
    later::leave(app, &later::Work::Git(Box::new(occasion.clone())))?;
    Ok(Outcome::Later)
}

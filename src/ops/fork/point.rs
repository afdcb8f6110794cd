//! The fork point: a checkpoint, or the present state, which goes into the fork's first checkpoint.
//!
//! The session that is forked stays as it is, byte for byte: what of it is not saved is the fork's.

use crate::engine::history::History;
use crate::engine::store::{self, Tip};
use crate::model::Scope;
use crate::ops::record::Recording;
use crate::ops::{App, Result, address, find, moving};

/// Where to fork.
#[derive(Debug)]
pub struct Point {
    /// The newest checkpoint of the session that is forked.
    pub parent: Tip,
    /// The fork point. Where that is the present state: the newest checkpoint, with the files and the conversation of now.
    pub at: Tip,
    /// What the present state adds to the newest checkpoint.
    pub unsaved: Option<Recording>,
}

impl Point {
    /// The checkpoint that was named; without a name the present state, or for a session of another worktree, or
    /// one that was only pulled, its newest checkpoint. Moves no ref.
    pub fn find(app: &App<'_>, tip: Tip, named: Option<&str>) -> Result<Self> {
        let history = History::load(&app.repo, tip.checkpoint.commit)?;
        if let Some(text) = named {
            let at = store::load(&app.repo, address::checkpoint(app, &tip, &history, text)?.commit)?;
            return Ok(Self { parent: tip, at, unsaved: None });
        }
        if tip.session.worktree != app.repo.worktree_name() || find::is_only_pulled(app, &tip)? {
            return Ok(Self { at: tip.clone(), parent: tip, unsaved: None });
        }
        let mut recording = moving::begin(app, tip.clone())?;
        let present = recording.capture_code(app, None)?;
        let mut at = tip.clone();
        at.code_tree = present.tree;
        at.checkpoint.meta_tree = recording.draft_tree(app, &present)?;
        at.checkpoint.base = recording.head.commit;
        at.checkpoint.head = recording.head.branch.as_ref().and_then(|b| b.as_branch()).map(Into::into);
        at.checkpoint.scope = Scope::Full;
        at.session = recording.session.clone();
        Ok(Self { parent: tip, at, unsaved: Some(recording) })
    }

    /// The session in whose newest tree the conversation stands.
    pub const fn talks(&self) -> &Tip {
        if self.unsaved.is_some() { &self.at } else { &self.parent }
    }
}

//! The fork point: a checkpoint, or the present state, which becomes a checkpoint once nothing stands in the way.

use crate::engine::history::History;
use crate::engine::store::{self, Tip};
use crate::model::{Kind, Scope};
use crate::ops::record::{Purpose, Recording};
use crate::ops::{App, Result, address, find, moving};

/// Where to fork.
#[derive(Debug)]
pub struct Point {
    /// The newest checkpoint of the session that is forked.
    pub parent: Tip,
    /// The fork point; as it will be, where it is not saved yet.
    pub at: Tip,
    unsaved: Option<Recording>,
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
        let head = (tip.checkpoint.base, tip.checkpoint.scope);
        if (tip.code_tree, head) != (present.tree, (recording.head.commit, present.scope)) {
            at.checkpoint.number += 1;
            at.checkpoint.kind = Kind::Save;
            at.checkpoint.turn = open_turn(&recording);
            at.checkpoint.title = TITLE.into();
            at.checkpoint.time = app.now();
        }
        at.code_tree = present.tree;
        at.checkpoint.base = recording.head.commit;
        at.checkpoint.scope = Scope::Full;
        Ok(Self { parent: tip, at, unsaved: Some(recording) })
    }

    /// Saves the present state, where that is the fork point: the newest checkpoint then, and the fork point.
    pub fn saved(self, app: &App<'_>) -> Result<(Tip, Tip)> {
        let Some(recording) = self.unsaved else { return Ok((self.parent, self.at)) };
        let turn = open_turn(&recording);
        let tip = recording.finish(app, Purpose::new(Kind::Save, turn, TITLE))?.tip;
        Ok((tip.clone(), tip))
    }
}

fn open_turn(recording: &Recording) -> Option<u32> {
    recording.open_live_row().map(|at| recording.rows[at].turn)
}

const TITLE: &str = "before a fork";

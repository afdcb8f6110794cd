//! Which file is taken as a transcript. A hook names it, and what a hook says may be anybody's word: only what lies in the
//! agent's own directories is one, or what tells by itself that it is a conversation of this user.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::App;
use crate::agents::Agent;
use crate::base::Error as BaseError;
use crate::base::supplied::{self, Links};

/// Bytes from which it is told what a file holds.
const HEAD: u64 = 64 * 1024;

/// Why this file is not stored as a transcript; `None` where it may be, or is not there.
///
/// An agent can be told to keep its files in another place than our environment says, so the place alone does not decide.
pub fn problem(app: &App<'_>, agent: &dyn Agent, path: &Path) -> Option<String> {
    let file = match supplied::open(path, Links::Refuse) {
        Ok(file) => file,
        Err(e) if e.is_absent() => return None,
        Err(e) => return Some(e.to_string()),
    };
    let name = path.file_name()?;
    // Through whatever links the directories were reached.
    let real = path.parent().and_then(|parent| parent.canonicalize().ok()).map(|parent| parent.join(name));
    if real.is_some_and(|real| agent.owns_transcript(&app.agent_env, &real)) {
        return None;
    }
    let refused = |why: &str| Some(format!("{} is not taken as a transcript: {why}", path.display()));
    match file.metadata() {
        Ok(meta) if !is_ones_own(&meta) => return refused("it belongs to another user"),
        Ok(_) => {}
        Err(e) => return Some(BaseError::io("read", path)(e).to_string()),
    }
    match supplied::bounded(&file, HEAD, HEAD) {
        Ok(head) if agent.is_conversation(&head) => None,
        Ok(_) => refused("it lies outside of the agent's directories and holds no conversation"),
        Err(e) => Some(BaseError::io("read", path)(e).to_string()),
    }
}

/// Why a file that lies beside a transcript is not stored with it; `None` where it may be. It lies below the transcript's own
/// directory, also by its real place.
pub fn beside(path: &Path, transcript: &Path) -> Option<String> {
    if let Err(e) = supplied::open(path, Links::Refuse) {
        return (!e.is_absent()).then(|| e.to_string());
    }
    let real = |path: &Path| path.parent().and_then(|parent| parent.canonicalize().ok());
    match (real(path), real(transcript)) {
        (Some(here), Some(own)) if here.starts_with(&own) => None,
        _ => Some(format!("{} is not taken: a link leads to its directory", path.display())),
    }
}

fn is_ones_own(meta: &Metadata) -> bool {
    meta.uid() == rustix::process::geteuid().as_raw()
}

//! The permission bits that a checkpoint has its files get. Of a session that came from elsewhere they are no order: nobody
//! else gets more than a new file of ours gives, the owner never less than reading and writing, and the exec bit is the
//! tree's.

use std::collections::BTreeMap;

use super::{App, Result, find};
use crate::base::{SessionId, file};
use crate::engine::{layout, store};
use crate::git::{FileMode, Oid, tree};
use crate::model::Checkpoint;
use crate::model::snapshot::Modes;

/// Forks of forks that are followed to where they came from.
const GENERATIONS: usize = 64;

/// The bits of a checkpoint's files, for a tree that is to be restored.
pub fn recorded(app: &App<'_>, checkpoint: &Checkpoint, code: Oid) -> Result<Modes> {
    let modes = layout::read_modes(&app.repo.objects, checkpoint.meta_tree)?;
    if modes == Modes::default() || !is_from_elsewhere(app, checkpoint.session)? {
        return Ok(modes);
    }
    let umask = file::umask();
    let mut bits = BTreeMap::new();
    for (path, said) in modes.bits() {
        if let Some((mode @ (FileMode::File | FileMode::Executable), _)) = tree::lookup(&app.repo.objects, code, &path)?
        {
            bits.insert(path, allowed(said, mode, umask));
        }
    }
    Ok(Modes::new(umask, &bits))
}

/// What is left of the bits that a stranger says.
const fn allowed(said: u32, mode: FileMode, umask: u32) -> u32 {
    let bits = (said & 0o666 & !umask) | 0o600;
    match mode {
        FileMode::Executable => bits | ((bits & 0o444) >> 2),
        _ => bits,
    }
}

/// Whether a remote has the session, or the one that it was forked from.
fn is_from_elsewhere(app: &App<'_>, session: SessionId) -> Result<bool> {
    let mut at = Some(session);
    for _ in 0..GENERATIONS {
        let Some(id) = at else { return Ok(false) };
        if find::is_shared(app, id)? {
            return Ok(true);
        }
        at = store::tip(&app.repo, id)?.and_then(|tip| tip.session.lineage).map(|lineage| lineage.parent_session);
    }
    // A line as long as that is nobody's.
    Ok(at.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_neither_opens_nor_locks_a_file() {
        for said in 0..=0o777 {
            for umask in [0o000, 0o002, 0o022, 0o027, 0o077] {
                for mode in [FileMode::File, FileMode::Executable] {
                    let bits = allowed(said, mode, umask);
                    let most = if mode == FileMode::Executable { 0o777 } else { 0o666 };
                    assert_eq!(bits & !(most & !umask), 0, "{said:o} {umask:o}: {bits:o} opens it");
                    assert_eq!(bits & 0o600, 0o600, "{said:o}: {bits:o} locks it");
                    assert_eq!(bits & 0o100 != 0, mode == FileMode::Executable, "{said:o}: {bits:o}");
                }
            }
        }
    }
}

//! Before a push: a branch or tag that reaches a commit of ours is refused, since it would publish a session.
//!
//! Only what the remote does not have is walked. Refs of ours that are pushed as such are the user's own decision.

use super::{App, Result};
use crate::engine::ours::{self, Ours};
use crate::git::{Oid, RefName, walk};

/// One line of what git hands to the hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The local ref, as typed.
    pub local: String,
    /// Its object; `None` deletes.
    pub new: Option<Oid>,
    /// The ref on the remote.
    pub remote: String,
    /// What it is there; `None` where there is none.
    pub old: Option<Oid>,
}

/// A push that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The ref on the remote.
    pub remote: String,
    /// What it would publish first.
    pub ours: Ours,
}

/// Reads git's lines: local ref, local id, remote ref, remote id.
pub fn parse(input: &str) -> Vec<Update> {
    let oid = |text: &str| if text.bytes().all(|b| b == b'0') { None } else { Oid::parse(text).ok() };
    let line = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let (local, new, remote, old) = (words.next()?, words.next()?, words.next()?, words.next()?);
        Some(Update { local: local.to_owned(), new: oid(new), remote: remote.to_owned(), old: oid(old) })
    };
    input.lines().filter_map(line).collect()
}

/// The updates that must not be: none where all is well.
pub fn run(app: &App<'_>, remote: &str, updates: &[Update]) -> Result<Vec<Refused>> {
    let judged: Vec<&Update> = updates.iter().filter(|u| !u.remote.starts_with(RefName::all_prefix())).collect();
    let mut pushed = Vec::new();
    for update in judged {
        // A tag of a blob or a tree publishes no history.
        if let Some(tip) = walk::commits(&app.repo, update.new.as_slice())?.into_iter().flatten().next() {
            pushed.push((update, tip));
        }
    }
    let tips: Vec<Oid> = pushed.iter().map(|(_, tip)| *tip).collect();
    let mut known: Vec<Oid> = updates.iter().filter_map(|u| u.old).collect();
    // A remote that is named by its address has no refs here.
    let tracked = app.repo.refs.list(&RefName::remote_branches_prefix(remote)).unwrap_or_default();
    known.extend(tracked.into_iter().map(|(_, oid)| oid));
    let mut hidden: Vec<Oid> = walk::commits(&app.repo, &known)?.into_iter().flatten().collect();
    hidden.sort();
    hidden.dedup();
    let reached = ours::reached_by(&app.repo, &tips, &hidden)?.into_iter().zip(pushed);
    let refused = |(ours, (update, _)): (Option<Ours>, (&Update, Oid))| {
        ours.map(|ours| Refused { remote: update.remote.clone(), ours })
    };
    Ok(reached.filter_map(refused).collect())
}

/// The branches and tags that reach a commit of ours, each with the newest one.
pub fn branches_and_tags(app: &App<'_>) -> Result<Vec<(RefName, Ours)>> {
    let mut refs = app.repo.refs.list(RefName::branches_prefix())?;
    refs.extend(app.repo.refs.list(RefName::tags_prefix())?);
    let oids: Vec<Oid> = refs.iter().map(|(_, oid)| *oid).collect();
    let commits = walk::commits(&app.repo, &oids)?;
    let named = refs.into_iter().zip(commits).filter_map(|((name, _), commit)| Some((name, commit?)));
    let (names, tips): (Vec<RefName>, Vec<Oid>) = named.unzip();
    let reached = ours::reached_by(&app.repo, &tips, &[])?;
    Ok(names.into_iter().zip(reached).filter_map(|(name, ours)| Some((name, ours?))).collect())
}

//! Brings the objects of a remote's sessions. Where that fails as a whole, halves are tried, so that one session that the remote
//! cannot give does not keep the others away; how often is bounded.

use std::collections::{HashMap, HashSet};

use super::here::Here;
use crate::base::SessionId;
use crate::engine::received::is_here;
use crate::git::{Oid, Remote, whole};
use crate::ops::{App, Result};

/// Sessions that are asked for by name; of more all are asked for at once, since git looks through all of a remote's refs for
/// each name.
const BY_NAME: usize = 256;
/// Calls of git that a search for what is bad may take.
const MOST_CALLS: usize = 64;

/// Brings what is not here; the sessions that could not be had, with git's words.
///
/// # Errors
/// None of them could be had.
pub fn all(
    app: &App<'_>,
    remote: &Remote,
    here: &Here,
    wanted: &[(SessionId, Oid)],
) -> Result<HashMap<SessionId, String>> {
    // One that came without all that it stands on may be whole there by now.
    let cut = cut_short(app, here, wanted)?;
    let is_missing =
        |(id, tip): &&(SessionId, Oid)| !here.has(*id, *tip) && !is_here(&app.repo.objects, *tip) || cut.contains(id);
    let missing: Vec<(SessionId, Oid)> = wanted.iter().filter(is_missing).copied().collect();
    if missing.is_empty() {
        return Ok(HashMap::new());
    }
    let names = |some: &[(SessionId, Oid)]| some.iter().map(|(id, _)| *id).collect::<Vec<_>>();
    let first = match missing.len() > BY_NAME {
        true => remote.fetch_all(&app.repo),
        false => remote.fetch(&app.repo, &names(&missing)),
    };
    let Err(whole) = first else { return Ok(HashMap::new()) };
    if missing.len() == 1 {
        // It may be this session alone that cannot be had: the remote itself just answered.
        return match remote.advertised(&app.repo) {
            Ok(_) => Ok(HashMap::from([(missing[0].0, whole.to_string())])),
            Err(gone) => Err(gone.into()),
        };
    }
    let mut said = whole.to_string();
    let bad = search(&missing, MOST_CALLS, |some| {
        let fetched = remote.fetch(&app.repo, &names(some));
        fetched.map_err(|e| said = e.to_string()).is_ok()
    });
    if bad.len() == missing.len() {
        return Err(whole.into());
    }
    Ok(bad.into_iter().map(|(id, _)| (id, said.clone())).collect())
}

/// Sessions that came without all that they stand on.
pub fn cut_short(app: &App<'_>, here: &Here, wanted: &[(SessionId, Oid)]) -> Result<HashSet<SessionId>> {
    let repo = &app.repo;
    let is_new = |(id, tip): &&(SessionId, Oid)| !here.has(*id, *tip) && is_here(&repo.objects, *tip);
    let new: Vec<(SessionId, Oid)> = wanted.iter().filter(is_new).copied().collect();
    let tips: Vec<Oid> = new.iter().map(|(_, tip)| *tip).collect();
    if whole::is_whole(repo, &tips)? {
        return Ok(HashSet::new());
    }
    let mut failure = None;
    let bad = search(&new, MOST_CALLS, |some| {
        let tips: Vec<Oid> = some.iter().map(|(_, tip)| *tip).collect();
        whole::is_whole(repo, &tips).unwrap_or_else(|e| {
            failure.get_or_insert(e);
            false
        })
    });
    match failure {
        Some(e) => Err(e.into()),
        None => Ok(bad.into_iter().map(|(id, _)| id).collect()),
    }
}

/// Those of which `is_good` says no, looked for by halves; what is not found within so many calls counts as bad.
fn search<T: Copy>(all: &[T], most: usize, mut is_good: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut bad = Vec::new();
    let mut calls = 0;
    // Of the whole it is known.
    let (left, right) = all.split_at(all.len() / 2);
    let mut open = if all.len() == 1 { vec![all] } else { vec![right, left] };
    while let Some(some) = open.pop() {
        if some.is_empty() {
            continue;
        }
        if calls == most {
            bad.extend_from_slice(some);
            continue;
        }
        calls += 1;
        if is_good(some) {
            continue;
        }
        if some.len() == 1 {
            bad.extend_from_slice(some);
        } else {
            let (left, right) = some.split_at(some.len() / 2);
            open.extend([right, left]);
        }
    }
    bad
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_bad_ones_are_found_among_many_and_never_more_calls_are_made_than_may_be() {
        let all: Vec<u32> = (0..20_000).collect();
        let mut calls = 0;
        let bad = search(&all, MOST_CALLS, |some| {
            calls += 1;
            !some.contains(&7) && !some.contains(&19_999)
        });
        assert_eq!(bad, [7, 19_999]);
        assert!(calls <= MOST_CALLS, "{calls}");
        let mut calls = 0;
        let bad = search(&all, MOST_CALLS, |_| {
            calls += 1;
            false
        });
        assert_eq!((bad.len(), calls), (all.len(), MOST_CALLS));
        assert_eq!(search(&[1, 2, 3], 9, |some| !some.contains(&2)), [2]);
        assert_eq!(search(&[1], 9, |_| false), [1]);
    }
}

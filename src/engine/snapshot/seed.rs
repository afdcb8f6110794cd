//! When the user's index vouches for a file: it is the one that git last knew to be equal to the blob, byte for byte.
//!
//! Conversions make a stat-clean file differ from its blob. Where an EOL conversion may be in force the sizes must agree
//! (it never keeps the size); where ident, an encoding or a filter may be, nothing is trusted.

use std::path::PathBuf;

use super::known::Known;
use super::walk::{Found, Walked};
use crate::base::supplied::{Links, read_rules};
use crate::engine::Result;
use crate::engine::stat_cache::{Stamp, StatRules};
use crate::git::index::IndexStat;
use crate::git::{Oid, Repo};

/// How far the index is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trust {
    /// No conversion can be in force.
    Full,
    /// Only where the blob is as long as the file.
    EqualSize,
    /// Not at all.
    None,
}

/// Decides once for the whole tree.
pub(super) fn trust(repo: &Repo, known: &Known, walked: &Walked) -> Result<Trust> {
    let mut texts = Vec::new();
    let mut sources: Vec<PathBuf> = vec![repo.common_dir.join("info/attributes"), "/etc/gitattributes".into()];
    sources.extend(repo.config.path("core.attributesFile")?);
    sources.extend(repo.config.user_folder().map(|folder| folder.join("attributes")));
    let root = repo.work_dir()?;
    let in_tree = walked.attributes.iter().map(|path| (path.on_disk(root), Links::Refuse));
    for (path, links) in sources.into_iter().map(|path| (path, Links::Follow)).chain(in_tree) {
        match read_rules(&path, links) {
            Ok(text) => texts.extend(text),
            // What cannot be read may say anything.
            Err(_) => return Ok(Trust::None),
        }
    }
    // Where a sparse checkout left the file out, git takes the rules from the index.
    for at in 0..known.records.len() {
        if known.records.path(at).ends_with(b".gitattributes")
            && let Some(tracked) = known.records.tracked(at)
            && tracked.skip_worktree
        {
            texts.push(repo.objects.read_blob(tracked.oid)?);
        }
    }
    let says = |text: &[u8], word: &str| bstr::ByteSlice::contains_str(text, word);
    if texts.iter().any(|text| ["ident", "encoding", "filter"].iter().any(|word| says(text, word))) {
        return Ok(Trust::None);
    }
    let config = &repo.config;
    let eol = config.bytes("core.autocrlf")?.is_some() || config.bytes("core.eol")?.is_some();
    // Only these attributes convert line ends; a macro that sets them has to name them too.
    let eol = eol || texts.iter().any(|text| ["text", "eol", "crlf"].iter().any(|word| says(text, word)));
    Ok(if eol { Trust::EqualSize } else { Trust::Full })
}

/// The blob of a file by the index, where the index vouches for it.
pub(super) fn vouched(
    repo: &Repo,
    known: &Known,
    trust: Trust,
    rules: StatRules,
    found: &Found,
) -> Result<Option<Oid>> {
    let Some(at) = found.known.filter(|_| trust != Trust::None) else { return Ok(None) };
    let (Some(tracked), Some(seed)) = (known.records.tracked(at), known.seed(at)) else { return Ok(None) };
    let same_kind = (tracked.mode == crate::git::FileMode::Symlink) == found.now.symlink;
    if !tracked.vouches || !same_kind || !is_clean(&seed, &found.now.stamp, rules, known.index_mtime) {
        return Ok(None);
    }
    // git writes size 0 for an entry that it does not vouch for, so an empty file needs an empty blob.
    let sure = found.now.stamp.size != 0 && (trust == Trust::Full || found.now.symlink);
    let equal =
        sure || repo.objects.exists(tracked.oid) && repo.objects.blob_size(tracked.oid)? == found.now.stamp.size;
    Ok(equal.then_some(tracked.oid))
}

/// git's rule: the recorded stat matches, and the file is older than the index that recorded it.
pub(super) fn is_clean(seed: &IndexStat, now: &Stamp, rules: StatRules, index_mtime: (i64, u32)) -> bool {
    let cut = |wide: u64| wide as u32;
    let seconds = |wide: i64| wide as u32;
    if seed.size != cut(now.size) || seed.mtime_seconds != seconds(now.mtime.0) {
        return false;
    }
    if rules.minimal {
        return now.mtime.0 < index_mtime.0;
    }
    // A git built without nanoseconds records none.
    let nanos_agree = |recorded: u32, seen: u32| recorded == 0 || recorded == seen;
    nanos_agree(seed.mtime_nanos, now.mtime.1)
        && seed.ino == cut(now.ino)
        && (!rules.trust_ctime
            || seed.ctime_seconds == seconds(now.ctime.0) && nanos_agree(seed.ctime_nanos, now.ctime.1))
        && now.mtime < index_mtime
}

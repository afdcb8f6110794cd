//! Refs behind one trait with two stores, so that no caller knows which format a repository uses.
//!
//! Every update is a compare-and-swap. A store is chosen once, by [`super::Capabilities`].

use std::path::Path;

use super::{Oid, RefName, Result};

/// What a ref must hold for an edit to go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// No such ref.
    Absent,
    /// Exactly this.
    Exactly(Oid),
}

/// One change of one ref.
#[derive(Clone, Debug)]
pub struct RefEdit {
    /// Which.
    pub name: RefName,
    /// Its new value; `None` deletes it.
    pub new: Option<Oid>,
    /// What it must hold before.
    pub expected: Expected,
    /// What the reflog says, where the repository keeps one.
    pub message: String,
}

/// Reads and moves refs.
pub trait RefStore: std::fmt::Debug {
    /// The value of a ref, peeled through symbolic refs; `None` where there is none.
    ///
    /// # Errors
    /// [`super::Error::Damaged`] for one of ours that is there and leads to no object.
    fn read(&self, name: &RefName) -> Result<Option<Oid>>;

    /// All refs whose full name starts with `prefix` (which ends in `/`), in the order of their names.
    fn list(&self, prefix: &str) -> Result<Vec<(RefName, Oid)>>;

    /// Refs below `prefix` that are there and hold no object id; [`RefStore::list`] leaves them out.
    fn broken(&self, prefix: &str) -> Result<Vec<RefName>>;

    /// Makes one edit, or none.
    ///
    /// # Errors
    /// [`super::Error::Lost`] where the ref does not hold what was expected, [`super::Error::RefLocked`] where its lock
    /// is taken; both may be tried again by the caller.
    fn update(&self, edit: &RefEdit) -> Result<()>;

    /// Which store this is, for `doctor` and `status`: `libgit2` or `git`.
    fn kind(&self) -> &'static str;
}

/// Makes many edits of any store by one git, all or none; whether they were made.
pub fn update_together(repo: &super::Repo, edits: &[RefEdit], message: &str) -> Result<bool> {
    let script: Vec<u8> = edits.iter().flat_map(super::refs_cli::script).collect();
    let git = super::cli::Git::new(repo).args(["update-ref", "--no-deref", "-m", message, "--stdin", "-z"]);
    Ok(git.stdin(script).output()?.ok())
}

/// The refs below `prefix` that have a file of their own. Only such a one can be broken by itself. A folder that cannot be
/// read has no more to tell than a listing.
pub(super) fn loose(common_dir: &Path, prefix: &str) -> Vec<RefName> {
    let mut names = Vec::new();
    let mut paths = vec![common_dir.join(prefix)];
    while let Some(path) = paths.pop() {
        if let Ok(entries) = std::fs::read_dir(&path) {
            paths.extend(entries.flatten().map(|entry| entry.path()));
            continue;
        }
        // The folder itself may not be there.
        if !path.is_file() && !path.is_symlink() {
            continue;
        }
        let full = path.strip_prefix(common_dir).ok().and_then(Path::to_str);
        names.extend(full.and_then(|full| RefName::from_git(full).ok()));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::IdSource;
    use crate::git::Error;
    use crate::git::matrix::Bench;

    #[test]
    fn both_stores_refuse_every_lost_race_and_change_nothing() {
        for bench in Bench::all() {
            let repo = bench.repo();
            let one = Oid::parse(&bench.git(&["rev-parse", "HEAD"])).expect("an id");
            bench.git(&["commit", "-q", "--allow-empty", "-m", "second"]);
            let two = Oid::parse(&bench.git(&["rev-parse", "HEAD"])).expect("an id");
            let name = RefName::session_head(IdSource::seeded(1).session());
            let edit = |new, expected| RefEdit { name: name.clone(), new, expected, message: "test".to_owned() };
            let refs = &repo.refs;
            let lost = |result: Result<()>, holds: Option<Oid>| {
                assert!(
                    matches!(&result, Err(Error::Lost { actual, .. }) if *actual == holds),
                    "{}: {result:?}",
                    bench.kind
                );
                assert_eq!(refs.read(&name).expect("reads"), holds, "{}", bench.kind);
            };
            lost(refs.update(&edit(Some(one), Expected::Exactly(two))), None);
            lost(refs.update(&edit(None, Expected::Exactly(two))), None);
            refs.update(&edit(None, Expected::Absent)).expect("nothing was there");
            refs.update(&edit(Some(one), Expected::Absent)).expect("makes it");
            assert_eq!(bench.git(&["rev-parse", name.as_str()]), one.to_string(), "git sees it: {}", bench.kind);
            lost(refs.update(&edit(Some(two), Expected::Absent)), Some(one));
            lost(refs.update(&edit(Some(two), Expected::Exactly(two))), Some(one));
            lost(refs.update(&edit(None, Expected::Exactly(two))), Some(one));
            lost(refs.update(&edit(None, Expected::Absent)), Some(one));
            refs.update(&edit(Some(two), Expected::Exactly(one))).expect("moves it");
            bench.git(&["pack-refs", "--all"]);
            lost(refs.update(&edit(Some(one), Expected::Exactly(one))), Some(two));
            let listed = refs.list(RefName::session_heads_prefix()).expect("lists");
            assert_eq!(listed, [(name.clone(), two)], "{}", bench.kind);
            let branches = refs.list(RefName::branches_prefix()).expect("lists");
            assert!(branches.iter().any(|(n, _)| n.as_branch() == Some("main")) && branches.is_sorted());
            refs.update(&edit(None, Expected::Exactly(two))).expect("deletes it");
            assert_eq!(refs.read(&name).expect("reads"), None);
            assert_eq!(bench.git(&["for-each-ref", RefName::all_prefix()]), "");
        }
    }

    #[test]
    fn a_ref_whose_lock_is_taken_is_locked_and_not_lost() {
        for bench in [Bench::plain(), Bench::new("sha1", "reftable", false)] {
            let repo = bench.repo();
            let head = repo.head().expect("reads").commit.expect("born");
            let name = RefName::session_head(IdSource::seeded(1).session());
            let lock = match repo.caps.ref_format.as_str() {
                "files" => repo.common_dir.join(format!("{name}.lock")),
                _ => repo.common_dir.join("reftable/tables.list.lock"),
            };
            std::fs::create_dir_all(lock.parent().expect("in a folder")).expect("makes it");
            std::fs::write(&lock, "").expect("takes the lock");
            bench.git(&["config", "reftable.lockTimeout", "10"]);
            let edit = RefEdit { name, new: Some(head), expected: Expected::Absent, message: String::new() };
            let result = repo.refs.update(&edit);
            assert!(matches!(result, Err(Error::RefLocked { .. })), "{}: {result:?}", bench.kind);
        }
    }

    #[test]
    fn one_broken_ref_does_not_hide_the_others_and_is_named() {
        let bench = Bench::plain();
        let repo = bench.repo();
        let by_git = crate::git::refs_cli::CliRefs::new(&repo.git_dir, None, &crate::git::repo::RepoEnv::default());
        let stores: [&dyn RefStore; 2] = [&*repo.refs, &by_git];
        let prefix = RefName::session_heads_prefix();
        let ids = IdSource::seeded(1);
        let head = repo.head().expect("reads").commit.expect("born");
        let name = RefName::session_head(ids.session());
        let edit = RefEdit { name: name.clone(), new: Some(head), expected: Expected::Absent, message: String::new() };
        repo.refs.update(&edit).expect("makes it");
        let broken = RefName::session_head(ids.session());
        let place = repo.common_dir.join(broken.as_str());
        let mut lock = place.clone();
        lock.set_extension("lock");
        std::fs::write(lock, "").expect("writes");
        let nowhere = format!("ref: {}\n", RefName::session_head(ids.session()));
        for content in ["", "not an id\n", "0123\n", &nowhere] {
            std::fs::write(&place, content).expect("writes");
            for store in stores {
                let kind = store.kind();
                assert_eq!(store.list(prefix).expect("lists"), [(name.clone(), head)], "{kind} {content:?}");
                assert_eq!(store.broken(prefix).expect("lists"), std::slice::from_ref(&broken), "{kind} {content:?}");
                let read = store.read(&broken);
                let says = |e: &Error| e.to_string().contains(broken.as_str());
                assert!(read.as_ref().is_err_and(says), "{kind} {content:?}: {read:?}");
            }
        }
        std::fs::remove_file(&place).expect("removes");
        assert!(stores.iter().all(|store| store.broken(prefix).is_ok_and(|found| found.is_empty())));
    }
}

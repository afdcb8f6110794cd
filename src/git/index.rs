//! The user's index, read only: entries with stat data and flags, the staged tree, conflict stages.
//!
//! Read from its file (`index_file`); what that does not know by libgit2, a sparse or split one by `git ls-files`. Never
//! written, never locked.

use std::os::unix::fs::MetadataExt as _;

use bstr::ByteSlice as _;

use super::cli::Git;
use super::{Error, FileMode, Oid, Repo, Result, index_file, tree};
use crate::base::supplied::{self, Links};
use crate::base::{self, RepoPath};

/// One stage-0 entry.
#[derive(Clone, Debug)]
pub struct IndexEntry {
    /// Path.
    pub path: RepoPath,
    /// Mode.
    pub mode: FileMode,
    /// Object.
    pub oid: Oid,
    /// What git recorded of the file when it last knew it to be equal; `None` where git was asked instead of the file.
    pub stat: Option<IndexStat>,
    /// Outside of a sparse checkout.
    pub skip_worktree: bool,
    /// The user said "assume unchanged".
    pub assume_unchanged: bool,
    /// `git add -N`: known by name, no content yet.
    pub intent_to_add: bool,
}

/// Stat data of an index entry; 32 bits a field, as git stores them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of struct stat")]
pub struct IndexStat {
    pub ctime_seconds: u32,
    pub ctime_nanos: u32,
    pub mtime_seconds: u32,
    pub mtime_nanos: u32,
    pub dev: u32,
    pub ino: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u32,
}

/// The index as read.
#[derive(Clone, Debug, Default)]
pub struct UserIndex {
    /// Stage 0, in the order of paths. A path in conflict is not here.
    pub entries: Vec<IndexEntry>,
    /// Stages 1 to 3 of paths in conflict: stage, path, mode, object.
    pub conflicts: Vec<(u8, RepoPath, FileMode, Oid)>,
    /// The mtime of the index file, seconds and nanoseconds; for the racy rule.
    pub mtime: (i64, u32),
    /// The file's inode and size.
    file: (u64, u64),
    /// The tree of all entries, where git wrote it down in the file.
    pub tree: Option<Oid>,
}

/// Bits of an entry's flags in the file.
const STAGE: u16 = 0x3000;
const ASSUME_UNCHANGED: u16 = 0x8000;
/// Bits of its extended flags.
const INTENT_TO_ADD: u16 = 1 << 13;
const SKIP_WORKTREE: u16 = 1 << 14;

/// Bytes of the largest index that is read: one of some twenty million files.
const LARGEST: u64 = 4 << 30;

/// Reads the index of this worktree; empty where there is none.
pub fn read(repo: &Repo) -> Result<UserIndex> {
    let path = repo.git_dir.join("index");
    let meta = match std::fs::metadata(&path) {
        Ok(meta) => meta,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(UserIndex::default()),
        Err(e) => return Err(base::Error::io("read", path)(e).into()),
    };
    // Before the content: an index replaced in between only makes the racy rule more careful.
    let mtime = mtime_of(&meta);
    let bytes = supplied::read(&path, Links::Follow, LARGEST)?.unwrap_or_default();
    if let Some(index_file::Parsed { entries, conflicts, tree }) = index_file::parse(&bytes, repo.caps.object_format) {
        return Ok(UserIndex { entries, conflicts, mtime, file: (meta.ino(), meta.len()), tree });
    }
    by_libgit2(repo, mtime)
}

/// What a copy of an index holds; `None` where it needs git to read it, which reads no copies.
pub fn of_copy(repo: &Repo, path: &std::path::Path) -> Result<Option<UserIndex>> {
    let Some(bytes) = base::file::read_optional(path)? else { return Ok(None) };
    Ok(index_file::parse(&bytes, repo.caps.object_format).map(|index_file::Parsed { entries, conflicts, tree }| {
        UserIndex { entries, conflicts, tree, ..UserIndex::default() }
    }))
}

fn mtime_of(meta: &std::fs::Metadata) -> (i64, u32) {
    (meta.mtime(), u32::try_from(meta.mtime_nsec()).unwrap_or(0))
}

/// Reads it by libgit2, or by git where libgit2 cannot.
pub(super) fn by_libgit2(repo: &Repo, mtime: (i64, u32)) -> Result<UserIndex> {
    let path = repo.git_dir.join("index");
    match git2::Index::open_ext(&path, repo.caps.object_format.git2()) {
        Ok(index) => from_libgit2(&index, mtime),
        Err(e) if e.message().contains("extension") => from_git(repo, mtime),
        Err(e) => Err(Error::libgit2(format!("read {}", path.display()))(e)),
    }
}

fn from_libgit2(index: &git2::Index, mtime: (i64, u32)) -> Result<UserIndex> {
    let mut read =
        UserIndex { entries: Vec::with_capacity(index.len()), conflicts: Vec::new(), mtime, file: (0, 0), tree: None };
    for entry in index.iter() {
        let (mode, oid) = (FileMode::from_raw(entry.mode)?, Oid::from_git2(entry.id));
        let path = RepoPath::new(entry.path)?;
        #[expect(clippy::cast_sign_loss, reason = "libgit2 hands the file's unsigned seconds out as i32")]
        let stat = IndexStat {
            ctime_seconds: entry.ctime.seconds() as u32,
            ctime_nanos: entry.ctime.nanoseconds(),
            mtime_seconds: entry.mtime.seconds() as u32,
            mtime_nanos: entry.mtime.nanoseconds(),
            dev: entry.dev,
            ino: entry.ino,
            uid: entry.uid,
            gid: entry.gid,
            size: entry.file_size,
        };
        match u8::try_from((entry.flags & STAGE) >> 12).unwrap_or(0) {
            0 => read.entries.push(IndexEntry {
                path,
                mode,
                oid,
                stat: Some(stat),
                skip_worktree: entry.flags_extended & SKIP_WORKTREE != 0,
                assume_unchanged: entry.flags & ASSUME_UNCHANGED != 0,
                intent_to_add: entry.flags_extended & INTENT_TO_ADD != 0,
            }),
            stage => read.conflicts.push((stage, path, mode, oid)),
        }
    }
    Ok(read)
}

/// `git ls-files` lists a sparse index expanded, and merges a split one.
fn from_git(repo: &Repo, mtime: (i64, u32)) -> Result<UserIndex> {
    // Else git would leave the flag off entries whose file happens to lie on disk, and they would look deleted once it is gone.
    let as_written = ["-c", "sparse.expectFilesOutsideOfPatterns=true"];
    let list = ["ls-files", "--stage", "--debug", "-z"];
    let out = Git::new(repo).args(as_written).args(list).run("read the index")?;
    let mut read = UserIndex { mtime, ..UserIndex::default() };
    let bad = || Error::Damaged { what: "what git ls-files said of the index".to_owned() };
    let mut rest = out.as_slice();
    while !rest.is_empty() {
        // "<mode> <id> <stage>\t<path>\0", then five indented lines, the last of which ends in "flags: <hex>".
        let (head, after) = rest.split_once_str("\t").ok_or_else(bad)?;
        let (path, after) = after.split_once_str("\0").ok_or_else(bad)?;
        let (_, after) = after.split_once_str("flags: ").ok_or_else(bad)?;
        let (flags, after) = after.split_once_str("\n").ok_or_else(bad)?;
        rest = after;
        let mut words = head.to_str().map_err(|_| bad())?.split(' ');
        let mut word = || words.next().ok_or_else(bad);
        let mode = FileMode::from_raw(u32::from_str_radix(word()?, 8).map_err(|_| bad())?)?;
        let oid = Oid::parse(word()?)?;
        let stage: u8 = word()?.parse().map_err(|_| bad())?;
        let flags = flags.to_str().ok().and_then(|f| u32::from_str_radix(f, 16).ok()).ok_or_else(bad)?;
        let path = RepoPath::new(path)?;
        if stage != 0 {
            read.conflicts.push((stage, path, mode, oid));
            continue;
        }
        read.entries.push(IndexEntry {
            path,
            mode,
            oid,
            stat: None,
            skip_worktree: flags & u32::from(SKIP_WORKTREE) << 16 != 0,
            assume_unchanged: flags & u32::from(ASSUME_UNCHANGED) != 0,
            intent_to_add: flags & u32::from(INTENT_TO_ADD) << 16 != 0,
        });
    }
    Ok(read)
}

/// Writes the staged entries as a tree (intent-to-add entries left out); the index file is not touched.
pub fn staged_tree(repo: &Repo, index: &UserIndex) -> Result<Oid> {
    if let Some(tree) = index.tree.filter(|tree| repo.objects.exists(*tree)) {
        return Ok(tree);
    }
    // What libgit2 writes by itself others could not add to, where they are to.
    let by_libgit2 = !repo.shared.is_on();
    if by_libgit2 && index.conflicts.is_empty() && !index.entries.iter().any(|e| e.intent_to_add) {
        // What git wrote down of the folders that did not change is good for them. Refused where an object is missing (a
        // partial clone) and where libgit2 cannot read the index; then the entries are put together.
        let path = repo.git_dir.join("index");
        let own = git2::Index::open_ext(&path, repo.caps.object_format.git2());
        let tree = own.and_then(|mut own| own.write_tree_to(&repo.objects.repo));
        // It must have been the file that the entries are from.
        let is_same =
            |meta: &std::fs::Metadata| (meta.ino(), meta.len()) == index.file && mtime_of(meta) == index.mtime;
        if let (Ok(tree), Ok(true)) = (tree, std::fs::metadata(path).map(|meta| is_same(&meta))) {
            return Ok(Oid::from_git2(tree));
        }
    }
    let staged = index.entries.iter().filter(|e| !e.intent_to_add);
    build(repo, staged.map(|e| (e.path.clone(), Some((e.mode, e.oid)))).collect())
}

/// Writes the entries of one conflict stage (1, 2 or 3) as a tree; `None` where there are none.
pub fn conflict_tree(repo: &Repo, index: &UserIndex, stage: u8) -> Result<Option<Oid>> {
    let of_stage = index.conflicts.iter().filter(|(s, ..)| *s == stage);
    let edits: Vec<_> = of_stage.map(|(_, path, mode, oid)| (path.clone(), Some((*mode, *oid)))).collect();
    if edits.is_empty() { Ok(None) } else { build(repo, edits).map(Some) }
}

/// Writes the intent-to-add entries as a tree of empty files; `None` where there are none.
pub fn intended_tree(repo: &Repo, index: &UserIndex) -> Result<Option<Oid>> {
    let mut intended = index.entries.iter().filter(|e| e.intent_to_add).peekable();
    if intended.peek().is_none() {
        return Ok(None);
    }
    let empty = repo.objects.write_blob(b"")?;
    build(repo, intended.map(|e| (e.path.clone(), Some((e.mode, empty)))).collect()).map(Some)
}

fn build(repo: &Repo, edits: Vec<tree::Edit>) -> Result<Oid> {
    tree::edit(&repo.objects, repo.caps.object_format.empty_tree(), edits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::matrix::Bench;

    /// `git write-tree` on a copy of the index.
    fn git_write_tree(bench: &Bench) -> String {
        bench.git(&["write-tree"])
    }

    #[test]
    fn the_staged_tree_is_that_of_git() {
        for bench in Bench::all() {
            bench.write("new/deep/file", "staged\n");
            bench.write("a", "changed and staged\n");
            bench.git(&["add", "-A"]);
            bench.git(&["rm", "-q", "--cached", "dir/b"]);
            bench.git(&["update-index", "--chmod=+x", "a"]);
            bench.write("intent", "later\n");
            bench.git(&["add", "-N", "intent"]);
            let repo = bench.repo();
            let index = read(&repo).expect("reads");
            let names: Vec<_> = index.entries.iter().map(|e| (e.path.to_string(), e.intent_to_add)).collect();
            let wanted = [("a", false), ("intent", true), ("new/deep/file", false)].map(|(p, i)| (p.to_owned(), i));
            assert_eq!(names, wanted, "{}", bench.kind);
            assert!(index.entries[0].stat.is_some_and(|s| s.size == 19 && s.mtime_seconds > 0));
            assert_eq!(
                staged_tree(&repo, &index).expect("writes").to_string(),
                git_write_tree(&bench),
                "{}",
                bench.kind
            );
        }
    }

    #[test]
    fn split_and_sparse_indexes_are_read_by_git_and_say_the_same() {
        for (hash, refs) in [("sha1", "files"), ("sha256", "reftable")] {
            let bench = Bench::new(hash, refs, false);
            bench.write("out/side", "x\n");
            bench.write("assumed", "y\n");
            bench.git(&["add", "-A"]);
            bench.git(&["commit", "-q", "-m", "more"]);
            bench.git(&["update-index", "--assume-unchanged", "assumed"]);
            bench.write("intent", "later\n");
            bench.git(&["add", "-N", "intent"]);
            let plain = read(&bench.repo()).expect("reads");
            bench.git(&["update-index", "--split-index"]);
            let split = read(&bench.repo()).expect("reads");
            let facts = |index: &UserIndex| {
                let fact = |e: &IndexEntry| (e.path.clone(), e.mode, e.oid, e.assume_unchanged, e.intent_to_add);
                index.entries.iter().map(fact).collect::<Vec<_>>()
            };
            assert_eq!(facts(&split), facts(&plain));
            assert!(split.entries.iter().all(|e| e.stat.is_none()), "git was asked");
            bench.git(&["update-index", "--no-split-index"]);
            bench.git(&["sparse-checkout", "set", "--cone", "--sparse-index", "dir"]);
            let sparse = read(&bench.repo()).expect("reads");
            assert!(sparse.entries.iter().all(|e| e.stat.is_none()), "git was asked");
            let skipped: Vec<_> =
                sparse.entries.iter().filter(|e| e.skip_worktree).map(|e| e.path.to_string()).collect();
            assert_eq!(skipped, ["out/side"]);
            assert_eq!(facts(&sparse), facts(&plain));
        }
    }

    #[test]
    fn conflict_stages_are_trees_of_their_own() {
        let bench = Bench::plain();
        bench.git(&["checkout", "-q", "-b", "other"]);
        bench.write("a", "theirs\n");
        bench.git(&["commit", "-q", "-a", "-m", "theirs"]);
        bench.git(&["checkout", "-q", "main"]);
        bench.write("a", "ours\n");
        bench.git(&["commit", "-q", "-a", "-m", "ours"]);
        bench.git_with(&["merge", "other"], Vec::new());
        let repo = bench.repo();
        let index = read(&repo).expect("reads");
        assert_eq!(index.entries.iter().map(|e| e.path.to_string()).collect::<Vec<_>>(), ["dir/b"]);
        for (stage, content) in [(1, "a\n"), (2, "ours\n"), (3, "theirs\n")] {
            let tree = conflict_tree(&repo, &index, stage).expect("writes").expect("is there");
            let path = RepoPath::new("a").expect("a path");
            let (_, oid) = tree::lookup(&repo.objects, tree, &path).expect("looks").expect("is there");
            assert_eq!(repo.objects.read_blob(oid).expect("reads"), content.as_bytes());
        }
        assert_eq!(conflict_tree(&Bench::plain().repo(), &UserIndex::default(), 1).expect("none"), None);
    }

    #[test]
    fn no_index_is_an_empty_index() {
        let bench = Bench::plain();
        std::fs::remove_file(bench.top.join(".git/index")).expect("removes");
        let repo = bench.repo();
        let index = read(&repo).expect("reads");
        assert!(index.entries.is_empty());
        assert_eq!(staged_tree(&repo, &index).expect("writes"), repo.objects.format().empty_tree());
    }
}

//! Blobs, trees and commits, always by libgit2, of either object format.
//!
//! Reads of a missing object are [`Error::Missing`]; of a damaged one [`Error::Damaged`]. Writes are loose objects and
//! harmless when nothing comes to refer to them. Trees and commits are encoded and decoded here (`tree_codec`,
//! `commit_codec`): libgit2's own writers want text in UTF-8 and, in a partial clone, blobs that a promisor still owes.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bstr::BString;
use git2::{ErrorCode, ObjectType, OdbLookupFlags};
use rayon::prelude::*;

use super::kept::Kept;
use super::reader::{Reader, expect_kind, unreadable};
use super::repo::RepoEnv;
use super::tree_names::TreeNames;
use super::{Error, ObjectFormat, Oid, Result, Shared, TreeEntry, commit_codec, loose, tree_codec};
use crate::base::Timestamp;

/// Who made a commit, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Name; need not be UTF-8.
    pub name: BString,
    /// Address; need not be UTF-8.
    pub email: BString,
    /// When, to the second.
    pub time: Timestamp,
    /// Minutes east of UTC.
    pub offset: i32,
}

/// A commit as read.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Its id.
    pub id: Oid,
    /// Its tree.
    pub tree: Oid,
    /// Its parents, in order.
    pub parents: Vec<Oid>,
    /// Who wrote it.
    pub author: Signature,
    /// Who stored it.
    pub committer: Signature,
    /// What its message is encoded in, where the commit says so.
    pub encoding: Option<BString>,
    /// The whole message; need not be UTF-8.
    pub message: BString,
}

/// A commit to write. Never signed, no hooks.
#[derive(Clone, Debug)]
pub struct NewCommit<'a> {
    /// Its tree.
    pub tree: Oid,
    /// Its parents, in order.
    pub parents: &'a [Oid],
    /// Who wrote it.
    pub author: &'a Signature,
    /// Who stores it.
    pub committer: &'a Signature,
    /// The whole message.
    pub message: &'a [u8],
}

/// What was asked of the object store; tests assert it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Objects read.
    pub reads: u64,
    /// Objects written, those that existed already too.
    pub writes: u64,
}

/// Reads and writes objects. Stays on its thread.
pub struct Objects {
    pub(super) repo: Rc<git2::Repository>,
    pub(super) format: ObjectFormat,
    folder: PathBuf,
    shared: Shared,
    reads: AtomicU64,
    writes: Cell<u64>,
    /// The same store again, for other threads.
    others: OnceCell<Vec<git2::Odb<'static>>>,
    pub(super) kept: RefCell<Kept>,
    large: Mutex<()>,
    env: RepoEnv,
}

/// Objects that are worth a second thread.
const WORTH_THREADS: usize = 16;
/// Threads that read objects at once.
const MOST_STORES: usize = 8;

impl std::fmt::Debug for Objects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Objects").field("format", &self.format).finish_non_exhaustive()
    }
}

impl ObjectFormat {
    /// The id that these bytes would have as a blob; needs no repository, so any thread may ask.
    pub fn hash_blob(self, bytes: &[u8]) -> Result<Oid> {
        git2::Oid::hash_object_ext(ObjectType::Blob, bytes, self.git2())
            .map(Oid::from_git2)
            .map_err(Error::libgit2("hash some bytes"))
    }
}

impl Objects {
    pub(super) fn new(repo: Rc<git2::Repository>, format: ObjectFormat, env: RepoEnv, shared: Shared) -> Self {
        let folder = repo.commondir().join("objects");
        Self {
            repo,
            format,
            folder,
            shared,
            reads: AtomicU64::new(0),
            writes: Cell::default(),
            others: OnceCell::new(),
            kept: RefCell::default(),
            large: Mutex::default(),
            env,
        }
    }
    /// Gives what libgit2 wrote by itself the permissions of a repository that others use too.
    pub(super) fn written_by_libgit2(&self) -> Result<()> {
        self.shared.adjust_objects(&self.folder)
    }
    /// What was asked through this handle so far.
    pub fn cost(&self) -> Cost {
        Cost { reads: self.reads.load(Ordering::Relaxed), writes: self.writes.get() }
    }
    /// The object format.
    pub fn format(&self) -> ObjectFormat {
        self.format
    }
    /// Whether the object is here (loose, packed or in an alternate).
    pub fn exists(&self, oid: Oid) -> bool {
        self.reader().is_ok_and(|reader| reader.exists(oid))
    }
    /// Size in bytes of a blob, without reading it.
    pub fn blob_size(&self, oid: Oid) -> Result<u64> {
        self.size_of(oid, ObjectType::Blob)
    }
    /// Size in bytes of a tree, without reading it.
    pub fn tree_size(&self, oid: Oid) -> Result<u64> {
        self.size_of(oid, ObjectType::Tree)
    }
    /// Size in bytes of a commit, without reading it.
    pub fn commit_size(&self, oid: Oid) -> Result<u64> {
        self.size_of(oid, ObjectType::Commit)
    }
    fn size_of(&self, oid: Oid, wanted: ObjectType) -> Result<u64> {
        let (size, kind) = self.odb()?.read_header(oid.git2()?).map_err(|e| unreadable(oid, e))?;
        expect_kind(oid, kind, wanted)?;
        Ok(size as u64)
    }
    /// A blob's content.
    pub fn read_blob(&self, oid: Oid) -> Result<Vec<u8>> {
        if let Some((found, content)) = self.kept.borrow().object(oid) {
            expect_kind(oid, found, ObjectType::Blob)?;
            return Ok(content.to_vec());
        }
        let content = self.reader()?.blob(oid)?;
        self.kept.borrow_mut().keep(oid, ObjectType::Blob, &content);
        Ok(content)
    }
    /// The id that these bytes would have as a blob; writes nothing.
    pub fn hash_blob(&self, bytes: &[u8]) -> Result<Oid> {
        self.format.hash_blob(bytes)
    }
    /// The id of the blob of this length that a reader gives, without storing it.
    pub fn hash_from(&self, reader: &mut dyn std::io::Read, length: u64) -> Result<Oid> {
        let io = crate::base::Error::io("read", "the bytes of a file");
        super::digest::blob_from(self.format, reader, length).map_err(io)?
    }
    /// Writes a blob; does nothing where it exists.
    pub fn write_blob(&self, bytes: &[u8]) -> Result<Oid> {
        self.write(ObjectType::Blob, bytes)
    }
    /// Writes blobs that were hashed already, several at a time. One that `is_kept` is held by a tree that something
    /// refers to, so that it need not become young.
    pub fn write_blobs(&self, blobs: &[(Oid, Vec<u8>)], is_kept: impl Fn(usize) -> bool) -> Result<()> {
        self.writes.set(self.writes.get() + blobs.len() as u64);
        let (folder, shared) = (&self.folder, self.shared);
        let here: Vec<bool> = blobs.par_iter().map(|(oid, _)| loose::freshen(folder, *oid)).collect::<Result<_>>()?;
        let odb = self.odb()?;
        let mut new = Vec::new();
        for (n, (oid, bytes)) in blobs.iter().enumerate().filter(|(n, _)| !here[*n]) {
            if !odb.exists_ext(oid.git2()?, OdbLookupFlags::NO_REFRESH) {
                new.push((*oid, bytes));
            } else if !is_kept(n) {
                odb.write(ObjectType::Blob, bytes).map_err(Error::libgit2("write a blob"))?;
            }
        }
        new.into_par_iter().try_for_each(|(oid, bytes)| loose::write(folder, oid, ObjectType::Blob, bytes, shared))
    }
    /// Streams a reader into a blob with constant memory.
    pub fn write_blob_from(&self, reader: &mut dyn std::io::Read) -> Result<Oid> {
        let attempted = "write a blob";
        let mut writer = self.repo.blob_writer(None).map_err(Error::libgit2(attempted))?;
        std::io::copy(reader, &mut writer).map_err(|e| Error::Libgit2 {
            attempted: attempted.to_owned(),
            source: git2::Error::from_str(&e.to_string()),
        })?;
        let oid = writer.commit().map(Oid::from_git2).map_err(Error::libgit2(attempted))?;
        self.written_by_libgit2()?;
        Ok(oid)
    }
    /// The entries of one tree, in git's order. The empty tree's id needs no object.
    pub fn read_tree(&self, oid: Oid) -> Result<Vec<TreeEntry>> {
        if oid == self.format.empty_tree() {
            return Ok(Vec::new());
        }
        tree_codec::decode(oid, &self.read(oid, ObjectType::Tree)?)
    }
    /// The bytes of one tree.
    pub(super) fn tree_bytes(&self, oid: Oid) -> Result<Rc<[u8]>> {
        if oid == self.format.empty_tree() {
            return Ok([].into());
        }
        self.read(oid, ObjectType::Tree)
    }
    /// The names of one tree, to look some up.
    pub(super) fn tree_names(&self, oid: Oid) -> Result<Rc<TreeNames>> {
        if let Some(names) = self.kept.borrow().names(oid) {
            return Ok(names);
        }
        let names = Rc::new(TreeNames::new(oid, self.tree_bytes(oid)?)?);
        self.kept.borrow_mut().keep_names(oid, &names);
        Ok(names)
    }
    /// Writes one tree; entries may be in any order; names that git refuses are an error; an empty list gives the empty tree.
    pub fn write_tree(&self, entries: &[TreeEntry]) -> Result<Oid> {
        self.write(ObjectType::Tree, &tree_codec::encode(self.format, entries)?)
    }
    /// A commit.
    pub fn read_commit(&self, oid: Oid) -> Result<Commit> {
        commit_codec::decode(oid, &self.read(oid, ObjectType::Commit)?)
    }
    /// Writes a commit; its tree and parents must exist.
    ///
    /// # Errors
    /// [`Error::Missing`] where one does not; a message with a NUL byte, which git cuts there.
    pub fn write_commit(&self, commit: &NewCommit<'_>) -> Result<Oid> {
        for oid in std::iter::once(commit.tree).chain(commit.parents.iter().copied()) {
            if !self.exists(oid) {
                return Err(Error::Missing { oid });
            }
        }
        self.write(ObjectType::Commit, &commit_codec::encode(commit)?)
    }
    /// An object id from a unique prefix of at least four hex digits, where it names a commit.
    ///
    /// # Errors
    /// [`Error::AmbiguousOid`] where several objects begin so.
    pub fn commit_by_prefix(&self, prefix: &str) -> Result<Option<Oid>> {
        let full = self.format.id_len() * 2;
        if prefix.len() < 4 || prefix.len() > full || !prefix.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let odb = self.odb()?;
        let found = git2::Oid::from_str_ext(prefix, self.format.git2())
            .and_then(|short| odb.exists_prefix(short, prefix.len()))
            .and_then(|oid| odb.read_header(oid).map(|(_, kind)| (oid, kind)));
        match found {
            Ok((oid, ObjectType::Commit)) => Ok(Some(Oid::from_git2(oid))),
            Ok(_) => Ok(None),
            Err(e) if e.code() == ErrorCode::NotFound => Ok(None),
            Err(e) if e.code() == ErrorCode::Ambiguous => Err(Error::AmbiguousOid { prefix: prefix.to_owned() }),
            Err(e) => Err(Error::libgit2(format!("look up {prefix}"))(e)),
        }
    }
    /// Whether `ancestor` is `of` or reachable from it.
    pub fn is_ancestor(&self, ancestor: Oid, of: Oid) -> Result<bool> {
        if ancestor == of {
            return Ok(true);
        }
        for oid in [ancestor, of] {
            if !self.exists(oid) {
                return Err(Error::Missing { oid });
            }
        }
        self.repo
            .graph_descendant_of(of.git2()?, ancestor.git2()?)
            .map_err(Error::libgit2(format!("walk from {of} to {ancestor}")))
    }

    fn odb(&self) -> Result<git2::Odb<'_>> {
        self.repo.odb().map_err(Error::libgit2("open the object store"))
    }

    /// What reads objects from any thread, by one at a time.
    pub fn reader(&self) -> Result<Reader<'_>> {
        Ok(Reader {
            odb: self.odb()?,
            others: &[],
            folder: &self.folder,
            format: self.format,
            reads: &self.reads,
            large: &self.large,
            git_dir: self.repo.path(),
            env: &self.env,
        })
    }

    /// What reads so many objects: by all threads at once, where that is worth it.
    pub fn reader_of(&self, objects: usize) -> Result<Reader<'_>> {
        if objects < WORTH_THREADS {
            return self.reader();
        }
        // libgit2 takes such a path as text only; where one cannot be opened, fewer do.
        let open = || {
            let odb = git2::Odb::new_ext(self.format.git2()).ok()?;
            odb.add_disk_alternate(self.folder.to_str()?).ok().map(|()| odb)
        };
        let threads = || rayon::current_num_threads().min(MOST_STORES);
        let others = self.others.get_or_init(|| (0..threads()).map_while(|_| open()).collect());
        Ok(Reader { others, ..self.reader()? })
    }

    /// Reads objects several at a time, as far as they can be kept, so that they are at hand when they are asked for. What
    /// cannot be read is told then.
    pub(super) fn read_ahead(&self, oids: &[Oid]) -> Result<()> {
        let wanted: BTreeSet<Oid> = oids.iter().filter(|oid| !self.kept.borrow().has(**oid)).copied().collect();
        if wanted.len() < WORTH_THREADS {
            return Ok(());
        }
        let reader = self.reader_of(wanted.len())?;
        let room = AtomicUsize::new(self.kept.borrow().room());
        let read = |oid: Oid| {
            let content = (room.load(Ordering::Relaxed) > 0).then(|| reader.any(oid).ok())??;
            let _before =
                room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |r| Some(r.saturating_sub(content.1.len())));
            Some((oid, content))
        };
        let read: Vec<_> = wanted.into_par_iter().filter_map(read).collect();
        let mut kept = self.kept.borrow_mut();
        read.into_iter().for_each(|(oid, (kind, content))| kept.keep(oid, kind, &content));
        Ok(())
    }

    fn read(&self, oid: Oid, kind: ObjectType) -> Result<Rc<[u8]>> {
        if let Some((found, content)) = self.kept.borrow().object(oid) {
            expect_kind(oid, found, kind)?;
            return Ok(content);
        }
        let (found, content) = self.reader()?.any(oid)?;
        expect_kind(oid, found, kind)?;
        self.kept.borrow_mut().keep(oid, found, &content);
        Ok(content.into())
    }

    fn write(&self, kind: ObjectType, bytes: &[u8]) -> Result<Oid> {
        self.writes.set(self.writes.get() + 1);
        let attempted = || format!("write a {kind}");
        let id = git2::Oid::hash_object_ext(kind, bytes, self.format.git2()).map_err(Error::libgit2(attempted()))?;
        let oid = Oid::from_git2(id);
        if loose::freshen(&self.folder, oid)? {
            return Ok(oid);
        }
        // Where libgit2 has it in a pack, it freshens that. It would list the packs anew before each object that is new,
        // so those are written here.
        let odb = self.odb()?;
        if odb.exists_ext(id, OdbLookupFlags::NO_REFRESH) {
            odb.write(kind, bytes).map_err(Error::libgit2(attempted()))?;
        } else {
            loose::write(&self.folder, oid, kind, bytes, self.shared)?;
        }
        if kind != ObjectType::Blob {
            self.kept.borrow_mut().keep(oid, kind, bytes);
        }
        Ok(oid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::FileMode;
    use crate::git::matrix::Bench;

    #[test]
    fn objects_of_every_kind_read_back_and_are_those_of_git() {
        for bench in Bench::all() {
            let repo = bench.repo();
            let objects = &repo.objects;
            let blob = objects.write_blob(b"one\n").expect("writes");
            assert_eq!(blob, objects.hash_blob(b"one\n").expect("hashes"));
            let mut reader: &[u8] = b"streamed\n";
            let streamed = objects.write_blob_from(&mut reader).expect("writes");
            assert_eq!(objects.read_blob(streamed).expect("reads"), b"streamed\n");
            assert_eq!(objects.blob_size(blob).expect("reads"), 4);
            let entry = |name: &str, mode, oid| TreeEntry { name: name.into(), mode, oid };
            let inner = objects.write_tree(&[entry("x", FileMode::Executable, blob)]).expect("writes");
            let entries = [
                entry("a", FileMode::Tree, inner),
                entry("a.b", FileMode::File, blob),
                entry("a-b", FileMode::Symlink, streamed),
            ];
            let tree = objects.write_tree(&entries).expect("writes");
            let names: Vec<_> = objects.read_tree(tree).expect("reads").into_iter().map(|e| e.name).collect();
            assert_eq!(names, ["a-b", "a.b", "a"], "folders sort as if they ended in a slash");
            let empty = objects.write_tree(&[]).expect("writes");
            assert_eq!(empty, objects.format().empty_tree());
            let author = Signature {
                name: b"\xff<N\n".into(),
                email: "e@x".into(),
                time: Timestamp::from_seconds(1_700_000_000),
                offset: -210,
            };
            let head = repo.head().expect("reads").commit.expect("born");
            let new =
                NewCommit { tree, parents: &[head], author: &author, committer: &author, message: b"s\n\nb\xff\n" };
            let commit = objects.write_commit(&new).expect("writes");
            let back = objects.read_commit(commit).expect("reads");
            assert_eq!((back.tree, back.parents), (tree, vec![head]));
            assert_eq!(back.message, &b"s\n\nb\xff\n"[..]);
            assert_eq!(back.author, Signature { name: b"\xffN".into(), ..author.clone() });
            assert_eq!(bench.git(&["cat-file", "-t", &commit.to_string()]), "commit", "{}", bench.kind);
            assert!(objects.is_ancestor(head, commit).expect("walks"));
            assert!(!objects.is_ancestor(commit, head).expect("walks"));
            let short = &commit.to_string()[..12];
            assert_eq!(objects.commit_by_prefix(short).expect("looks"), Some(commit));
            assert_eq!(objects.commit_by_prefix(&tree.to_string()).expect("looks"), None);
            assert_eq!(objects.commit_by_prefix("0123456789").expect("looks"), None);
            let keep = crate::git::RefName::branch("keep").expect("valid");
            bench.git(&["update-ref", keep.as_str(), &commit.to_string()]);
            assert_eq!(bench.git(&["fsck", "--strict", "--no-dangling"]), "", "{}", bench.kind);
        }
    }

    #[test]
    fn packed_objects_are_found_after_another_process_packed_them() {
        for bench in Bench::all() {
            let repo = bench.repo();
            let blob = repo.objects.write_blob(b"packed later\n").expect("writes");
            bench.git_with(&["pack-objects", "-q", ".git-none"], Vec::new());
            let pack = repo.common_dir.join("objects/pack/pack");
            bench.git_with(&["pack-objects", "-q", &pack.display().to_string()], format!("{blob}\n").into_bytes());
            bench.git(&["prune-packed"]);
            assert!(repo.objects.exists(blob), "{}", bench.kind);
            assert_eq!(repo.objects.read_blob(blob).expect("reads"), b"packed later\n");
        }
    }

    #[test]
    fn a_missing_object_and_a_damaged_one_are_told_apart() {
        let bench = Bench::plain();
        let repo = bench.repo();
        let absent = repo.objects.hash_blob(b"never written").expect("hashes");
        assert!(matches!(repo.objects.read_blob(absent), Err(Error::Missing { oid }) if oid == absent));
        assert!(!repo.objects.exists(absent));
        let tree = Oid::parse(&bench.git(&["rev-parse", "HEAD^{tree}"])).expect("an id");
        assert!(matches!(repo.objects.read_blob(tree), Err(Error::Damaged { .. })));
        let blob = repo.objects.write_blob(b"will be damaged").expect("writes").to_string();
        let file = repo.common_dir.join("objects").join(&blob[..2]).join(&blob[2..]);
        std::fs::remove_file(&file).expect("removes");
        std::fs::write(&file, b"nonsense").expect("writes");
        let blob = Oid::parse(&blob).expect("an id");
        assert!(matches!(bench.repo().objects.read_blob(blob), Err(Error::Damaged { .. })));
    }

    #[test]
    fn trees_with_names_that_git_refuses_are_not_written() {
        let bench = Bench::plain();
        let repo = bench.repo();
        let oid = repo.objects.write_blob(b"").expect("writes");
        for name in [".git", "a/b", "", "..", "GIT~1"] {
            let entry = TreeEntry { name: name.into(), mode: FileMode::File, oid };
            assert!(repo.objects.write_tree(&[entry]).is_err(), "{name:?}");
        }
        let twice = [FileMode::File, FileMode::Symlink].map(|mode| TreeEntry { name: "a".into(), mode, oid });
        assert!(repo.objects.write_tree(&twice).is_err());
    }
}

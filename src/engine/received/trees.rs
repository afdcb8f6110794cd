//! Trees of a pulled checkpoint: names, depth, length of paths, kinds and sizes of what they hold. A tree is read once.
//!
//! What lies at the same place in the commit that HEAD is at is the user's own and is passed over.

use std::collections::{HashMap, HashSet};

use bstr::{BStr, ByteSlice as _};

use super::budget::{self, Budget};
use super::{Judged, said};
use crate::base::repo_path::is_safe_part;
use crate::git::{FileMode, Oid, Repo, TreeEntry};

/// What a tree is of; decides how large its blobs may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Holds {
    Code,
    Rows,
    Pieces,
    Other,
}

/// What lies below a tree.
#[derive(Clone, Copy, Debug, Default)]
struct Shape {
    /// Files, counted as a restore would write them.
    files: u64,
    /// Bytes of records and pieces.
    bytes: u64,
    /// Bytes of the longest path.
    longest: usize,
    /// Directories within directories.
    depth: usize,
    /// Whether something was passed over, so that this holds in this place only.
    is_partial: bool,
}

impl Shape {
    fn add(&mut self, name: &BStr, below: Self) {
        self.files = self.files.saturating_add(below.files);
        self.bytes = self.bytes.saturating_add(below.bytes);
        let slash = usize::from(below.longest > 0);
        self.longest = self.longest.max(name.len() + slash + below.longest);
        self.depth = self.depth.max(below.depth + 1);
        self.is_partial |= below.is_partial;
    }
}

/// Trees and blobs that were looked at.
#[derive(Debug)]
pub(super) struct Trees<'r> {
    repo: &'r Repo,
    shapes: HashMap<(Oid, Holds), Shape>,
    sizes: HashMap<Oid, u64>,
    sessions: HashSet<Oid>,
    own: Option<Oid>,
}

impl<'r> Trees<'r> {
    /// Of one repository.
    pub fn new(repo: &'r Repo) -> Self {
        let head = repo.head().ok().and_then(|head| head.commit);
        let own = head.and_then(|commit| repo.objects.read_commit(commit).ok()).map(|commit| commit.tree);
        Self { repo, shapes: HashMap::new(), sizes: HashMap::new(), sessions: HashSet::new(), own }
    }

    /// A tree of code.
    pub fn code(&mut self, oid: Oid, budget: &mut Budget) -> Judged<()> {
        let shape = self.tree(oid, Holds::Code, 0, self.own, budget)?;
        if shape.files > budget::MOST_FILES {
            return Err(format!("tree {} holds more than {} files", oid.short(), budget::MOST_FILES));
        }
        limits(oid, shape)
    }

    /// A session tree and what it consists of.
    pub fn session(&mut self, oid: Oid, budget: &mut Budget) -> Judged<()> {
        if self.sessions.contains(&oid) {
            return Ok(());
        }
        let (mut records, mut transcripts) = (0_u64, 0_u64);
        for entry in self.entries(oid, budget)? {
            let name = entry.name.as_bstr();
            let bytes = match (name.as_bytes(), entry.mode) {
                (b"index" | b"index-conflicts" | b"index-intended" | b"raw", FileMode::Tree) => {
                    self.code(entry.oid, budget)?;
                    continue;
                }
                (b"chat", FileMode::Tree) => self.part(entry.oid, Holds::Pieces, budget)?,
                (b"turns", FileMode::Tree) => self.part(entry.oid, Holds::Rows, budget)?,
                (b"chat" | b"turns" | b"index" | b"index-conflicts" | b"index-intended" | b"raw", _) => {
                    return Err(format!("{name:?} in a session tree is no directory"));
                }
                (_, FileMode::File) => self.size(entry.oid)?,
                // A later version may have other parts; they are no code.
                (other, FileMode::Tree) if !is_record(other) => self.part(entry.oid, Holds::Other, budget)?,
                _ => return Err(format!("{name:?} in a session tree is no plain file")),
            };
            if entry.mode != FileMode::Tree && bytes > budget::largest_record(name) {
                return Err(format!("{name:?} in a session tree is larger than any record ({bytes} bytes)"));
            }
            let sum = if name == "chat" { &mut transcripts } else { &mut records };
            *sum = sum.saturating_add(bytes);
        }
        if records > budget::RECORDS {
            return Err(format!("its records have {records} bytes, {} are taken", budget::RECORDS));
        }
        if transcripts > budget::TRANSCRIPTS {
            return Err(format!("its transcripts have {transcripts} bytes, {} are taken", budget::TRANSCRIPTS));
        }
        self.sessions.insert(oid);
        Ok(())
    }

    /// The size of a blob.
    pub fn size(&mut self, blob: Oid) -> Judged<u64> {
        if let Some(size) = self.sizes.get(&blob) {
            return Ok(*size);
        }
        let size = self.repo.objects.blob_size(blob).map_err(said)?;
        self.sizes.insert(blob, size);
        Ok(size)
    }

    fn part(&mut self, oid: Oid, holds: Holds, budget: &mut Budget) -> Judged<u64> {
        let shape = self.tree(oid, holds, 0, None, budget)?;
        limits(oid, shape)?;
        Ok(shape.bytes)
    }

    fn tree(&mut self, oid: Oid, holds: Holds, depth: usize, own: Option<Oid>, budget: &mut Budget) -> Judged<Shape> {
        if own == Some(oid) {
            return Ok(Shape { is_partial: true, ..Shape::default() });
        }
        if let Some(shape) = self.shapes.get(&(oid, holds)) {
            return Ok(*shape);
        }
        if depth > budget::DEEPEST {
            return Err(format!("tree {} is deeper than any path can be", oid.short()));
        }
        let entries = self.entries(oid, budget)?;
        let own: HashMap<_, _> = own
            .and_then(|own| self.repo.objects.read_tree(own).ok())
            .unwrap_or_default()
            .into_iter()
            .map(|entry| (entry.name.clone(), entry))
            .collect();
        let mut shape = Shape::default();
        for entry in &entries {
            let name = entry.name.as_bstr();
            let same = own.get(&entry.name).filter(|own| own.mode == entry.mode).map(|own| own.oid);
            let below = match entry.mode {
                FileMode::Tree => self.tree(entry.oid, holds, depth + 1, same, budget)?,
                FileMode::Gitlink if holds == Holds::Code => Shape { files: 1, ..Shape::default() },
                FileMode::Symlink if holds == Holds::Code && is_gitmodules(name) => {
                    return Err(format!("tree {} has {name:?} as a symbolic link, which git refuses", oid.short()));
                }
                FileMode::File if holds != Holds::Code => self.record(entry, holds)?,
                _ if holds == Holds::Code && same == Some(entry.oid) => {
                    Shape { files: 1, is_partial: true, ..Shape::default() }
                }
                _ if holds == Holds::Code => {
                    // Its object must be a blob.
                    self.size(entry.oid)?;
                    Shape { files: 1, ..Shape::default() }
                }
                _ => return Err(format!("{name:?} in a session tree is no plain file")),
            };
            shape.add(name, below);
        }
        if !shape.is_partial {
            self.shapes.insert((oid, holds), shape);
        }
        Ok(shape)
    }

    /// A row, a piece of a transcript, or what a later version stores.
    fn record(&mut self, entry: &TreeEntry, holds: Holds) -> Judged<Shape> {
        let bytes = self.size(entry.oid)?;
        let (largest, what) = match holds {
            Holds::Rows => (budget::LARGEST_ROW, "row of a turn"),
            Holds::Pieces => (budget::LARGEST_PIECE, "piece of a transcript"),
            Holds::Code | Holds::Other => (budget::largest_record(&entry.name), "record"),
        };
        if bytes > largest {
            return Err(format!("{:?} in a session tree is larger than any {what} ({bytes} bytes)", entry.name));
        }
        Ok(Shape { files: 1, bytes, ..Shape::default() })
    }

    /// The entries of a tree, with names that can be files.
    fn entries(&self, oid: Oid, budget: &mut Budget) -> Judged<Vec<TreeEntry>> {
        let objects = &self.repo.objects;
        if oid != objects.format().empty_tree() && objects.tree_size(oid).map_err(said)? > budget::LARGEST_TREE {
            return Err(format!("tree {} is larger than any directory", oid.short()));
        }
        let entries = objects.read_tree(oid).map_err(said)?;
        budget.entries(entries.len() as u64)?;
        let mut names = HashSet::with_capacity(entries.len());
        for entry in &entries {
            if !is_safe_part(entry.name.as_ref()) || entry.name.len() > budget::LONGEST_NAME {
                let name: String = entry.name.to_str_lossy().chars().take(80).collect();
                return Err(format!("tree {} holds the name {name:?}", oid.short()));
            }
            if !names.insert(&entry.name) {
                return Err(format!("tree {} holds the name {:?} twice", oid.short(), entry.name));
            }
        }
        drop(names);
        Ok(entries)
    }
}

fn limits(oid: Oid, shape: Shape) -> Judged<()> {
    if shape.longest > budget::LONGEST_PATH {
        return Err(format!("tree {} holds a path of {} bytes", oid.short(), shape.longest));
    }
    if shape.depth > budget::DEEPEST {
        return Err(format!("tree {} is deeper than any path can be", oid.short()));
    }
    Ok(())
}

/// Names of records: they are files.
fn is_record(name: &[u8]) -> bool {
    let names: [&[u8]; 8] = [
        b"manifest.json",
        b"session.json",
        b"state.json",
        b"skipped.json",
        b"memory.md",
        b"modes",
        b"exclude",
        b"filters",
    ];
    names.contains(&name)
}

/// Whether some file system takes this name for `.gitmodules`.
fn is_gitmodules(name: &BStr) -> bool {
    // HFS+ ignores some characters that cannot be seen; NTFS blanks and dots at the end, and has short names.
    let ignored =
        |c: char| matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}');
    let text: String = name.to_str_lossy().chars().filter(|c| !ignored(*c)).collect::<String>().to_lowercase();
    let text = text.split(':').next().unwrap_or_default().trim_end_matches(['.', ' ']);
    text == ".gitmodules" || text.starts_with("gitmod~") || text.starts_with("gi7eba~")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_gitmodules_is_known() {
        for name in [
            ".gitmodules",
            ".GitModules",
            ".gitmodules. ",
            ".git\u{200c}modules",
            "GITMOD~1",
            "gi7eba~1",
            ".gitmodules::$DATA",
        ] {
            assert!(is_gitmodules(name.into()), "{name:?}");
        }
        for name in ["gitmodules", ".gitmodule", ".gitignore", ".gitmodules.bak"] {
            assert!(!is_gitmodules(name.into()), "{name:?}");
        }
    }
}

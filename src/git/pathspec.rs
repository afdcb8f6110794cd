//! git's pathspecs: which paths a person means by the words after `--`.
//!
//! A word is a path or a glob relative to the directory of the command, or absolute, also through links that lead to the work
//! tree; `:(top,literal,glob,icase,exclude)` and the short forms `:/`, `:!`, `:^` are known. `:(attr)` is not, and is refused.
//! The rules are those of git's `pathspec.c` and `dir.c`; the tests ask git itself.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use bstr::{BString, ByteSlice as _};

use super::wildmatch::{self, Flags};
use super::{FileMode, Objects, Oid, Result, tree};
use crate::base::{Error as BaseError, RepoPath};

/// A list of such words. Without any it means everything.
#[derive(Clone, Debug, Default)]
pub struct Pathspec {
    specs: Vec<Spec>,
}

#[derive(Clone, Debug)]
struct Spec {
    /// As typed.
    given: BString,
    /// From the top of the work tree; empty for all of it.
    pattern: Vec<u8>,
    /// Bytes before the first special one.
    literal: usize,
    /// Bytes that came from the directory of the command: their case counts always.
    prefix: usize,
    /// `*` stops at a slash.
    pathname: bool,
    fold_case: bool,
    exclude: bool,
}

/// What stands before a pattern.
#[derive(Clone, Copy, Debug, Default)]
struct Magic {
    top: bool,
    literal: bool,
    glob: bool,
    icase: bool,
    exclude: bool,
}

impl Pathspec {
    /// Reads words as typed in the directory `cwd`, for the work tree at `root`; both are real paths.
    ///
    /// # Errors
    /// An empty word, magic that is unknown, a path outside of the work tree or inside git's own directory.
    pub fn parse<'a>(root: &Path, cwd: &Path, words: impl IntoIterator<Item = &'a OsStr>) -> Result<Self> {
        let specs = words.into_iter().map(|word| Spec::parse(root, cwd, word.as_bytes()));
        let mut specs: Vec<Spec> = specs.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
        // Only exclusions: from everything.
        if !specs.is_empty() && specs.iter().all(|spec| spec.exclude) {
            specs.push(Spec::everything());
        }
        Ok(Self { specs })
    }

    /// Exactly these paths and what is below them.
    pub fn of_paths(paths: &[RepoPath]) -> Self {
        let spec = |path: &RepoPath| Spec {
            given: path.as_bytes().into(),
            pattern: path.as_bytes().to_vec(),
            literal: path.as_bytes().len(),
            ..Spec::everything()
        };
        Self { specs: paths.iter().map(spec).collect() }
    }

    /// Whether no word was given.
    pub fn is_empty(&self) -> bool {
        self.specs.is_empty()
    }

    /// Whether a file at this path is meant.
    pub fn matches(&self, path: &RepoPath) -> bool {
        let any = |exclude| self.specs.iter().any(|spec| spec.exclude == exclude && spec.matches(path.as_bytes()));
        self.specs.is_empty() || any(false) && !any(true)
    }

    /// The words, as typed, that no file of any of these trees matches. A tree is read only while a word is open.
    ///
    /// # Errors
    /// A tree that cannot be read.
    pub fn unmatched(&self, objects: &Objects, trees: impl Iterator<Item = Result<Oid>>) -> Result<Vec<BString>> {
        let mut open: Vec<&Spec> = self.specs.iter().filter(|spec| !spec.exclude && !spec.pattern.is_empty()).collect();
        let mut seen = HashSet::new();
        for root in trees {
            let root = root?;
            if open.is_empty() {
                break;
            }
            if !seen.insert(root) {
                continue;
            }
            let listed = match open.iter().all(|spec| spec.is_literal()) {
                true => Vec::new(),
                false => tree::list_files(objects, root)?,
            };
            let mut rest = Vec::new();
            for spec in open {
                let found = match spec.is_literal() {
                    true => spec.is_in(objects, root)?,
                    false => listed.iter().any(|(path, _, _)| spec.matches(path.as_bytes())),
                };
                if !found {
                    rest.push(spec);
                }
            }
            open = rest;
        }
        Ok(open.into_iter().map(|spec| spec.given.clone()).collect())
    }
}

impl Spec {
    fn everything() -> Self {
        Self {
            given: BString::default(),
            pattern: Vec::new(),
            literal: 0,
            prefix: 0,
            pathname: false,
            fold_case: false,
            exclude: false,
        }
    }

    /// One word; `None` for `:`, which means that there is none.
    fn parse(root: &Path, cwd: &Path, word: &[u8]) -> Result<Option<Self>> {
        if word == b":" {
            return Ok(None);
        }
        let (magic, rest) = Magic::parse(word)?;
        if rest.is_empty() && !magic.top && !magic.exclude {
            return Err(bad(word, "a path (`.` means all of this directory)"));
        }
        let (pattern, prefix) = if magic.top { (tidy(word, rest)?, 0) } else { from_top(root, cwd, word, rest)? };
        let special = pattern.iter().position(|byte| wildmatch::is_special(*byte)).filter(|_| !magic.literal);
        let literal = special.unwrap_or(pattern.len()).max(prefix);
        if literal == pattern.len() && !pattern.is_empty() {
            // Refuses what no file of a work tree can be, such as git's own directory.
            RepoPath::new(pattern.strip_suffix(b"/").unwrap_or(&pattern))?;
        }
        Ok(Some(Self {
            given: word.into(),
            pattern,
            literal,
            prefix,
            pathname: magic.glob,
            fold_case: magic.icase,
            exclude: magic.exclude,
        }))
    }

    /// Whether it is a plain path, which can be looked up.
    fn is_literal(&self) -> bool {
        self.literal == self.pattern.len() && !self.fold_case
    }

    fn is_in(&self, objects: &Objects, root: Oid) -> Result<bool> {
        let directory = self.pattern.strip_suffix(b"/");
        let path = RepoPath::new(directory.unwrap_or(&self.pattern))?;
        let found = tree::lookup(objects, root, &path)?;
        Ok(found.is_some_and(|(mode, _)| directory.is_none() || matches!(mode, FileMode::Tree | FileMode::Gitlink)))
    }

    fn matches(&self, path: &[u8]) -> bool {
        let pattern = self.pattern.as_slice();
        if pattern.is_empty() {
            return true;
        }
        // The path itself, or a directory above it, by its letters.
        if path.len() >= pattern.len() && self.is_same(&path[..pattern.len()], pattern) {
            let rest = &path[pattern.len()..];
            if rest.is_empty() || rest[0] == b'/' || pattern.ends_with(b"/") {
                return true;
            }
        }
        let literal = self.literal;
        if literal >= pattern.len() || path.len() < literal || !self.is_same(&path[..literal], &pattern[..literal]) {
            return false;
        }
        let flags = Flags { pathname: self.pathname, fold_case: self.fold_case };
        wildmatch::matches(&pattern[literal..], &path[literal..], flags)
    }

    /// Whether two stretches of the same length from the top are the same.
    fn is_same(&self, path: &[u8], pattern: &[u8]) -> bool {
        if !self.fold_case {
            return path == pattern;
        }
        let prefix = self.prefix.min(pattern.len());
        path[..prefix] == pattern[..prefix] && path[prefix..].eq_ignore_ascii_case(&pattern[prefix..])
    }
}

impl Magic {
    /// What stands before the pattern, and the pattern.
    fn parse(word: &[u8]) -> Result<(Self, &[u8])> {
        let mut magic = Self::default();
        let Some(rest) = word.strip_prefix(b":") else { return Ok((magic, word)) };
        if let Some(long) = rest.strip_prefix(b"(") {
            let end = long.find_byte(b')').ok_or_else(|| bad(word, "a pathspec: there is no `)`"))?;
            for name in long[..end].split(|byte| *byte == b',').filter(|name| !name.is_empty()) {
                match name {
                    b"top" => magic.top = true,
                    b"literal" => magic.literal = true,
                    b"glob" => magic.glob = true,
                    b"icase" => magic.icase = true,
                    b"exclude" => magic.exclude = true,
                    _ => {
                        return Err(bad(
                            word,
                            "a pathspec known here: of the words in `:(...)` top, literal, glob, icase and exclude are",
                        ));
                    }
                }
            }
            if magic.literal && magic.glob {
                return Err(bad(word, "a pathspec: `literal` and `glob` exclude each other"));
            }
            return Ok((magic, &long[end + 1..]));
        }
        let mut at = 0;
        while let Some(byte) = rest.get(at).filter(|byte| b"!\"#%&',-/:;<=>@_`~^".contains(byte)) {
            at += 1;
            match byte {
                b':' => break,
                b'/' => magic.top = true,
                b'!' | b'^' => magic.exclude = true,
                _ => return Err(bad(word, "a pathspec known here: of the short forms `:/`, `:!` and `:^` are")),
            }
        }
        Ok((magic, &rest[at..]))
    }
}

/// A pattern below a directory that is the top: without `.` and `..`.
fn tidy(word: &[u8], pattern: &[u8]) -> Result<Vec<u8>> {
    let slash = pattern.ends_with(b"/");
    let path = normal(Path::new(OsStr::from_bytes(pattern))).ok_or_else(|| outside(word))?;
    Ok(with_slash(path.as_os_str().as_bytes(), slash))
}

/// The pattern from the top, and how many bytes of it came from the directory of the command.
fn from_top(root: &Path, cwd: &Path, word: &[u8], pattern: &[u8]) -> Result<(Vec<u8>, usize)> {
    let typed = Path::new(OsStr::from_bytes(pattern));
    let whole = normal(&cwd.join(typed)).ok_or_else(|| outside(word))?;
    let below = below(root, &whole).ok_or_else(|| outside(word))?;
    let here = cwd.strip_prefix(root).unwrap_or(Path::new(""));
    let shared = match typed.is_absolute() {
        true => PathBuf::new(),
        false => here.components().zip(below.components()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect(),
    };
    let bytes = with_slash(below.as_os_str().as_bytes(), pattern.ends_with(b"/"));
    let shared = shared.as_os_str().len();
    let prefix = if shared == 0 { 0 } else { (shared + 1).min(bytes.len()) };
    Ok((bytes, prefix))
}

fn with_slash(path: &[u8], slash: bool) -> Vec<u8> {
    if slash && !path.is_empty() { [path, b"/"].concat() } else { path.to_vec() }
}

/// Without `.` and `..`, by text alone: the path may be gone. `None` where it leaves what it is relative to.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                if !out.pop() {
                    return None;
                }
            }
            other => out.push(other),
        }
    }
    Some(out)
}

/// The part below the root, also where the way to the root leads through links: the outermost directory that is it decides.
fn below(root: &Path, path: &Path) -> Option<PathBuf> {
    if let Ok(rest) = path.strip_prefix(root) {
        return Some(rest.to_owned());
    }
    let mut above: Vec<&Path> = path.ancestors().collect();
    above.reverse();
    let top = above.into_iter().find(|above| above.canonicalize().is_ok_and(|real| real == root))?;
    path.strip_prefix(top).ok().map(Path::to_owned)
}

fn outside(word: &[u8]) -> super::Error {
    BaseError::BadPath { path: word.to_str_lossy().into_owned() }.into()
}

fn bad(word: &[u8], wanted: &'static str) -> super::Error {
    BaseError::BadText { text: word.to_str_lossy().into_owned(), wanted }.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::cli::Git;
    use crate::git::matrix::Bench;

    fn words<'a>(words: &'a [&str]) -> Vec<&'a OsStr> {
        words.iter().map(OsStr::new).collect()
    }

    const FILES: [&str; 18] = [
        "a",
        "b.txt",
        "B.TXT",
        "x*y",
        "xzy",
        "[a]",
        "back\\slash",
        "dir/a",
        "dir/b.txt",
        "dir/sub/a",
        "dir/sub/deep/b.txt",
        "Dir/a",
        "di/r",
        "d*r/a",
        "d*r/z",
        "spa ce/a",
        ":colon",
        "!bang",
    ];

    #[test]
    fn a_word_means_the_files_that_git_lists_for_it() {
        let bench = Bench::plain();
        bench.git(&["rm", "-rfq", "."]);
        for file in FILES {
            bench.write(file, file);
        }
        bench.git(&["add", "-A"]);
        let tree = Oid::parse(bench.git(&["write-tree"]).trim()).expect("an id");
        let repo = bench.repo();
        let root = repo.work_dir().expect("has one");
        let link = bench.top.with_file_name("link");
        std::os::unix::fs::symlink(root, &link).expect("links");
        let absolute = |base: &Path, rest: &str| base.join(rest).to_str().expect("text").to_owned();
        let (direct, linked) = (absolute(root, "dir/*.txt"), absolute(&link, "dir/sub"));
        let lists: Vec<Vec<&str>> = [
            "a",
            "dir",
            "dir/",
            "a/",
            "*",
            "*.txt",
            "dir/*",
            "d*",
            "d*r",
            "d*r/a",
            "d?r",
            "x*y",
            "[a]",
            "\\[a\\]",
            "x\\*y",
            ".",
            "./a",
            "dir/../a",
            "dir//a",
            ":/a",
            ":(top)dir/*.txt",
            ":(glob)*.txt",
            ":(glob)dir/*",
            ":(glob)**/a",
            ":(glob)dir/**",
            ":(icase)b.txt",
            ":(icase)DIR",
            ":(icase,glob)d*/A",
            ":(literal)x*y",
            ":(literal)d*r",
            "spa ce",
            ":(literal):colon",
            ":(top,literal)!bang",
            "di",
            "no",
            "no*",
            "dir/no",
            ":(glob)no/**",
            ":",
            direct.as_str(),
            linked.as_str(),
        ]
        .into_iter()
        .map(|word| vec![word])
        .chain([
            vec!["dir", ":!dir/sub"],
            vec![":^*.txt"],
            vec![":(exclude)dir", ":!d*r"],
            vec!["a", "typo", "dir/x"],
            vec![":!typo", "a"],
            vec!["dir", ":(exclude,icase)DIR/A"],
        ])
        .collect();
        for here in ["", "dir", "d*r"] {
            let cwd = root.join(here);
            for list in &lists {
                let mut args = vec!["-C", cwd.to_str().expect("text"), "ls-files", "-z", "--full-name", "--"];
                args.extend(list);
                let listed = bench.git(&args);
                let mut git: Vec<&str> = listed.split_terminator('\0').collect();
                git.sort_unstable();
                let spec = Pathspec::parse(root, &cwd, words(list)).expect("reads");
                let path = |text: &&str| spec.matches(&RepoPath::new(*text).expect("a path"));
                let mut ours: Vec<&str> = FILES.into_iter().filter(path).collect();
                ours.sort_unstable();
                // What is not said means the directory to `ls-files`, and all of the work tree to us as to `git checkout`.
                let says_nothing = list == &[":"]
                    || list
                        .iter()
                        .all(|word| word.starts_with(":!") || word.starts_with(":^") || word.starts_with(":(ex"));
                if here.is_empty() || !says_nothing {
                    assert_eq!(ours, git, "{list:?} in {here:?}");
                }
                args.insert(3, "--error-unmatch");
                let asked = Git::bare(&bench.top, &bench.env).args(args.iter().copied()).output().expect("git runs");
                let fails = asked.code != Some(0);
                let unmatched = spec.unmatched(&repo.objects, std::iter::once(Ok(tree))).expect("reads");
                assert_eq!(!unmatched.is_empty(), fails, "{list:?} in {here:?}: {unmatched:?}");
            }
        }
    }

    #[test]
    fn unmatched_words_are_all_named_and_any_tree_counts() {
        let bench = Bench::plain();
        bench.write("one", "1");
        bench.git(&["add", "-A"]);
        let first = Oid::parse(bench.git(&["write-tree"]).trim()).expect("an id");
        bench.git(&["mv", "one", "two"]);
        let second = Oid::parse(bench.git(&["write-tree"]).trim()).expect("an id");
        let repo = bench.repo();
        let root = repo.work_dir().expect("has one");
        let spec = Pathspec::parse(root, root, words(&["one", "two", "typo", "no*", ":!nothing"])).expect("reads");
        let trees = [first, second].into_iter().map(Ok);
        assert_eq!(spec.unmatched(&repo.objects, trees).expect("reads"), ["typo", "no*"]);
    }

    #[test]
    fn what_is_no_pathspec_is_refused() {
        let bench = Bench::plain();
        let repo = bench.repo();
        let root = repo.work_dir().expect("has one");
        for word in [
            "",
            "../x",
            "/",
            "/nowhere/x",
            ".git",
            ".git/config",
            "a/.git/x",
            ":(top",
            ":(attr:x)a",
            ":(new)a",
            ":%a",
            ":(glob,literal)a",
            ":/../x",
        ] {
            assert!(Pathspec::parse(root, root, words(&[word])).is_err(), "{word}");
        }
    }
}

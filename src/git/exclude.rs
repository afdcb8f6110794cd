//! git's ignore decision: nested `.gitignore`, `info/exclude`, `core.excludesFile`, `!` rules, case.
//!
//! The caller walks and tells which folder's rules apply, so that the same matcher judges the work tree on disk and
//! the rules as they stand in a tree (what a restore would bring back). Tracked files are never asked about.

use std::collections::HashMap;
use std::rc::Rc;

use super::exclude_rules::{Rules, Verdict};
use super::{Repo, Result, outside_rules};
use crate::base::RepoPath;
use crate::base::supplied::{self, Links};

/// Where the text of a folder's `.gitignore` comes from. Folder `None` is the top.
pub type Source<'a> = dyn Fn(Option<&RepoPath>) -> Result<Option<Vec<u8>>> + 'a;

/// The rules of one repository. Folders' rules are read when first needed and kept.
pub struct Exclude<'a> {
    source: &'a Source<'a>,
    fold_case: bool,
    /// `info/exclude`, then the user's file: asked when no folder's rules decide.
    general: Vec<Rules>,
    /// Their text.
    general_text: Vec<u8>,
    /// The same rules as one text.
    outside: Vec<u8>,
    /// By folder; `None` where it has no rules.
    folders: HashMap<Option<RepoPath>, Option<Rc<Rules>>>,
    /// Whether a folder is ignored, itself or with one above it.
    ignored_folders: HashMap<RepoPath, bool>,
}

impl std::fmt::Debug for Exclude<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exclude").field("folders", &self.folders.len()).finish_non_exhaustive()
    }
}

impl<'a> Exclude<'a> {
    /// Rules of the user and of the repository, and `.gitignore` files as `source` gives them.
    pub fn new(repo: &Repo, source: &'a Source<'a>) -> Result<Self> {
        let fold_case = repo.config.bool("core.ignoreCase")?.unwrap_or(false);
        let users = repo.config.user_file("core.excludesFile", "ignore")?;
        let (mut general, mut general_text) = (Vec::new(), vec![u8::from(fold_case)]);
        let mut texts = Vec::new();
        for path in std::iter::once(repo.common_dir.join("info/exclude")).chain(users) {
            if let Some(text) = supplied::read_rules(&path, Links::Follow)? {
                general.push(Rules::parse(&text, fold_case));
                general_text.extend_from_slice(&text.len().to_le_bytes());
                general_text.extend_from_slice(&text);
                texts.push(text);
            }
        }
        let outside = outside_rules::one_text(texts.iter().rev().map(Vec::as_slice));
        let (folders, ignored_folders) = (HashMap::new(), HashMap::new());
        Ok(Self { source, fold_case, general, general_text, outside, folders, ignored_folders })
    }

    /// With other rules than those that lie outside of the tree now: as [`Self::outside_rules`] gave them once.
    pub fn as_recorded(repo: &Repo, source: &'a Source<'a>, outside: &[u8]) -> Result<Self> {
        let fold_case = repo.config.bool("core.ignoreCase")?.unwrap_or(false);
        let general = vec![Rules::parse(outside, fold_case)];
        let (general_text, outside) = (Vec::new(), outside.to_vec());
        let (folders, ignored_folders) = (HashMap::new(), HashMap::new());
        Ok(Self { source, fold_case, general, general_text, outside, folders, ignored_folders })
    }

    /// The rules that lie outside of the tree as one text, without what decides nothing; empty where there are none.
    pub fn outside_rules(&self) -> &[u8] {
        &self.outside
    }

    /// Whether git would ignore an untracked file or folder at `path`, by its own rules or because a folder above it is ignored.
    pub fn is_ignored(&mut self, path: &RepoPath, is_dir: bool) -> Result<bool> {
        if let Some(folder) = path.parent()
            && self.is_ignored_folder(&folder)?
        {
            return Ok(true);
        }
        self.is_ignored_here(path, is_dir)
    }

    /// All that the decision depends on besides `.gitignore` files: when it is the same, so are the rules.
    pub fn general_text(&self) -> &[u8] {
        &self.general_text
    }

    /// Whether a folder is ignored, by its own rules or because one above it is. Cheap for many in one folder.
    pub fn is_ignored_folder(&mut self, folder: &RepoPath) -> Result<bool> {
        if let Some(known) = self.ignored_folders.get(folder) {
            return Ok(*known);
        }
        // From the top down: nothing below an ignored folder is looked at, not even its rules.
        let mut chain: Vec<RepoPath> = folder.ancestors().collect();
        chain.reverse();
        chain.push(folder.clone());
        let mut ignored = false;
        for folder in chain {
            ignored = match self.ignored_folders.get(&folder) {
                Some(known) => *known,
                None => ignored || self.is_ignored_here(&folder, true)?,
            };
            self.ignored_folders.insert(folder, ignored);
        }
        Ok(ignored)
    }

    /// The same, when the caller knows that no folder above is ignored (a walk from the top down). Cheaper.
    pub fn is_ignored_here(&mut self, path: &RepoPath, is_dir: bool) -> Result<bool> {
        let full = path.as_bytes();
        let mut folder = path.parent();
        loop {
            let below = folder.as_ref().map_or(0, |f| f.as_bytes().len() + 1);
            if let Some(rules) = self.rules_of(&folder)? {
                match rules.judge(&full[below..], is_dir) {
                    Verdict::Ignored => return Ok(true),
                    Verdict::Kept => return Ok(false),
                    Verdict::Silent => {}
                }
            }
            match folder {
                Some(inner) => folder = inner.parent(),
                None => break,
            }
        }
        let verdicts = self.general.iter().map(|rules| rules.judge(full, is_dir));
        Ok(verdicts.into_iter().find(|v| *v != Verdict::Silent) == Some(Verdict::Ignored))
    }

    fn rules_of(&mut self, folder: &Option<RepoPath>) -> Result<Option<Rc<Rules>>> {
        if let Some(known) = self.folders.get(folder) {
            return Ok(known.clone());
        }
        let text = (self.source)(folder.as_ref())?;
        let rules = text.map(|text| Rules::parse(&text, self.fold_case)).filter(|rules| !rules.is_empty()).map(Rc::new);
        self.folders.insert(folder.clone(), rules.clone());
        Ok(rules)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::git::matrix::Bench;

    /// Reads `.gitignore` files of the work tree.
    fn on_disk(bench: &Bench) -> impl Fn(Option<&RepoPath>) -> Result<Option<Vec<u8>>> {
        let top = bench.top.clone();
        move |folder| {
            let dir = folder.map_or_else(|| top.clone(), |f| f.on_disk(&top));
            Ok(supplied::read_rules(&dir.join(".gitignore"), Links::Refuse)?)
        }
    }

    /// All paths that a walk meets which does not enter ignored folders; the files that are left.
    fn kept(exclude: &mut Exclude<'_>, top: &std::path::Path) -> Vec<String> {
        let mut found = Vec::new();
        let mut walk = walkdir::WalkDir::new(top).min_depth(1).sort_by_file_name().into_iter();
        while let Some(entry) = walk.next() {
            let entry = entry.expect("walks");
            if entry.file_name() == ".git" {
                walk.skip_current_dir();
                continue;
            }
            let path = RepoPath::below(top, entry.path()).expect("a path");
            let is_dir = entry.file_type().is_dir();
            let ignored = exclude.is_ignored_here(&path, is_dir).expect("judges");
            if ignored && is_dir {
                walk.skip_current_dir();
            } else if !ignored && !is_dir {
                found.push(path.to_string());
            }
        }
        found.sort();
        found
    }

    fn git_kept(bench: &Bench) -> Vec<String> {
        let out = bench.git(&["-c", "core.quotePath=false", "ls-files", "-o", "--exclude-standard", "-z"]);
        let mut found: Vec<String> = out.split_terminator('\0').map(str::to_owned).collect();
        found.sort();
        found
    }

    fn untracked() -> Bench {
        let bench = Bench::plain();
        bench.git(&["rm", "-rfq", "."]);
        bench
    }

    #[test]
    fn an_adversarial_tree_is_judged_as_git_judges_it() {
        let bench = untracked();
        let files = [
            "a.log",
            "keep.log",
            "sub/a.log",
            "sub/keep.log",
            "sub/deep/x.tmp",
            "build/out",
            "src/build/out",
            "build.txt",
            "#hash",
            "!bang",
            "trail ",
            "trail",
            "esc aped ",
            "x/y/z/file",
            "x/file",
            "doc/a/b/c.pdf",
            "doc/c.pdf",
            "cls1",
            "clsa",
            "cls-",
            "parent/child/keep",
            "parent/child/drop",
            "anch/foo",
            "foo/anch",
            "foo/bar/q",
            "tab\t",
            "[lit]",
            "UPPER.TXT",
            "back\\slash",
            "sp/ace d/e",
            "abc/def",
            "deep/abc/def",
            "q?",
            "star*",
            "\u{e9}t\u{e9}",
        ];
        for file in files {
            bench.write(file, "x");
        }
        let top = "\u{feff}*.log\n!keep.log\n/build/\n\\#hash\n\\!bang\ntrail \nesc\\ aped\\ \nx/**/file\n**/c.pdf\n!doc/c.pdf\n\
                   cls[[:digit:]]\ncls[!a-z0-9]\nparent/\n!parent/child/keep\n/anch\ntab\t\n\\[lit]\nupper.txt\r\nback\\\\slash\n\
                   abc/*\nq\\?\nstar\\*\n\u{e9}*\n\n   \nfoo/bar/\n";
        bench.write(".gitignore", top);
        bench.write("sub/.gitignore", "!*.log\nkeep.log\ndeep/\n!deep/\n*.tmp\n");
        bench.write("deep/.gitignore", "/abc/d*f\n!/abc/def\n");
        bench.write("build/.gitignore", "!*\n");
        std::fs::write(bench.top.join(".git/info/exclude"), "ace d/\nsp/ace d\n").expect("writes");
        let users = bench.top.with_file_name(".config/git");
        std::fs::create_dir_all(&users).expect("makes it");
        std::fs::write(users.join("ignore"), "x/\n!cls1\n").expect("writes");
        for fold in ["false", "true"] {
            bench.git(&["config", "core.ignoreCase", fold]);
            let repo = bench.repo();
            let source = on_disk(&bench);
            let mut exclude = Exclude::new(&repo, &source).expect("reads");
            assert_eq!(kept(&mut exclude, &bench.top), git_kept(&bench), "ignoreCase {fold}");
            let path = |text: &str| RepoPath::new(text).expect("a path");
            assert!(
                exclude.is_ignored(&path("parent/child/keep"), false).expect("judges"),
                "a rule below cannot take it back"
            );
            assert!(!exclude.is_ignored(&path("sub/a.log"), false).expect("judges"));
        }
    }

    #[test]
    fn rules_from_outside_of_the_tree_decide_the_same_when_they_are_recorded_as_one_text() {
        let bench = untracked();
        for file in ["a.log", "keep.log", "b.log", "x", "both", "#x"] {
            bench.write(file, "x");
        }
        std::fs::write(bench.top.with_file_name("mine"), "\u{feff}*.log\n# said\n!both\nx\n\\#x").expect("writes");
        bench.git(&["config", "core.excludesFile", "~/mine"]);
        let own = "both\n\n!keep.log\n# git-session: begin\n/ours\n# git-session: end\n/b.log";
        std::fs::write(bench.top.join(".git/info/exclude"), own).expect("writes");
        let repo = bench.repo();
        let source = on_disk(&bench);
        let recorded = Exclude::new(&repo, &source).expect("reads").outside_rules().to_vec();
        assert_eq!(recorded, b"*.log\n!both\nx\n\\#x\nboth\n!keep.log\n/b.log\n");
        let kept_now = git_kept(&bench);
        assert_eq!(kept_now, ["keep.log"]);
        std::fs::write(bench.top.join(".git/info/exclude"), "").expect("writes");
        bench.git(&["config", "core.excludesFile", ""]);
        let repo = bench.repo();
        let mut then = Exclude::as_recorded(&repo, &source, &recorded).expect("reads");
        assert_eq!(kept(&mut then, &bench.top), kept_now);
        assert!(Exclude::new(&repo, &source).expect("reads").outside_rules().is_empty());
    }

    #[test]
    fn the_users_own_file_can_be_named_by_the_config() {
        let bench = untracked();
        bench.write("a", "x");
        bench.write("b", "x");
        std::fs::write(bench.top.with_file_name("mine"), "/a\n").expect("writes");
        bench.git(&["config", "core.excludesFile", "~/mine"]);
        let repo = bench.repo();
        let source = on_disk(&bench);
        assert_eq!(kept(&mut Exclude::new(&repo, &source).expect("reads"), &bench.top), ["b"]);
        assert_eq!(git_kept(&bench), ["b"]);
    }

    #[test]
    fn generated_rules_are_judged_as_git_judges_them() {
        let bench = untracked();
        for file in
            ["a", "b", "ab", "a/.x", "aa/a", "aa/b/a", "aa/b/ab", "b.a/a", "b.a/b/b", "-/a", "]/b", "A/b", "^", "!"]
        {
            let path = bench.top.join(file);
            if !path.exists() && path.parent().is_some_and(|p| !p.is_file()) {
                bench.write(file, "x");
            }
        }
        let token = prop::sample::select(vec![
            "a",
            "b",
            "A",
            "*",
            "**",
            "?",
            "/",
            "/**/",
            "**/",
            "[ab]",
            "[!a]",
            "[^b-]",
            "[a-",
            "]",
            "\\",
            "\\*",
            " ",
            "\\ ",
            "-",
            "!",
            "^",
            ".",
            "[[:alpha:]]",
            "[[:upper:]]",
            "[]]",
            "[[:x:]]",
            "[a-b]",
            "\t",
            "#",
            "\r",
        ]);
        let line = (prop::bool::weighted(0.25), prop::collection::vec(token, 1..6), prop::bool::weighted(0.2))
            .prop_map(|(keep, parts, dir)| {
                [if keep { "!" } else { "" }, &parts.concat(), if dir { "/" } else { "" }].concat()
            });
        let file = prop::collection::vec(line, 0..5).prop_map(|lines| lines.join("\n"));
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
            cases: 400,
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        runner
            .run(&(file.clone(), file, any::<bool>()), |(top, inner, fold)| {
                bench.write(".gitignore", &top);
                bench.write("aa/.gitignore", &inner);
                let config = std::fs::read_to_string(bench.top.join(".git/config")).expect("reads");
                let config = config.split("[core]\n\tignorecase").next().unwrap_or_default().to_owned();
                let config = format!("{config}[core]\n\tignorecase = {fold}\n");
                std::fs::write(bench.top.join(".git/config"), config).expect("writes");
                let repo = bench.repo();
                let source = on_disk(&bench);
                let mut exclude = Exclude::new(&repo, &source).expect("reads");
                prop_assert_eq!(kept(&mut exclude, &bench.top), git_kept(&bench));
                Ok(())
            })
            .expect("holds for all");
    }
}

//! A repository, found once: its folders, its capabilities and its stores.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::config::Config;
use super::locate::{self, Place};
use super::refs_cli::CliRefs;
use super::refs_libgit2::Libgit2Refs;
use super::{Capabilities, Error, Objects, RefStore, Result, Shared, facade};

/// One repository as seen from one of its worktrees.
#[derive(Debug)]
pub struct Repo {
    /// This worktree's own git dir (`.git`, or `.git/worktrees/<name>`), absolute.
    pub git_dir: PathBuf,
    /// The git dir that all worktrees share, absolute.
    pub common_dir: PathBuf,
    /// Top of the work tree, absolute and canonical; `None` in a bare repository.
    pub work_dir: Option<PathBuf>,
    /// What it is made of.
    pub caps: Capabilities,
    /// Objects.
    pub objects: Objects,
    /// Refs.
    pub refs: Box<dyn RefStore>,
    /// Configuration, all levels.
    pub config: Config,
    /// Who is to use what is made below the git directory.
    pub shared: Shared,
    /// As given to [`Repo::discover`].
    pub(super) env: RepoEnv,
}

/// What the environment says of the repository and of git's configuration. Read by the command line alone; hooks leave
/// `git_dir` and `work_tree` out.
#[derive(Clone, Debug, Default)]
pub struct RepoEnv {
    /// `GIT_DIR`.
    pub git_dir: Option<PathBuf>,
    /// `GIT_WORK_TREE`.
    pub work_tree: Option<PathBuf>,
    /// `GIT_CONFIG_GLOBAL`: read instead of the user's files. libgit2 would ignore it.
    pub config_global: Option<PathBuf>,
    /// `GIT_CONFIG_SYSTEM`: read instead of the system's file.
    pub config_system: Option<PathBuf>,
    /// `GIT_CONFIG_NOSYSTEM` is true.
    pub config_nosystem: bool,
    /// `GIT_CONFIG_PARAMETERS`: what `git -c` gave.
    pub config_parameters: Option<Vec<u8>>,
    /// What `GIT_CONFIG_COUNT` and its keys and values give.
    pub config_pairs: Vec<(String, bstr::BString)>,
    /// `HOME`; where `None`, libgit2's own notion of it serves.
    pub home: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`.
    pub xdg_config_home: Option<PathBuf>,
}

impl RepoEnv {
    /// No configuration but the repository's own, and this home folder: what every test runs in.
    pub fn isolated(home: &Path) -> Self {
        Self {
            config_global: Some("/dev/null".into()),
            config_nosystem: true,
            home: Some(home.to_owned()),
            ..Self::default()
        }
    }
}

impl Repo {
    /// Finds the repository of `cwd`: the environment first, else upwards. Starts no git for a plain repository.
    ///
    /// # Errors
    /// [`Error::NotARepository`], [`Error::Untrusted`] where git would not use it, [`Error::Unsupported`] where neither
    /// libgit2 nor git can serve it, [`Error::Base`] where `cwd` is gone.
    pub fn discover(cwd: &Path, env: &RepoEnv) -> Result<Self> {
        let Place { git_dir, common_dir, work_dir, is_gits_word } = locate::locate(cwd, env)?;
        // An owner that libgit2 refuses may be one that git trusts: it reads configuration that libgit2 does not.
        let opened = open_git2(&git_dir);
        let config = Config::load(&git_dir, &common_dir, env, opened.as_ref().ok())?;
        let caps = Capabilities::find(&common_dir, &config, opened.is_ok())?;
        let shared = Shared::read(&config)?;
        let (objects, refs): (_, Box<dyn RefStore>) = match opened {
            Ok(repo) if caps.ref_format == "files" => {
                let repo = Rc::new(repo);
                let refs = Libgit2Refs::new(&repo, &caps, shared)?;
                (repo, Box::new(refs))
            }
            opened => {
                let refs = CliRefs::new(&git_dir, work_dir.as_deref(), env);
                let objects = match opened {
                    Ok(repo) => repo,
                    Err(refusal) => {
                        let from = work_dir.as_deref().unwrap_or(&common_dir);
                        if !is_gits_word {
                            git_must_serve(&common_dir, from, &caps, &refs, refusal)?;
                        }
                        facade::open(&common_dir, caps.object_format, shared)?
                    }
                };
                (Rc::new(objects), Box::new(refs))
            }
        };
        let objects = Objects::new(objects, caps.object_format, env.clone(), shared);
        Ok(Self { git_dir, common_dir, work_dir, caps, objects, refs, config, shared, env: env.clone() })
    }

    /// The top of the work tree.
    ///
    /// # Errors
    /// [`super::Error::Bare`].
    pub fn work_dir(&self) -> Result<&Path> {
        self.work_dir.as_deref().ok_or_else(|| Error::Bare { path: self.git_dir.clone() })
    }

    /// A name for this worktree that is stable and the same from every folder in it: `main` or the linked worktree's name.
    pub fn worktree_name(&self) -> String {
        if self.git_dir == self.common_dir {
            return "main".to_owned();
        }
        self.git_dir.file_name().map_or_else(|| "main".to_owned(), |name| name.to_string_lossy().into_owned())
    }
}

/// Opens exactly this git dir with libgit2.
pub(super) fn open_git2(git_dir: &Path) -> Result<git2::Repository> {
    // Hashing an object anew at each read takes longer than reading it. As for git, what zlib finds in a pack is enough;
    // loose objects are judged by their ids (`loose`), and so is what a restore writes (`Reader::blob_checked`).
    git2::opts::strict_hash_verification(false);
    let flags = git2::RepositoryOpenFlags::NO_SEARCH | git2::RepositoryOpenFlags::NO_DOTGIT;
    git2::Repository::open_ext(git_dir, flags, std::iter::empty::<&Path>())
        .map_err(Error::libgit2(format!("open the repository {}", git_dir.display())))
}

/// git is asked whether it knows an extension or a ref format that we never heard of, from the work tree.
fn git_must_serve(common_dir: &Path, from: &Path, caps: &Capabilities, refs: &CliRefs, refusal: Error) -> Result<()> {
    if caps.ref_format == "reftable" || refs.git_in(from).args(["rev-parse", "--git-dir"]).output()?.ok() {
        return Ok(());
    }
    let reason = match refusal {
        Error::Libgit2 { source, .. } => source.message().to_owned(),
        other => other.to_string(),
    };
    Err(Error::Unsupported {
        path: common_dir.to_owned(),
        reason: format!("neither libgit2 nor git opens it: {reason}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::ObjectFormat;
    use crate::git::matrix::Bench;

    #[test]
    fn every_kind_is_found_from_every_folder_and_says_what_git_says() {
        for bench in Bench::all() {
            for cwd in [bench.top.clone(), bench.top.join("dir")] {
                let repo = bench.repo_in(&cwd);
                assert_eq!(repo.git_dir.display().to_string(), bench.git(&["rev-parse", "--absolute-git-dir"]));
                let common = bench.git(&["rev-parse", "--path-format=absolute", "--git-common-dir"]);
                assert_eq!(repo.common_dir.display().to_string(), common);
                assert_eq!(repo.work_dir().expect("has one"), bench.top);
                let linked = bench.kind.ends_with("linked");
                assert_eq!(repo.worktree_name(), if linked { "linked" } else { "main" });
                let reftable = bench.kind.contains("reftable");
                assert_eq!(repo.caps.libgit2_opens, !reftable);
                assert_eq!(repo.refs.kind(), if reftable { "git" } else { "libgit2" });
                assert_eq!(repo.caps.object_format == ObjectFormat::Sha256, bench.kind.starts_with("sha256"));
                assert_eq!(repo.config.bytes("user.name").expect("reads").expect("set"), "A U Thor");
            }
        }
    }

    #[test]
    fn the_facade_is_private_and_used_again() {
        let bench = Bench::new("sha256", "reftable", true);
        let repo = bench.repo();
        let facade = repo.common_dir.join("session/facade");
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&facade).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let written = std::fs::metadata(facade.join("config")).expect("is there").modified().expect("has a time");
        let again = bench.repo();
        let after = std::fs::metadata(facade.join("config")).expect("is there").modified().expect("has a time");
        assert_eq!(written, after);
        assert!(again.objects.exists(repo.head().expect("reads").commit.expect("born")));
    }

    #[test]
    fn a_bare_repository_and_its_worktree_are_told_apart() {
        let bench = Bench::plain();
        let bare = bench.top.with_file_name("bare.git");
        bench.git(&["clone", "-q", "--bare", ".", "../bare.git"]);
        let repo = bench.repo_in(&bare);
        assert!(matches!(repo.work_dir(), Err(Error::Bare { .. })));
        bench.git(&["--git-dir=../bare.git", "worktree", "add", "-q", "../of-bare", "-b", "side"]);
        let repo = bench.repo_in(&bench.top.with_file_name("of-bare").join("dir"));
        assert_eq!(repo.work_dir().expect("has one"), bench.top.with_file_name("of-bare"));
        assert_eq!(repo.common_dir, bare);
        assert_eq!(repo.head().expect("reads").branch.expect("on one").as_branch(), Some("side"));
    }

    #[test]
    fn a_submodule_is_a_repository_of_its_own() {
        let bench = Bench::plain();
        let other = Bench::plain();
        let url = other.top.display().to_string();
        bench.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &url, "sub"]);
        let repo = bench.repo_in(&bench.top.join("sub/dir"));
        assert_eq!(repo.work_dir().expect("has one"), bench.top.join("sub"));
        assert_eq!(repo.git_dir, bench.top.join(".git/modules/sub"));
    }

    #[test]
    fn the_environment_names_another_repository() {
        let bench = Bench::plain();
        let elsewhere = bench.top.with_file_name("elsewhere");
        std::fs::create_dir(&elsewhere).expect("makes it");
        let git_dir = bench.top.join(".git");
        let mut env = RepoEnv { git_dir: Some(git_dir.clone()), ..bench.env.clone() };
        let repo = Repo::discover(&elsewhere, &env).expect("finds it");
        assert_eq!((repo.git_dir.as_path(), repo.work_dir.as_deref()), (git_dir.as_path(), Some(elsewhere.as_path())));
        env.work_tree = Some("../main".into());
        let repo = Repo::discover(&elsewhere, &env).expect("finds it");
        assert_eq!(repo.work_dir.as_deref(), Some(bench.top.as_path()));
    }

    #[test]
    fn no_repository_and_no_folder_are_told_plainly() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let env = RepoEnv::isolated(root.path());
        assert!(matches!(Repo::discover(root.path(), &env), Err(Error::NotARepository { .. })));
        assert!(matches!(Repo::discover(&root.path().join("gone"), &env), Err(Error::Base(_))));
    }

    #[test]
    fn a_repository_that_nobody_opens_is_refused_in_one_line() {
        let bench = Bench::plain();
        bench.git(&["config", "core.repositoryFormatVersion", "1"]);
        bench.git(&["config", "extensions.noSuchThing", "true"]);
        let error = Repo::discover(&bench.top, &bench.env).expect_err("is refused");
        assert!(matches!(error, Error::Unsupported { .. }), "{error:?}");
        assert!(error.to_string().contains("nosuchthing") && !error.to_string().contains('\n'), "{error}");
    }

    #[test]
    fn an_extension_that_only_git_knows_is_served_through_git() {
        let bench = Bench::plain();
        bench.git(&["config", "core.repositoryFormatVersion", "1"]);
        bench.git(&["config", "extensions.refStorage", "files"]);
        let repo = bench.repo();
        assert_eq!((repo.refs.kind(), repo.caps.libgit2_opens), ("git", false));
        assert!(repo.head().expect("reads").commit.is_some());
    }

    #[test]
    fn shallow_and_partial_clones_say_so_and_their_trees_can_be_written() {
        for refs in ["files", "reftable"] {
            let bench = Bench::new("sha1", refs, false);
            bench.git(&["commit", "-q", "--allow-empty", "-m", "second"]);
            bench.git(&["config", "uploadpack.allowFilter", "true"]);
            let format = format!("--ref-format={refs}");
            let url = format!("file://{}", bench.top.display());
            let made = ["clone", "-q", &format, "--depth=1", "--filter=blob:none", "--no-checkout", &url, "../cut"];
            bench.git(&made);
            let repo = bench.repo_in(&bench.top.with_file_name("cut"));
            assert!(repo.caps.shallow && repo.caps.partial, "{refs}");
            let head = repo.head().expect("reads").commit.expect("born");
            let commit = repo.objects.read_commit(head).expect("reads");
            assert!(!repo.objects.exists(commit.parents[0]));
            let owed = crate::git::tree::list_files(&repo.objects, commit.tree).expect("lists")[0].clone();
            assert!(matches!(repo.objects.read_blob(owed.2), Err(Error::Missing { .. })));
            let edits =
                vec![(owed.0, None), (crate::base::RepoPath::new("moved").expect("a path"), Some((owed.1, owed.2)))];
            let tree = crate::git::tree::edit(&repo.objects, commit.tree, edits).expect("no blob is needed");
            let who = crate::git::committer(crate::base::Timestamp::from_seconds(1), 0);
            let new = crate::git::NewCommit { tree, parents: &[head], author: &who, committer: &who, message: b"x\n" };
            let new = repo.objects.write_commit(&new).expect("writes");
            assert!(repo.objects.is_ancestor(head, new).expect("walks"), "{refs}");
            assert!(!repo.objects.is_ancestor(new, head).expect("the walk stops where history is cut"), "{refs}");
        }
    }
}

//! Failures as people and programs see them: a kind (hence an exit code), a stable code, a sentence, a hint.
//!
//! The one boundary where errors of the floors below get these. Codes are listed in docs/json-output.md.

use crate::base::Error as BaseError;
use crate::engine::Error as EngineError;
use crate::engine::error::DriverProblem;
use crate::git::{Error as GitError, RemoteProblem};
use crate::model::Error as ModelError;

/// What sort of failure; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// It failed, or there was nothing to do (1).
    Failed,
    /// The command line is wrong (2).
    Usage,
    /// No such thing (3).
    NotFound,
    /// More than one such thing (4).
    Ambiguous,
    /// Locked, changed meanwhile, or the name is taken; trying again may help (5).
    Conflict,
    /// A choice is needed; nothing changed (6).
    Refused,
    /// Stored records are damaged (7).
    Damaged,
    /// A fault of ours (255).
    Internal,
}

impl FailureKind {
    /// The exit code.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Ambiguous => 4,
            Self::Conflict => 5,
            Self::Refused => 6,
            Self::Damaged => 7,
            Self::Internal => 255,
        }
    }
}

/// A failure.
#[derive(Clone, Debug, thiserror::Error, serde::Serialize)]
#[error("{message}")]
pub struct Failure {
    /// What sort.
    pub kind: FailureKind,
    /// Stable, for programs: `session.not-found`.
    pub code: &'static str,
    /// One sentence: what was tried, on what, why not.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// What it is about, as it was named.
    pub target: Option<String>,
    /// More lines for people: candidates, paths.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// Whether people are shown all of these lines, however many.
    #[serde(skip)]
    pub is_whole: bool,
}

/// Result of a use case.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure with a sentence and nothing else.
    pub fn new(kind: FailureKind, code: &'static str, message: impl Into<String>) -> Self {
        Self { kind, code, message: message.into(), hint: None, target: None, details: Vec::new(), is_whole: false }
    }

    /// Whether a file could not be read or written.
    pub fn is_about_a_file(&self) -> bool {
        let codes = ["io.failed", "io.full", "io.missing", "io.permission", "file.not-plain", "file.too-large"];
        codes.contains(&self.code)
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what it is about.
    #[must_use]
    pub fn target(mut self, target: impl Into<String>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// Adds lines for people.
    #[must_use]
    pub fn details(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }

    /// Adds lines of which none may be left out: what is said in them is what a person agrees to.
    #[must_use]
    pub fn all_details(self, details: Vec<String>) -> Self {
        Self { is_whole: true, ..self.details(details) }
    }
}

impl From<BaseError> for Failure {
    fn from(e: BaseError) -> Self {
        let message = e.to_string();
        match e {
            BaseError::Locked { .. } => Self::new(FailureKind::Conflict, "lock.held", message)
                .hint("Try again when the other command has finished."),
            BaseError::Io { source, .. } => io_failure(message, source.kind()),
            BaseError::NotPlain { .. } => Self::new(FailureKind::Refused, "file.not-plain", message)
                .hint("Put a plain file or directory there, or take away what is there."),
            BaseError::TooLarge { .. } => Self::new(FailureKind::Failed, "file.too-large", message),
            BaseError::Child { .. } => Self::new(FailureKind::Failed, "child.failed", message),
            BaseError::BadPath { .. } => Self::new(FailureKind::Usage, "path.invalid", message)
                .hint("Give a path inside the work tree, not inside .git."),
            _ => Self::new(FailureKind::Usage, "text.invalid", message),
        }
    }
}

fn io_failure(message: String, kind: std::io::ErrorKind) -> Failure {
    use std::io::ErrorKind as K;
    let (code, hint) = match kind {
        K::PermissionDenied | K::ReadOnlyFilesystem => ("io.permission", "Check who may write there."),
        K::StorageFull | K::QuotaExceeded | K::FileTooLarge => {
            ("io.full", "Free some space and run the command again.")
        }
        K::NotFound => ("io.missing", "Check the path."),
        _ => ("io.failed", ""),
    };
    let failure = Failure::new(FailureKind::Failed, code, message);
    if code == "io.failed" { failure } else { failure.hint(hint) }
}

impl From<ModelError> for Failure {
    fn from(e: ModelError) -> Self {
        let message = e.to_string();
        match e {
            ModelError::TooNew { .. } => Self::new(FailureKind::Damaged, "format.too-new", message)
                .hint("Install a newer git-session; this one changes nothing here."),
            _ => Self::new(FailureKind::Damaged, "record.damaged", message)
                .hint("`git fsck` shows whether objects are missing."),
        }
    }
}

impl From<GitError> for Failure {
    fn from(e: GitError) -> Self {
        let message = e.to_string();
        match e {
            GitError::Base(e) => e.into(),
            GitError::NotARepository { .. } => Self::new(FailureKind::NotFound, "repository.not-found", message)
                .hint("Run it inside a git repository, or make one with `git init`."),
            GitError::Bare { .. } => Self::new(FailureKind::Refused, "repository.bare", message)
                .hint("Run it in a worktree of this repository (`git worktree add`)."),
            GitError::Unsupported { .. } => Self::new(FailureKind::Refused, "repository.unsupported", message),
            GitError::Untrusted { .. } => Self::new(FailureKind::Refused, "repository.untrusted", message)
                .hint("`git status` there says what git asks for."),
            GitError::Missing { .. } => Self::new(FailureKind::Damaged, "object.missing", message)
                .hint("Nothing was changed. In a partial clone, fetch the object first; else `git fsck` tells more."),
            GitError::NoMemory { .. } => Self::new(FailureKind::Failed, "memory.short", message)
                .hint("Nothing is damaged. Run it again where there is more memory."),
            GitError::Damaged { .. } => {
                Self::new(FailureKind::Damaged, "object.damaged", message).hint("`git fsck` tells more.")
            }
            GitError::Lost { .. } | GitError::RefLocked { .. } => {
                Self::new(FailureKind::Conflict, "ref.changed", message).hint("Run the command again.")
            }
            GitError::Remote { remote, problem, .. } => remote_failure(problem, message).target(remote),
            GitError::BadRefName { .. } => Self::new(FailureKind::Usage, "ref.name", message)
                .hint("`git check-ref-format --branch NAME` tells whether a name is allowed."),
            GitError::BadOid { .. } => Self::new(FailureKind::Usage, "object.id", message),
            _ => Self::new(FailureKind::Failed, "git.failed", message),
        }
    }
}

fn remote_failure(problem: RemoteProblem, message: String) -> Failure {
    let (kind, code, hint) = match problem {
        RemoteProblem::Unknown => {
            (FailureKind::NotFound, "remote.unknown", "`git remote -v` shows the remotes; a URL does as well.")
        }
        RemoteProblem::Several => (FailureKind::Ambiguous, "remote.several", "Name one of them."),
        RemoteProblem::Mirror => {
            (FailureKind::Refused, "remote.mirror", "Give the URL instead, or a remote that is no mirror.")
        }
        RemoteProblem::Unreachable => (
            FailureKind::Failed,
            "remote.unreachable",
            "Nothing was changed. `git ls-remote` shows whether git gets there.",
        ),
        RemoteProblem::Denied => (
            FailureKind::Failed,
            "remote.denied",
            "Nothing was changed. The remote does not let you in: check the key or the password that git uses.",
        ),
        RemoteProblem::Shallow => (
            FailureKind::Refused,
            "remote.shallow",
            "Nothing was changed. `git fetch --unshallow` brings the whole history.",
        ),
        RemoteProblem::Vanished => (
            FailureKind::Failed,
            "remote.vanished",
            "Nothing was changed here. Run the command again: it goes on where it stopped.",
        ),
        RemoteProblem::Other => (FailureKind::Failed, "remote.failed", "Nothing was changed here."),
    };
    Failure::new(kind, code, message).hint(hint)
}

impl From<EngineError> for Failure {
    fn from(e: EngineError) -> Self {
        let message = e.to_string();
        match e {
            EngineError::Git(e) => e.into(),
            EngineError::Model(e) => e.into(),
            EngineError::Base(e) => e.into(),
            EngineError::TooLong { .. } => Self::new(FailureKind::Failed, "record.too-long", message)
                .hint("Its files can be rewound all the same: `session rewind code`."),
            EngineError::RootRefused { .. } => Self::new(FailureKind::Refused, "snapshot.root", message)
                .hint("Make a repository in the project's own folder."),
            EngineError::NoSession(id) => Self::new(FailureKind::NotFound, "session.not-found", message)
                .target(id.to_string())
                .hint("`session list` shows the sessions of this repository."),
            EngineError::Moved(id) => {
                Self::new(FailureKind::Conflict, "session.moved", message).target(id.to_string()).hint("Run the command again.")
            }
            EngineError::Refused { path, .. } => Self::new(FailureKind::Refused, "restore.obstacle", message)
                .target(path.to_string())
                .hint("Nothing was changed. Add --mine to leave it as it is, or move it away."),
            EngineError::Driver { path, driver, problem, .. } => driver_failure(&driver, &problem, message).target(path.to_string()),
            EngineError::ChangedMeanwhile { path } => Self::new(FailureKind::Conflict, "restore.changed-meanwhile", message)
                .target(path.to_string())
                .hint("Run the same command again: it first settles what was begun."),
            EngineError::NotVerified { first, .. } => Self::new(FailureKind::Conflict, "restore.not-verified", message)
                .target(first.to_string())
                .hint("Something else writes in this work tree. Stop it, then run `session redo` or the same command again."),
            EngineError::TooMuch => Self::new(FailureKind::Conflict, "snapshot.too-much", message),
            EngineError::Interrupted => Self::new(FailureKind::Conflict, "restore.interrupted", message)
                .hint("The next command that writes (such as `session save`) settles it."),
            EngineError::Damaged { path, .. } => Self::new(FailureKind::Damaged, "record.damaged", message)
                .target(path.display().to_string())
                .hint("Look at the file; when nothing in it is needed any more, delete it."),
        }
    }
}

fn driver_failure(driver: &str, problem: &DriverProblem, message: String) -> Failure {
    let (kind, code, hint) = match problem {
        DriverProblem::Missing => {
            (FailureKind::Refused, "filter.missing", format!("Configure filter.{driver}.smudge again"))
        }
        DriverProblem::OtherBytes => {
            (FailureKind::Refused, "filter.other-bytes", format!("Configure filter.{driver} as it was"))
        }
        DriverProblem::Failed(_) | DriverProblem::TooSlow => {
            (FailureKind::Failed, "filter.failed", format!("Make filter.{driver}.smudge work"))
        }
        DriverProblem::NotAsked => return Failure::new(FailureKind::Internal, "internal", message),
    };
    Failure::new(kind, code, message)
        .hint(format!("Nothing was changed. {hint}, or pick other paths with `-- PATH...`."))
}

impl From<crate::agents::Error> for Failure {
    fn from(e: crate::agents::Error) -> Self {
        use crate::agents::Error as E;
        let message = e.to_string();
        match e {
            E::Base(e) => e.into(),
            E::Settings { path, .. } => Self::new(FailureKind::Refused, "agent.settings", message)
                .target(path.display().to_string())
                .hint("Nothing was changed. Repair the file and run the command again."),
            E::NoResume { .. } => Self::new(FailureKind::Failed, "agent.no-resume", message),
            _ => Self::new(FailureKind::Failed, "agent.failed", message),
        }
    }
}

//! The scratch folder: a repository, a home and an agent's folder of their own, and commands that see nothing else.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::Command;
use crate::base::Error as BaseError;
use crate::base::file::{Durability, write_atomic};
use crate::base::process::Run;
use crate::base::text::sanitise_bytes;
use crate::cli::Env;
use crate::ops::{Failure, FailureKind, Result, state_file};

/// The folder, and how commands are run in it.
#[derive(Debug)]
pub struct Scratch {
    folder: tempfile::TempDir,
    root: PathBuf,
    variables: Vec<(OsString, OsString)>,
    removed: Vec<OsString>,
}

impl Scratch {
    /// A new one; gone when it is dropped, unless it is kept.
    pub fn new(env: &Env, program: &Path, colour: bool) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("session-demo-")
            .tempdir()
            .map_err(BaseError::io("make a scratch folder in", "the folder for temporary files"))?;
        let root = folder.path().canonicalize().map_err(BaseError::io("resolve the folder", folder.path()))?;
        let bin = root.join("bin");
        for name in ["project", "home", "claude", "bin"] {
            let path = root.join(name);
            std::fs::create_dir(&path).map_err(BaseError::io("create the folder", &path))?;
        }
        for name in ["session", "git-session"] {
            let link = bin.join(name);
            std::os::unix::fs::symlink(program, &link).map_err(BaseError::io("link the program to", &link))?;
        }
        let mut path = bin.into_os_string();
        if let Some(rest) = env.search_path() {
            path.push(":");
            path.push(rest);
        }
        let mut variables: Vec<(OsString, OsString)> = vec![
            ("PATH".into(), path),
            ("HOME".into(), root.join("home").into()),
            ("CLAUDE_CONFIG_DIR".into(), root.join("claude").into()),
            ("GIT_CONFIG_NOSYSTEM".into(), "1".into()),
            // `git status` would otherwise refresh the index, which is shown to stay as it is.
            ("GIT_OPTIONAL_LOCKS".into(), "0".into()),
            ("GIT_PAGER".into(), "cat".into()),
        ];
        if colour {
            let on = [("CLICOLOR_FORCE", "1"), ("GIT_CONFIG_COUNT", "1")];
            variables.extend(on.map(|(name, value)| (name.into(), value.into())));
            let git = [("GIT_CONFIG_KEY_0", "color.ui"), ("GIT_CONFIG_VALUE_0", "always")];
            variables.extend(git.map(|(name, value)| (name.into(), value.into())));
        }
        let removed = env.names_starting(&["GIT_", "SESSION_", "CLAUDE", "XDG_", "CLICOLOR", "NO_COLOR", "COLUMNS"]);
        Ok(Self { folder, root, variables, removed })
    }

    /// The whole folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The repository in it.
    pub fn project(&self) -> PathBuf {
        self.root.join("project")
    }

    /// The folder in which the agent keeps the conversations of the repository.
    pub fn conversations(&self) -> PathBuf {
        let project = self.project();
        let slug = project.to_string_lossy().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        self.root.join("claude/projects").join(slug)
    }

    /// Runs a line as typed in the repository, with something to read.
    pub fn shell(&self, line: &str, stdin: &[u8]) -> Result<Command> {
        let mut run = Run::new("sh");
        run.args = vec!["-c".into(), line.into()];
        run.cwd = Some(self.project());
        run.env.clone_from(&self.variables);
        run.env_remove.clone_from(&self.removed);
        run.stdin = Some(stdin.to_vec());
        let out = run.output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Command { line: line.to_owned(), exit: out.code, stdout: text(&out.stdout), stderr: text(&out.stderr) })
    }

    /// Runs a line that has to succeed and that nobody is shown; its output.
    pub fn quietly(&self, line: &str) -> Result<String> {
        let command = self.shell(line, b"")?;
        if command.exit == Some(0) { Ok(command.stdout) } else { Err(failed(&command)) }
    }

    /// Writes a file of the repository.
    pub fn write(&self, path: &str, content: &str, mode: u32) -> Result<()> {
        Ok(write_atomic(&self.project().join(path), content.as_bytes(), Some(mode), Durability::Process)?)
    }

    /// All that lies in the repository now, but the state file, which tells of every save.
    pub fn listing(&self) -> Result<Listing> {
        let project = self.project();
        let mut files = BTreeMap::new();
        let mut folders = vec![project.clone()];
        while let Some(folder) = folders.pop() {
            let entries = std::fs::read_dir(&folder).map_err(BaseError::io("list the folder", &folder))?;
            for entry in entries {
                let path = entry.map_err(BaseError::io("list the folder", &folder))?.path();
                let kind = path.symlink_metadata().map_err(BaseError::io("look at", &path))?;
                if kind.is_dir() && !path.ends_with(".git") {
                    folders.push(path);
                } else if kind.is_file() && !path.ends_with(state_file::NAME) {
                    let bytes = std::fs::read(&path).map_err(BaseError::io("read the file", &path))?;
                    let name = path.strip_prefix(&project).unwrap_or(&path).as_os_str();
                    let name = sanitise_bytes(std::os::unix::ffi::OsStrExt::as_bytes(name));
                    files.insert(name, (kind.permissions().mode() & 0o7777, bytes));
                }
            }
        }
        Ok(Listing(files))
    }

    /// Keeps the folder; a file in it sets the variables for a shell.
    pub fn keep(self) -> Result<PathBuf> {
        let quoted = |value: &std::ffi::OsStr| format!("'{}'", value.to_string_lossy().replace('\'', r"'\''"));
        let lines = ["PATH", "HOME", "CLAUDE_CONFIG_DIR"].iter().filter_map(|wanted| {
            let (name, value) = self.variables.iter().find(|(name, _)| name == wanted)?;
            Some(format!("export {}={}\n", name.to_string_lossy(), quoted(value)))
        });
        let text: String = lines.collect();
        write_atomic(&self.root.join("env"), text.as_bytes(), None, Durability::Process)?;
        // What is wanted is that it stays.
        let _kept = self.folder.keep();
        Ok(self.root)
    }
}

/// Every file with its permission bits and content: what "exactly as it was" is judged by, apart from our own engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing(BTreeMap<String, (u32, Vec<u8>)>);

impl Listing {
    /// What changed since then.
    pub fn since(&self, before: &Self) -> Vec<(char, String)> {
        let paths: std::collections::BTreeSet<&String> = self.0.keys().chain(before.0.keys()).collect();
        let sign = |path: &String| match (before.0.get(path), self.0.get(path)) {
            (None, _) => Some('+'),
            (_, None) => Some('-'),
            (old, new) => (old != new).then_some('~'),
        };
        paths.into_iter().filter_map(|path| Some((sign(path)?, path.clone()))).collect()
    }

    /// The files that git would take: name, executable or not, content.
    pub fn tracked(&self) -> impl Iterator<Item = (&str, bool, &[u8])> {
        let wanted = |path: &str| !path.starts_with(".claude/") && !path.ends_with(".log");
        let files = self.0.iter().filter(move |(path, _)| wanted(path));
        files.map(|(path, (mode, bytes))| (path.as_str(), mode & 0o100 != 0, bytes.as_slice()))
    }
}

/// A step did not do what it should.
pub fn wrong(message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Failed, "demo.failed", message)
        .hint("`session demo --keep` leaves the folder to look at. Please report this.")
}

/// A command failed that should not have.
pub fn failed(command: &Command) -> Failure {
    let code = command.exit.map_or_else(|| "a signal".to_owned(), |c| format!("exit code {c}"));
    let said = command.stdout.lines().chain(command.stderr.lines()).map(str::to_owned).collect();
    wrong(format!("`{}` ended with {code}", command.line)).details(said)
}

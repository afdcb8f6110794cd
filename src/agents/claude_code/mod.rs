//! Claude Code: hooks in its settings, slash commands in the project, a JSON-lines transcript that is a tree.
//!
//! Tried against 2.1.330. Where its files are is in `paths`, what they hold in `records`, `chain` and `parse`.

mod chain;
mod commands;
mod hooks;
mod notes;
mod parse;
mod paths;
mod records;
mod rewrite;
mod settings;
mod splice;
mod strict;

#[cfg(test)]
mod recordings;

use std::path::{Path, PathBuf};

use super::jsonl;
use super::{
    Agent, AgentEnv, Companion, Error, FileEdit, HookInput, Hooks, InstallOptions, ManagedFile, Parsed, Reply, Result,
    Rewrite, Rewritten,
};
use crate::base::supplied::{self, Links};
use crate::base::{Error as BaseError, RepoPath, Result as BaseResult, beneath};

/// Its kind.
const KIND: &str = "claude-code";
/// The settings of one person.
const LOCAL: &str = ".claude/settings.local.json";
/// The settings that are committed.
const SHARED: &str = ".claude/settings.json";

/// Claude Code.
#[derive(Debug)]
pub struct ClaudeCode;

impl Agent for ClaudeCode {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["claude"]
    }

    fn title(&self) -> &'static str {
        "Claude Code"
    }

    fn parse_hook(&self, event: &str, stdin: &[u8]) -> Result<HookInput> {
        hooks::parse(event, stdin)
    }

    fn project(&self, env: &AgentEnv) -> Option<PathBuf> {
        env.claude_project_dir.clone()
    }

    fn project_of(&self, transcript: &Path, cwd: &Path) -> Option<PathBuf> {
        paths::project_of(transcript, cwd)
    }

    fn pid(&self, env: &AgentEnv) -> Option<u32> {
        env.claude_pid
    }

    fn render_reply(&self, event: &str, reply: &Reply) -> Vec<u8> {
        hooks::render(event, reply)
    }

    fn parse(&self, bytes: &[u8], offset: u64) -> Parsed {
        parse::parse(bytes, offset)
    }

    fn rewrite(&self, bytes: &[u8], how: &Rewrite<'_>) -> Result<Rewritten> {
        rewrite::rewrite(bytes, how)
    }

    fn transcript_path(&self, env: &AgentEnv, cwd: &Path, native_id: &str) -> Option<PathBuf> {
        paths::transcript(env, cwd, native_id)
    }

    fn env_of(&self, env: &AgentEnv, transcript: &Path) -> AgentEnv {
        paths::env_of(env, transcript)
    }

    fn find_transcript(&self, env: &AgentEnv, native_id: &str) -> Option<PathBuf> {
        paths::find(env, native_id)
    }

    fn owns_transcript(&self, env: &AgentEnv, path: &Path) -> bool {
        paths::owns(env, path)
    }

    fn is_conversation(&self, head: &[u8]) -> bool {
        jsonl::is_made_of(head, |record| record.text("type").is_some())
    }

    fn companions(&self, transcript: &Path) -> Vec<Companion> {
        paths::companions(transcript)
    }

    fn resume_command(&self, native_id: &str) -> Option<Vec<String>> {
        Some(vec!["claude".to_owned(), "--resume".to_owned(), native_id.to_owned()])
    }

    fn resume_line(&self, native_id: &str) -> Option<String> {
        Some(format!("/resume {native_id}"))
    }

    fn managed_files(&self) -> Vec<ManagedFile> {
        let file = |path: &str, is_personal| ManagedFile { path: path.to_owned(), is_personal };
        let commands = commands::COMMANDS.iter().map(|command| file(&command.path(), false));
        [file(LOCAL, true), file(SHARED, false)].into_iter().chain(commands).collect()
    }

    fn is_ours(&self, path: &RepoPath, bytes: &[u8]) -> bool {
        match path.to_path() == Path::new(SHARED) {
            true => std::str::from_utf8(bytes).is_ok_and(settings::has_hooks),
            false => commands::is_ours(bytes),
        }
    }

    fn install(&self, root: &Path, options: &InstallOptions) -> Result<Vec<FileEdit>> {
        let mut edits = Vec::new();
        let shared = Settings::read(root, SHARED)?;
        let local = Settings::read(root, LOCAL)?;
        if let Some(path) = switched_off(&options.env, &local, &shared)? {
            return Err(problem(path, OFF));
        }
        // Hooks in both files would run twice a turn: the committed ones do for everybody.
        if options.shared {
            edits.extend(shared.with_hooks(options)?);
            edits.extend(local.without_hooks()?);
        } else if !shared.has_hooks() {
            edits.extend(local.with_hooks(options)?);
        }
        for command in commands::COMMANDS {
            let (path, before) = command_file(root, command)?;
            let wanted = !(options.keep_builtin_rewind && command.shadows_builtin());
            let after = wanted.then(|| command.text.as_bytes().to_vec());
            let is_theirs = before.as_deref().is_some_and(|b| !commands::is_ours(b));
            if before != after && !is_theirs {
                let what = format!("command {}", command.line());
                edits.push(FileEdit { path, before, after, exclude: !options.shared, what });
            }
        }
        Ok(edits)
    }

    fn hook_files(&self) -> &'static [&'static str] {
        &[LOCAL, SHARED]
    }

    fn hooks(&self, root: &Path, env: &AgentEnv) -> Result<Hooks> {
        let (local, shared) = (Settings::read(root, LOCAL)?, Settings::read(root, SHARED)?);
        let holds = |s: &&Settings| s.text.as_deref().is_some_and(|text| text.contains(settings::MARK));
        let Some(settings) = [&local, &shared].into_iter().find(holds) else { return Ok(Hooks::Absent) };
        let text = settings.text.as_deref().unwrap_or_default();
        let why = strict::objection(text)
            .or_else(|| settings::lacking(text).map(|event| format!("our hook for {event} is not in it")));
        if let Some(why) = why {
            return Ok(Hooks::Idle { path: settings.path.clone(), why });
        }
        Ok(match switched_off(env, &local, &shared)? {
            Some(path) => Hooks::Idle { path, why: OFF.to_owned() },
            None => Hooks::There,
        })
    }

    fn uninstall(&self, root: &Path) -> Result<Vec<FileEdit>> {
        let mut edits = Vec::new();
        for path in [LOCAL, SHARED] {
            edits.extend(Settings::of(path, plain(beneath::read(root, path.as_ref()))?)?.without_hooks()?);
        }
        for command in commands::COMMANDS {
            let path = command_path(command);
            let before = plain(beneath::read(root, &path))?;
            if before.as_deref().is_some_and(commands::is_ours) {
                let what = format!("command {}", command.line());
                edits.push(FileEdit { path, before, after: None, exclude: true, what });
            }
        }
        Ok(edits)
    }
}

/// What is no plain file in the work tree was never written by us: there is nothing to be taken out of it.
fn plain(read: BaseResult<Option<Vec<u8>>>) -> BaseResult<Option<Vec<u8>>> {
    match read {
        Err(BaseError::NotPlain { .. }) => Ok(None),
        read => read,
    }
}

fn command_path(command: &commands::Command) -> PathBuf {
    PathBuf::from(command.path())
}

fn command_file(root: &Path, command: &commands::Command) -> Result<(PathBuf, Option<Vec<u8>>)> {
    let path = command_path(command);
    let before = beneath::read(root, &path)?;
    Ok((path, before))
}

/// What `disableAllHooks` comes to.
const OFF: &str = "\"disableAllHooks\" is true there, and the agent runs no hook at all";

/// The settings that switch all hooks off: the person's own for this project beat the project's, and those the person's.
fn switched_off(env: &AgentEnv, local: &Settings, shared: &Settings) -> Result<Option<PathBuf>> {
    let of_user = match paths::config(env) {
        Some(folder) => {
            Some((folder.join("settings.json"), supplied::read_rules(&folder.join("settings.json"), Links::Follow)?))
        }
        None => None,
    };
    let of_user = of_user.and_then(|(path, bytes)| Some((path, String::from_utf8(bytes?).ok()?)));
    let in_tree = [local, shared].into_iter().filter_map(|s| Some((s.path.clone(), s.text.clone()?)));
    let mut said = in_tree.chain(of_user).filter_map(|(path, text)| Some((path, strict::switches_off(&text)?)));
    Ok(said.next().filter(|(_, off)| *off).map(|(path, _)| path))
}

/// A settings file as it is now.
struct Settings {
    path: PathBuf,
    is_local: bool,
    text: Option<String>,
}

impl Settings {
    fn read(root: &Path, path: &str) -> Result<Self> {
        Self::of(path, beneath::read(root, path.as_ref())?)
    }

    fn of(path: &str, bytes: Option<Vec<u8>>) -> Result<Self> {
        let text = bytes.map(String::from_utf8).transpose().map_err(|_| problem(path.into(), "it is not UTF-8"))?;
        Ok(Self { path: path.into(), is_local: path == LOCAL, text })
    }

    fn has_hooks(&self) -> bool {
        self.text.as_deref().is_some_and(settings::has_hooks)
    }

    fn with_hooks(&self, options: &InstallOptions) -> Result<Option<FileEdit>> {
        let before = strict::without_trailing_commas(self.text.as_deref().unwrap_or_default());
        let after = settings::with_hooks(&before, &options.program, options.shared);
        let after = after.map_err(|p| problem(self.path.clone(), &p))?;
        // What the agent drops is not enabled.
        match strict::objection(&after) {
            Some(why) => Err(problem(self.path.clone(), &why)),
            None => Ok(self.edit(Some(after))),
        }
    }

    fn without_hooks(&self) -> Result<Option<FileEdit>> {
        let Some(text) = &self.text else { return Ok(None) };
        let after = settings::without_hooks(text).map_err(|p| problem(self.path.clone(), &p))?;
        Ok(self.edit(after))
    }

    fn edit(&self, after: Option<String>) -> Option<FileEdit> {
        (self.text != after).then(|| FileEdit {
            path: self.path.clone(),
            before: self.text.clone().map(String::into_bytes),
            after: after.map(String::into_bytes),
            exclude: self.is_local,
            what: "hooks".to_owned(),
        })
    }
}

fn problem(path: PathBuf, problem: &str) -> Error {
    Error::Settings { path, problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn options(shared: bool, keep_builtin_rewind: bool) -> InstallOptions {
        InstallOptions { program: "/opt/session".to_owned(), shared, keep_builtin_rewind, env: AgentEnv::default() }
    }

    fn apply(root: &Path, edits: &[FileEdit]) {
        for edit in edits {
            let path = root.join(&edit.path);
            assert_eq!(crate::base::file::read_optional(&path).expect("reads"), edit.before, "{}", path.display());
            match &edit.after {
                Some(bytes) => {
                    fs::create_dir_all(path.parent().expect("a folder")).expect("makes");
                    fs::write(path, bytes).expect("writes");
                }
                None => fs::remove_file(path).expect("removes"),
            }
        }
    }

    fn paths(edits: &[FileEdit]) -> Vec<&str> {
        edits.iter().filter_map(|e| e.path.to_str()).collect()
    }

    #[test]
    fn an_install_is_complete_personal_and_done_once() {
        let root = tempfile::tempdir().expect("a folder");
        let edits = ClaudeCode.install(root.path(), &options(false, false)).expect("plans");
        assert_eq!(edits.len(), 1 + commands::COMMANDS.len());
        assert!(edits.iter().all(|e| e.exclude && e.before.is_none()));
        apply(root.path(), &edits);
        assert!(ClaudeCode.install(root.path(), &options(false, false)).expect("plans").is_empty());
        let out = ClaudeCode.uninstall(root.path()).expect("plans");
        assert_eq!(out.len(), edits.len());
        assert!(out.iter().all(|e| e.after.is_none()));
        apply(root.path(), &out);
        assert!(ClaudeCode.uninstall(root.path()).expect("plans").is_empty());
    }

    #[test]
    fn a_command_of_the_users_own_is_neither_replaced_nor_removed() {
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path().join(".claude/commands/fork.md");
        fs::create_dir_all(path.parent().expect("a folder")).expect("makes");
        fs::write(&path, "Fork the thing.\n").expect("writes");
        let edits = ClaudeCode.install(root.path(), &options(false, true)).expect("plans");
        assert!(!paths(&edits).iter().any(|p| p.ends_with("commands/fork.md") || p.ends_with("commands/rewind.md")));
        apply(root.path(), &edits);
        assert!(!paths(&ClaudeCode.uninstall(root.path()).expect("plans")).contains(&".claude/commands/fork.md"));
    }

    #[test]
    fn keeping_the_builtin_takes_our_rewind_out_again() {
        let root = tempfile::tempdir().expect("a folder");
        apply(root.path(), &ClaudeCode.install(root.path(), &options(false, false)).expect("plans"));
        let edits = ClaudeCode.install(root.path(), &options(false, true)).expect("plans");
        assert_eq!(paths(&edits), [".claude/commands/rewind.md"]);
        assert_eq!(edits[0].after, None);
    }

    #[test]
    fn hooks_are_never_in_both_settings_files() {
        let root = tempfile::tempdir().expect("a folder");
        apply(root.path(), &ClaudeCode.install(root.path(), &options(false, false)).expect("plans"));
        let edits = ClaudeCode.install(root.path(), &options(true, false)).expect("plans");
        assert_eq!(paths(&edits), [SHARED, LOCAL]);
        assert!(!edits[0].exclude && edits[1].after.is_none());
        apply(root.path(), &edits);
        assert!(ClaudeCode.install(root.path(), &options(false, false)).expect("plans").is_empty());
    }

    #[test]
    fn broken_settings_are_named_and_nothing_is_planned() {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(root.path().join(".claude")).expect("makes");
        fs::write(root.path().join(LOCAL), "{\"a\": ").expect("writes");
        let error = ClaudeCode.install(root.path(), &options(false, false)).expect_err("refused").to_string();
        assert!(error.contains(LOCAL) && error.contains("not valid JSON"), "{error}");
    }
}

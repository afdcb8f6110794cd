//! An agent as our hooks see it: it sends prompts, writes files, answers, and keeps a transcript, through `session hook generic`.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::repo::TestRepo;

/// What every prompt, answer and transcript line of ours holds: nothing that carries code may show it.
pub const MARK: &str = "CONVERSATION-MARK";

/// One agent's session.
pub struct Agent<'r> {
    repo: &'r TestRepo,
    native: String,
    cwd: PathBuf,
    transcript: Option<PathBuf>,
}

impl<'r> Agent<'r> {
    /// One that keeps no transcript, in the top of the work tree.
    pub fn new(repo: &'r TestRepo, native: &str) -> Self {
        Self { repo, native: native.to_owned(), cwd: repo.path().to_owned(), transcript: None }
    }

    /// One that appends to a transcript outside of the repository.
    pub fn with_transcript(repo: &'r TestRepo, native: &str) -> Self {
        let folder = repo.sandbox.path().join("transcripts");
        fs::create_dir_all(&folder).expect("makes the folder");
        let file = folder.join(format!("{native}.jsonl"));
        fs::write(&file, "").expect("writes");
        Self { transcript: Some(file), ..Self::new(repo, native) }
    }

    /// One that resumes from a file that a rewind, redo or fork gave: its `native`.
    pub fn resumed(repo: &'r TestRepo, native: &Value) -> Self {
        let text = |name: &str| native[name].as_str().expect("a text").to_owned();
        let path = text("path").replace("$SANDBOX", repo.sandbox.path().to_str().expect("UTF-8"));
        Self { transcript: Some(path.into()), ..Self::new(repo, &text("session_id")) }
    }

    /// Acts in another folder.
    #[must_use]
    pub fn in_folder(mut self, cwd: &Path) -> Self {
        self.cwd = cwd.to_owned();
        self
    }

    /// Its transcript.
    pub fn transcript(&self) -> &Path {
        self.transcript.as_deref().expect("keeps a transcript")
    }

    /// Appends to the transcript, byte for byte.
    pub fn append(&self, bytes: impl AsRef<[u8]>) {
        let mut file = OpenOptions::new().append(true).open(self.transcript()).expect("opens");
        file.write_all(bytes.as_ref()).expect("appends");
    }

    /// Sends an event; what it answers. A hook succeeds, says nothing on standard error, and logs nothing.
    #[track_caller]
    pub fn hook(&self, event: &str, fields: &Value) -> String {
        let mut payload = json!({"session_id": self.native, "cwd": self.cwd});
        if let Some(transcript) = &self.transcript {
            payload["transcript_path"] = json!(transcript);
        }
        for (name, value) in fields.as_object().expect("an object") {
            payload[name] = value.clone();
        }
        let input = payload.to_string().into_bytes();
        let out = self.repo.sandbox.session_with_input(&self.cwd, ["hook", "generic", event], &input).success();
        assert_eq!(out.stderr, "", "{event}");
        assert_eq!(self.repo.hook_log(), "", "{event}");
        out.stdout
    }

    fn say(&self, role: &str, text: &str) {
        if self.transcript.is_some() {
            self.append(format!("{}\n", json!({"role": role, "content": text})));
        }
    }

    /// Starts its session.
    #[track_caller]
    pub fn start(&self) {
        assert_eq!(self.hook("session-start", &json!({})), "");
    }

    /// Sends a prompt.
    #[track_caller]
    pub fn prompt(&self, text: &str) {
        assert_eq!(self.hook("prompt", &json!({"prompt": format!("{text} {MARK}")})), "");
        self.say("user", &format!("{text} {MARK}"));
    }

    /// Tells that a tool wrote these paths.
    #[track_caller]
    pub fn tool(&self, paths: &[&str]) {
        assert_eq!(self.hook("tool", &json!({"tool": "write", "paths": paths})), "");
    }

    /// Answers.
    #[track_caller]
    pub fn end(&self) {
        self.say("assistant", &format!("done {MARK}"));
        assert_eq!(self.hook("turn-end", &json!({})), "");
    }

    /// Ends its session.
    #[track_caller]
    pub fn leave(&self) {
        assert_eq!(self.hook("session-end", &json!({})), "");
    }

    /// A whole turn, in which a file gets this content.
    #[track_caller]
    pub fn turn(&self, prompt: &str, path: &str, content: &str) {
        self.prompt(prompt);
        self.repo.write(path, content);
        self.end();
    }
}

impl TestRepo {
    /// What hooks could not say otherwise.
    pub fn hook_log(&self) -> String {
        let common = self.git(["rev-parse", "--path-format=absolute", "--git-common-dir"]);
        fs::read_to_string(Path::new(&common).join("session/log/hooks.log")).unwrap_or_default()
    }

    /// Runs `session` with `--json`; its document, where it succeeded.
    #[track_caller]
    pub fn ask<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Value {
        self.session(["--json"].into_iter().chain(args)).success().json()
    }

    /// Runs `session` with `--json`; its error, where it ended with that exit code.
    #[track_caller]
    pub fn refused<'a>(&self, code: i32, args: impl IntoIterator<Item = &'a str>) -> Value {
        let out = self.session(["--json"].into_iter().chain(args));
        assert_eq!(out.code, Some(code), "\n{out}");
        out.json()["error"].take()
    }

    /// Runs a dry run with `--json`; its plan, where it ended as a move that needs a choice.
    #[track_caller]
    pub fn asks_for_a_choice<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Value {
        let out = self.session(["--json"].into_iter().chain(args));
        assert_eq!((out.code, &out.json()["needs_choice"]), (Some(6), &Value::Bool(true)), "\n{out}");
        out.json()
    }

    /// The checkpoints of the session meant by default, the oldest first.
    #[track_caller]
    pub fn checkpoints(&self) -> Vec<Value> {
        let mut rows = self.ask(["log"])["checkpoints"].as_array().expect("a list").clone();
        rows.reverse();
        rows
    }

    /// Their kinds, the oldest first.
    #[track_caller]
    pub fn kinds(&self) -> Vec<String> {
        self.checkpoints().iter().map(|c| c["kind"].as_str().expect("a word").to_owned()).collect()
    }

    /// The id of the session meant by default.
    #[track_caller]
    pub fn session_id(&self) -> String {
        self.ask(["show"])["id"].as_str().expect("an id").to_owned()
    }

    /// The ref of the session meant by default.
    #[track_caller]
    pub fn session_ref(&self) -> String {
        format!("refs/sessions/heads/{}", self.session_id())
    }

    /// All refs and what they point at.
    #[track_caller]
    pub fn all_refs(&self) -> String {
        self.git(["for-each-ref"])
    }
}

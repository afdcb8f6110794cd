//! Claude Code as our hooks see it: its events, and a transcript of records that hang on each other.

use std::cell::RefCell;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::repo::TestRepo;

/// One native session.
pub struct Claude<'r> {
    repo: &'r TestRepo,
    id: String,
    cwd: PathBuf,
    transcript: PathBuf,
    last: RefCell<(Value, u32)>,
}

impl<'r> Claude<'r> {
    /// One in the top of the work tree, whose transcript lies below the home.
    pub fn new(repo: &'r TestRepo, id: &str) -> Self {
        let transcript = repo.sandbox.home().join(format!(".claude/projects/r/{id}.jsonl"));
        Self { repo, id: id.to_owned(), cwd: repo.path().to_owned(), transcript, last: RefCell::new((Value::Null, 0)) }
    }

    /// Works in another folder.
    #[must_use]
    pub fn in_folder(mut self, cwd: &Path) -> Self {
        self.cwd = cwd.to_owned();
        self
    }

    /// Has a configuration folder of its own.
    #[must_use]
    pub fn below(mut self, config: &Path) -> Self {
        self.transcript = config.join(format!("projects/r/{}.jsonl", self.id));
        self
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its transcript.
    pub fn transcript(&self) -> &Path {
        &self.transcript
    }

    /// The record that the next one hangs on.
    pub fn last(&self) -> Value {
        self.last.borrow().0.clone()
    }

    /// Lets the next record hang on an earlier one.
    pub fn hang_on(&self, uuid: &Value) {
        self.last.borrow_mut().0 = uuid.clone();
    }

    /// Writes a record.
    pub fn record(&self, kind: &str, message: &Value, more: &Value) {
        fs::create_dir_all(self.transcript.parent().expect("a folder")).expect("makes the folder");
        let mut last = self.last.borrow_mut();
        last.1 += 1;
        let uuid = format!("{:08x}-0000-4000-8000-{}", last.1, &self.id[24..]);
        let mut record = json!({"parentUuid": last.0, "isSidechain": false, "type": kind, "message": message,
            "uuid": uuid, "cwd": self.cwd, "version": "2.1.330", "timestamp": "2026-01-02T03:04:05.000Z"});
        for (name, value) in more.as_object().expect("an object") {
            record[name] = value.clone();
        }
        let mut file = OpenOptions::new().append(true).create(true).open(&self.transcript).expect("opens");
        writeln!(file, "{record}").expect("appends");
        last.0 = json!(uuid);
    }

    /// Sends an event; what it answers. Nothing is logged.
    #[track_caller]
    pub fn hook(&self, event: &str, fields: &Value) -> String {
        let mut payload = json!({"session_id": self.id, "cwd": self.cwd, "transcript_path": self.transcript,
            "hook_event_name": event, "permission_mode": "default"});
        for (name, value) in fields.as_object().expect("an object") {
            payload[name] = value.clone();
        }
        let input = payload.to_string().into_bytes();
        let out = self.repo.sandbox.session_with_input(&self.cwd, ["hook", "claude-code", event], &input).success();
        assert_eq!((out.stderr.as_str(), self.repo.hook_log().as_str()), ("", ""), "{event}");
        out.stdout
    }

    /// A prompt's hook; what it answers.
    #[track_caller]
    pub fn prompt(&self, key: &str, text: &str) -> String {
        self.hook("UserPromptSubmit", &json!({"prompt_id": key, "prompt": text}))
    }

    /// The agent's answer in the transcript.
    pub fn say(&self, text: &str) {
        let content = json!([{"type": "text", "text": text}]);
        let message = json!({"id": format!("m{}", self.last.borrow().1), "type": "message", "role": "assistant",
            "model": "m", "content": content, "usage": {"input_tokens": 100, "output_tokens": 10}});
        self.record("assistant", &message, &json!({}));
    }

    /// The turn's end.
    #[track_caller]
    pub fn stop(&self, key: &str, text: &str) {
        assert_eq!(self.hook("Stop", &json!({"prompt_id": key, "last_assistant_message": text})), "");
    }

    /// A whole turn.
    #[track_caller]
    pub fn turn(&self, key: &str, prompt: &str, answer: &str) {
        assert_eq!(self.prompt(key, prompt), "");
        self.record("user", &json!({"role": "user", "content": prompt}), &json!({"promptId": key}));
        self.say(answer);
        self.stop(key, answer);
    }

    /// The session's end.
    #[track_caller]
    pub fn leave(&self) {
        assert_eq!(self.hook("SessionEnd", &json!({"reason": "other"})), "");
    }
}

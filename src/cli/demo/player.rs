//! Plays the recording: appends the agent's own log, does what its tools did, and calls the hooks as the agent does.
//!
//! The recording is data in Claude Code's formats, one event a line, in the order in which they happened.

use std::io::Write as _;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use super::Teller;
use super::scratch::{Scratch, failed, wrong};
use crate::base::{Clock, Error as BaseError};
use crate::ops::Result;

const RECORDING: &str = include_str!("recording/session.jsonl");

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Event {
    /// A line of the agent's log.
    Transcript(Value),
    /// What a hook gets on standard input.
    Hook(Value),
}

/// The agent, as far as it was recorded.
#[derive(Debug)]
pub struct Player<'s> {
    scratch: &'s Scratch,
    transcript: PathBuf,
    rest: std::vec::IntoIter<Event>,
    ahead: Option<Event>,
}

impl<'s> Player<'s> {
    /// At the start of the recording.
    pub fn new(scratch: &'s Scratch, clock: &Clock) -> Result<Self> {
        let first = RECORDING.lines().next().unwrap_or_default();
        let id = match read(first)? {
            Event::Hook(payload) => payload["session_id"].as_str().unwrap_or_default().to_owned(),
            Event::Transcript(_) => return Err(wrong("the recording does not begin with a hook")),
        };
        let folder = scratch.conversations();
        std::fs::create_dir_all(&folder).map_err(BaseError::io("create the folder", &folder))?;
        let transcript = folder.join(format!("{id}.jsonl"));
        let quoted = |text: &str| Value::from(text).to_string().trim_matches('"').to_owned();
        let text = RECORDING
            .replace("{{repository}}", &quoted(&scratch.project().to_string_lossy()))
            .replace("{{transcript}}", &quoted(&transcript.to_string_lossy()))
            .replace("{{time}}", &clock.now().to_string());
        let events = text.lines().map(read).collect::<Result<Vec<_>>>()?;
        Ok(Self { scratch, transcript, rest: events.into_iter(), ahead: None })
    }

    /// The log of the conversation.
    pub fn transcript(&self) -> &PathBuf {
        &self.transcript
    }

    /// The agent's id of the session, which is ours too.
    pub fn session(&self) -> String {
        self.transcript.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Plays what comes before the first prompt: the start of the session.
    pub fn start(&mut self, teller: &mut Teller<'_>) -> Result<()> {
        self.turn(teller).map(drop)
    }

    /// Plays up to the next prompt, that is one turn. False at the end.
    pub fn turn(&mut self, teller: &mut Teller<'_>) -> Result<bool> {
        let mut any = false;
        while let Some(event) = self.ahead.take().or_else(|| self.rest.next()) {
            let is_prompt = matches!(&event, Event::Hook(payload) if payload["hook_event_name"] == "UserPromptSubmit");
            if is_prompt && any {
                self.ahead = Some(event);
                break;
            }
            any = true;
            self.one(teller, event)?;
        }
        Ok(any)
    }

    /// A line that a person types into the agent, and what the hook answers.
    pub fn typed(&self, teller: &mut Teller<'_>, line: &str) -> Result<()> {
        let before = self.scratch.listing()?;
        let payload = serde_json::json!({
            "session_id": self.session(),
            "transcript_path": self.transcript, "cwd": self.scratch.project(),
            "hook_event_name": "UserPromptSubmit", "prompt": line,
        });
        let reply: Value = serde_json::from_str(&self.hook(&payload)?)
            .map_err(|e| wrong(format!("the hook gave no answer to {line:?}: {e}")))?;
        if reply["decision"] != "block" {
            return Err(wrong(format!("the hook let {line:?} through to the model")));
        }
        let answer = reply["reason"].as_str().unwrap_or_default();
        teller.typed(line, answer);
        teller.changed(&before, &self.scratch.listing()?);
        Ok(())
    }

    /// How many prompts of a person, as recorded, a conversation holds.
    pub fn prompts_in(&self, conversation: &[u8]) -> usize {
        let text = String::from_utf8_lossy(conversation);
        let records = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        records.filter(|r| r["type"] == "user" && r["message"]["content"].is_string()).count()
    }

    fn one(&self, teller: &mut Teller<'_>, event: Event) -> Result<()> {
        match event {
            Event::Hook(payload) => {
                if let Some(prompt) = payload["prompt"].as_str() {
                    teller.talk("You", prompt);
                }
                let said = self.hook(&payload)?;
                if !said.is_empty() {
                    return Err(wrong(format!("a hook printed something to the agent: {said}")));
                }
                if let Some(text) = payload["last_assistant_message"].as_str() {
                    teller.talk("Agent", text);
                }
            }
            Event::Transcript(record) => {
                let mut file = std::fs::OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(&self.transcript)
                    .map_err(BaseError::io("open the file", &self.transcript))?;
                file.write_all(format!("{record}\n").as_bytes())
                    .map_err(BaseError::io("write to the file", &self.transcript))?;
                let parts = record["message"]["content"].as_array().cloned().unwrap_or_default();
                for call in parts.iter().filter(|part| part["type"] == "tool_use") {
                    self.tool(teller, call)?;
                }
            }
        }
        Ok(())
    }

    /// Does what a tool did.
    fn tool(&self, teller: &mut Teller<'_>, call: &Value) -> Result<()> {
        let name = call["name"].as_str().unwrap_or_default();
        let input = |field: &str| call["input"][field].as_str().unwrap_or_default();
        let path = PathBuf::from(input("file_path"));
        let shown = path.strip_prefix(self.scratch.project()).unwrap_or(&path).to_string_lossy().into_owned();
        match name {
            "Bash" => {
                teller.tool(name, input("command"));
                let command = self.scratch.shell(input("command"), b"")?;
                if command.exit != Some(0) {
                    return Err(failed(&command));
                }
            }
            "Write" => {
                teller.tool(name, &shown);
                self.scratch.write(&shown, input("content"), 0o644)?;
            }
            "Edit" => {
                teller.tool(name, &shown);
                let old = std::fs::read_to_string(&path).map_err(BaseError::io("read the file", &path))?;
                if !old.contains(input("old_string")) {
                    return Err(wrong(format!("{shown} does not hold what the recorded edit replaces")));
                }
                let new = old.replacen(input("old_string"), input("new_string"), 1);
                std::fs::OpenOptions::new()
                    .write(true)
                    .truncate(true)
                    .open(&path)
                    .and_then(|mut file| file.write_all(new.as_bytes()))
                    .map_err(BaseError::io("write to the file", &path))?;
            }
            other => return Err(wrong(format!("the recording uses a tool that cannot be played: {other}"))),
        }
        Ok(())
    }

    /// Runs a hook as the agent does; what it printed.
    fn hook(&self, payload: &Value) -> Result<String> {
        let event = payload["hook_event_name"].as_str().unwrap_or_default();
        let line = format!("session hook claude-code {event}");
        let command = self.scratch.shell(&line, payload.to_string().as_bytes())?;
        if command.exit == Some(0) && command.stderr.is_empty() { Ok(command.stdout) } else { Err(failed(&command)) }
    }
}

fn read(line: &str) -> Result<Event> {
    serde_json::from_str(line).map_err(|e| wrong(format!("the recording cannot be read: {e}")))
}

//! Any program that can run a command: it tells us its events in a JSON object of our own, and shows us its JSON lines.
//!
//! The protocol is in `docs/agents/generic.md`. We know neither where its files lie nor how it resumes: the caller does.

use std::path::{Path, PathBuf};

use super::jsonl::{self, Object};
use super::{
    Agent, AgentEnv, Companion, Error, Event, FileEdit, HookInput, InstallOptions, Keep, Parsed, ParsedTurn, Reply,
    Result, Rewrite, Rewritten,
};

/// Any other agent.
#[derive(Debug)]
pub struct Generic;

impl Agent for Generic {
    fn kind(&self) -> &'static str {
        "generic"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    fn title(&self) -> &'static str {
        "Generic"
    }

    fn parse_hook(&self, event: &str, stdin: &[u8]) -> Result<HookInput> {
        let bad =
            |problem: &str| Error::Payload { agent: "generic", event: event.to_owned(), problem: problem.to_owned() };
        let payload = Object::parse(stdin).ok_or_else(|| bad("not a JSON object"))?;
        let text = |name: &str| payload.text(name).map(|t| t.into_owned()).filter(|t| !t.is_empty());
        let event = match event {
            "session-start" => Event::SessionStart { cleared: false, forked: false },
            "prompt" => Event::Prompt { text: payload.text("prompt").ok_or_else(|| bad("no prompt"))?.into_owned() },
            "tool" => Event::Tool {
                name: text("tool").ok_or_else(|| bad("no tool"))?,
                paths: payload.array("paths").into_iter().filter_map(jsonl::text).map(|p| p.as_ref().into()).collect(),
                failed: payload.flag("failed"),
            },
            "turn-end" => Event::TurnEnd { last_message: text("last_message") },
            "session-end" => Event::SessionEnd { cleared: false },
            _ => Event::Ignored,
        };
        Ok(HookInput {
            native_id: text("session_id").ok_or_else(|| bad("no session_id"))?,
            cwd: text("cwd").map(PathBuf::from).ok_or_else(|| bad("no cwd"))?,
            transcript: text("transcript_path").map(PathBuf::from),
            prompt_key: text("prompt_id"),
            mode: None,
            agent: text("agent"),
            pid: payload.raw("pid").and_then(|raw| raw.get().parse().ok()),
            in_subagent: false,
            event,
        })
    }

    fn render_reply(&self, _event: &str, reply: &Reply) -> Vec<u8> {
        match reply {
            Reply::Nothing => Vec::new(),
            Reply::Answer(text) => serde_json::json!({ "answer": text.as_str() }).to_string().into_bytes(),
        }
    }

    fn parse(&self, bytes: &[u8], offset: u64) -> Parsed {
        let mut parsed = Parsed { before: turn(offset, String::new()), ..Parsed::default() };
        for (start, line) in jsonl::lines(bytes) {
            if line.trim_ascii().is_empty() {
                continue;
            }
            let Some(object) = Object::parse(line) else {
                parsed.bad_lines += 1;
                continue;
            };
            let start = offset + start as u64;
            if let Some(prompt) = prompt(&object) {
                parsed.turns.last_mut().unwrap_or(&mut parsed.before).end = start;
                parsed.turns.push(turn(start, prompt));
            } else if role(&object).is_some_and(|r| r == "assistant") {
                let last = parsed.turns.last_mut().unwrap_or(&mut parsed.before);
                last.last_text = said(&object).or(last.last_text.take());
            }
        }
        let end = jsonl::complete_length(bytes);
        parsed.turns.last_mut().unwrap_or(&mut parsed.before).end = offset + end as u64;
        parsed.torn = end < bytes.len();
        parsed
    }

    fn rewrite(&self, bytes: &[u8], how: &Rewrite<'_>) -> Result<Rewritten> {
        let complete = jsonl::complete_length(bytes);
        let cut = match how.keep {
            Keep::All => complete,
            Keep::Before { offset, .. } => usize::try_from(offset).unwrap_or(usize::MAX).min(complete),
        };
        if cut > 0 && bytes[cut - 1] != b'\n' {
            return Err(Error::Transcript { problem: format!("no line begins at byte {cut}") });
        }
        let (kept, removed) = bytes.split_at(cut);
        Ok(Rewritten {
            bytes: kept.to_vec(),
            turns: u32::try_from(self.parse(kept, 0).turns.len()).unwrap_or(u32::MAX),
            removed_prompt: self.parse(removed, 0).turns.into_iter().next().map(|t| t.prompt),
        })
    }

    fn transcript_path(&self, _env: &AgentEnv, _cwd: &Path, _native_id: &str) -> Option<PathBuf> {
        None
    }

    fn find_transcript(&self, _env: &AgentEnv, _native_id: &str) -> Option<PathBuf> {
        None
    }

    fn owns_transcript(&self, _env: &AgentEnv, _path: &Path) -> bool {
        false
    }

    fn is_conversation(&self, head: &[u8]) -> bool {
        jsonl::is_made_of(head, |_| true)
    }

    fn companions(&self, _transcript: &Path) -> Vec<Companion> {
        Vec::new()
    }

    fn resume_command(&self, _native_id: &str) -> Option<Vec<String>> {
        None
    }

    fn resume_line(&self, _native_id: &str) -> Option<String> {
        None
    }

    fn is_installable(&self) -> bool {
        false
    }

    fn install(&self, _root: &Path, _options: &InstallOptions) -> Result<Vec<FileEdit>> {
        Ok(Vec::new())
    }

    fn uninstall(&self, _root: &Path) -> Result<Vec<FileEdit>> {
        Ok(Vec::new())
    }
}

fn turn(start: u64, prompt: String) -> ParsedTurn {
    ParsedTurn { start, end: start, prompt, active: true, ..ParsedTurn::default() }
}

/// Who speaks in a line: its own `role`, else that of its `message`, else its `type`.
fn role(object: &Object<'_>) -> Option<String> {
    let inner = || object.object("message").and_then(|m| m.text("role").map(|r| r.into_owned()));
    object.text("role").map(|r| r.into_owned()).or_else(inner).or_else(|| object.text("type").map(|t| t.into_owned()))
}

/// The text of a line that a person wrote; tool results come as `user` lines too, and have none.
fn prompt(object: &Object<'_>) -> Option<String> {
    (role(object)? == "user").then(|| said(object)).flatten()
}

fn said(object: &Object<'_>) -> Option<String> {
    let said = ["content", "text", "prompt"].iter().find_map(|name| object.raw(name));
    let raw = match (said, object.raw("message")) {
        (Some(raw), _) => raw,
        (None, Some(message)) if message.get().starts_with('"') => message,
        (None, _) => return object.object("message").and_then(|message| said_in(&message)),
    };
    text_of(raw)
}

fn said_in(message: &Object<'_>) -> Option<String> {
    message.raw("content").and_then(text_of)
}

fn text_of(raw: &serde_json::value::RawValue) -> Option<String> {
    if let Some(text) = jsonl::text(raw) {
        return Some(text.into_owned());
    }
    let blocks: Vec<&serde_json::value::RawValue> = serde_json::from_str(raw.get()).ok()?;
    let texts: Vec<String> = blocks
        .into_iter()
        .filter_map(|block| Object::parse(block.get().as_bytes())?.text("text").map(|t| t.into_owned()))
        .collect();
    (!texts.is_empty()).then(|| texts.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{IdSource, Timestamp};

    const LINES: &str = concat!(
        "{\"note\":1}\n",
        "{\"role\":\"user\",\"content\":\"one\"}\n",
        "{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"ok\"}]}\n",
        "{\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\"}]}}\n",
        "no json\n",
        "{\"type\":\"user\",\"message\":{\"content\":\"two\"}}\n",
        "{\"torn\":"
    );

    fn rewritten(keep: Keep<'_>) -> Result<Rewritten> {
        let (ids, now) = (IdSource::seeded(1), Timestamp::from_seconds(0));
        let how = Rewrite { keep, new_id: "n", old_id: "o", cwd: Path::new("/p"), title: None, ids: &ids, now };
        Generic.rewrite(LINES.as_bytes(), &how)
    }

    #[test]
    fn lines_of_a_user_begin_turns_and_tool_results_do_not() {
        let parsed = Generic.parse(LINES.as_bytes(), 100);
        let turns: Vec<_> = parsed.turns.iter().map(|t| (t.prompt.as_str(), t.start, t.last_text.as_deref())).collect();
        let two = LINES.find("{\"type\":\"user\",\"message\":{\"content\"").expect("there") as u64;
        assert_eq!(turns, [("one", 111, Some("ok")), ("two", 100 + two, None)]);
        assert_eq!((parsed.bad_lines, parsed.torn), (1, true));
    }

    #[test]
    fn a_cut_keeps_lines_as_they_are_and_is_made_between_lines_only() {
        let start = Generic.parse(LINES.as_bytes(), 0).turns[1].start;
        let new = rewritten(Keep::Before { key: None, offset: start }).expect("rewrites");
        assert!(LINES.as_bytes().starts_with(&new.bytes) && new.bytes.len() as u64 == start);
        assert_eq!((new.turns, new.removed_prompt.as_deref()), (1, Some("two")));
        assert!(rewritten(Keep::Before { key: None, offset: start + 1 }).is_err());
        assert_eq!(rewritten(Keep::All).expect("rewrites").turns, 2);
    }

    #[test]
    fn an_event_is_read_from_the_name_given_and_the_fields_of_the_protocol() {
        let payload = br#"{"session_id":"s","cwd":"/p","agent":"mine","tool":"write","paths":["a","b"],"failed":true}"#;
        let input = Generic.parse_hook("tool", payload).expect("reads");
        let paths = vec!["a".into(), "b".into()];
        assert_eq!(input.event, Event::Tool { name: "write".to_owned(), paths, failed: true });
        assert_eq!(input.agent.as_deref(), Some("mine"));
        assert!(Generic.parse_hook("prompt", br#"{"session_id":"s","cwd":"/p"}"#).is_err());
        assert!(Generic.parse_hook("turn-end", br#"{"cwd":"/p"}"#).is_err());
    }
}

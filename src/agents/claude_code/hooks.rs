//! Hook payloads of Claude Code, and the one reply that it wants.

use std::path::PathBuf;

use serde_json::json;

use super::KIND;
use super::records::written_path;
use crate::agents::jsonl::Object;
use crate::agents::{Error, Event, HookInput, Reply, Result};

/// Reads what a hook got on standard input.
pub(super) fn parse(event: &str, stdin: &[u8]) -> Result<HookInput> {
    let bad = |problem: &str| Error::Payload { agent: KIND, event: event.to_owned(), problem: problem.to_owned() };
    let payload = Object::parse(stdin).ok_or_else(|| bad("not a JSON object"))?;
    let text = |name: &str| payload.text(name).map(|t| t.into_owned()).filter(|t| !t.is_empty());
    let named = text("hook_event_name").unwrap_or_else(|| event.to_owned());
    let event = match named.as_str() {
        // It goes on as it was, wherever its shell is.
        "SessionStart" if text("source").as_deref() == Some("compact") => Event::Ignored,
        "SessionStart" => {
            let source = text("source");
            Event::SessionStart {
                cleared: source.as_deref() == Some("clear"),
                forked: source.as_deref() == Some("fork"),
            }
        }
        "UserPromptSubmit" | "UserPromptExpansion" => {
            Event::Prompt { text: payload.text("prompt").ok_or_else(|| bad("no prompt"))?.into_owned() }
        }
        "PostToolUse" | "PostToolUseFailure" => {
            let name = text("tool_name").ok_or_else(|| bad("no tool_name"))?;
            let path = payload.object("tool_input").and_then(|input| written_path(&name, &input));
            let paths = path.map(|p| PathBuf::from(p.as_ref())).into_iter().collect();
            Event::Tool { name, paths, failed: named == "PostToolUseFailure" }
        }
        "Stop" | "StopFailure" => Event::TurnEnd { last_message: text("last_assistant_message") },
        "SubagentStop" => Event::SubagentEnd { transcript: text("agent_transcript_path").map(PathBuf::from) },
        "PreCompact" => Event::PreCompact,
        "SessionEnd" => Event::SessionEnd { cleared: text("reason").as_deref() == Some("clear") },
        _ => Event::Ignored,
    };
    Ok(HookInput {
        native_id: text("session_id").ok_or_else(|| bad("no session_id"))?,
        cwd: text("cwd").map(PathBuf::from).ok_or_else(|| bad("no cwd"))?,
        transcript: text("transcript_path").map(PathBuf::from),
        prompt_key: text("prompt_id"),
        mode: text("permission_mode"),
        agent: None,
        pid: None,
        // SubagentStop names the subagent too, but is the session's own event.
        in_subagent: text("agent_id").is_some() && named != "SubagentStop",
        event,
    })
}

/// What the hook prints. What it prints on other events would become part of the model's context.
pub(super) fn render(event: &str, reply: &Reply) -> Vec<u8> {
    match (event, reply) {
        ("UserPromptSubmit" | "UserPromptExpansion", Reply::Answer(text)) => {
            json!({"decision": "block", "reason": text.as_str()}).to_string().into_bytes()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::text::Shown;

    #[test]
    fn a_payload_without_session_or_folder_is_refused_and_an_unknown_event_is_not() {
        assert!(parse("Stop", br#"{"cwd":"/p"}"#).is_err());
        assert!(parse("Stop", br#"{"session_id":"s"}"#).is_err());
        assert!(parse("Stop", b"").is_err());
        let input = parse("Later", br#"{"session_id":"s","cwd":"/p"}"#).expect("reads");
        assert_eq!(input.event, Event::Ignored);
    }

    #[test]
    fn the_payload_names_the_event_before_the_command_line_does() {
        let payload = br#"{"session_id":"s","cwd":"/p","hook_event_name":"SessionEnd","reason":"clear"}"#;
        assert_eq!(parse("Stop", payload).expect("reads").event, Event::SessionEnd { cleared: true });
        let payload = br#"{"session_id":"s","cwd":"/p","source":"fork"}"#;
        let event = parse("SessionStart", payload).expect("reads").event;
        assert_eq!(event, Event::SessionStart { cleared: false, forked: true });
    }

    #[test]
    fn a_prompt_with_a_lone_surrogate_is_a_prompt() {
        let payload = br#"{"session_id":"s","cwd":"/p","prompt":"a\ud83d"}"#;
        let event = parse("UserPromptExpansion", payload).expect("reads").event;
        assert_eq!(event, Event::Prompt { text: "a\u{fffd}\u{fffd}\u{fffd}".to_owned() });
    }

    #[test]
    fn only_a_prompt_can_be_answered() {
        let answer = Reply::Answer(Shown::lines("two\n\"lines\""));
        assert_eq!(render("UserPromptSubmit", &answer), br#"{"decision":"block","reason":"two\n\"lines\""}"#);
        assert!(render("Stop", &answer).is_empty());
        assert!(render("UserPromptSubmit", &Reply::Nothing).is_empty());
    }
}

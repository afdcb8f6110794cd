//! Lines of a Claude Code transcript: which fields of a record matter to us, and what makes it a person's prompt.
//!
//! The format is Anthropic's own and changes between versions: nothing here fails on what it does not know.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::agents::jsonl::{self, Object};
use crate::model::session::Usage;

/// Records with which the agent notes what a person did in its own terminal; they ask the model nothing.
const LOCAL: &[&str] = &[
    "<command-name>",
    "<local-command-",
    "<bash-input>",
    "<bash-stdout>",
    "<bash-stderr>",
    "<user-memory-input>",
    "<task-notification>",
    INTERRUPTED,
];

/// What the agent notes at an interrupt.
const INTERRUPTED: &str = "[Request interrupted by user";

/// One line.
#[derive(Debug)]
pub(super) struct Record<'a> {
    /// All its fields.
    pub(super) object: Object<'a>,
    /// Its `type`.
    pub(super) kind: Cow<'a, str>,
}

impl<'a> Record<'a> {
    /// Reads a line; `None` where it is not what the agent writes.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        let object = Object::parse(line)?;
        let kind = object.text("type")?;
        Some(Self { object, kind })
    }

    /// Its id, where it is part of the tree.
    pub(super) fn uuid(&self) -> Option<Cow<'a, str>> {
        self.object.text("uuid")
    }

    /// The record before it. A compaction begins a new root and names what it replaced as its logical parent.
    pub(super) fn parent(&self) -> Option<Cow<'a, str>> {
        self.object.text("parentUuid").or_else(|| self.object.text("logicalParentUuid"))
    }

    /// Whether it belongs to a subagent.
    pub(super) fn is_sidechain(&self) -> bool {
        self.object.flag("isSidechain")
    }

    /// Whether it shows that the agent was at work: an answer, what a tool gave, an interrupt. What a person did in the agent's
    /// own terminal does not.
    pub(super) fn is_sign_of_life(&self, message: &Message<'_>) -> bool {
        let is_of_a_tool = || {
            message.blocks().iter().any(|block| {
                let text = || block.object.text("text").is_some_and(|text| text.starts_with(INTERRUPTED));
                block.kind == "tool_result" || block.kind == "text" && text()
            })
        };
        match self.kind.as_ref() {
            "assistant" => message.object.text("model").is_none_or(|model| model != "<synthetic>"),
            "user" => {
                is_of_a_tool() || message.object.text("content").is_some_and(|text| text.starts_with(INTERRUPTED))
            }
            _ => false,
        }
    }

    /// Whether it is what a hook left that took the prompt away.
    pub(super) fn is_blocked_prompt(&self) -> bool {
        self.kind == "system"
            && self.object.flag("preventContinuation")
            && self
                .object
                .text("content")
                .is_some_and(|c| c.starts_with("UserPrompt") && c.contains(" operation blocked by hook"))
    }

    /// The message of a `user` or `assistant` record.
    pub(super) fn message(&self) -> Option<Message<'a>> {
        if self.kind != "user" && self.kind != "assistant" {
            return None;
        }
        self.object.object("message").map(Message::new)
    }

    /// The prompt's text, where this is the prompt of a person that the model answers.
    pub(super) fn prompt(&self, message: &Message<'a>) -> Option<String> {
        let not_a_person = ["isMeta", "isCompactSummary", "isSidechain", "isVisibleInTranscriptOnly"];
        if self.kind != "user" || not_a_person.iter().any(|name| self.object.flag(name)) {
            return None;
        }
        let texts = match &message.content {
            Content::Text(text) => vec![text.clone()],
            Content::Blocks(blocks) if blocks.iter().any(|b| b.kind == "tool_result") => return None,
            Content::Blocks(blocks) => blocks.iter().filter_map(|b| b.object.text("text")).collect(),
            Content::None => return None,
        };
        let typed: Vec<&str> = texts.iter().map(AsRef::as_ref).filter(|t| !t.starts_with("<ide_")).collect();
        let text = typed.join("\n");
        if LOCAL.iter().any(|mark| text.starts_with(mark)) {
            return None;
        }
        // Such a command is expanded into a prompt of its own; one that the agent answers itself begins with its name.
        Some(if text.starts_with("<command-message>") { slash_line(&text) } else { text })
    }
}

/// `/name arguments`, as it was typed.
fn slash_line(text: &str) -> String {
    let name = between(text, "<command-name>", "</command-name>").unwrap_or_default();
    let arguments = between(text, "<command-args>", "</command-args>").unwrap_or_default();
    format!("{name} {arguments}").trim_end().to_owned()
}

fn between<'t>(text: &'t str, open: &str, close: &str) -> Option<&'t str> {
    text.split_once(open).and_then(|(_, rest)| rest.split_once(close)).map(|(inside, _)| inside)
}

/// What a message holds.
#[derive(Debug)]
pub(super) enum Content<'a> {
    /// A plain text.
    Text(Cow<'a, str>),
    /// Blocks.
    Blocks(Vec<Block<'a>>),
    /// Neither.
    None,
}

/// One block of a message.
#[derive(Debug)]
pub(super) struct Block<'a> {
    /// Its `type`.
    pub(super) kind: Cow<'a, str>,
    /// All its fields.
    pub(super) object: Object<'a>,
}

/// The message in a record.
#[derive(Debug)]
pub(super) struct Message<'a> {
    /// All its fields.
    pub(super) object: Object<'a>,
    /// What it says.
    pub(super) content: Content<'a>,
}

impl<'a> Message<'a> {
    fn new(object: Object<'a>) -> Self {
        let content = match object.raw("content") {
            Some(raw) if raw.get().starts_with('"') => jsonl::text(raw).map_or(Content::None, Content::Text),
            Some(raw) if raw.get().starts_with('[') => Content::Blocks(blocks(raw)),
            _ => Content::None,
        };
        Self { object, content }
    }

    /// Its blocks; none where it is a plain text.
    pub(super) fn blocks(&self) -> &[Block<'a>] {
        match &self.content {
            Content::Blocks(blocks) => blocks,
            _ => &[],
        }
    }

    /// Ids of the tool calls in it, or of those that it answers.
    pub(super) fn ids(&self, kind: &str, field: &str) -> Vec<Cow<'a, str>> {
        self.blocks().iter().filter(|b| b.kind == kind).filter_map(|b| b.object.text(field)).collect()
    }

    /// Its token counts.
    pub(super) fn usage(&self) -> Option<Usage> {
        self.object.object("usage").map(|u| Usage {
            input: u.count("input_tokens"),
            output: u.count("output_tokens"),
            cache_write: u.count("cache_creation_input_tokens"),
            cache_read: u.count("cache_read_input_tokens"),
        })
    }
}

fn blocks(raw: &RawValue) -> Vec<Block<'_>> {
    let items: Vec<&RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
    items
        .into_iter()
        .filter_map(|item| Object::parse(item.get().as_bytes()))
        .filter_map(|object| object.text("type").map(|kind| Block { kind, object }))
        .collect()
}

/// The file that a tool's input names as written.
pub(super) fn written_path<'a>(tool: &str, input: &Object<'a>) -> Option<Cow<'a, str>> {
    match tool {
        "Write" | "Edit" | "MultiEdit" => input.text("file_path"),
        "NotebookEdit" => input.text("notebook_path"),
        _ => None,
    }
}

//! Turns of a Claude Code transcript, in one pass over its lines.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::PathBuf;

use super::chain::Tree;
use super::notes::Notes;
use super::records::{Message, Record, written_path};
use crate::agents::jsonl;
use crate::agents::transcript::{Parsed, ParsedTurn};
use crate::base::Timestamp;
use crate::model::session::Usage;

/// Reads a stretch of lines that begins at `offset` of the file.
pub(super) fn parse(bytes: &[u8], offset: u64) -> Parsed {
    let mut reader = Reader::new(offset);
    for (start, line) in jsonl::lines(bytes) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        match Record::parse(line) {
            Some(record) => reader.read(offset + start as u64, &record),
            None => reader.parsed.bad_lines += 1,
        }
    }
    let end = jsonl::complete_length(bytes);
    reader.finish(offset + end as u64, end < bytes.len())
}

/// What a turn needs beside its row until the stretch is read.
struct Opened<'a> {
    uuid: Option<Cow<'a, str>>,
    place: Option<usize>,
}

struct Reader<'a> {
    parsed: Parsed,
    opened: Vec<Opened<'a>>,
    tree: Tree<'a>,
    /// Usage of the messages of the open turn: an answer is written as several lines that repeat it.
    usage: HashMap<Cow<'a, str>, Usage>,
    notes: Notes,
    custom_title: Option<String>,
}

impl<'a> Reader<'a> {
    fn new(offset: u64) -> Self {
        let before = ParsedTurn { start: offset, end: offset, active: true, ..ParsedTurn::default() };
        Self {
            parsed: Parsed { before, ..Parsed::default() },
            opened: Vec::new(),
            tree: Tree::new(offset > 0),
            usage: HashMap::new(),
            notes: Notes::default(),
            custom_title: None,
        }
    }

    fn read(&mut self, start: u64, record: &Record<'a>) {
        let object = &record.object;
        match record.kind.as_ref() {
            "custom-title" => self.custom_title = object.text("customTitle").map(Cow::into_owned),
            "ai-title" => keep(&mut self.parsed.title, object.text("aiTitle")),
            _ => {}
        }
        let uuid = record.uuid();
        let Some(uuid) = uuid else { return };
        keep(&mut self.parsed.version, object.text("version"));
        if let Some(cwd) = object.text("cwd") {
            self.parsed.cwd = Some(PathBuf::from(cwd.as_ref()));
        }
        let place = (!record.is_sidechain()).then(|| self.tree.push(uuid.clone(), record.parent()));
        let Some(message) = record.message() else { return };
        match record.prompt(&message) {
            Some(prompt) => self.open(start, prompt, record, Opened { uuid: Some(uuid), place }),
            None => self.add(start, record, &message),
        }
    }

    fn open(&mut self, start: u64, prompt: String, record: &Record<'a>, opened: Opened<'a>) {
        self.current().end = start;
        self.usage.clear();
        let object = &record.object;
        self.parsed.turns.push(ParsedTurn {
            key: object.text("promptId").or_else(|| opened.uuid.clone()).map(Cow::into_owned),
            start,
            prompt,
            at: object.text("timestamp").and_then(|t| Timestamp::parse(&t).ok()),
            ..ParsedTurn::default()
        });
        self.opened.push(opened);
    }

    fn add(&mut self, start: u64, record: &Record<'a>, message: &Message<'a>) {
        if record.is_sign_of_life(message)
            && let Some(at) = record.object.text("timestamp").and_then(|t| Timestamp::parse(&t).ok())
        {
            let last = &mut self.current().last_at;
            *last = (*last).max(Some(at));
        }
        if let Some(model) = message.object.text("model").filter(|m| m != "<synthetic>") {
            self.parsed.model = Some(model.into_owned());
        }
        if record.kind == "assistant" {
            self.count_tokens(message);
        }
        let own = !record.is_sidechain();
        let noted =
            message.blocks().iter().filter_map(|block| self.notes.read(start, record, block)).collect::<Vec<_>>();
        let turn = self.current();
        turn.notes.extend(noted);
        for block in message.blocks() {
            match block.kind.as_ref() {
                "tool_use" => {
                    let name = block.object.text("name").unwrap_or_default();
                    let path = block.object.object("input").and_then(|input| written_path(&name, &input));
                    if let Some(path) = path.map(|p| PathBuf::from(p.as_ref()))
                        && !turn.files.contains(&path)
                    {
                        turn.files.push(path);
                    }
                    *turn.tools.entry(name.into_owned()).or_default() += 1;
                }
                "tool_result" if block.object.flag("is_error") => turn.errors += 1,
                "text" if own && record.kind == "assistant" => {
                    keep(&mut turn.last_text, block.object.text("text").filter(|t| !t.trim().is_empty()));
                }
                _ => {}
            }
        }
    }

    fn count_tokens(&mut self, message: &Message<'a>) {
        let Some(usage) = message.usage() else { return };
        let earlier = message.object.text("id").and_then(|id| self.usage.insert(id, usage)).unwrap_or_default();
        let tokens = &mut self.current().tokens;
        *tokens += usage;
        tokens.input -= earlier.input;
        tokens.output -= earlier.output;
        tokens.cache_write -= earlier.cache_write;
        tokens.cache_read -= earlier.cache_read;
    }

    fn current(&mut self) -> &mut ParsedTurn {
        self.parsed.turns.last_mut().unwrap_or(&mut self.parsed.before)
    }

    fn finish(mut self, end: u64, torn: bool) -> Parsed {
        self.current().end = end;
        self.parsed.torn = torn;
        if self.custom_title.is_some() {
            self.parsed.title = self.custom_title;
        }
        let line = self.tree.line(self.tree.len().checked_sub(1));
        let mut taken = std::collections::HashSet::new();
        for (turn, opened) in self.parsed.turns.iter_mut().zip(&self.opened).rev() {
            turn.active = opened.place.is_some_and(|place| line[place]);
            // The agent's own fork stamps copied prompts with the id of the new one, which comes last.
            if !turn.key.clone().is_some_and(|key| taken.insert(key)) {
                turn.key = opened.uuid.clone().map(Cow::into_owned);
            }
        }
        self.parsed
    }
}

fn keep(slot: &mut Option<String>, found: Option<Cow<'_, str>>) {
    if let Some(found) = found {
        *slot = Some(found.into_owned());
    }
}

//! A new transcript from an old one, cut where a prompt begins, that `claude --resume` takes.
//!
//! The rules are those of the agent's own fork: a new id for every record, parents mapped, records of subagents and progress
//! left out. Only the line of conversation that leads to the cut is kept, with the other halves of parallel tool calls that
//! hang beside it. Values that we do not set stay the text that they were.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use super::chain::Tree;
use super::records::Record;
use crate::agents::jsonl::{self, quoted};
use crate::agents::transcript::{Keep, Rewrite, Rewritten};
use crate::agents::{Error, Result};

/// Fields that bind a record to its old session or team.
const DROPPED: &[&str] = &["teamName", "agentName", "slug", "sourceToolAssistantUUID", "forkedFrom"];

/// Makes the new file.
pub(super) fn rewrite(bytes: &[u8], how: &Rewrite<'_>) -> Result<Rewritten> {
    let file = File::read(bytes);
    let cut = match how.keep {
        Keep::All => file.unfinished(),
        Keep::Before { key, offset } => file.find(key, offset, bytes.len())?,
    };
    let leaf = match cut {
        Some(cut) => file.tree.parent(cut),
        None => file.tree.len().checked_sub(1),
    };
    let kept = file.kept(leaf);
    let turns = file.among(&kept).filter(|e| e.prompt.is_some()).count();
    Ok(Rewritten {
        bytes: file.write(&kept, how).into_bytes(),
        turns: u32::try_from(turns).unwrap_or(u32::MAX),
        removed_prompt: cut.and_then(|cut| file.entries[cut].prompt.clone()),
    })
}

/// A record of the tree with what the cut asks of it.
struct Entry<'a> {
    record: Record<'a>,
    uuid: Cow<'a, str>,
    start: usize,
    prompt: Option<String>,
    message_id: Option<Cow<'a, str>>,
    calls: Vec<Cow<'a, str>>,
    answers: Vec<Cow<'a, str>>,
}

impl Entry<'_> {
    /// Links of the chain that are no conversation.
    fn is_passing(&self) -> bool {
        self.record.kind == "progress" || self.record.is_blocked_prompt()
    }
}

/// The whole old file. Places in `entries` are those of the tree.
struct File<'a> {
    entries: Vec<Entry<'a>>,
    tree: Tree<'a>,
    /// Lines outside the tree that go along: what was left out of long tool results, and titles.
    replacements: Vec<Record<'a>>,
    titles: HashMap<String, Record<'a>>,
    version: Option<Cow<'a, str>>,
}

impl<'a> File<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let mut file = Self {
            entries: Vec::new(),
            tree: Tree::new(false),
            replacements: Vec::new(),
            titles: HashMap::new(),
            version: None,
        };
        for (start, line) in jsonl::lines(bytes) {
            if let Some(record) = Record::parse(line) {
                file.add(start, record);
            }
        }
        file
    }

    fn add(&mut self, start: usize, record: Record<'a>) {
        if record.is_sidechain() {
            return;
        }
        let Some(uuid) = record.uuid() else {
            match record.kind.as_ref() {
                "content-replacement" if record.object.raw("agentId").is_none() => self.replacements.push(record),
                "custom-title" | "ai-title" => drop(self.titles.insert(record.kind.clone().into_owned(), record)),
                _ => {}
            }
            return;
        };
        self.version = record.object.text("version").or_else(|| self.version.take());
        self.tree.push(uuid.clone(), record.parent());
        let message = record.message();
        self.entries.push(Entry {
            start,
            uuid,
            prompt: message.as_ref().and_then(|m| record.prompt(m)),
            message_id: message.as_ref().and_then(|m| m.object.text("id")),
            calls: message.as_ref().map(|m| m.ids("tool_use", "id")).unwrap_or_default(),
            answers: message.as_ref().map(|m| m.ids("tool_result", "tool_use_id")).unwrap_or_default(),
            record,
        });
    }

    /// The prompt before which to cut; `None` where it is not written yet, so that there is nothing to cut off.
    fn find(&self, key: Option<&str>, offset: u64, length: usize) -> Result<Option<usize>> {
        let prompts = || self.entries.iter().enumerate().filter(|(_, e)| e.prompt.is_some());
        let is_at = |e: &Entry<'_>| e.start as u64 == offset;
        let named = key.and_then(|key| {
            let has_key = |e: &Entry<'_>| e.uuid == key || e.record.object.text("promptId").is_some_and(|id| id == key);
            // The agent's own fork gives several prompts one key; the place tells them apart, else the newest is meant.
            let mut found = prompts().filter(|(_, e)| has_key(e)).collect::<Vec<_>>();
            found.iter().find(|(_, e)| is_at(e)).copied().or_else(|| found.pop())
        });
        let found = named.or_else(|| prompts().find(|(_, e)| is_at(e)));
        match found {
            Some((place, _)) => Ok(Some(place)),
            None if offset >= length as u64 => Ok(None),
            None => Err(Error::Transcript { problem: format!("no prompt begins at byte {offset}") }),
        }
    }

    /// The last prompt of the conversation, if a tool that was called after it has no answer: such a turn cannot go on.
    fn unfinished(&self) -> Option<usize> {
        let line = self.with_halves(self.tree.line(self.tree.len().checked_sub(1)));
        let answered = self.answered(&line);
        let on_line = || (0..self.entries.len()).rev().filter(|place| line[*place]);
        let last = on_line().find(|place| self.entries[*place].prompt.is_some())?;
        on_line()
            .take_while(|place| *place > last)
            .any(|place| self.entries[place].calls.iter().any(|call| !answered.contains(call)))
            .then_some(last)
    }

    /// Which records the new file holds.
    fn kept(&self, leaf: Option<usize>) -> Vec<bool> {
        let mut kept = self.with_halves(self.tree.line(leaf));
        let answered = self.answered(&kept);
        let mut called = HashSet::new();
        for (place, entry) in self.entries.iter().enumerate() {
            let whole = entry.calls.iter().all(|id| answered.contains(id))
                && entry.answers.iter().all(|id| called.contains(id));
            kept[place] = kept[place] && whole && !entry.is_passing();
            if kept[place] {
                called.extend(entry.calls.iter().cloned());
            }
        }
        kept
    }

    /// Adds what hangs beside the line: calls of the same answer, and results of calls that are on it.
    fn with_halves(&self, mut kept: Vec<bool>) -> Vec<bool> {
        let messages: HashSet<_> = self.among(&kept).filter_map(|e| e.message_id.clone()).collect();
        for (place, entry) in self.entries.iter().enumerate() {
            kept[place] |= entry.message_id.as_ref().is_some_and(|id| messages.contains(id));
        }
        let calls: HashSet<_> = self.among(&kept).flat_map(|e| e.calls.iter().cloned()).collect();
        for (place, entry) in self.entries.iter().enumerate() {
            kept[place] |= entry.answers.iter().any(|id| calls.contains(id));
        }
        kept
    }

    fn among<'k>(&'k self, kept: &'k [bool]) -> impl Iterator<Item = &'k Entry<'a>> {
        self.entries.iter().zip(kept).filter(|(_, kept)| **kept).map(|(entry, _)| entry)
    }

    fn answered(&self, kept: &[bool]) -> HashSet<Cow<'a, str>> {
        self.among(kept).flat_map(|e| e.answers.iter().cloned()).collect()
    }

    fn write(&self, kept: &[bool], how: &Rewrite<'_>) -> String {
        let fresh: HashMap<&str, String> =
            self.among(kept).map(|entry| (entry.uuid.as_ref(), how.ids.uuid().to_string())).collect();
        let places: Vec<usize> = (0..self.entries.len()).filter(|place| kept[*place]).collect();
        let mut out = String::new();
        let stamp = self.late_stamp(&places, how);
        for place in &places {
            let stamp = stamp.as_deref().filter(|_| places.last() == Some(place));
            self.write_record(&mut out, *place, kept, &fresh, how, stamp);
        }
        if places.is_empty() {
            self.write_empty(&mut out, how);
        }
        for record in &self.replacements {
            write_plain(&mut out, record, how.new_id);
        }
        match how.title {
            Some(title) => {
                let (title, id) = (quoted(title), quoted(how.new_id));
                out.push_str(&format!("{{\"type\":\"custom-title\",\"customTitle\":{title},\"sessionId\":{id}}}\n"));
            }
            None => ["ai-title", "custom-title"]
                .iter()
                .filter_map(|kind| self.titles.get(*kind))
                .for_each(|record| write_plain(&mut out, record, how.new_id)),
        }
        out
    }

    /// The agent goes on from the newest record: where the last is not the newest, it gets the present moment.
    fn late_stamp(&self, places: &[usize], how: &Rewrite<'_>) -> Option<String> {
        let stamp = |place: &usize| self.entries[*place].record.object.text("timestamp");
        let (last, rest) = places.split_last()?;
        let last = stamp(last)?;
        rest.iter().filter_map(stamp).any(|t| t > last).then(|| how.now.to_string())
    }

    fn write_record(
        &self,
        out: &mut String,
        place: usize,
        kept: &[bool],
        fresh: &HashMap<&str, String>,
        how: &Rewrite<'_>,
        stamp: Option<&str>,
    ) {
        let entry = &self.entries[place];
        let parent = self.kept_parent(place, kept).and_then(|p| fresh.get(self.entries[p].uuid.as_ref()));
        let parent = parent.map_or_else(|| "null".to_owned(), |p| quoted(p));
        let own = fresh.get(entry.uuid.as_ref()).map_or("null".to_owned(), |own| quoted(own));
        let is_root = entry.record.object.text("parentUuid").is_none();
        let mut fields = Fields::open(out);
        for (name, raw) in entry.record.object.fields().filter(|(name, _)| !DROPPED.contains(name)) {
            match name {
                "uuid" => fields.put(name, &own),
                "parentUuid" if is_root => fields.put(name, "null"),
                "parentUuid" | "logicalParentUuid" => fields.put(name, &parent),
                "isSidechain" => fields.put(name, "false"),
                "sessionId" => fields.put(name, &quoted(how.new_id)),
                "timestamp" if stamp.is_some() => fields.put(name, &quoted(stamp.unwrap_or_default())),
                "compactMetadata" => fields.put(name, &with_fresh_ids(raw.get(), fresh)),
                _ => fields.put(name, raw.get()),
            }
        }
        if entry.record.object.raw("sessionId").is_none() {
            fields.put("sessionId", &quoted(how.new_id));
        }
        let from = format!("{{\"sessionId\":{},\"messageUuid\":{}}}", quoted(how.old_id), quoted(&entry.uuid));
        fields.put("forkedFrom", &from);
        fields.close();
    }

    /// The nearest kept record above.
    fn kept_parent(&self, place: usize, kept: &[bool]) -> Option<usize> {
        let mut at = self.tree.parent(place);
        for _ in 0..self.entries.len() {
            match at {
                Some(parent) if !kept[parent] => at = self.tree.parent(parent),
                _ => return at,
            }
        }
        None
    }

    /// A conversation of no turns. The agent resumes no file without a record, and shows the model nothing of this one.
    fn write_empty(&self, out: &mut String, how: &Rewrite<'_>) {
        let mut fields = Fields::open(out);
        fields.put("parentUuid", "null");
        fields.put("isSidechain", "false");
        fields.put("type", "\"system\"");
        fields.put("subtype", "\"informational\"");
        fields.put("content", "\"Rewound to the beginning of the conversation.\"");
        fields.put("isMeta", "false");
        fields.put("timestamp", &quoted(&how.now.to_string()));
        fields.put("uuid", &quoted(&how.ids.uuid().to_string()));
        fields.put("level", "\"info\"");
        fields.put("userType", "\"external\"");
        fields.put("cwd", &quoted(&how.cwd.to_string_lossy()));
        fields.put("sessionId", &quoted(how.new_id));
        if let Some(version) = &self.version {
            fields.put("version", &quoted(version));
        }
        fields.close();
    }
}

/// Ids of kept records inside a value, exchanged; a compaction lists the messages that it preserved.
fn with_fresh_ids(raw: &str, fresh: &HashMap<&str, String>) -> String {
    raw.split('"').map(|part| fresh.get(part).map_or(part, String::as_str)).collect::<Vec<_>>().join("\"")
}

fn write_plain(out: &mut String, record: &Record<'_>, new_id: &str) {
    let mut fields = Fields::open(out);
    for (name, raw) in record.object.fields() {
        if name == "sessionId" {
            fields.put(name, &quoted(new_id));
        } else {
            fields.put(name, raw.get());
        }
    }
    fields.close();
}

/// One line under way.
struct Fields<'o> {
    out: &'o mut String,
    first: bool,
}

impl<'o> Fields<'o> {
    fn open(out: &'o mut String) -> Self {
        out.push('{');
        Self { out, first: true }
    }

    fn put(&mut self, name: &str, raw: &str) {
        let comma = if std::mem::take(&mut self.first) { "" } else { "," };
        // Writing to a string cannot fail.
        let _written = write!(self.out, "{comma}{}:{raw}", quoted(name));
    }

    fn close(self) {
        self.out.push_str("}\n");
    }
}

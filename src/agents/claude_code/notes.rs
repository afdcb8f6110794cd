//! What a state file is derived from: todo lists and runs of tools with what they said, each call paired with its answer.
//!
//! `TodoWrite` carries the whole list; `TaskCreate` and `TaskUpdate` of newer versions change it item by item.

use std::collections::HashMap;

use super::records::{Block, Record, written_path};
use crate::agents::jsonl::{self, Object};
use crate::agents::transcript::{Note, Noted, ToolRun};
use crate::model::state::{Todo, TodoStatus};

/// Bytes of an output that are kept from its beginning; errors of compilers stand there.
const HEAD: usize = 16 * 1024;
/// Bytes that are kept from its end; sums of tests stand there.
const TAIL: usize = 48 * 1024;

/// Calls whose answer has not been met.
#[derive(Debug, Default)]
pub(super) struct Notes {
    open: HashMap<String, Call>,
}

#[derive(Debug)]
enum Call {
    Tool(ToolRun),
    NewTodo(String),
    Note(Note),
}

impl Notes {
    /// What a block adds, if anything.
    pub(super) fn read(&mut self, at: u64, record: &Record<'_>, block: &Block<'_>) -> Option<Noted> {
        match block.kind.as_ref() {
            "tool_use" => {
                let input = block.object.object("input")?;
                let call = call(&block.object.text("name")?, &input);
                self.open.insert(block.object.text("id")?.into_owned(), call);
                None
            }
            "tool_result" => {
                let call = self.open.remove(block.object.text("tool_use_id")?.as_ref())?;
                let failed = block.object.flag("is_error");
                let said = || block.object.raw("content").map(said).unwrap_or_default();
                let what = match call {
                    Call::Note(_) | Call::NewTodo(_) if failed => return None,
                    Call::Note(note) => note,
                    Call::NewTodo(content) => {
                        let id = task_id(record).or_else(|| number_after_hash(&said()));
                        Note::TodoAdded(Todo { id, content, status: TodoStatus::Pending })
                    }
                    Call::Tool(run) => {
                        let output = if failed || run.is_command { shortened(&said()) } else { String::new() };
                        Note::Ran(ToolRun { failed, output, ..run })
                    }
                };
                Some(Noted { at, what })
            }
            _ => None,
        }
    }
}

fn call(name: &str, input: &Object<'_>) -> Call {
    let text = |field: &str| input.text(field).map(|t| t.into_owned()).filter(|t| !t.is_empty());
    match name {
        "TodoWrite" => Call::Note(Note::Todos(todos(input))),
        "TaskCreate" => Call::NewTodo(text("subject").or_else(|| text("description")).unwrap_or_default()),
        "TaskUpdate" => {
            let id = text("taskId").unwrap_or_default();
            let word = text("status");
            Call::Note(match word.as_deref() {
                Some("deleted") => Note::TodoRemoved(id),
                _ => Note::TodoChanged { id, status: word.as_deref().map(status), content: text("subject") },
            })
        }
        _ => {
            let command = text("command");
            let wrote = written_path(name, input).map(|p| p.into_owned());
            Call::Tool(ToolRun {
                tool: name.to_owned(),
                is_command: command.is_some(),
                wrote: wrote.is_some(),
                target: command.or(wrote).or_else(|| text("file_path")).or_else(|| text("path")).unwrap_or_default(),
                failed: false,
                output: String::new(),
            })
        }
    }
}

fn todos(input: &Object<'_>) -> Vec<Todo> {
    let item = |object: Object<'_>| {
        let content = object.text("content")?.into_owned();
        let word = object.text("status").unwrap_or_default();
        Some(Todo { id: object.text("id").map(|t| t.into_owned()), content, status: status(&word) })
    };
    input.array("todos").into_iter().filter_map(|raw| item(Object::parse(raw.get().as_bytes())?)).collect()
}

fn status(word: &str) -> TodoStatus {
    match word {
        "in_progress" => TodoStatus::InProgress,
        "completed" => TodoStatus::Completed,
        _ => TodoStatus::Pending,
    }
}

/// The id that the agent gave a new task.
fn task_id(record: &Record<'_>) -> Option<String> {
    record.object.object("toolUseResult")?.object("task")?.text("id").map(|t| t.into_owned())
}

/// `3` of `Task #3 created successfully`.
fn number_after_hash(text: &str) -> Option<String> {
    let digits: String = text.split_once('#')?.1.chars().take_while(char::is_ascii_digit).collect();
    (!digits.is_empty()).then_some(digits)
}

/// The text of an answer: a string, or blocks of which some are text.
fn said(raw: &serde_json::value::RawValue) -> String {
    if let Some(text) = jsonl::text(raw) {
        return text.into_owned();
    }
    let blocks: Vec<&serde_json::value::RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
    let texts =
        blocks.into_iter().filter_map(|b| Object::parse(b.get().as_bytes())?.text("text").map(|t| t.into_owned()));
    texts.collect::<Vec<_>>().join("\n")
}

/// Beginning and end of a long text, cut between lines.
fn shortened(text: &str) -> String {
    if text.len() <= HEAD + TAIL {
        return text.to_owned();
    }
    let head = text[..text.floor_char_boundary(HEAD)].rsplit_once('\n').map_or("", |(head, _)| head);
    let tail = text[text.ceil_char_boundary(text.len() - TAIL)..].split_once('\n').map_or("", |(_, tail)| tail);
    format!("{head}\n{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::{Agent as _, claude_code::ClaudeCode};

    fn line(kind: &str, n: u32, content: &str, more: &str) -> String {
        format!(
            "{{\"type\":\"{kind}\",\"uuid\":\"u{n}\",\"message\":{{\"role\":\"{kind}\",\"content\":{content}}}{more}}}\n"
        )
    }

    fn used(n: u32, name: &str, input: &str) -> String {
        line(
            "assistant",
            n,
            &format!("[{{\"type\":\"tool_use\",\"id\":\"t{n}\",\"name\":\"{name}\",\"input\":{input}}}]"),
            "",
        )
    }

    fn answered(n: u32, content: &str, failed: bool, more: &str) -> String {
        let block = format!(
            "[{{\"type\":\"tool_result\",\"tool_use_id\":\"t{n}\",\"is_error\":{failed},\"content\":{content}}}]"
        );
        line("user", n + 100, &block, more)
    }

    fn notes(lines: &[String]) -> Vec<Note> {
        let text = lines.concat();
        ClaudeCode.parse(text.as_bytes(), 0).before.notes.into_iter().map(|n| n.what).collect()
    }

    #[test]
    fn a_list_is_taken_whole_and_a_task_item_by_item() {
        let todo = |id: Option<&str>, content: &str, status| Todo {
            id: id.map(str::to_owned),
            content: content.to_owned(),
            status,
        };
        let found = notes(&[
            used(
                1,
                "TodoWrite",
                r#"{"todos":[{"content":"a","status":"completed","activeForm":"x"},{"content":"b","status":"in_progress"}]}"#,
            ),
            answered(1, "\"ok\"", false, ""),
            used(2, "TaskCreate", r#"{"subject":"c","description":"long"}"#),
            answered(2, "\"Task #4 created successfully: c\"", false, ""),
            used(3, "TaskUpdate", r#"{"taskId":"4","status":"completed"}"#),
            answered(3, "\"Updated task #4\"", false, ""),
            used(4, "TaskCreate", r#"{"subject":"refused"}"#),
            answered(4, "\"no\"", true, ""),
        ]);
        assert_eq!(
            found,
            [
                Note::Todos(vec![todo(None, "a", TodoStatus::Completed), todo(None, "b", TodoStatus::InProgress)]),
                Note::TodoAdded(todo(Some("4"), "c", TodoStatus::Pending)),
                Note::TodoChanged { id: "4".to_owned(), status: Some(TodoStatus::Completed), content: None },
            ]
        );
    }

    #[test]
    fn a_run_is_told_with_what_it_said_when_it_is_answered() {
        let found = notes(&[
            used(1, "Bash", r#"{"command":"false"}"#),
            used(2, "Edit", r#"{"file_path":"/p/a.rs"}"#),
            answered(2, "\"edited\"", false, ""),
            answered(1, r#"[{"type":"text","text":"Exit code 1"}]"#, true, ""),
            used(3, "Bash", r#"{"command":"never answered"}"#),
        ]);
        let [Note::Ran(edit), Note::Ran(bash)] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((edit.target.as_str(), edit.wrote, edit.output.as_str()), ("/p/a.rs", true, ""));
        assert_eq!((bash.target.as_str(), bash.failed, bash.output.as_str()), ("false", true, "Exit code 1"));
    }

    #[test]
    fn a_long_output_keeps_its_beginning_and_its_end() {
        let long = format!("first\n{}last", "é line\n".repeat(20_000));
        let short = shortened(&long);
        assert!(short.len() <= HEAD + TAIL + 1 && short.starts_with("first\n") && short.ends_with("\nlast"));
    }
}

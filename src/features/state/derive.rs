//! From notes to what is derived, and from that to the state: todos, errors and what resolved them, tests.
//!
//! An error is met by a failed command (or a failed write) and known again by its fingerprint. It counts as resolved when the
//! same command succeeds, or a shorter one of which it was a special case (`cargo test` after `cargo test one`). Looking
//! around (`ls`, `grep`, `Read`) fails for reasons that are no errors of the work, and is left out.

use std::path::Path;

use super::diagnostics;
use super::errors::{Report, relative};
use super::next_prompts;
use super::tests_output;
use crate::agents::{Note, ToolRun};
use crate::base::text;
use crate::model::session::TitleSource;
use crate::model::state::{
    Derived, Errors, Files, Objectives, OpenError, Progress, ResolvedError, State, TodoStatus, Tracked,
};
use crate::model::{Session, TurnRow};

/// Errors of each sort that are kept, the newest.
const ERRORS: usize = 50;
/// Steps towards a resolution that are kept, the newest.
const STEPS: usize = 5;
/// Commands that only look.
const LOOKING: &[&str] = &[
    "ls", "cat", "head", "tail", "less", "grep", "egrep", "rg", "find", "fd", "pwd", "echo", "which", "wc", "tree",
    "stat", "test", "[",
];

/// Takes one note in.
pub fn absorb(derived: &mut Derived, note: &Note, root: &Path) {
    match note {
        Note::Todos(list) => derived.todos.clone_from(list),
        Note::TodoAdded(todo) => derived.todos.push(todo.clone()),
        Note::TodoRemoved(id) => derived.todos.retain(|t| t.id.as_deref() != Some(id)),
        Note::TodoChanged { id, status, content } => {
            if let Some(todo) = derived.todos.iter_mut().find(|t| t.id.as_deref() == Some(id)) {
                todo.status = status.unwrap_or(todo.status);
                todo.content = content.clone().unwrap_or_else(|| std::mem::take(&mut todo.content));
            }
        }
        Note::Ran(run) => ran(derived, run, root),
    }
}

fn ran(derived: &mut Derived, run: &ToolRun, root: &Path) {
    let tests = if run.is_command { tests_output::read(&run.output) } else { None };
    // Behind a pipe the exit code is that of the last command.
    let failed = run.failed || tests.as_ref().is_some_and(|t| t.failing > 0);
    let target = if run.is_command { plain_command(&run.target) } else { relative(&run.target, root) };
    let by = format!("{} {target}", run.tool);
    if let Some(tests) = tests {
        derived.tests = tests;
        derived.test_command = Some(target.clone());
    }
    if is_looking(run, &target) {
        return;
    }
    if failed {
        if !is_refusal(&run.output) {
            let output = run.output.replace("<tool_use_error>", "").replace("</tool_use_error>", "");
            for report in diagnostics::read(&output, root) {
                met(derived, report, run, &target, &by);
            }
        }
        return;
    }
    let (gone, open): (Vec<Tracked>, Vec<Tracked>) = std::mem::take(&mut derived.unresolved)
        .into_iter()
        .partition(|t| t.by == by || t.by.strip_prefix(&by).is_some_and(|rest| rest.starts_with(' ')));
    derived.unresolved = open;
    for tracked in gone {
        let steps =
            if tracked.steps.is_empty() { format!("{} succeeded", short(&target)) } else { tracked.steps.join(", ") };
        let OpenError { file, error, fingerprint, extra, .. } = tracked.error;
        derived.resolved.push(ResolvedError { file, error, resolution: steps, fingerprint, extra });
    }
    let excess = derived.resolved.len().saturating_sub(ERRORS);
    derived.resolved.drain(..excess);
    let step = if run.wrote { format!("edited {target}") } else { short(&target) };
    if run.wrote || run.is_command {
        for tracked in &mut derived.unresolved {
            tracked.steps.retain(|have| *have != step);
            tracked.steps.push(step.clone());
            let excess = tracked.steps.len().saturating_sub(STEPS);
            tracked.steps.drain(..excess);
        }
    }
}

/// An error was met, perhaps again.
fn met(derived: &mut Derived, report: Report, run: &ToolRun, target: &str, by: &str) {
    let error = match report.message.as_str() {
        "" => format!("{} failed", short(target)),
        // A bare exit code says nothing without its command.
        code if code.to_ascii_lowercase().starts_with("exit code ") => format!("{}: {code}", short(target)),
        message => message.to_owned(),
    };
    let report = Report {
        file: if report.file.is_empty() && run.wrote { target.to_owned() } else { report.file },
        message: error,
        ..report
    };
    if let Some(known) = derived.unresolved.iter_mut().find(|t| report.is(&t.error.fingerprint)) {
        known.error.attempts += 1;
        known.error.line = report.line;
        known.error.error = report.message;
        known.by = by.to_owned();
        known.steps.clear();
        return;
    }
    let fingerprint = report.fingerprint();
    let Report { file, line, message, .. } = report;
    let error = OpenError { file, line, error: message, attempts: 1, fingerprint, ..OpenError::default() };
    derived.unresolved.push(Tracked { error, by: by.to_owned(), steps: Vec::new() });
    let excess = derived.unresolved.len().saturating_sub(ERRORS);
    derived.unresolved.drain(..excess);
}

/// A person said no; nothing failed.
fn is_refusal(output: &str) -> bool {
    ["The user doesn't want", "[Request interrupted", "Permission to use "]
        .iter()
        .any(|start| output.trim_start().starts_with(start))
}

fn is_looking(run: &ToolRun, target: &str) -> bool {
    match run.is_command {
        // With more behind it, it may do anything.
        true if [";", "&&", "||", ">"].iter().any(|more| target.contains(more)) => false,
        true => target.split_whitespace().next().is_some_and(|word| LOOKING.contains(&word)),
        false => !run.wrote,
    }
}

/// The command itself: without a change of folder before it and without what only shortens its output.
fn plain_command(command: &str) -> String {
    let mut rest = command.trim();
    while let Some((_, after)) = rest.strip_prefix("cd ").and_then(|r| r.split_once("&&")) {
        rest = after.trim_start();
    }
    let end =
        [" | tail", " | head", " | grep", " 2>&1", " 2>/dev/null"].iter().filter_map(|mark| rest.find(mark)).min();
    rest[..end.unwrap_or(rest.len())].split_whitespace().collect::<Vec<_>>().join(" ")
}

fn short(command: &str) -> String {
    text::truncate(command, 80)
}

/// The state as derived. `files` are those of the trees.
pub fn state(derived: &Derived, session: &Session, files: Files) -> State {
    let of = |status| derived.todos.iter().filter(move |t| t.status == status).map(|t| t.content.clone());
    let progress = Progress {
        completed: of(TodoStatus::Completed).collect(),
        in_progress: of(TodoStatus::InProgress).collect(),
        ..Progress::default()
    };
    let mut state = State {
        project: session.project.clone(),
        objectives: Objectives { primary: primary(derived, session), ..Objectives::default() },
        progress,
        errors: Errors {
            unresolved: derived.unresolved.iter().map(|t| t.error.clone()).collect(),
            resolved: derived.resolved.clone(),
            ..Errors::default()
        },
        tests: derived.tests.clone(),
        todos: derived.todos.iter().filter(|t| t.status != TodoStatus::Completed).map(|t| t.content.clone()).collect(),
        files,
        ..State::default()
    };
    state.objectives.status = status(derived, &state).to_owned();
    state.next_prompts = next_prompts::of(&state, derived.test_command.as_deref());
    state
}

/// A title that the agent or a person gave; else the first prompt's line, which is longer than a title made of it.
fn primary(derived: &Derived, session: &Session) -> String {
    let title = session.title.clone().unwrap_or_default();
    if derived.cleared_after.is_some() {
        return derived.objective.clone();
    }
    match session.title_source {
        Some(TitleSource::FirstMessage) | None if !derived.objective.is_empty() => derived.objective.clone(),
        _ => title,
    }
}

fn status(derived: &Derived, state: &State) -> &'static str {
    let all_done = !derived.todos.is_empty() && state.todos.is_empty();
    let open = !state.errors.unresolved.is_empty() || state.tests.failing > 0;
    let touched = !derived.objective.is_empty()
        || !state.files.created.is_empty()
        || !state.files.modified.is_empty()
        || !state.files.deleted.is_empty();
    match () {
        () if all_done && !open => "done",
        () if touched || !derived.todos.is_empty() || open => "in-progress",
        () => "not-started",
    }
}

/// The line of the first prompt after a turn.
pub fn first_prompt<'r>(rows: impl Iterator<Item = &'r TurnRow>, after: u32) -> String {
    rows.filter(|row| row.turn > after)
        .map(|row| row.prompt.trim())
        .find(|line| !line.is_empty())
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::state::Todo;

    fn bash(command: &str, failed: bool, output: &str) -> Note {
        Note::Ran(ToolRun {
            tool: "Bash".to_owned(),
            target: command.to_owned(),
            is_command: true,
            failed,
            output: output.to_owned(),
            wrote: false,
        })
    }

    fn edit(path: &str) -> Note {
        Note::Ran(ToolRun { tool: "Edit".to_owned(), target: path.to_owned(), wrote: true, ..ToolRun::default() })
    }

    fn derived(notes: &[Note]) -> Derived {
        let mut derived = Derived::default();
        notes.iter().for_each(|note| absorb(&mut derived, note, Path::new("/p")));
        derived
    }

    const RED: &str = "     Running unittests src/lib.rs (x)\ntest adds ... FAILED\nthread 'adds' panicked at src/lib.rs:9:5:\nassertion failed: 1 == 2\ntest result: FAILED. 3 passed; 1 failed;";
    const GREEN: &str = "test result: ok. 4 passed; 0 failed;";

    #[test]
    fn an_error_is_met_again_and_resolved_by_what_was_done_in_between() {
        let red = bash("cargo test", true, RED);
        let open = derived(&[red.clone(), edit("/p/src/a.rs"), red.clone()]);
        assert_eq!((open.unresolved.len(), open.unresolved[0].error.attempts), (1, 2));
        assert_eq!((open.tests.passing, open.tests.failing), (3, 1));
        let done = derived(&[
            red.clone(),
            edit("/p/src/a.rs"),
            red,
            edit("/p/src/lib.rs"),
            bash("ls -la", false, ""),
            bash("cd /p && cargo test 2>&1 | tail -5", false, GREEN),
        ]);
        assert!(done.unresolved.is_empty());
        assert_eq!(done.resolved[0].resolution, "edited src/lib.rs");
        assert_eq!(done.resolved[0].fingerprint, open.unresolved[0].error.fingerprint);
        assert_eq!((done.tests.passing, done.tests.failing), (4, 0));
    }

    #[test]
    fn only_the_same_or_a_wider_command_resolves() {
        let one = bash("cargo test one", true, RED);
        assert_eq!(derived(&[one.clone(), bash("cargo build", false, "")]).unresolved.len(), 1);
        assert_eq!(derived(&[one.clone(), bash("cargo testing", false, "")]).unresolved.len(), 1);
        assert_eq!(derived(&[one, bash("cargo test", false, GREEN)]).unresolved.len(), 0);
    }

    #[test]
    fn failing_tests_behind_a_pipe_are_failing_tests() {
        assert_eq!(derived(&[bash("cargo test | tail -3", false, RED)]).unresolved.len(), 1);
    }

    #[test]
    fn looking_around_and_a_persons_no_are_no_errors() {
        let read = Note::Ran(ToolRun { tool: "Read".to_owned(), failed: true, ..ToolRun::default() });
        let no = bash("rm -rf x", true, "The user doesn't want to proceed with this tool use.");
        assert!(derived(&[bash("grep x y", true, "Exit code 1"), read, no]).unresolved.is_empty());
        assert_eq!(derived(&[bash("echo a > b; false", true, "Exit code 1")]).unresolved.len(), 1);
        assert_eq!(derived(&[bash("make", true, "Exit code 2")]).unresolved[0].error.error, "make: Exit code 2");
    }

    #[test]
    fn todos_move_between_the_lists_and_tell_the_status() {
        let todo = |id: &str, status| Todo { id: Some(id.to_owned()), content: id.to_owned(), status };
        let mut derived = derived(&[
            Note::Todos(vec![todo("a", TodoStatus::InProgress)]),
            Note::TodoAdded(todo("b", TodoStatus::Pending)),
            Note::TodoChanged { id: "a".to_owned(), status: Some(TodoStatus::Completed), content: None },
        ]);
        let shown = |derived: &Derived| state(derived, &session(), Files::default());
        let open = shown(&derived);
        assert_eq!((open.progress.completed, open.todos), (vec!["a".to_owned()], vec!["b".to_owned()]));
        assert_eq!((open.objectives.status.as_str(), open.next_prompts), ("in-progress", vec!["Start: b".to_owned()]));
        absorb(&mut derived, &Note::TodoRemoved("b".to_owned()), Path::new("/p"));
        let done = shown(&derived);
        assert_eq!((done.objectives.status.as_str(), done.next_prompts.len()), ("done", 0));
    }

    fn session() -> Session {
        let text = r#"{"id":"094320c0-d68c-4670-b77b-7456115d8c99","agent":{"kind":"none"},"project":"p","cwd":"/p",
            "worktree":"main","created_at":"2026-11-21T10:00:00.000Z","updated_at":"2026-11-21T10:00:00.000Z"}"#;
        crate::model::codec::decode("session.json", text.as_bytes()).expect("reads")
    }
}

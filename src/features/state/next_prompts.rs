//! What to ask for next, from what is open: work begun, errors, failing tests, then the first thing to do.

use crate::model::state::State;

/// At most so many.
const MOST: usize = 5;

/// Prompts in a fixed order; none where nothing is open.
pub fn of(state: &State, test_command: Option<&str>) -> Vec<String> {
    let mut prompts: Vec<String> = state.progress.in_progress.iter().map(|item| format!("Continue: {item}")).collect();
    prompts.extend(state.errors.unresolved.iter().map(|open| {
        let place = match (open.file.as_str(), open.line) {
            ("", _) => String::new(),
            (file, Some(line)) => format!(" in {file} line {line}"),
            (file, None) => format!(" in {file}"),
        };
        format!("Fix the error{place}: {}", open.error)
    }));
    if state.tests.failing > 0 {
        prompts.push(match (test_command, state.tests.failed_paths.as_slice()) {
            (Some(command), _) => format!("Run the failing tests and fix them: {command}"),
            (None, [first, ..]) => format!("Fix the failing tests, first {first}"),
            (None, []) => "Fix the failing tests".to_owned(),
        });
    }
    if prompts.is_empty() {
        prompts.extend(state.todos.first().map(|item| format!("Start: {item}")));
    }
    prompts.truncate(MOST);
    prompts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::state::{OpenError, Progress, Tests};

    #[test]
    fn open_work_comes_first_and_a_todo_only_where_nothing_is_open() {
        let mut state = State { todos: vec!["b".to_owned()], ..State::default() };
        assert_eq!(of(&state, None), ["Start: b"]);
        state.tests = Tests { failing: 2, failed_paths: vec!["a.py:t".to_owned()], ..Tests::default() };
        assert_eq!(of(&state, None), ["Fix the failing tests, first a.py:t"]);
        state.progress = Progress { in_progress: vec!["a".to_owned()], ..Progress::default() };
        let error = "no".to_owned();
        state.errors.unresolved =
            vec![OpenError { file: "x.rs".to_owned(), line: Some(4), error, ..OpenError::default() }];
        let expected =
            ["Continue: a", "Fix the error in x.rs line 4: no", "Run the failing tests and fix them: cargo test"];
        assert_eq!(of(&state, Some("cargo test")), expected);
        assert_eq!(of(&State::default(), Some("cargo test")), [""; 0]);
    }
}

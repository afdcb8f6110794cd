//! What to ask for next: what somebody set, and then what is open: work begun, errors, failing tests, the first thing to do.

use serde_json::{Map, Value};

use crate::model::state::State;

const KEY: &str = "next_prompts";

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

/// Those that somebody set, all of them, and behind them of the derived ones what there is room for.
pub fn with_set(set: Vec<String>, derived: Vec<String>) -> Vec<String> {
    let room = MOST.saturating_sub(set.len());
    let more: Vec<String> = derived.into_iter().filter(|prompt| !set.contains(prompt)).take(room).collect();
    set.into_iter().chain(more).collect()
}

/// The ones that are set, in a merge patch or in what is set.
pub fn set_in(set: &Map<String, Value>) -> Option<Vec<String>> {
    let list = set.get(KEY)?.as_array()?;
    Some(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// Takes out of an edited file's patch what we had derived ourselves: only what the editor wrote is set. A list without any
/// of that sets nothing.
pub fn without_derived(patch: &mut Map<String, Value>, derived: &[String]) {
    let Some(mut edited) = set_in(patch) else { return };
    edited.retain(|prompt| !derived.contains(prompt));
    let value = if edited.is_empty() { Value::Null } else { edited.into() };
    patch.insert(KEY.to_owned(), value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn set_ones_come_first_and_all_of_them_and_none_comes_twice() {
        let derived = list(&["a", "b", "c"]);
        assert_eq!(with_set(list(&["x", "b"]), derived.clone()), ["x", "b", "a", "c"]);
        assert_eq!(with_set(list(&["1", "2", "3", "4"]), derived.clone()), ["1", "2", "3", "4", "a"]);
        assert_eq!(with_set(list(&["1", "2", "3", "4", "5", "6"]), derived.clone()).len(), 6);
        assert_eq!(with_set(Vec::new(), derived.clone()), derived);
    }

    #[test]
    fn of_an_edited_list_only_what_the_editor_wrote_is_set() {
        for (edited, set) in [
            (serde_json::json!(["x", "a", "b", "y"]), serde_json::json!(["x", "y"])),
            (serde_json::json!(["b"]), Value::Null),
            (serde_json::json!([]), Value::Null),
            (Value::Null, Value::Null),
        ] {
            let mut patch: Map<String, Value> = std::iter::once((KEY.to_owned(), edited)).collect();
            without_derived(&mut patch, &list(&["a", "b"]));
            assert_eq!(patch[KEY], set);
        }
        let mut other = Map::new();
        without_derived(&mut other, &list(&["a"]));
        assert!(other.is_empty());
    }
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

//! Our hooks in a Claude Code settings file: put in and taken out with all else, comments and layout too, left as it is.
//!
//! Every edit is a splice into the text, after which the text is read again: these files are small, and positions stay true.

use jsonc_parser::ast::{Array, Object, Value};
use jsonc_parser::common::{Range, Ranged as _};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde_json::json;

use super::splice;
use crate::base::text::shell_word;

/// Every hook that we install: event, matcher, seconds that it may take.
///
/// A rewind of a large tree is answered from the prompt hooks. SessionEnd would have 1.5 s without a number of ours.
const HOOKS: &[(&str, Option<&str>, u32)] = &[
    ("SessionStart", None, 30),
    ("UserPromptSubmit", None, 120),
    ("UserPromptExpansion", None, 120),
    ("PostToolUse", Some("Write|Edit|MultiEdit|NotebookEdit|EnterWorktree|ExitWorktree"), 30),
    // Whatever failed: a command of a shell most of all.
    ("PostToolUseFailure", Some("*"), 30),
    ("Stop", None, 60),
    ("StopFailure", None, 60),
    ("SubagentStop", None, 60),
    ("PreCompact", None, 60),
    ("SessionEnd", None, 60),
];

/// Names of this program.
const NAMES: &[&str] = &["session", "git-session"];
/// What every command of ours holds, before the event.
pub(super) const MARK: &str = "hook claude-code ";

/// The settings with our hooks in them. `Err` says what about the file keeps us from it.
pub(super) fn with_hooks(text: &str, program: &str, shared: bool) -> Result<String, String> {
    let mut text = if text.trim().is_empty() { "{}\n".to_owned() } else { text.to_owned() };
    for (event, matcher, timeout) in HOOKS {
        text = with_hook(&text, event, *matcher, &command(program, shared, event), *timeout)?;
    }
    Ok(text)
}

fn with_hook(text: &str, event: &str, matcher: Option<&str>, command: &str, timeout: u32) -> Result<String, String> {
    let root = parse(text)?;
    let top = root.as_ref().and_then(Value::as_object).ok_or("it is not a JSON object")?;
    let mut group = json!({"hooks": [{"type": "command", "command": command, "timeout": timeout}]});
    if let Some(matcher) = matcher {
        group = json!({"matcher": matcher, "hooks": group["hooks"]});
    }
    let put = |object: &Object<'_>, depth, name, value| {
        splice::insert(text, object.range, &properties(object), depth, Some(name), &value)
    };
    let Some(hooks) = top.get("hooks") else { return Ok(put(top, 0, "hooks", json!({event: [group]}))) };
    let hooks = hooks.value.as_object().ok_or("\"hooks\" is not an object")?;
    let Some(groups) = hooks.get(event) else { return Ok(put(hooks, 1, event, json!([group]))) };
    let groups = groups.value.as_array().ok_or_else(|| format!("\"hooks.{event}\" is not an array"))?;
    let ours = ours_in(groups, event);
    // An earlier version of ours asked for other tools.
    if let (Some(matcher), Some(ours)) = (matcher, ours.first())
        && ours.handlers.elements.len() == 1
        && let Some(there) = groups.elements[ours.group].as_object().and_then(|g| g.get_string("matcher"))
        && there.value != matcher
    {
        let mut text = text.to_owned();
        text.replace_range(there.range.start..there.range.end, &json!(matcher).to_string());
        return with_hook(&text, event, Some(matcher), command, timeout);
    }
    match ours.first() {
        None => Ok(splice::insert(text, groups.range, &elements(groups), 2, None, &group)),
        Some(ours) if ours.command != command => {
            let mut text = text.to_owned();
            text.replace_range(ours.at.start..ours.at.end, &json!(command).to_string());
            Ok(text)
        }
        Some(_) => Ok(text.to_owned()),
    }
}

/// The settings without our hooks, and without what would be left empty by that; `None` where nothing is left.
pub(super) fn without_hooks(text: &str) -> Result<Option<String>, String> {
    let mut rest = text.to_owned();
    while let Some(less) = without_one(&rest)? {
        rest = less;
    }
    Ok((rest == text || rest.trim() != "{}").then_some(rest))
}

/// Takes one hook of ours out; `None` where there is none.
fn without_one(text: &str) -> Result<Option<String>, String> {
    let root = parse(text)?;
    let Some(top) = root.as_ref().and_then(Value::as_object) else { return Ok(None) };
    let Some(hooks_at) = top.properties.iter().position(|p| p.name.as_str() == "hooks") else { return Ok(None) };
    let Some(hooks) = top.properties[hooks_at].value.as_object() else { return Ok(None) };
    for (event_at, property) in hooks.properties.iter().enumerate() {
        let Some(groups) = property.value.as_array() else { continue };
        let found = ours_in(groups, property.name.as_str());
        let Some(ours) = found.first() else { continue };
        // Of what holds nothing but this hook, the outermost goes.
        let less = if ours.handlers.elements.len() > 1 {
            splice::remove(text, ours.handlers.range, &elements(ours.handlers), ours.place)
        } else if groups.elements.len() > 1 {
            splice::remove(text, groups.range, &elements(groups), ours.group)
        } else if hooks.properties.len() > 1 {
            splice::remove(text, hooks.range, &properties(hooks), event_at)
        } else {
            splice::remove(text, top.range, &properties(top), hooks_at)
        };
        return Ok(Some(less));
    }
    Ok(None)
}

/// An event of ours that nothing calls us at, where others do.
pub(super) fn lacking(text: &str) -> Option<&'static str> {
    let root = parse(text).ok()??;
    let hooks = root.as_object()?.get("hooks")?.value.as_object()?;
    let is_there = |event: &str| {
        let groups = hooks.get(event).and_then(|groups| groups.value.as_array());
        groups.is_some_and(|groups| !ours_in(groups, event).is_empty())
    };
    HOOKS.iter().map(|(event, _, _)| *event).find(|event| !is_there(event))
}

/// Whether any hook of ours is there.
pub(super) fn has_hooks(text: &str) -> bool {
    without_one(text).is_ok_and(|less| less.is_some())
}

pub(super) fn parse(text: &str) -> Result<Option<Value<'_>>, String> {
    let strict = ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let parsed = parse_to_ast(text, &CollectOptions::default(), &strict);
    parsed.map(|p| p.value).map_err(|e| format!("it is not valid JSON: {e}"))
}

fn properties(object: &Object<'_>) -> Vec<Range> {
    object.properties.iter().map(|p| p.range).collect()
}

fn elements(array: &Array<'_>) -> Vec<Range> {
    array.elements.iter().map(|e| e.range()).collect()
}

/// A hook of ours: which group of the event, which handler of the group, and its command.
struct Ours<'a> {
    group: usize,
    handlers: &'a Array<'a>,
    place: usize,
    command: &'a str,
    at: Range,
}

fn ours_in<'a>(groups: &'a Array<'a>, event: &str) -> Vec<Ours<'a>> {
    let mut found = Vec::new();
    for (group, value) in groups.elements.iter().enumerate() {
        let handlers = value.as_object().and_then(|g| g.get_array("hooks"));
        for (handlers, place) in handlers.into_iter().flat_map(|h| (0..h.elements.len()).map(move |place| (h, place))) {
            let Some(literal) = handlers.elements[place].as_object().and_then(|h| h.get_string("command")) else {
                continue;
            };
            let command = literal.value.as_ref();
            if is_ours(command, event) {
                found.push(Ours { group, handlers, place, command, at: literal.range });
            }
        }
    }
    found
}

/// Whether a command is one that [`command`] makes: of this program wherever it lies, or the shared form. A relative path is a
/// program of the project's.
fn is_ours(found: &str, event: &str) -> bool {
    let Some(program) = found.strip_suffix(&format!(" {MARK}{event}")) else {
        return found == command("", true, event);
    };
    let program = match program.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        Some(quoted) => quoted.replace(r"'\''", "'"),
        None => program.to_owned(),
    };
    let path = std::path::Path::new(&program);
    let is_named = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| NAMES.contains(&name));
    // Without a directory it is found by PATH, as when git runs us.
    is_named && (path.is_absolute() || path.components().count() == 1) && command(&program, false, event) == found
}

/// A teammate without the program must not get an error at each turn: the shared form looks for it first.
fn command(program: &str, shared: bool, event: &str) -> String {
    if shared {
        return format!("command -v session >/dev/null 2>&1 && session {MARK}{event} || true");
    }
    format!("{} {MARK}{event}", shell_word(program))
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEIRS: &str = r#"{
	// my hooks
	"permissions": {"allow": ["Bash(ls:*)"]}, // why
	"hooks": {
		"Stop": [
			{"hooks": [{"type": "command", "command": "say done"}]}
		],
		"Notification": [{"hooks": [{"type": "command", "command": "beep"}]}]
	},
	"model": "opus"
}"#;

    fn shapes() -> Vec<&'static str> {
        vec![
            THEIRS,
            "{\n  \"model\": \"opus\"\n}\n",
            "{\n  \"model\": \"opus\"\n}",
            "{\"model\":\"opus\"}",
            "{ \"a\": 1, \"b\": [1, 2] }\n",
            "{\n    \"a\": {\n        \"b\": 1\n    },\n}\n",
            "{\r\n  \"a\": 1\r\n}\r\n",
            "{\n  \"a\": 1 // last\n}\n",
            "{\n  // only a comment\n}\n",
            "// head\n{\n  \"a\": 1,\n\n  \"hooks\": {\n    \"Stop\": [\n      {\n        \"hooks\": [{ \"type\": \"command\", \"command\": \"x\" }]\n      }\n    ]\n  }\n}\n",
        ]
    }

    #[test]
    fn taking_out_what_was_put_in_leaves_the_file_byte_for_byte() {
        for text in shapes() {
            let with = with_hooks(text, "/opt/my tools/session", false).expect("edits");
            assert_ne!(with, text);
            assert_eq!(without_hooks(&with).expect("edits").as_deref(), Some(text), "{with}");
        }
    }

    #[test]
    fn a_second_install_changes_nothing_and_a_moved_program_only_the_commands() {
        for text in shapes().into_iter().chain([""]) {
            let once = with_hooks(text, "/a/session", false).expect("edits");
            assert_eq!(with_hooks(&once, "/a/session", false).expect("edits"), once);
            let moved = with_hooks(&once, "/b/session", false).expect("edits");
            assert_eq!(moved, once.replace("/a/session", "/b/session"));
        }
    }

    #[test]
    fn a_failure_of_any_tool_is_heard_of_after_an_older_install_too() {
        let now = with_hooks("", "session", false).expect("edits");
        assert!(now.contains("\"matcher\": \"*\""), "{now}");
        let older = now.replace("\"matcher\": \"*\"", "\"matcher\": \"Write|Edit|MultiEdit|NotebookEdit\"");
        assert_ne!(older, now);
        assert_eq!(with_hooks(&older, "session", false).expect("edits"), now);
    }

    #[test]
    fn a_line_of_the_projects_own_that_looks_like_ours_is_not_ours() {
        for theirs in [
            "./session hook claude-code Stop",
            "sh -c 'session' hook claude-code Stop",
            "bin/session hook claude-code Stop",
            "/x/other hook claude-code Stop",
            "rm -rf x; session hook claude-code Stop",
            "/a/session hook claude-code Stop || true",
        ] {
            let text = json!({"hooks": {"Stop": [{"hooks": [{"type": "command", "command": theirs}]}]}}).to_string();
            assert!(!has_hooks(&text), "{theirs}");
            let with = with_hooks(&text, "/opt/session", false).expect("edits");
            assert!(with.contains("/opt/session hook claude-code Stop") && with.contains(theirs), "{with}");
        }
        for ours in [
            "session hook claude-code Stop",
            "/a/git-session hook claude-code Stop",
            r"'/a b/it'\''s/session' hook claude-code Stop",
        ] {
            assert!(is_ours(ours, "Stop"), "{ours}");
        }
        assert!(is_ours(&command("", true, "Stop"), "Stop"));
    }

    #[test]
    fn what_is_there_stays_there() {
        let with = with_hooks(THEIRS, "session", false).expect("edits");
        for line in ["\t// my hooks", "\"say done\"", "\"beep\"", "}, // why", "\t\"model\": \"opus\""] {
            assert!(with.contains(line), "{line} in {with}");
        }
        assert!(with.contains("session hook claude-code Stop"));
    }

    #[test]
    fn a_file_of_ours_alone_goes_and_one_without_ours_stays() {
        let ours = with_hooks("", "session", true).expect("edits");
        assert!(ours.ends_with("}\n"), "{ours}");
        assert_eq!(without_hooks(&ours), Ok(None));
        assert_eq!(without_hooks("{}"), Ok(Some("{}".to_owned())));
        assert!(has_hooks(&ours) && !has_hooks(THEIRS));
    }

    #[test]
    fn what_is_no_settings_file_is_named_and_refused() {
        for (text, problem) in [
            ("{\"a\":", "not valid JSON"),
            ("{a: 1}", "not valid JSON"),
            ("[]", "not a JSON object"),
            ("{\"hooks\": []}", "\"hooks\" is not an object"),
            ("{\"hooks\": {\"Stop\": {}}}", "\"hooks.Stop\" is not an array"),
        ] {
            let error = with_hooks(text, "session", false).expect_err("refused");
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn the_shell_reads_the_program_as_one_word() {
        assert_eq!(command("/a/b", false, "Stop"), "/a/b hook claude-code Stop");
        assert_eq!(command("/a b/it's", false, "Stop"), r"'/a b/it'\''s' hook claude-code Stop");
        assert!(command("/a", true, "Stop").starts_with("command -v session "));
    }
}

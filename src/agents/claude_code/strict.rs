//! What Claude Code takes for a settings file. It reads strict JSON and checks types, and drops a file in which anything is
//! wrong as a whole, hooks included, without a word in the terminal.
//!
//! Each rule was tried with 2.1.330: a hook in such a file does not run.

use jsonc_parser::ast::{Object, Value as Ast};
use serde_json::Value;

use super::settings;

/// Fields of which another type makes the agent drop the file.
const TYPES: &[(&str, &str)] = &[
    ("hooks", "an object"),
    ("permissions", "an object"),
    ("env", "an object"),
    ("statusLine", "an object"),
    ("model", "a text"),
    ("outputStyle", "a text"),
    ("cleanupPeriodDays", "a number"),
    ("includeCoAuthoredBy", "true or false"),
    ("disableAllHooks", "true or false"),
];

/// Why the agent would not run the hooks of a file with this text; `None` where it would.
pub(super) fn objection(text: &str) -> Option<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return None;
    }
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(e) => return Some(format!("{}, and the agent takes strict JSON only", what_is_not_strict(text, &e))),
    };
    if let Some(twice) = twice(text) {
        return Some(format!("it has {twice:?} twice, and the agent takes the last one only"));
    }
    let wrong = TYPES.iter().find(|(name, kind)| value.get(name).is_some_and(|v| !is_a(v, kind)));
    if let Some((name, kind)) = wrong {
        return Some(format!("{name:?} is not {kind}, and the agent drops the whole file for that"));
    }
    let list = |at: &Value| at.is_array();
    let lists = [("permissions", ["allow", "deny", "ask"].as_slice())];
    for (name, below) in lists {
        if let Some(bad) = below.iter().find(|b| value[name].get(b).is_some_and(|v| !list(v))) {
            return Some(format!("\"{name}.{bad}\" is not an array, and the agent drops the whole file for that"));
        }
    }
    let events = value.get("hooks").and_then(Value::as_object)?;
    let bad = events.iter().find(|(_, groups)| !groups.is_array());
    bad.map(|(event, _)| format!("\"hooks.{event}\" is not an array, and the agent drops the whole file for that"))
}

/// Whether the file says that no hook shall run; `None` where it says nothing.
pub(super) fn switches_off(text: &str) -> Option<bool> {
    let value: Value = serde_json::from_str(text.strip_prefix('\u{feff}').unwrap_or(text)).ok()?;
    value.get("disableAllHooks")?.as_bool()
}

/// The text without commas that nothing follows; all else stays as it is.
pub(super) fn without_trailing_commas(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut drop = Vec::new();
    let mut comma = None;
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let length = match rest[0] {
            b'"' => {
                comma = None;
                string_length(rest)
            }
            b'/' if rest.starts_with(b"//") => rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len()),
            b'/' if rest.starts_with(b"/*") => {
                rest.windows(2).skip(2).position(|w| w == b"*/").map_or(rest.len(), |end| end + 4)
            }
            b',' => {
                comma = Some(at);
                1
            }
            b'}' | b']' => {
                drop.extend(comma.take());
                1
            }
            byte => {
                if !byte.is_ascii_whitespace() {
                    comma = None;
                }
                1
            }
        };
        at += length;
    }
    let kept = bytes.iter().enumerate().filter(|(at, _)| !drop.contains(at)).map(|(_, b)| *b).collect();
    // Whole ASCII characters went.
    String::from_utf8(kept).unwrap_or_else(|_| text.to_owned())
}

fn string_length(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn is_a(value: &Value, kind: &str) -> bool {
    match kind {
        "an object" => value.is_object(),
        "a text" => value.is_string(),
        "a number" => value.is_number(),
        _ => value.is_boolean(),
    }
}

fn what_is_not_strict(text: &str, error: &serde_json::Error) -> String {
    let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    let near = line.as_bytes().get(error.column().saturating_sub(2)..).unwrap_or_default();
    if near.iter().take(2).any(|b| *b == b'/') {
        return format!("line {} has a comment", error.line());
    }
    format!("it is not valid JSON ({error})")
}

/// A key of ours to be that stands twice.
fn twice(text: &str) -> Option<String> {
    let root = settings::parse(text).ok()??;
    let top = root.as_object()?;
    let repeated = |object: &Object<'_>, names: Option<&[&str]>| {
        let all: Vec<&str> = object.properties.iter().map(|p| p.name.as_str()).collect();
        let counts = |name: &&&str| names.is_none_or(|names| names.contains(*name));
        let found = all.iter().filter(counts).find(|name| all.iter().filter(|n| n == name).count() > 1);
        found.map(|name| (*name).to_owned())
    };
    let below = || top.get("hooks").map(|p| &p.value).and_then(Ast::as_object).and_then(|hooks| repeated(hooks, None));
    repeated(top, Some(&["hooks", "disableAllHooks"])).or_else(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = r#""hooks":{"Stop":[{"hooks":[{"type":"command","command":"x"}]}]}"#;

    #[test]
    fn what_the_agent_drops_is_objected_to() {
        for (text, words) in [
            (format!("{{\n// mine\n{OURS}}}"), "line 2 has a comment"),
            (format!("{{{OURS} /* mine */}}"), "line 1 has a comment"),
            (format!("{{{OURS},}}"), "trailing comma"),
            (format!("{{{OURS},\"hooks\":{{}}}}"), "\"hooks\" twice"),
            ("{\"hooks\":{\"Stop\":[],\"Stop\":[]}}".to_owned(), "\"Stop\" twice"),
            (format!("{{{OURS},\"model\":5}}"), "\"model\" is not a text"),
            (format!("{{{OURS},\"env\":\"x\"}}"), "\"env\" is not an object"),
            (format!("{{{OURS},\"permissions\":[]}}"), "\"permissions\" is not an object"),
            (format!("{{{OURS},\"permissions\":{{\"allow\":\"x\"}}}}"), "\"permissions.allow\" is not an array"),
            (format!("{{{OURS},\"disableAllHooks\":null}}"), "\"disableAllHooks\" is not true or false"),
            ("{\"hooks\":{\"Stop\":{}}}".to_owned(), "\"hooks.Stop\" is not an array"),
        ] {
            let said = objection(&text).unwrap_or_default();
            assert!(said.contains(words), "{text}: {said:?}");
        }
        for text in [
            String::new(),
            format!("{{{OURS}}}"),
            format!("\u{feff}{{{OURS}}}"),
            format!(
                "{{{OURS},\"env\":{{\"A\":1}},\"permissions\":{{\"allow\":[5]}},\"other\":[],\"disableAllHooks\":false}}"
            ),
            "{\"a\":\"// no, /* no */, \",\"a\":2}".to_owned(),
        ] {
            assert_eq!(objection(&text), None, "{text}");
        }
        assert_eq!(switches_off("{\"disableAllHooks\":true}"), Some(true));
        assert_eq!(
            (switches_off("{}"), switches_off("{\"disableAllHooks\":\"x\"}"), switches_off("x")),
            (None, None, None)
        );
    }

    #[test]
    fn only_commas_that_nothing_follows_go() {
        for (text, left) in [
            ("{\"a\":[1,2,],}", "{\"a\":[1,2]}"),
            ("{\"a\":\",}\", // ,}\n \"b\":1,\n/* x */ }\n", "{\"a\":\",}\", // ,}\n \"b\":1\n/* x */ }\n"),
            ("{\"a\\\",]\":1}", "{\"a\\\",]\":1}"),
            ("{\"é\":[\"ü\",],\"b\":[,1]}", "{\"é\":[\"ü\"],\"b\":[,1]}"),
        ] {
            assert_eq!(without_trailing_commas(text), left);
        }
    }
}

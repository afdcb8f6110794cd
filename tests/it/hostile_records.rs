//! A session with characters that act on a terminal, hide there or reverse it in every text of every record: no verb lets one out,
//! as text, as a line of an agent, or in a hook's answer.

use serde_json::{Value, json};

use crate::share::{Team, case};
use crate::support::stranger::{Parts, Stranger, id};

/// Colours, titles, links and the clipboard by OSC, 8-bit controls, direction, tags, fillers, joiners between Latin letters.
const HOSTILE: &str = "a\u{1b}[31m\u{1b}]0;T\u{7}\u{1b}]8;;http:x\u{1b}\\l\u{1b}]52;c;QUFB\u{7}\u{9b}31m\u{9d}0;t\u{9c}\u{7f}\u{8}\r\
    \u{202e}\u{2066}\u{200f}\u{61c}\u{e0041}\u{e0101}\u{115f}\u{1160}\u{3164}\u{ffa0}\u{ad}\u{34f}\u{180e}\u{200b}\u{2028}\u{feff}\u{200d}z";

fn is_bad(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\t')
        || HOSTILE.chars().any(|h| h == c && !h.is_ascii())
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{e0000}'..='\u{e01ff}')
}

#[track_caller]
fn is_tame(text: &str, about: &str) {
    if let Some(c) = text.chars().find(|c| is_bad(*c)) {
        let at = text.find(c).unwrap_or_default();
        let around: String = text[..at].chars().rev().take(40).collect::<Vec<_>>().into_iter().rev().collect();
        panic!("{c:?} comes out of {about}, after {around:?}");
    }
}

/// Puts it into every text of a value, but for those that have to be something.
fn poison(value: &mut Value) {
    match value {
        Value::String(text) if text.contains("HERE") => *text = text.replace("HERE", HOSTILE),
        Value::Array(list) => list.iter_mut().for_each(poison),
        Value::Object(map) => {
            let keys: Vec<String> = map.keys().filter(|key| key.contains("HERE")).cloned().collect();
            for key in keys {
                let value = map.remove(&key).expect("is there");
                map.insert(key.replace("HERE", HOSTILE), value);
            }
            map.values_mut().for_each(poison);
        }
        _ => {}
    }
}

fn poisoned(mut value: Value) -> Value {
    poison(&mut value);
    value
}

fn hostile(stranger: &Stranger, n: u32) -> Parts {
    let mut parts = stranger.parts(n);
    let fields = [
        ("title", json!("HERE")),
        ("label", json!("HERE")),
        ("name", json!("HERE")),
        ("model", json!("HERE")),
        ("mode", json!("HERE")),
        ("project", json!("HERE")),
        ("cwd", json!("/HERE")),
        ("worktree", json!("HERE")),
        ("later", json!({"HERE": "HERE"})),
        ("lineage", json!({"parent_session": id(77), "checkpoint": 1, "branch": "HERE"})),
    ];
    let record = parts.record.as_mut().expect("a record");
    for (key, value) in fields {
        record[key] = poisoned(value);
    }
    for key in ["kind", "version", "transcript_path"] {
        record["agent"][key] = json!(if key == "kind" { "generic".to_owned() } else { HOSTILE.to_owned() });
    }
    let mut row: Value = serde_json::from_slice(&parts.rows[0]).expect("reads");
    for (key, value) in [
        ("prompt", json!("HERE")),
        ("key", json!("HERE")),
        ("files", json!(["HERE"])),
        ("tools", json!({"HERE": 1})),
        ("later", json!("HERE")),
    ] {
        row[key] = poisoned(value);
    }
    parts.rows = vec![row.to_string().into_bytes()];
    let state = json!({
        "state": {
            "project": "HERE", "objectives": {"primary": "HERE", "secondary": ["HERE"], "status": "HERE"},
            "progress": {"completed": ["HERE"], "in_progress": ["HERE"], "blocked": ["HERE"]},
            "files": {"created": ["HERE"], "modified": ["HERE"], "deleted": ["HERE"]},
            "errors": {"unresolved": [{"file": "HERE", "line": 1, "error": "HERE", "attempts": 1, "fingerprint": "HERE"}]},
            "tests": {"failed_paths": ["HERE"]}, "todos": ["HERE"], "next_prompts": ["HERE"],
            "context": {"tech_stack": ["HERE"], "key_decisions": ["HERE"], "architecture_notes": "HERE"},
        },
        "set": {"todos": ["HERE"]}, "derived": {},
    });
    parts.extra.push(stranger.file("state.json", poisoned(state).to_string()));
    let skipped = json!({"paths": [{"path": "HERE", "reason": "too-large", "bytes": 1}], "conversion": ["HERE"]});
    parts.extra.push(stranger.file("skipped.json", poisoned(skipped).to_string()));
    let name = HOSTILE.replace('/', "_");
    parts.files = vec![
        stranger.file("a.txt", format!("one {HOSTILE}\n")),
        stranger.file(&name, "x\n"),
        stranger.dir(&name[1..], [stranger.file("f", "x")]),
    ];
    let said = json!({"role": "user", "text": HOSTILE}).to_string() + "\n";
    let (size, pieces) = (said.len(), vec![said.into_bytes()]);
    parts.pieces = pieces;
    parts.record.as_mut().expect("a record")["streams"][0]["bytes"] = json!(size);
    parts.subject = format!("save 1: {}", HOSTILE.replace(['\r', '\u{2028}'], ""));
    parts.author = format!("{HOSTILE} <{}>", HOSTILE.replace(['\r', '<', '>'], ""));
    parts.trailers = vec![("Head", Some(HOSTILE.replace('\r', ""))), ("Later", Some(HOSTILE.replace('\r', "")))];
    parts
}

/// Lines without `session`, each as it is typed in a shell and in an agent.
fn verbs(id: &str) -> Vec<String> {
    [
        "list",
        "show ID",
        "show ID --at 1",
        "log -s ID",
        "status",
        "diff --stat 1 -s ID",
        "diff 1 -s ID --color always",
        "rewind -s ID",
        "rewind code 1 -s ID --dry-run",
        "fork z -s ID --dry-run",
        "fork z -s ID --at 1 --no-branch",
        "rewind code 1 -s ID",
        "rewind code 1 -s ID --all",
        "redo -s ID",
        "rewind chat 1 -s ID",
        "rewind both 1 -s ID --mine",
        "revert 1 -s ID",
        "resume ID",
        "save more -s ID",
        "state show -s ID",
        "push --dry-run",
        "push",
        "pull",
        "doctor",
        "list",
        "show ID",
        "log -s ID",
        "status",
        "show nothing",
        "rewind code 99 -s ID",
    ]
    .iter()
    .map(|verb| verb.replace("ID", id))
    .collect()
}

#[test]
fn no_text_of_a_stranger_comes_out_of_any_verb_as_it_is() {
    let team = Team::new();
    let stranger = Stranger::new(&team.remote, &team.a.git(["rev-parse", "main"]));
    for n in [1, 2, 3] {
        stranger.push(n, &hostile(&stranger, n));
    }
    let b = &team.b;
    let pulled = b.session(["pull"]);
    is_tame(&pulled.stdout, "pull");
    is_tame(&pulled.stderr, "pull, beside");
    for n in [1, 2, 3] {
        assert_eq!(case(&b.ask(["pull"]), &id(n)), "same", "{pulled}");
    }
    for verb in verbs(&id(1)) {
        let out = b.session(verb.split(' '));
        assert!(out.code.is_some_and(|code| code <= 7), "{verb}\n{out}");
        let plain = |text: &str| text.replace("\u{1b}[0m", "").split("\u{1b}[").map(strip_colour).collect::<String>();
        let shown = if verb.contains("--color") { plain(&out.stdout) } else { out.stdout.clone() };
        is_tame(&shown, &verb);
        is_tame(&out.stderr, &format!("{verb}, beside"));
        let json = b.session(["--json"].into_iter().chain(verb.split(' ')));
        is_tame(&json.stdout, &format!("{verb} --json"));
    }
    for verb in verbs(&id(2)) {
        let out = b.session(["slash", &format!("/session:{verb}")]);
        is_tame(&out.stdout, &format!("slash {verb}"));
        is_tame(&out.stderr, &format!("slash {verb}, beside"));
    }
    for verb in verbs(&id(3)) {
        let payload =
            json!({"session_id": "native", "cwd": b.path(), "prompt": format!("/session:{verb}")}).to_string();
        let out = b.sandbox.session_with_input(b.path(), ["hook", "generic", "prompt"], payload.as_bytes());
        assert_eq!(out.code, Some(0), "{verb}");
        is_tame(&out.stdout, &format!("the reply to {verb}"));
        let reply: Value = serde_json::from_str(&out.stdout).unwrap_or_default();
        is_tame(reply["answer"].as_str().unwrap_or_default(), &format!("the answer to {verb}"));
        is_tame(&b.hook_log(), "the log of hooks");
    }
}

/// What follows a colour that was switched on.
fn strip_colour(part: &str) -> &str {
    match part.find('m') {
        Some(end) if end > 0 && part[..end].chars().all(|c| c.is_ascii_digit() || c == ';') => &part[end + 1..],
        _ => part,
    }
}

//! Errors in what a failed command said: compilers, interpreters, test runners, the shell.
//!
//! Known forms only, each with file and line where it names them. A command that says nothing we know is reported by its
//! first line. At most [`MOST`] a command: what follows from a first error is rarely another one.

use std::path::Path;

use super::errors::{Report, relative};

/// Reports that are taken from one command.
pub const MOST: usize = 5;
/// Lines after a message in which its place is looked for.
const NEAR: usize = 12;

/// The errors in an output. `root` is the top of the work tree.
pub fn read(output: &str, root: &Path) -> Vec<Report> {
    let plain = without_ansi(output);
    let lines: Vec<&str> = plain.lines().collect();
    let mut found: Vec<Report> = Vec::new();
    for at in 0..lines.len() {
        let report = typescript(lines[at])
            .or_else(|| rustc(&lines[at..]))
            .or_else(|| panic(&lines[at..]))
            .or_else(|| jest(&lines[at..]))
            .or_else(|| python(&lines, at))
            .or_else(|| pytest(&lines, at))
            .or_else(|| node(&lines[at..]))
            .or_else(|| placed(lines[at]));
        if let Some(mut report) = report {
            report.file = relative(&report.file, root);
            report.message = crate::base::text::first_line(&report.message, 300);
            if !found.iter().any(|have| have.is(&report.fingerprint())) {
                found.push(report);
            }
        }
        if found.len() == MOST {
            break;
        }
    }
    if found.is_empty() {
        found.push(first_words(&lines));
    }
    found
}

fn report(class: &str, file: &str, line: Option<u64>, message: &str) -> Report {
    Report { class: class.to_owned(), file: file.trim().to_owned(), line, message: message.trim().to_owned() }
}

/// What a shell says before anything else.
fn first_words(lines: &[&str]) -> Report {
    let is_frame = |line: &&&str| {
        let line = line.trim();
        !line.is_empty() && !line.to_ascii_lowercase().starts_with("exit code ")
    };
    let said = lines.iter().find(is_frame).or_else(|| lines.iter().find(|l| !l.trim().is_empty()));
    report("shell", "", None, said.map_or("", |line| line.trim()))
}

/// `a.ts(4,2): error TS2322: ...` and `a.ts:4:2 - error TS2322: ...`.
fn typescript(line: &str) -> Option<Report> {
    let (place, rest) = line.split_once(": error TS").or_else(|| line.split_once(" - error TS"))?;
    let (code, message) = rest.split_once(": ")?;
    let (file, row) = match place.strip_suffix(')').and_then(|p| p.rsplit_once('(')) {
        Some((file, place)) => (file, place.split(',').next()?.parse().ok()?),
        None => place_in(place)?,
    };
    Some(report(&format!("TS{code}"), file, Some(row), message))
}

/// `error[E0308]: ...` with its `--> a.rs:4:2` below.
fn rustc(lines: &[&str]) -> Option<Report> {
    let rest = lines[0].strip_prefix("error")?;
    let (code, message) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once("]: ")?,
        None => ("error", rest.strip_prefix(": ")?),
    };
    let place = lines.iter().skip(1).take(NEAR).find_map(|l| place_in(l.trim_start().strip_prefix("--> ")?));
    // What cargo says last only counts the others.
    let (file, row) = place?;
    Some(report(code, file, Some(row), message))
}

/// `thread 'x' panicked at a.rs:4:2:` with the message below, or behind it in quotes as older versions have it.
fn panic(lines: &[&str]) -> Option<Report> {
    let (_, rest) = lines[0].split_once(" panicked at ")?;
    if let Some((message, place)) = rest.strip_prefix('\'').and_then(|rest| rest.rsplit_once("', ")) {
        let (file, row) = place_in(place)?;
        return Some(report("panic", file, Some(row), message));
    }
    let (file, row) = place_in(rest.trim_end_matches(':'))?;
    Some(report("panic", file, Some(row), lines.get(1).copied().unwrap_or_default()))
}

/// `● suite › test` with the message and the place in the lines below.
fn jest(lines: &[&str]) -> Option<Report> {
    lines[0].trim_start().strip_prefix("● ")?;
    let block = || lines.iter().skip(1).take(40).take_while(|l| !l.trim_start().starts_with("● "));
    let message = block().find(|l| !l.trim().is_empty())?;
    let (file, row) = block().find_map(|l| frame(l))?;
    Some(report("jest", file, Some(row), message))
}

/// A traceback: the last `File "a.py", line 4` before `SomeError: ...`.
fn python(lines: &[&str], at: usize) -> Option<Report> {
    let class: String = lines[at].chars().take_while(|c| c.is_alphanumeric() || matches!(c, '.' | '_')).collect();
    let rest = lines[at].get(class.len()..)?;
    let names_one = class.ends_with("Error") || class.ends_with("Exception") || class.ends_with("Warning");
    if !names_one || !(rest.is_empty() || rest.starts_with(": ")) {
        return None;
    }
    let before = lines[at.saturating_sub(NEAR)..at].iter().rev();
    let (file, row) = before.into_iter().find_map(|line| {
        let (file, rest) = line.trim_start().strip_prefix("File \"")?.split_once("\", line ")?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Some((file, digits.parse().ok()?))
    })?;
    let message = rest.trim_start_matches(": ");
    Some(report(&class, file, Some(row), if message.is_empty() { &class } else { message }))
}

/// `test_a.py:4: AssertionError` with `E  assert ...` above.
fn pytest(lines: &[&str], at: usize) -> Option<Report> {
    let (place, class) = lines[at].rsplit_once(": ")?;
    if class.contains(' ') || !(class.ends_with("Error") || class.ends_with("Exception")) {
        return None;
    }
    let (file, row) = place_in(place).filter(|(file, _)| file.ends_with(".py"))?;
    let above = lines[at.saturating_sub(NEAR)..at].iter().rev();
    let said: Vec<&str> = above.skip_while(|l| l.trim().is_empty()).map_while(|l| l.strip_prefix("E  ")).collect();
    let message = said.last().copied().unwrap_or(class).trim();
    Some(report(class, file, Some(row), message.strip_prefix(&format!("{class}: ")).unwrap_or(message)))
}

/// `TypeError: ...` with `at f (a.js:4:2)` below.
fn node(lines: &[&str]) -> Option<Report> {
    let (class, message) = lines[0].split_once(": ")?;
    if class.contains(' ') || !class.ends_with("Error") {
        return None;
    }
    let below = || lines.iter().skip(1).take(NEAR).take_while(|l| !l.trim().is_empty());
    below().find(|l| l.trim_start().starts_with("at "))?;
    let own = below().filter_map(|l| frame(l)).find(|(file, _)| !file.starts_with("node:"));
    Some(match own {
        Some((file, row)) => report(class, file, Some(row), message),
        None => report(class, "", None, message),
    })
}

/// `a.go:4:2: ...` as most compilers write it; warnings and notes are none.
fn placed(line: &str) -> Option<Report> {
    let trimmed = line.trim_start().trim_start_matches("vet: ");
    let (place, message) = trimmed.split_once(": ")?;
    let (file, row) = place_in(place)?;
    let extension = file.rsplit_once('.').map(|(_, e)| e).filter(|e| !e.contains('/') && (1..=5).contains(&e.len()))?;
    if message.starts_with("warning") || message.starts_with("note") || file.contains(char::is_whitespace) {
        return None;
    }
    let message = message.trim_start_matches("fatal ").trim_start_matches("error: ");
    Some(report(extension, file, Some(row), message))
}

/// `at f (a.js:4:2)` or `at a.js:4:2`.
fn frame(line: &str) -> Option<(&str, u64)> {
    let rest = line.trim_start().strip_prefix("at ")?;
    let place = rest.rsplit_once('(').map_or(rest, |(_, place)| place).trim_end_matches(')');
    place_in(place.trim_start_matches("file://"))
}

/// `a.rs:4:2` or `a.rs:4`.
fn place_in(text: &str) -> Option<(&str, u64)> {
    let (head, last) = text.trim().rsplit_once(':')?;
    let last: u64 = last.parse().ok()?;
    match head.rsplit_once(':') {
        Some((file, row)) if row.parse::<u64>().is_ok() => Some((file, row.parse().ok()?)),
        _ => Some((head, last)),
    }
    .filter(|(file, _)| !file.is_empty())
}

/// Without colours.
pub fn without_ansi(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        out.push_str(before);
        rest = match after.strip_prefix('[') {
            Some(sequence) => {
                let end = sequence.find(|c: char| ('@'..='~').contains(&c));
                end.map_or("", |at| &sequence[at + 1..])
            }
            None => after,
        };
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(output: &str) -> Vec<(String, String, u64, String)> {
        let root = Path::new("/p");
        read(output, root).into_iter().map(|r| (r.class, r.file, r.line.unwrap_or(0), r.message)).collect()
    }

    #[track_caller]
    fn assert_told(output: &str, class: &str, file: &str, line: u64, message: &str) {
        assert_eq!(told(output), [(class.to_owned(), file.to_owned(), line, message.to_owned())], "{output}");
    }

    #[test]
    fn compilers_are_read_with_their_code_and_place() {
        assert_told("src/a.ts(42,7): error TS2322: Type 'A' is wrong.", "TS2322", "src/a.ts", 42, "Type 'A' is wrong.");
        assert_told(
            "\u{1b}[96msrc/a.ts\u{1b}[0m:4:2 - \u{1b}[91merror\u{1b}[0m TS2307: No.",
            "TS2307",
            "src/a.ts",
            4,
            "No.",
        );
        let rust = "   Compiling x v0.1.0 (/p)\nerror[E0308]: mismatched types\n --> src/lib.rs:4:5\n  |\n4 |     \"x\"\n\nerror: could not compile `x` (lib) due to 1 previous error\n";
        assert_told(rust, "E0308", "src/lib.rs", 4, "mismatched types");
        assert_told("# x\n./main.go:12:3: undefined: foo\n", "go", "main.go", 12, "undefined: foo");
        assert_told("/p/a.c:3:1: error: expected ';'\na.c:9:1: warning: unused", "c", "a.c", 3, "expected ';'");
    }

    #[test]
    fn interpreters_are_read_with_the_innermost_place() {
        let python = "Traceback (most recent call last):\n  File \"/p/app.py\", line 3, in <module>\n    f()\n  File \"/p/lib/x.py\", line 9, in f\n    d['a']\nKeyError: 'a'\n";
        assert_told(python, "KeyError", "lib/x.py", 9, "'a'");
        let node = "node:internal/x:1\nError: Cannot find module 'x'\n    at node:internal/modules:1:2\n    at Object.<anonymous> (/p/src/a.js:7:1)\n\nNode.js v20\n";
        assert_told(node, "Error", "src/a.js", 7, "Cannot find module 'x'");
    }

    #[test]
    fn failing_tests_are_read_with_what_they_met() {
        let rust = "---- tests::adds stdout ----\n\nthread 'tests::adds' (77) panicked at src/lib.rs:10:9:\nassertion `left == right` failed\n  left: 3\n";
        assert_told(rust, "panic", "src/lib.rs", 10, "assertion `left == right` failed");
        assert_told("thread 'x' panicked at 'boom', src/x.rs:2:1", "panic", "src/x.rs", 2, "boom");
        let pytest =
            "    def test_a():\n>       assert 1 == 2\nE       assert 1 == 2\n\ntests/test_a.py:4: AssertionError\n";
        assert_told(pytest, "AssertionError", "tests/test_a.py", 4, "assert 1 == 2");
        let jest = "  ● login › works\n\n    expect(received).toBe(expected)\n\n    Expected: 1\n\n      at Object.<anonymous> (/p/src/a.test.ts:5:3)\n";
        assert_told(jest, "jest", "src/a.test.ts", 5, "expect(received).toBe(expected)");
        assert_told("--- FAIL: TestX (0.00s)\n    x_test.go:8: got 1, want 2\n", "go", "x_test.go", 8, "got 1, want 2");
    }

    #[test]
    fn what_is_of_no_known_form_is_told_by_its_first_line() {
        assert_told(
            "Exit code 1\n\ncat: x: No such file or directory\n",
            "shell",
            "",
            0,
            "cat: x: No such file or directory",
        );
        assert_told("Exit code 1", "shell", "", 0, "Exit code 1");
        assert_told("", "shell", "", 0, "");
    }

    #[test]
    fn a_flood_of_errors_is_cut() {
        let many: String = (0..50).map(|n| format!("a.go:{}:1: undefined: x{n} in f{n}()\n", n * 40 + 1)).collect();
        assert_eq!(told(&many).len(), MOST);
    }
}

//! What a test runner counted: cargo, pytest, jest (and vitest), go.
//!
//! Agents cut long output (`| tail`): then the names of failed tests are taken from what is left of the runner's own summary,
//! and a file that nothing names any more stays empty (`:test name`).

use super::diagnostics::without_ansi;
use crate::model::state::Tests;

/// The sums in an output, and the failed tests as `path:test name`; `None` where no runner is recognised.
pub fn read(output: &str) -> Option<Tests> {
    let plain = without_ansi(output);
    let lines: Vec<&str> = plain.lines().collect();
    let mut tests = cargo(&lines).or_else(|| jest(&lines)).or_else(|| pytest(&lines)).or_else(|| go(&lines))?;
    let mut seen = std::collections::HashSet::new();
    tests.failed_paths.retain(|path| seen.insert(path.clone()));
    Some(tests)
}

/// The number before a word, as in `3 passed`.
fn number_before(line: &str, word: &str) -> Option<u64> {
    let at = line.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';')).filter(|w| !w.is_empty());
    let words: Vec<&str> = at.collect();
    words.windows(2).find(|pair| pair[1] == word).and_then(|pair| pair[0].parse().ok())
}

fn cargo(lines: &[&str]) -> Option<Tests> {
    let mut tests = Tests::default();
    let (mut sums, mut path) = (0, "");
    for (at, line) in lines.iter().enumerate() {
        let trimmed = line.trim();
        if let Some(rest) = trimmed.strip_prefix("Running ") {
            path = rest.trim_start_matches("unittests ").split(" (").next().unwrap_or_default();
        } else if trimmed.starts_with("Doc-tests ") {
            path = "";
        } else if let Some(sum) = trimmed.strip_prefix("test result: ") {
            sums += 1;
            let failed = number_before(sum, "failed").unwrap_or(0);
            tests.passing += number_before(sum, "passed").unwrap_or(0);
            tests.failing += failed;
            for name in cargo_listed(&lines[..at], failed) {
                let test = name.split_once(" - ").map_or(name, |(_, test)| test);
                if !tests.failed_paths.iter().any(|have| have.strip_suffix(test).is_some_and(|p| p.ends_with(':'))) {
                    tests.failed_paths.push(cargo_failed(name, path, lines));
                }
            }
        } else if let Some(name) = trimmed.strip_prefix("test ").and_then(|t| t.strip_suffix(" ... FAILED")) {
            tests.failed_paths.push(cargo_failed(name, path, lines));
        }
    }
    (sums > 0).then_some(tests)
}

/// The names that cargo lists above a sum; the last ones of them, where the list is cut.
fn cargo_listed<'l>(above: &[&'l str], failed: u64) -> Vec<&'l str> {
    let most = usize::try_from(failed).unwrap_or(usize::MAX);
    let list = above.iter().rev().skip_while(|line| line.trim().is_empty());
    let names = list.map_while(|line| line.strip_prefix("    ")).map(str::trim_end);
    let is_name = |name: &&str| !name.starts_with(' ') && (!name.contains(' ') || name.contains(" - "));
    let mut names: Vec<&str> = names.take_while(is_name).take(most).collect();
    names.reverse();
    names
}

fn cargo_failed(name: &str, path: &str, lines: &[&str]) -> String {
    // A doc test names its file itself.
    if let Some((file, test)) = name.split_once(" - ") {
        return format!("{file}:{test}");
    }
    if !path.is_empty() {
        return format!("{path}:{name}");
    }
    // Where it panicked, or what cargo says to run again.
    let panicked = format!("thread '{name}' ");
    let place = lines.iter().find(|line| line.trim_start().starts_with(&panicked));
    let file = place.and_then(|line| line.split_once("panicked at ")?.1.split_once(':')).map(|(file, _)| file);
    let is_lib = || lines.iter().any(|line| line.ends_with("to rerun pass `--lib`"));
    format!("{}:{name}", file.unwrap_or_else(|| if is_lib() { "src/lib.rs" } else { "" }))
}

fn pytest(lines: &[&str]) -> Option<Tests> {
    let is_sum = |line: &&&str| {
        let text = line.trim_matches(|c| c == '=' || c == ' ');
        let timed = text
            .rsplit_once(" in ")
            .is_some_and(|(_, t)| t.starts_with(|c: char| c.is_ascii_digit()) && t.contains('s'));
        timed && ["passed", "failed", "error", "errors"].iter().any(|word| number_before(text, word).is_some())
    };
    let sum = lines.iter().rev().find(is_sum)?.trim_matches(|c| c == '=' || c == ' ');
    let count = |word| number_before(sum, word).unwrap_or(0);
    let failed = lines.iter().filter_map(|line| {
        let rest = line.strip_prefix("FAILED ").or_else(|| line.strip_prefix("ERROR "))?;
        let name = rest.split(" - ").next()?;
        Some(match name.split_once("::") {
            Some((path, test)) => format!("{path}:{}", test.replace("::", " ")),
            None => format!("{name}:{name}"),
        })
    });
    let mut failed_paths: Vec<String> = failed.collect();
    let failing = count("failed") + count("error") + count("errors");
    if failed_paths.is_empty() && failing > 0 {
        failed_paths = pytest_titled(lines);
    }
    Some(Tests { passing: count("passed"), failing, failed_paths, ..Tests::default() })
}

/// The tests whose failures are shown, where the summary is switched off: a title, and below it `path:line: what`.
fn pytest_titled(lines: &[&str]) -> Vec<String> {
    let title = |line: &str| {
        let name = line.strip_prefix("___")?.strip_suffix("___")?.trim_matches('_').trim();
        (!name.is_empty()).then(|| name.replace('.', " "))
    };
    let titles = lines.iter().enumerate().filter_map(|(at, line)| Some((at, title(line)?)));
    let place = |at: usize| {
        let below = lines[at + 1..].iter().take_while(|line| title(line).is_none());
        let file = |line: &&str| Some(line.split_once(".py:").filter(|(file, _)| !file.contains(' '))?.0.to_owned());
        below.filter_map(file).next().map(|file| format!("{file}.py"))
    };
    titles.map(|(at, name)| format!("{}:{name}", place(at).unwrap_or_default())).collect()
}

fn jest(lines: &[&str]) -> Option<Tests> {
    let sum = lines.iter().rev().find_map(|line| {
        let line = line.trim();
        line.strip_prefix("Tests:").or_else(|| line.strip_prefix("Tests ").filter(|rest| rest.contains('(')))
    })?;
    let sum = sum.replace('|', ",");
    let mut tests = Tests {
        passing: number_before(&sum, "passed").unwrap_or(0),
        failing: number_before(&sum, "failed").unwrap_or(0),
        ..Tests::default()
    };
    let mut path = "";
    let mut files = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let trimmed = line.trim();
        if trimmed.starts_with("PASS ") {
            path = "";
        } else if let Some(rest) = trimmed.strip_prefix("FAIL ").map(str::trim) {
            // vitest names the test on the same line.
            match rest.split_once(" > ") {
                Some((file, test)) => tests.failed_paths.push(format!("{file}:{}", test.replace(" > ", " "))),
                None => {
                    path = rest.split_whitespace().next().unwrap_or_default();
                    files.push(path);
                }
            }
        } else if let Some(name) = trimmed.strip_prefix("● ")
            && !["Test suite failed to run", "Console"].contains(&name)
        {
            let file = if path.is_empty() { jest_place(&lines[at + 1..]) } else { path };
            tests.failed_paths.push(format!("{file}:{}", name.replace(" › ", " ")));
        }
    }
    // A file of which no test is named, or none could run.
    for file in files {
        if !tests.failed_paths.iter().any(|have| have.strip_prefix(file).is_some_and(|rest| rest.starts_with(':'))) {
            tests.failed_paths.push(format!("{file}:{file}"));
        }
    }
    Some(tests)
}

/// The file of a test that failed, from the stack below its name: `at ... (src/a.test.ts:5:10)`.
fn jest_place<'l>(below: &[&'l str]) -> &'l str {
    let stack = below.iter().map(|line| line.trim()).take_while(|line| !line.starts_with("● "));
    let places = stack.filter(|line| line.starts_with("at ")).filter_map(|line| {
        let place = line.rsplit([' ', '(']).next()?.trim_end_matches(')');
        place.rsplitn(3, ':').last()
    });
    places
        .into_iter()
        .find(|file| [".test.", ".spec.", "__tests__/"].iter().any(|m| file.contains(m)))
        .unwrap_or_default()
}

/// Without `-v` go names no test that passed: then packages are counted.
fn go(lines: &[&str]) -> Option<Tests> {
    let is_package = |line: &&&str, word: &str| line.strip_prefix(word).is_some_and(|rest| rest.starts_with('\t'));
    let ok = lines.iter().filter(|l| is_package(l, "ok  ")).count();
    let failed_packages = lines.iter().filter(|l| is_package(l, "FAIL")).count();
    let named = |mark: &str| -> Vec<(usize, &str)> {
        let name =
            |line: &&str| line.trim_start().strip_prefix(mark).and_then(|rest| rest.split(" (").next()).is_some();
        let at = lines.iter().enumerate().filter(|(_, line)| name(line));
        at.filter_map(|(at, line)| Some((at, line.trim_start().strip_prefix(mark)?.split(" (").next()?))).collect()
    };
    let (passed, failed) = (named("--- PASS: "), named("--- FAIL: "));
    if ok + failed_packages + passed.len() + failed.len() == 0 {
        return None;
    }
    // A test with parts fails with one of them; the part is what failed.
    let is_whole = |name: &str, all: &[(usize, &str)]| {
        all.iter().any(|(_, other)| other.strip_prefix(name).is_some_and(|rest| rest.starts_with('/')))
    };
    let leaves = |all: &[(usize, &str)]| all.iter().filter(|(_, name)| !is_whole(name, all)).count();
    let file_below = |at: usize| {
        let below = lines.iter().skip(at + 1).take_while(|l| !l.trim_start().starts_with("---"));
        below.filter_map(|l| l.trim_start().split_once(".go:")).map(|(file, _)| format!("{file}.go")).next()
    };
    let paths = failed.iter().filter(|(_, name)| !is_whole(name, &failed));
    let failed_paths: Vec<String> =
        paths.map(|(at, name)| format!("{}:{name}", file_below(*at).unwrap_or_default())).collect();
    let count = |n: usize| n as u64;
    Some(Tests {
        passing: count(if passed.is_empty() { ok } else { leaves(&passed) }),
        failing: count(if failed.is_empty() { failed_packages } else { leaves(&failed) }),
        failed_paths,
        ..Tests::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_counted(output: &str, passing: u64, failing: u64, failed: &[&str]) {
        let tests = read(output).unwrap_or_else(|| panic!("no runner in {output}"));
        assert_eq!((tests.passing, tests.failing), (passing, failing), "{output}");
        assert_eq!(tests.failed_paths, failed, "{output}");
    }

    #[test]
    fn cargo_is_summed_over_its_binaries() {
        let output = "     Running unittests src/lib.rs (target/debug/deps/x-1)\n\nrunning 2 tests\ntest tests::a ... ok\ntest tests::b ... FAILED\n\ntest result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n     Running tests/it.rs (target/debug/deps/it-1)\ntest result: ok. 4 passed; 0 failed; 1 ignored; 0 measured\n   Doc-tests x\ntest src/lib.rs - add (line 3) ... FAILED\ntest result: FAILED. 0 passed; 1 failed; 0 ignored\n";
        assert_counted(output, 5, 2, &["src/lib.rs:tests::b", "src/lib.rs:add (line 3)"]);
    }

    #[test]
    fn pytest_is_read_from_its_last_line() {
        let output = "FAILED tests/test_a.py::TestX::test_b - assert 1 == 2\nERROR tests/test_c.py - ImportError\n===== 1 failed, 7 passed, 1 skipped, 1 error in 0.12s =====\n";
        assert_counted(output, 7, 2, &["tests/test_a.py:TestX test_b", "tests/test_c.py:tests/test_c.py"]);
        assert_counted("....\n4 passed in 0.01s\n", 4, 0, &[]);
    }

    #[test]
    fn jest_and_vitest_are_read_with_the_names_of_tests() {
        let jest = "FAIL src/__tests__/auth.test.ts\n  login\n    ✕ should validate (3 ms)\n\n  ● login › should validate\n\n    boom\n\nSummary of all failing tests\nFAIL src/__tests__/auth.test.ts\n  ● login › should validate\n\nTest Suites: 1 failed, 2 passed, 3 total\nTests:       1 failed, 24 passed, 25 total\n";
        assert_counted(jest, 24, 1, &["src/__tests__/auth.test.ts:login should validate"]);
        let vitest =
            " FAIL  src/a.test.ts > login > works\n Test Files  1 failed (1)\n      Tests  1 failed | 3 passed (4)\n";
        assert_counted(vitest, 3, 1, &["src/a.test.ts:login works"]);
    }

    #[test]
    fn of_cut_output_the_names_are_read_that_are_left() {
        let end = "failures:\n    tests::one\n    tests::three\n\ntest result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n\n";
        let lib = "error: test failed, to rerun pass `--lib`\n";
        assert_counted(&format!("{end}{lib}"), 1, 2, &["src/lib.rs:tests::one", "src/lib.rs:tests::three"]);
        let (_, cut) = end.split_once("one\n").expect("is in it");
        assert_counted(&format!("{cut}{lib}"), 1, 2, &["src/lib.rs:tests::three"]);
        let panicked =
            "thread 'tests::three' (77) panicked at src/parse.rs:8:18:\nx\nnote: run with `RUST_BACKTRACE=1`\n\n\n";
        assert_counted(&format!("{panicked}{end}"), 1, 2, &[":tests::one", "src/parse.rs:tests::three"]);
        let whole = format!(
            "     Running tests/it.rs (x)\ntest tests::one ... FAILED\ntest tests::three ... FAILED\n\n{end}{lib}"
        );
        assert_counted(&whole, 1, 2, &["tests/it.rs:tests::one", "tests/it.rs:tests::three"]);
        let doc = "failures:\n    src/lib.rs - add (line 3)\n\ntest result: FAILED. 0 passed; 1 failed; 0 ignored\n";
        assert_counted(doc, 0, 1, &["src/lib.rs:add (line 3)"]);
        assert_counted("test result: FAILED. 0 passed; 1 failed; 0 ignored\n", 0, 1, &[]);

        let pytest = "_________ TestX.test_c _________\n\nself = <X>\n\n>       assert [1] == [2]\nE       assert [1] == [2]\n\ntests/test_a.py:9: AssertionError\n1 failed, 2 passed in 0.02s\n";
        assert_counted(pytest, 2, 1, &["tests/test_a.py:TestX test_c"]);
        assert_counted(
            "FAILED tests/test_a.py::test_b\n1 failed, 2 passed in 0.02s\n",
            2,
            1,
            &["tests/test_a.py:test_b"],
        );

        let jest = "  ● login › works\n\n    boom\n\n      at Object.<anonymous> (src/login.ts:3:9)\n      at Object.toBe (src/login.test.ts:5:10)\n\nTests:       1 failed, 4 passed, 5 total\n";
        assert_counted(jest, 4, 1, &["src/login.test.ts:login works"]);
        let file = "PASS src/a.test.ts\n  ● Console\nFAIL src/b.test.ts\nTests:       1 failed, 4 passed, 5 total\n";
        assert_counted(file, 4, 1, &["src/b.test.ts:src/b.test.ts"]);
    }

    #[test]
    fn go_counts_parts_of_tests_once() {
        let verbose = "=== RUN   TestA\n--- PASS: TestA (0.00s)\n--- FAIL: TestB (0.00s)\n    --- FAIL: TestB/one (0.00s)\n        b_test.go:9: got 1\nFAIL\nFAIL\texample.com/x\t0.1s\n";
        assert_counted(verbose, 1, 1, &["b_test.go:TestB/one"]);
        assert_counted("ok  \texample.com/x\t0.1s\nok  \texample.com/y\t0.1s\n", 2, 0, &[]);
    }

    #[test]
    fn other_output_is_no_run_of_tests() {
        for text in ["", "hello\n", "Tests are good", "3 passed the gate", "FAIL: something\n", "in 3s\n"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}

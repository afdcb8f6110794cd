//! Lines as typed in an agent: which are ours, what command they mean, and the answer as text.

use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;

use clap::Parser as _;

use super::args::Command;
use super::output::{ColorChoice, Mode, Ui, UiEnv};
use super::{Cli, Context, Env, commands, tell};
use crate::base::text::{self, Shown, sanitise};
use crate::ops::{Failure, FailureKind, Result};

/// Words that our lines begin with, and the verb that each means.
const WORDS: &[(&str, &str)] = &[
    ("rewind", "rewind"),
    ("redo", "redo"),
    ("fork", "fork"),
    ("sessions", "list"),
    ("save", "save"),
    ("status", "status"),
    ("log", "log"),
    ("diff", "diff"),
    ("show", "show"),
    ("resume", "resume"),
    ("load", "resume"),
];
/// Those of them that a hook answers without the prefix `session:`; the others are words of the agents' own.
const ANSWERED: &[&str] = &["rewind", "redo", "fork", "sessions"];

/// Bytes of an answer that is no listing: an agent shows it to a person in one piece.
const LONGEST: usize = 4096;

/// What a line of ours asks for.
#[derive(Debug)]
pub enum Line {
    /// To run this.
    Command(Box<Command>),
    /// To be told how it is used.
    Help(String),
}

/// What a line asks for; `None` where it is not ours.
///
/// # Errors
/// A line of ours that cannot be read.
pub fn parse(line: &str) -> Result<Option<Line>> {
    let Some((word, rest)) = split(line) else { return Ok(None) };
    let word = word.strip_prefix("session:").unwrap_or(word);
    let Some((_, verb)) = WORDS.iter().find(|(w, _)| *w == word) else { return Ok(None) };
    if goes_on(line) {
        return Err(Failure::new(FailureKind::Usage, "slash.lines", refusal(line)));
    }
    let mut args = vec!["session".to_owned(), (*verb).to_owned()];
    let words = words(rest)?;
    // A title may be typed without quotes.
    let is_title = matches!(*verb, "fork" | "save") && words.iter().all(|w| !w.starts_with('-'));
    if is_title && !words.is_empty() {
        args.push(words.join(" "));
    } else {
        args.extend(words);
    }
    match Cli::try_parse_from(args) {
        Ok(cli) => Ok(Some(Line::Command(Box::new(cli.command)))),
        Err(e) if e.kind() == clap::error::ErrorKind::DisplayHelp => Ok(Some(Line::Help(e.render().to_string()))),
        Err(e) => Err(Failure::new(FailureKind::Usage, "usage", what_is_wrong(&e))
            .hint(format!("For example: {}", example(verb)))),
    }
}

/// Whether more stands below a line. What a terminal pastes may end its lines in any of these.
fn goes_on(prompt: &str) -> bool {
    prompt.trim().contains(['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'])
}

/// One line that says why nothing was done.
fn refusal(prompt: &str) -> String {
    let word = split(prompt).map(|(word, _)| word).unwrap_or_default();
    format!("/{} has to stand alone in its prompt, and more text follows: nothing was done", sanitise(word))
}

/// Whether a prompt is for us: it begins with one of our lines.
pub fn is_ours(prompt: &str) -> bool {
    let Some((word, _)) = split(prompt) else { return false };
    ANSWERED.contains(&word) || word.strip_prefix("session:").is_some_and(|w| WORDS.iter().any(|(o, _)| *o == w))
}

fn what_is_wrong(error: &clap::Error) -> String {
    use clap::error::{ContextKind, ContextValue};
    let value = error.get(ContextKind::InvalidValue);
    if let (Some(ContextValue::String(value)), Some(ContextValue::Strings(valid))) =
        (value, error.get(ContextKind::ValidValue))
        && !valid.is_empty()
    {
        return format!("{value:?} is none of {}", valid.join(", "));
    }
    let text = error.render().to_string();
    text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

fn example(verb: &str) -> &'static str {
    match verb {
        "rewind" => "/rewind code turn:2, /rewind chat, /rewind both 7 --mine",
        "redo" => "/redo",
        "fork" => "/fork try a trie",
        _ => "/sessions",
    }
}

/// Answers a prompt that is for us, run in a folder; `None` where it is the agent's.
pub fn answer(env: &Env, prompt: &str) -> Option<Shown> {
    if !is_ours(prompt) {
        return None;
    }
    if goes_on(prompt) {
        return Some(Shown::lines(&format!("error: {}", refusal(prompt))));
    }
    let word = split(prompt).map(|(word, _)| word).unwrap_or_default();
    let said = Captured::default();
    let plain = UiEnv { utf8: true, in_agent: true, ..UiEnv::default() };
    let ui = Ui::new(Mode::Human, plain, ColorChoice::Never, Box::new(said.clone()), Box::new(said.clone()));
    let mut context = Context::new(env.clone(), ui);
    let outcome = parse(prompt).and_then(|line| match line {
        Some(Line::Command(command)) => commands::run(&mut context, *command).map(drop),
        Some(Line::Help(help)) => {
            help.lines().for_each(|line| context.ui.data_line(line));
            Ok(())
        }
        None => Ok(()),
    });
    let is_reader = !matches!(
        word.strip_prefix("session:").unwrap_or(word),
        "rewind" | "redo" | "fork" | "save" | "resume" | "load"
    );
    let is_whole = outcome.is_ok() && is_reader;
    if let Err(failure) = outcome {
        tell(&mut context.ui, &in_agent(failure, prompt));
    }
    let answer = said.take();
    Some(if is_whole { answer } else { Shown::lines(&text::within(answer.as_str(), LONGEST)) })
}

/// In an agent the way out is a line to type there.
fn in_agent(mut failure: Failure, prompt: &str) -> Failure {
    let line = prompt.trim();
    if matches!(failure.code, "rewind.foreign" | "restore.obstacle") {
        let target = failure.target.clone().filter(|_| failure.code == "rewind.foreign");
        let target = target.filter(|t| !line.split_whitespace().any(|w| w == t));
        let full = match (target, line.split_whitespace().count()) {
            (Some(target), 2) => format!("{line} {target}"),
            _ => line.to_owned(),
        };
        failure.hint = Some(match failure.code {
            "rewind.foreign" => {
                format!("Type {full} --mine to leave them as they are, or {full} --all to take them back too.")
            }
            _ => format!("Type {full} --mine to leave what cannot be touched and take the rest back."),
        });
    } else if failure.code == "session.untrusted" {
        failure.hint = Some(format!("Read what is in there. {line} --trust writes it."));
    } else {
        failure.hint = failure.hint.map(|hint| as_typed(&hint));
    }
    failure
}

/// Verbs that an agent's prompt answers are named as they are typed there; the others stay commands of a shell.
fn as_typed(hint: &str) -> String {
    WORDS.iter().filter(|(word, _)| ANSWERED.contains(word)).fold(hint.to_owned(), |hint, (word, verb)| {
        hint.replace(&format!("`session {verb} "), &format!("`/{word} "))
            .replace(&format!("`session {verb}`"), &format!("`/{word}`"))
    })
}

fn split(line: &str) -> Option<(&str, &str)> {
    let line = line.trim().strip_prefix('/')?;
    Some(line.split_once(char::is_whitespace).unwrap_or((line, "")))
}

/// Words with quotes, as a shell would split them; no expansion of anything.
fn words(text: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for c in text.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err(Failure::new(FailureKind::Usage, "slash.quote", "a quote is not closed"));
    }
    words.extend(word);
    Ok(words)
}

/// Both outputs in one text, in the order of writing.
#[derive(Clone, Default)]
struct Captured(Rc<RefCell<Vec<u8>>>);

impl Captured {
    fn take(&self) -> Shown {
        Shown::lines(String::from_utf8_lossy(&self.0.borrow()).trim_end())
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_split_as_in_a_shell() {
        assert_eq!(words("code  3 --mine").expect("splits"), ["code", "3", "--mine"]);
        assert_eq!(words("\"a b\" 'c'd \"\"").expect("splits"), ["a b", "cd", ""]);
        assert!(words("\"open").is_err());
    }

    #[test]
    fn a_hint_names_what_can_be_typed_in_the_agent() {
        let hint = "`session log` shows it; `session rewind code 3` or `session redo`; `session list` has all.";
        let typed = "`session log` shows it; `/rewind code 3` or `/redo`; `/sessions` has all.";
        assert_eq!(as_typed(hint), typed);
    }

    #[test]
    fn a_wrong_word_is_told_with_the_right_ones() {
        let failure = parse("/rewind files").expect_err("no such half");
        assert_eq!(failure.message, "\"files\" is none of code, chat, both");
    }

    #[test]
    fn a_line_with_more_below_it_is_ours_and_is_refused_in_one_line() {
        for prompt in ["/rewind code 3\nand more", "/redo\r$(touch boom)", "/session:save x\u{2028}y", "/fork\n\n a"] {
            assert!(is_ours(prompt) && goes_on(prompt), "{prompt:?}");
            let failure = parse(prompt).expect_err("refused");
            assert!(failure.message.ends_with("nothing was done") && !failure.message.contains('\n'), "{failure}");
        }
        assert!(!goes_on(" /rewind code 3 \n\n"));
        assert!(!is_ours("/rewinding\nx") && !is_ours("/save x\ny") && !is_ours("see\n/rewind"));
    }

    #[test]
    fn the_help_of_a_line_is_an_answer() {
        for line in ["/rewind --help", "/redo -h", "/session:save --help"] {
            assert!(matches!(parse(line), Ok(Some(Line::Help(help))) if help.contains("--json")), "{line}");
        }
    }

    #[test]
    fn every_line_of_ours_is_a_command() {
        for line in [
            "/rewind",
            "/rewind code 3",
            "/rewind chat",
            "/rewind both turn:2 --mine",
            "/redo",
            "/fork try a trie",
            "/sessions",
            "/session:rewind code",
            "/session:save my title",
        ] {
            assert!(matches!(parse(line), Ok(Some(Line::Command(_)))), "{line}");
        }
        for line in ["rewind", "/help", "/re wind", "fix /rewind", ""] {
            assert!(matches!(parse(line), Ok(None)), "{line}");
        }
        assert!(parse("/rewind files").is_err());
    }
}

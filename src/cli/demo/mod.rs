//! `session demo`: a recorded agent session is played into a scratch repository through the real hooks, and then rewound,
//! redone and forked, with every command run as a person would type it and every result checked.
//!
//! Nothing of the user is touched: home folder, agent folder and configuration are the scratch folder's own.

mod player;
mod scratch;
mod script;

use serde::Serialize;

pub use scratch::{Listing, Scratch};
pub use script::play;

use super::Ui;
use super::line::{Line, line};
use super::output::Mode;
use super::theme::paint;

/// One step, as a document.
#[derive(Debug, Default, Serialize)]
pub struct Step {
    /// What it is about.
    pub heading: String,
    /// What a person is told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub text: Vec<String>,
    /// What was run, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<Command>,
    /// What the agent did with its tools.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
    /// Files that changed: `+` new, `~` other content or mode, `-` gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// What was found to hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checked: Vec<String>,
}

/// A command, as typed, and what came of it.
#[derive(Debug, Serialize)]
pub struct Command {
    /// The line.
    pub line: String,
    /// Its exit code.
    pub exit: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Tells the steps while they happen, or keeps them for the document.
#[derive(Debug)]
pub struct Teller<'u> {
    ui: &'u mut Ui,
    steps: Vec<Step>,
}

impl<'u> Teller<'u> {
    /// Through this writer.
    pub const fn new(ui: &'u mut Ui) -> Self {
        Self { ui, steps: Vec::new() }
    }

    /// Begins a step.
    pub fn heading(&mut self, heading: &str) {
        let number = self.steps.len() + 1;
        self.steps.push(Step { heading: heading.to_owned(), ..Step::default() });
        let title = self.ui.theme().title;
        self.gap();
        self.line(paint(title, format!("{number}. {heading}")));
        self.gap();
    }

    /// A sentence in between.
    pub fn say(&mut self, sentence: &str) {
        if !self.step().commands.is_empty() {
            self.gap();
        }
        self.line(sentence);
        self.step().text.push(sentence.to_owned());
    }

    /// An empty line, for the eye.
    pub fn gap(&mut self) {
        self.line("");
    }

    /// What one said to the other.
    pub fn talk(&mut self, who: &str, sentence: &str) {
        let title = self.ui.theme().title;
        self.line(line![paint(title, format!("{who:<6}")), " ", sentence]);
        self.step().text.push(format!("{who}: {sentence}"));
    }

    /// A command and its output.
    pub fn ran(&mut self, command: Command) {
        let theme = self.ui.theme();
        self.line(line![paint(theme.dim, "$"), " ", paint(theme.good, &command.line)]);
        // The output of our own children and of git may carry colours.
        for part in [&command.stdout, &command.stderr] {
            part.lines().for_each(|l| self.line(line!["  ", Line::with_colours(l)].trim_end()));
        }
        if let Some(code) = command.exit.filter(|code| *code != 0) {
            self.line(paint(theme.dim, format!("  (exit code {code})")));
        }
        self.step().commands.push(command);
    }

    /// A line typed in the agent, and the answer.
    pub fn typed(&mut self, line: &str, answer: &str) {
        let theme = self.ui.theme();
        self.line(line![paint(theme.dim, ">"), " ", paint(theme.good, line)]);
        answer.lines().for_each(|l| self.line(line!["  ", l]));
        let (line, stdout) = (line.to_owned(), answer.to_owned());
        self.step().commands.push(Command { line, exit: Some(0), stdout, stderr: String::new() });
    }

    /// What the agent did with a tool.
    pub fn tool(&mut self, name: &str, what: &str) {
        let kind = self.ui.theme().kind;
        let name_shown = paint(kind, format!("{name:<5}"));
        self.line(line!["       ", name_shown, " ", what]);
        self.step().tools.push(format!("{name} {what}"));
    }

    /// What changed between two listings.
    pub fn changed(&mut self, before: &Listing, after: &Listing) {
        let theme = self.ui.theme();
        let changes = after.since(before);
        for (sign, path) in &changes {
            let style = match sign {
                '+' => theme.added,
                '-' => theme.removed,
                _ => theme.warn,
            };
            self.line(line!["       ", paint(style, format!("{sign} {path}"))]);
        }
        self.step().files.extend(changes.iter().map(|(sign, path)| format!("{sign} {path}")));
    }

    /// What was checked and holds.
    pub fn holds(&mut self, what: &str) {
        let good = self.ui.theme().good;
        self.line(line![paint(good, "ok:"), " ", what]);
        self.step().checked.push(what.to_owned());
    }

    /// All steps.
    pub fn into_steps(self) -> Vec<Step> {
        self.steps
    }

    fn line(&mut self, line: impl Into<Line>) {
        if self.ui.mode() == Mode::Human {
            self.ui.data_line(line);
        }
    }

    fn step(&mut self) -> &mut Step {
        if self.steps.is_empty() {
            self.steps.push(Step::default());
        }
        let last = self.steps.len() - 1;
        &mut self.steps[last]
    }
}

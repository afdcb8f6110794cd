//! The only writer: results on standard output, everything else on standard error.
//!
//! A reader that goes away (`| head`) is success, so writing never fails in between: the first other failure is kept
//! and told by [`Ui::finish`]. Nothing is written for a person but a [`Line`], which carries no escape sequence but our own
//! styles; JSON has such characters escaped; only a document that goes into a file or a pipe is written as it is.

use std::io::{self, IsTerminal as _, Write};

use anstyle::Style;
use serde::Serialize;

use super::env::Env;
use super::line::Line;
use super::progress::TerminalProgress;
use super::theme::{Theme, paint};
use crate::base::process::Run;
use crate::base::progress::{Progress, Silent};
use crate::base::text;

/// Who reads the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A person.
    Human,
    /// A program: one JSON document on standard output.
    Json,
}

/// What `--color` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorChoice {
    /// By environment and terminal.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What decides about colour, width and pager.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UiEnv {
    /// `NO_COLOR` is set.
    pub no_color: bool,
    /// `CLICOLOR_FORCE` is set.
    pub clicolor_force: bool,
    /// `TERM` is `dumb`.
    pub dumb_terminal: bool,
    /// The locale writes UTF-8.
    pub utf8: bool,
    /// Standard output is a terminal.
    pub out_is_terminal: bool,
    /// Standard error is a terminal.
    pub err_is_terminal: bool,
    /// `COLUMNS`, else the terminal's own width.
    pub columns: Option<usize>,
    /// `LESS` is set.
    pub has_less: bool,
    /// What is said answers a line that was typed in an agent.
    pub in_agent: bool,
}

impl UiEnv {
    /// What holds for this process.
    pub fn of_process(env: &Env) -> Self {
        let on_screen = rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col));
        Self {
            no_color: env.no_color(),
            clicolor_force: env.clicolor_force(),
            dumb_terminal: env.is_dumb_terminal(),
            utf8: env.is_utf8(),
            out_is_terminal: io::stdout().is_terminal(),
            err_is_terminal: io::stderr().is_terminal(),
            columns: env.columns().or(on_screen).filter(|columns| *columns > 0),
            has_less: env.has_less(),
            in_agent: false,
        }
    }

    fn theme(&self, choice: ColorChoice, is_terminal: bool) -> Theme {
        let colour = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto if self.no_color => false,
            ColorChoice::Auto => self.clicolor_force || (is_terminal && !self.dumb_terminal),
        };
        if colour { Theme::colour() } else { Theme::plain() }
    }
}

/// Says on standard error what a hook could not write into its log.
pub fn say_unlogged(line: &str) {
    // Nobody is left to tell when this fails too.
    let _unheard = writeln!(io::stderr(), "git-session: {}", text::sanitise(line));
}

/// The writer of everything that a command says.
pub struct Ui {
    mode: Mode,
    env: UiEnv,
    theme: Theme,
    err_theme: Theme,
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    pager: Option<Pager>,
    ended: Option<io::Result<()>>,
    shows_only: bool,
}

struct Pager {
    command: String,
    child: std::process::Child,
}

impl Ui {
    /// On the standard streams.
    pub fn on_standard_streams(mode: Mode, env: UiEnv, color: ColorChoice) -> Self {
        Self::new(mode, env, color, Box::new(io::stdout()), Box::new(io::stderr()))
    }

    /// On given streams.
    pub fn new(mode: Mode, env: UiEnv, color: ColorChoice, out: Box<dyn Write>, err: Box<dyn Write>) -> Self {
        let theme = match mode {
            Mode::Human => env.theme(color, env.out_is_terminal),
            Mode::Json => Theme::plain(),
        };
        let err_theme = env.theme(color, env.err_is_terminal);
        Self { mode, env, theme, err_theme, out, err, pager: None, ended: None, shows_only: false }
    }

    /// Who reads.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// The styles for standard output.
    pub const fn theme(&self) -> Theme {
        self.theme
    }

    /// Columns to keep within; `None` where the output is no terminal and nothing is cut.
    pub fn width(&self) -> Option<usize> {
        self.env.out_is_terminal.then(|| self.env.columns.unwrap_or(80))
    }

    /// Whether what is said answers a line that was typed in an agent.
    pub const fn is_in_agent(&self) -> bool {
        self.env.in_agent
    }

    /// A verb as the reader types it: `session redo` in a shell, `/redo` in an agent.
    pub fn command(&self, verb: &str) -> String {
        if self.env.in_agent { format!("/{verb}") } else { format!("session {verb}") }
    }

    /// Whether the locale writes UTF-8.
    pub const fn is_utf8(&self) -> bool {
        self.env.utf8
    }

    /// Whether somebody can be asked: both streams are a terminal and a person reads.
    pub fn is_interactive(&self) -> bool {
        self.mode == Mode::Human && self.env.out_is_terminal && self.env.err_is_terminal
    }

    /// Whether standard input is a terminal, so that an answer can come.
    pub fn can_ask(&self) -> bool {
        io::stdin().is_terminal()
    }

    /// Whether the reader has gone away; a long writer can stop.
    pub const fn is_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// One line of the result.
    pub fn data_line(&mut self, line: impl Into<Line>) {
        let line = line.into();
        self.data_bytes(line.as_str().as_bytes());
        self.data_bytes(b"\n");
    }

    /// Whether a document is written byte for byte: into a file or a pipe, and not as an answer in an agent.
    pub const fn writes_documents(&self) -> bool {
        !self.env.out_is_terminal && !self.env.in_agent && !self.shows_only
    }

    /// Shows what is written as a person in an agent sees it, whatever standard output is.
    pub const fn as_in_an_agent(&mut self) {
        self.shows_only = true;
    }

    /// A document: byte for byte into a file or a pipe, else its lines as they can be shown.
    pub fn document(&mut self, bytes: &[u8]) {
        if self.writes_documents() {
            self.data_bytes(bytes);
        } else {
            self.data_bytes(text::sanitise_lines(&String::from_utf8_lossy(bytes)).as_bytes());
        }
    }

    /// The reply that an agent waits for: JSON, or nothing.
    pub fn reply(&mut self, reply: &[u8]) {
        self.data_bytes(text::tame_json(&String::from_utf8_lossy(reply)).as_bytes());
    }

    fn data_bytes(&mut self, bytes: &[u8]) {
        if self.ended.is_none()
            && let Err(failure) = self.out.write_all(bytes)
        {
            self.end(failure);
        }
    }

    /// The result as one line of JSON.
    pub fn json(&mut self, value: &impl Serialize) {
        match serde_json::to_string(value) {
            Ok(json) => self.data_bytes(format!("{}\n", text::tame_json(&json)).as_bytes()),
            Err(failure) => self.end(failure.into()),
        }
    }

    /// Says what happened.
    pub fn note(&mut self, message: &str) {
        self.message("", Style::new(), message);
    }

    /// Shows a line that somebody may copy: never broken, whatever the width of the terminal.
    pub fn note_as_it_is(&mut self, line: &str) {
        // As in `message`.
        let _unheard = writeln!(self.err, "{}", text::sanitise(line));
    }

    /// Says what the user should know although the work went on.
    pub fn warning(&mut self, message: &str) {
        self.message("warning: ", self.err_theme.warn, message);
    }

    /// Says what failed.
    pub fn error(&mut self, message: &str) {
        self.message("error: ", self.err_theme.removed, message);
    }

    /// Says what to do next.
    pub fn hint(&mut self, message: &str) {
        self.message("hint: ", self.err_theme.dim, message);
    }

    /// Sends what follows on standard output through a pager, where a person reads on a terminal. An empty command or
    /// `cat` means none.
    ///
    /// # Errors
    /// The shell that runs the command cannot be started.
    pub fn page(&mut self, command: &str) -> crate::base::Result<()> {
        let wanted = self.mode == Mode::Human && self.env.out_is_terminal && !self.env.dumb_terminal;
        if !wanted || matches!(command.trim(), "" | "cat") || self.pager.is_some() {
            return Ok(());
        }
        let mut run = Run::new("sh");
        run.args = vec!["-c".into(), command.into()];
        if !self.env.has_less {
            run.env = vec![("LESS".into(), "FRX".into())];
        }
        let mut child = run.piped_into()?;
        if let Some(pipe) = child.stdin.take() {
            self.out = Box::new(io::BufWriter::new(pipe));
        }
        self.pager = Some(Pager { command: command.to_owned(), child });
        Ok(())
    }

    /// What shows how far work has come: a line on a terminal, else nothing.
    pub fn progress(&self) -> Box<dyn Progress> {
        if self.mode == Mode::Human && self.env.err_is_terminal && !self.env.dumb_terminal {
            Box::new(TerminalProgress::new(Box::new(io::stderr()), self.env.columns.unwrap_or(80)))
        } else {
            Box::new(Silent)
        }
    }

    /// Writes what is held back and waits for the pager.
    ///
    /// # Errors
    /// Standard output could not be written, for another reason than that its reader went away.
    pub fn finish(mut self) -> io::Result<()> {
        if self.ended.is_none()
            && let Err(failure) = self.out.flush()
        {
            self.end(failure);
        }
        // The pager ends when its input is closed, which dropping the writer does.
        drop(std::mem::replace(&mut self.out, Box::new(io::sink())));
        if let Some(Pager { command, mut child }) = self.pager.take() {
            let status = child.wait()?;
            if matches!(status.code(), Some(126 | 127)) {
                return Err(io::Error::other(format!("cannot run the pager `{}`", text::sanitise(&command))));
            }
        }
        self.ended.take().unwrap_or(Ok(()))
    }

    fn message(&mut self, label: &str, style: Style, message: &str) {
        let label_width = text::width(label);
        let label = if label.is_empty() { Line::default() } else { paint(style, label) };
        let message = text::sanitise_lines(message.trim_end());
        let message = match self.env.columns.filter(|_| self.env.err_is_terminal) {
            Some(columns) => wrapped(&message, columns, label_width),
            None => message,
        };
        // Standard error is the last place to complain to.
        let _unheard = writeln!(self.err, "{}{message}", label.as_str());
    }

    fn end(&mut self, failure: io::Error) {
        let gone = failure.kind() == io::ErrorKind::BrokenPipe;
        self.ended = Some(if gone { Ok(()) } else { Err(failure) });
    }
}

/// The lines broken between words, so that a terminal does not break them within.
fn wrapped(message: &str, columns: usize, indent: usize) -> String {
    let mut out = String::new();
    for (n, line) in message.split('\n').enumerate() {
        let (mut used, mut begun) = (if n == 0 { indent } else { 0 }, false);
        out.push_str(if n == 0 { "" } else { "\n" });
        for (w, word) in unbroken(line, columns).into_iter().enumerate() {
            let width = text::width(word);
            if begun && used + 1 + width > columns && !word.is_empty() {
                out.push('\n');
                used = 0;
            } else if w > 0 {
                out.push(' ');
                used += 1;
            }
            out.push_str(word);
            used += width;
            begun |= !word.is_empty();
        }
    }
    out
}

/// The words of a line; what stands in backticks is one, as it is there to be copied, unless no line can hold it.
fn unbroken(line: &str, columns: usize) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        let space = |at: usize| rest[at..].find(' ').map_or(rest.len(), |n| at + n);
        let mut end = space(0);
        let is_open = |end: usize| rest[..end].matches('`').count() % 2 == 1;
        if is_open(end) {
            let mut whole = end;
            while whole < rest.len() && is_open(whole) {
                whole = space(whole + 1);
            }
            if !is_open(whole) && text::width(&rest[..whole]) <= columns {
                end = whole;
            }
        }
        words.push(&rest[..end]);
        match rest.get(end + 1..) {
            Some(more) => rest = more,
            None => return words,
        }
    }
}

impl std::fmt::Debug for Ui {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ui").field("mode", &self.mode).field("env", &self.env).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Rc<RefCell<Vec<u8>>>);

    impl Captured {
        fn text(&self) -> String {
            String::from_utf8(self.0.borrow().clone()).expect("text")
        }
    }

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn captured(mode: Mode, env: UiEnv) -> (Ui, Captured, Captured) {
        let (out, err) = (Captured::default(), Captured::default());
        let ui = Ui::new(mode, env, ColorChoice::Auto, Box::new(out.clone()), Box::new(err.clone()));
        (ui, out, err)
    }

    #[test]
    fn results_and_messages_go_their_own_ways() {
        let (mut ui, out, err) = captured(Mode::Human, UiEnv::default());
        ui.data_line("result");
        ui.note("done");
        ui.warning("odd \x1b[31m");
        ui.error("bad");
        ui.hint("try again");
        ui.finish().expect("writes");
        assert_eq!(out.text(), "result\n");
        assert_eq!(err.text(), "done\nwarning: odd \\x1b[31m\nerror: bad\nhint: try again\n");
    }

    #[test]
    fn messages_break_between_words_and_a_word_too_long_stays_whole() {
        assert_eq!(wrapped("a note that is longer", 12, 6), "a note\nthat is\nlonger");
        assert_eq!(wrapped("  path/that/is/long\nb", 8, 0), "  path/that/is/long\nb");
        assert_eq!(wrapped("fits as it is", 80, 0), "fits as it is");
        assert_eq!(wrapped("then `to copy`, ends", 11, 0), "then\n`to copy`,\nends");
        assert_eq!(wrapped("`far too long here` x", 8, 0), "`far too\nlong\nhere` x");
        assert_eq!(wrapped("an `open one ", 7, 0), "an\n`open\none ");
    }

    #[test]
    fn what_may_be_copied_is_not_broken() {
        let env = UiEnv { columns: Some(10), err_is_terminal: true, ..UiEnv::default() };
        let (mut ui, _, err) = captured(Mode::Human, env);
        ui.note("a note that is long");
        ui.note_as_it_is("    if true; then session hook; fi");
        assert_eq!(err.text(), "a note\nthat is\nlong\n    if true; then session hook; fi\n");
    }

    #[test]
    fn json_is_one_line_and_never_coloured() {
        let env = UiEnv { clicolor_force: true, ..UiEnv::default() };
        let (mut ui, out, _) = captured(Mode::Json, env);
        ui.json(&serde_json::json!({"schema": "session.x/1", "text": "a\nb"}));
        assert_eq!(ui.theme(), Theme::plain());
        ui.finish().expect("writes");
        assert_eq!(out.text(), "{\"schema\":\"session.x/1\",\"text\":\"a\\nb\"}\n");
    }

    #[test]
    fn a_reader_that_goes_away_is_success_and_a_full_disk_is_not() {
        for (kind, good) in [(io::ErrorKind::BrokenPipe, true), (io::ErrorKind::StorageFull, false)] {
            let out = Box::new(Failing(kind));
            let mut ui = Ui::new(Mode::Human, UiEnv::default(), ColorChoice::Auto, out, Box::new(io::sink()));
            ui.data_line("x");
            assert!(ui.is_ended());
            ui.data_line("y");
            assert_eq!(ui.finish().is_ok(), good, "{kind:?}");
        }
    }

    #[test]
    fn colour_follows_flag_then_no_color_then_force_then_terminal() {
        let terminal = UiEnv { out_is_terminal: true, ..UiEnv::default() };
        let coloured = |env: UiEnv, choice| env.theme(choice, env.out_is_terminal) == Theme::colour();
        assert!(coloured(terminal, ColorChoice::Auto));
        assert!(!coloured(UiEnv::default(), ColorChoice::Auto));
        assert!(!coloured(UiEnv { dumb_terminal: true, ..terminal }, ColorChoice::Auto));
        assert!(coloured(UiEnv { clicolor_force: true, ..UiEnv::default() }, ColorChoice::Auto));
        assert!(!coloured(UiEnv { no_color: true, clicolor_force: true, ..terminal }, ColorChoice::Auto));
        assert!(coloured(UiEnv { no_color: true, ..terminal }, ColorChoice::Always));
        assert!(!coloured(terminal, ColorChoice::Never));
    }

    #[test]
    fn a_pager_gets_the_result_and_is_waited_for() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("paged");
        let env = UiEnv { out_is_terminal: true, ..UiEnv::default() };
        let (mut ui, out, _) = captured(Mode::Human, env);
        ui.page(&format!("printf '%s:' \"$LESS\" >'{0}'; cat >>'{0}'", file.display())).expect("starts");
        ui.data_line("long");
        ui.finish().expect("the pager ends well");
        assert_eq!(std::fs::read_to_string(file).expect("reads"), "FRX:long\n");
        assert_eq!(out.text(), "");
    }

    #[test]
    fn a_pager_that_quits_early_is_success_and_one_that_is_missing_is_told() {
        for (command, good) in [("true", true), ("no-such-pager-here", false)] {
            let env = UiEnv { out_is_terminal: true, ..UiEnv::default() };
            let (mut ui, _, _) = captured(Mode::Human, env);
            ui.page(command).expect("starts");
            ui.data_bytes(&vec![b'x'; 1 << 20]);
            assert_eq!(ui.finish().is_ok(), good, "{command}");
        }
    }

    #[test]
    fn nothing_is_paged_where_no_terminal_reads() {
        let (mut ui, out, _) = captured(Mode::Human, UiEnv::default());
        ui.page("false").expect("no pager");
        ui.data_line("x");
        ui.finish().expect("writes");
        assert_eq!(out.text(), "x\n");
    }
}

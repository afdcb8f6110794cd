//! The story: what is run, in which order, and what has to hold after each step.

use std::path::PathBuf;

use super::Teller;
use super::player::Player;
use super::scratch::{Listing, Scratch, failed, wrong};
use crate::base::{Clock, Error as BaseError, SessionId, text};
use crate::git::ref_names::RefName;
use crate::ops::Result;

/// Plays it all.
///
/// # Errors
/// The first step that does not do what it should.
pub fn play(teller: &mut Teller<'_>, scratch: &Scratch, clock: &Clock) -> Result<()> {
    let mut story = Story { teller, scratch };
    story.repository()?;
    let git = GitState::of(scratch)?;
    let mut player = Player::new(scratch, clock)?;
    let after = story.turns(&mut player)?;
    story.code(&after)?;
    story.typed_in_the_agent(&player, &after)?;
    story.your_own_edit(&after)?;
    story.chat(&player)?;
    story.one_turn()?;
    story.fork(&after)?;
    story.plain_git(&player)?;
    if GitState::of(scratch)? != git {
        return Err(wrong("HEAD, the branch or the index is not what it was"));
    }
    story.teller.holds("HEAD, the branch, the index and what you had staged are as they were");
    Ok(())
}

/// What git has of the repository and no command of ours may move.
#[derive(PartialEq, Eq)]
struct GitState {
    head: String,
    index: Vec<u8>,
}

impl GitState {
    fn of(scratch: &Scratch) -> Result<Self> {
        let index = scratch.project().join(".git/index");
        let head = scratch.quietly("git rev-parse HEAD && git symbolic-ref HEAD")?;
        Ok(Self { head, index: std::fs::read(&index).map_err(BaseError::io("read the file", &index))? })
    }
}

struct Story<'t, 'u, 's> {
    teller: &'t mut Teller<'u>,
    scratch: &'s Scratch,
}

impl Story<'_, '_, '_> {
    fn repository(&mut self) -> Result<()> {
        let scratch = self.scratch;
        self.teller.heading("A repository with work in progress");
        let identity = "git config user.name You && git config user.email you@example.invalid";
        scratch.quietly(&format!("git init --quiet --initial-branch=main && {identity}"))?;
        scratch.write("greet.sh", "#!/bin/sh\necho \"Hello!\"\n", 0o755)?;
        scratch.write("README.md", "# Greetings\n", 0o644)?;
        scratch.write("draft.txt", "Say hello to everybody.\n", 0o644)?;
        scratch.write(".gitignore", "*.log\n", 0o644)?;
        scratch.quietly("git add --all && git commit --quiet --message 'First greeting'")?;
        scratch.write("README.md", "# Greetings\n\nRun ./greet.sh\n", 0o644)?;
        scratch.quietly("git add README.md")?;
        scratch.write("notes.txt", "Ask Grace about the greeting.\n", 0o644)?;
        scratch.write("run.log", "Hello!\n", 0o644)?;
        self.teller.say("A change is staged; notes.txt is yours and untracked, git has never seen it.");
        self.run("git status --short")?;
        self.teller.say("One command, and every turn of the agent is saved from now on:");
        self.run("session enable --agent claude-code")
    }

    /// Three turns of the agent; the files before the first and after each.
    fn turns(&mut self, player: &mut Player<'_>) -> Result<[Listing; 4]> {
        self.teller.heading("An agent works: three turns, played from a recording");
        player.start(self.teller)?;
        let start = self.scratch.listing()?;
        let first = self.turn(player, &start)?;
        let second = self.turn(player, &first)?;
        let third = self.turn(player, &second)?;
        self.teller.gap();
        self.teller.say("The third turn broke the script, made it non-executable and deleted your untracked notes.");
        self.teller.say("What the agent did in its shell is in the checkpoints like everything else:");
        self.run("session log")?;
        Ok([start, first, second, third])
    }

    fn turn(&mut self, player: &mut Player<'_>, before: &Listing) -> Result<Listing> {
        self.teller.gap();
        if !player.turn(self.teller)? {
            return Err(wrong("the recording is shorter than the story"));
        }
        let after = self.scratch.listing()?;
        self.teller.changed(before, &after);
        if after == *before {
            return Err(wrong("a recorded turn changed nothing"));
        }
        Ok(after)
    }

    fn code(&mut self, [_, first, second, third]: &[Listing; 4]) -> Result<()> {
        self.teller.heading("The files go back, and forth again");
        self.run("session rewind code --dry-run")?;
        self.files_are(third, "a dry run changed nothing")?;
        self.run("session rewind code")?;
        self.files_are(second, "every file is byte for byte as after turn 2, your untracked notes included")?;
        self.teller.say("Once more goes further back:");
        self.run("session rewind code")?;
        self.files_are(first, "as after turn 1: test.sh is gone, draft.txt is back")?;
        self.teller.say("Each redo takes one rewind back:");
        self.run("session redo")?;
        self.files_are(second, "as after turn 2: test.sh is there and executable")?;
        self.run("session redo")?;
        self.files_are(third, "as after turn 3")
    }

    fn typed_in_the_agent(&mut self, player: &Player<'_>, [start, _, _, third]: &[Listing; 4]) -> Result<()> {
        self.teller.heading("The same, typed in the agent");
        self.teller.say("The hook answers these lines itself; the model is not asked and no turn is spent.");
        player.typed(self.teller, "/rewind code turn:1")?;
        self.files_are(start, "as before the agent came")?;
        player.typed(self.teller, "/redo")?;
        self.files_are(third, "as after turn 3")
    }

    fn your_own_edit(&mut self, [_, _, second, _]: &[Listing; 4]) -> Result<()> {
        self.teller.heading("Your own edits are not taken back unasked");
        self.run("echo 'Be kind.' >>README.md")?;
        let edited = self.scratch.listing()?;
        let refused = self.scratch.shell("session rewind code turn:1", b"")?;
        let exit = refused.exit;
        self.teller.ran(refused);
        if exit != Some(6) {
            return Err(wrong("a rewind over an edit of yours was not refused with exit code 6"));
        }
        self.files_are(&edited, "nothing changed")?;
        self.run("session rewind code turn:3 --mine")?;
        let changed: Vec<String> = self.scratch.listing()?.since(second).into_iter().map(|(_, path)| path).collect();
        if changed != ["README.md"] {
            return Err(wrong(format!("besides README.md, these differ from turn 2: {}", changed.join(", "))));
        }
        self.teller.holds("as after turn 2, and README.md as you left it");
        self.run("session redo")?;
        self.files_are(&edited, "as after turn 3, and your edit")
    }

    fn chat(&mut self, player: &Player<'_>) -> Result<()> {
        self.teller.heading("The conversation goes back");
        let folder = self.scratch.conversations();
        let old = read(player.transcript())?;
        self.run("session rewind chat turn:2")?;
        let written = conversations(&folder)?.into_iter().find(|path| path != player.transcript());
        let written = written.ok_or_else(|| wrong("no conversation file was written"))?;
        let prompts = text::count(player.prompts_in(&read(&written)?), "prompt");
        if prompts != "1 prompt" {
            return Err(wrong(format!("the new conversation file holds {prompts} where 1 was wanted")));
        }
        self.teller.holds("a new conversation file holds exactly the first turn");
        if read(player.transcript())? != old {
            return Err(wrong("the agent's own conversation file was changed"));
        }
        self.teller.holds("the agent's own file is untouched");
        self.run("session redo")
    }

    fn one_turn(&mut self) -> Result<()> {
        self.teller.heading("One turn is taken back, later ones stay");
        let before = self.scratch.listing()?;
        self.run("session revert 2")?;
        let changed: Vec<String> = self.scratch.listing()?.since(&before).into_iter().map(|(_, path)| path).collect();
        if changed != ["draft.txt", "test.sh"] {
            return Err(wrong(format!("turn 2 taken back changed {}", changed.join(", "))));
        }
        self.teller.holds("test.sh is gone, draft.txt is back, and greet.sh shouts as since turn 3");
        Ok(())
    }

    fn fork(&mut self, [_, first, _, _]: &[Listing; 4]) -> Result<()> {
        self.teller.heading("Another way from turn 2: an independent session and a branch");
        self.run("session fork \"Shout, but carefully\" --at turn:2 --branch try/shout")?;
        self.run("git log --oneline --stat main..try/shout")?;
        let ours = self.scratch.quietly("git rev-list --count main..try/shout")?;
        if ours.trim() != "1" {
            return Err(wrong(format!("the branch has {} commits beyond main where 1 was wanted", ours.trim())));
        }
        for (path, executable, content) in first.tracked() {
            let quoted = format!("'{path}'");
            let there = self.scratch.quietly(&format!("git show try/shout:{quoted}"))?;
            let mode = self.scratch.quietly(&format!("git ls-tree try/shout -- {quoted}"))?;
            if there.as_bytes() != content || mode.starts_with("100755") != executable {
                return Err(wrong(format!("{path} on the branch is not as after turn 1")));
            }
        }
        self.teller
            .holds("the branch is one clean commit on main with the files of that point; no conversation is reached");
        self.run("session list")
    }

    fn plain_git(&mut self, player: &Player<'_>) -> Result<()> {
        self.teller.heading("It is all git");
        let head = RefName::session_head(SessionId::parse(&player.session())?);
        self.teller.say("The code of a session is a plain line of commits that ends in your own history:");
        self.run(&format!("git log --oneline {}^", head.as_str()))?;
        self.run("git branch")?;
        self.scratch.quietly("git fsck --strict --no-dangling")?;
        self.teller.holds("git fsck --strict is content");
        Ok(())
    }

    /// Runs a line that has to succeed, and tells it.
    fn run(&mut self, line: &str) -> Result<()> {
        let before = self.scratch.listing()?;
        let command = self.scratch.shell(line, b"")?;
        if command.exit != Some(0) {
            return Err(failed(&command));
        }
        self.teller.ran(command);
        if line.starts_with("session re") {
            self.teller.changed(&before, &self.scratch.listing()?);
        }
        Ok(())
    }

    fn files_are(&mut self, wanted: &Listing, what: &str) -> Result<()> {
        let differing = self.scratch.listing()?.since(wanted);
        if !differing.is_empty() {
            let paths = differing.iter().map(|(sign, path)| format!("{sign} {path}")).collect();
            return Err(wrong(format!("it is not so that {what}: files differ")).details(paths));
        }
        self.teller.holds(what);
        Ok(())
    }
}

fn read(path: &PathBuf) -> Result<Vec<u8>> {
    Ok(std::fs::read(path).map_err(BaseError::io("read the file", path))?)
}

fn conversations(folder: &PathBuf) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(BaseError::io("list the folder", folder))?;
    Ok(entries.flatten().map(|entry| entry.path()).filter(|p| p.extension().is_some_and(|e| e == "jsonl")).collect())
}

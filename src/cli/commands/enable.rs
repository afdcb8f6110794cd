//! `session enable`, and how installed files are told.

use crate::base::RepoPath;
use crate::cli::render::diff::lines;
use crate::cli::render::table::{Cell, Column, Table};
use crate::cli::{Context, Ui};
use crate::features::patch::{FileDiff, Side};
use crate::git::FileMode;
use crate::ops::Result;
use crate::ops::enable::{self, Outcome};
use crate::ops::git_installed::HOW_TO_SWITCH_ON;

/// Install into your agents, so that every turn is saved
///
/// Hooks save each turn, and `/rewind` typed in the agent is answered. Your personal settings are edited (.claude/settings.local.json), what is in them stays; nothing that git tracks
/// changes. `session disable` takes out exactly what was put in.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  session enable\n  session enable --agent claude-code --dry-run\n  session enable --shared        for the whole team: edits the committed settings"
)]
pub struct Args {
    /// The agent; may be repeated [default: every agent that can be installed into]
    #[arg(long, value_name = "AGENT")]
    agent: Vec<String>,
    /// Edit the settings that are committed, for the whole team
    #[arg(long)]
    shared: bool,
    /// Leave the agent's own /rewind alone; ours is /session:rewind
    #[arg(long)]
    keep_builtin_rewind: bool,
    /// Leave git's own hooks out: commits make no checkpoints
    #[arg(long)]
    no_git_hooks: bool,
    /// Write git's hooks also into a folder that is committed or that other repositories share
    #[arg(long, conflicts_with = "no_git_hooks")]
    write_hooks: bool,
    /// Show the edits as a diff, make none
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// Installs.
pub fn run(context: &mut Context, args: Args) -> Result<u8> {
    let progress = context.ui.progress();
    let app = context.app(&*progress)?;
    let options = enable::Options {
        agents: args.agent,
        shared: args.shared,
        keep_builtin_rewind: args.keep_builtin_rewind,
        no_git_hooks: args.no_git_hooks,
        write_hooks: args.write_hooks,
        dry_run: args.dry_run,
    };
    let outcome = enable::run(&app, &options)?;
    context.show("enable", &outcome, |ui, o| {
        tell(ui, o, "Everything is in place already.");
        tell_by_hand(ui, o);
        if let Some(why) = &o.hooks_off {
            ui.warning(&format!("{why}; commits make no checkpoints"));
            ui.hint(HOW_TO_SWITCH_ON);
        }
        if !o.dry_run && !o.changes.is_empty() {
            ui.note("The agent's turns are saved here from its next start. `session log` shows them; `session disable` undoes this.");
        }
    });
    Ok(0)
}

/// A table of what was done, or the diff of what would be.
pub fn tell(ui: &mut Ui, o: &Outcome, nothing: &str) {
    let theme = ui.theme();
    if o.changes.is_empty() {
        ui.data_line(nothing);
        return;
    }
    if o.dry_run {
        for change in &o.changes {
            let shown = change.path.replace(".git/", "dot-git/");
            let Ok(path) = RepoPath::new(shown.trim_start_matches('/')) else { continue };
            let side = |bytes: &'_ Option<Vec<u8>>| bytes.clone();
            let (old, new) = (side(&change.bytes.0), side(&change.bytes.1));
            let diff = FileDiff {
                path: &path,
                old: old.as_ref().map(|b| Side::new(FileMode::File, b)),
                new: new.as_ref().map(|b| Side::new(FileMode::File, b)),
            };
            lines(&diff, &theme).iter().for_each(|line| ui.data_line(line.replace("dot-git/", ".git/")));
        }
        return;
    }
    let mut table = Table::new([Column::left("CHANGE"), Column::left("FILE"), Column::flexible("WHAT")]);
    for change in &o.changes {
        table.row([
            Cell::styled(change.change, if change.change == "removed" { theme.removed } else { theme.good }),
            Cell::plain(&change.path),
            Cell::styled(&change.what, theme.dim),
        ]);
    }
    for line in table.lines(ui.width(), &theme) {
        ui.data_line(&line);
    }
}

/// Lines that a person has to add to hooks of git.
fn tell_by_hand(ui: &mut Ui, o: &Outcome) {
    if o.by_hand.is_empty() {
        return;
    }
    ui.warning("git's hooks lie in a folder that is not this clone's alone; it was left as it is");
    ui.hint("`session enable --write-hooks` writes there. Or put these lines after the first line of each file:");
    for hook in &o.by_hand {
        ui.note(&format!("\n{}", hook.path));
        // As they are: a here-document ends only where its word begins the line.
        hook.lines.lines().for_each(|line| ui.note_as_it_is(line));
    }
    ui.note("");
}

//! `session man`.

use std::path::PathBuf;

use clap::CommandFactory as _;

use crate::base::Error as BaseError;
use crate::base::file::{self, Durability};
use crate::cli::{Cli, Context};
use crate::ops::{Failure, FailureKind, Result};

/// Print the manual page, or write all of them into a folder
///
/// `git session --help` asks man for git-session(1): install the pages where man looks.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  session man | man -l -\n  session man --dir ~/.local/share/man/man1")]
pub struct Args {
    /// Write git-session.1 and a page for each verb there
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

/// Prints or writes.
pub fn run(context: &mut Context, args: &Args) -> Result<u8> {
    let main = Cli::command().name("git-session");
    let Some(dir) = &args.dir else {
        let page = page(main)?;
        context.ui.document(&page);
        return Ok(0);
    };
    let dir = context.env.cwd.join(dir);
    std::fs::create_dir_all(&dir).map_err(BaseError::io("create the folder", &dir))?;
    let mut pages = vec![("git-session".to_owned(), main.clone())];
    for verb in main.get_subcommands() {
        let name = format!("git-session-{}", verb.get_name());
        pages.push((name.clone(), verb.clone().name(name)));
    }
    for (name, command) in pages {
        let path = dir.join(format!("{name}.1"));
        file::write_atomic(&path, &page(command)?, Some(0o644), Durability::Process)?;
        context.ui.note(&format!("wrote {}", path.display()));
    }
    Ok(0)
}

fn page(command: clap::Command) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut page)
        .map_err(|e| Failure::new(FailureKind::Internal, "internal", format!("cannot make the manual page: {e}")))?;
    Ok(page)
}

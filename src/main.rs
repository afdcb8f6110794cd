//! The program `git-session`, so that `git session` works.
use std::process::ExitCode;

fn main() -> ExitCode {
    git_session::cli::main(std::env::args_os())
}

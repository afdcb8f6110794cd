//! The program `session`, the short name.
use std::process::ExitCode;

fn main() -> ExitCode {
    git_session::cli::main(std::env::args_os())
}

//! Floor 6: one use case a file. Typed options in, typed outcome out; prints nothing. Every interface is thin over it.

pub mod address;
pub mod app;
pub mod choice;
pub mod diff;
pub mod disable;
pub mod doctor;
pub mod enable;
pub mod error;
pub mod find;
pub mod finish;
pub mod fork;
pub mod git_hook;
pub mod git_install;
pub mod hook;
pub mod label;
pub mod list;
pub mod log;
pub mod moving;
pub mod native;
pub mod pre_push;
pub mod record;
pub mod redo;
pub mod resume;
pub mod revert;
pub mod rewind;
pub mod save;
pub mod settle;
pub mod show;
pub mod state;
pub mod state_file;
pub mod state_record;
pub mod status;
pub mod turn;

pub use app::{App, Caller};
pub use error::{Failure, FailureKind, Result};

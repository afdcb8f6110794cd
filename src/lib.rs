//! git-session: sessions of coding agents as checkpoints in the project's own repository.
//!
//! Floors, each using only those before it: `base`, `git`, `model`, `engine`, `agents`, `features`, `ops`, `cli`.
#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "unit tests arrange files and run git as the oracle"))]

pub mod agents;
pub mod base;
pub mod cli;
pub mod engine;
pub mod features;
pub mod git;
pub mod model;
pub mod ops;

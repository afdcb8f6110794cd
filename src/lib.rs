//! git-session: sessions of coding agents as checkpoints in the project's own git repository.
//!
//! # Floors
//!
//! Each uses only those before it; `tests/it/architecture.rs` enforces it. docs/architecture.md tells more.
//!
//! - [`base`]: clock, ids, paths as bytes, atomic files, locks, child processes, text for terminals.
//! - [`git`]: the only room that names libgit2, starts git or forms ref names.
//! - [`model`]: the records that are stored, and their encoding.
//! - [`engine`]: snapshot, store, transcript streams, history, plan, restore, journal.
//! - [`agents`]: one trait and a table; what hooks say, what transcripts hold, what is installed.
//! - [`features`]: what stands on the engine.
//! - [`ops`]: one use case a file, typed in and out, printing nothing.
//! - [`cli`]: arguments, environment, output, the demonstration.
//!
//! # The way of a save
//!
//! A hook (`cli::commands::hook`) or `session save` → [`ops::hook`] or [`ops::save`] → `ops::record` → [`engine::snapshot`] and
//! [`engine::stream`] → [`engine::store::append`]: objects, check for news, ref by compare-and-swap.
//!
//! # The way of a rewind
//!
//! `session rewind` → [`ops::rewind`] → [`engine::snapshot`] (the present) → [`engine::plan`] → [`engine::foreign`] (whose changes) →
//! `pre-rewind` checkpoint → [`engine::journal`] → [`engine::restore`] → a second snapshot as proof → `rewind` checkpoint.
//! For the conversation, the agent's adapter cuts a copy, which `ops::native` writes as a new file.
//!
//! # What is touched
//!
//! - Refs: `refs/sessions/heads/<uuid>`; a branch only by `fork`; HEAD and index only by `fork --switch` and of a new worktree.
//! - `<common git dir>/session/`: `native/`, `running/`, `refs.lock`, `label`, `installed`, `log/hooks.log`, `facade/`,
//!   `filter-key`.
//! - `<git dir of the worktree>/session/`: `current`, `recent`, `answered`, `stat-cache`, `filtered`, `journal`, `lock`,
//!   `spool/`, `seen`.
//! - The work tree: by rewind, redo and `fork --switch` what the plan names; by `enable` and `disable` the agent's settings and
//!   command files, and our lines in `info/exclude`.
//! - The agent's own folder: new conversation files, never a change of one that is there.
#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "unit tests arrange files and run git as the oracle"))]

pub mod agents;
pub mod base;
pub mod cli;
pub mod engine;
pub mod features;
pub mod git;
pub mod model;
pub mod ops;

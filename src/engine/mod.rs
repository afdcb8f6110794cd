//! Floor 3: snapshots, the store of checkpoints, restore. What the tool exists for.

pub mod binding;
pub mod diverged;
pub mod error;
pub mod filter_cache;
pub mod foreign;
pub mod half_added;
pub mod history;
pub mod journal;
pub mod late;
pub mod layout;
pub mod local;
pub mod locks;
pub mod notes;
pub mod ours;
pub mod passed;
pub mod plan;
pub mod received;
pub mod restore;
pub mod rewritten;
pub mod running;
pub mod seen;
pub mod snapshot;
pub mod spool;
pub mod stat_cache;
pub mod store;
pub mod stream;
pub mod theirs;
pub mod writers;

pub use error::{Error, Result};
pub use plan::{Plan, PlanItem};
pub use snapshot::{Snapshot, Stamps};

/// How the names of the restore writer's temporary files begin; no snapshot takes them.
pub const TEMP_PREFIX: &str = ".session-restore-";

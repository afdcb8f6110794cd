//! Floor 2: pure records and their encoding; no input or output.
//!
//! A checkpoint's facts live in the trailers of its session commit ([`checkpoint`]); all that is not code lives in the
//! session tree ([`manifest`], [`session`], [`turn`], [`snapshot`]). docs/storage-format.md mirrors these files.

pub mod checkpoint;
pub mod codec;
pub mod error;
pub mod filters;
pub mod manifest;
pub mod session;
pub mod snapshot;
pub mod state;
pub mod trailers;
pub mod turn;

pub use checkpoint::{Checkpoint, Kind, Mode, Scope};
pub use error::{Error, Result};
pub use manifest::Manifest;
pub use session::Session;
pub use snapshot::{SkipReason, Skipped, SkippedPath};
pub use state::{State, StateRecord};
pub use turn::TurnRow;

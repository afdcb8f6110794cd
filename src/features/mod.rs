//! Floor 4: what is derived from sessions or done with them beyond saving and restoring.

pub mod executable_names;
pub mod patch;
pub mod secret_names;
pub mod secret_text;
pub mod state;
pub mod title;

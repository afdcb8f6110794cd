//! Floor 4: what is derived from sessions or done with them beyond saving and restoring.

pub mod secret_names;

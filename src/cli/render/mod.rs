//! Shapes that outcomes are shown in. Pure: values in, lines out; [`super::output::Ui`] writes them.

pub mod diff;
pub mod graph;
pub mod moved;
pub mod paths;
pub mod stat;
pub mod table;
pub mod time;

//! What the tests stand on: a hermetic home, a run of our binary, a repository of any kind, git as the oracle.

pub mod agent;
pub mod claude;
pub mod env;
pub mod git_oracle;
pub mod hostile;
pub mod repo;
pub mod run;
pub mod stranger;

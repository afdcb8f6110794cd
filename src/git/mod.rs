//! Floor 1: everything git, nothing of ours. The only room that names `git2` or starts `git`.
//!
//! [`Repo`] is found once and hands out the stores: objects always by libgit2 (through a facade where libgit2 cannot open
//! the repository), refs by libgit2 only in the `files` format and by the git command line otherwise.

pub mod attributes;
mod blob_copy;
pub mod branch_use;
pub mod caps;
pub mod cli;
mod commit_codec;
pub mod config;
pub mod config_edit;
mod config_given;
mod digest;
pub mod driver;
mod driver_process;
pub mod error;
pub mod exclude;
mod exclude_rules;
mod facade;
pub mod filters;
pub mod head;
pub mod hooks_dir;
pub mod index;
mod index_file;
pub mod index_size;
pub mod index_write;
mod kept;
mod locate;
mod loose;
#[cfg(test)]
pub(crate) mod matrix;
pub mod merge;
pub mod mode;
pub mod nested;
pub mod objects;
pub mod oid;
pub mod outgoing;
pub mod outside_rules;
pub mod pathspec;
mod reader;
pub mod rebase;
pub mod ref_names;
pub mod reflog;
pub mod refs;
mod refs_cli;
mod refs_libgit2;
pub mod remote;
pub mod remote_url;
pub mod repo;
pub mod signature;
pub mod subject;
pub mod tree;
mod tree_codec;
mod tree_diff;
mod tree_names;
pub mod walk;
pub mod whole;
mod wildmatch;
pub mod worktree;

pub use caps::Capabilities;
pub use error::{Error, RemoteProblem, Result};
pub use head::Head;
pub use mode::FileMode;
pub use objects::{Commit, NewCommit, Objects, Signature};
pub use oid::{ObjectFormat, Oid};
pub use pathspec::Pathspec;
pub use reader::Reader;
pub use rebase::During;
pub use ref_names::{RefName, RemoteKey};
pub use refs::{Expected, RefEdit, RefStore};
pub use remote::Remote;
pub use repo::{Repo, RepoEnv};
pub use signature::committer;
pub use tree::{TreeChange, TreeEntry};

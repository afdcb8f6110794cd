//! The order in which a plan is carried out, so that no write finds its place taken by what the plan deletes.

use std::collections::BTreeSet;

use crate::base::RepoPath;
use crate::engine::plan::{Action, Names, PlanItem};

/// The items in four parts, each in the order of paths.
#[derive(Debug, Default)]
pub(super) struct Order<'p> {
    /// Deletions in whose place, or above or below it, something is written.
    pub(super) first: Vec<&'p PlanItem>,
    /// `.gitattributes` files: what filters apply to the rest depends on them.
    pub(super) attributes: Vec<&'p PlanItem>,
    /// All other files to write, and changes of the exec bit.
    pub(super) writes: Vec<&'p PlanItem>,
    /// All other deletions.
    pub(super) last: Vec<&'p PlanItem>,
}

impl<'p> Order<'p> {
    /// Sorts the items.
    pub(super) fn of(items: &'p [PlanItem], names: Names) -> Self {
        let mut at = BTreeSet::new();
        let mut above = BTreeSet::new();
        for item in items.iter().filter(|i| i.action == Action::Write) {
            at.insert(names.key(&item.path));
            above.extend(item.path.ancestors().map(|a| names.key(&a)));
        }
        let blocks = |path: &RepoPath| {
            let key = names.key(path);
            at.contains(&key) || above.contains(&key) || path.ancestors().any(|a| at.contains(&names.key(&a)))
        };
        let mut order = Self::default();
        for item in items {
            let part = match item.action {
                Action::Delete if blocks(&item.path) => &mut order.first,
                _ if item.path.file_name() == ".gitattributes" => &mut order.attributes,
                Action::Delete => &mut order.last,
                Action::Write | Action::Mode => &mut order.writes,
            };
            part.push(item);
        }
        order
    }
}

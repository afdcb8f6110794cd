//! What stands in the way is left as it is, and the rest of a plan is done: the choice that a person can make.

use std::collections::BTreeSet;

use super::{Action, Obstacle, Plan, obstacles};
use crate::base::RepoPath;
use crate::engine::restore::WorkTree;
use crate::engine::{Result, Snapshot};
use crate::git::{FileMode, Repo, tree};

/// The plan without what cannot be done. What is left may stand in the way of more, which is left too.
///
/// # Errors
/// A tree that cannot be read, or a place that cannot be looked at.
pub fn leave_obstacles(repo: &Repo, present: &Snapshot, mut plan: Plan) -> Result<Plan> {
    if plan.obstacles.is_empty() {
        return Ok(plan);
    }
    let disk = WorkTree::open(repo)?;
    while !plan.obstacles.is_empty() {
        let obstacles = std::mem::take(&mut plan.obstacles);
        let in_the_way: BTreeSet<&RepoPath> = obstacles.iter().map(|obstacle| &obstacle.path).collect();
        plan.items.retain(|item| !in_the_way.contains(&item.path));
        plan.left.extend(obstacles);
        plan.obstacles = obstacles::find(repo, &disk, present, &plan)?;
    }
    plan.left.sort_by(|a, b| a.path.cmp(&b.path));
    // A file stays as the present tree has it; where that has a folder there is no file.
    let stays = |left: &Obstacle| {
        let there = tree::lookup(&repo.objects, plan.present, &left.path)?;
        Ok((left.path.clone(), there.filter(|(mode, _)| *mode != FileMode::Tree)))
    };
    let edits = plan.left.iter().map(stays).collect::<Result<_>>()?;
    plan.result = tree::edit(&repo.objects, plan.result, edits)?;
    let left: BTreeSet<&RepoPath> = plan.left.iter().map(|left| &left.path).collect();
    plan.bytes.retain(|path, _| !left.contains(path));
    Ok(plan)
}

/// Writes that would replace the directory in which the command was started, or one above it.
pub fn start_folder(plan: &Plan, started_in: &RepoPath) -> Vec<Obstacle> {
    let replaces = |item: &&super::PlanItem| item.action == Action::Write && started_in.is_at_or_below(&item.path);
    let reason = "the command was started in a folder that it would replace";
    let obstacle = |item: &super::PlanItem| Obstacle { path: item.path.clone(), reason: reason.to_owned() };
    let known = |path: &RepoPath| plan.obstacles.iter().any(|obstacle| obstacle.path == *path);
    plan.items.iter().filter(replaces).filter(|item| !known(&item.path)).map(obstacle).collect()
}

//! The graph of a session's checkpoints, newest first: what is live, what a rewind left behind, where it jumped.
//!
//! One line a checkpoint. The live line stands at the left; a stretch that was abandoned has a lane beside it, opened
//! (`╮`) at the rewind that left it and closed (`╯`) at the checkpoint it had grown from. A session has two live lines,
//! of code and of chat; the caller gives the targets of the one it wants.

use std::collections::{BTreeMap, BTreeSet};

/// One checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GraphRow {
    /// Its number.
    pub number: u64,
    /// The one before it on the chain.
    pub previous: Option<u64>,
    /// Of a rewind or redo: the one it went to.
    pub target: Option<u64>,
}

/// The lanes in front of one checkpoint, padded so that what follows aligns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphLine {
    /// What is drawn.
    pub lanes: String,
    /// Whether the checkpoint is on the live line.
    pub live: bool,
}

/// The characters to draw with.
#[derive(Clone, Copy, Debug)]
pub struct Glyphs {
    live: char,
    abandoned: char,
    down: char,
    across: char,
    crossing: char,
    open: char,
    open_and_on: char,
    close: char,
    close_and_on: char,
}

impl Glyphs {
    /// For terminals that show UTF-8, or for those that do not.
    pub const fn new(utf8: bool) -> Self {
        if utf8 {
            Self {
                live: '●',
                abandoned: '○',
                down: '│',
                across: '─',
                crossing: '┼',
                open: '╮',
                open_and_on: '┬',
                close: '╯',
                close_and_on: '┴',
            }
        } else {
            Self {
                live: '*',
                abandoned: 'o',
                down: '|',
                across: '-',
                crossing: '+',
                open: '.',
                open_and_on: '.',
                close: '\'',
                close_and_on: '\'',
            }
        }
    }
}

/// Draws the rows, which are given newest first; one line for each. A link that does not lead to an older number is
/// taken as none.
pub fn graph(rows: &[GraphRow], glyphs: &Glyphs) -> Vec<GraphLine> {
    let live = live_line(rows);
    let shown: BTreeSet<u64> = rows.iter().map(|row| row.number).collect();
    let mut lanes = Lanes::default();
    let mut lines: Vec<GraphLine> = rows
        .iter()
        .map(|row| {
            let is_live = live.contains(&row.number);
            GraphLine { lanes: lanes.draw(row, is_live, &shown, glyphs), live: is_live }
        })
        .collect();
    let width = lines.iter().map(|line| line.lanes.chars().count()).max().unwrap_or(0);
    for line in &mut lines {
        let missing = width - line.lanes.chars().count();
        line.lanes.push_str(&" ".repeat(missing));
    }
    lines
}

/// What the newest grew from, rewinds and redos leading to their targets.
fn live_line(rows: &[GraphRow]) -> BTreeSet<u64> {
    let parents: BTreeMap<u64, Option<u64>> = rows.iter().map(|row| (row.number, parent(row))).collect();
    let newest = rows.first().map(|row| row.number);
    std::iter::successors(newest, |number| parents.get(number).copied().flatten()).collect()
}

fn parent(row: &GraphRow) -> Option<u64> {
    row.target.or(row.previous).filter(|number| *number < row.number)
}

/// Which number each lane waits for.
#[derive(Default)]
struct Lanes(Vec<Option<u64>>);

impl Lanes {
    fn draw(&mut self, row: &GraphRow, is_live: bool, shown: &BTreeSet<u64>, glyphs: &Glyphs) -> String {
        let waiting: Vec<usize> = (0..self.0.len()).filter(|at| self.0[*at] == Some(row.number)).collect();
        let own = waiting.first().copied().unwrap_or_else(|| self.free_lane(0, &[]));
        let closed: Vec<usize> = waiting.into_iter().filter(|at| *at != own).collect();
        for at in &closed {
            self.0[*at] = None;
        }
        self.0[own] = parent(row);
        // A rewind leaves the stretch before it, unless another lane leads there (a redo has gone back to it).
        let left = row.previous.filter(|previous| {
            *previous < row.number && shown.contains(previous) && !self.0.contains(&Some(*previous))
        });
        let opened = left.map(|previous| {
            let at = self.free_lane(own + 1, &closed);
            self.0[at] = Some(previous);
            at
        });
        let line = self.line(own, &closed, opened, if is_live { glyphs.live } else { glyphs.abandoned }, glyphs);
        while self.0.last() == Some(&None) {
            self.0.pop();
        }
        line
    }

    fn free_lane(&mut self, from: usize, taken: &[usize]) -> usize {
        let found = (from..self.0.len()).find(|at| self.0[*at].is_none() && !taken.contains(at));
        found.unwrap_or_else(|| {
            let at = self.0.len().max(from);
            self.0.resize(at + 1, None);
            at
        })
    }

    fn line(&self, own: usize, closed: &[usize], opened: Option<usize>, node: char, glyphs: &Glyphs) -> String {
        let end = closed.iter().copied().chain(opened).max().unwrap_or(own);
        let mut line = String::new();
        for at in 0..self.0.len() {
            let within = at > own && at <= end;
            if at > 0 {
                line.push(if within { glyphs.across } else { ' ' });
            }
            line.push(match self.0[at] {
                _ if at == own => node,
                _ if closed.contains(&at) => {
                    if at == end {
                        glyphs.close
                    } else {
                        glyphs.close_and_on
                    }
                }
                _ if opened == Some(at) => {
                    if at == end {
                        glyphs.open
                    } else {
                        glyphs.open_and_on
                    }
                }
                Some(_) if within => glyphs.crossing,
                Some(_) => glyphs.down,
                None if within => glyphs.across,
                None => ' ',
            });
        }
        line.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Checkpoints 1 to `last`, with the targets of those that jumped.
    fn drawn(last: u64, targets: &[(u64, u64)], utf8: bool) -> String {
        let rows: Vec<GraphRow> = (1..=last)
            .rev()
            .map(|number| GraphRow {
                number,
                previous: number.checked_sub(1).filter(|p| *p > 0),
                target: targets.iter().find(|(at, _)| *at == number).map(|(_, target)| *target),
            })
            .collect();
        let lines = graph(&rows, &Glyphs::new(utf8));
        lines.iter().zip(&rows).map(|(line, row)| format!("{} {}\n", line.lanes, row.number)).collect()
    }

    #[test]
    fn a_straight_session_is_one_line() {
        insta::assert_snapshot!(drawn(3, &[], true), @"
        ● 3
        ● 2
        ● 1
        ");
    }

    #[test]
    fn a_rewind_leaves_its_stretch_in_a_lane_of_its_own() {
        insta::assert_snapshot!(drawn(7, &[(5, 2)], true), @"
        ●   7
        ●   6
        ●─╮ 5
        │ ○ 4
        │ ○ 3
        ●─╯ 2
        ●   1
        ");
    }

    #[test]
    fn two_rewinds_leave_two_stretches() {
        insta::assert_snapshot!(drawn(8, &[(4, 1), (7, 4)], true), @"
        ●     8
        ●─╮   7
        │ ○   6
        │ ○   5
        ●─┴─╮ 4
        │   ○ 3
        │   ○ 2
        ●───╯ 1
        ");
    }

    #[test]
    fn a_rewind_behind_an_earlier_rewind_nests() {
        insta::assert_snapshot!(drawn(8, &[(4, 2), (7, 1)], true), @"
        ●     8
        ●─╮   7
        │ ○   6
        │ ○   5
        │ ○─╮ 4
        │ │ ○ 3
        │ ○─╯ 2
        ●─╯   1
        ");
    }

    #[test]
    fn a_redo_makes_the_stretch_live_again() {
        insta::assert_snapshot!(drawn(7, &[(5, 2), (6, 4)], true), @"
        ●   7
        ●─╮ 6
        │ ○ 5
        ● │ 4
        ● │ 3
        ●─╯ 2
        ●   1
        ");
    }

    #[test]
    fn without_utf8_it_is_drawn_in_ascii() {
        insta::assert_snapshot!(drawn(6, &[(5, 2)], false), @"
        *   6
        *-. 5
        | o 4
        | o 3
        *-' 2
        *   1
        ");
    }

    #[test]
    fn a_list_that_ends_early_leaves_its_lanes_open() {
        let rows = [
            GraphRow { number: 9, previous: Some(8), target: Some(2) },
            GraphRow { number: 8, previous: Some(7), target: None },
        ];
        let lines: Vec<_> = graph(&rows, &Glyphs::new(true)).into_iter().map(|l| l.lanes).collect();
        assert_eq!(lines, ["●─╮", "│ ○"]);
    }

    proptest! {
        #[test]
        fn any_links_are_drawn_one_line_each_of_one_width(
            rows in proptest::collection::vec((0_u64..12, proptest::option::of(0_u64..12), proptest::option::of(0_u64..12)), 0..20)
        ) {
            let rows: Vec<GraphRow> =
                rows.into_iter().map(|(number, previous, target)| GraphRow { number, previous, target }).collect();
            let lines = graph(&rows, &Glyphs::new(true));
            prop_assert_eq!(lines.len(), rows.len());
            let widths: BTreeSet<usize> = lines.iter().map(|l| l.lanes.chars().count()).collect();
            prop_assert!(widths.len() <= 1);
            for line in &lines {
                prop_assert_eq!(line.lanes.matches(['●', '○']).count(), 1);
            }
        }

        #[test]
        fn in_a_whole_session_every_lane_that_opens_closes(jumps in proptest::collection::vec((3_u64..20, 1_u64..18), 0..5)) {
            let jumps: Vec<(u64, u64)> = jumps.into_iter().filter(|(at, to)| to < at).collect();
            let text = drawn(20, &jumps, true);
            let last = text.lines().last().unwrap_or_default();
            prop_assert!(!last.contains(['│', '╮']), "{}", text);
        }
    }
}

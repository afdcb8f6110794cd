//! Tables: columns aligned by their width on a terminal, at most one of them cut to fit.

use anstyle::Style;

use crate::base::text::{sanitise, truncate, width};
use crate::cli::line::Line;
use crate::cli::theme::{Theme, paint};

/// Between two columns.
const GAP: &str = "  ";
/// A cut column keeps at least so much.
const LEAST: usize = 8;

/// To which side a column leans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// A column's heading and shape.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    header: &'static str,
    align: Align,
    flexible: bool,
}

impl Column {
    /// Text.
    pub const fn left(header: &'static str) -> Self {
        Self { header, align: Align::Left, flexible: false }
    }

    /// Numbers.
    pub const fn right(header: &'static str) -> Self {
        Self { header, align: Align::Right, flexible: false }
    }

    /// Text that is cut where the terminal is too narrow. The first such column of a table counts.
    pub const fn flexible(header: &'static str) -> Self {
        Self { header, align: Align::Left, flexible: true }
    }
}

/// One cell: text, sanitised when it is made, and its style.
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// Text in a style.
    pub fn styled(text: &str, style: Style) -> Self {
        Self { text: sanitise(text), style }
    }

    /// Text as it is.
    pub fn plain(text: &str) -> Self {
        Self::styled(text, Style::new())
    }
}

/// Rows under headings.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new() }
    }

    /// Adds a row; missing cells are empty, surplus ones are not shown.
    pub fn row(&mut self, cells: impl Into<Vec<Cell>>) {
        self.rows.push(cells.into());
    }

    /// The lines, headings first; no wider than `columns` where the flexible column can make it so.
    pub fn lines(&self, columns: Option<usize>, theme: &Theme) -> Vec<Line> {
        let widths = self.widths(columns);
        let headers: Vec<Cell> = self.columns.iter().map(|c| Cell::styled(c.header, theme.dim)).collect();
        std::iter::once(&headers).chain(&self.rows).map(|row| self.line(row, &widths)).collect()
    }

    fn widths(&self, columns: Option<usize>) -> Vec<usize> {
        let of_column = |at: usize, column: &Column| {
            self.rows
                .iter()
                .filter_map(|row| row.get(at))
                .map(|cell| width(&cell.text))
                .fold(width(column.header), usize::max)
        };
        let mut widths: Vec<usize> = self.columns.iter().enumerate().map(|(at, c)| of_column(at, c)).collect();
        if let (Some(limit), Some(at)) = (columns, self.columns.iter().position(|c| c.flexible)) {
            let total = widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1);
            let over = total.saturating_sub(limit);
            widths[at] = widths[at].saturating_sub(over).max(LEAST.min(widths[at]));
        }
        widths
    }

    fn line(&self, row: &[Cell], widths: &[usize]) -> Line {
        let mut line = Line::default();
        let mut owed = 0;
        for (at, (column, width_here)) in self.columns.iter().zip(widths).enumerate() {
            owed += if at == 0 { 0 } else { GAP.len() };
            let cell = row.get(at);
            let text = cell.map(|c| truncate(&c.text, *width_here)).unwrap_or_default();
            let space = width_here.saturating_sub(width(&text));
            if column.align == Align::Right {
                owed += space;
            }
            if !text.is_empty() {
                // Blanks are paid only when something follows, so that no line ends in them.
                line.push(" ".repeat(owed));
                owed = 0;
                line.push(paint(cell.map(|c| c.style).unwrap_or_default(), &text));
            } else if column.align == Align::Right {
                continue;
            }
            if column.align == Align::Left {
                owed += space;
            }
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::line::text;

    fn sample() -> Table {
        let mut table =
            Table::new([Column::left("ID"), Column::right("TURNS"), Column::flexible("TITLE"), Column::left("AGE")]);
        table.row([
            Cell::plain("094320c0"),
            Cell::plain("7"),
            Cell::plain("日本語 parser fix"),
            Cell::plain("2 hours ago"),
        ]);
        table.row([Cell::plain("1"), Cell::plain("1234567"), Cell::plain("x\x1b[31m"), Cell::plain("")]);
        table.row([Cell::plain("2"), Cell::plain(""), Cell::plain("y"), Cell::plain("now")]);
        table
    }

    #[test]
    fn columns_align_by_width_on_the_terminal() {
        insta::assert_snapshot!(text(&sample().lines(None, &Theme::plain())), @r"
        ID          TURNS  TITLE              AGE
        094320c0        7  日本語 parser fix  2 hours ago
        1         1234567  x\x1b[31m
        2                  y                  now
        ");
    }

    #[test]
    fn only_the_flexible_column_is_cut() {
        let lines = sample().lines(Some(40), &Theme::plain());
        assert!(lines.iter().all(|l| width(l.as_str()) <= 40), "{lines:#?}");
        assert!(lines[1].as_str().contains('…') && lines[1].as_str().ends_with("2 hours ago"), "{lines:#?}");
    }

    #[test]
    fn colour_changes_no_width() {
        let plain = sample().lines(Some(40), &Theme::plain());
        let coloured = sample().lines(Some(40), &Theme::colour());
        assert_eq!(coloured[0].as_str().replace("\u{1b}[2m", "").replace("\u{1b}[0m", ""), plain[0].as_str());
    }
}

//! Tables whose columns line up, cut to the terminal's width where there is one.

use super::value::visible;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

const GAP: &str = "  ";
/// A column of texts that gives way is still at least this wide.
const NARROWEST: usize = 12;
/// Room that the other columns leave to the last one, which holds the longest texts.
const LAST_ROOM: usize = 24;

/// How a column's cells are placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// A table being built.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Begins a table with its headings.
    pub(crate) fn new<'a>(columns: impl IntoIterator<Item = (&'a str, Align)>) -> Self {
        let columns = columns.into_iter().map(|(name, align)| (visible(name), align));
        Table { columns: columns.collect(), rows: Vec::new() }
    }

    /// Adds a row with one cell for each column.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().map(|cell| visible(&cell)).collect();
        assert_eq!(cells.len(), self.columns.len(), "one cell for each column");
        self.rows.push(cells);
    }

    /// Returns the lines, headings first. With a width, columns of texts give way, the last one most,
    /// and where that is not enough the line is cut; without one (a pipe), nothing is.
    pub(crate) fn lines(&self, width: Option<usize>) -> Vec<String> {
        let heading: Vec<String> = self.columns.iter().map(|(name, _)| name.clone()).collect();
        let rows: Vec<&Vec<String>> = std::iter::once(&heading).chain(&self.rows).collect();
        let widest = |column: usize| rows.iter().map(|row| row[column].width()).max().unwrap_or(0);
        let mut widths: Vec<usize> = (0..self.columns.len()).map(widest).collect();
        if let Some(width) = width {
            self.shrink(&mut widths, width);
        }
        rows.into_iter().map(|row| self.line(row, &widths, width)).collect()
    }

    /// Narrows the widest columns of texts until the last column has room. Numbers are never cut.
    fn shrink(&self, widths: &mut [usize], width: usize) {
        let last = widths.len() - 1;
        let wanted = widths[last].min(LAST_ROOM);
        let too_wide =
            |widths: &[usize]| widths[..last].iter().map(|w| w + GAP.len()).sum::<usize>() + wanted > width;
        while too_wide(widths) {
            let texts = (0..last).filter(|column| self.columns[*column].1 == Align::Left);
            match texts.max_by_key(|column| widths[*column]).filter(|column| widths[*column] > NARROWEST) {
                Some(column) => widths[column] -= 1,
                None => break,
            }
        }
    }

    fn line(&self, row: &[String], widths: &[usize], width: Option<usize>) -> String {
        let last = row.len() - 1;
        let mut line = String::new();
        for (i, cell) in row.iter().enumerate() {
            if i > 0 {
                line.push_str(GAP);
            }
            let cell = if i == last { cell.clone() } else { cut(cell, widths[i]) };
            let padding = " ".repeat(widths[i].saturating_sub(cell.width()));
            match self.columns[i].1 {
                Align::Left => line.push_str(&(cell + &padding)),
                Align::Right => line.push_str(&(padding + &cell)),
            }
        }
        line.truncate(line.trim_end().len());
        width.map_or_else(|| line.clone(), |width| cut(&line, width))
    }
}

/// Shortens a text to a number of terminal columns, with `…` where something is left out.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_string();
    }
    let (mut kept, mut used) = (String::new(), 1);
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        kept.push(c);
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table =
            Table::new([("trial", Align::Right), ("state", Align::Left), ("params", Align::Left)]);
        table.row(["7".into(), "running".into(), "lr=1e-5 act=relu".into()]);
        table.row(["12".into(), "ok".into(), "lr=0.1".into()]);
        table
    }

    #[test]
    fn cells_stay_within_their_row() {
        let mut table = Table::new([("a\u{7}", Align::Left), ("b", Align::Left)]);
        table.row(["x\ny".into(), "\u{1b}[2J".into()]);
        assert_eq!(table.lines(None), [r"a\u{7}  b", r"x\ny    \u{1b}[2J"]);
    }

    #[test]
    fn columns_line_up() {
        assert_eq!(
            table().lines(None),
            ["trial  state    params", "    7  running  lr=1e-5 act=relu", "   12  ok       lr=0.1"]
        );
    }

    #[test]
    fn wide_columns_give_way_to_the_last() {
        let mut table = Table::new([("name", Align::Left), ("n", Align::Right), ("what", Align::Left)]);
        table.row(["a".repeat(60), "123456".into(), "b".repeat(60)]);
        let line = &table.lines(Some(80))[1];
        assert_eq!(line.matches('b').count(), LAST_ROOM - 1);
        assert!(line.contains("…  123456  b"), "{line}");
        assert!(table.lines(Some(30))[1].starts_with("aaaaaaaaaaa…  123456  bbb"));
    }

    #[test]
    fn last_column_gives_way() {
        assert_eq!(table().lines(Some(26))[1], "    7  running  lr=1e-5 a…");
        assert!(table().lines(Some(9)).iter().all(|line| line.width() <= 9));
    }

    #[test]
    fn cutting_counts_wide_characters() {
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("日本語", 6), "日本語");
        assert_eq!(cut("abc", 0), "");
    }
}

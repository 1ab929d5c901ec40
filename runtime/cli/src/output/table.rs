//! The tables of all commands. On a terminal a table has at most its width.

use super::screen::{columns, state, wrapped};
use pylon_core::text::sanitize_line;
use textwrap::core::display_width;

/// Between two columns.
const GAP: usize = 2;
/// The narrowest column of text next to others; otherwise the text is below its row.
const TEXT_COLUMNS_MIN: usize = 24;
/// The narrowest column of shortened cells.
const CELL_COLUMNS_MIN: usize = 8;
/// Before a text below its row.
const BELOW: &str = "    ";
/// The end of a shortened cell or list.
const CUT: char = '…';

/// A table whose columns are as wide as their widest cell. Two spaces separate the headers. Before
/// a header, `>` aligns its column to the right, `!` colours its cells as states, `?` drops the
/// column if the terminal is too narrow, the last one first, and `~` marks the text at the end of
/// a row, which is wrapped, or else below its row.
pub(crate) fn table<const N: usize>(headers: &str, rows: &[[String; N]]) -> String {
    within(columns(&std::io::stdout()), headers, rows)
}

/// Cuts a list of which one row more than `limit` was read, and returns the line that ends it.
pub(crate) fn cut<T>(rows: &mut Vec<T>, limit: usize) -> &'static str {
    let is_cut = rows.len() > limit;
    rows.truncate(limit);
    if is_cut { "…\n" } else { "" }
}

struct Column<'a> {
    header: &'a str,
    cells: Vec<String>,
    is_right: bool,
    is_state: bool,
    is_optional: bool,
    is_text: bool,
    width: usize,
}

impl<'a> Column<'a> {
    fn new(header: &'a str, cells: Vec<String>) -> Self {
        let name = header.trim_start_matches(['>', '!', '?', '~']);
        let marks = header.strip_suffix(name).unwrap_or_default();
        let widest = cells.iter().map(|cell| display_width(cell)).max().unwrap_or(0);
        Self {
            header: name,
            is_right: marks.contains('>'),
            is_state: marks.contains('!'),
            is_optional: marks.contains('?'),
            is_text: marks.contains('~'),
            width: widest.max(display_width(name)),
            cells,
        }
    }

    /// The cell of a row, or the header, at the width of the column.
    fn padded(&self, row: Option<usize>) -> String {
        let cell = row.map_or(self.header, |row| self.cell(row));
        let cell = shortened(cell, self.width);
        let space = " ".repeat(self.width.saturating_sub(display_width(&cell)));
        let cell = if self.is_state && row.is_some() { state(&cell) } else { cell };
        if self.is_right { space + &cell } else { cell + &space }
    }

    fn cell(&self, row: usize) -> &str {
        self.cells.get(row).map_or("", String::as_str)
    }
}

fn within<const N: usize>(columns: Option<usize>, headers: &str, rows: &[[String; N]]) -> String {
    let cells = |column: usize| {
        rows.iter()
            .map(|row| row.get(column).map(|cell| sanitize_line(cell)).unwrap_or_default())
            .collect()
    };
    let mut shown: Vec<_> = headers
        .split("  ")
        .enumerate()
        .map(|(column, header)| Column::new(header, cells(column)))
        .collect();
    // No text in any row: no column.
    shown.retain(|column| {
        !column.is_text
            || column.cells.is_empty()
            || column.cells.iter().any(|cell| !cell.is_empty())
    });
    let below = columns.and_then(|columns| fit(&mut shown, columns));
    let line = |row: Option<usize>| {
        let (mut head, mut text) = (String::new(), None);
        for (index, column) in shown.iter().enumerate() {
            head += if index == 0 { "" } else { "  " };
            match row {
                Some(row) if column.is_text => text = Some(column.cell(row)),
                _ => head += &column.padded(row),
            }
        }
        let first = match text {
            Some(text) if !text.is_empty() => wrapped(columns, &head, text),
            _ => head,
        };
        let text = row.and_then(|row| Some(below.as_ref()?.cell(row)));
        let below = match text {
            Some(text) if !text.is_empty() => wrapped(columns, BELOW, text) + "\n",
            _ => String::new(),
        };
        format!("{}\n{below}", first.trim_end())
    };
    (0..rows.len()).fold(line(None), |page, row| page + &line(Some(row)))
}

/// Makes the columns fit: drops optional ones, returns the text if it has no place in its row, and
/// shortens the widest cells.
fn fit<'a>(shown: &mut Vec<Column<'a>>, columns: usize) -> Option<Column<'a>> {
    // A short text is a cell like others.
    let text = shown.pop_if(|column| column.is_text && column.width >= TEXT_COLUMNS_MIN);
    while total(shown) > columns
        && let Some(last) = shown.iter().rposition(|column| column.is_optional)
    {
        shown.remove(last);
    }
    while total(shown) > columns
        && let Some(widest) = shown
            .iter_mut()
            .filter(|column| column.width > CELL_COLUMNS_MIN)
            .max_by_key(|column| column.width)
    {
        widest.width -= 1;
    }
    let text = text?;
    if total(shown) + GAP + TEXT_COLUMNS_MIN <= columns {
        shown.push(text);
        return None;
    }
    Some(text)
}

fn total(columns: &[Column<'_>]) -> usize {
    let cells: usize = columns.iter().map(|column| column.width).sum();
    cells + GAP * columns.len().saturating_sub(1)
}

/// The beginning of a text that is wider than its column.
fn shortened(text: &str, columns: usize) -> String {
    if display_width(text) <= columns {
        return text.to_owned();
    }
    let mut short = String::new();
    for one in text.chars() {
        if display_width(&short) + display_width(one.encode_utf8(&mut [0; 4])) + 1 > columns {
            break;
        }
        short.push(one);
    }
    short.push(CUT);
    short
}

#[cfg(test)]
mod tests {
    use super::super::screen::plain;
    use super::*;

    /// Goal: columns are aligned, and text from the market stays in its cell. Method: cells
    /// narrower and wider than their headers.
    #[test]
    fn columns_are_aligned() {
        let rows =
            [["quote", "9", "free"], ["run\n", "12345 fuel", ""]].map(|row| row.map(String::from));
        let expected = "WHAT         COST  ANSWER\nquote           9  free\nrun    12345 fuel\n";
        assert_eq!(table("WHAT  >COST  ANSWER", &rows), expected);
        assert_eq!(table::<2>("A  >B", &[]), "A  B\n");
        let wide = [["日本", "x"]].map(|row| row.map(String::from));
        assert_eq!(within(None, "A  B", &wide), "A     B\n日本  x\n", "a character of two columns");
    }

    /// Goal: a table fits its terminal, and loses no text. Method: one table at falling widths.
    #[test]
    fn table_fits_its_terminal() {
        let text = "the backend did not respond within 120 s";
        let rows =
            [["1a2b3c4d", "5050", "failed", "2 minutes", text], ["5e6f7a8b", "5", "", "", ""]]
                .map(|row| row.map(String::from));
        let at = |columns| {
            let page = within(columns, "JOB  >KIND  !STATUS  ?AGE  ~ERROR", &rows);
            plain(&page)
        };
        let whole = "JOB       KIND  STATUS  AGE        ERROR\n\
                     1a2b3c4d  5050  failed  2 minutes  the backend did not respond within 120 s\n\
                     5e6f7a8b     5\n";
        assert_eq!(at(None), whole);
        assert_eq!(at(Some(75)), whole);
        let indent = " ".repeat(35);
        let wrapped = format!("not\n{indent}respond");
        assert_eq!(at(Some(60)), whole.replace("not respond", &wrapped));
        assert_eq!(
            at(Some(40)),
            "JOB       KIND  STATUS  AGE\n\
             1a2b3c4d  5050  failed  2 minutes\n    the backend did not respond within\n    120 s\n\
             5e6f7a8b     5\n"
        );
        assert!(
            at(Some(22)).starts_with("JOB       KIND  STATUS\n1a2b3c4d  5050  failed\n    the")
        );
        for columns in 26..80 {
            assert!(
                at(Some(columns)).lines().all(|line| display_width(line) <= columns),
                "{columns}"
            );
        }
    }

    /// Goal: a list that was cut ends in "…". Method: a list with one row more than the limit.
    #[test]
    fn cut_list_ends_in_an_ellipsis() {
        let mut rows = vec![1, 2, 3];
        assert_eq!((cut(&mut rows, 3), rows.len()), ("", 3));
        assert_eq!((cut(&mut rows, 2), rows.len()), ("…\n", 2));
        let rows = [[String::from("a very long name"), "x".repeat(30)]];
        assert_eq!(within(Some(24), "A  B", &rows), "A            B\na very lon…  xxxxxxxxxx…\n");
    }
}

//! Rows that cannot be read, for example because they were edited by hand. One of them must not
//! hide the others, so it is left out and named.

use pylon_core::text::sanitize_line;
use rusqlite::{Error, Row, Rows};

/// A row that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableRow {
    /// Its table.
    pub table: &'static str,
    /// Its rowid.
    pub number: i64,
    /// The id of its job, as far as that can be read.
    pub job: String,
    /// What is wrong.
    pub reason: String,
}

impl std::fmt::Display for UnreadableRow {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { table, number, job, reason } = self;
        write!(formatter, "row {number} of the table `{table}` (job {job}): {reason}")
    }
}

/// The rows of a query.
pub(super) struct Readable<T> {
    pub(super) rows: Vec<T>,
    pub(super) unreadable: Vec<UnreadableRow>,
}

impl<T> Readable<T> {
    /// Reads at most `limit` rows of a query with the columns `number` and `job`.
    pub(super) fn collect(
        table: &'static str,
        mut found: Rows<'_>,
        limit: usize,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Self> {
        let (mut rows, mut unreadable) = (Vec::new(), Vec::new());
        while rows.len() < limit
            && let Some(row) = found.next()?
        {
            match read(row) {
                Ok(value) => rows.push(value),
                Err(error) => unreadable.push(UnreadableRow {
                    table,
                    number: row.get("number")?,
                    job: job(row),
                    reason: reason(row, error)?,
                }),
            }
        }
        Ok(Self { rows, unreadable })
    }
}

/// What is wrong with a column. An error of the file is returned instead. The text itself may be a
/// customer's, so it is not quoted.
fn reason(row: &Row<'_>, error: Error) -> rusqlite::Result<String> {
    let column = |index: usize| row.as_ref().column_name(index).unwrap_or("?").to_owned();
    match error {
        Error::FromSqlConversionFailure(index, ..) => {
            Ok(format!("the column `{}` is not valid", column(index)))
        }
        Error::InvalidColumnType(index, _, found) => {
            Ok(format!("the column `{}` has the type {found}", column(index)))
        }
        Error::IntegralValueOutOfRange(index, _) => {
            Ok(format!("the number in the column `{}` is out of range", column(index)))
        }
        Error::Utf8Error(_) => Ok("a column is not UTF-8".into()),
        other => Err(other),
    }
}

fn job(row: &Row<'_>) -> String {
    let text = row.get_ref("job").ok().and_then(|job| job.as_str().ok()).unwrap_or("unknown");
    sanitize_line(text.get(..text.floor_char_boundary(64)).unwrap_or_default())
}

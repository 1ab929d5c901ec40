//! Conversions between Rust values and columns.

use pylon_core::UnixTime;
use pylon_core::guest::{Cost, Fault};
use rusqlite::Row;
use rusqlite::types::Type;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::str::FromStr;

/// SQLite integers end at 2^63 - 1, which exceeds all real times and amounts; larger values are
/// clamped to it.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The inverse of [`integer`]; negative numbers are never written.
pub(super) fn number(integer: i64) -> u64 {
    u64::try_from(integer).unwrap_or(0)
}

pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<UnixTime>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(|at| UnixTime::new(number(at))))
}

/// A column whose text is one of a fixed list of values.
pub(super) fn parsed<T: FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    text.parse().map_err(|_| invalid(column, format!("unknown value `{text}`")))
}

/// A column with an id of 64 hex digits.
pub(super) fn hex_id<T>(
    row: &Row<'_>,
    column: usize,
    parse: fn(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    parse(row.get_ref(column)?.as_str()?)
        .ok_or_else(|| invalid(column, "not 64 lowercase hex digits"))
}

/// A value that does not parse, for example one edited by hand, is an error and never guessed.
pub(super) fn invalid(
    column: usize,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, cause.into())
}

pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(unserializable)
}

pub(super) fn unserializable(error: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(error.into())
}

pub(super) fn from_json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|error| invalid(column, error))
}

/// The same for a column that may be NULL.
pub(super) fn from_optional_json<T: DeserializeOwned>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<Option<T>> {
    let text = row.get_ref(column)?.as_str_or_null()?;
    text.map(serde_json::from_str).transpose().map_err(|error| invalid(column, error))
}

/// The columns `output` and `fault` of an answer.
pub(super) fn answer(
    row: &Row<'_>,
    output: usize,
    fault: usize,
) -> rusqlite::Result<Result<String, Fault>> {
    let (output, fault): (Option<String>, Option<String>) = (row.get(output)?, row.get(fault)?);
    Ok(output.ok_or_else(|| fault_from_str(fault)))
}

/// The columns `fuel` and `cpu_us`, which follow each other.
pub(super) fn cost(row: &Row<'_>, fuel: usize) -> rusqlite::Result<Cost> {
    let (fuel, cpu): (Option<i64>, Option<i64>) = (row.get(fuel)?, row.get(fuel + 1)?);
    Ok(fuel.map_or(Cost::CpuUs(number(cpu.unwrap_or(0))), |fuel| Cost::Fuel(number(fuel))))
}

/// An unknown name counts as invalid output.
fn fault_from_str(text: Option<String>) -> Fault {
    text.and_then(|text| serde_json::from_value(serde_json::Value::String(text)).ok())
        .unwrap_or(Fault::InvalidOutput)
}

//! x
use crate::cli::guest::records::BacktestArgs;
pub(super) fn run(_: &BacktestArgs) -> anyhow::Result<()> { Ok(()) }

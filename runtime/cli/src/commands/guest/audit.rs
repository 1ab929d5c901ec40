//! `pylon guest audit`: the changes of slots, including failed ones, with or without a running
//! node.

use crate::args::guest::AuditArgs;
use crate::output::{cut, json, print, table};
use anyhow::Result;
use pylon_core::installation::Audit;
use pylon_core::units::format_utc;
use pylon_node::home::Home;

/// Lists the changes, newest first.
pub(super) fn run(args: &AuditArgs) -> Result<()> {
    let limit = args.limit as usize;
    let mut rows = match Home::from_env()?.journal()? {
        Some(journal) => journal.audit(limit + 1)?,
        None => Vec::new(),
    };
    let more = cut(&mut rows, limit);
    if args.json {
        return json(&rows);
    }
    let row = |row: Audit| {
        [
            format_utc(row.at),
            row.action,
            row.slot,
            row.outcome,
            format!("{}  {}", row.guest, row.detail).trim().into(),
        ]
    };
    let page = table(
        "WHEN  ACTION  SLOT  !OUTCOME  ~GUEST",
        &rows.into_iter().map(row).collect::<Vec<_>>(),
    );
    print(&(page + more))
}

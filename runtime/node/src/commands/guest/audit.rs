//! `pylon guest audit`: who did what to which slot, and what was refused, whether a node runs or not.

use crate::cli::guest::AuditArgs;
use crate::home::Home;
use crate::output::{json, plain, say};
use crate::units::moment;
use anyhow::Result;
use pylon_adapters::journal::Books;
use std::fmt::Write as _;

/// The newest first.
pub(super) fn run(args: &AuditArgs) -> Result<()> {
    let rows = Books::open(&Home::from_env()?.database())?.audit(args.limit as usize)?;
    if args.json {
        return json(&rows);
    }
    let mut out = String::from("WHEN                 ACTION    SLOT               OUTCOME     GUEST\n");
    for row in rows {
        let guest = format!("{}  {}", row.guest, row.detail);
        let (at, guest) = (moment(row.at), plain(guest.trim()));
        let _ = writeln!(out, "{at}  {:<8}  {:<17}  {:<10}  {guest}", row.action, row.slot, row.outcome);
    }
    say(&out)
}

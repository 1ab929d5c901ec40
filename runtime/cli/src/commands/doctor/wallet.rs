//! Shows the wallet.

use super::row::CheckRow;

pub(super) fn check() -> CheckRow {
    CheckRow::ok("wallet", "none: all jobs are free")
}

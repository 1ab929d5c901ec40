//! Shows the wallet.

use super::row::Row;

pub(super) fn check() -> Row {
    Row::ok("wallet", "none: all jobs are free")
}

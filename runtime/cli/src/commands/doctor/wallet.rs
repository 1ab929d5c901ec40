//! Can the node be paid?

use super::Row;

pub(super) fn check() -> Row {
    Row::ok("wallet", "none: jobs are free")
}

//! Checks the free disk space.

use super::row::CheckRow;
use pylon_node::home::Home;
use std::path::Path;

const CHECK: &str = "disk";
const MIB: u64 = 1 << 20;
/// Below this, the node may soon stop to accept jobs.
const LOW_MIB: u64 = 1024;
/// Below this, commits to the journal may fail.
const CRITICAL_MIB: u64 = 64;

pub(super) fn check(home: &Home) -> CheckRow {
    let state = home.state_dir();
    let existing = state.ancestors().find(|path| path.exists()).unwrap_or_else(|| Path::new("/"));
    match rustix::fs::statvfs(existing) {
        Ok(stats) => row(stats.f_bavail.saturating_mul(stats.f_frsize) / MIB, existing),
        Err(error) => CheckRow::warning(
            CHECK,
            format!("{}: {error}", existing.display()),
            "check the disk with `df`",
        ),
    }
}

fn row(free_mib: u64, path: &Path) -> CheckRow {
    let detail = format!("{free_mib} MiB free at {}", path.display());
    match free_mib {
        0..CRITICAL_MIB => CheckRow::broken(
            CHECK,
            detail,
            "free disk space: jobs are refused if the journal cannot be written",
        ),
        CRITICAL_MIB..LOW_MIB => CheckRow::warning(CHECK, detail, "free disk space soon"),
        _ => CheckRow::ok(CHECK, detail),
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::CheckState;
    use super::*;

    /// Goal: low disk space is reported in time. Method: the limits.
    #[test]
    fn low_disk_space_is_reported() {
        for (free, state) in [
            (0, CheckState::Broken),
            (63, CheckState::Broken),
            (64, CheckState::Warning),
            (1023, CheckState::Warning),
            (1024, CheckState::Ok),
        ] {
            assert_eq!(row(free, Path::new("/")).state, state, "{free} MiB");
        }
    }
}

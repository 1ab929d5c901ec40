//! Checks the free disk space.

use super::row::Row;
use pylon_node::home::Home;
use std::path::Path;

const CHECK: &str = "disk";
const MIB: u64 = 1 << 20;
/// Below this, the node may soon stop to accept jobs.
const LOW_MIB: u64 = 1024;
/// Below this, commits to the journal may fail.
const CRITICAL_MIB: u64 = 64;

pub(super) fn check(home: &Home) -> Row {
    let state = home.state_dir();
    let existing = state.ancestors().find(|path| path.exists()).unwrap_or_else(|| Path::new("/"));
    match rustix::fs::statvfs(existing) {
        Ok(stats) => row(stats.f_bavail.saturating_mul(stats.f_frsize) / MIB, existing),
        Err(error) => Row::warning(
            CHECK,
            format!("{}: {error}", existing.display()),
            "check the disk with `df`",
        ),
    }
}

fn row(free_mib: u64, path: &Path) -> Row {
    let detail = format!("{free_mib} MiB free at {}", path.display());
    match free_mib {
        0..CRITICAL_MIB => Row::broken(
            CHECK,
            detail,
            "free disk space: jobs are refused if the journal cannot be written",
        ),
        CRITICAL_MIB..LOW_MIB => Row::warning(CHECK, detail, "free disk space soon"),
        _ => Row::ok(CHECK, detail),
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::State;
    use super::*;

    /// Goal: low disk space is reported in time. Method: the limits.
    #[test]
    fn low_disk_space_is_reported() {
        for (free, state) in [
            (0, State::Broken),
            (63, State::Broken),
            (64, State::Warning),
            (1023, State::Warning),
            (1024, State::Ok),
        ] {
            assert_eq!(row(free, Path::new("/")).state, state, "{free} MiB");
        }
    }
}

//! Is there room?

use super::Row;
use pylon_node::home::Home;
use std::path::Path;

const CHECK: &str = "disk";
const MIB: u64 = 1 << 20;
/// Below this the node may soon stop taking jobs.
const SCARCE_MIB: u64 = 1024;
/// Below this it cannot be relied on to write anything down.
const TOO_LITTLE_MIB: u64 = 64;

pub(super) fn check(home: &Home) -> Row {
    let state = home.state_dir();
    let there = state.ancestors().find(|path| path.exists()).unwrap_or_else(|| Path::new("/"));
    match rustix::fs::statvfs(there) {
        Ok(about) => judge(about.f_bavail.saturating_mul(about.f_frsize) / MIB, there),
        Err(error) => {
            Row::warning(CHECK, format!("{}: {error}", there.display()), "look yourself: `df`")
        }
    }
}

fn judge(free_mib: u64, path: &Path) -> Row {
    let found = format!("{free_mib} MiB free at {}", path.display());
    match free_mib {
        0..TOO_LITTLE_MIB => {
            Row::broken(CHECK, found, "make room: no job is taken that cannot be written down")
        }
        TOO_LITTLE_MIB..SCARCE_MIB => Row::warning(CHECK, found, "make room soon"),
        _ => Row::ok(CHECK, found),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    /// Goal: the operator hears before it is too late. Method: the bounds.
    #[test]
    fn little_room_is_told() {
        for (free, state) in [
            (0, State::Broken),
            (63, State::Broken),
            (64, State::Warning),
            (1023, State::Warning),
            (1024, State::Ok),
        ] {
            assert_eq!(judge(free, Path::new("/")).state, state, "{free} MiB");
        }
    }
}

//! Checks that no other user can change the files of this node.

use super::row::CheckRow;
use pylon_node::home::Home;
use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

const CHECK: &str = "folders";
/// The right of others to write, and that of the group.
const OTHERS_WRITE: u32 = 0o002;
const GROUP_WRITES: u32 = 0o020;
const ROOT: u32 = 0;

pub(super) fn check(home: &Home) -> CheckRow {
    let folders = [home.root().to_owned(), home.config_dir(), home.state_dir()];
    let user = rustix::process::geteuid().as_raw();
    for folder in &folders {
        // A folder that does not exist is created with the right permissions.
        if let Ok(metadata) = std::fs::metadata(folder)
            && let Some(problem) = problem(folder, &metadata, user)
        {
            return problem;
        }
    }
    CheckRow::ok(CHECK, "no other user can write to them")
}

fn problem(folder: &Path, metadata: &Metadata, user: u32) -> Option<CheckRow> {
    let folder = folder.display();
    if ![user, ROOT].contains(&metadata.uid()) {
        let detail = format!("{folder} belongs to another user (uid {})", metadata.uid());
        let hint = "run the node as that user, or set PYLON_HOME to a folder of this one";
        return Some(CheckRow::broken(CHECK, detail, hint));
    }
    let mode = metadata.permissions().mode();
    let hint = format!("run `chmod go-w '{folder}'`");
    let writable =
        |whom: &str| format!("{folder} is writable for {whom} (mode {:o})", mode & 0o7777);
    match () {
        () if mode & OTHERS_WRITE != 0 => {
            Some(CheckRow::broken(CHECK, writable("other users"), hint))
        }
        () if mode & GROUP_WRITES != 0 => {
            Some(CheckRow::warning(CHECK, writable("its group"), hint))
        }
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::CheckState;
    use super::*;
    use std::fs::Permissions;

    /// Goal: a home that others can change is reported, with its folder and what to do. Method:
    /// each of the three folders with several modes, and another user.
    #[test]
    fn folder_that_others_can_change_is_reported() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::at(root.path());
        home.open().unwrap();
        home.create_config_dir().unwrap();
        assert_eq!(check(&home).state, CheckState::Ok);
        for folder in [root.path().to_owned(), home.config_dir(), home.state_dir()] {
            for (mode, state) in [
                (0o755, CheckState::Ok),
                (0o770, CheckState::Warning),
                (0o777, CheckState::Broken),
                (0o1777, CheckState::Broken),
                (0o700, CheckState::Ok),
            ] {
                std::fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
                let row = check(&home);
                assert_eq!(row.state, state, "{mode:o}");
                let named = row.detail.contains(&folder.display().to_string());
                assert_eq!(named, state != CheckState::Ok, "{}", row.detail);
            }
        }
        let metadata = std::fs::metadata(root.path()).unwrap();
        assert!(problem(root.path(), &metadata, metadata.uid()).is_none());
        if metadata.uid() != ROOT {
            assert!(problem(root.path(), &metadata, metadata.uid() + 1).is_some());
        }
    }
}

//! Files of a home that were replaced: a node does not wait for them, and does not write through
//! them.

use pylon_tests::program::{PHRASE, Program, check_failure};
use pylon_tests::stub::Script;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

fn make_pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

/// Goal: a start never waits for a file that is not one, and says which it is. Method: a named pipe
/// in place of each file that a start reads.
#[tokio::test(flavor = "multi_thread")]
async fn named_pipes_do_not_block_a_start() {
    let program = Program::new(Script::Echo).await;
    // Fills the cache and the component store.
    program.print(&["start"]);
    program.print(&["stop"]);
    let config = program.home().join(".config/pylon");
    for path in [
        config.join("config.toml"),
        config.join("identity.mnemonic"),
        program.state("pylon.lock"),
        program.state("pylon.db"),
        program.state("cache/key"),
    ] {
        let name = path.file_name().unwrap().to_str().unwrap();
        let kept = path.with_extension("kept");
        fs::rename(&path, &kept).unwrap();
        make_pipe(&path);
        check_failure(name, &program.run(&["start", "-f"]), &[name, "regular file"]);
        fs::rename(&kept, &path).unwrap();
    }
    // What is cached can be made again.
    for entry in fs::read_dir(program.state("cache")).unwrap() {
        let path = entry.unwrap().path();
        if !path.ends_with("key") {
            fs::remove_file(&path).unwrap();
            make_pipe(&path);
        }
    }
    program.print(&["start"]);
    program.print(&["stop"]);
}

/// Goal: a start in a home that others can write to changes no file of the user elsewhere. Method:
/// links to such a file in place of each file that the node writes.
#[tokio::test(flavor = "multi_thread")]
async fn links_are_not_written_through() {
    let program = Program::new(Script::Echo).await;
    let other = program.home().join("other");
    fs::write(&other, PHRASE).unwrap();
    fs::create_dir_all(program.state("logs")).unwrap();
    for (name, is_hard) in [
        ("logs/stderr.log", false),
        ("logs/stderr.log", true),
        ("logs/pylon.log", false),
        ("logs/pylon.log", true),
        ("pylon.lock", false),
        ("pylon.lock", true),
    ] {
        let path = program.state(name);
        let _ = fs::remove_file(&path);
        if is_hard {
            fs::hard_link(&other, &path).unwrap();
        } else {
            symlink(&other, &path).unwrap();
        }
        let file = path.file_name().unwrap().to_str().unwrap();
        check_failure(name, &program.run(&["start"]), &[file, "link"]);
        assert_eq!(fs::read_to_string(&other).unwrap(), PHRASE, "{name}");
        fs::remove_file(&path).unwrap();
    }
}

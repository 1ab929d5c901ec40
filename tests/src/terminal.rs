//! A pseudo-terminal for the real program.

use crate::process::command;
use std::fs::File;
use std::io::Read;
use std::os::fd::FromRawFd;
use std::path::Path;

/// A terminal of this width: our end, and the end of the program.
pub fn terminal(columns: u16) -> (File, File) {
    let (mut ours, mut its) = (0, 0);
    let size = libc::winsize { ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    #[allow(unsafe_code, reason = "the standard library makes no terminals")]
    // SAFETY: both numbers are written before they are read, no other code owns the descriptors,
    // and the size is only read.
    unsafe {
        assert_eq!(
            libc::openpty(&mut ours, &mut its, std::ptr::null_mut(), std::ptr::null(), &size),
            0
        );
        (File::from_raw_fd(ours), File::from_raw_fd(its))
    }
}

/// What a command shows on a terminal of this width, with colours. `variables` are added to its
/// environment.
pub fn shown(home: &Path, args: &[&str], columns: u16, variables: &[(&str, &str)]) -> String {
    let (mut ours, its) = terminal(columns);
    let mut command = command(home, args);
    command
        .env_remove("NO_COLOR")
        .env_remove("CI")
        .env("TERM", "xterm-256color")
        .envs(variables.iter().copied())
        .stdin(its.try_clone().unwrap())
        .stdout(its.try_clone().unwrap())
        .stderr(its);
    let mut child = command.spawn().unwrap();
    // It holds the other end of the terminal.
    drop(command);
    let (mut all, mut part) = (Vec::new(), [0; 4096]);
    // The end is an error, once no process has the terminal.
    while let Ok(read @ 1..) = ours.read(&mut part) {
        all.extend_from_slice(&part[..read]);
    }
    child.wait().unwrap();
    String::from_utf8(all).unwrap().replace("\r\n", "\n")
}

/// A text without escape sequences.
pub fn plain(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| {
        plain + part.split_once(|c: char| c.is_ascii_alphabetic()).map_or("", |(_, rest)| rest)
    })
}

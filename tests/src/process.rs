//! The real `pylon` program, run as its users run it.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// The program, as `cargo build --release` leaves it beside the tests.
pub fn pylon() -> PathBuf {
    let beside = std::env::current_exe()
        .unwrap()
        .ancestors()
        .find(|folder| folder.join("pylon").is_file())
        .map(|folder| folder.join("pylon"));
    beside.expect("build the program first: cargo build --release")
}

/// A command of the program in this home, with nothing of the caller's environment that would change it.
pub fn command(home: &std::path::Path, args: &[&str]) -> Command {
    let mut command = Command::new(pylon());
    command.args(args).env("PYLON_HOME", home).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub fn run(home: &std::path::Path, args: &[&str]) -> Output {
    command(home, args).output().unwrap()
}

/// A program that is killed when it is no longer looked at.
pub struct Running(pub Child);

impl Running {
    /// Starts a program and waits for the line with these words, which says that it is ready; gives the rest of that line. What it says
    /// afterwards is read and forgotten.
    pub fn ready(mut command: Command, words: &'static str, within: Duration) -> (Self, String) {
        let (reader, writer) = std::io::pipe().unwrap();
        let program = Self(
            command
                .stdin(Stdio::null())
                .stdout(writer.try_clone().unwrap())
                .stderr(writer)
                .spawn()
                .unwrap(),
        );
        let name = format!("{:?}", command.get_program());
        // It holds the other end of the pipe, which would then never be closed.
        drop(command);
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let mut all = String::new();
            for line in BufReader::new(reader).lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once(words) {
                    let _ = tell.send(Ok(rest.to_owned()));
                }
                all.push_str(&line);
                all.push('\n');
            }
            let _ = tell.send(Err(all));
        });
        match told.recv_timeout(within) {
            Ok(Ok(rest)) => (program, rest),
            Ok(Err(all)) => panic!("{name} ended before it said `{words}`:\n{all}"),
            Err(_) => panic!("{name} did not say `{words}` within {within:?}"),
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Asks it to stop, as systemd does.
    pub fn terminate(&self) {
        self.signal(libc::SIGTERM);
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: i32) {
        let id = i32::try_from(self.0.id()).unwrap();
        #[allow(unsafe_code, reason = "the standard library cannot send this signal")]
        // SAFETY: `kill` touches no memory of ours, and the process is our own child, not waited for yet.
        let sent = unsafe { libc::kill(id, signal) };
        assert_eq!(sent, 0);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

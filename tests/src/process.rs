//! The real `pylon` program, as its users run it.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// The program, which Cargo puts next to the test binaries.
pub fn pylon() -> PathBuf {
    let built = std::env::current_exe()
        .unwrap()
        .ancestors()
        .find(|folder| folder.join("pylon").is_file())
        .map(|folder| folder.join("pylon"));
    built.expect("build the program first: cargo build --release")
}

/// A command of the program in this home, without the variables of the caller that would change it.
pub fn command(home: &std::path::Path, args: &[&str]) -> Command {
    let mut command = Command::new(pylon());
    command.args(args).env("PYLON_HOME", home).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub fn run(home: &std::path::Path, args: &[&str]) -> Output {
    command(home, args).output().unwrap()
}

/// A running program, killed on drop.
pub struct Running(pub Child);

impl Running {
    /// Starts a program and waits for the line with this text, which says that it is ready; returns
    /// the rest of that line. Later output is read and discarded.
    pub fn ready(mut command: Command, text: &'static str, timeout: Duration) -> (Self, String) {
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
        // It holds the writing end of the pipe.
        drop(command);
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut all = String::new();
            for line in BufReader::new(reader).lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once(text) {
                    let _ = sender.send(Ok(rest.to_owned()));
                }
                all.push_str(&line);
                all.push('\n');
            }
            let _ = sender.send(Err(all));
        });
        match receiver.recv_timeout(timeout) {
            Ok(Ok(rest)) => (program, rest),
            Ok(Err(all)) => panic!("{name} ended before it printed `{text}`:\n{all}"),
            Err(_) => panic!("{name} did not print `{text}` within {timeout:?}"),
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Sends SIGTERM, as systemd does.
    pub fn terminate(&self) {
        self.signal(libc::SIGTERM);
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: i32) {
        let id = i32::try_from(self.0.id()).unwrap();
        #[allow(unsafe_code, reason = "the standard library cannot send this signal")]
        // SAFETY: `kill` touches no memory of ours, and the process is our own child, not waited
        // for yet.
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

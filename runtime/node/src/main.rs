//! The `pylon` command: parse, match, run. What a command does lives in `commands`, one file each; nothing is decided here.

use clap::Parser;
use pylon::cli::{Cli, Command};
use pylon::commands;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything can open a connection. An error means that it is installed already.
    rustls::crypto::ring::default_provider().install_default().ok();
    let done = match Cli::parse().command {
        Command::Init => commands::init::run(),
        Command::Start(args) => commands::start::run(&args),
        Command::Job(command) => commands::job::run(&command),
        Command::Demo(args) => commands::demo::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pylon: {}", one_line(&error));
            ExitCode::FAILURE
        }
    }
}

/// What failed and why, in one line, whatever the cause had to say.
fn one_line(error: &anyhow::Error) -> String {
    let whole = format!("{error:#}");
    whole.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::one_line;

    /// Goal: scripts and logs get one line. Method: a cause of several lines.
    #[test]
    fn an_error_is_one_line() {
        let error = anyhow::anyhow!("disk full\n\n  at block 9\n").context("cannot write");
        assert_eq!(one_line(&error), "cannot write: disk full; at block 9");
    }
}

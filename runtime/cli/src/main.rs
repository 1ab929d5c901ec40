//! The `pylon` command: parse, match, run. What a command does lives in `commands`, one file each; nothing is decided here.

mod args;
mod commands;
mod daemon;
mod demo;
mod earnings;
mod log;
mod output;
mod progress;
mod purchases;
mod secret;

use args::{Cli, Command, JobsCommand};
use clap::Parser;
use output::{SaidNo, Unread, note};
use pylon_core::text::sanitize_line;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything can open a connection. An error means that it is installed already.
    rustls::crypto::ring::default_provider().install_default().ok();
    let done = match Cli::parse().command {
        Command::Init(args) => commands::init::run(&args),
        Command::Start(args) => commands::start::run(&args),
        Command::Stop(args) => commands::stop::run(&args),
        Command::Status(args) => commands::status::run(&args),
        Command::Doctor(args) => commands::doctor::run(&args),
        Command::Earnings(args) => commands::earnings::run(&args),
        Command::Jobs(JobsCommand::List(args)) => commands::jobs_list::run(&args),
        Command::Jobs(JobsCommand::Show(args)) => commands::jobs_show::run(&args),
        Command::Jobs(JobsCommand::Release(args)) => commands::jobs_review::run(&args, true),
        Command::Jobs(JobsCommand::Reject(args)) => commands::jobs_review::run(&args, false),
        Command::Events(args) => commands::events::run(&args),
        Command::Backends(args) => commands::backends::run(&args),
        Command::Models(args) => commands::models::run(&args),
        Command::Reload(args) => commands::reload::run(&args),
        Command::Backup(args) => commands::backup::run(&args),
        Command::Job(command) => commands::job::run(&command),
        Command::Guest(command) => commands::guest::run(&command),
        Command::Demo(args) => commands::demo::run(&args),
        Command::Completions(args) => commands::completions::run(&args),
        Command::Man(args) => commands::man::run(&args),
        Command::CompileComponent(args) => commands::compile_component::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Unread>() => ExitCode::SUCCESS,
        Err(error) if error.is::<SaidNo>() => ExitCode::FAILURE,
        Err(error) => {
            // Where even this cannot be said, the exit code says it.
            note(&format!("pylon: {}", one_line(&error)));
            ExitCode::FAILURE
        }
    }
}

/// What failed and why, in one line, whatever the cause had to say.
fn one_line(error: &anyhow::Error) -> String {
    let whole = format!("{error:#}");
    sanitize_line(
        &whole
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect::<Vec<_>>()
            .join("; "),
    )
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

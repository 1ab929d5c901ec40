//! The `pylon` program: parses the command line and runs the command. Each command is a file in
//! `commands`.

mod args;
mod commands;
mod daemon;
mod demo;
mod earnings;
mod log;
mod output;
mod progress;
mod secret;
mod sent_requests;
mod subprocess_compiler;

use args::{Command, JobsCommand};
use output::{BrokenPipe, SilentFailure, eprint};
use pylon_core::text::sanitize_line;
use std::process::ExitCode;

fn main() -> ExitCode {
    pylon_node::panics::install_hook();
    // Needed by every connection. An error means that it is already installed.
    rustls::crypto::ring::default_provider().install_default().ok();
    let cli = args::parse();
    cli.color.write_global();
    let result = match cli.command {
        Command::Init(args) => commands::init::run(&args),
        Command::Start(args) => commands::start::run(&args),
        Command::Stop(args) => commands::stop::run(&args),
        Command::Restart(args) => commands::restart::run(&args),
        Command::Logs(args) => commands::logs::run(&args),
        Command::Status(args) => commands::status::run(&args),
        Command::Doctor(args) => commands::doctor::run(&args),
        Command::Earnings(args) => commands::earnings::run(&args),
        Command::Jobs(JobsCommand::List(args)) => commands::jobs_list::run(&args),
        Command::Jobs(JobsCommand::Show(args)) => commands::jobs_show::run(&args),
        Command::Jobs(JobsCommand::Accept(args)) => commands::jobs_review::run(&args, true),
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
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<BrokenPipe>() => ExitCode::SUCCESS,
        Err(error) if error.is::<SilentFailure>() => ExitCode::FAILURE,
        Err(error) => {
            eprint(&format!("pylon: {}", one_line(&error)));
            ExitCode::FAILURE
        }
    }
}

/// The error with its causes, on one line.
fn one_line(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    sanitize_line(
        &text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; "),
    )
}

#[cfg(test)]
mod tests {
    use super::one_line;

    /// Goal: an error is one line. Method: a cause with several lines.
    #[test]
    fn error_is_one_line() {
        let error = anyhow::anyhow!("disk full\n\n  at block 9\n").context("cannot write");
        assert_eq!(one_line(&error), "cannot write: disk full; at block 9");
    }
}

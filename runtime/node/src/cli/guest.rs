//! `pylon guest`: what who writes guests, and who runs them, may write.

pub mod records;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum GuestCommand {
    /// Ask again what was asked about a job, of the guests of that time, and compare
    ///
    /// Exit code 0: every answer is as it was recorded. 1: one is not.
    Replay(records::ReplayArgs),
    /// Do the same for all jobs, and look whether a record was changed or is missing
    ///
    /// Exit code 0: the log is as it was written. 1: it is not.
    VerifyLog(records::VerifyLogArgs),
    /// Ask another policy what was asked before, and show what it would have changed
    Backtest(records::BacktestArgs),
}

//! Wallets that are paid, one file or folder each; what money means to a job is the core's business.

pub mod play_money;

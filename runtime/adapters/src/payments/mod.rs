//! Wallets, one file or folder each. The core decides what a payment means for a job.

pub mod play_money;

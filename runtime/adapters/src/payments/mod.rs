//! Wallets that are paid. A row is a wallet's name in `[wallet]` and the file that speaks to it; what money means to a
//! job is the core's business.

pub mod play_money;

//! The commands, one file each.

pub mod demo;
pub mod init;
pub mod job;
pub mod start;

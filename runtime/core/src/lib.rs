//! What the node decides: the words it thinks in, the machine of one job, the order in which jobs run, and the ports to the world.
//!
//! Nothing here does IO, reads a clock or knows a protocol: time is an argument, the world is a trait in [`ports`], and an answer is a value.

#![warn(missing_docs)]

pub mod admission;
pub mod asks;
pub mod courtesy;
pub mod decision;
pub mod decision_summary;
pub mod event;
pub mod hex32;
pub mod job;
pub mod lookout;
pub mod machine;
pub mod money;
pub mod ports;
pub mod recent;
pub mod schedule;
pub mod settings;
pub mod slots;
pub mod sources;
pub mod text;
pub mod time;
pub mod transcript;
pub mod units;
pub mod work;

pub use hex32::{Digest, JobId, MessageId, PaymentHash, PublicKey};
pub use job::{Input, InputSource, Job, Param};
pub use money::Msat;
pub use time::UnixTime;

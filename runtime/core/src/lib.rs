//! The core: domain types, the state machine of a job, the scheduler, and the ports.
//!
//! The core is pure. It does no I/O, reads no clock and knows no protocol: time is an argument, and
//! everything outside is a trait in [`ports`].

#![warn(missing_docs)]

pub mod admission;
pub mod backoff;
pub mod completion;
pub mod decision;
pub mod decision_summary;
pub mod earnings;
pub mod event;
pub mod guest;
pub mod ids;
pub mod input;
pub mod installation;
pub mod job;
pub mod machine;
pub mod message;
pub mod model_name;
pub mod money;
pub mod names;
pub mod payment;
pub mod ports;
pub mod price_index;
pub mod probe_backoff;
pub mod recent;
pub mod refusal_limit;
pub mod rows;
pub mod schedule;
pub mod settings;
pub mod slots;
pub mod sources;
pub mod sync;
pub mod text;
pub mod time;
pub mod transcript;
pub mod units;
pub mod work;

pub use ids::{Digest, JobId, MessageId, PaymentHash, PublicKey};
pub use input::{Input, InputSource};
pub use job::{Job, Param};
pub use money::Msat;
pub use time::UnixTime;

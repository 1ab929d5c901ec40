//! NIP-90 as pure functions: events in, the core's words out, and back. Also what a buyer reads and writes.
//!
//! The one place that knows tag names. It never looks at a signature (the relay side did), a socket or a clock. `request` reads and writes
//! what is asked, `answer` writes what is said to it and `heard` reads that, `tags` has the tags of all. `secrecy` is what only one other may read,
//! `parts` what is too large for one event, `subject` what a message is about.

mod answer;
mod heard;
pub mod parts;
mod request;
pub mod secrecy;
mod subject;
mod tags;
#[cfg(test)]
mod tests;

pub use answer::{check, write};
pub use heard::{Asked, Delivered, Feedback, parse_ask, parse_feedback, parse_result};
pub use parts::{
    MAX_PARTS, MAX_WHOLE_BYTES, PART_KIND, Parts, ROOM_BYTES, ROOM_BYTES_MIN, Room, assemble,
};
pub use request::{Ignored, Reader, Screened, cancellation, confidential_request, request};
pub use secrecy::Scheme;
pub use subject::{about, standing};
pub use tags::{AnswerTag, RequestTag, Standing};

use std::ops::RangeInclusive;

/// Requests.
pub const REQUEST_KINDS: RangeInclusive<u16> = 5000..=5999;
/// A result is its request's kind plus this.
pub const RESULT_OFFSET: u16 = 1000;
/// How a job stands.
pub const FEEDBACK_KIND: u16 = 7000;
/// NIP-09.
pub const DELETION_KIND: u16 = 5;

/// Content and tags of a request together.
pub const MAX_REQUEST_BYTES: usize = 64 * 1024;
/// Tags of a request.
pub const MAX_TAGS: usize = 200;
/// Requests that one deletion may withdraw; the rest of it is not read.
pub const MAX_CANCELLED: usize = 100;

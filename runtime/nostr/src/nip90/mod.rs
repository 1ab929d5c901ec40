//! NIP-90 as pure functions: events in, the core's words out, and back. Also what a buyer reads and writes.
//!
//! The one place that knows tag names. It never looks at a signature (the relay side did), a socket or a clock. `request` reads and writes
//! what is asked, `answer` writes what is said to it and `heard` reads that, `tags` has the tags of all. `encryption` is what only one other may read,
//! `parts` what is too large for one event, `subject` what a message is about.

pub mod encryption;
pub mod parts;
mod request;
mod responses;
mod tags;
#[cfg(test)]
mod tests;
mod trace;
mod writer;

pub use encryption::Encryption;
pub use parts::{
    EVENT_BYTES_DEFAULT, EVENT_BYTES_MIN, PART_KIND, PARTS_MAX, Parts, SizeLimit, WHOLE_BYTES_MAX,
    assemble,
};
pub use request::{Ignored, Reader, Screened, cancellation, confidential_request, request};
pub use responses::{Asked, Delivered, Feedback, parse_feedback, parse_price, parse_result};
pub use tags::{AnswerTag, FeedbackStatus, RequestTag};
pub use trace::{about, status};
pub use writer::{check, write};

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
pub const REQUEST_BYTES_MAX: usize = 64 * 1024;
/// Tags of a request.
pub const TAGS_MAX: usize = 200;
/// Requests that one deletion may withdraw; the rest of it is not read.
pub const CANCELLED_MAX: usize = 100;

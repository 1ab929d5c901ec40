//! NIP-90 as pure functions: from events to the core's types and back, for the provider and the
//! buyer.
//!
//! Only this module knows tag names. It checks no signature (the relay side does), opens no socket
//! and reads no clock. `request` reads and writes requests, `writer` writes answers and `responses`
//! reads them, `tags` are the tags of both. `encryption` is for confidential jobs, `parts` for
//! large answers, `trace` for logs.

mod assemble;
mod empty_tags;
pub mod encryption;
pub mod parts;
mod protocol;
mod request;
mod responses;
mod tags;
#[cfg(test)]
mod tests;
mod trace;
mod writer;

pub use assemble::assemble;
pub(crate) use empty_tags::without_empty_tags;
pub use encryption::Encryption;
pub(crate) use parts::frame_bytes;
pub use parts::{
    EVENT_BYTES_DEFAULT, EVENT_BYTES_MIN, EVENT_TAGS_MIN, PART_KIND, PARTS_MAX, Parts, SizeLimit,
    WHOLE_BYTES_MAX,
};
pub use protocol::{
    CANCELLED_MAX, DELETION_KIND, FEEDBACK_KIND, REQUEST_BYTES_MAX, REQUEST_KINDS, RESULT_OFFSET,
    TAGS_MAX,
};
pub use request::{Ignored, Reader, Screened, cancellation, confidential_request, request};
pub use responses::{Delivered, Feedback, QuotedPrice, parse_feedback, parse_price, parse_result};
pub use tags::{AnswerTag, FeedbackStatus, RequestTag};
pub use trace::{job_id_of, status_of};
pub use writer::{check, write};

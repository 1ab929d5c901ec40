//! The kinds of events, and the limits of requests.

use std::ops::RangeInclusive;

/// The kinds of requests.
pub const REQUEST_KINDS: RangeInclusive<u16> = 5000..=5999;
/// The kind of a result is that of its request plus this.
pub const RESULT_OFFSET: u16 = 1000;
/// The kind of feedback about a job.
pub const FEEDBACK_KIND: u16 = 7000;
/// The kind of a deletion (NIP-09).
pub const DELETION_KIND: u16 = 5;

/// Content and tags of a request together.
pub const REQUEST_BYTES_MAX: usize = 64 * 1024;
/// Tags of a request.
pub const TAGS_MAX: usize = 200;
/// Requests that one deletion may withdraw; further ones are ignored.
pub const CANCELLED_MAX: usize = 100;

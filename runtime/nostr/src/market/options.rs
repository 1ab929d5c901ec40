//! Settings and limits of the market.

use super::intake::QueueLimits;
use crate::announcement::HEARTBEAT_SECONDS;
use crate::nip90::TAGS_MAX;
use pylon_core::UnixTime;
use std::time::Duration;

/// Size of a message of a relay. A request of the maximum size fits twice, however it is escaped.
pub(super) const MESSAGE_BYTES_MAX: u32 = 256 * 1024;
/// Tags of an event. A request with somewhat too many is still answered, as any other; for one with
/// more not even the signature is checked, unless it names us.
pub(super) const EVENT_TAGS_MAX: usize = TAGS_MAX * 2;
/// Notifications of a relay that wait to be read. Events do not pass through here.
pub(super) const NOTIFICATIONS_MAX: usize = 4096;
/// Changes of connections that wait to be read.
pub(super) const CHANGES_MAX: usize = 256;

/// Settings. The defaults are for a public node.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Number of relays that must accept a message before it counts as delivered.
    pub quorum: usize,
    /// Timeout of one delivery attempt.
    pub send_timeout: Duration,
    /// Older requests are not subscribed to. Requests too old to be accepted never are.
    pub since: UnixTime,
    /// Delay before an unreachable relay is tried again; grows with every failure.
    pub retry: Duration,
    /// Delay before a relay that closed a subscription is asked again; doubles each time.
    pub backoff: Duration,
    /// Timeout until a relay has sent its stored events; then it is asked again.
    pub answer_timeout: Duration,
    /// A running subscription is renewed at this interval, because a relay may stop sending without
    /// notice.
    pub probe_interval: Duration,
    /// Events in the queue.
    pub queue_events: usize,
    /// Bytes of these events.
    pub queue_bytes: usize,
    /// How long an event may block its relay while the queue is full.
    pub queue_timeout: Duration,
    /// Changes of the announcement within this time are published together.
    pub debounce: Duration,
    /// Interval at which relays are asked whether they still have the announcement.
    pub reannounce_interval: Duration,
    /// Interval of the heartbeat.
    pub heartbeat_interval: Duration,
    /// Interval at which the clock is compared with the monotonic clock.
    pub clock_interval: Duration,
}

impl Options {
    pub(super) fn queue_limits(&self) -> QueueLimits {
        let Self { queue_events, queue_bytes, queue_timeout, .. } = *self;
        QueueLimits { events: queue_events, bytes: queue_bytes, wait: queue_timeout }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            quorum: 1,
            send_timeout: Duration::from_secs(10),
            since: UnixTime::new(0),
            retry: Duration::from_secs(10),
            backoff: Duration::from_secs(1),
            answer_timeout: Duration::from_secs(30),
            probe_interval: Duration::from_secs(300),
            queue_events: 32_768,
            queue_bytes: 64 * 1024 * 1024,
            queue_timeout: Duration::from_secs(5),
            debounce: Duration::from_secs(2),
            reannounce_interval: Duration::from_secs(6 * 3600),
            heartbeat_interval: Duration::from_secs(HEARTBEAT_SECONDS),
            clock_interval: Duration::from_secs(5),
        }
    }
}

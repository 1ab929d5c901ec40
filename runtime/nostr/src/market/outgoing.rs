//! What relays were sent and how they answered. A relay is sent each event of a message once, until
//! it refuses the event for good or does not answer; a retry continues where the relay stopped.

use crate::refusal_reason;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use nostr_sdk::prelude::{ClientMessage, Event, EventId, MachineReadablePrefix, Relay, RelayUrl};
use pylon_core::JobId;
use pylon_core::message::{RelayRefusal, SendOutcome};
use pylon_core::sync::lock;
use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// Events whose answers are remembered; a forgotten one may be sent to the same relay again.
const REMEMBERED_MAX: usize = 16_384;
/// Refusals that wait to be read; further ones are only logged.
const REFUSALS_MAX: usize = 256;
/// A relay that closes the connection on an event of this size may not accept its size.
const LARGE_EVENT_BYTES: usize = crate::nip90::EVENT_BYTES_MIN;
/// A relay that closes the connection this often on one event is not sent it again.
const HANG_UPS_MAX: u32 = 2;

/// The answer of one relay to one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RelayAnswer {
    Accepted,
    Later,
    /// For good, with the reason.
    Refused(String),
}

impl RelayAnswer {
    /// By the prefix of the message (NIP-01). A refusal without a known prefix may be temporary.
    pub(super) fn of(accepted: bool, message: &str) -> Self {
        match MachineReadablePrefix::parse(message) {
            _ if accepted => Self::Accepted,
            Some(MachineReadablePrefix::Duplicate) => Self::Accepted,
            Some(
                MachineReadablePrefix::Blocked
                | MachineReadablePrefix::Pow
                | MachineReadablePrefix::Invalid
                | MachineReadablePrefix::Unsupported
                | MachineReadablePrefix::Restricted,
            ) => Self::Refused(refusal_reason(message)),
            _ => Self::Later,
        }
    }
}

/// Where an event is with one relay.
enum Progress {
    /// The library sends it with the next connection.
    Queued,
    /// It waits for the answer.
    Sent(Option<oneshot::Sender<()>>),
    /// The relay did not answer, or not for good.
    Undecided,
    Accepted,
    Refused,
}

/// One relay and one event.
struct AtRelay {
    progress: Progress,
    hang_ups: u32,
}

struct SentEvent {
    job: Option<JobId>,
    kind: u16,
    bytes: usize,
    relays: HashMap<RelayUrl, AtRelay>,
}

#[derive(Default)]
struct SentEvents {
    by_id: HashMap<EventId, SentEvent>,
    order: VecDeque<EventId>,
}

/// Routes each `OK` to the sender of the event, and remembers it.
pub(super) struct Outgoing {
    sent: Mutex<SentEvents>,
    refusals: mpsc::Sender<RelayRefusal>,
}

impl Outgoing {
    /// The receiver gets the refusals of messages about jobs.
    pub(super) fn new() -> (Self, mpsc::Receiver<RelayRefusal>) {
        let (refusals, receiver) = mpsc::channel(REFUSALS_MAX);
        (Self { sent: Mutex::default(), refusals }, receiver)
    }

    /// A relay has answered with OK. What it has decided for good does not change.
    pub(super) fn on_ok(&self, relay: &RelayUrl, id: &EventId, accepted: bool, message: &str) {
        let mut sent = self.sent();
        let Some(event) = sent.by_id.get_mut(id) else { return };
        let Some(at) = event.relays.get_mut(relay) else { return };
        let answered = match &mut at.progress {
            Progress::Accepted | Progress::Refused => return,
            Progress::Sent(answered) => answered.take(),
            Progress::Queued | Progress::Undecided => None,
        };
        match RelayAnswer::of(accepted, message) {
            RelayAnswer::Accepted => at.progress = Progress::Accepted,
            RelayAnswer::Later => {
                let reason = refusal_reason(message);
                tracing::debug!(url = %relay, kind = event.kind, reason, "the relay defers an event");
                at.progress = Progress::Undecided;
            }
            RelayAnswer::Refused(reason) => {
                at.progress = Progress::Refused;
                self.refused(relay, event, reason);
            }
        }
        drop(answered);
    }

    /// The connection to a relay has ended. Of the events without an answer the largest is the
    /// suspected cause; if it was the cause before, the relay is not sent it again. Returns its
    /// size then.
    pub(super) fn on_disconnect(&self, relay: &RelayUrl) -> Option<usize> {
        let mut sent = self.sent();
        let mut suspect: Option<&mut SentEvent> = None;
        for event in sent.by_id.values_mut() {
            let Some(at) = event.relays.get_mut(relay) else { continue };
            if !matches!(at.progress, Progress::Sent(_)) {
                continue;
            }
            at.progress = Progress::Undecided;
            let is_larger = suspect.as_ref().is_none_or(|other| other.bytes < event.bytes);
            if event.bytes > LARGE_EVENT_BYTES && is_larger {
                suspect = Some(event);
            }
        }
        let event = suspect?;
        let at = event.relays.get_mut(relay)?;
        at.hang_ups += 1;
        if at.hang_ups < HANG_UPS_MAX {
            return None;
        }
        at.progress = Progress::Refused;
        let (bytes, times) = (event.bytes, at.hang_ups);
        self.refused(
            relay,
            event,
            format!("closed the connection {times} times when it was sent {bytes} bytes"),
        );
        Some(bytes)
    }

    /// Sends the events of a message to every connected relay, each after the relay has accepted
    /// the one before. Waits until enough relays have accepted all of them, or no further relay
    /// does for now.
    pub(super) async fn deliver(
        &self,
        events: &[Event],
        relays: &[Relay],
        quorum: usize,
        answer_timeout: Duration,
    ) -> SendOutcome {
        let (near, away): (Vec<_>, Vec<_>) = relays.iter().partition(|relay| relay.is_connected());
        let mut sending = near
            .iter()
            .map(|relay| self.send_to(relay, events, answer_timeout))
            .collect::<FuturesUnordered<_>>();
        // A result is also queued for relays that are disconnected now. Feedback is not worth it.
        let is_feedback =
            events.last().is_some_and(|event| event.kind.as_u16() == crate::nip90::FEEDBACK_KIND);
        if !near.is_empty() && !is_feedback {
            away.iter().for_each(|relay| self.queue_for(relay, events));
        }
        let mut accepted = 0;
        while let Some(has_accepted) = sending.next().await {
            accepted += usize::from(has_accepted);
            // The parts of a message are useful to a relay only together, so all are waited for.
            if accepted >= quorum && events.len() == 1 {
                break;
            }
        }
        drop(sending);
        let refused = relays.iter().filter(|relay| self.has_refused(relay.url(), events)).count();
        if accepted >= quorum || accepted > 0 && accepted + refused == relays.len() {
            SendOutcome::Delivered
        } else if refused == relays.len() {
            SendOutcome::Refused
        } else {
            SendOutcome::Retry
        }
    }

    /// Forgets what relays answered to this event, so that it is sent to them again.
    pub(super) fn forget(&self, id: &EventId) {
        self.sent().by_id.remove(id);
    }

    /// Sends one relay the events that it has not accepted yet. Has it accepted all of them?
    async fn send_to(&self, relay: &Relay, events: &[Event], answer_timeout: Duration) -> bool {
        for event in events {
            if let Some(answered) = self.begin(relay, event) {
                // Resolves with the answer, and with the end of the connection.
                let _ = timeout(answer_timeout, answered).await;
            }
            if !self.has_accepted(relay.url(), &event.id) {
                return false;
            }
        }
        true
    }

    /// Sends the event, unless the relay has decided. Resolves when it answers.
    fn begin(&self, relay: &Relay, event: &Event) -> Option<oneshot::Receiver<()>> {
        let mut sent = self.sent();
        let at = sent.at(relay.url(), event);
        match at.progress {
            Progress::Accepted | Progress::Refused => return None,
            // The library has sent it with this connection.
            Progress::Queued => {}
            Progress::Undecided | Progress::Sent(_) => {
                relay.send_msg(ClientMessage::Event(Cow::Borrowed(event))).ok()?;
            }
        }
        let (answer, answered) = oneshot::channel();
        at.progress = Progress::Sent(Some(answer));
        Some(answered)
    }

    /// Has the library send the events with the next connection, each once.
    fn queue_for(&self, relay: &Relay, events: &[Event]) {
        let mut sent = self.sent();
        for event in events {
            let at = sent.at(relay.url(), event);
            if matches!(at.progress, Progress::Undecided | Progress::Sent(_)) {
                let frame = ClientMessage::Event(Cow::Borrowed(event));
                if relay.send_msg(frame).is_err() {
                    return;
                }
                at.progress = Progress::Queued;
            }
        }
    }

    fn has_accepted(&self, relay: &RelayUrl, id: &EventId) -> bool {
        let sent = self.sent();
        let at = sent.by_id.get(id).and_then(|event| event.relays.get(relay));
        at.is_some_and(|at| matches!(at.progress, Progress::Accepted))
    }

    fn has_refused(&self, relay: &RelayUrl, events: &[Event]) -> bool {
        let sent = self.sent();
        events.iter().any(|event| {
            let at = sent.by_id.get(&event.id).and_then(|event| event.relays.get(relay));
            at.is_some_and(|at| matches!(at.progress, Progress::Refused))
        })
    }

    fn refused(&self, relay: &RelayUrl, event: &SentEvent, reason: String) {
        let kind = event.kind;
        let Some(job) = event.job else {
            tracing::warn!(url = %relay, kind, reason, "the relay refuses an event");
            return;
        };
        tracing::warn!(job = %job.short(), url = %relay, kind, reason, "the relay refuses an event");
        // Without a reader, or if there are very many, the log has them.
        let _ = self.refusals.try_send(RelayRefusal { job, relay: relay.to_string(), reason });
    }

    fn sent(&self) -> std::sync::MutexGuard<'_, SentEvents> {
        lock(&self.sent)
    }
}

impl SentEvents {
    fn at(&mut self, relay: &RelayUrl, event: &Event) -> &mut AtRelay {
        if !self.by_id.contains_key(&event.id) {
            self.order.push_back(event.id);
            if self.order.len() > REMEMBERED_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.by_id.remove(&oldest);
            }
        }
        let job = || event.tags.event_ids().next().map(|id| JobId::from_bytes(id.to_bytes()));
        let sent = self.by_id.entry(event.id).or_insert_with(|| SentEvent {
            job: job(),
            kind: event.kind.as_u16(),
            bytes: crate::nip90::frame_bytes(event),
            relays: HashMap::new(),
        });
        sent.relays
            .entry(relay.clone())
            .or_insert_with(|| AtRelay { progress: Progress::Undecided, hang_ups: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The prefix of a refusal decides whether another attempt makes sense.
    #[test]
    fn the_prefix_decides_whether_a_refusal_is_final() {
        let refused = |reason: &str| RelayAnswer::Refused(reason.to_owned());
        for (accepted, message, answer) in [
            (true, "", RelayAnswer::Accepted),
            (true, "duplicate: have it", RelayAnswer::Accepted),
            (false, "duplicate: have it", RelayAnswer::Accepted),
            (false, "blocked: no", refused("blocked: no")),
            (false, "pow: 28 bits needed", refused("pow: 28 bits needed")),
            (false, "invalid: too large", refused("invalid: too large")),
            (false, "restricted: members\nonly", refused("restricted: members only")),
            (false, "blocked:", refused("blocked")),
            (false, "invalid: ", refused("invalid")),
            (false, "rate-limited: slow down", RelayAnswer::Later),
            (false, "auth-required: who are you", RelayAnswer::Later),
            (false, "error: disk", RelayAnswer::Later),
            (false, "", RelayAnswer::Later),
            (false, "no", RelayAnswer::Later),
        ] {
            assert_eq!(RelayAnswer::of(accepted, message), answer, "{message}");
        }
    }
}

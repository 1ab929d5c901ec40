//! Events that wait for the answers of relays.

use nostr_sdk::prelude::{ClientMessage, Event, EventId, MachineReadablePrefix, Relay, RelayUrl};
use pylon_core::message::SendOutcome;
use pylon_core::sync::lock;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// The answer of one relay to one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RelayAnswer {
    Accepted,
    Later,
    Refused,
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
            ) => Self::Refused,
            _ => Self::Later,
        }
    }
}

/// Routes each `OK` to the sender of the event.
#[derive(Default)]
pub(super) struct Outgoing {
    waiting: Mutex<HashMap<EventId, Answers>>,
}

/// Only the first answer of each relay counts.
struct Answers {
    answered: HashSet<RelayUrl>,
    answers: mpsc::Sender<RelayAnswer>,
}

impl Outgoing {
    /// A relay has answered with OK.
    pub(super) fn on_ok(&self, relay: &RelayUrl, id: &EventId, accepted: bool, message: &str) {
        if let Some(answers) = self.waiting().get_mut(id)
            && answers.answered.insert(relay.clone())
        {
            // The channel has room for every relay.
            let _ = answers.answers.try_send(RelayAnswer::of(accepted, message));
        }
    }

    /// Sends the event to every connected relay and waits until enough have accepted it or the rest
    /// refuse.
    pub(super) async fn offer(
        &self,
        event: &Event,
        relays: &[Relay],
        quorum: usize,
        deadline: Duration,
    ) -> SendOutcome {
        let (sender, mut answers) = mpsc::channel(relays.len().max(1));
        self.waiting().insert(event.id, Answers { answered: HashSet::new(), answers: sender });
        let _registration = Registration { outgoing: self, id: event.id };

        let (near, away): (Vec<_>, Vec<_>) = relays.iter().partition(|relay| relay.is_connected());
        let send =
            |relay: &Relay| relay.send_msg(ClientMessage::Event(Cow::Borrowed(event))).is_ok();
        let asked = near.iter().filter(|relay| send(relay)).count();
        // A result is also queued for relays that are disconnected now. Feedback is not worth it.
        if asked > 0 && event.kind.as_u16() != crate::nip90::FEEDBACK_KIND {
            for relay in &away {
                let _queued = send(relay);
            }
        }

        let (mut accepted, mut refused) = (0, 0);
        let counted = timeout(deadline, async {
            for _ in 0..asked {
                match answers.recv().await {
                    Some(RelayAnswer::Accepted) => accepted += 1,
                    Some(RelayAnswer::Refused) => refused += 1,
                    Some(RelayAnswer::Later) => {}
                    None => break,
                }
                if accepted >= quorum {
                    break;
                }
            }
        });
        // On a timeout the answers so far decide.
        let _ = counted.await;
        if accepted >= quorum {
            SendOutcome::Delivered
        } else if refused == relays.len() {
            SendOutcome::Refused
        } else {
            SendOutcome::Retry
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<EventId, Answers>> {
        lock(&self.waiting)
    }
}

/// Unregisters when the wait ends, also when it is dropped.
struct Registration<'a> {
    outgoing: &'a Outgoing,
    id: EventId,
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        self.outgoing.waiting().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The prefix of a refusal decides whether another attempt makes sense.
    #[test]
    fn the_prefix_decides_whether_a_refusal_is_final() {
        for (accepted, message, answer) in [
            (true, "", RelayAnswer::Accepted),
            (true, "duplicate: have it", RelayAnswer::Accepted),
            (false, "duplicate: have it", RelayAnswer::Accepted),
            (false, "blocked: no", RelayAnswer::Refused),
            (false, "pow: 28 bits needed", RelayAnswer::Refused),
            (false, "invalid: too large", RelayAnswer::Refused),
            (false, "restricted: members only", RelayAnswer::Refused),
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

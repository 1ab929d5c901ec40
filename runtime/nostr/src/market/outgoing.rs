//! Events that wait for what relays say of them.

use nostr_sdk::prelude::{ClientMessage, Event, EventId, MachineReadablePrefix, Relay, RelayUrl};
use pylon_core::message::SendOutcome;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// What one relay made of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Taken,
    Later,
    Never,
}

impl Answer {
    /// NIP-01: the first word of the message says why. What nobody can read may pass.
    pub(super) fn of(accepted: bool, message: &str) -> Self {
        match MachineReadablePrefix::parse(message) {
            _ if accepted => Self::Taken,
            Some(MachineReadablePrefix::Duplicate) => Self::Taken,
            Some(
                MachineReadablePrefix::Blocked
                | MachineReadablePrefix::Pow
                | MachineReadablePrefix::Invalid
                | MachineReadablePrefix::Unsupported
                | MachineReadablePrefix::Restricted,
            ) => Self::Never,
            _ => Self::Later,
        }
    }
}

/// Routes each `OK` to whoever sent the event.
#[derive(Default)]
pub(super) struct Outgoing {
    waiting: Mutex<HashMap<EventId, Ballot>>,
}

/// One answer of each relay counts, however often it answers.
struct Ballot {
    voted: HashSet<RelayUrl>,
    answers: mpsc::Sender<Answer>,
}

impl Outgoing {
    /// A relay answered.
    pub(super) fn heard(&self, relay: &RelayUrl, id: &EventId, accepted: bool, message: &str) {
        if let Some(ballot) = self.waiting().get_mut(id)
            && ballot.voted.insert(relay.clone())
        {
            // There is room for every relay.
            let _ = ballot.answers.try_send(Answer::of(accepted, message));
        }
    }

    /// Offers the event to every relay within reach and waits until enough have it or none will.
    pub(super) async fn offer(
        &self,
        event: &Event,
        relays: &[Relay],
        quorum: usize,
        deadline: Duration,
    ) -> SendOutcome {
        let (sender, mut answers) = mpsc::channel(relays.len().max(1));
        self.waiting().insert(event.id, Ballot { voted: HashSet::new(), answers: sender });
        let _registration = Registration { outgoing: self, id: event.id };

        let (near, away): (Vec<_>, Vec<_>) = relays.iter().partition(|relay| relay.is_connected());
        let send =
            |relay: &Relay| relay.send_msg(ClientMessage::Event(Cow::Borrowed(event))).is_ok();
        let asked = near.iter().filter(|relay| send(relay)).count();
        // A result is worth its place in the line of a relay that will be back. Feedback is not.
        if asked > 0 && event.kind.as_u16() != crate::nip90::FEEDBACK_KIND {
            for relay in &away {
                let _in_line = send(relay);
            }
        }

        let (mut taken, mut never) = (0, 0);
        let tally = timeout(deadline, async {
            for _ in 0..asked {
                match answers.recv().await {
                    Some(Answer::Taken) => taken += 1,
                    Some(Answer::Never) => never += 1,
                    Some(Answer::Later) => {}
                    None => break,
                }
                if taken >= quorum {
                    break;
                }
            }
        });
        // Late is as good as silent: what was counted until then decides.
        let _ = tally.await;
        if taken >= quorum {
            SendOutcome::Delivered
        } else if never == relays.len() {
            SendOutcome::Refused
        } else {
            SendOutcome::Retry
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<EventId, Ballot>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends with the wait, also when the waiter is dropped.
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

    /// The first word of a refusal tells whether another try makes sense.
    #[test]
    fn a_refusal_is_final_or_not_by_its_first_word() {
        for (accepted, message, answer) in [
            (true, "", Answer::Taken),
            (true, "duplicate: have it", Answer::Taken),
            (false, "duplicate: have it", Answer::Taken),
            (false, "blocked: no", Answer::Never),
            (false, "pow: 28 bits needed", Answer::Never),
            (false, "invalid: too large", Answer::Never),
            (false, "restricted: members only", Answer::Never),
            (false, "rate-limited: slow down", Answer::Later),
            (false, "auth-required: who are you", Answer::Later),
            (false, "error: disk", Answer::Later),
            (false, "", Answer::Later),
            (false, "no", Answer::Later),
        ] {
            assert_eq!(Answer::of(accepted, message), answer, "{message}");
        }
    }
}

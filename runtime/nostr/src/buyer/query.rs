//! One question to all relays at once. None of them keeps what another one has from being heard, neither by silence nor by noise.

use futures::StreamExt;
use futures::future::ready;
use futures::stream::{self, SelectAll};
use nostr_sdk::prelude::{Event, Filter, MatchEventOptions, Relay, ReqExitPolicy};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How long one look at what relays have may take …
pub(super) const LOOK_TIMEOUT: Duration = Duration::from_secs(5);
/// … and how long the others have when one of them has said all it has.
const OTHERS_TIMEOUT: Duration = Duration::from_secs(3);
/// The library ends a subscription without a reply when its time is over. Ours is over before, so that silence is not taken for an end.
const SUBSCRIBED_TIMEOUT: Duration = Duration::from_secs(6);
/// Characters of a relay's reason.
const WHY_CHARS_MAX: usize = 200;

/// How much one relay may send.
#[derive(Clone, Copy)]
pub(super) struct SizeLimit {
    /// Events.
    pub events: usize,
    /// Bytes of their texts.
    pub bytes: u64,
}

/// What relays have.
pub(super) struct QueryResult {
    /// The newest first.
    pub events: BTreeSet<Event>,
    /// Relays that may have more, each with the reason why it was not told.
    pub unanswered: BTreeMap<String, String>,
}

/// How far one relay is.
struct Answer {
    relay: Relay,
    left: SizeLimit,
    end: Option<Result<(), String>>,
}

/// What these relays have for this filter, until all have said so or the time is over. Each has room of its own. A filter that names events is
/// answered when all of them are there.
pub(super) async fn look(
    relays: impl Iterator<Item = Relay>,
    filter: &Filter,
    room: SizeLimit,
    mut until: Instant,
) -> QueryResult {
    let (mut answers, mut replies) = (Vec::new(), SelectAll::new());
    for (at, relay) in relays.enumerate() {
        let question = filter.clone().limit(room.events);
        let end = match relay
            .stream_events(question, SUBSCRIBED_TIMEOUT, ReqExitPolicy::ExitOnEOSE)
            .await
        {
            Ok(answer) => {
                let to_its_end = answer.map(Some).chain(stream::once(ready(None)));
                replies.push(to_its_end.map(move |reply| (at, reply)).boxed());
                None
            }
            Err(error) => Some(Err(error.to_string())),
        };
        answers.push(Answer { relay, left: room, end });
    }
    let (mut events, mut missing) = (BTreeSet::new(), filter.ids.clone());
    while answers.iter().any(|answer| answer.end.is_none()) {
        let reply = tokio::select! {
            reply = replies.next() => reply,
            () = sleep_until(until) => None,
        };
        let Some((at, reply)) = reply else { break };
        let Some(answer) = answers.get_mut(at).filter(|answer| answer.end.is_none()) else {
            continue;
        };
        match reply {
            Some(Ok(event)) if answer.keeps(&event, filter) => {
                missing.iter_mut().for_each(|missing| _ = missing.remove(&event.id));
                events.insert(event);
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => answer.end = Some(Err(error.to_string())),
            None if answer.relay.is_connected() => answer.end = Some(Ok(())),
            None => answer.end = Some(Err("the connection broke".into())),
        }
        if missing.as_ref().is_some_and(BTreeSet::is_empty) {
            return QueryResult { events, unanswered: BTreeMap::new() };
        }
        if answer.end == Some(Ok(())) {
            until = until.min(Instant::now() + OTHERS_TIMEOUT);
        }
    }
    QueryResult { events, unanswered: answers.into_iter().filter_map(Answer::unanswered).collect() }
}

impl Answer {
    /// What was asked for, and there is room for it.
    fn keeps(&mut self, event: &Event, filter: &Filter) -> bool {
        // The library takes the id of a verified event as proof for whatever carries it. Only the hash proves it.
        if !filter.match_event(event, MatchEventOptions::new()) || !event.verify_id() {
            return false;
        }
        let Some((events, bytes)) =
            self.left.events.checked_sub(1).zip(self.left.bytes.checked_sub(text_bytes(event)))
        else {
            // Who looks by a command is told, too.
            tracing::error!(url = %self.relay.url(), "a relay sends more than it was asked for: the rest is not looked at");
            self.end = Some(Ok(()));
            return false;
        };
        self.left = SizeLimit { events, bytes };
        true
    }

    /// Why it may have more.
    fn unanswered(self) -> Option<(String, String)> {
        let why = match self.end {
            Some(Ok(())) => return None,
            Some(Err(why)) => why.chars().take(WHY_CHARS_MAX).collect(),
            None => "it did not come to an end in time".to_owned(),
        };
        tracing::warn!(url = %self.relay.url(), why, "a relay has not told all it has");
        Some((self.relay.url().to_string(), why))
    }
}

fn text_bytes(event: &Event) -> u64 {
    let tags = event.tags.iter().flat_map(|tag| tag.as_slice()).map(String::len);
    tags.chain([event.content.len()]).fold(0, |sum, bytes| sum.saturating_add(bytes as u64))
}

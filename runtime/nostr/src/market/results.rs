//! Results of other jobs that jobs wait for, and their verification.
//!
//! Any key can publish an event that claims to be the result of a job. It counts only together with
//! the signed request: its kind must correspond to that of the request, and if the request names
//! providers, one of them must be the author.
//!
//! Any key can also claim that a job has failed. That ends the wait only when each provider that
//! the request names has reported an error. If it names none, another provider may still deliver,
//! so only the timeout ends the wait.

use crate::has_valid_id;
use crate::nip90::{
    FEEDBACK_KIND, FeedbackStatus, REQUEST_KINDS, RESULT_OFFSET, parse_feedback, parse_result,
};
use nostr_sdk::prelude::{
    Alphabet, Event, EventId, Filter, JsonUtil, Kind, PublicKey, SingleLetterTag,
};
use pylon_core::sync::lock;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// Jobs that may be awaited at the same time, so that the filter stays small.
const WAITING_MAX: usize = 64;
/// Events about one job in the queue; the relay sends further ones again when it is asked again.
const QUEUE_MAX: usize = 64;
/// Results and errors that wait for their request.
const UNPROVEN_MAX: usize = 16;
/// Bytes of their texts, not counting the first: many jobs may wait at once, and a relay sends
/// messages of up to 256 KiB.
const UNPROVEN_BYTES_MAX: usize = 256 * 1024;

/// Why there is no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResultError {
    /// Too many jobs are awaited.
    Busy,
    /// No result before the timeout.
    TimedOut,
    /// Every provider that the request names reports an error.
    Failed,
    /// The result is encrypted to its customer.
    Encrypted,
    /// The result is larger than one event.
    InParts,
}

struct Waiter {
    ticket: u64,
    job: EventId,
    events: mpsc::Sender<Event>,
}

/// The awaited jobs and their waiters.
#[derive(Debug)]
pub(super) struct Results {
    waiting: Mutex<(u64, Vec<Waiter>)>,
    awaited: watch::Sender<Arc<[EventId]>>,
}

impl std::fmt::Debug for Waiter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.job)
    }
}

impl Default for Results {
    fn default() -> Self {
        Self { waiting: Mutex::default(), awaited: watch::Sender::new(Arc::from([])) }
    }
}

impl Results {
    /// The jobs whose results are awaited.
    pub(super) fn awaited(&self) -> watch::Receiver<Arc<[EventId]>> {
        self.awaited.subscribe()
    }

    /// The same, at this moment.
    pub(super) fn awaited_now(&self) -> Arc<[EventId]> {
        Arc::clone(&self.awaited.borrow())
    }

    /// Waits for the text that a provider delivers for this job.
    pub(super) async fn of(&self, job: EventId, within: Duration) -> Result<String, ResultError> {
        let (_guard, mut events) = self.wait_for(job).ok_or(ResultError::Busy)?;
        let mut proof = ResultProof::of(job);
        let found = timeout(within, async {
            loop {
                match events.recv().await.map(|event| proof.observe(event)) {
                    Some(Some(result)) => return result,
                    Some(None) => {}
                    None => return Err(ResultError::TimedOut),
                }
            }
        });
        found.await.unwrap_or(Err(ResultError::TimedOut))
    }

    /// An event that may be about an awaited job.
    pub(super) fn deliver(&self, event: &Event) {
        if !has_valid_id(event) {
            return;
        }
        // Most feedback is about progress and not needed.
        if event.kind.as_u16() == FEEDBACK_KIND && !is_error(event) {
            return;
        }
        for waiting in &self.lock().1 {
            if event.id == waiting.job || event.tags.event_ids().any(|id| *id == waiting.job) {
                let _ = waiting.events.try_send(event.clone());
            }
        }
    }

    fn wait_for(&self, job: EventId) -> Option<(WaiterGuard<'_>, mpsc::Receiver<Event>)> {
        let mut waiting = self.lock();
        let (tickets, all) = &mut *waiting;
        if all.len() >= WAITING_MAX {
            return None;
        }
        let (sender, events) = mpsc::channel(QUEUE_MAX);
        *tickets += 1;
        let ticket = *tickets;
        all.push(Waiter { ticket, job, events: sender });
        self.update_awaited(all);
        Some((WaiterGuard { results: self, ticket }, events))
    }

    /// Sent also if the job was awaited before, because a relay sends stored events only for a new
    /// subscription.
    fn update_awaited(&self, all: &[Waiter]) {
        let mut jobs: Vec<EventId> = all.iter().map(|waiting| waiting.job).collect();
        jobs.sort_unstable();
        jobs.dedup();
        self.awaited.send_replace(Arc::from(jobs));
    }

    fn lock(&self) -> MutexGuard<'_, (u64, Vec<Waiter>)> {
        lock(&self.waiting)
    }
}

/// Ends the wait, also when it is dropped.
struct WaiterGuard<'a> {
    results: &'a Results,
    ticket: u64,
}

impl Drop for WaiterGuard<'_> {
    fn drop(&mut self) {
        let mut waiting = self.results.lock();
        waiting.1.retain(|waiting| waiting.ticket != self.ticket);
        self.results.update_awaited(&waiting.1);
    }
}

/// Pure: the filters for these jobs: requests, results and feedback. Every filter has ids.
pub(super) fn filters(jobs: &[EventId], kinds_per_filter: usize) -> Vec<Filter> {
    if jobs.is_empty() {
        return Vec::new();
    }
    let kinds: Vec<u16> = REQUEST_KINDS.map(|kind| kind + RESULT_OFFSET).collect();
    let of_jobs = |kinds: &[u16]| {
        let tag = SingleLetterTag::lowercase(Alphabet::E);
        let kinds = kinds.iter().copied().map(Kind::from_u16);
        Filter::new().kinds(kinds).custom_tags(tag, jobs.iter().map(EventId::to_hex))
    };
    let requests = Filter::new().ids(jobs.iter().copied());
    // A separate filter, so that much feedback about a job does not hide its result.
    let feedback = of_jobs(&[FEEDBACK_KIND]);
    std::iter::once(requests)
        .chain(kinds.chunks(kinds_per_filter).map(of_jobs))
        .chain([feedback])
        .collect()
}

/// The state of one job, from events with valid signatures.
struct ResultProof {
    job: EventId,
    request: Option<Event>,
    unproven: Vec<Event>,
    /// The providers that the request names and that have reported an error.
    failed: HashSet<PublicKey>,
}

impl ResultProof {
    fn of(job: EventId) -> Self {
        Self { job, request: None, unproven: Vec::new(), failed: HashSet::new() }
    }

    /// Returns the result once it is proven, or the error that there will be none.
    fn observe(&mut self, event: Event) -> Option<Result<String, ResultError>> {
        if event.id == self.job {
            self.request.get_or_insert(event);
        } else if self.is_about(&event) {
            if self.request.is_none() {
                self.request = self.quoted(&event);
            }
            self.unproven.push(event);
        }
        let Some(request) = &self.request else {
            self.unproven.truncate(UNPROVEN_MAX);
            if self.unproven.len() > 1
                && self.unproven.iter().map(text_bytes).sum::<usize>() > UNPROVEN_BYTES_MAX
            {
                self.unproven.pop();
            }
            return None;
        };
        let providers: HashSet<PublicKey> = request.tags.public_keys().copied().collect();
        for event in std::mem::take(&mut self.unproven) {
            if is_error(&event) {
                self.failed.extend(providers.get(&event.pubkey));
            } else if answers(request, &providers, &event) {
                return Some(text(event));
            }
        }
        let all_failed = !providers.is_empty() && self.failed.len() == providers.len();
        all_failed.then_some(Err(ResultError::Failed))
    }

    /// Is it a result of this job, or an error?
    fn is_about(&self, event: &Event) -> bool {
        let job = parse_result(event).map(|result| result.job);
        let job = job.or_else(|| {
            parse_feedback(event).filter(|_| is_error(event)).map(|feedback| feedback.job)
        });
        job.is_some_and(|job| job.as_bytes() == self.job.as_bytes())
    }

    /// The complete request, as a result quotes it.
    fn quoted(&self, result: &Event) -> Option<Event> {
        let request = Event::from_json(parse_result(result)?.request?).ok()?;
        (request.id == self.job && request.verify().is_ok()).then_some(request)
    }
}

fn is_error(event: &Event) -> bool {
    parse_feedback(event).is_some_and(|feedback| feedback.status == FeedbackStatus::Error)
}

fn answers(request: &Event, providers: &HashSet<PublicKey>, result: &Event) -> bool {
    request.kind.as_u16().checked_add(RESULT_OFFSET) == Some(result.kind.as_u16())
        && (providers.is_empty() || providers.contains(&result.pubkey))
}

fn text_bytes(event: &Event) -> usize {
    event.content.len()
        + event.tags.iter().flat_map(|tag| tag.as_slice()).map(String::len).sum::<usize>()
}

fn text(result: Event) -> Result<String, ResultError> {
    let has = |wanted: &str| {
        result.tags.iter().any(|tag| tag.as_slice().first().is_some_and(|name| name == wanted))
    };
    match (has("encrypted"), has("part")) {
        (true, _) => Err(ResultError::Encrypted),
        (false, true) => Err(ResultError::InParts),
        (false, false) => Ok(result.content),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nostr_sdk::{EventBuilder, Keys, Tag};

    fn tag(parts: &[&str]) -> Tag {
        Tag::parse(parts.iter().copied()).unwrap()
    }

    fn result(request: &Event, kind: u16, keys: &Keys, text: &str, tags: &[&[&str]]) -> Event {
        let tags = tags.iter().map(|parts| tag(parts)).chain([Tag::event(request.id)]);
        EventBuilder::new(Kind::from_u16(kind), text).tags(tags).sign_with_keys(keys).unwrap()
    }

    /// Goal: no other party can inject a result. Method: results of other authors, of another kind,
    /// of another job, with a forged request, and then the real one; before the request is known
    /// and after.
    #[test]
    fn a_result_counts_only_with_its_request() {
        let (customer, provider, stranger) = (Keys::generate(), Keys::generate(), Keys::generate());
        let ask = |text: &str| {
            let tags = [tag(&["i", text, "text"]), Tag::public_key(provider.public_key())];
            EventBuilder::new(Kind::from_u16(5050), "")
                .tags(tags)
                .sign_with_keys(&customer)
                .unwrap()
        };
        let (request, other) = (ask("this"), ask("that"));
        let forged = request.as_json().replace("this", "fake");
        let lies = [
            result(&request, 6050, &stranger, "lie", &[]),
            result(&request, 6050, &stranger, "lie", &[&["request", &forged]]),
            result(&request, 6050, &stranger, "lie", &[&["request", &other.as_json()]]),
            result(&request, 6051, &provider, "another kind", &[]),
            result(&other, 6050, &provider, "another job", &[]),
        ];
        let real = result(&request, 6050, &provider, "real", &[]);
        let quoting =
            result(&request, 6050, &provider, "real", &[&["request", &request.as_json()]]);
        let large = result(&request, 6050, &provider, "see there", &[&["part", "1"]]);
        let secret = result(&request, 6050, &provider, "…", &[&["encrypted"]]);
        for (what, events, found) in [
            ("request first", vec![request.clone(), real.clone()], Some(Ok("real"))),
            ("request last", vec![real.clone(), request.clone()], Some(Ok("real"))),
            ("no request", vec![real.clone()], None),
            ("request quoted", vec![quoting], Some(Ok("real"))),
            ("in parts", vec![request.clone(), large], Some(Err(ResultError::InParts))),
            ("encrypted", vec![request.clone(), secret], Some(Err(ResultError::Encrypted))),
        ] {
            let mut proof = ResultProof::of(request.id);
            for lie in lies.iter().cloned() {
                assert_eq!(proof.observe(lie), None, "{what}");
            }
            let result = events.into_iter().filter_map(|event| proof.observe(event)).next();
            assert_eq!(
                result.as_ref().map(|found| found.as_ref().map(String::as_str).map_err(|why| *why)),
                found,
                "{what}"
            );
        }
        let mut proof =
            ResultProof { request: Some(request.clone()), ..ResultProof::of(request.id) };
        for lie in lies {
            assert_eq!(proof.observe(lie), None);
        }
    }

    /// Goal: the number of waiters is limited and they are removed. Method: fill all places, ask
    /// for one more, drop them, ask again.
    #[tokio::test]
    async fn the_number_of_waiters_is_limited() {
        let results = Results::default();
        let job = |n: usize| EventId::from_byte_array([u8::try_from(n).unwrap(); 32]);
        let places: Vec<_> = (0..WAITING_MAX).map(|n| results.wait_for(job(n)).unwrap()).collect();
        assert_eq!(results.awaited().borrow().len(), WAITING_MAX);
        assert_eq!(results.of(job(99), Duration::from_secs(60)).await, Err(ResultError::Busy));
        drop(places);
        assert_eq!(results.awaited().borrow().len(), 0);
        assert_eq!(results.of(job(99), Duration::ZERO).await, Err(ResultError::TimedOut));
        assert!(filters(&[], 250).is_empty());
        assert_eq!(filters(&[job(1)], 250).len(), 6);
    }

    fn feedback(request: &Event, status: &str, keys: &Keys) -> Event {
        let tags = [tag(&["status", status]), Tag::event(request.id)];
        EventBuilder::new(Kind::from_u16(FEEDBACK_KIND), "")
            .tags(tags)
            .sign_with_keys(keys)
            .unwrap()
    }

    /// Goal: the wait ends when no provider is left, and no other party can end it. Method:
    /// requests that name no provider, one and two, and feedback about them, with the request
    /// before and after it.
    #[test]
    fn errors_count_only_from_named_providers() {
        let (one, two, stranger) = (Keys::generate(), Keys::generate(), Keys::generate());
        let ask = |providers: &[&Keys]| {
            let tags = providers.iter().map(|keys| Tag::public_key(keys.public_key()));
            EventBuilder::new(Kind::from_u16(5050), "")
                .tags(tags)
                .sign_with_keys(&Keys::generate())
                .unwrap()
        };
        let failed = Some(Err(ResultError::Failed));
        let done = Some(Ok("done".to_owned()));
        for (what, asked, message, found) in [
            ("the provider", vec![&one], vec![("error", &one)], failed.clone()),
            ("another author", vec![&one], vec![("error", &stranger)], None),
            ("no provider is named", vec![], vec![("error", &one), ("error", &two)], None),
            (
                "no provider is named, and one delivers",
                vec![],
                vec![("error", &one), ("result", &two)],
                done.clone(),
            ),
            (
                "in progress",
                vec![&one],
                vec![("processing", &one), ("payment-required", &one), ("success", &one)],
                None,
            ),
            ("one of two, twice", vec![&one, &two], vec![("error", &one), ("error", &one)], None),
            ("both", vec![&one, &two], vec![("error", &one), ("error", &two)], failed),
            ("the other delivers", vec![&one, &two], vec![("error", &one), ("result", &two)], done),
        ] {
            let request = ask(&asked);
            let events = message.iter().map(|(word, keys)| match *word {
                "result" => result(&request, 6050, keys, "done", &[]),
                status => feedback(&request, status, keys),
            });
            let mut events: Vec<_> = events.chain([request.clone()]).collect();
            for order in ["last", "first"] {
                let mut proof = ResultProof::of(request.id);
                let result = events.iter().filter_map(|event| proof.observe(event.clone())).next();
                assert_eq!(result, found, "{what}, the request {order}");
                events.rotate_right(1);
            }
        }
    }

    /// Goal: unproven results are limited in bytes. Method: large forged results with small ones
    /// between them.
    #[test]
    fn unproven_results_are_limited_in_bytes() {
        let request =
            EventBuilder::new(Kind::from_u16(5050), "").sign_with_keys(&Keys::generate()).unwrap();
        let (stranger, large) = (Keys::generate(), "A".repeat(UNPROVEN_BYTES_MAX / 2));
        let mut proof = ResultProof::of(request.id);
        let kept = [&large, "small", &large, &large, "small too"].map(|text| {
            assert_eq!(proof.observe(result(&request, 6050, &stranger, text, &[])), None);
            proof.unproven.len()
        });
        assert_eq!(kept, [1, 2, 2, 2, 3]);
    }

    /// Goal: the number of unproven results is limited, and the real result is found eventually.
    /// Method: as many forged results as are kept, then the real one: alone, with the quoted
    /// request, and again once the request is known.
    #[test]
    fn the_number_of_unproven_results_is_limited() {
        let (provider, stranger) = (Keys::generate(), Keys::generate());
        let named = Tag::public_key(provider.public_key());
        let request = EventBuilder::new(Kind::from_u16(5050), "")
            .tag(named)
            .sign_with_keys(&Keys::generate())
            .unwrap();
        let flooded = || {
            let mut proof = ResultProof::of(request.id);
            for number in 0..UNPROVEN_MAX {
                assert_eq!(
                    proof.observe(result(&request, 6050, &stranger, &number.to_string(), &[])),
                    None
                );
            }
            proof
        };
        let real = result(&request, 6050, &provider, "real", &[]);
        let mut proof = flooded();
        assert_eq!(proof.observe(real.clone()), None);
        assert_eq!(proof.unproven.len(), UNPROVEN_MAX);
        assert_eq!(proof.observe(request.clone()), None, "the result was dropped");
        assert_eq!(proof.observe(real), Some(Ok("real".into())), "when a relay sends it again");
        let quoting =
            result(&request, 6050, &provider, "real", &[&["request", &request.as_json()]]);
        assert_eq!(flooded().observe(quoting), Some(Ok("real".into())));
    }
}

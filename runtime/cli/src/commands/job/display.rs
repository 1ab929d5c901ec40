//! Formats the messages of providers. Only results that match the request are shown as results.

use crate::output::eprint;
use crate::sent_requests::SentRequest;
use pylon_core::ports::clock::Clock as _;
use pylon_core::text::{excerpt, sanitize};
use pylon_core::{JobId, Msat, PublicKey};
use pylon_node::clock::SystemClock;
use pylon_nostr::buyer::{Network, Offer, ProviderMessage, Request, Responses};
use pylon_nostr::identity::npub_of;
use pylon_nostr::nip90::{Delivered, Feedback, FeedbackStatus};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;

/// Characters of one text of a provider on a line. An invoice has some hundreds.
const LINE_CHARS_MAX: usize = 4000;

/// A text of a provider, on one line of limited length.
pub(super) fn clip(text: &str) -> String {
    excerpt(text, LINE_CHARS_MAX)
}

/// Warns of relays whose answers are incomplete.
pub(super) fn warn_unanswered(responses: &Responses) {
    for (relay, cause) in &responses.unanswered {
        eprint(&format!(
            "pylon: incomplete answer from the relay {}: {}",
            clip(relay),
            clip(cause)
        ));
    }
}

/// What the customer of a request pays, and on which network.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    bid: Option<Msat>,
    network: Network,
}

impl Expected {
    pub(super) fn by(sent: &SentRequest) -> Self {
        Self { bid: sent.bid, network: Network::expected_on(&sent.relays) }
    }
}

/// What a provider wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Due {
    amount_msats: Option<Msat>,
    bolt11: Option<String>,
    /// An amount is due, and it is not a number.
    amount_invalid: bool,
    /// `valid` or `invalid`.
    invoice_state: Option<&'static str>,
    invoice_problem: Option<String>,
    #[serde(skip)]
    over_bid: Option<Msat>,
}

impl Due {
    fn new(offer: Offer, amount_invalid: bool, expected: &Expected) -> Self {
        let is_valid = offer.is_invoice_valid();
        Self {
            amount_msats: offer.amount,
            bolt11: offer.bolt11,
            amount_invalid,
            invoice_state: is_valid.map(|is_valid| if is_valid { "valid" } else { "invalid" }),
            invoice_problem: offer.problem.map(|problem| problem.to_string()),
            over_bid: expected.bid.filter(|bid| offer.amount.is_some_and(|amount| amount > *bid)),
        }
    }

    /// The amount, with a warning if it is above the bid.
    fn amount(&self) -> Option<String> {
        let amount = self.amount_msats?;
        let warning = self.over_bid.map(|bid| format!(" (more than the bid of {bid})"));
        Some(format!("{amount} due{}", warning.unwrap_or_default()))
    }

    fn invoice(&self) -> Option<String> {
        self.bolt11.as_deref().map(clip)
    }

    fn warning(&self) -> Option<String> {
        self.invoice_problem.as_deref().map(|problem| format!("WARNING: {}", clip(problem)))
    }

    /// The lines after a result.
    fn lines(&self) -> String {
        let invoice = self.invoice().map(|invoice| format!(": {invoice}")).unwrap_or_default();
        let amount = self.amount().map(|amount| format!("{amount}{invoice}\n"));
        let warning = self.warning().map(|warning| format!("{warning}\n"));
        amount.into_iter().chain(warning).collect()
    }
}

/// The status of the job at one provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct ProviderState {
    provider: PublicKey,
    /// The NIP-90 status, or `result`.
    status: &'static str,
    message: String,
    #[serde(flatten)]
    due: Due,
}

impl ProviderState {
    pub(super) fn of_feedback(feedback: &Feedback, expected: &Expected) -> Self {
        let offer = Offer::of_feedback(feedback, &expected.network, SystemClock.now());
        // A partial result is not a message.
        let message = match feedback.status {
            FeedbackStatus::Partial => format!("{} bytes so far", feedback.content.len()),
            _ => feedback.message.clone(),
        };
        Self {
            provider: feedback.provider,
            status: feedback.status.as_str(),
            message,
            due: Due::new(offer, feedback.amount_invalid, expected),
        }
    }

    fn of_result(result: &Delivered, expected: &Expected) -> Self {
        let offer = Offer::of_result(result, &expected.network, SystemClock.now());
        Self {
            provider: result.provider,
            status: "result",
            message: String::new(),
            due: Due::new(offer, result.amount_invalid, expected),
        }
    }
}

impl fmt::Display for ProviderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}", npub_of(self.provider), self.status)?;
        if !self.message.is_empty() {
            write!(f, ": {}", clip(&self.message))?;
        }
        if let Some(amount) = self.due.amount() {
            write!(f, ", {amount}")?;
        }
        self.due
            .invoice()
            .into_iter()
            .chain(self.due.warning())
            .try_for_each(|line| write!(f, "\n    {line}"))
    }
}

/// The furthest status at each provider. Their times are not compared, because messages within one
/// second have no order.
pub(super) fn provider_states(
    request: &Request,
    messages: &[ProviderMessage],
    expected: &Expected,
) -> Vec<ProviderState> {
    let mut furthest: BTreeMap<PublicKey, (u8, ProviderState)> = BTreeMap::new();
    for message in messages {
        let (rank, state) = match message {
            ProviderMessage::Feedback(feedback) => {
                (rank(feedback.status), ProviderState::of_feedback(feedback, expected))
            }
            ProviderMessage::Result(result) => match request.check(result) {
                Ok(()) => (5, ProviderState::of_result(result, expected)),
                Err(_) => continue,
            },
            ProviderMessage::Unreadable { .. } => continue,
        };
        let entry = furthest.entry(state.provider).or_insert_with(|| (rank, state.clone()));
        if rank > entry.0 {
            *entry = (rank, state);
        }
    }
    furthest.into_values().map(|(_, state)| state).collect()
}

const fn rank(status: FeedbackStatus) -> u8 {
    match status {
        FeedbackStatus::PaymentRequired => 0,
        FeedbackStatus::Processing => 1,
        FeedbackStatus::Partial => 2,
        FeedbackStatus::Success => 3,
        FeedbackStatus::Error => 4,
    }
}

/// The results that match the request, and why the others do not.
pub(super) fn check_results(
    request: &Request,
    messages: Vec<ProviderMessage>,
) -> (Vec<Delivered>, Vec<(PublicKey, String)>) {
    let (mut valid, mut invalid) = (Vec::new(), Vec::new());
    for message in messages {
        match message {
            ProviderMessage::Feedback(_) => {}
            ProviderMessage::Result(result) => match request.check(&result) {
                Ok(()) => valid.push(result),
                Err(cause) => invalid.push((result.provider, cause)),
            },
            ProviderMessage::Unreadable { provider, why, .. } => invalid.push((provider, why)),
        }
    }
    (valid, invalid)
}

/// Warns of an encrypted request that was answered in plain text.
pub(super) fn warn_of_plain_text(request: &Request, result: &Delivered) {
    if request.is_answered_in_clear(result) {
        let provider = npub_of(result.provider);
        eprint(&format!(
            "pylon: {provider} has answered this encrypted request in plain text, which anyone can \
             read"
        ));
    }
}

/// The text of a result, and what is due for it.
pub(super) fn result_text(result: &Delivered, expected: &Expected) -> String {
    let due = due_text(result, expected);
    let gap = if due.is_empty() { "" } else { "\n" };
    format!("{}\n{gap}{due}", sanitize(&result.content))
}

/// What is due for a result; empty if it is free.
pub(super) fn due_text(result: &Delivered, expected: &Expected) -> String {
    ProviderState::of_result(result, expected).due.lines()
}

/// All fields of a result.
pub(super) fn result_json(result: &Delivered, expected: &Expected) -> impl Serialize {
    #[derive(Serialize)]
    struct Fields {
        job: JobId,
        kind: u16,
        provider: PublicKey,
        content: String,
        #[serde(flatten)]
        due: Due,
        attributes: BTreeMap<String, String>,
        guests: Vec<Value>,
    }

    let attributes = result.attributes.iter().map(|fact| (fact.name.clone(), fact.value.clone()));
    let guests = result.guests.iter().map(|guest| {
        json!({
            "slot": guest.slot, "name": guest.name, "version": guest.version,
            "digest": guest.digest,
        })
    });
    Fields {
        job: result.job,
        kind: result.kind,
        provider: result.provider,
        content: result.content.clone(),
        due: ProviderState::of_result(result, expected).due,
        attributes: attributes.collect(),
        guests: guests.collect(),
    }
}

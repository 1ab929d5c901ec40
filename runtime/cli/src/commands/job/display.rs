//! Formats the messages of providers. Only results that match the request are shown as results.

use crate::output::eprint;
use pylon_core::text::{sanitize, sanitize_line};
use pylon_core::{Msat, PublicKey};
use pylon_nostr::buyer::{ProviderMessage, Request, Responses};
use pylon_nostr::identity::npub_of;
use pylon_nostr::nip90::{Delivered, Feedback, FeedbackStatus};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt;

/// For an amount that is not a number.
const AMOUNT_INVALID: &str = "the amount due is not a number: ask the provider before you pay";
/// Characters of one printed line. An invoice has some hundreds.
const LINE_CHARS_MAX: usize = 4000;

/// A message of a provider, sanitized and shortened.
pub(super) fn clip(text: &str) -> String {
    sanitize_line(text).chars().take(LINE_CHARS_MAX).collect()
}

/// Warns of relays whose answers are incomplete.
pub(super) fn warn_unanswered(responses: &Responses) {
    for (relay, cause) in &responses.unanswered {
        eprint(&format!(
            "pylon: incomplete answer from the relay {}: {}",
            sanitize_line(relay),
            sanitize_line(cause)
        ));
    }
}

/// One line of feedback, printed during a wait.
pub(super) fn feedback_line(feedback: &Feedback, bid: Option<Msat>) -> String {
    let mut state = of_feedback(feedback);
    if feedback.status == FeedbackStatus::Partial {
        state.message = format!("{} bytes so far", feedback.content.len());
    }
    if let Some(warning) = state.amount_msats.and_then(|amount| over_bid_warning(amount, bid)) {
        state.message = warning;
    }
    state.to_string().chars().take(LINE_CHARS_MAX).collect()
}

/// A warning if the amount is above the bid.
fn over_bid_warning(amount: Msat, bid: Option<Msat>) -> Option<String> {
    bid.filter(|bid| amount > *bid).map(|bid| format!("more than the bid of {bid}"))
}

/// The status of the job at one provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct ProviderState {
    provider: PublicKey,
    /// The NIP-90 status, or `result`.
    status: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount_msats: Option<Msat>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bolt11: Option<String>,
    /// An amount is due, and it is not a number.
    amount_invalid: bool,
}

impl fmt::Display for ProviderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}", npub_of(self.provider), self.status)?;
        if !self.message.is_empty() {
            write!(f, ": {}", sanitize_line(&self.message))?;
        }
        if let Some(amount) = self.amount_msats {
            write!(f, ", {amount} due")?;
        }
        if self.amount_invalid {
            write!(f, ", {AMOUNT_INVALID}")?;
        }
        if let Some(bolt11) = &self.bolt11 {
            write!(f, "\n    {}", sanitize_line(bolt11))?;
        }
        Ok(())
    }
}

/// The furthest status at each provider. Their times are not compared, because messages within one
/// second have no order.
pub(super) fn provider_states(
    request: &Request,
    messages: &[ProviderMessage],
) -> Vec<ProviderState> {
    let mut furthest: BTreeMap<PublicKey, (u8, ProviderState)> = BTreeMap::new();
    for message in messages {
        let (rank, state) = match message {
            ProviderMessage::Feedback(feedback) => (rank(feedback.status), of_feedback(feedback)),
            ProviderMessage::Result(result) => match request.check(result) {
                Ok(()) => (5, of_result(result)),
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

fn of_feedback(feedback: &Feedback) -> ProviderState {
    let (amount_msats, bolt11) =
        feedback.due.clone().map_or((None, None), |(amount, bolt11)| (Some(amount), bolt11));
    let (provider, status, message) =
        (feedback.provider, feedback.status.as_str(), feedback.message.clone());
    ProviderState {
        provider,
        status,
        message,
        amount_msats,
        bolt11,
        amount_invalid: feedback.amount_invalid,
    }
}

fn of_result(result: &Delivered) -> ProviderState {
    let (amount_msats, bolt11) =
        result.due.clone().map_or((None, None), |(amount, bolt11)| (Some(amount), bolt11));
    let (message, amount_invalid) = (String::new(), result.amount_invalid);
    ProviderState {
        provider: result.provider,
        status: "result",
        message,
        amount_msats,
        bolt11,
        amount_invalid,
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

/// A result: its text with the amount due, or all fields as JSON.
pub(super) fn format_result(
    request: &Request,
    result: &Delivered,
    bid: Option<Msat>,
    json: bool,
) -> String {
    if request.is_answered_in_clear(result) {
        let provider = npub_of(result.provider);
        eprint(&format!(
            "pylon: {provider} has answered this encrypted request in plain text, which anyone can \
             read"
        ));
    }
    if !json {
        let due = result.due.as_ref().map(|(amount, bolt11)| {
            let invoice = bolt11
                .as_ref()
                .map(|bolt11| format!(": {}", sanitize_line(bolt11)))
                .unwrap_or_default();
            let warning = over_bid_warning(*amount, bid)
                .map(|warning| format!(" ({warning})"))
                .unwrap_or_default();
            format!("\n{amount} due{warning}{invoice}\n")
        });
        let due = due.or_else(|| result.amount_invalid.then(|| format!("\n{AMOUNT_INVALID}\n")));
        return format!("{}\n{}", sanitize(&result.content), due.unwrap_or_default());
    }
    let attributes: BTreeMap<_, _> =
        result.attributes.iter().map(|fact| (&fact.name, &fact.value)).collect();
    let guests: Vec<_> = result
        .guests
        .iter()
        .map(|guest| {
            json!({
                "slot": guest.slot, "name": guest.name, "version": guest.version,
                "digest": guest.digest,
            })
        })
        .collect();
    let (amount, bolt11) =
        result.due.clone().map_or((None, None), |(amount, bolt11)| (Some(amount), bolt11));
    let fields = json!({
        "job": result.job, "kind": result.kind, "provider": result.provider,
        "content": result.content, "amount_msats": amount, "bolt11": bolt11,
        "amount_invalid": result.amount_invalid, "attributes": attributes, "guests": guests,
    });
    format!("{fields}\n")
}

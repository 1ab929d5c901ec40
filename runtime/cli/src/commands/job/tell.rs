//! What a buyer is shown of what providers said. Nothing is shown as a result that is not what was asked for.

use crate::output::note;
use pylon_core::text::{sanitize, sanitize_line};
use pylon_core::{Msat, PublicKey};
use pylon_nostr::buyer::{ProviderMessage, Request, Responses};
use pylon_nostr::identity::npub_of;
use pylon_nostr::nip90::{Delivered, Feedback, FeedbackStatus};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt;

/// Of an amount that is no number.
const UNREADABLE: &str = "the amount due cannot be read: ask the provider before you pay";
/// Characters of one line about what a provider says. An invoice has some hundreds.
const LINE_CHARS_MAX: usize = 4000;

/// A stranger's words as part of a line.
pub(super) fn clipped(words: &str) -> String {
    sanitize_line(words).chars().take(LINE_CHARS_MAX).collect()
}

/// Which relays may have more, and why it is not known.
pub(super) fn unanswered(said: &Responses) {
    for (relay, why) in &said.unanswered {
        note(&format!(
            "pylon: the relay {} has not told all it has: {}",
            sanitize_line(relay),
            sanitize_line(why)
        ));
    }
}

/// What a provider says while its result is awaited.
pub(super) fn news(feedback: &Feedback, bid: Option<Msat>) -> String {
    let mut stand = of_feedback(feedback);
    if feedback.status == FeedbackStatus::Partial {
        stand.words = format!("{} bytes so far", feedback.content.len());
    }
    if let Some(warning) = stand.amount_msats.and_then(|amount| over(amount, bid)) {
        stand.words = warning;
    }
    stand.to_string().chars().take(LINE_CHARS_MAX).collect()
}

/// A warning, if one is due.
fn over(amount: Msat, bid: Option<Msat>) -> Option<String> {
    bid.filter(|bid| amount > *bid).map(|bid| format!("more than the {bid} that were bid"))
}

/// How the job stands with one provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Stand {
    provider: PublicKey,
    /// The word of NIP-90, or `result`.
    status: &'static str,
    words: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount_msats: Option<Msat>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bolt11: Option<String>,
    /// Something is due, and the provider's amount is no number.
    amount_unreadable: bool,
}

impl fmt::Display for Stand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}", npub_of(self.provider), self.status)?;
        if !self.words.is_empty() {
            write!(f, ": {}", sanitize_line(&self.words))?;
        }
        if let Some(amount) = self.amount_msats {
            write!(f, ", {amount} due")?;
        }
        if self.amount_unreadable {
            write!(f, ", {UNREADABLE}")?;
        }
        if let Some(bolt11) = &self.bolt11 {
            write!(f, "\n    {}", sanitize_line(bolt11))?;
        }
        Ok(())
    }
}

/// How it stands with each provider: what came furthest. Messages of one second have no order, so their times say little.
pub(super) fn standings(request: &Request, said: &[ProviderMessage]) -> Vec<Stand> {
    let mut furthest: BTreeMap<PublicKey, (u8, Stand)> = BTreeMap::new();
    for heard in said {
        let (rank, stand) = match heard {
            ProviderMessage::Feedback(feedback) => (rank(feedback.status), of_feedback(feedback)),
            ProviderMessage::Result(result) => match request.check(result) {
                Ok(()) => (5, of_result(result)),
                Err(_) => continue,
            },
            ProviderMessage::Unreadable { .. } => continue,
        };
        let entry = furthest.entry(stand.provider).or_insert_with(|| (rank, stand.clone()));
        if rank > entry.0 {
            *entry = (rank, stand);
        }
    }
    furthest.into_values().map(|(_, stand)| stand).collect()
}

const fn rank(standing: FeedbackStatus) -> u8 {
    match standing {
        FeedbackStatus::PaymentRequired => 0,
        FeedbackStatus::Processing => 1,
        FeedbackStatus::Partial => 2,
        FeedbackStatus::Success => 3,
        FeedbackStatus::Error => 4,
    }
}

fn of_feedback(feedback: &Feedback) -> Stand {
    let (amount_msats, bolt11) =
        feedback.due.clone().map_or((None, None), |(amount, bolt11)| (Some(amount), bolt11));
    let (provider, status, words) =
        (feedback.provider, feedback.status.as_str(), feedback.message.clone());
    Stand {
        provider,
        status,
        words,
        amount_msats,
        bolt11,
        amount_unreadable: feedback.amount_invalid,
    }
}

fn of_result(result: &Delivered) -> Stand {
    let (amount_msats, bolt11) =
        result.due.clone().map_or((None, None), |(amount, bolt11)| (Some(amount), bolt11));
    let (words, amount_unreadable) = (String::new(), result.amount_invalid);
    Stand {
        provider: result.provider,
        status: "result",
        words,
        amount_msats,
        bolt11,
        amount_unreadable,
    }
}

/// The results that are what was asked for, and why the others are not.
pub(super) fn sort(
    request: &Request,
    said: Vec<ProviderMessage>,
) -> (Vec<Delivered>, Vec<(PublicKey, String)>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for heard in said {
        match heard {
            ProviderMessage::Feedback(_) => {}
            ProviderMessage::Result(result) => match request.check(&result) {
                Ok(()) => good.push(result),
                Err(why) => bad.push((result.provider, why)),
            },
            ProviderMessage::Unreadable { provider, why, .. } => bad.push((provider, why)),
        }
    }
    (good, bad)
}

/// A result: its text alone, or all that is known of it.
pub(super) fn result(
    request: &Request,
    result: &Delivered,
    bid: Option<Msat>,
    json: bool,
) -> String {
    if request.is_answered_in_clear(result) {
        let who = npub_of(result.provider);
        note(&format!(
            "pylon: {who} has answered this encrypted request in the clear: everybody can read it"
        ));
    }
    if !json {
        let due = result.due.as_ref().map(|(amount, bolt11)| {
            let invoice = bolt11
                .as_ref()
                .map(|bolt11| format!(": {}", sanitize_line(bolt11)))
                .unwrap_or_default();
            let warning =
                over(*amount, bid).map(|warning| format!(" ({warning})")).unwrap_or_default();
            format!("\n{amount} due{warning}{invoice}\n")
        });
        let due = due.or_else(|| result.amount_invalid.then(|| format!("\n{UNREADABLE}\n")));
        return format!("{}\n{}", sanitize(&result.content), due.unwrap_or_default());
    }
    let attributes: BTreeMap<_, _> =
        result.attributes.iter().map(|fact| (&fact.name, &fact.value)).collect();
    let guests: Vec<_> = result
        .guests
        .iter()
        .map(|guest| json!({"slot": guest.slot, "name": guest.name, "version": guest.version, "digest": guest.digest}))
        .collect();
    let (amount, bolt11) =
        result.due.clone().map_or((None, None), |(amount, bolt11)| (Some(amount), bolt11));
    let facts = json!({
        "job": result.job, "kind": result.kind, "provider": result.provider, "content": result.content,
        "amount_msats": amount, "bolt11": bolt11, "amount_unreadable": result.amount_invalid, "attributes": attributes,
        "guests": guests,
    });
    format!("{facts}\n")
}

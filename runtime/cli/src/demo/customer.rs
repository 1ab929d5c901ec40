//! The customers of the demo, each with its own key, relay connection, bid and length of requests.
//! They verify a result before they pay.

use super::prompts::DOCUMENT;
use anyhow::{bail, ensure};
use pylon_adapters::payments::play_money::{Paid, PlayBank};
use pylon_core::ports::clock::Clock as _;
use pylon_core::{Input, InputSource, JobId, Msat, Param, PublicKey};
use pylon_node::clock::SystemClock;
use pylon_nostr::buyer::{Buyer, BuyerError, Network, Offer, ProviderMessage};
use pylon_nostr::nip90::{Delivered, RequestTag};

/// Text generation (NIP-90 registry).
pub(super) const KIND: u16 = 5050;
/// Which customer buys: the first half of the jobs, the third every sixth.
pub(super) const TURNS: [usize; 6] = [0, 1, 0, 2, 0, 1];

/// What a customer asks for. They differ, so that a back-test of another price shows something.
pub(super) const PROFILES: [Profile; 3] = [
    Profile { bid: Msat::new(20_000), max_tokens: "96", document: "" },
    Profile { bid: Msat::new(4_000), max_tokens: "48", document: "" },
    Profile { bid: Msat::new(100_000), max_tokens: "128", document: DOCUMENT },
];

/// The requests of a customer.
pub(super) struct Profile {
    /// The bid for one job.
    pub(super) bid: Msat,
    /// The requested output length.
    max_tokens: &'static str,
    /// A text that follows the question.
    document: &'static str,
}

pub(super) struct Customer {
    pub(super) buyer: Buyer,
    pub(super) bank: PlayBank,
    pub(super) provider: PublicKey,
    /// Where it pays.
    pub(super) network: Network,
    pub(super) profile: &'static Profile,
}

impl Customer {
    /// A question, followed by the customer's document.
    pub(super) fn prompt(&self, question: &str) -> String {
        match self.profile.document {
            "" => question.to_owned(),
            document => format!("{question}\n\n{document}"),
        }
    }

    /// Publishes a request for text.
    pub(super) async fn ask(&self, prompt: &str) -> Result<JobId, BuyerError> {
        let text = Input { source: InputSource::Text(prompt.into()), hint: None, marker: None };
        let max_tokens =
            Param { name: "max_tokens".into(), values: vec![self.profile.max_tokens.into()] };
        // A small model gives its best answers at temperature 0.
        let temperature = Param { name: "temperature".into(), values: vec!["0".into()] };
        let tags = [
            RequestTag::Input { input: text, relay: None },
            RequestTag::Param(max_tokens),
            RequestTag::Param(temperature),
            RequestTag::Bid(self.profile.bid),
            RequestTag::Provider(self.provider),
        ];
        self.buyer.request(KIND, &tags).await
    }

    /// The next message of the provider about the job.
    pub(super) async fn next(&mut self, job: JobId) -> Result<ProviderMessage, BuyerError> {
        loop {
            let message = self.buyer.next().await?;
            let (about, provider) = match &message {
                ProviderMessage::Feedback(feedback) => (feedback.job, feedback.provider),
                ProviderMessage::Result(result) => (result.job, result.provider),
                ProviderMessage::Unreadable { job, provider, .. } => (*job, *provider),
            };
            if about == job && provider == self.provider {
                return Ok(message);
            }
        }
    }

    /// Verifies the result against the request and pays the invoice. Returns the preimage.
    pub(super) fn pay(&self, prompt: &str, result: &Delivered) -> anyhow::Result<Option<[u8; 32]>> {
        ensure!(result.kind == KIND, "the result has another kind than the request");
        ensure!(!result.content.trim().is_empty(), "the result is empty");
        let quotes_request = result
            .request
            .as_deref()
            .is_some_and(|request| request.contains(&serde_json::Value::from(prompt).to_string()));
        ensure!(quotes_request, "the result does not quote the request");
        let offer = Offer::of_result(result, &self.network, SystemClock.now());
        if let Some(problem) = offer.problem {
            bail!(problem);
        }
        let Some((amount, bolt11)) = offer.amount.zip(offer.bolt11) else { return Ok(None) };
        let bid = self.profile.bid;
        ensure!(amount <= bid, "the price {amount} is above the bid {bid}");
        match self.bank.pay(&bolt11)? {
            Paid::Settled(preimage) => Ok(Some(preimage)),
            Paid::Held => Ok(None),
        }
    }
}

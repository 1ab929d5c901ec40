//! The demo's customer: another key, its own connection, and a purse of play money. It checks what it gets before it pays.

use anyhow::ensure;
use pylon_adapters::payments::play_money::{Paid, PlayBank};
use pylon_core::{Input, InputSource, JobId, Msat, Param, PublicKey};
use pylon_nostr::buyer::{Buyer, BuyerError, ProviderMessage};
use pylon_nostr::nip90::{Delivered, RequestTag};

/// Text generation (NIP-90 registry).
pub(super) const KIND: u16 = 5050;
/// The most the customer pays for one answer.
pub(super) const BID: Msat = Msat::new(20_000);
/// Tokens asked for.
const MAX_TOKENS: &str = "96";

pub(super) struct Customer {
    pub(super) buyer: Buyer,
    pub(super) bank: PlayBank,
    pub(super) provider: PublicKey,
}

impl Customer {
    /// Publishes a request for text.
    pub(super) async fn ask(&self, prompt: &str) -> Result<JobId, BuyerError> {
        let text = Input { source: InputSource::Text(prompt.into()), hint: None, marker: None };
        let max_tokens = Param { name: "max_tokens".into(), values: vec![MAX_TOKENS.into()] };
        // The most likely answer: a small model's others are worse.
        let temperature = Param { name: "temperature".into(), values: vec!["0".into()] };
        let tags = [
            RequestTag::Input { input: text, relay: None },
            RequestTag::Param(max_tokens),
            RequestTag::Param(temperature),
            RequestTag::Bid(BID),
            RequestTag::Provider(self.provider),
        ];
        self.buyer.request(KIND, &tags).await
    }

    /// What the provider says next about the job.
    pub(super) async fn hear(&mut self, job: JobId) -> Result<ProviderMessage, BuyerError> {
        loop {
            let heard = self.buyer.next().await?;
            let (about, provider) = match &heard {
                ProviderMessage::Feedback(feedback) => (feedback.job, feedback.provider),
                ProviderMessage::Result(result) => (result.job, result.provider),
                ProviderMessage::Unreadable { job, provider, .. } => (*job, *provider),
            };
            if about == job && provider == self.provider {
                return Ok(heard);
            }
        }
    }

    /// Checks the result against what was asked, and pays what is due. Gives the preimage.
    pub(super) fn pay(&self, prompt: &str, result: &Delivered) -> anyhow::Result<Option<[u8; 32]>> {
        ensure!(result.kind == KIND, "the result is of another kind");
        ensure!(!result.content.trim().is_empty(), "the result is empty");
        let quoted = result
            .request
            .as_deref()
            .is_some_and(|request| request.contains(&serde_json::Value::from(prompt).to_string()));
        ensure!(quoted, "the result does not quote the request");
        let Some((amount, Some(bolt11))) = &result.due else { return Ok(None) };
        ensure!(*amount <= BID, "{amount} is asked for a bid of {BID}");
        match self.bank.pay(bolt11)? {
            Paid::Settled(preimage) => Ok(Some(preimage)),
            Paid::Held => Ok(None),
        }
    }
}

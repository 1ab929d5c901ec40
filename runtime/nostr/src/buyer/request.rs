//! A signed request, and the check of its results.

use crate::nip90::{Delivered, encryption};
use nostr_sdk::{Event, Filter, JsonUtil};
use pylon_core::{JobId, PublicKey, UnixTime};

/// A signed request. It can be published repeatedly.
#[derive(Clone, Debug)]
pub struct Request {
    pub(super) event: Event,
}

impl Request {
    /// The id of the job.
    pub fn id(&self) -> JobId {
        JobId::from_bytes(self.event.id.to_bytes())
    }

    /// The event as JSON.
    pub fn to_json(&self) -> String {
        self.event.as_json()
    }

    /// Parses the output of [`Request::to_json`]; `None` if the signature is invalid.
    pub fn from_json(json: &str) -> Option<Self> {
        Event::from_json(json)
            .ok()
            .filter(|event| event.verify().is_ok())
            .map(|event| Self { event })
    }

    /// The kind, 5000 to 5999.
    pub fn kind(&self) -> u16 {
        self.event.kind.as_u16()
    }

    /// When it was signed.
    pub fn created_at(&self) -> UnixTime {
        UnixTime::new(self.event.created_at.as_secs())
    }

    /// May this provider answer? A request that names no provider is for all.
    pub fn is_for(&self, provider: PublicKey) -> bool {
        let mut named = self.providers().peekable();
        named.peek().is_none() || named.any(|key| key == provider)
    }

    /// Is the request encrypted, but the result not?
    pub fn is_answered_in_clear(&self, result: &Delivered) -> bool {
        encryption::is_encrypted(&self.event) && !result.encrypted
    }

    fn providers(&self) -> impl Iterator<Item = PublicKey> {
        self.event.tags.public_keys().map(|key| PublicKey::from_bytes(*key.as_bytes()))
    }

    /// Selects its answers: from the providers that may answer, to the customer. The dates are
    /// those of other clocks, so they select nothing; the id did not exist before the request.
    pub(super) fn answers(&self) -> Filter {
        let filter = Filter::new().event(self.event.id).pubkey(self.event.pubkey);
        let providers: Vec<_> = self.event.tags.public_keys().copied().collect();
        if providers.is_empty() { filter } else { filter.authors(providers) }
    }

    /// Is this a result of this request from a provider that may answer? The signature is already
    /// checked.
    pub fn check(&self, result: &Delivered) -> Result<(), String> {
        if !self.is_for(result.provider) {
            return Err("from a provider that was not asked".into());
        }
        if result.job != self.id() {
            return Err("the result of another job".into());
        }
        if result.kind != self.kind() {
            return Err(format!(
                "a result of kind {} for a request of kind {}",
                result.kind,
                self.kind()
            ));
        }
        match &result.request {
            Some(json)
                if Event::from_json(json).map(|event| event.id).ok() != Some(self.event.id) =>
            {
                Err("quotes another request".into())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nip90::{self, RequestTag};
    use nostr_sdk::Keys;

    /// Goal: only a result of this request from a provider that may answer is accepted. Method: a
    /// valid one, then one change per row.
    #[test]
    fn a_result_must_match_its_request() {
        let (customer, provider) = (Keys::generate(), PublicKey::from_bytes([7; 32]));
        let ask = |tags: &[RequestTag]| Request {
            event: nip90::request(5050, tags).sign_with_keys(&customer).unwrap(),
        };
        let request = ask(&[RequestTag::Provider(provider)]);
        let right = Delivered {
            job: request.id(),
            kind: 5050,
            provider,
            content: "x".into(),
            request: Some(request.to_json()),
            due: None,
            amount_invalid: false,
            guests: Vec::new(),
            attributes: Vec::new(),
            encrypted: false,
            parts: None,
        };
        assert_eq!(request.check(&right), Ok(()));
        assert_eq!(request.check(&Delivered { request: None, ..right.clone() }), Ok(()));
        let other = ask(&[RequestTag::Bid(pylon_core::Msat::new(1))]);
        assert!(
            other.is_for(PublicKey::from_bytes([8; 32])),
            "without a named provider all may answer"
        );
        for (wrong, message) in [
            (Delivered { provider: PublicKey::from_bytes([8; 32]), ..right.clone() }, "not asked"),
            (Delivered { job: other.id(), ..right.clone() }, "another job"),
            (Delivered { kind: 5001, ..right.clone() }, "kind 5001"),
            (Delivered { request: Some(other.to_json()), ..right.clone() }, "another request"),
            (Delivered { request: Some("{}".into()), ..right.clone() }, "another request"),
        ] {
            assert!(request.check(&wrong).is_err_and(|why| why.contains(message)), "{message}");
        }
        let changed = request.to_json().replace("5050", "5051");
        assert!(
            Request::from_json(&request.to_json()).is_some()
                && Request::from_json(&changed).is_none()
        );
    }
}

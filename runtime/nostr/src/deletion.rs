//! The withdrawal of a release by its author: a deletion (NIP-09, kind 5) of the release, signed
//! with the same key.

use super::release::Release;
use nostr_sdk::{Event, JsonUtil, Kind, Tag};

/// Does this JSON withdraw the release? Other events and deletions of other keys do not.
pub fn withdraws(json: &str, release: &Release) -> bool {
    let Ok(event) = Event::from_json(json) else { return false };
    let named = release.id.to_hex();
    let names = |tag: &Tag| {
        tag.as_slice().first().is_some_and(|name| name == "e")
            && tag.as_slice().get(1) == Some(&named)
    };
    event.kind == Kind::EventDeletion
        && event.pubkey.as_bytes() == release.publisher.as_bytes()
        && event.tags.iter().any(names)
        && event.verify().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::{Claim, sign, verify};
    use nostr_sdk::{EventBuilder, EventId, Keys};
    use pylon_core::{Digest, UnixTime};

    /// Goal: only its author can withdraw a release. Method: a deletion by the author, by another
    /// key, of another event, and invalid ones.
    #[test]
    fn only_its_author_can_withdraw_a_release() {
        let (author, other, now) =
            (Keys::generate(), Keys::generate(), UnixTime::new(1_700_000_000));
        let digest = Digest::of(b"component");
        let claim = Claim { digest, size: 9, name: "a".into(), version: "1".into() };
        let json = sign(&author, &claim, now, None).unwrap();
        let release = verify(&json, digest, now).unwrap();
        let deletion = |keys: &Keys, kind, id: &str| {
            let tag = Tag::event(EventId::from_hex(id).unwrap());
            EventBuilder::new(kind, "").tag(tag).sign_with_keys(keys).unwrap().as_json()
        };
        let id = release.id.to_hex();
        assert!(withdraws(&deletion(&author, Kind::EventDeletion, &id), &release));
        assert!(!withdraws(&deletion(&other, Kind::EventDeletion, &id), &release));
        assert!(!withdraws(&deletion(&author, Kind::EventDeletion, &"0".repeat(64)), &release));
        assert!(!withdraws(&deletion(&author, Kind::TextNote, &id), &release));
        assert!(!withdraws("", &release) && !withdraws(&json, &release));
    }
}

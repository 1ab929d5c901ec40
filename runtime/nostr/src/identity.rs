//! The identity of the node: keys from a recovery phrase of twelve words (NIP-06, account 0).
//!
//! The phrase and the secret key are only returned; nothing here logs or writes them.

use bip39::Mnemonic;
use hmac::{Hmac, Mac};
pub use nostr_sdk::Keys;
use nostr_sdk::ToBech32;
use nostr_sdk::nips::nip06::FromMnemonic;
use pylon_core::PublicKey;
use rand::TryRngCore;
use sha2::Sha256;

/// Why an identity is invalid. Never contains the phrase.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The number of words is wrong.
    #[error("{0} words: a recovery phrase has 12, 15, 18, 21 or 24")]
    WordCount(usize),
    /// Probably a typing error. Counted from 1.
    #[error("word {0} is not in the BIP-39 list")]
    UnknownWord(usize),
    /// Every word exists, but the phrase is wrong.
    #[error("the checksum of the words is wrong: one word is wrong, or they are out of order")]
    Checksum,
    /// Neither a phrase nor a key.
    #[error("neither an nsec nor 64 hex digits nor a recovery phrase")]
    NoKey,
    /// The operating system provides no random numbers.
    #[error("the random generator of the operating system failed")]
    Randomness,
}

/// A new phrase of twelve words.
pub fn generate() -> Result<String, IdentityError> {
    let mut entropy = [0; 16];
    rand::rngs::OsRng.try_fill_bytes(&mut entropy).map_err(|_| IdentityError::Randomness)?;
    Mnemonic::from_entropy(&entropy).map(|words| words.to_string()).map_err(reason)
}

/// The keys of this phrase. Case and white space do not matter.
pub fn keys(mnemonic: &str) -> Result<Keys, IdentityError> {
    let words = mnemonic.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ");
    Mnemonic::parse_normalized(&words).map_err(reason)?;
    Keys::from_mnemonic(words, None).map_err(|_| IdentityError::Checksum)
}

/// The keys of a secret: `nsec1…` (NIP-19), 64 hex digits, or a recovery phrase.
pub fn parse_secret(text: &str) -> Result<Keys, IdentityError> {
    let text = text.trim();
    if text.contains(char::is_whitespace) {
        keys(text)
    } else {
        Keys::parse(text).map_err(|_| IdentityError::NoKey)
    }
}

fn reason(error: bip39::Error) -> IdentityError {
    match error {
        bip39::Error::BadWordCount(found) => IdentityError::WordCount(found),
        bip39::Error::UnknownWord(index) => IdentityError::UnknownWord(index + 1),
        _ => IdentityError::Checksum,
    }
}

/// A key for one purpose, derived from the secret (HMAC-SHA-256 of the label). The secret cannot be
/// computed from it.
pub fn purpose_key(keys: &Keys, label: &str) -> [u8; 32] {
    // HMAC pads a short key with zeroes to the block size of the hash.
    let mut block = [0; 64];
    block
        .iter_mut()
        .zip(keys.secret_key().to_secret_bytes())
        .for_each(|(place, byte)| *place = byte);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(label.as_bytes());
    mac.finalize().into_bytes().into()
}

/// The public key as the core's type; its `to_hex` is the value of `p` tags.
pub fn public_key(keys: &Keys) -> PublicKey {
    PublicKey::from_bytes(*keys.public_key().as_bytes())
}

/// Parses a public key: `npub1…` (NIP-19) or hex.
pub fn parse_public_key(text: &str) -> Option<PublicKey> {
    nostr_sdk::PublicKey::parse(text).ok().map(|key| PublicKey::from_bytes(*key.as_bytes()))
}

/// The public key in the form of NIP-19.
pub fn npub(keys: &Keys) -> String {
    let Ok(npub) = keys.public_key().to_bech32();
    npub
}

/// A public key in the form of NIP-19; in hex if it is not a point of the curve.
pub fn npub_of(key: PublicKey) -> String {
    let parsed = nostr_sdk::PublicKey::from_slice(key.as_bytes()).ok();
    parsed
        .map_or_else(|| key.to_hex(), |key| key.to_bech32().unwrap_or_else(|never| match never {}))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test vector 1 of NIP-06.
    #[test]
    fn the_test_vector_gives_its_keys() {
        let words =
            " leader monkey parrot ring guide\n accident before fence cannon height naive bean ";
        let keys = keys(words).unwrap();
        assert_eq!(
            public_key(&keys).to_hex(),
            "17162c921dc4d2518f9a101db33695df1afb56ab82f5ff3e5da6eec3ca5cd917"
        );
        assert_eq!(npub(&keys), "npub1zutzeysacnf9rru6zqwmxd54mud0k44tst6l70ja5mhv8jjumytsd2x7nu");
        assert_eq!(
            keys.secret_key().to_secret_hex(),
            "7f7ff03d123792d6ac594bfa67bf6d0c0ab55b6b1fdb6249303fe861f1ccba9a"
        );
    }

    /// Each purpose and each identity has its own key, and none is the secret.
    #[test]
    fn a_purpose_has_its_own_key() {
        let (one, other) = (Keys::generate(), Keys::generate());
        let made = [
            purpose_key(&one, "a"),
            purpose_key(&one, "b"),
            purpose_key(&other, "a"),
            one.secret_key().to_secret_bytes(),
        ];
        for (place, key) in made.iter().enumerate() {
            assert!(!made[..place].contains(key));
        }
        assert_eq!(purpose_key(&one, "a"), made[0]);
        // HMAC-SHA-256 of "journal" under the secret 00…01, computed by another program.
        let keys = Keys::parse(&format!("{:064x}", 1)).unwrap();
        assert_eq!(
            hex::encode(purpose_key(&keys, "journal")),
            "2dd4c9e3c1bdb2d9c5823eba13687ee4e7aa2ac78ffdbcfa6ea4ee08ec44e457"
        );
    }

    /// A secret is parsed in each form, and errors do not contain it.
    #[test]
    fn a_secret_has_three_forms() {
        let made = Keys::generate();
        let nsec = made.secret_key().to_bech32().unwrap();
        for text in [nsec.clone(), format!(" {nsec}\n"), made.secret_key().to_secret_hex()] {
            assert_eq!(parse_secret(&text).unwrap().public_key(), made.public_key());
        }
        let words = generate().unwrap();
        assert_eq!(parse_secret(&words).unwrap().public_key(), keys(&words).unwrap().public_key());
        for text in ["", "monkey", "nsec1monkey", "leader monkey"] {
            let error = parse_secret(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("monkey"));
        }
    }

    /// A new phrase has twelve words and gives keys; errors do not contain the phrase, and `Debug`
    /// does not show the secret.
    #[test]
    fn a_new_phrase_is_valid() {
        let words = generate().unwrap();
        assert_eq!(words.split(' ').count(), 12);
        assert_ne!(words, generate().unwrap());
        let made = keys(&words).unwrap();
        assert!(!format!("{made:?}").contains(&made.secret_key().to_secret_hex()));
        let error = keys("leader monkey parrot").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("monkey"));
    }
}

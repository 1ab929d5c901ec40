//! Who the node is on the market: keys from twelve words (NIP-06, account 0).
//!
//! The words and the secret key leave this file only as return values; nothing here logs or writes.

use bip39::Mnemonic;
use hmac::{Hmac, Mac};
pub use nostr_sdk::Keys;
use nostr_sdk::ToBech32;
use nostr_sdk::nips::nip06::FromMnemonic;
use pylon_core::PublicKey;
use rand::TryRngCore;
use sha2::Sha256;

/// Why there is no identity. Never quotes the words.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Some words are missing, or too many.
    #[error("{0} words: a recovery phrase has 12, 15, 18, 21 or 24")]
    WordCount(usize),
    /// A typing error, most likely. Counted from 1.
    #[error("word {0} is not in the BIP-39 list")]
    UnknownWord(usize),
    /// Every word exists, but not this phrase.
    #[error("the words do not fit together: one is wrong, or they are out of order")]
    Checksum,
    /// Neither words nor a key.
    #[error("neither an nsec nor 64 hex digits nor a recovery phrase")]
    NoKey,
    /// The system gives no randomness.
    #[error("no randomness from the system")]
    Randomness,
}

/// Twelve new words.
pub fn generate() -> Result<String, IdentityError> {
    let mut entropy = [0; 16];
    rand::rngs::OsRng.try_fill_bytes(&mut entropy).map_err(|_| IdentityError::Randomness)?;
    Mnemonic::from_entropy(&entropy).map(|words| words.to_string()).map_err(reason)
}

/// The keys of these words. Neither case nor the space around and between them matters.
pub fn keys(mnemonic: &str) -> Result<Keys, IdentityError> {
    let words = mnemonic.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ");
    Mnemonic::parse_normalized(&words).map_err(reason)?;
    Keys::from_mnemonic(words, None).map_err(|_| IdentityError::Checksum)
}

/// The keys of a secret as somebody keeps it: `nsec1…` (NIP-19), 64 hex digits, or the words of a recovery phrase.
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

/// A key for one purpose, from which nobody finds the secret it was made of (HMAC-SHA-256 of the label under that secret).
pub fn purpose_key(keys: &Keys, label: &str) -> [u8; 32] {
    // The key of HMAC is a block of its hash, filled up with zeroes.
    let mut block = [0; 64];
    block
        .iter_mut()
        .zip(keys.secret_key().to_secret_bytes())
        .for_each(|(place, byte)| *place = byte);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(label.as_bytes());
    mac.finalize().into_bytes().into()
}

/// The public key in the core's words; its `to_hex` is what others put into `p` tags.
pub fn public_key(keys: &Keys) -> PublicKey {
    PublicKey::from_bytes(*keys.public_key().as_bytes())
}

/// A public key as somebody wrote it: `npub1…` (NIP-19) or hex.
pub fn parse_public_key(text: &str) -> Option<PublicKey> {
    nostr_sdk::PublicKey::parse(text).ok().map(|key| PublicKey::from_bytes(*key.as_bytes()))
}

/// The public key as people pass it around (NIP-19).
pub fn npub(keys: &Keys) -> String {
    let Ok(npub) = keys.public_key().to_bech32();
    npub
}

/// Somebody's public key as people pass it around (NIP-19); in hex if it is no point of the curve.
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
    fn the_words_of_the_standard_give_its_keys() {
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

    /// Each purpose and each identity has its own key, the same every time, and none is the secret.
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
        // HMAC-SHA-256 of "journal" under the secret 00…01, as other programs compute it.
        let keys = Keys::parse(&format!("{:064x}", 1)).unwrap();
        assert_eq!(
            hex::encode(purpose_key(&keys, "journal")),
            "2dd4c9e3c1bdb2d9c5823eba13687ee4e7aa2ac78ffdbcfa6ea4ee08ec44e457"
        );
    }

    /// A secret is read in each form that people keep it in, and what is none says so without being quoted.
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

    /// New words are twelve, differ, and give keys; wrong ones say so without being quoted, and no `Debug` shows the secret.
    #[test]
    fn new_words_work_and_wrong_ones_do_not() {
        let words = generate().unwrap();
        assert_eq!(words.split(' ').count(), 12);
        assert_ne!(words, generate().unwrap());
        let made = keys(&words).unwrap();
        assert!(!format!("{made:?}").contains(&made.secret_key().to_secret_hex()));
        let error = keys("leader monkey parrot").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("monkey"));
    }
}

//! 32-byte identifiers, each with its own type. Outside this file they are 64 lowercase hex digits.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; 32]);

        impl $name {
            /// Wraps the raw bytes.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The raw bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// Parses exactly 64 lowercase hex digits.
            pub fn from_hex(text: &str) -> Option<Self> {
                if text.bytes().any(|b| b.is_ascii_uppercase()) {
                    return None;
                }
                let mut bytes = [0; 32];
                hex::decode_to_slice(text, &mut bytes).ok()?;
                Some(Self(bytes))
            }

            /// 64 lowercase hex digits.
            pub fn to_hex(self) -> String {
                hex::encode(self.0)
            }

            /// The first eight digits, for display.
            pub fn short(self) -> String {
                hex::encode(self.0.split_at(4).0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.to_hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.short())
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_hex()
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                Self::from_hex(&text)
                    .ok_or_else(|| format!("`{text}` is not 64 lowercase hex digits"))
            }
        }
    )*};
}

ids! {
    /// A job. Its id is that of the request event.
    JobId;
    /// A message on the market, ours or not.
    MessageId;
    /// An x-only public key (BIP-340).
    PublicKey;
    /// SHA-256 of a component or a text.
    Digest;
    /// SHA-256 of a Lightning preimage (BOLT-11).
    PaymentHash;
}

impl Digest {
    /// SHA-256 of the bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl PaymentHash {
    /// The hash of this preimage.
    pub fn of_preimage(preimage: &[u8; 32]) -> Self {
        Self(Sha256::digest(preimage).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only the canonical form is parsed, so that no id has two spellings.
    #[test]
    fn only_64_lowercase_digits_are_parsed() {
        let good = "ab".repeat(32);
        assert_eq!(JobId::from_hex(&good).map(JobId::to_hex), Some(good.clone()));
        for bad in ["", "ab", &"AB".repeat(32), &"zz".repeat(32), &"ab".repeat(33)] {
            assert_eq!(JobId::from_hex(bad), None, "{bad}");
        }
        assert!(serde_json::from_str::<JobId>("\"AB\"").is_err());
    }
}

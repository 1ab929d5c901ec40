//! Assembles an answer from its parts.

use super::encryption::{self, is_encrypted};
use super::parts::PART_KIND;
use super::responses::Delivered;
use nostr_sdk::{Event, Keys};
use pylon_core::Digest;

/// Assembles the parts of this result. The error names the part; the keys are those of the buyer.
pub fn assemble(mut result: Delivered, events: &[Event], keys: &Keys) -> Result<Delivered, String> {
    let Some(parts) = result.parts.take() else { return Ok(result) };
    let (count, provider) =
        (parts.list.len(), nostr_sdk::PublicKey::from_byte_array(*result.provider.as_bytes()));
    let (mut text, mut whole) = (String::new(), String::new());
    for ((id, digest), number) in parts.list.iter().zip(1_usize..) {
        let wrong = |what: &str| format!("part {number} of {count} {what}");
        let event = events
            .iter()
            .find(|event| event.id.as_bytes() == id.as_bytes())
            .ok_or_else(|| wrong("is missing"))?;
        if event.pubkey != provider || event.kind.as_u16() != PART_KIND {
            return Err(wrong("is not the provider's"));
        }
        if Digest::of(event.content.as_bytes()) != *digest {
            return Err(wrong("has another SHA-256 than in the result"));
        }
        // Checked before it is copied: a list may repeat one part many times.
        if whole.len().saturating_add(event.content.len()) as u64 > parts.bytes {
            return Err(format!("the {count} parts together are larger than the result says"));
        }
        whole.push_str(&event.content);
        match is_encrypted(event) {
            true => text.push_str(
                &encryption::decrypt(keys, &provider, &event.content).map_err(|why| wrong(&why))?,
            ),
            // Only an encrypted part is certainly the provider's answer to this customer.
            false if result.encrypted => return Err(wrong("is not encrypted")),
            false => text.push_str(&event.content),
        }
    }
    if Digest::of(whole.as_bytes()) != parts.whole || whole.len() as u64 != parts.bytes {
        return Err(format!("the {count} parts together have another SHA-256 than in the result"));
    }
    result.content = text;
    Ok(result)
}

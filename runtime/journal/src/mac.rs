//! The MAC of a decision: it shows that the row was not changed or moved.

use crate::columns::integer;
use hmac::{Hmac, Mac};
use pylon_core::guest::Cost;
use sha2::Sha256;

/// The first half of an HMAC-SHA-256 is stored.
pub(super) const MAC_BYTES: usize = 16;

/// The key of all MACs of a node.
pub(super) type Key = Hmac<Sha256>;

/// The fields of a row that the MAC covers.
pub(super) struct MacInput<'a> {
    pub(super) id: i64,
    pub(super) job: &'a [u8; 32],
    pub(super) slot: &'a str,
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    pub(super) digest: &'a [u8; 32],
    pub(super) function: &'a str,
    pub(super) attempt: u32,
    pub(super) input: &'a str,
    pub(super) output: Option<&'a str>,
    pub(super) fault: Option<&'a str>,
    pub(super) cost: Cost,
    pub(super) wall_us: i64,
    pub(super) at: i64,
    pub(super) revision: i64,
    pub(super) engine: &'a str,
    /// 0 while the texts are there.
    pub(super) text_purged_at: i64,
}

impl MacInput<'_> {
    pub(super) fn mac(&self, key: &Key) -> [u8; MAC_BYTES] {
        let (cost, unit) = match self.cost {
            Cost::Fuel(units) => (units, 0),
            Cost::CpuUs(cpu_us) => (cpu_us, 1),
        };
        let numbers = [
            self.id,
            self.wall_us,
            self.at,
            self.revision,
            i64::from(self.attempt),
            integer(cost),
            unit,
            self.text_purged_at,
        ];
        let output = self.output.unwrap_or_default();
        let texts = [
            self.slot,
            self.name,
            self.version,
            self.function,
            self.fault.unwrap_or_default(),
            self.engine,
            self.input,
            output,
        ];
        let mut bytes = Vec::with_capacity(512 + self.input.len() + output.len());
        numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        bytes.extend_from_slice(self.job);
        bytes.extend_from_slice(self.digest);
        bytes.push(u8::from(self.output.is_some()));
        // Each text is preceded by its length, so that no two rows give the same bytes.
        for text in texts {
            bytes.extend_from_slice(&text.len().to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        truncated(key, &[&bytes])
    }
}

/// The MAC of a range of decisions. `purpose` separates the kinds of ranges.
pub(super) fn of_range(key: &Key, purpose: &[u8], first: i64, last: i64) -> [u8; MAC_BYTES] {
    truncated(key, &[purpose, &first.to_le_bytes(), &last.to_le_bytes()])
}

fn truncated(key: &Key, parts: &[&[u8]]) -> [u8; MAC_BYTES] {
    let mut mac = key.clone();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().first_chunk().copied().unwrap_or_default()
}

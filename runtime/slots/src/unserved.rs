//! That a slot has nobody, and what to do about it: one word of the steps, one line of advice.

use super::shipped;
use super::steps::Stop;
use pylon_sandbox::{Role, Slot};

/// A slot that nobody serves, so that nothing starts or changes.
#[derive(Debug, thiserror::Error)]
#[error("`guests.{slot}` is not put to work ({}): {}; {}", .stop.code, .stop.why, self.todo())]
pub struct Unserved {
    /// Which slot.
    pub slot: Slot,
    /// Why not.
    pub stop: Stop,
}

impl Unserved {
    /// What the operator can do about it.
    pub fn todo(&self) -> String {
        let slot = self.slot;
        match self.stop.code {
            "signature" => "`pylon guest sign` makes a release of what you trust".into(),
            "publisher" => {
                "add that key to `lockdown.trusted_publishers`, or name another guest".into()
            }
            "precompiled" => "guests/README.md has the steps to images, under `No compiler`".into(),
            "grant" => format!("`pylon guest approve {slot}` lets it"),
            "gone" if slot.role() == Role::Handler => {
                format!(
                    "`pylon guest install SOURCE --slot {slot}` puts another guest there, `pylon guest rollback {slot} --to 0` nobody"
                )
            }
            "gone" => {
                let other = shipped::for_slot(slot).unwrap_or("SOURCE");
                format!(
                    "`pylon guest rollback {slot}` or `pylon guest install {other} --slot {slot}` puts another guest there; for an image or a \
                     key see `No compiler` in guests/README.md"
                )
            }
            "journal" | "shelf" => "make the state folder writable".into(),
            _ => format!("correct `guests.{slot}` in the settings"),
        }
    }
}

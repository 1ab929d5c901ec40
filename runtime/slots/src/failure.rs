//! Why a guest was not installed or loaded, and what the operator can do about it.

use crate::shipped;
use pylon_nostr::release::ReleaseError;
use pylon_sandbox::{Role, Slot};

/// Code of a recorded guest that cannot be loaded any more.
pub(crate) const UNAVAILABLE: &str = "unavailable";
/// Code of a change that refers to a guest which does not exist.
pub(crate) const NO_TARGET: &str = "no_target";
/// Code of a component store that cannot be read or written.
pub(crate) const STORE: &str = "store";

/// The step that failed, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallFailure {
    /// Names the step, for programs.
    pub code: &'static str,
    /// One line for the operator.
    pub message: String,
}

impl InstallFailure {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The component store cannot be read or written.
    pub(crate) fn store(error: &anyhow::Error) -> Self {
        Self::new(STORE, format!("{error:#}"))
    }
}

/// The message about a file that is not the signed one.
pub(crate) fn changed(error: &ReleaseError) -> String {
    format!(
        "its release is {error}: this one has changed since it was signed; get it again from its \
         author"
    )
}

/// A slot whose guest cannot be loaded, so that the node does not start or reload.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot load the guest of `guests.{slot}` ({}): {}; {}",
    .failure.code, .failure.message, self.hint()
)]
pub struct UnfilledSlot {
    /// Which slot.
    pub slot: Slot,
    /// Why its guest cannot be loaded.
    pub failure: InstallFailure,
}

impl UnfilledSlot {
    /// What the operator can do about it.
    pub fn hint(&self) -> String {
        let slot = self.slot;
        match self.failure.code {
            "signature" => "`pylon guest sign` makes a release of a guest that you trust".into(),
            "publisher" => {
                "add that key to `lockdown.trusted_publishers`, or name another guest".into()
            }
            "precompiled" => "guests/README.md has the steps, under `No compiler`".into(),
            "grant" => format!("`pylon guest approve {slot}` grants it"),
            UNAVAILABLE if slot.role() == Role::Handler => format!(
                "`pylon guest install SOURCE --slot {slot}` installs another guest, `pylon guest \
                 rollback {slot} --to 0` empties the slot"
            ),
            UNAVAILABLE => {
                let other = shipped::for_slot(slot).unwrap_or("SOURCE");
                format!(
                    "`pylon guest rollback {slot}` or `pylon guest install {other} --slot {slot}` \
                     installs another guest; for precompiled code or a key see `No compiler` in \
                     guests/README.md"
                )
            }
            "journal" | STORE => "make the state folder writable".into(),
            _ => format!("correct `guests.{slot}` in the settings"),
        }
    }
}

//! Decides whether a result is good: the world `verification-policy`.
//!
//! # Limits of a call
//!
//! | limit | value |
//! |---|---|
//! | fuel | 11 000 000 units, about one per instruction; the same input always uses the same fuel |
//! | memory | 4 MiB |
//! | table elements | 10 000 |
//! | stack | 256 KiB |
//! | answer | 1 MiB |
//! | a note, a reason or the text of a refusal | 4096 bytes |
//! | component | 32 MiB; up to 64 KiB, its size does not make a call slower |
//!
//! `pylon guest test` shows the fuel that each case uses. A policy imports types only, so it has no
//! randomness, no files and no memory of earlier calls: its arguments are all it can depend on. Its
//! only clock is `situation.now`, the time of the call in seconds since 1970 (UTC).
//!
//! # Errors
//!
//! | verdict | effect |
//! |---|---|
//! | [`Verdict::Accept`] | the output is delivered and charged |
//! | [`Verdict::Reject`] | nothing is delivered or charged; the reason is sent to the customer |
//! | [`Verdict::Retry`] | the next route is tried; a rejection if there is none |
//! | [`Verdict::InvalidSetting`] | a rejection; while installing, the installation fails |
//!
//! A call fails with one of these faults, and the result then waits for the operator's review.
//!
//! | fault | cause |
//! |---|---|
//! | `fuel`, `memory`, `stack` | a limit was reached |
//! | `host_call_bytes` | the answer is too large |
//! | `trap` | a trap, for example a panic |
//! | `invalid_output` | the reason is too long |

use crate::InvalidSetting;
use crate::description::Manifest;
use crate::types::{Job, Output, Situation};
use bindings::exports::pylon::provider::verification as wit;

pub use bindings::export_verification as export;
pub use wit::{Evidence, Finish, Verdict};

/// A verification policy.
///
/// ```ignore
/// #![no_std]
///
/// use pylon_guest::description::Manifest;
/// use pylon_guest::types::{Job, Output, Situation};
/// use pylon_guest::verification::{Evidence, Verdict, Verification};
///
/// struct NoShouting;
///
/// impl Verification for NoShouting {
///     fn describe() -> Manifest {
///         Manifest::policy("no-shouting", env!("CARGO_PKG_VERSION"), "No shouting.", [].into())
///     }
///
///     fn judge(_: &Job, output: &Output, _: &Evidence, _: &Situation) -> Verdict {
///         if output.content.ends_with('!') {
///             return Verdict::Retry("the output shouts".into());
///         }
///         Verdict::Accept
///     }
/// }
///
/// pylon_guest::verification::export!(NoShouting);
/// ```
pub trait Verification {
    /// The name, version and settings of this policy.
    fn describe() -> Manifest;

    /// Judges one attempt.
    fn judge(job: &Job, output: &Output, evidence: &Evidence, situation: &Situation) -> Verdict;
}

impl From<InvalidSetting> for Verdict {
    fn from(InvalidSetting(name): InvalidSetting) -> Self {
        Self::InvalidSetting(name)
    }
}

impl<P: Verification> bindings::Guest for P {
    fn describe() -> Manifest {
        P::describe()
    }
}

impl<P: Verification> wit::Guest for P {
    fn judge(job: Job, output: Output, evidence: Evidence, situation: Situation) -> Verdict {
        P::judge(&job, &output, &evidence, &situation)
    }
}

/// Used by the macro only.
#[doc(hidden)]
#[allow(missing_docs, reason = "generated; types and fields have the documentation of the WIT")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "pylon:provider/verification-policy",
        with: {
            "pylon:provider/types@0.1.0": crate::types,
            "pylon:provider/description@0.1.0": crate::description,
        },
        pub_export_macro: true,
        export_macro_name: "export_verification",
        default_bindings_module: "pylon_guest::verification::bindings",
    });
}

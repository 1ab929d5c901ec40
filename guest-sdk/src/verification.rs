//! Whether a result is good: the world `verification-policy`.
//!
//! # Limits
//!
//! A call has 11 000 000 units of fuel (about one an instruction, and the same for the same question), 4 MiB of memory, 10 000 table elements and
//! 256 KiB of stack; what it answers is at most 1 MiB, and a note, a reason or the words of a refusal at most 4096 bytes. The component is at most
//! 32 MiB, and should be below 16 KiB. `pylon guest test` shows what each case takes of it. A policy imports nothing but types, so it has no clock,
//! no randomness, no file and no memory of earlier calls: all it may know is in its arguments.
//!
//! # Errors
//!
//! [`Verdict::Reject`] is an answer: nothing is delivered or charged, and the customer reads the reason. [`Verdict::Retry`] tries the next route; where
//! there is none, or a part of the output went out already, it is a rejection. No answer are the faults `fuel`, `memory`, `stack`, `traffic` (too large
//! an answer), `trap` (a panic among them) and `nonsense` (a reason that is too long): then nothing is delivered and nothing charged, either.

use crate::description::About;
use crate::types::{Job, Output, Situation};
use bindings::exports::pylon::provider::verification as wit;

pub use bindings::export_verification as export;
pub use wit::{Evidence, Finish, Verdict};

/// A verification policy.
///
/// ```ignore
/// #![no_std]
///
/// use pylon_guest::description::About;
/// use pylon_guest::types::{Job, Output, Situation};
/// use pylon_guest::verification::{Evidence, Verdict, Verification};
///
/// struct Polite;
///
/// impl Verification for Polite {
///     fn describe() -> About {
///         About::policy("polite", env!("CARGO_PKG_VERSION"), "No shouting.", [].into())
///     }
///
///     fn judge(_: &Job, output: &Output, _: &Evidence, _: &Situation) -> Verdict {
///         if output.content.ends_with('!') { Verdict::Retry("it shouts".into()) } else { Verdict::Accept }
///     }
/// }
///
/// pylon_guest::verification::export!(Polite);
/// ```
pub trait Verification {
    /// What this policy is, and the settings it reads.
    fn describe() -> About;

    /// Judges one attempt.
    fn judge(job: &Job, output: &Output, evidence: &Evidence, situation: &Situation) -> Verdict;
}

impl<P: Verification> bindings::Guest for P {
    fn describe() -> About {
        P::describe()
    }
}

impl<P: Verification> wit::Guest for P {
    fn judge(job: Job, output: Output, evidence: Evidence, situation: Situation) -> Verdict {
        P::judge(&job, &output, &evidence, &situation)
    }
}

/// For the macro alone.
#[doc(hidden)]
#[allow(missing_docs, reason = "generated; types and fields carry the text of the WIT")]
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

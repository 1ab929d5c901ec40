//! Whether a result is good: the world `verification-policy`.

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

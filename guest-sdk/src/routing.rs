//! Where a job runs: the world `routing-policy`.
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
//! A [`Refusal`](crate::types::Refusal) is an answer and goes to the customer in its own words. No answer are the faults `fuel`, `memory`, `stack`,
//! `traffic` (too large an answer), `trap` (a panic among them) and `nonsense`: an order of nobody, with an index that is none of the candidates', or with
//! one twice. After no answer the node tries the candidates in its own order.

use crate::description::About;
use crate::types::{Job, Refusal, Situation};
use alloc::vec::Vec;
use bindings::exports::pylon::provider::routing as wit;

pub use bindings::export_routing as export;
pub use wit::{Candidate, Ranking};

/// A routing policy.
///
/// ```ignore
/// #![no_std]
///
/// use pylon_guest::description::About;
/// use pylon_guest::routing::{Candidate, Ranking, Routing};
/// use pylon_guest::types::{Job, Refusal, Situation};
///
/// struct AsListed;
///
/// impl Routing for AsListed {
///     fn describe() -> About {
///         About::policy("as-listed", env!("CARGO_PKG_VERSION"), "In the operator's order.", [].into())
///     }
///
///     fn rank(_: &Job, candidates: &[Candidate], _: &Situation) -> Result<Ranking, Refusal> {
///         if candidates.is_empty() {
///             return Err(Refusal::NoBackend);
///         }
///         Ok(Ranking { order: (0..candidates.len() as u32).collect(), note: "as listed".into() })
///     }
/// }
///
/// pylon_guest::routing::export!(AsListed);
/// ```
pub trait Routing {
    /// What this policy is, and the settings it reads.
    fn describe() -> About;

    /// Ranks the candidates for a job, before it is priced.
    fn rank(job: &Job, candidates: &[Candidate], situation: &Situation)
    -> Result<Ranking, Refusal>;
}

impl<P: Routing> bindings::Guest for P {
    fn describe() -> About {
        P::describe()
    }
}

impl<P: Routing> wit::Guest for P {
    fn rank(
        job: Job,
        candidates: Vec<Candidate>,
        situation: Situation,
    ) -> Result<Ranking, Refusal> {
        P::rank(&job, &candidates, &situation)
    }
}

/// For the macro alone.
#[doc(hidden)]
#[allow(missing_docs, reason = "generated; types and fields carry the text of the WIT")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "pylon:provider/routing-policy",
        with: {
            "pylon:provider/types@0.1.0": crate::types,
            "pylon:provider/description@0.1.0": crate::description,
        },
        pub_export_macro: true,
        export_macro_name: "export_routing",
        default_bindings_module: "pylon_guest::routing::bindings",
    });
}

//! Decides where a job runs: the world `routing-policy`.
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
//! A [`Refusal`](crate::types::Refusal) is sent to the customer. A call fails with one of these
//! faults, and the node then uses its default order.
//!
//! | fault | cause |
//! |---|---|
//! | `fuel`, `memory`, `stack` | a limit was reached |
//! | `host_call_bytes` | the answer is too large |
//! | `trap` | a trap, for example a panic |
//! | `invalid_output` | the order is empty, or has an index twice or out of range |

use crate::description::Manifest;
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
/// use pylon_guest::description::Manifest;
/// use pylon_guest::routing::{Candidate, Ranking, Routing};
/// use pylon_guest::types::{Job, Refusal, Situation};
///
/// struct AsListed;
///
/// impl Routing for AsListed {
///     fn describe() -> Manifest {
///         let summary = "In the operator's order.";
///         Manifest::policy("as-listed", env!("CARGO_PKG_VERSION"), summary, [].into())
///     }
///
///     fn rank(_: &Job, candidates: &[Candidate], _: &Situation) -> Result<Ranking, Refusal> {
///         if candidates.is_empty() {
///             return Err(Refusal::NoBackend);
///         }
///         let order = (0..candidates.len() as u32).collect();
///         Ok(Ranking { order, note: "as listed".into() })
///     }
/// }
///
/// pylon_guest::routing::export!(AsListed);
/// ```
pub trait Routing {
    /// The name, version and settings of this policy.
    fn describe() -> Manifest;

    /// Ranks the candidates for a job, before it is priced.
    fn rank(job: &Job, candidates: &[Candidate], situation: &Situation)
    -> Result<Ranking, Refusal>;
}

impl<P: Routing> bindings::Guest for P {
    fn describe() -> Manifest {
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

/// Used by the macro only.
#[doc(hidden)]
#[allow(missing_docs, reason = "generated; types and fields have the documentation of the WIT")]
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

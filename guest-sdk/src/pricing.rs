//! Decides what a job costs: the world `pricing-policy`.
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
//! clock, no randomness, no files and no memory of earlier calls: its arguments are all it can
//! depend on.
//!
//! # Errors
//!
//! A [`Refusal`](crate::types::Refusal) is sent to the customer. A call fails with one of these
//! faults, and the job is then refused: the node never guesses a price.
//!
//! | fault | cause |
//! |---|---|
//! | `fuel`, `memory`, `stack` | a limit was reached |
//! | `host_call_bytes` | the answer is too large |
//! | `trap` | a trap, for example a panic |
//! | `invalid_output` | the offer is not valid, see below |
//!
//! An offer is not valid with
//!
//! - terms that are not in `context.terms`
//! - a price above the cap, or a cap above the total supply of bitcoin
//! - a price with the terms `free`
//! - an invoice (`before-work`, `hold`) of 0, above the bid or above `max-receivable-msat`
//! - a validity of more than 366 days

use crate::description::Manifest;
use crate::types::{Job, Msat, Refusal, Route, Situation, Usage};
use bindings::exports::pylon::provider::pricing as wit;

pub use bindings::export_pricing as export;
pub use wit::{Context, History, Market, Offer, Terms};

/// A pricing policy.
///
/// ```ignore
/// #![no_std]
///
/// use pylon_guest::description::Manifest;
/// use pylon_guest::pricing::{Context, Offer, Pricing, Terms};
/// use pylon_guest::types::{Job, Refusal, Situation};
///
/// struct FreeOfCharge;
///
/// impl Pricing for FreeOfCharge {
///     fn describe() -> Manifest {
///         Manifest::policy("free", env!("CARGO_PKG_VERSION"), "All jobs are free.", [].into())
///     }
///
///     fn quote(_: &Job, _: &Context, _: &Situation) -> Result<Offer, Refusal> {
///         Ok(Offer {
///             terms: Terms::Free,
///             price_msat: 0,
///             cap_msat: 0,
///             max_output_tokens: 256,
///             max_work_ms: 60_000,
///             valid_seconds: 600,
///             priority: 0,
///             note: "free".into(),
///         })
///     }
/// }
///
/// pylon_guest::pricing::export!(FreeOfCharge);
/// ```
pub trait Pricing {
    /// The name, version and settings of this policy.
    fn describe() -> Manifest;

    /// Prices a job before any work is done.
    fn quote(job: &Job, context: &Context, situation: &Situation) -> Result<Offer, Refusal>;

    /// For [`Terms::OnDelivery`]: the amount due for the actual usage. By default the quoted price.
    fn settle(
        job: &Job,
        context: &Context,
        offer: &Offer,
        route: &Route,
        usage: &Usage,
        situation: &Situation,
    ) -> Msat {
        let _ = (job, context, route, usage, situation);
        offer.price_msat
    }
}

impl<P: Pricing> bindings::Guest for P {
    fn describe() -> Manifest {
        P::describe()
    }
}

impl<P: Pricing> wit::Guest for P {
    fn quote(job: Job, context: Context, situation: Situation) -> Result<Offer, Refusal> {
        P::quote(&job, &context, &situation)
    }

    fn settle(
        job: Job,
        context: Context,
        offer: Offer,
        route: Route,
        usage: Usage,
        situation: Situation,
    ) -> Msat {
        P::settle(&job, &context, &offer, &route, &usage, &situation)
    }
}

/// Used by the macro only.
#[doc(hidden)]
#[allow(missing_docs, reason = "generated; types and fields have the documentation of the WIT")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "pylon:provider/pricing-policy",
        with: {
            "pylon:provider/types@0.1.0": crate::types,
            "pylon:provider/description@0.1.0": crate::description,
        },
        pub_export_macro: true,
        export_macro_name: "export_pricing",
        default_bindings_module: "pylon_guest::pricing::bindings",
    });
}

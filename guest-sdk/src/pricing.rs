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
//! randomness, no files and no memory of earlier calls: its arguments are all it can depend on. Its
//! only clock is `situation.now`, the time of the call in seconds since 1970 (UTC).
//!
//! # Errors
//!
//! If all routes are refused, the customer gets the [`Refusal`](crate::types::Refusal) of the
//! first. A call fails with one of these faults, and its route is then not tried: the node never
//! guesses a price.
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
/// extern crate alloc;
///
/// use alloc::format;
/// use pylon_guest::description::{Manifest, Setting};
/// use pylon_guest::pricing::{Context, Offer, Pricing, Terms};
/// use pylon_guest::types::{Job, Refusal, Situation};
///
/// /// Half the price from 1 to 6 o'clock UTC.
/// struct HappyHours;
///
/// impl Pricing for HappyHours {
///     fn describe() -> Manifest {
///         let settings = [Setting::new("price-msat", "2000", "Price of any job by day.")];
///         let summary = "Half the price at night.";
///         Manifest::policy("happy-hours", env!("CARGO_PKG_VERSION"), summary, settings.into())
///     }
///
///     fn quote(_: &Job, context: &Context, situation: &Situation) -> Result<Offer, Refusal> {
///         let by_day: u64 = situation.settings().setting("price-msat")?;
///         let hour = situation.now / 3600 % 24;
///         let price = if (1..6).contains(&hour) { by_day / 2 } else { by_day };
///         // Without a wallet, all jobs are free.
///         let (terms, price_msat) = match context.terms.contains(&Terms::OnDelivery) {
///             true => (Terms::OnDelivery, price),
///             false => (Terms::Free, 0),
///         };
///         Ok(Offer {
///             terms,
///             price_msat,
///             cap_msat: price_msat,
///             max_output_tokens: 256,
///             max_work_ms: 60_000,
///             valid_seconds: 600,
///             priority: 0,
///             note: format!("price at {hour} o'clock UTC"),
///         })
///     }
/// }
///
/// pylon_guest::pricing::export!(HappyHours);
/// ```
///
/// `settle` is called later, possibly at another hour. Without one, as here, the price of the offer
/// is due. Two cases of this policy, for its `.cases.toml`:
///
/// ```toml
/// [[case]]
/// name = "at noon UTC"
/// function = "quote"
/// situation = { now = 1700049600 }
/// expect = { price_msat = 2000, note = { contains = "12 o'clock" } }
///
/// [[case]]
/// name = "at three in the morning UTC"
/// function = "quote"
/// situation = { now = 1700017200 }
/// expect = { price_msat = 1000, cap_msat = 1000 }
/// ```
pub trait Pricing {
    /// The name, version and settings of this policy.
    fn describe() -> Manifest;

    /// Prices a job on the route of the context, before any work is done. Called for each route
    /// that may be tried; a route without an offer is not.
    fn quote(job: &Job, context: &Context, situation: &Situation) -> Result<Offer, Refusal>;

    /// For [`Terms::OnDelivery`]: the amount due for the actual usage. By default the quoted price.
    /// `route` is the one that did the work; `context` and `offer` are those of its quote.
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

//! What a job costs: the world `pricing-policy`.
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
//! `traffic` (too large an answer), `trap` (a panic among them) and `nonsense`: terms that are not in `context.terms`, a price above the cap, a cap above
//! all the bitcoin there is, `free` with a price, an invoice (`before-work`, `hold`) of nothing, above the bid or above `max-receivable-msat`, an
//! offer good for more than 366 days. A job whose price is no answer is not taken: the node never guesses one.

use crate::description::About;
use crate::types::{Job, Msat, Refusal, Route, Situation, Usage};
use bindings::exports::pylon::provider::pricing as wit;

pub use bindings::export_pricing as export;
pub use wit::{Context, History, Market, Offer, Terms};

/// A pricing policy.
///
/// ```ignore
/// #![no_std]
///
/// use pylon_guest::description::About;
/// use pylon_guest::pricing::{Context, Offer, Pricing, Terms};
/// use pylon_guest::types::{Job, Refusal, Situation};
///
/// struct Gratis;
///
/// impl Pricing for Gratis {
///     fn describe() -> About {
///         About::policy("gratis", env!("CARGO_PKG_VERSION"), "Everything for nothing.", [].into())
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
///             note: "gratis".into(),
///         })
///     }
/// }
///
/// pylon_guest::pricing::export!(Gratis);
/// ```
pub trait Pricing {
    /// What this policy is, and the settings it reads.
    fn describe() -> About;

    /// Prices a job before any work.
    fn quote(job: &Job, context: &Context, situation: &Situation) -> Result<Offer, Refusal>;

    /// For [`Terms::OnDelivery`]: what is due for what was used. By default the price as offered.
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
    fn describe() -> About {
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

/// For the macro alone.
#[doc(hidden)]
#[allow(missing_docs, reason = "generated; types and fields carry the text of the WIT")]
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

//! `pricing`: what a job costs, and the amount due after it.

use super::validate::{self, ensure, is_amount, is_message};
use crate::bindings::PricingPolicyPre;
use crate::convert;
use crate::policy_engine::{PolicyCall, PolicyState};
use pylon_core::decision::{Offer, QuoteContext, Refusal, Situation, Terms};
use pylon_core::guest::{Cost, Fault};
use pylon_core::work::{Route, Usage};
use pylon_core::{Job, Msat};

/// A longer validity is a mistake.
const VALID_SECONDS_MAX: u32 = 366 * 24 * 3600;

pub(crate) fn quote(
    call: &PolicyCall<'_>,
    policy: &PricingPolicyPre<PolicyState>,
    job: &Job,
    context: &QuoteContext,
    situation: &Situation,
) -> (Result<Result<Offer, Refusal>, Fault>, Cost) {
    call.run(|store| {
        let wit_job = convert::job(job);
        let (wit_context, mut situation) =
            (convert::context(context), convert::situation(situation, call.settings));
        situation.extra.extend(convert::context_extra(context));
        let policy = policy.instantiate(&mut *store)?;
        let pricing = policy.pylon_provider_pricing();
        match pricing.call_quote(store, &wit_job, &wit_context, &situation)? {
            Ok(offer) => {
                let offer = convert::offer_from_wit(offer);
                validate_offer(&offer, context, job.bid)?;
                Ok(Ok(offer))
            }
            Err(refusal) => {
                let refusal = convert::refusal_from_wit(refusal);
                validate::refusal(&refusal)?;
                Ok(Err(refusal))
            }
        }
    })
}

#[allow(clippy::too_many_arguments, reason = "the arguments of the WIT function `settle`")]
pub(crate) fn settle(
    call: &PolicyCall<'_>,
    policy: &PricingPolicyPre<PolicyState>,
    job: &Job,
    context: &QuoteContext,
    offer: &Offer,
    route: &Route,
    usage: &Usage,
    situation: &Situation,
) -> (Result<Msat, Fault>, Cost) {
    call.run(|store| {
        let (job, mut situation) =
            (convert::job(job), convert::situation(situation, call.settings));
        situation.extra.extend(convert::context_extra(context));
        let (context, offer) = (convert::context(context), convert::offer(offer));
        let (route, usage) = (convert::route(route), convert::usage(usage));
        let policy = policy.instantiate(&mut *store)?;
        let due = policy
            .pylon_provider_pricing()
            .call_settle(store, &job, &context, &offer, &route, usage, &situation)?;
        let due = Msat::new(due);
        // The core limits the amount to the cap. More than the total supply is a bug of the guest.
        ensure(is_amount(due))?;
        Ok(due)
    })
}

/// Terms that the wallet supports, and a price within its own cap. An invoiced price must also be
/// within bid and wallet.
fn validate_offer(offer: &Offer, context: &QuoteContext, bid: Option<Msat>) -> Result<(), Fault> {
    ensure(context.terms.contains(&offer.terms))?;
    ensure(offer.price <= offer.cap && is_amount(offer.cap))?;
    ensure(is_message(&offer.note) && offer.valid_seconds <= VALID_SECONDS_MAX)?;
    match offer.terms {
        Terms::Free => ensure(offer.price.is_zero()),
        Terms::OnDelivery => Ok(()),
        Terms::BeforeWork | Terms::Hold => ensure(
            !offer.price.is_zero()
                && offer.price <= context.max_receivable
                && bid.is_none_or(|bid| offer.price <= bid),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::validate::SUPPLY_MSAT;
    use super::*;
    use pylon_core::decision::History;
    use pylon_core::work::ExecutionTarget;

    fn context() -> QuoteContext {
        QuoteContext {
            route: Route {
                target: ExecutionTarget::Model { backend: "b".into(), model: "m".into() },
                price_permille: 1000,
            },
            input_tokens_estimate: 1,
            terms: vec![Terms::Free, Terms::OnDelivery, Terms::BeforeWork],
            max_receivable: Msat::new(5000),
            step: Msat::new(1),
            customer: History::default(),
            ours: History::default(),
            market: None,
        }
    }

    fn offer(terms: Terms, price: u64, cap: u64) -> Offer {
        Offer {
            terms,
            price: Msat::new(price),
            cap: Msat::new(cap),
            max_output_tokens: 1,
            max_work_ms: 1,
            valid_seconds: 60,
            priority: 0,
            note: String::new(),
        }
    }

    /// One offer for each rule, with a bid of 4000.
    #[test]
    fn offers_are_validated() {
        let check = |offer: Offer| validate_offer(&offer, &context(), Some(Msat::new(4000)));
        for valid in [
            offer(Terms::Free, 0, 0),
            offer(Terms::OnDelivery, 9000, 9000),
            offer(Terms::BeforeWork, 4000, 4000),
        ] {
            assert_eq!(check(valid.clone()), Ok(()), "{valid:?}");
        }
        for invalid in [
            offer(Terms::Hold, 1, 1),
            offer(Terms::Free, 1, 1),
            offer(Terms::OnDelivery, 2, 1),
            offer(Terms::OnDelivery, 2, SUPPLY_MSAT + 1),
            offer(Terms::BeforeWork, 0, 1),
            offer(Terms::BeforeWork, 4001, 4001),
            Offer { valid_seconds: u32::MAX, ..offer(Terms::Free, 0, 0) },
            Offer { note: "x".repeat(5000), ..offer(Terms::Free, 0, 0) },
        ] {
            assert_eq!(check(invalid.clone()), Err(Fault::InvalidOutput), "{invalid:?}");
        }
        let without_bid = validate_offer(&offer(Terms::BeforeWork, 5001, 5001), &context(), None);
        assert_eq!(without_bid, Err(Fault::InvalidOutput), "more than the wallet can receive");
    }
}

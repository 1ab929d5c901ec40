//! `pricing`: what a job costs before, and what is due after.

use super::{is_sentence, sane, sane_refusal};
use crate::bindings::PricingPolicyPre;
use crate::convert;
use crate::installed::Installed;
use crate::policy::PolicyState;
use pylon_core::decision::{Offer, QuoteContext, Refusal, Situation, Terms};
use pylon_core::guest::{Fault, GuestAnswer};
use pylon_core::work::{Route, Usage};
use pylon_core::{Job, Msat};

/// All there will ever be.
const SUPPLY_MSAT: u64 = 21_000_000 * 100_000_000 * 1000;
/// An invoice that is good for longer than a year is a mistake.
const MAX_VALID_SECONDS: u32 = 366 * 24 * 3600;

pub(crate) fn quote(
    guest: &Installed,
    policy: &PricingPolicyPre<PolicyState>,
    job: &Job,
    context: &QuoteContext,
    situation: &Situation,
) -> GuestAnswer<Result<Offer, Refusal>> {
    guest.ask(|store, settings| {
        let (asked, situation) = (convert::job(job), convert::situation(situation, settings));
        let known = convert::context(context);
        let policy = policy.instantiate(&mut *store)?;
        match policy.pylon_provider_pricing().call_quote(store, &asked, &known, &situation)? {
            Ok(offer) => {
                let offer = convert::offered(offer);
                sane_offer(&offer, context, job.bid)?;
                Ok(Ok(offer))
            }
            Err(refusal) => {
                let refusal = convert::refused(refusal);
                sane_refusal(&refusal)?;
                Ok(Err(refusal))
            }
        }
    })
}

#[allow(clippy::too_many_arguments, reason = "the arguments of the WIT function `settle`")]
pub(crate) fn settle(
    guest: &Installed,
    policy: &PricingPolicyPre<PolicyState>,
    job: &Job,
    context: &QuoteContext,
    offer: &Offer,
    route: &Route,
    usage: &Usage,
    situation: &Situation,
) -> GuestAnswer<Msat> {
    guest.ask(|store, settings| {
        let (job, situation) = (convert::job(job), convert::situation(situation, settings));
        let (context, offered, route) =
            (convert::context(context), convert::offer(offer), convert::route(route));
        let usage = convert::usage(usage);
        let policy = policy.instantiate(&mut *store)?;
        let due = policy
            .pylon_provider_pricing()
            .call_settle(store, &job, &context, &offered, &route, usage, &situation)?;
        let due = Msat::new(due);
        sane(exists(due))?;
        Ok(due)
    })
}

/// Bitcoin that can be owed at all. Above the cap is for `core` to cut, above the supply is a bug.
pub(super) fn exists(amount: Msat) -> bool {
    amount.get() <= SUPPLY_MSAT
}

/// Terms that our wallet can do now, at a price within its own cap and, where it is invoiced as it is, within bid and wallet.
fn sane_offer(offer: &Offer, context: &QuoteContext, bid: Option<Msat>) -> Result<(), Fault> {
    sane(context.terms.contains(&offer.terms))?;
    sane(offer.price <= offer.cap && exists(offer.cap))?;
    sane(is_sentence(&offer.note) && offer.valid_seconds <= MAX_VALID_SECONDS)?;
    match offer.terms {
        Terms::Free => sane(offer.price.is_zero()),
        Terms::OnDelivery => Ok(()),
        Terms::BeforeWork | Terms::Hold => sane(
            !offer.price.is_zero()
                && offer.price <= context.max_receivable
                && bid.is_none_or(|bid| offer.price <= bid),
        ),
    }
}

#[cfg(test)]
mod tests {
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

    /// One offer for each rule, against a bid of 4000.
    #[test]
    fn an_offer_can_be_kept() {
        let check = |offer: Offer| sane_offer(&offer, &context(), Some(Msat::new(4000)));
        for good in [
            offer(Terms::Free, 0, 0),
            offer(Terms::OnDelivery, 9000, 9000),
            offer(Terms::BeforeWork, 4000, 4000),
        ] {
            assert_eq!(check(good.clone()), Ok(()), "{good:?}");
        }
        for bad in [
            offer(Terms::Hold, 1, 1),
            offer(Terms::Free, 1, 1),
            offer(Terms::OnDelivery, 2, 1),
            offer(Terms::OnDelivery, 2, SUPPLY_MSAT + 1),
            offer(Terms::BeforeWork, 0, 1),
            offer(Terms::BeforeWork, 4001, 4001),
            Offer { valid_seconds: u32::MAX, ..offer(Terms::Free, 0, 0) },
            Offer { note: "x".repeat(5000), ..offer(Terms::Free, 0, 0) },
        ] {
            assert_eq!(check(bad.clone()), Err(Fault::InvalidOutput), "{bad:?}");
        }
        let unbid = sane_offer(&offer(Terms::BeforeWork, 5001, 5001), &context(), None);
        assert_eq!(unbid, Err(Fault::InvalidOutput), "more than the wallet can take");
    }
}

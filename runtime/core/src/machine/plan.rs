//! The agreement about a job: the routes that may do the work, each with the offer of pricing.

use crate::decision::{Offer, QuoteContext, Refusal};
use crate::work::Route;
use crate::{Job, Msat};
use serde::{Deserialize, Serialize};

/// Ranked routes that pricing is asked about; later ones are not tried.
pub const ROUTES_MAX: usize = 8;

/// The agreement with the customer, made when the job was admitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The revision of the guest set that the job keeps, whatever is installed later. 0 means any.
    #[serde(default)]
    pub revision: u64,
    /// The routes in the order to try them; at least one.
    pub routes: Vec<Route>,
    /// What pricing was given for the first route.
    pub context: QuoteContext,
    /// The offer for the first route. Its terms and limits apply on every route.
    pub offer: Offer,
    /// The offers for the other routes, in their order.
    #[serde(default)]
    pub fallback_offers: Vec<Offer>,
    /// Names of the params that policies see. All others are private to the handler.
    #[serde(default)]
    pub public: Vec<String>,
}

impl Plan {
    /// The offer by which the customer is charged if this route does the work. What was invoiced
    /// before the work stays.
    pub fn offer_for(&self, route: &Route) -> &Offer {
        self.fallback_offer(route).unwrap_or(&self.offer)
    }

    /// What pricing was given for the offer of this route.
    pub fn context_for(&self, route: &Route) -> QuoteContext {
        match self.fallback_offer(route) {
            Some(_) => self.context.with_route(route.clone()),
            None => self.context.clone(),
        }
    }

    fn fallback_offer(&self, route: &Route) -> Option<&Offer> {
        if self.offer.terms.is_prepaid() {
            return None;
        }
        let index = self.routes.iter().position(|planned| planned == route)?;
        self.fallback_offers.get(index.checked_sub(1)?)
    }
}

/// The answers of pricing about the ranked routes of a job. A route without an offer is not tried,
/// nor is one whose offer the customer did not agree to by accepting the first.
#[derive(Clone, Debug)]
pub struct Quotes {
    bid: Option<Msat>,
    routes: Vec<Route>,
    offers: Vec<Offer>,
    /// Of the first route that was refused.
    refusal: Option<Refusal>,
}

impl Quotes {
    /// No answer yet.
    pub fn new(job: &Job) -> Self {
        Self { bid: job.bid, routes: Vec::new(), offers: Vec::new(), refusal: None }
    }

    /// Adds the answer about the next route. An offer above the bid is a refusal.
    pub fn add(&mut self, route: Route, answer: Result<Offer, Refusal>) {
        let is_above_bid = |offer: &Offer| self.bid.is_some_and(|bid| offer.price > bid);
        match answer {
            Ok(offer) if is_above_bid(&offer) => {
                self.refusal.get_or_insert(Refusal::BidTooLow(offer.price));
            }
            Ok(offer) if self.offers.first().is_none_or(|first| includes(first, &offer)) => {
                self.routes.push(route);
                self.offers.push(offer);
            }
            Ok(_) => {}
            Err(refusal) => {
                self.refusal.get_or_insert(refusal);
            }
        }
    }

    /// The plan; without an offer, the refusal of the first route.
    pub fn into_plan(
        self,
        revision: u64,
        context: &QuoteContext,
        public: &[String],
    ) -> Result<Plan, Refusal> {
        let mut offers = self.offers.into_iter();
        let (Some(first), Some(offer)) = (self.routes.first(), offers.next()) else {
            return Err(self.refusal.unwrap_or(Refusal::NoBackend));
        };
        Ok(Plan {
            revision,
            context: context.with_route(first.clone()),
            routes: self.routes,
            offer,
            fallback_offers: offers.collect(),
            public: public.to_vec(),
        })
    }
}

/// Whether a job that was accepted on the offer `first` may also be served on `other`: paid at the
/// same time, with at least the same work, and not above what is invoiced before the work.
fn includes(first: &Offer, other: &Offer) -> bool {
    other.terms == first.terms
        && other.max_output_tokens >= first.max_output_tokens
        && other.max_work_ms >= first.max_work_ms
        && (!first.terms.is_prepaid() || other.price <= first.price)
}

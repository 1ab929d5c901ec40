//! A guest that is ready to be called.

use crate::about::{About, Want};
use crate::admission::Guest;
use crate::bindings::{
    JobHandlerPre, PricingPolicyPre, RoutingPolicyPre, VerificationPolicyPre, types,
};
use crate::exports;
use crate::handler::{HandlerState, HandlerTier, Work};
use crate::image::Loaded;
use crate::limits::Limits;
use crate::policy::{PolicyState, PolicyTier};
use pylon_core::decision::{Candidate, Offer, QuoteContext, Ranking, Refusal, Situation, Verdict};
use pylon_core::guest::{Call, Cost, Fault, GuestAnswer, GuestRef};
use pylon_core::job::JobError;
use pylon_core::ports::guests::HandlerHost;
use pylon_core::work::{Evidence, Output, Route, Usage};
use pylon_core::{Job, Msat, Param};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmtime::{Result as Called, Store};

/// A component that was compiled, described and linked with what it is granted. Each call makes an instance and drops it.
pub struct Installed {
    pub(crate) guest_ref: Arc<GuestRef>,
    pub(crate) about: About,
    pub(crate) granted: Vec<Want>,
    pub(crate) limits: Limits,
    pub(crate) settings: Vec<types::Param>,
    pub(crate) loaded: Loaded,
    pub(crate) loaded_within: Duration,
    pub(crate) engine: Arc<str>,
    pub(crate) code: Code,
}

/// One case for each world, with the engine it runs on.
pub(crate) enum Code {
    Routing(Arc<PolicyTier>, RoutingPolicyPre<PolicyState>),
    Pricing(Arc<PolicyTier>, PricingPolicyPre<PolicyState>),
    Verification(Arc<PolicyTier>, VerificationPolicyPre<PolicyState>),
    Handler(Arc<HandlerTier>, JobHandlerPre<HandlerState>),
}

impl Installed {
    /// As results and decisions name it.
    pub fn guest_ref(&self) -> &Arc<GuestRef> {
        &self.guest_ref
    }

    /// What it says of itself.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// What it gets of what it wants.
    pub fn granted(&self) -> &[Want] {
        &self.granted
    }

    /// What holds for each call: the smallest of guest, operator and node.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The operator's settings with the defaults of `about` filled in, as the guest sees them.
    pub fn settings(&self) -> Vec<Param> {
        self.settings
            .iter()
            .map(|param| Param { name: param.name.clone(), values: param.values.clone() })
            .collect()
    }

    /// Where its code came from.
    pub fn loaded(&self) -> Loaded {
        self.loaded
    }

    /// How long that took: the compiler, or reading and authenticating what there was.
    pub fn loaded_within(&self) -> Duration {
        self.loaded_within
    }

    /// Names the engine: where it is the same, a policy answers the same with the same fuel.
    pub fn engine(&self) -> &str {
        &self.engine
    }

    /// The order in which to try the candidates; a trap if this is no routing policy.
    pub fn rank(
        &self,
        job: &Job,
        candidates: &[Candidate],
        situation: &Situation,
    ) -> GuestAnswer<Result<Ranking, Refusal>> {
        match &self.code {
            Code::Routing(_, policy) => {
                exports::routing::rank(self, policy, job, candidates, situation)
            }
            _ => self.misplaced(),
        }
    }

    /// What to ask for the job; a trap if this is no pricing policy.
    pub fn quote(
        &self,
        job: &Job,
        context: &QuoteContext,
        situation: &Situation,
    ) -> GuestAnswer<Result<Offer, Refusal>> {
        match &self.code {
            Code::Pricing(_, policy) => {
                exports::pricing::quote(self, policy, job, context, situation)
            }
            _ => self.misplaced(),
        }
    }

    /// What is due; a trap if this is no pricing policy.
    #[allow(clippy::too_many_arguments, reason = "the arguments of the WIT function `settle`")]
    pub fn settle(
        &self,
        job: &Job,
        context: &QuoteContext,
        offer: &Offer,
        route: &Route,
        usage: &Usage,
        situation: &Situation,
    ) -> GuestAnswer<Msat> {
        match &self.code {
            Code::Pricing(_, policy) => {
                exports::pricing::settle(self, policy, job, context, offer, route, usage, situation)
            }
            _ => self.misplaced(),
        }
    }

    /// Whether the output is good; a trap if this is no verification policy.
    pub fn judge(
        &self,
        job: &Job,
        output: &Output,
        evidence: &Evidence,
        situation: &Situation,
    ) -> GuestAnswer<Verdict> {
        match &self.code {
            Code::Verification(_, policy) => {
                exports::verification::judge(self, policy, job, output, evidence, situation)
            }
            _ => self.misplaced(),
        }
    }

    /// Does the job; a trap if this is no handler.
    pub async fn run(
        &self,
        job: &Job,
        deadline_ms: u64,
        host: Arc<dyn HandlerHost>,
    ) -> GuestAnswer<Result<Output, JobError>> {
        let Code::Handler(tier, handler) = &self.code else { return self.misplaced() };
        let started = Instant::now();
        let limits = Limits { wall_ms: self.limits.wall_ms.min(deadline_ms), ..self.limits };
        let (value, cost) = exports::handler::run(
            tier,
            handler,
            Work { job, limits, host, guest: Guest::AtWork(job.customer, job.kind) },
            &self.settings,
        )
        .await;
        self.answer(value, cost, started)
    }

    /// One question to a policy.
    pub(crate) fn ask<T>(
        &self,
        question: impl FnOnce(&mut Store<PolicyState>, &[types::Param]) -> Called<T>,
    ) -> GuestAnswer<T> {
        let started = Instant::now();
        match &self.code {
            Code::Routing(tier, _) | Code::Pricing(tier, _) | Code::Verification(tier, _) => {
                let (value, cost) = tier.ask(&self.limits, |store| question(store, &self.settings));
                self.answer(value, cost, started)
            }
            Code::Handler(..) => self.misplaced(),
        }
    }

    fn answer<T>(&self, value: Result<T, Fault>, cost: Cost, started: Instant) -> GuestAnswer<T> {
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        GuestAnswer {
            value,
            call: Call {
                guest: Arc::clone(&self.guest_ref),
                engine: Arc::clone(&self.engine),
                cost,
                wall_us: micros,
            },
        }
    }

    /// `Generations` puts nobody here; the answer is for callers that hold a guest themselves.
    fn misplaced<T>(&self) -> GuestAnswer<T> {
        self.answer(Err(Fault::Trap), Cost::Fuel(0), Instant::now())
    }
}

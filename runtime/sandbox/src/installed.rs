//! A guest that is ready to be called.

use crate::bindings::{
    JobHandlerPre, PricingPolicyPre, RoutingPolicyPre, VerificationPolicyPre, types,
};
use crate::exports::{handler, pricing, routing, verification};
use crate::handler_engine::{HandlerCall, HandlerEngine};
use crate::handler_pool::Caller;
use crate::handler_state::HandlerState;
use crate::limits::Limits;
use crate::manifest::{Capability, Manifest};
use crate::policy_engine::{PolicyCall, PolicyEngine, PolicyState};
use crate::precompiled::CodeOrigin;
use pylon_core::decision::{Candidate, Offer, QuoteContext, Ranking, Refusal, Situation, Verdict};
use pylon_core::guest::{Call, Cost, Fault, GuestAnswer, GuestRef};
use pylon_core::job::JobError;
use pylon_core::ports::guests::HandlerHost;
use pylon_core::work::{Evidence, Output, Route, Usage};
use pylon_core::{Job, Msat, Param};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A component that is compiled, described and linked with its granted imports. Each call creates
/// an instance and drops it.
pub struct Installed {
    pub(crate) guest_ref: Arc<GuestRef>,
    pub(crate) manifest: Manifest,
    pub(crate) granted: Vec<Capability>,
    pub(crate) limits: Limits,
    pub(crate) settings: Vec<types::Param>,
    pub(crate) code_origin: CodeOrigin,
    pub(crate) load_time: Duration,
    pub(crate) engine: Arc<str>,
    pub(crate) code: Code,
}

/// The linked component, with the engine that it runs on.
pub(crate) enum Code {
    Routing(Arc<PolicyEngine>, RoutingPolicyPre<PolicyState>),
    Pricing(Arc<PolicyEngine>, PricingPolicyPre<PolicyState>),
    Verification(Arc<PolicyEngine>, VerificationPolicyPre<PolicyState>),
    Handler(Arc<HandlerEngine>, JobHandlerPre<HandlerState>),
}

impl Installed {
    /// How results and decisions refer to it.
    pub fn guest_ref(&self) -> &Arc<GuestRef> {
        &self.guest_ref
    }

    /// Its manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The requested capabilities that are granted.
    pub fn granted(&self) -> &[Capability] {
        &self.granted
    }

    /// Limits of each call: the smallest of the guest's, the operator's and the node's.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The operator's settings as the guest gets them, with defaults filled in.
    pub fn settings(&self) -> Vec<Param> {
        self.settings
            .iter()
            .map(|param| Param { name: param.name.clone(), values: param.values.clone() })
            .collect()
    }

    /// Where its code came from.
    pub fn code_origin(&self) -> CodeOrigin {
        self.code_origin
    }

    /// Time to compile the code, or to read and authenticate it.
    pub fn load_time(&self) -> Duration {
        self.load_time
    }

    /// Id of the engine: with the same id a policy answers the same with the same fuel.
    pub fn engine(&self) -> &str {
        &self.engine
    }

    /// The order in which the candidates are tried. Fails unless this is a routing policy.
    pub fn rank(
        &self,
        job: &Job,
        candidates: &[Candidate],
        situation: &Situation,
    ) -> GuestAnswer<Result<Ranking, Refusal>> {
        let started = Instant::now();
        let Code::Routing(engine, policy) = &self.code else { return self.wrong_role() };
        let call = self.policy_call(engine);
        self.answer(routing::rank(&call, policy, job, candidates, situation), started)
    }

    /// An offer for the job. Fails unless this is a pricing policy.
    pub fn quote(
        &self,
        job: &Job,
        context: &QuoteContext,
        situation: &Situation,
    ) -> GuestAnswer<Result<Offer, Refusal>> {
        let started = Instant::now();
        let Code::Pricing(engine, policy) = &self.code else { return self.wrong_role() };
        let call = self.policy_call(engine);
        self.answer(pricing::quote(&call, policy, job, context, situation), started)
    }

    /// The amount due. Fails unless this is a pricing policy.
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
        let started = Instant::now();
        let Code::Pricing(engine, policy) = &self.code else { return self.wrong_role() };
        let call = self.policy_call(engine);
        self.answer(
            pricing::settle(&call, policy, job, context, offer, route, usage, situation),
            started,
        )
    }

    /// Whether the output is good. Fails unless this is a verification policy.
    pub fn judge(
        &self,
        job: &Job,
        output: &Output,
        evidence: &Evidence,
        situation: &Situation,
    ) -> GuestAnswer<Verdict> {
        let started = Instant::now();
        let Code::Verification(engine, policy) = &self.code else { return self.wrong_role() };
        let call = self.policy_call(engine);
        self.answer(verification::judge(&call, policy, job, output, evidence, situation), started)
    }

    /// Runs one attempt at the job. Fails unless this is a handler.
    pub async fn run(
        &self,
        job: &Job,
        deadline_ms: u64,
        host: Arc<dyn HandlerHost>,
    ) -> GuestAnswer<Result<Output, JobError>> {
        let started = Instant::now();
        let Code::Handler(engine, handler) = &self.code else { return self.wrong_role() };
        let limits = Limits { wall_ms: self.limits.wall_ms.min(deadline_ms), ..self.limits };
        let caller = Caller::Job(job.customer, job.kind);
        let call = HandlerCall { job, limits, host, caller };
        self.answer(handler::run(engine, handler, call, &self.settings).await, started)
    }

    fn policy_call<'a>(&'a self, engine: &'a PolicyEngine) -> PolicyCall<'a> {
        PolicyCall { engine, limits: &self.limits, settings: &self.settings }
    }

    fn answer<T>(
        &self,
        (value, cost): (Result<T, Fault>, Cost),
        started: Instant,
    ) -> GuestAnswer<T> {
        let wall_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        GuestAnswer {
            value,
            call: Call {
                guest: Arc::clone(&self.guest_ref),
                engine: Arc::clone(&self.engine),
                cost,
                wall_us,
            },
        }
    }

    /// Not possible through `GuestSetRegistry`, which checks roles, but for direct callers.
    fn wrong_role<T>(&self) -> GuestAnswer<T> {
        self.answer((Err(Fault::Trap), Cost::Fuel(0)), Instant::now())
    }
}

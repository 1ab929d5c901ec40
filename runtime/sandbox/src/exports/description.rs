//! `describe`: asked once, of a guest that nobody has looked at yet. So it gets little time and can reach nothing.

use crate::admission::Guest;
use crate::bindings::description::About;
use crate::bindings::{JobHandlerPre, PricingPolicyPre, RoutingPolicyPre, VerificationPolicyPre};
use crate::handler::{HandlerState, HandlerTier, Work};
use crate::limits::Limits;
use crate::policy::{PolicyState, PolicyTier};
use async_trait::async_trait;
use pylon_core::Job;
use pylon_core::completion::{GuestCompletionRequest, GuestInferenceError};
use pylon_core::guest::{Fault, LogLevel};
use pylon_core::input::InputError;
use pylon_core::ports::guests::{GuestStream, HandlerHost};
use std::sync::Arc;

/// Any kind would do.
const KIND: u16 = 5000;
const WALL_MS: u64 = 1000;
const CPU_MS: u64 = 250;

pub(crate) fn routing(
    tier: &PolicyTier,
    limits: &Limits,
    guest: &RoutingPolicyPre<PolicyState>,
) -> Result<About, Fault> {
    tier.ask(limits, |store| guest.instantiate(&mut *store)?.call_describe(store)).0
}

pub(crate) fn pricing(
    tier: &PolicyTier,
    limits: &Limits,
    guest: &PricingPolicyPre<PolicyState>,
) -> Result<About, Fault> {
    tier.ask(limits, |store| guest.instantiate(&mut *store)?.call_describe(store)).0
}

pub(crate) fn verification(
    tier: &PolicyTier,
    limits: &Limits,
    guest: &VerificationPolicyPre<PolicyState>,
) -> Result<About, Fault> {
    tier.ask(limits, |store| guest.instantiate(&mut *store)?.call_describe(store)).0
}

pub(crate) async fn handler(
    tier: &HandlerTier,
    limits: Limits,
    guest: &JobHandlerPre<HandlerState>,
) -> Result<About, Fault> {
    let job = Job::placeholder(KIND);
    let work = Work {
        job: &job,
        limits: briefly(limits),
        host: Arc::new(Nothing),
        guest: Guest::Described,
    };
    let (about, _) = tier
        .run(work, |mut store| async move {
            guest.instantiate_async(&mut store).await?.call_describe(&mut store).await
        })
        .await;
    about
}

/// The little time that a handler has before anybody has asked for its work.
pub(crate) fn briefly(limits: Limits) -> Limits {
    Limits { wall_ms: limits.wall_ms.min(WALL_MS), cpu_ms: limits.cpu_ms.min(CPU_MS), ..limits }
}

/// A host that has nothing. The linker does not reach it for `describe`; `stdout` does.
pub(crate) struct Nothing;

#[async_trait]
impl HandlerHost for Nothing {
    async fn generate(
        &self,
        _: GuestCompletionRequest,
    ) -> Result<Box<dyn GuestStream>, GuestInferenceError> {
        Err(GuestInferenceError::NoBackend)
    }

    async fn partial(&self, _: String) -> bool {
        false
    }

    async fn report(&self, _: Option<u32>, _: String) -> bool {
        false
    }

    async fn read(&self, _: u32) -> Result<String, InputError> {
        Err(InputError::Denied)
    }

    fn log(&self, _: LogLevel, _: &str) {}
}

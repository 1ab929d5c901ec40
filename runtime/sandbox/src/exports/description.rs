//! `describe`: called once, on a guest that is being installed. It gets little time and no host.

use crate::bindings::description::Manifest;
use crate::bindings::{JobHandlerPre, PricingPolicyPre, RoutingPolicyPre, VerificationPolicyPre};
use crate::handler_engine::{HandlerCall, HandlerEngine};
use crate::handler_pool::Caller;
use crate::handler_state::HandlerState;
use crate::limits::Limits;
use crate::policy_engine::{PolicyCall, PolicyState};
use async_trait::async_trait;
use pylon_core::Job;
use pylon_core::completion::{GuestCompletionRequest, GuestInferenceError};
use pylon_core::guest::{Fault, LogLevel};
use pylon_core::input::InputError;
use pylon_core::ports::guests::{GuestStream, HandlerHost};
use std::sync::Arc;

/// `describe` does not see the job, so any kind will do.
const KIND: u16 = 5000;
const WALL_MS_MAX: u64 = 1000;
const CPU_MS_MAX: u64 = 250;

pub(crate) fn routing(
    call: &PolicyCall<'_>,
    guest: &RoutingPolicyPre<PolicyState>,
) -> Result<Manifest, Fault> {
    call.run(|store| guest.instantiate(&mut *store)?.call_describe(store)).0
}

pub(crate) fn pricing(
    call: &PolicyCall<'_>,
    guest: &PricingPolicyPre<PolicyState>,
) -> Result<Manifest, Fault> {
    call.run(|store| guest.instantiate(&mut *store)?.call_describe(store)).0
}

pub(crate) fn verification(
    call: &PolicyCall<'_>,
    guest: &VerificationPolicyPre<PolicyState>,
) -> Result<Manifest, Fault> {
    call.run(|store| guest.instantiate(&mut *store)?.call_describe(store)).0
}

pub(crate) async fn handler(
    engine: &HandlerEngine,
    limits: Limits,
    guest: &JobHandlerPre<HandlerState>,
) -> Result<Manifest, Fault> {
    let job = Job::placeholder(KIND);
    let call = HandlerCall {
        job: &job,
        limits: installation_limits(limits),
        host: Arc::new(NoHost),
        caller: Caller::Node,
    };
    let (manifest, _) = engine
        .run(call, |mut store| async move {
            guest.instantiate_async(&mut store).await?.call_describe(&mut store).await
        })
        .await;
    manifest
}

/// Limits of a handler's calls during its installation.
pub(crate) fn installation_limits(limits: Limits) -> Limits {
    Limits {
        wall_ms: limits.wall_ms.min(WALL_MS_MAX),
        cpu_ms: limits.cpu_ms.min(CPU_MS_MAX),
        ..limits
    }
}

/// A host without any capability.
pub(crate) struct NoHost;

#[async_trait]
impl HandlerHost for NoHost {
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

//! A component is linked: for `describe` with nothing behind what it imports, and for its work with what it is granted.

use super::InstallError;
use crate::about::{self, About, Want};
use crate::bindings::{JobHandlerPre, PricingPolicyPre, RoutingPolicyPre, VerificationPolicyPre};
use crate::exports::description;
use crate::handler::HandlerTier;
use crate::installed::Code;
use crate::limits::Limits;
use crate::linking;
use crate::policy::{PolicyState, PolicyTier};
use crate::slot::Role;
use std::sync::Arc;
use wasmtime::component::{Component, InstancePre, Linker};

/// What it says of itself, and the bounds it sets. A policy is linked for good, a handler with traps behind its imports.
pub(crate) async fn described(
    policies: &Arc<PolicyTier>,
    handlers: &Arc<HandlerTier>,
    role: Role,
    component: &Component,
    limits: Limits,
) -> Result<(Code, About, Limits), InstallError> {
    let (code, described) = match role {
        Role::Handler => {
            refuse_imports(component, &handlers.engine, linking::is_grantable)?;
            let inert = linking::inert(&handlers.engine, component)
                .map_err(|error| not_this_world(&error))?;
            let guest = inert
                .instantiate_pre(component)
                .and_then(JobHandlerPre::new)
                .map_err(|error| not_this_world(&error))?;
            let described = description::handler(handlers, limits, &guest).await;
            (Code::Handler(Arc::clone(handlers), guest), described)
        }
        Role::Routing => {
            let guest = policy(policies, component).and_then(|pre| {
                RoutingPolicyPre::new(pre).map_err(|error| not_this_world(&error))
            })?;
            let described = description::routing(policies, &limits, &guest);
            (Code::Routing(Arc::clone(policies), guest), described)
        }
        Role::Pricing => {
            let guest = policy(policies, component).and_then(|pre| {
                PricingPolicyPre::new(pre).map_err(|error| not_this_world(&error))
            })?;
            let described = description::pricing(policies, &limits, &guest);
            (Code::Pricing(Arc::clone(policies), guest), described)
        }
        Role::Verification => {
            let guest = policy(policies, component).and_then(|pre| {
                VerificationPolicyPre::new(pre).map_err(|error| not_this_world(&error))
            })?;
            let described = description::verification(policies, &limits, &guest);
            (Code::Verification(Arc::clone(policies), guest), described)
        }
    };
    let (about, bounds) = about::checked(described.map_err(InstallError::Describe)?, role)
        .map_err(InstallError::About)?;
    Ok((code, about, bounds))
}

/// Links a handler with what it is granted and nothing else. A policy is linked already: it is granted nothing.
pub(crate) fn granted(
    code: Code,
    component: &Component,
    granted: &[Want],
) -> Result<Code, InstallError> {
    let Code::Handler(tier, _) = code else { return Ok(code) };
    refuse_imports(component, &tier.engine, |name| linking::is_granted(name, granted))?;
    let linked = linking::granted(&tier.engine, granted)
        .and_then(|linker| linker.instantiate_pre(component))
        .and_then(JobHandlerPre::new);
    Ok(Code::Handler(tier, linked.map_err(|error| not_this_world(&error))?))
}

fn policy(
    tier: &PolicyTier,
    component: &Component,
) -> Result<InstancePre<PolicyState>, InstallError> {
    refuse_imports(component, &tier.engine, |_| false)?;
    Linker::new(&tier.engine).instantiate_pre(component).map_err(|error| not_this_world(&error))
}

fn refuse_imports(
    component: &Component,
    engine: &wasmtime::Engine,
    granted: impl Fn(&str) -> bool,
) -> Result<(), InstallError> {
    linking::ungranted(component, engine, granted)
        .map_or(Ok(()), |import| Err(InstallError::Import(import)))
}

/// The names are right, the types behind them are not.
fn not_this_world(error: &wasmtime::Error) -> InstallError {
    InstallError::World(format!("does not fit its world: {error:#}"))
}

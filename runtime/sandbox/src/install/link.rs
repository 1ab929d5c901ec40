//! Links a component: first for `describe`, with nothing behind its imports, then with the granted
//! imports.

use crate::bindings::{JobHandlerPre, PricingPolicyPre, RoutingPolicyPre, VerificationPolicyPre};
use crate::error::InstallError;
use crate::exports::description;
use crate::handler_engine::HandlerEngine;
use crate::installed::Code;
use crate::limits::Limits;
use crate::linking;
use crate::manifest::{self, Capability, Manifest};
use crate::policy_engine::{PolicyCall, PolicyEngine, PolicyState};
use crate::slot::Role;
use std::sync::Arc;
use wasmtime::component::{Component, InstancePre, Linker};

/// Links a component and calls `describe`. Returns the manifest and the guest's own limits. The
/// code of a policy is final; that of a handler has traps behind its imports.
pub(crate) async fn describe(
    policies: &Arc<PolicyEngine>,
    handlers: &Arc<HandlerEngine>,
    role: Role,
    component: &Component,
    limits: Limits,
) -> Result<(Code, Manifest, Limits), InstallError> {
    let call = PolicyCall { engine: policies, limits: &limits, settings: &[] };
    let (code, described) = match role {
        Role::Handler => {
            refuse_imports(component, &handlers.engine, linking::is_grantable)?;
            let guest = linking::inert(&handlers.engine, component)
                .and_then(|linker| linker.instantiate_pre(component))
                .and_then(JobHandlerPre::new)
                .map_err(|error| wrong_types(&error))?;
            let described = description::handler(handlers, limits, &guest).await;
            (Code::Handler(Arc::clone(handlers), guest), described)
        }
        Role::Routing => {
            let guest = RoutingPolicyPre::new(link_policy(policies, component)?)
                .map_err(|error| wrong_types(&error))?;
            let described = description::routing(&call, &guest);
            (Code::Routing(Arc::clone(policies), guest), described)
        }
        Role::Pricing => {
            let guest = PricingPolicyPre::new(link_policy(policies, component)?)
                .map_err(|error| wrong_types(&error))?;
            let described = description::pricing(&call, &guest);
            (Code::Pricing(Arc::clone(policies), guest), described)
        }
        Role::Verification => {
            let guest = VerificationPolicyPre::new(link_policy(policies, component)?)
                .map_err(|error| wrong_types(&error))?;
            let described = description::verification(&call, &guest);
            (Code::Verification(Arc::clone(policies), guest), described)
        }
    };
    let described = described.map_err(InstallError::Describe)?;
    let (manifest, limits) =
        manifest::validated(described, role).map_err(InstallError::Manifest)?;
    Ok((code, manifest, limits))
}

/// Links a handler with its granted imports only. A policy is linked already: it has no grants.
pub(crate) fn link_granted(
    code: Code,
    component: &Component,
    granted: &[Capability],
) -> Result<Code, InstallError> {
    let Code::Handler(engine, _) = code else { return Ok(code) };
    refuse_imports(component, &engine.engine, |name| linking::is_granted(name, granted))?;
    let linked = linking::granted(&engine.engine, granted)
        .and_then(|linker| linker.instantiate_pre(component))
        .and_then(JobHandlerPre::new);
    Ok(Code::Handler(engine, linked.map_err(|error| wrong_types(&error))?))
}

fn link_policy(
    policies: &PolicyEngine,
    component: &Component,
) -> Result<InstancePre<PolicyState>, InstallError> {
    refuse_imports(component, &policies.engine, |_| false)?;
    Linker::new(&policies.engine).instantiate_pre(component).map_err(|error| wrong_types(&error))
}

fn refuse_imports(
    component: &Component,
    engine: &wasmtime::Engine,
    is_granted: impl Fn(&str) -> bool,
) -> Result<(), InstallError> {
    linking::ungranted(component, engine, is_granted)
        .map_or(Ok(()), |import| Err(InstallError::Import(import)))
}

/// The names match the world, the types do not.
fn wrong_types(error: &wasmtime::Error) -> InstallError {
    InstallError::World(format!("does not match its world: {error:#}"))
}

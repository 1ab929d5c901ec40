//! The way of a component into the node: size, compile, imports, world, `describe`, grants. One case of `InstallError` for each step.

use crate::about::{self, About, Want};
use crate::bindings::{JobHandlerPre, PricingPolicyPre, RoutingPolicyPre, VerificationPolicyPre, types};
use crate::cache::Cache;
use crate::compile::{self, Loaded};
use crate::engine;
use crate::exports::description;
use crate::gate::Gate;
use crate::handler::HandlerTier;
use crate::installed::{Code, Installed};
use crate::limits::Limits;
use crate::linking;
use crate::outline::OutlineError;
use crate::policy::{PolicyState, PolicyTier};
use crate::slot::{Role, Slot};
use crate::ticker::Ticker;
use cap_std::fs::Dir;
use pylon_core::ports::guests::Fault;
use pylon_core::ports::market::GuestStamp;
use pylon_core::{Digest, Param};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use tokio::sync::Semaphore;
use wasmtime::component::{Component, InstancePre, Linker};

pub(crate) const MAX_COMPONENT_BYTES: usize = 32 << 20;
/// Instances kept free in a pool, beyond those that are admitted: a slot is given back a moment after its call.
const SPARE: u32 = 2;

/// What the node can do.
pub struct Config {
    /// Where compiled code is kept; `None` compiles at each start.
    pub cache: Option<Dir>,
    /// The most a policy may take.
    pub policy_limits: Limits,
    /// The most a handler may take.
    pub handler_limits: Limits,
    /// Policy calls at one moment.
    pub policy_instances: u32,
    /// Handlers at one moment.
    pub handler_instances: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cache: None,
            policy_limits: Limits::POLICY,
            handler_limits: Limits::HANDLER,
            policy_instances: 64,
            handler_instances: 256,
        }
    }
}

/// How an operator installs a guest.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Settings by name. What is not set has the default that the guest declares.
    pub settings: Vec<Param>,
    /// The most that the operator allows this guest; the node's limits hold anyway.
    pub limits: Option<Limits>,
    /// What it gets of what it wants.
    pub grants: Grants,
}

/// Imports beyond `inputs` and `log`. Granted, but only to whom wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grants {
    /// Text generation.
    pub inference: bool,
    /// Reports and partial results.
    pub progress: bool,
}

impl Default for Grants {
    fn default() -> Self {
        Self { inference: true, progress: true }
    }
}

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not even the smallest pool could be reserved, or this machine is not supported.
    #[error("the engine for {0} cannot start: {1}")]
    Engine(&'static str, String),
    /// The folder for compiled code.
    #[error("the cache of compiled code cannot be opened: {0}")]
    Cache(std::io::Error),
    /// No thread for the clock.
    #[error("the clock of the handlers cannot start: {0}")]
    Clock(std::io::Error),
}

/// Why a component is not installed: the step that it failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstallError {
    /// Too many bytes.
    #[error("a component of {0} bytes is too large")]
    Size(usize),
    /// Not a component, or not that of one guest.
    #[error(transparent)]
    Outline(#[from] OutlineError),
    /// Not a component, or not one that this engine runs.
    #[error("cannot be compiled: {0}")]
    Compile(String),
    /// This import, which its role does not have or which is not granted.
    #[error("imports `{0}`, which is not granted")]
    Import(String),
    /// It does not export what its role must.
    #[error("is not a guest for `{0}`: {1}")]
    World(Slot, String),
    /// `describe` gave no answer.
    #[error("cannot describe itself: {0}")]
    Describe(Fault),
    /// What `describe` answered.
    #[error("describes itself wrongly: {0}")]
    About(String),
    /// The operator set something that the guest does not have, or nothing at all.
    #[error("has no setting `{0}`, or it has no value; {1}")]
    Setting(String, String),
    /// A set of guests has no policy for every kind in this role.
    #[error("there is no guest for `{0}`")]
    Missing(&'static str),
    /// It is for other slots.
    #[error("does not serve `{0}`")]
    Slot(Slot),
}

/// The engines on which guests run, and the cache of their code.
pub struct Sandbox {
    policies: Arc<PolicyTier>,
    handlers: Arc<HandlerTier>,
    cache: Option<Arc<Cache>>,
    policy_limits: Limits,
    handler_limits: Limits,
}

impl Sandbox {
    /// Reserves the pools. A pool that does not fit into this process becomes smaller, with a warning.
    pub fn open(config: Config) -> Result<Self, OpenError> {
        let policies = engine::policies(&config.policy_limits, config.policy_instances.saturating_add(SPARE))
            .map_err(|error| OpenError::Engine("policies", format!("{error:#}")))?;
        let handlers = engine::handlers(&config.handler_limits, config.handler_instances.saturating_add(SPARE))
            .map_err(|error| OpenError::Engine("handlers", format!("{error:#}")))?;
        let cache = config.cache.map(Cache::open).transpose().map_err(OpenError::Cache)?.map(Arc::new);
        let ticker = Ticker::start(&handlers.engine).map_err(OpenError::Clock)?;
        Ok(Self {
            policies: Arc::new(PolicyTier { engine: policies.engine, gate: Gate::new(policies.instances - SPARE) }),
            handlers: Arc::new(HandlerTier {
                engine: handlers.engine,
                places: Semaphore::new((handlers.instances - SPARE) as usize),
                ticker,
            }),
            cache,
            policy_limits: config.policy_limits,
            handler_limits: config.handler_limits,
        })
    }

    /// Makes a component ready for a slot. Nothing of it has run before its imports are checked, and `describe` is all that runs here.
    pub async fn load(&self, slot: Slot, bytes: &[u8], setup: Setup) -> Result<Arc<Installed>, InstallError> {
        if bytes.len() > MAX_COMPONENT_BYTES {
            return Err(InstallError::Size(bytes.len()));
        }
        let digest = Digest::from_bytes(Sha256::digest(bytes).into());
        let (component, loaded) = self.compile(slot.role(), digest, bytes).await?;
        let engine = match slot.role() {
            Role::Handler => &self.handlers.engine,
            _ => &self.policies.engine,
        };
        let node = self.limits(slot.role());
        let allowed = setup.limits.map_or(node, |operator| operator.min(node));
        let (code, about, bounds, granted) = self.link(slot, &component, allowed, setup.grants).await?;
        let serves = |kind| about.kinds.iter().any(|served| served.kind == kind);
        if slot.role() == Role::Handler && !slot.kind().is_some_and(serves) {
            return Err(InstallError::Slot(slot));
        }
        let stamp =
            GuestStamp { slot: slot.role().name().into(), name: about.name.clone(), version: about.version.clone(), digest };
        Ok(Arc::new(Installed {
            stamp: Arc::new(stamp),
            settings: settings(&about, setup.settings)?,
            about,
            granted,
            limits: bounds.min(allowed),
            loaded,
            engine: compile::engine_id(engine).into(),
            code,
        }))
    }

    /// What the node allows to a guest of this role.
    pub(crate) const fn limits(&self, role: Role) -> Limits {
        match role {
            Role::Handler => self.handler_limits,
            _ => self.policy_limits,
        }
    }

    /// Off the threads that serve jobs.
    pub(crate) async fn compile(&self, role: Role, digest: Digest, bytes: &[u8]) -> Result<(Component, Loaded), InstallError> {
        let engine = match role {
            Role::Handler => self.handlers.engine.clone(),
            _ => self.policies.engine.clone(),
        };
        let (cache, bytes) = (self.cache.clone(), bytes.to_vec());
        let compiling = tokio::task::spawn_blocking(move || compile::compile(cache.as_deref(), &engine, digest, &bytes));
        match compiling.await {
            Ok(Ok(compiled)) => Ok(compiled),
            Ok(Err(error)) => Err(InstallError::Compile(format!("{error:#}"))),
            Err(panic) => Err(InstallError::Compile(panic.to_string())),
        }
    }

    pub(crate) async fn link(
        &self,
        slot: Slot,
        component: &Component,
        limits: Limits,
        grants: Grants,
    ) -> Result<(Code, About, Limits, Vec<Want>), InstallError> {
        if slot.role() == Role::Handler {
            return self.link_handler(slot, component, limits, grants).await;
        }
        let tier = &self.policies;
        if let Some(import) = linking::ungranted(component, &tier.engine, |_| false) {
            return Err(InstallError::Import(import));
        }
        let not_this_world = |error: wasmtime::Error| InstallError::World(slot, format!("{error:#}"));
        let pre: InstancePre<PolicyState> = Linker::new(&tier.engine).instantiate_pre(component).map_err(not_this_world)?;
        let (code, described) = match slot.role() {
            Role::Routing => {
                let guest = RoutingPolicyPre::new(pre).map_err(not_this_world)?;
                let described = description::routing(tier, &limits, &guest);
                (Code::Routing(Arc::clone(tier), guest), described)
            }
            Role::Pricing => {
                let guest = PricingPolicyPre::new(pre).map_err(not_this_world)?;
                let described = description::pricing(tier, &limits, &guest);
                (Code::Pricing(Arc::clone(tier), guest), described)
            }
            Role::Verification | Role::Handler => {
                let guest = VerificationPolicyPre::new(pre).map_err(not_this_world)?;
                let described = description::verification(tier, &limits, &guest);
                (Code::Verification(Arc::clone(tier), guest), described)
            }
        };
        let described = described.map_err(InstallError::Describe)?;
        let (about, bounds) = about::checked(described, slot.role()).map_err(InstallError::About)?;
        Ok((code, about, bounds, Vec::new()))
    }

    async fn link_handler(
        &self,
        slot: Slot,
        component: &Component,
        limits: Limits,
        grants: Grants,
    ) -> Result<(Code, About, Limits, Vec<Want>), InstallError> {
        let engine = &self.handlers.engine;
        let not_this_world = |error: wasmtime::Error| InstallError::World(slot, format!("{error:#}"));
        let prepare = |linker: Linker<_>| linker.instantiate_pre(component).and_then(JobHandlerPre::new);
        if let Some(import) = linking::ungranted(component, engine, linking::is_grantable) {
            return Err(InstallError::Import(import));
        }
        let unlinked = linking::inert(engine, component).and_then(prepare).map_err(not_this_world)?;
        let described = description::handler(&self.handlers, limits, &unlinked).await.map_err(InstallError::Describe)?;
        let (about, bounds) = about::checked(described, Role::Handler).map_err(InstallError::About)?;

        let mut granted = about.wants.clone();
        granted.retain(|want| match want {
            Want::Inference => grants.inference,
            Want::Progress => grants.progress,
            Want::Agent | Want::Urls(_) | Want::Events | Want::Jobs => false,
        });
        if let Some(import) = linking::ungranted(component, engine, |name| linking::is_granted(name, &granted)) {
            return Err(InstallError::Import(import));
        }
        let linked = linking::granted(engine, &granted).and_then(prepare).map_err(not_this_world)?;
        Ok((Code::Handler(Arc::clone(&self.handlers), linked), about, bounds, granted))
    }
}

/// What there is to set, for whoever set something else.
fn known(about: &About) -> String {
    let names: Vec<_> = about.settings.iter().map(|setting| format!("`{}`", setting.name)).collect();
    if names.is_empty() { "it has none".into() } else { format!("there is {}", names.join(", ")) }
}

/// What the guest declares, in its order, each with the operator's values or the default.
fn settings(about: &About, mut set: Vec<Param>) -> Result<Vec<types::Param>, InstallError> {
    if let Some(empty) = set.iter().find(|param| param.values.is_empty()) {
        return Err(InstallError::Setting(empty.name.clone(), known(about)));
    }
    let filled = about.settings.iter().map(|setting| {
        let own = set.iter().position(|param| param.name == setting.name).map(|place| set.swap_remove(place));
        let values = own.map_or_else(|| vec![setting.default.clone()], |param| param.values);
        types::Param { name: setting.name.clone(), values }
    });
    let filled = filled.collect();
    set.pop().map_or(Ok(filled), |unknown| Err(InstallError::Setting(unknown.name, known(about))))
}

//! The engines that guests run on, and the installation of guests.

use crate::bindings::types;
use crate::cache::Cache;
use crate::compilation::{self, Compilation};
use crate::component_interface::ComponentInterface;
use crate::engine;
use crate::epoch_ticker::EpochTicker;
use crate::error::{InstallError, one_line};
use crate::handler_engine::HandlerEngine;
use crate::handler_pool::{HandlerPool, PoolSize};
use crate::install::{self, Setup};
use crate::installed::{Code, Installed};
use crate::limits::Limits;
use crate::manifest::Manifest;
use crate::policy_engine::PolicyEngine;
use crate::policy_pool::PolicyPool;
use crate::precompiled::{CodeOrigin, SignedPrecompiled, TrustedCode, engine_id};
use crate::slot::{EngineKind, Role, Slot};
use cap_std::fs::Dir;
use pylon_core::Digest;
use pylon_core::guest::GuestRef;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Spare instances in a pool in addition to the permits: an instance returns to the pool a moment
/// after its call.
const SPARE_INSTANCES: u32 = 2;

/// Configuration of a sandbox.
pub struct Config {
    /// The directory of the cache of compiled code; `None` compiles at each start.
    pub cache: Option<Dir>,
    /// How code that is not cached is compiled.
    pub compilation: Compilation,
    /// The node's limits for policies.
    pub policy_limits: Limits,
    /// The node's limits for handlers.
    pub handler_limits: Limits,
    /// Concurrent policy calls.
    pub policy_instances: u32,
    /// Concurrent handler calls.
    pub handler_instances: u32,
    /// Concurrent handler calls of one kind; `None`: a quarter of the pool.
    pub handlers_per_kind: Option<u32>,
    /// Concurrent handler calls for one customer; `None`: a quarter of the pool.
    pub handlers_per_customer: Option<u32>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cache: None,
            compilation: Compilation::InProcess,
            policy_limits: Limits::POLICY,
            handler_limits: Limits::HANDLER,
            policy_instances: 64,
            handler_instances: 256,
            handlers_per_kind: None,
            handlers_per_customer: None,
        }
    }
}

/// Why a sandbox cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Not even the smallest pool can be reserved, or this machine is not supported.
    #[error("cannot start the engine for {0}: {1}")]
    Engine(&'static str, String),
    /// The cache directory cannot be used.
    #[error("cannot open the cache of compiled code: {0}")]
    Cache(std::io::Error),
    /// The thread of the epoch cannot be started.
    #[error("cannot start the clock of the handlers: {0}")]
    Clock(std::io::Error),
}

/// The engines that guests run on, and the cache of their code.
pub struct Sandbox {
    policies: Arc<PolicyEngine>,
    handlers: Arc<HandlerEngine>,
    policy_engine_id: Arc<str>,
    handler_engine_id: Arc<str>,
    cache: Option<Arc<Cache>>,
    compilation: Compilation,
    policy_limits: Limits,
    handler_limits: Limits,
}

impl Sandbox {
    /// Reserves the pools. If a pool cannot be reserved, a smaller one is used and logged.
    pub fn open(config: Config) -> Result<Self, SandboxError> {
        let policies = engine::policies(
            &config.policy_limits,
            config.policy_instances.saturating_add(SPARE_INSTANCES),
        )
        .map_err(|error| SandboxError::Engine("policies", format!("{error:#}")))?;
        let handlers = engine::handlers(
            &config.handler_limits,
            config.handler_instances.saturating_add(SPARE_INSTANCES),
        )
        .map_err(|error| SandboxError::Engine("handlers", format!("{error:#}")))?;
        let ids = [engine_id(&policies.engine), engine_id(&handlers.engine)].map(Arc::from);
        let cache = config
            .cache
            .map(|dir| Cache::open(dir, ids.clone()))
            .transpose()
            .map_err(SandboxError::Cache)?
            .map(Arc::new);
        let ticker = EpochTicker::start(&handlers.engine).map_err(SandboxError::Clock)?;
        let size = PoolSize {
            instances: handlers.instances - SPARE_INSTANCES,
            per_kind: config.handlers_per_kind,
            per_customer: config.handlers_per_customer,
        };
        let [policy_engine_id, handler_engine_id] = ids;
        Ok(Self {
            policies: Arc::new(PolicyEngine {
                engine: policies.engine,
                pool: PolicyPool::new(policies.instances - SPARE_INSTANCES),
            }),
            handlers: Arc::new(HandlerEngine {
                engine: handlers.engine,
                pool: HandlerPool::new(&size),
                ticker,
            }),
            policy_engine_id,
            handler_engine_id,
            cache,
            compilation: config.compilation,
            policy_limits: config.policy_limits,
            handler_limits: config.handler_limits,
        })
    }

    /// Prepares a component for a slot; [`InstallError`] lists the steps. Nothing is compiled
    /// before world and imports are checked, and only `describe` and the self-test run.
    pub async fn load(
        &self,
        slot: Slot,
        bytes: &[u8],
        setup: Setup,
    ) -> Result<Arc<Installed>, InstallError> {
        ComponentInterface::read_guest(bytes)?.check_role(slot.role())?;
        let digest = Digest::from_bytes(Sha256::digest(bytes).into());
        let code = self.code(slot.role().engine_kind(), digest, bytes).await?;
        self.install(slot, digest, code, setup).await
    }

    /// The same for precompiled code. The caller has checked the [`ComponentInterface`] of its
    /// component; the linker checks it again.
    pub async fn load_precompiled(
        &self,
        slot: Slot,
        code: SignedPrecompiled<'_>,
        setup: Setup,
    ) -> Result<Arc<Installed>, InstallError> {
        let started = Instant::now();
        let trusted = TrustedCode::from_signed(&code)
            .ok_or_else(|| InstallError::Precompiled("its digest is not the signed one".into()))?;
        let component = trusted
            .load(self.engine(slot.role().engine_kind()))
            .map_err(|error| InstallError::Precompiled(format!("{error:#}")))?;
        let loaded =
            LoadedCode { component, origin: CodeOrigin::Signed, load_time: started.elapsed() };
        self.install(slot, code.component, loaded, setup).await
    }

    /// Compiles a component for engines like these, to be signed and loaded elsewhere.
    pub async fn precompile(&self, bytes: &[u8]) -> Result<Vec<u8>, InstallError> {
        let interface = ComponentInterface::read_guest(bytes)?;
        let role = interface.role()?;
        interface.check_role(role)?;
        self.compile(role.engine_kind(), bytes).await
    }

    /// Id of the engine of this role: with the same id, code is interchangeable and fuel is equal.
    pub fn engine_id(&self, role: Role) -> String {
        self.id(role.engine_kind()).to_string()
    }

    fn id(&self, kind: EngineKind) -> Arc<str> {
        Arc::clone(match kind {
            EngineKind::Policy => &self.policy_engine_id,
            EngineKind::Handler => &self.handler_engine_id,
        })
    }

    fn engine(&self, kind: EngineKind) -> &Engine {
        match kind {
            EngineKind::Policy => &self.policies.engine,
            EngineKind::Handler => &self.handlers.engine,
        }
    }

    /// The node's limits for guests of this kind.
    pub(crate) const fn limits(&self, kind: EngineKind) -> Limits {
        match kind {
            EngineKind::Policy => self.policy_limits,
            EngineKind::Handler => self.handler_limits,
        }
    }

    /// Loads code from the cache, or compiles it and stores it there.
    pub(crate) async fn code(
        &self,
        kind: EngineKind,
        digest: Digest,
        bytes: &[u8],
    ) -> Result<LoadedCode, InstallError> {
        let (engine, id) = (self.engine(kind).clone(), self.id(kind));
        if let Some(cache) = self.cache.clone() {
            let (engine, id) = (engine.clone(), id.clone());
            let load = move || {
                let started = Instant::now();
                let component = cache.load(digest, &id, &engine)?;
                let (origin, load_time) = (CodeOrigin::Cached, started.elapsed());
                Some(LoadedCode { component, origin, load_time })
            };
            if let Some(loaded) = spawn_blocking(load).await? {
                return Ok(loaded);
            }
        }
        let started = Instant::now();
        let code = self.compile(kind, bytes).await?;
        let cache = self.cache.clone();
        let loading = spawn_blocking(move || {
            let component = TrustedCode::from_compiler(&code).load(&engine)?;
            let (origin, load_time) = (CodeOrigin::Compiled, started.elapsed());
            if let Some(cache) = cache {
                cache.store(digest, &id, &code);
            }
            Ok::<_, wasmtime::Error>(LoadedCode { component, origin, load_time })
        });
        loading.await?.map_err(|error| InstallError::Compile(format!("{error:#}")))
    }

    async fn compile(&self, kind: EngineKind, bytes: &[u8]) -> Result<Vec<u8>, InstallError> {
        let code = match &self.compilation {
            Compilation::InProcess => {
                compilation::compile_blocking(kind, self.limits(kind), bytes).await
            }
            Compilation::With(compiler) => compiler.compile(kind, bytes).await,
            Compilation::Disabled => {
                Err("this node does not compile, and has no compiled code for it".into())
            }
        };
        code.map_err(|error| InstallError::Compile(one_line(&error)))
    }

    /// Calls `describe`.
    pub(crate) async fn described(
        &self,
        role: Role,
        component: &Component,
        limits: Limits,
    ) -> Result<(Code, Manifest, Limits), InstallError> {
        install::describe(&self.policies, &self.handlers, role, component, limits).await
    }

    /// All steps after the code is loaded.
    async fn install(
        &self,
        slot: Slot,
        digest: Digest,
        loaded: LoadedCode,
        setup: Setup,
    ) -> Result<Arc<Installed>, InstallError> {
        let LoadedCode { component, origin, load_time } = loaded;
        let node = self.limits(slot.role().engine_kind());
        let allowed = setup.limits.map_or(node, |operator| operator.min(node));
        let (code, manifest, own) = self.described(slot.role(), &component, allowed).await?;
        let serves = |kind| manifest.kinds.iter().any(|served| served.kind == kind);
        if slot.role() == Role::Handler && !slot.kind().is_some_and(serves) {
            return Err(InstallError::Slot(slot));
        }
        let settings: Vec<types::Param> = install::settings(&manifest, setup.settings)?;
        let (granted, ungranted) = setup.grants.split(&manifest.requests);
        if !ungranted.is_empty() && !setup.drop_ungranted {
            return Err(InstallError::NotGranted(ungranted));
        }
        let code = install::link_granted(code, &component, &granted)?;
        let guest_ref = GuestRef {
            slot: slot.role().name().into(),
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            digest,
        };
        let guest = Installed {
            guest_ref: Arc::new(guest_ref),
            settings,
            manifest,
            granted,
            limits: own.min(allowed),
            code_origin: origin,
            load_time,
            engine: self.id(slot.role().engine_kind()),
            code,
        };
        if !setup.skip_self_test {
            install::self_test(&guest, slot.kind()).await?;
        }
        Ok(Arc::new(guest))
    }
}

/// Compiled code, ready to be linked.
pub(crate) struct LoadedCode {
    pub(crate) component: Component,
    origin: CodeOrigin,
    load_time: Duration,
}

/// Runs work on a thread for blocking work.
async fn spawn_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, InstallError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|panic| InstallError::Compile(panic.to_string()))
}

//! The engines on which guests run, and the door through which guests come in.

use crate::about::About;
use crate::admission::{Admission, Shares};
use crate::bindings::types;
use crate::cache::Cache;
use crate::compiling::{self, Compiling};
use crate::engine;
use crate::gate::Gate;
use crate::handler::HandlerTier;
use crate::image::{Authentic, Loaded, SignedImage, engine_id};
use crate::install::{self, InstallError, Setup};
use crate::installed::{Code, Installed};
use crate::limits::Limits;
use crate::outline::Outline;
use crate::policy::PolicyTier;
use crate::slot::{Role, Slot, Tier};
use crate::ticker::Ticker;
use cap_std::fs::Dir;
use pylon_core::Digest;
use pylon_core::guest::GuestRef;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Instances kept free in a pool, beyond those that are admitted: a slot is given back a moment after its call.
const SPARE: u32 = 2;

/// What the node can do.
pub struct Config {
    /// Where compiled code is kept; `None` compiles at each start.
    pub cache: Option<Dir>,
    /// Who compiles what is not there.
    pub compiling: Compiling,
    /// The most a policy may take.
    pub policy_limits: Limits,
    /// The most a handler may take.
    pub handler_limits: Limits,
    /// Policy calls at one moment.
    pub policy_instances: u32,
    /// Handlers at one moment.
    pub handler_instances: u32,
    /// Of those, handlers of one kind; `None`: a quarter of what the pool has, and so below.
    pub handlers_per_kind: Option<u32>,
    /// Of those, handlers for one customer.
    pub handlers_per_customer: Option<u32>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cache: None,
            compiling: Compiling::Here,
            policy_limits: Limits::POLICY,
            handler_limits: Limits::HANDLER,
            policy_instances: 64,
            handler_instances: 256,
            handlers_per_kind: None,
            handlers_per_customer: None,
        }
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

/// The engines on which guests run, and the cache of their code.
pub struct Sandbox {
    policies: Arc<PolicyTier>,
    handlers: Arc<HandlerTier>,
    /// Of the policies and of the handlers.
    engines: [Arc<str>; 2],
    cache: Option<Arc<Cache>>,
    compiling: Compiling,
    policy_limits: Limits,
    handler_limits: Limits,
}

impl Sandbox {
    /// Reserves the pools. A pool that does not fit into this process becomes smaller, with a warning.
    pub fn open(config: Config) -> Result<Self, OpenError> {
        let policies =
            engine::policies(&config.policy_limits, config.policy_instances.saturating_add(SPARE))
                .map_err(|error| OpenError::Engine("policies", format!("{error:#}")))?;
        let handlers = engine::handlers(
            &config.handler_limits,
            config.handler_instances.saturating_add(SPARE),
        )
        .map_err(|error| OpenError::Engine("handlers", format!("{error:#}")))?;
        let engines = [engine_id(&policies.engine), engine_id(&handlers.engine)].map(Arc::from);
        let cache = config
            .cache
            .map(|dir| Cache::open(dir, engines.clone()))
            .transpose()
            .map_err(OpenError::Cache)?
            .map(Arc::new);
        let ticker = Ticker::start(&handlers.engine).map_err(OpenError::Clock)?;
        let all = handlers.instances - SPARE;
        let shares = Shares {
            all,
            per_kind: config.handlers_per_kind,
            per_customer: config.handlers_per_customer,
        };
        Ok(Self {
            policies: Arc::new(PolicyTier {
                engine: policies.engine,
                gate: Gate::new(policies.instances - SPARE),
            }),
            handlers: Arc::new(HandlerTier {
                engine: handlers.engine,
                admission: Admission::new(&shares),
                ticker,
            }),
            engines,
            cache,
            compiling: config.compiling,
            policy_limits: config.policy_limits,
            handler_limits: config.handler_limits,
        })
    }

    /// Makes a component ready for a slot, step by step as [`InstallError`] lists them. Nothing of it is compiled before its world and its
    /// imports are known, and nothing but `describe` and the samples is run.
    pub async fn load(
        &self,
        slot: Slot,
        bytes: &[u8],
        setup: Setup,
    ) -> Result<Arc<Installed>, InstallError> {
        Outline::of_guest(bytes)?.fits(slot.role())?;
        let digest = Digest::from_bytes(Sha256::digest(bytes).into());
        let made = self.code(slot.role().tier(), digest, bytes).await?;
        self.install(slot, digest, made, setup).await
    }

    /// The same for code that was compiled elsewhere. The caller has looked at the [`Outline`] of its component; the linker holds it again.
    pub async fn load_image(
        &self,
        slot: Slot,
        image: SignedImage<'_>,
        setup: Setup,
    ) -> Result<Arc<Installed>, InstallError> {
        let begun = Instant::now();
        let authentic = Authentic::signed(&image)
            .ok_or_else(|| InstallError::Image("its digest is another".into()))?;
        let component = authentic
            .load(self.engine(slot.role().tier()))
            .map_err(|error| InstallError::Image(format!("{error:#}")))?;
        let made = Made { component, loaded: Loaded::Signed, within: begun.elapsed() };
        self.install(slot, image.component, made, setup).await
    }

    /// Compiles a component for engines like these, to be signed and loaded elsewhere.
    pub async fn image(&self, bytes: &[u8]) -> Result<Vec<u8>, InstallError> {
        let outline = Outline::of_guest(bytes)?;
        let role = outline.role()?;
        outline.fits(role)?;
        self.compiled(role.tier(), bytes).await
    }

    /// Names the engine of this role: code and fuel are the same where it is the same.
    pub fn engine_of(&self, role: Role) -> String {
        self.engine_id(role.tier()).to_string()
    }

    fn engine_id(&self, tier: Tier) -> Arc<str> {
        let [policies, handlers] = &self.engines;
        Arc::clone(match tier {
            Tier::Policy => policies,
            Tier::Handler => handlers,
        })
    }

    fn engine(&self, tier: Tier) -> &Engine {
        match tier {
            Tier::Policy => &self.policies.engine,
            Tier::Handler => &self.handlers.engine,
        }
    }

    /// What the node allows to a guest of this tier.
    pub(crate) const fn limits(&self, tier: Tier) -> Limits {
        match tier {
            Tier::Policy => self.policy_limits,
            Tier::Handler => self.handler_limits,
        }
    }

    /// From the cache, else from the compiler and into the cache.
    pub(crate) async fn code(
        &self,
        tier: Tier,
        digest: Digest,
        bytes: &[u8],
    ) -> Result<Made, InstallError> {
        let (engine, id) = (self.engine(tier).clone(), self.engine_id(tier));
        if let Some(cache) = self.cache.clone() {
            let (engine, id) = (engine.clone(), id.clone());
            let load = move || {
                let begun = Instant::now();
                let component = cache.load(digest, &id, &engine)?;
                Some(Made { component, loaded: Loaded::Cached, within: begun.elapsed() })
            };
            if let Some(made) = apart(load).await? {
                return Ok(made);
            }
        }
        let begun = Instant::now();
        let image = self.compiled(tier, bytes).await?;
        let cache = self.cache.clone();
        let loading = apart(move || {
            let component = Authentic::made(&image).load(&engine)?;
            let within = begun.elapsed();
            if let Some(cache) = cache {
                cache.store(digest, &id, &image);
            }
            Ok::<_, wasmtime::Error>(Made { component, loaded: Loaded::Compiled, within })
        });
        loading.await?.map_err(|error| InstallError::Compile(format!("{error:#}")))
    }

    async fn compiled(&self, tier: Tier, bytes: &[u8]) -> Result<Vec<u8>, InstallError> {
        let image = match &self.compiling {
            Compiling::Here => compiling::here(tier, self.limits(tier), bytes).await,
            Compiling::By(compiler) => compiler.compile(tier, bytes).await,
            Compiling::Never => Err("this node compiles nothing, and has no code for it".into()),
        };
        image.map_err(|why| InstallError::Compile(install::one_line(&why)))
    }

    /// Has it say what it is.
    pub(crate) async fn described(
        &self,
        role: Role,
        component: &Component,
        allowed: Limits,
    ) -> Result<(Code, About, Limits), InstallError> {
        install::described(&self.policies, &self.handlers, role, component, allowed).await
    }

    /// All steps after the code is there.
    async fn install(
        &self,
        slot: Slot,
        digest: Digest,
        made: Made,
        setup: Setup,
    ) -> Result<Arc<Installed>, InstallError> {
        let Made { component, loaded, within } = made;
        let node = self.limits(slot.role().tier());
        let allowed = setup.limits.map_or(node, |operator| operator.min(node));
        let (code, about, bounds) = self.described(slot.role(), &component, allowed).await?;
        let serves = |kind| about.kinds.iter().any(|served| served.kind == kind);
        if slot.role() == Role::Handler && !slot.kind().is_some_and(serves) {
            return Err(InstallError::Slot(slot));
        }
        let settings: Vec<types::Param> = install::settings(&about, setup.settings)?;
        let (granted, beyond) = setup.grants.divide(&about.wants);
        if !beyond.is_empty() && !setup.withhold {
            return Err(InstallError::Grant(beyond));
        }
        let code = install::granted(code, &component, &granted)?;
        let guest_ref = GuestRef {
            slot: slot.role().name().into(),
            name: about.name.clone(),
            version: about.version.clone(),
            digest,
        };
        let guest = Installed {
            guest_ref: Arc::new(guest_ref),
            settings,
            about,
            granted,
            limits: bounds.min(allowed),
            loaded,
            loaded_within: within,
            engine: self.engine_id(slot.role().tier()),
            code,
        };
        if !setup.untested {
            install::self_test(&guest, slot.kind()).await?;
        }
        Ok(Arc::new(guest))
    }
}

/// The code of a component, where it came from and how long that took.
pub(crate) struct Made {
    pub(crate) component: Component,
    loaded: Loaded,
    within: Duration,
}

/// Off the threads that serve jobs.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, InstallError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|panic| InstallError::Compile(panic.to_string()))
}

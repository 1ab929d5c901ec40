//! Which guest serves which slot. A guest set is immutable: installing a guest creates the next
//! one, and a job keeps the set that it was admitted with.

use crate::error::InstallError;
use crate::installed::Installed;
use crate::manifest::Capability;
use crate::slot::{Role, Slot};
use arc_swap::ArcSwap;
use async_trait::async_trait;
use pylon_core::decision::{Candidate, Offer, QuoteContext, Ranking, Refusal, Situation, Verdict};
use pylon_core::guest::{Call, Cost, GuestAnswer, GuestRef};
use pylon_core::job::JobError;
use pylon_core::ports::guests::{GuestSet, GuestSets, HandlerHost};
use pylon_core::sources::Sources;
use pylon_core::sync::lock;
use pylon_core::work::{Evidence, Output, Route, Usage};
use pylon_core::{Digest, Job, Msat};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

/// The current guest set, and older ones that unfinished jobs still refer to.
pub struct GuestSetRegistry {
    current: ArcSwap<InstalledSet>,
    /// Sets that were current, oldest first, while a job holds them. A guest whose limits change is
    /// replaced within its revision, so that a revision can have several sets.
    replaced: Mutex<Vec<Weak<InstalledSet>>>,
    /// By revision and job kind.
    older: Mutex<BTreeMap<(u64, u16), Arc<InstalledSet>>>,
}

/// One guest set. The three policies for all kinds always exist; other slots can be empty.
#[derive(Clone)]
struct InstalledSet {
    revision: u64,
    routing: Arc<Installed>,
    pricing: Arc<Installed>,
    verification: Arc<Installed>,
    of_kinds: BTreeMap<Slot, Arc<Installed>>,
}

/// A slot and its new guest; `None` empties the slot.
pub type SlotAssignment = (Slot, Option<Arc<Installed>>);

impl GuestSetRegistry {
    /// Starts with revision 1, without handlers.
    pub fn new(
        routing: Arc<Installed>,
        pricing: Arc<Installed>,
        verification: Arc<Installed>,
    ) -> Result<Self, InstallError> {
        let policies = [
            (Role::Routing, routing),
            (Role::Pricing, pricing),
            (Role::Verification, verification),
        ];
        Self::starting(
            1,
            policies
                .into_iter()
                .filter_map(|(role, guest)| Some((Slot::policy(role)?, guest)))
                .collect(),
        )
    }

    /// Starts with this revision. The guests must include the policies for all kinds.
    pub fn starting(
        revision: u64,
        guests: Vec<(Slot, Arc<Installed>)>,
    ) -> Result<Self, InstallError> {
        Ok(Self {
            current: ArcSwap::from_pointee(InstalledSet::new(revision, guests)?),
            replaced: Mutex::default(),
            older: Mutex::default(),
        })
    }

    /// Changes slots for all later jobs, in one atomic swap to a new revision. Nothing changes if
    /// one of the guests cannot serve its slot. Policies for all kinds are replaced, never removed.
    pub fn swap(&self, revision: u64, changes: &[SlotAssignment]) -> Result<(), InstallError> {
        for (slot, guest) in changes {
            guest.as_ref().map_or(Ok(()), |guest| check(*slot, guest))?;
        }
        // Before the swap, so that each revision that a job holds can be found at any time.
        let mut replaced = lock(&self.replaced);
        replaced.retain(|set| set.strong_count() > 0);
        replaced.push(Arc::downgrade(&self.current.load_full()));
        self.current.rcu(|set| {
            let mut next = InstalledSet { revision, ..InstalledSet::clone(set) };
            for (slot, guest) in changes {
                match guest {
                    Some(guest) => next.put(*slot, Arc::clone(guest)),
                    None => drop(next.of_kinds.remove(slot)),
                }
            }
            next
        });
        Ok(())
    }

    /// Assigns a guest to a slot, in the next revision. Returns the previous guest of the slot.
    pub fn install(
        &self,
        slot: Slot,
        guest: &Arc<Installed>,
    ) -> Result<Option<Arc<Installed>>, InstallError> {
        let before = self.current.load_full();
        self.swap(before.revision + 1, &[(slot, Some(Arc::clone(guest)))])?;
        Ok(before.get(slot).cloned())
    }

    /// Empties the slot of a kind, in the next revision. Returns its guest.
    pub fn remove(&self, slot: Slot) -> Option<Arc<Installed>> {
        let before = self.current.load_full();
        // Emptying a slot cannot fail.
        let _ = self.swap(before.revision + 1, &[(slot, None)]);
        before.of_kinds.get(&slot).cloned()
    }

    /// Keeps an older revision for the jobs of this kind that refer to it. The guests, from slots
    /// of the kind or for all kinds, must include each role of [`Role::NEEDED_AFTER_ADMISSION`].
    /// The routing policy is not called again for these jobs, so the current one is used.
    pub fn keep(
        &self,
        revision: u64,
        kind: u16,
        guests: Vec<(Slot, Arc<Installed>)>,
    ) -> Result<(), InstallError> {
        let for_all_kinds =
            |(slot, guest): (Slot, _)| (Slot::policy(slot.role()).unwrap_or(slot), guest);
        let routing = Slot::policy(Role::Routing)
            .map(|slot| (slot, Arc::clone(&self.current.load().routing)));
        let guests = routing.into_iter().chain(guests.into_iter().map(for_all_kinds)).collect();
        let set = Arc::new(InstalledSet::new(revision, guests)?);
        lock(&self.older).insert((revision, kind), set);
        Ok(())
    }

    /// The current revision.
    pub fn revision(&self) -> u64 {
        self.current.load().revision
    }

    /// All slots of the current set with their guests.
    pub fn list(&self) -> Vec<(Slot, Arc<Installed>)> {
        let set = self.current.load();
        let for_all_kinds =
            [Role::Routing, Role::Pricing, Role::Verification].into_iter().filter_map(Slot::policy);
        let slots = for_all_kinds.chain(set.of_kinds.keys().copied());
        slots.filter_map(|slot| set.get(slot).map(|guest| (slot, Arc::clone(guest)))).collect()
    }
}

impl GuestSets for GuestSetRegistry {
    fn current(&self) -> Arc<dyn GuestSet> {
        self.current.load_full()
    }

    fn at(&self, revision: u64, kind: u16) -> Option<Arc<dyn GuestSet>> {
        let current = self.current.load_full();
        if current.revision == revision {
            return Some(current);
        }
        let held = |set: &Weak<InstalledSet>| set.upgrade().filter(|set| set.revision == revision);
        let replaced = lock(&self.replaced).iter().rev().find_map(held);
        let set = replaced.or_else(|| lock(&self.older).get(&(revision, kind)).map(Arc::clone))?;
        Some(set)
    }
}

fn check(slot: Slot, guest: &Installed) -> Result<(), InstallError> {
    let is_role = guest.guest_ref.slot == slot.role().name();
    let serves = slot.role() != Role::Handler
        || guest.manifest.kinds.iter().any(|served| Some(served.kind) == slot.kind());
    if is_role && serves { Ok(()) } else { Err(InstallError::Slot(slot)) }
}

impl InstalledSet {
    fn new(revision: u64, guests: Vec<(Slot, Arc<Installed>)>) -> Result<Self, InstallError> {
        let mut of_kinds = BTreeMap::new();
        for (slot, guest) in guests {
            check(slot, &guest)?;
            of_kinds.insert(slot, guest);
        }
        let mut policy = |role| {
            let slot = Slot::policy(role).ok_or(InstallError::Missing(role.name()))?;
            of_kinds.remove(&slot).ok_or(InstallError::Missing(role.name()))
        };
        let (routing, pricing, verification) =
            (policy(Role::Routing)?, policy(Role::Pricing)?, policy(Role::Verification)?);
        Ok(Self { revision, routing, pricing, verification, of_kinds })
    }

    fn get(&self, slot: Slot) -> Option<&Arc<Installed>> {
        match (slot.role(), slot.kind()) {
            (Role::Routing, None) => Some(&self.routing),
            (Role::Pricing, None) => Some(&self.pricing),
            (Role::Verification, None) => Some(&self.verification),
            _ => self.of_kinds.get(&slot),
        }
    }

    fn put(&mut self, slot: Slot, guest: Arc<Installed>) {
        match (slot.role(), slot.kind()) {
            (Role::Routing, None) => self.routing = guest,
            (Role::Pricing, None) => self.pricing = guest,
            (Role::Verification, None) => self.verification = guest,
            _ => drop(self.of_kinds.insert(slot, guest)),
        }
    }

    fn of_kind(&self, role: Role, kind: u16) -> Option<&Arc<Installed>> {
        self.of_kinds.get(&Slot::of_kind(role, kind)?)
    }
}

#[async_trait]
impl GuestSet for InstalledSet {
    fn revision(&self) -> u64 {
        self.revision
    }

    fn serves(&self, kind: u16) -> bool {
        self.of_kind(Role::Handler, kind).is_some()
    }

    fn public_params(&self, kind: u16) -> &[String] {
        let kinds = self
            .of_kind(Role::Handler, kind)
            .map(|handler| handler.manifest.kinds.as_slice())
            .unwrap_or_default();
        kinds
            .iter()
            .find(|served| served.kind == kind)
            .map(|served| served.public_params.as_slice())
            .unwrap_or_default()
    }

    fn sources(&self, kind: u16) -> Sources {
        let mut sources = Sources::default();
        for capability in self
            .of_kind(Role::Handler, kind)
            .map(|handler| handler.granted.as_slice())
            .unwrap_or_default()
        {
            match capability {
                Capability::Urls(hosts) => sources.urls.extend_from_slice(hosts),
                Capability::Events => sources.events = true,
                Capability::Jobs => sources.jobs = true,
                Capability::Inference | Capability::Agent | Capability::Progress => {}
            }
        }
        sources
    }

    fn rank(
        &self,
        job: &Job,
        candidates: &[Candidate],
        situation: &Situation,
    ) -> GuestAnswer<Result<Ranking, Refusal>> {
        self.of_kind(Role::Routing, job.kind)
            .unwrap_or(&self.routing)
            .rank(job, candidates, situation)
    }

    fn quote(
        &self,
        job: &Job,
        context: &QuoteContext,
        situation: &Situation,
    ) -> GuestAnswer<Result<Offer, Refusal>> {
        self.of_kind(Role::Pricing, job.kind)
            .unwrap_or(&self.pricing)
            .quote(job, context, situation)
    }

    fn settle(
        &self,
        job: &Job,
        context: &QuoteContext,
        offer: &Offer,
        route: &Route,
        usage: &Usage,
        situation: &Situation,
    ) -> GuestAnswer<Msat> {
        self.of_kind(Role::Pricing, job.kind)
            .unwrap_or(&self.pricing)
            .settle(job, context, offer, route, usage, situation)
    }

    fn judge(
        &self,
        job: &Job,
        output: &Output,
        evidence: &Evidence,
        situation: &Situation,
    ) -> GuestAnswer<Verdict> {
        self.of_kind(Role::Verification, job.kind)
            .unwrap_or(&self.verification)
            .judge(job, output, evidence, situation)
    }

    async fn run(
        &self,
        job: &Job,
        deadline_ms: u64,
        host: Arc<dyn HandlerHost>,
    ) -> GuestAnswer<Result<Output, JobError>> {
        match self.of_kind(Role::Handler, job.kind) {
            Some(handler) => handler.run(job, deadline_ms, host).await,
            None => no_handler(),
        }
    }
}

/// Callers check `serves` first, so that this does not happen.
fn no_handler() -> GuestAnswer<Result<Output, JobError>> {
    let guest_ref = GuestRef {
        slot: Role::Handler.name().into(),
        name: String::new(),
        version: String::new(),
        digest: Digest::from_bytes([0; 32]),
    };
    let call =
        Call { guest: Arc::new(guest_ref), engine: "".into(), cost: Cost::CpuUs(0), wall_us: 0 };
    GuestAnswer { value: Ok(Err(JobError::NoBackend)), call }
}

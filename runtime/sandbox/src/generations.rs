//! Which guest serves which slot. A revision is one whole set, never changed: installing makes the next one, and a job keeps the one it has.

use crate::about::Want;
use crate::install::InstallError;
use crate::installed::Installed;
use crate::slot::{Role, Slot};
use arc_swap::ArcSwap;
use async_trait::async_trait;
use pylon_core::decision::{Candidate, Offer, QuoteContext, Ranking, Refusal, Situation, Verdict};
use pylon_core::guest::{Call, Cost, GuestAnswer, GuestRef};
use pylon_core::job::JobError;
use pylon_core::ports::guests::{GuestSet, GuestSets, HandlerHost};
use pylon_core::sources::Sources;
use pylon_core::work::{Evidence, Output, Route, Usage};
use pylon_core::{Digest, Job, Msat};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The guests as they are now, and those that older jobs still name. To roll back is to install the old one again.
pub struct Generations {
    current: ArcSwap<Set>,
    /// By number and kind of job.
    older: Mutex<BTreeMap<(u64, u16), Arc<Set>>>,
}

/// One revision. The three policies for every kind are always there; the rest is by slot.
#[derive(Clone)]
struct Set {
    number: u64,
    routing: Arc<Installed>,
    pricing: Arc<Installed>,
    verification: Arc<Installed>,
    of_kinds: BTreeMap<Slot, Arc<Installed>>,
}

/// What happens to a slot: `None` empties it.
pub type Change = (Slot, Option<Arc<Installed>>);

impl Generations {
    /// The first revision: no job is served before a handler is installed.
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

    /// The revision of this number. The policies for every kind must be among the guests.
    pub fn starting(
        number: u64,
        guests: Vec<(Slot, Arc<Installed>)>,
    ) -> Result<Self, InstallError> {
        Ok(Self {
            current: ArcSwap::from_pointee(Set::of(number, guests)?),
            older: Mutex::default(),
        })
    }

    /// Puts guests into slots for all jobs from now on: one atomic swap to the revision of this number. If one does not fit, nothing changes.
    /// The policies for every kind cannot be taken away, only replaced.
    pub fn swap(&self, number: u64, changes: &[Change]) -> Result<(), InstallError> {
        for (slot, guest) in changes {
            guest.as_ref().map_or(Ok(()), |guest| check(*slot, guest))?;
        }
        self.current.rcu(|set| {
            let mut next = Set { number, ..Set::clone(set) };
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

    /// Puts one guest into a slot, as the next generation. The guest that was there is given back.
    pub fn install(
        &self,
        slot: Slot,
        guest: &Arc<Installed>,
    ) -> Result<Option<Arc<Installed>>, InstallError> {
        let before = self.current.load_full();
        self.swap(before.number + 1, &[(slot, Some(Arc::clone(guest)))])?;
        Ok(before.get(slot).cloned())
    }

    /// Empties the slot of a kind, as the next generation.
    pub fn remove(&self, slot: Slot) -> Option<Arc<Installed>> {
        let before = self.current.load_full();
        // Emptying cannot fail.
        let _ = self.swap(before.number + 1, &[(slot, None)]);
        before.of_kinds.get(&slot).cloned()
    }

    /// Keeps an older revision at hand, for the jobs of this kind that name it: of those who serve the kind, from its own slots or from those for
    /// all, each role of [`Role::OF_TAKEN`]. Where nobody asks for an order of routes again, who gives it now may stand.
    pub fn keep(
        &self,
        number: u64,
        kind: u16,
        guests: Vec<(Slot, Arc<Installed>)>,
    ) -> Result<(), InstallError> {
        let for_all = |(slot, guest): (Slot, _)| (Slot::policy(slot.role()).unwrap_or(slot), guest);
        let routing = Slot::policy(Role::Routing)
            .map(|slot| (slot, Arc::clone(&self.current.load().routing)));
        let set = Arc::new(Set::of(
            number,
            routing.into_iter().chain(guests.into_iter().map(for_all)).collect(),
        )?);
        self.older.lock().unwrap_or_else(PoisonError::into_inner).insert((number, kind), set);
        Ok(())
    }

    /// Of the guests as they are now.
    pub fn revision(&self) -> u64 {
        self.current.load().number
    }

    /// Who is where, by slot.
    pub fn list(&self) -> Vec<(Slot, Arc<Installed>)> {
        let set = self.current.load();
        let for_all =
            [Role::Routing, Role::Pricing, Role::Verification].into_iter().filter_map(Slot::policy);
        let slots = for_all.chain(set.of_kinds.keys().copied());
        slots.filter_map(|slot| set.get(slot).map(|guest| (slot, Arc::clone(guest)))).collect()
    }
}

impl GuestSets for Generations {
    fn current(&self) -> Arc<dyn GuestSet> {
        self.current.load_full()
    }

    fn at(&self, number: u64, kind: u16) -> Option<Arc<dyn GuestSet>> {
        let current = self.current.load_full();
        if current.number == number {
            return Some(current);
        }
        let older = self.older.lock().unwrap_or_else(PoisonError::into_inner);
        older.get(&(number, kind)).map(|set| Arc::clone(set) as Arc<dyn GuestSet>)
    }
}

fn check(slot: Slot, guest: &Installed) -> Result<(), InstallError> {
    let is_role = guest.guest_ref.slot == slot.role().name();
    let serves = slot.role() != Role::Handler
        || guest.about.kinds.iter().any(|served| Some(served.kind) == slot.kind());
    if is_role && serves { Ok(()) } else { Err(InstallError::Slot(slot)) }
}

impl Set {
    fn of(number: u64, guests: Vec<(Slot, Arc<Installed>)>) -> Result<Self, InstallError> {
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
        Ok(Self { number, routing, pricing, verification, of_kinds })
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
impl GuestSet for Set {
    fn revision(&self) -> u64 {
        self.number
    }

    fn serves(&self, kind: u16) -> bool {
        self.of_kind(Role::Handler, kind).is_some()
    }

    fn public_params(&self, kind: u16) -> &[String] {
        let kinds = self
            .of_kind(Role::Handler, kind)
            .map(|handler| handler.about.kinds.as_slice())
            .unwrap_or_default();
        kinds
            .iter()
            .find(|served| served.kind == kind)
            .map(|served| served.public_params.as_slice())
            .unwrap_or_default()
    }

    fn sources(&self, kind: u16) -> Sources {
        let mut sources = Sources::default();
        for want in self
            .of_kind(Role::Handler, kind)
            .map(|handler| handler.granted.as_slice())
            .unwrap_or_default()
        {
            match want {
                Want::Urls(hosts) => sources.urls.extend_from_slice(hosts),
                Want::Events => sources.events = true,
                Want::Jobs => sources.jobs = true,
                Want::Inference | Want::Agent | Want::Progress => {}
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
            None => nobody(),
        }
    }
}

/// `serves` is asked before a job is taken, so this is for whoever did not ask.
fn nobody() -> GuestAnswer<Result<Output, JobError>> {
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

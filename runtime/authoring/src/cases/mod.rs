//! A guest's cases: questions that its author wrote down with the answers they must have, asked on the engine of a node. `form` is what may be
//! written, `question` fills in the rest, `host` stands where a node would be, `expect` compares.

mod expect;
mod form;
mod host;
mod question;

pub use form::{Case, parse};

use expect::{Fact, Facts};
use host::Host;
use pylon_core::decision::{Candidate, Offer, QuoteContext, Ranking, Refusal, Situation, Verdict};
use pylon_core::guest::{Cost, GuestAnswer, GuestFunction};
use pylon_core::job::JobError;
use pylon_core::work::Output;
use pylon_core::{Job, Msat};
use pylon_sandbox::{Grants, Inspection, Installed, Role, Sandbox, Setup, Slot};
use std::collections::BTreeMap;
use std::sync::Arc;

const DEADLINE_MS: u64 = 60_000;

/// A case that was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The case.
    pub name: String,
    /// What was asked.
    pub function: GuestFunction,
    /// What is not as it must be, one line each; empty: all is.
    pub unmet: Vec<String>,
    /// What the answer took.
    pub cost: Cost,
    /// The most that it may take, in the unit of `cost`.
    pub budget: u64,
}

/// Asks a guest all of these. A case that cannot be asked is one that is not met. Compiled code should be cached: each case loads the guest with
/// its own settings.
pub async fn ask(
    sandbox: &Sandbox,
    bytes: &[u8],
    guest: &Inspection,
    cases: &[Case],
) -> Vec<Asked> {
    let mut asked = Vec::with_capacity(cases.len());
    for case in cases {
        let (unmet, cost) = match one(sandbox, bytes, guest, case).await {
            Ok((facts, cost)) => (case.expect.unmet(&facts), Some(cost)),
            Err(why) => (vec![why], None),
        };
        let (nothing, budget) = match guest.role {
            Role::Handler => (Cost::CpuUs(0), guest.limits.cpu_ms.saturating_mul(1000)),
            _ => (Cost::Fuel(0), guest.limits.fuel),
        };
        let cost = cost.unwrap_or(nothing);
        asked.push(Asked { name: case.name.clone(), function: case.function, unmet, cost, budget });
    }
    asked
}

/// The answer to one case and what it took, or why it cannot be asked.
async fn one(
    sandbox: &Sandbox,
    bytes: &[u8],
    guest: &Inspection,
    case: &Case,
) -> Result<(Facts, Cost), String> {
    let role = Role::of(case.function);
    if role != guest.role {
        let (wanted, is) = (role.world(), guest.role.world());
        return Err(format!("`{}` is asked of a {wanted}, and this is a {is}", case.function));
    }
    let job = question::job(case, guest.manifest.kinds.first().map(|served| served.kind))?;
    let slot = Slot::policy(guest.role)
        .or_else(|| Slot::of_kind(guest.role, job.kind))
        .ok_or("no slot is for it")?;
    let setup = Setup {
        settings: question::params(&case.settings),
        grants: Grants::all(),
        skip_self_test: true,
        ..Setup::default()
    };
    let guest = sandbox.load(slot, bytes, setup).await.map_err(|error| error.to_string())?;
    let situation = question::situation(case, &job);
    match case.function {
        GuestFunction::Quote => {
            Ok(offered(guest.quote(&job, &question::context(case, &job), &situation)))
        }
        GuestFunction::Settle => settled(&guest, case, &job, &situation),
        GuestFunction::Rank => {
            let candidates = question::candidates(case);
            Ok(ranked(guest.rank(&job, &candidates, &situation), &candidates))
        }
        GuestFunction::Judge => Ok(judged(guest.judge(
            &job,
            &question::output(case),
            &question::evidence(case)?,
            &situation,
        ))),
        GuestFunction::Run => {
            let host = Arc::new(Host::new(case));
            let answer = guest
                .run(&job, case.deadline_ms.unwrap_or(DEADLINE_MS), Arc::clone(&host) as Arc<_>)
                .await;
            Ok(done(answer, &host))
        }
    }
}

/// Without an offer in the case, that of the guest itself.
fn settled(
    guest: &Installed,
    case: &Case,
    job: &Job,
    situation: &Situation,
) -> Result<(Facts, Cost), String> {
    let context: QuoteContext = question::context(case, job);
    let offer = match &case.offer {
        Some(offer) => question::offer(offer),
        None => match guest.quote(job, &context, situation).value {
            Ok(Ok(offer)) => offer,
            Ok(Err(refusal)) => {
                return Err(format!(
                    "the guest makes no offer for this job: {}",
                    refusal.message()
                ));
            }
            Err(fault) => return Err(format!("the guest makes no offer for this job: {fault}")),
        },
    };
    let route = case.route.as_ref().map_or_else(|| context.route.clone(), question::route);
    let usage = question::usage(&case.usage.clone().unwrap_or_default());
    let answer = guest.settle(job, &context, &offer, &route, &usage, situation);
    Ok(told(answer, |due: Msat, facts| drop(facts.insert("due_msat", due.get().into()))))
}

/// What was answered, with its cost; a fault is an answer, too.
fn told<T>(answer: GuestAnswer<T>, tell: impl FnOnce(T, &mut Facts)) -> (Facts, Cost) {
    let mut facts = Facts::new();
    match answer.value {
        Ok(value) => tell(value, &mut facts),
        Err(fault) => drop(facts.insert("fault", Fact::Text(fault.as_str().into()))),
    }
    match answer.call.cost {
        Cost::Fuel(fuel) => facts.insert("fuel", fuel.into()),
        Cost::CpuUs(micros) => facts.insert("cpu_us", micros.into()),
    };
    (facts, answer.call.cost)
}

fn offered(answer: GuestAnswer<Result<Offer, Refusal>>) -> (Facts, Cost) {
    told(answer, |offer, facts| match offer {
        Ok(offer) => facts.extend([
            ("terms", terms(&offer).into()),
            ("price_msat", offer.price.get().into()),
            ("cap_msat", offer.cap.get().into()),
            ("max_output_tokens", offer.max_output_tokens.into()),
            ("max_work_ms", offer.max_work_ms.into()),
            ("valid_seconds", u64::from(offer.valid_seconds).into()),
            ("priority", Fact::Number(offer.priority.into())),
            ("note", Fact::Text(offer.note)),
        ]),
        Err(refusal) => refused(&refusal, facts),
    })
}

const fn terms(offer: &Offer) -> &'static str {
    use pylon_core::decision::Terms;
    match offer.terms {
        Terms::Free => "free",
        Terms::OnDelivery => "on-delivery",
        Terms::BeforeWork => "before-work",
        Terms::Hold => "hold",
    }
}

fn refused(refusal: &Refusal, facts: &mut Facts) {
    facts.insert("refused", refusal.code().into());
    facts.insert("words", Fact::Text(refusal.message()));
    if let Refusal::BidTooLow(lowest) = refusal {
        facts.insert("lowest_msat", lowest.get().into());
    }
}

fn ranked(
    answer: GuestAnswer<Result<Ranking, Refusal>>,
    candidates: &[Candidate],
) -> (Facts, Cost) {
    told(answer, |ranking, facts| match ranking {
        Ok(ranking) => {
            let first = ranking
                .order
                .first()
                .and_then(|index| candidates.get(usize::try_from(*index).ok()?));
            let first = first.map(|candidate| &candidate.route.target);
            let first = first
                .map(|place| format!("{}/{}", place.backend(), place.model()))
                .unwrap_or_default();
            facts.insert(
                "order",
                Fact::List(ranking.order.iter().map(|index| u64::from(*index).into()).collect()),
            );
            facts.insert("first", Fact::Text(first));
            facts.insert("note", Fact::Text(ranking.note));
        }
        Err(refusal) => refused(&refusal, facts),
    })
}

fn judged(answer: GuestAnswer<Verdict>) -> (Facts, Cost) {
    told(answer, |verdict, facts| {
        let (word, reason) = match verdict {
            Verdict::Accept => ("accept", None),
            Verdict::Reject(reason) => ("reject", Some(reason)),
            Verdict::Retry(reason) => ("retry", Some(reason)),
            Verdict::InvalidSetting(name) => ("invalid_setting", Some(name)),
        };
        facts.insert("verdict", word.into());
        facts.extend(reason.map(|reason| ("reason", Fact::Text(reason))));
    })
}

fn done(answer: GuestAnswer<Result<Output, JobError>>, host: &Host) -> (Facts, Cost) {
    let (mut facts, cost) = told(answer, |output, facts| match output {
        Ok(output) => {
            let attributes: BTreeMap<_, _> =
                output.attributes.into_iter().map(|it| (it.name, Fact::Text(it.value))).collect();
            facts.insert("content", Fact::Text(output.content));
            facts.insert("mime", Fact::Text(output.mime));
            facts.insert("attributes", Fact::Named(attributes));
        }
        Err(error) => {
            let (word, words) = match error {
                JobError::Invalid(words) => ("invalid", words),
                JobError::NoBackend => ("no_backend", String::new()),
                JobError::Timeout => ("timeout", String::new()),
                JobError::Failed(words) => ("failed", words),
                JobError::InvalidSetting(name) => ("invalid_setting", name),
            };
            facts.insert("error", word.into());
            facts.insert("words", Fact::Text(words));
        }
    });
    let seen = host.seen();
    facts.insert("generations", seen.generations.into());
    facts.insert("prompt", Fact::Text(seen.prompt));
    facts.insert("partials", seen.partials.into());
    facts.insert("log", Fact::Text(seen.log.join("\n")));
    (facts, cost)
}

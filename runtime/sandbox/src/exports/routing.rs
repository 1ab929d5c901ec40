//! `routing`: the order in which to try the candidates.

use super::{is_sentence, sane, sane_refusal};
use crate::bindings::RoutingPolicyPre;
use crate::convert;
use crate::installed::Installed;
use crate::policy::PolicyState;
use pylon_core::Job;
use pylon_core::decision::{Candidate, Ranking, Refusal, Situation};
use pylon_core::guest::{Fault, GuestAnswer};

pub(crate) fn rank(
    guest: &Installed,
    policy: &RoutingPolicyPre<PolicyState>,
    job: &Job,
    candidates: &[Candidate],
    situation: &Situation,
) -> GuestAnswer<Result<Ranking, Refusal>> {
    guest.ask(|store, settings| {
        let (job, situation) = (convert::job(job), convert::situation(situation, settings));
        let listed: Vec<_> = candidates.iter().map(convert::candidate).collect();
        let policy = policy.instantiate(&mut *store)?;
        match policy.pylon_provider_routing().call_rank(store, &job, &listed, &situation)? {
            Ok(ranking) => {
                let ranking = Ranking { order: ranking.order, note: ranking.note };
                sane_ranking(&ranking, candidates.len())?;
                Ok(Ok(ranking))
            }
            Err(refusal) => {
                let refusal = convert::refused(refusal);
                sane_refusal(&refusal)?;
                Ok(Err(refusal))
            }
        }
    })
}

/// Some of the candidates, each at most once. To try nobody is a refusal, and has its own words.
fn sane_ranking(ranking: &Ranking, candidates: usize) -> Result<(), Fault> {
    sane(
        is_sentence(&ranking.note)
            && !ranking.order.is_empty()
            && ranking.order.len() <= candidates,
    )?;
    let mut seen = vec![false; candidates];
    for index in &ranking.order {
        let place = usize::try_from(*index)
            .ok()
            .and_then(|index| seen.get_mut(index))
            .ok_or(Fault::InvalidOutput)?;
        sane(!std::mem::replace(place, true))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each way to misname a candidate is nonsense; leaving some out is a decision.
    #[test]
    fn a_ranking_names_candidates_once() {
        let ranking = |order: &[u32]| Ranking { order: order.to_vec(), note: String::new() };
        for good in [&[0][..], &[2, 0, 1], &[1, 0]] {
            assert_eq!(sane_ranking(&ranking(good), 3), Ok(()), "{good:?}");
        }
        for bad in [&[][..], &[3], &[0, 0], &[0, 1, 2, 0], &[u32::MAX]] {
            assert_eq!(sane_ranking(&ranking(bad), 3), Err(Fault::InvalidOutput), "{bad:?}");
        }
    }
}

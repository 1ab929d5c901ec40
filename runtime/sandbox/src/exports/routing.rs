//! `routing`: the order in which the candidates are tried.

use super::validate::{self, ensure, is_message};
use crate::bindings::RoutingPolicyPre;
use crate::convert;
use crate::policy_engine::{PolicyCall, PolicyState};
use pylon_core::Job;
use pylon_core::decision::{Candidate, Ranking, Refusal, Situation};
use pylon_core::guest::{Cost, Fault};

pub(crate) fn rank(
    call: &PolicyCall<'_>,
    policy: &RoutingPolicyPre<PolicyState>,
    job: &Job,
    candidates: &[Candidate],
    situation: &Situation,
) -> (Result<Result<Ranking, Refusal>, Fault>, Cost) {
    call.run(|store| {
        let (job, situation) = (convert::job(job), convert::situation(situation, call.settings));
        let listed: Vec<_> = candidates.iter().map(convert::candidate).collect();
        let policy = policy.instantiate(&mut *store)?;
        match policy.pylon_provider_routing().call_rank(store, &job, &listed, &situation)? {
            Ok(ranking) => {
                let ranking = Ranking { order: ranking.order, note: ranking.note };
                validate_ranking(&ranking, candidates.len())?;
                Ok(Ok(ranking))
            }
            Err(refusal) => {
                let refusal = convert::refusal_from_wit(refusal);
                validate::refusal(&refusal)?;
                Ok(Err(refusal))
            }
        }
    })
}

/// At least one candidate, each at most once.
fn validate_ranking(ranking: &Ranking, candidates: usize) -> Result<(), Fault> {
    ensure(
        is_message(&ranking.note) && !ranking.order.is_empty() && ranking.order.len() <= candidates,
    )?;
    let mut seen = vec![false; candidates];
    for index in &ranking.order {
        let is_seen = usize::try_from(*index)
            .ok()
            .and_then(|index| seen.get_mut(index))
            .ok_or(Fault::InvalidOutput)?;
        ensure(!std::mem::replace(is_seen, true))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ranking_has_each_candidate_at_most_once() {
        let ranking = |order: &[u32]| Ranking { order: order.to_vec(), note: String::new() };
        for valid in [&[0][..], &[2, 0, 1], &[1, 0]] {
            assert_eq!(validate_ranking(&ranking(valid), 3), Ok(()), "{valid:?}");
        }
        for invalid in [&[][..], &[3], &[0, 0], &[0, 1, 2, 0], &[u32::MAX]] {
            let result = validate_ranking(&ranking(invalid), 3);
            assert_eq!(result, Err(Fault::InvalidOutput), "{invalid:?}");
        }
    }
}

//! Inputs that are not in the request: which may be fetched, and how long a chain of jobs may be.

use crate::{InputSource, Job, JobId};

/// Inputs to fetch for one job.
pub const FETCHED_MAX: usize = 8;
/// Depth of a chain, in which each job uses the result of the next.
pub const CHAIN_MAX: usize = 5;
/// Jobs looked up for one chain, including its branches.
const LOOKED_UP_MAX: usize = 64;

/// The sources from which a handler's inputs may be fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// Patterns of allowed URL hosts: a name, `*.` and a name for its subdomains, or `*` for any
    /// host. Empty: no URLs.
    pub urls: Vec<String>,
    /// Other events.
    pub events: bool,
    /// Results of other jobs.
    pub jobs: bool,
}

/// The sources that the operator grants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Granted {
    /// URLs may be fetched.
    pub urls: bool,
    /// Events may be fetched.
    pub events: bool,
    /// Results of other jobs may be awaited.
    pub jobs: bool,
}

impl Sources {
    /// The sources that are both requested and granted.
    #[must_use]
    pub fn granted(self, granted: Granted) -> Self {
        let urls = if granted.urls { self.urls } else { Vec::new() };
        Self { urls, events: self.events && granted.events, jobs: self.jobs && granted.jobs }
    }

    /// Whether this type of source is allowed.
    pub fn allow(&self, source: &InputSource) -> bool {
        match source {
            InputSource::Text(_) | InputSource::Purged(_) => true,
            InputSource::Url(_) => !self.urls.is_empty(),
            InputSource::Event(_) => self.events,
            InputSource::Job(_) => self.jobs,
        }
    }

    /// Whether a URL may have this host. Case and a trailing dot are ignored.
    pub fn allow_host(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.');
        self.urls.iter().any(|pattern| match pattern.strip_prefix('*') {
            Some("") => true,
            Some(below) => {
                let split = host.len().saturating_sub(below.len());
                below.starts_with('.')
                    && split > 0
                    && host.get(split..).is_some_and(|end| end.eq_ignore_ascii_case(below))
            }
            None => pattern.eq_ignore_ascii_case(host),
        })
    }
}

/// Why a chain is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// A job depends on itself.
    #[error("the jobs depend on each other")]
    Cycle,
    /// The chain is too long.
    #[error("a chain of more than {CHAIN_MAX} jobs")]
    TooDeep,
    /// The chain has too many branches.
    #[error("more than {LOOKED_UP_MAX} jobs in the branches of one chain")]
    TooMany,
}

/// Follows the chain of a job as far as it is known. `inputs_of` returns the jobs whose results a
/// known job uses; its error is passed on.
pub fn check_chain<E>(
    job: &Job,
    mut inputs_of: impl FnMut(JobId) -> Result<Vec<JobId>, E>,
) -> Result<Result<(), ChainError>, E> {
    let mut path = vec![(job.id, jobs_of(job))];
    let mut looked_up = 0;
    while let Some((_, open)) = path.last_mut() {
        let Some(next) = open.pop() else {
            path.pop();
            continue;
        };
        if path.iter().any(|(above, _)| *above == next) {
            return Ok(Err(ChainError::Cycle));
        }
        if path.len() > CHAIN_MAX {
            return Ok(Err(ChainError::TooDeep));
        }
        looked_up += 1;
        if looked_up > LOOKED_UP_MAX {
            return Ok(Err(ChainError::TooMany));
        }
        path.push((next, inputs_of(next)?));
    }
    Ok(Ok(()))
}

/// The jobs whose results this job uses.
pub fn jobs_of(job: &Job) -> Vec<JobId> {
    let of =
        |source: &InputSource| if let InputSource::Job(id) = source { Some(*id) } else { None };
    job.inputs.iter().filter_map(|input| of(&input.source)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Input;
    use std::convert::Infallible;

    fn id(n: u8) -> JobId {
        JobId::from_bytes([n; 32])
    }

    fn depends_on(jobs: &[u8]) -> Job {
        let input = |n: &u8| Input { source: InputSource::Job(id(*n)), hint: None, marker: None };
        Job { id: id(0), inputs: jobs.iter().map(input).collect(), ..Job::placeholder(5050) }
    }

    fn check(jobs: &[u8], inputs_of: impl Fn(u8) -> Vec<u8>) -> Result<(), ChainError> {
        let known = |job: JobId| {
            let n = job.as_bytes().first().copied().unwrap_or_default();
            Ok::<_, Infallible>(inputs_of(n).into_iter().map(id).collect())
        };
        let Ok(checked) = check_chain(&depends_on(jobs), known);
        checked
    }

    /// Goal: chains are bounded. Method: no chain, the longest allowed, one longer, cycles of one,
    /// two and three, a diamond (not a cycle), and a chain that branches endlessly.
    #[test]
    fn chains_are_bounded() {
        assert_eq!(check(&[], |_| vec![]), Ok(()));
        assert_eq!(check(&[1], |n| if n < 5 { vec![n + 1] } else { vec![] }), Ok(()));
        assert_eq!(
            check(&[1], |n| if n < 6 { vec![n + 1] } else { vec![] }),
            Err(ChainError::TooDeep)
        );
        assert_eq!(check(&[0], |_| vec![]), Err(ChainError::Cycle));
        assert_eq!(check(&[1], |_| vec![0]), Err(ChainError::Cycle));
        assert_eq!(check(&[1], |n| if n == 1 { vec![2] } else { vec![1] }), Err(ChainError::Cycle));
        assert_eq!(check(&[1, 2], |n| if n < 3 { vec![3] } else { vec![] }), Ok(()));
        let wide = |n: u8| {
            if n < 40 {
                (1..=5).map(|step| n.wrapping_mul(5).wrapping_add(step)).collect()
            } else {
                vec![]
            }
        };
        assert_eq!(check(&[1, 2, 3, 4, 5, 6, 7, 8], wide), Err(ChainError::TooMany));
    }

    /// Goal: a pattern matches whole names only. Method: pattern, host, verdict.
    #[test]
    fn hosts_match_whole_names() {
        for (pattern, host, allowed) in [
            ("*", "anything.example", true),
            ("a.example", "a.example", true),
            ("a.example", "A.EXAMPLE.", true),
            ("a.example", "b.a.example", false),
            ("a.example", "a.example.evil", false),
            ("*.example", "a.example", true),
            ("*.example", "a.b.Example", true),
            ("*.example", "example", false),
            ("*.example", ".example", false),
            ("*.example", "badexample", false),
            ("*example", "badexample", false),
            ("", "", true),
        ] {
            let sources = Sources { urls: vec![pattern.into()], ..Sources::default() };
            assert_eq!(sources.allow_host(host), allowed, "{pattern} {host}");
        }
    }

    /// Goal: a source must be requested and granted. Method: every combination.
    #[test]
    fn source_must_be_requested_and_granted() {
        let url = InputSource::Url("https://a/".into());
        for (requested, granted) in [(false, false), (false, true), (true, false), (true, true)] {
            let urls = if requested { vec!["*".into()] } else { Vec::new() };
            let sources = Sources { urls, events: requested, jobs: requested };
            let allowed =
                sources.granted(Granted { urls: granted, events: granted, jobs: granted });
            for source in [&url, &InputSource::Job(id(1))] {
                assert_eq!(allowed.allow(source), requested && granted);
            }
        }
    }
}

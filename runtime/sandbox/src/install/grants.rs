//! The capabilities that an operator grants to a handler.

use crate::manifest::Capability;
use serde::{Deserialize, Serialize};

/// Granted capabilities; by default none. A capability takes effect if the handler also requests
/// it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grants {
    /// Text generation.
    pub inference: bool,
    /// Work in containers.
    pub agent: bool,
    /// Progress messages and partial outputs.
    pub progress: bool,
    /// Hosts of URL inputs: a name, `*.` with all names below one, or `*` for all.
    pub urls: Vec<String>,
    /// Inputs that are Nostr events.
    pub events: bool,
    /// Inputs that are results of other jobs.
    pub jobs: bool,
}

impl Grants {
    /// All capabilities, for the shipped guests.
    pub fn all() -> Self {
        Self {
            inference: true,
            agent: true,
            progress: true,
            urls: vec!["*".into()],
            events: true,
            jobs: true,
        }
    }

    /// Splits requested capabilities into those that are granted and those that are not.
    pub fn split(&self, requests: &[Capability]) -> (Vec<Capability>, Vec<Capability>) {
        let (mut granted, mut ungranted) = (Vec::new(), Vec::new());
        for request in requests {
            let is_granted = match request {
                Capability::Inference => self.inference,
                Capability::Agent => self.agent,
                Capability::Progress => self.progress,
                Capability::Events => self.events,
                Capability::Jobs => self.jobs,
                Capability::Urls(patterns) => {
                    let (covered, others): (Vec<_>, Vec<_>) =
                        patterns.iter().cloned().partition(|pattern| self.covers(pattern));
                    granted.extend((!covered.is_empty()).then_some(Capability::Urls(covered)));
                    ungranted.extend((!others.is_empty()).then_some(Capability::Urls(others)));
                    continue;
                }
            };
            if is_granted { &mut granted } else { &mut ungranted }.push(request.clone());
        }
        (granted, ungranted)
    }

    /// Whether every host that matches the pattern is granted.
    fn covers(&self, pattern: &str) -> bool {
        let (pattern, below) =
            (pattern.to_ascii_lowercase(), pattern.trim_start_matches('*').to_ascii_lowercase());
        self.urls.iter().map(|granted| granted.to_ascii_lowercase()).any(|granted| {
            match granted.strip_prefix('*') {
                Some("") => true,
                Some(suffix) => suffix.starts_with('.') && below.ends_with(suffix),
                None => granted == pattern,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(patterns: &[&str]) -> Capability {
        Capability::Urls(patterns.iter().map(|pattern| (*pattern).into()).collect())
    }

    /// Goal: a grant covers only the capability it names. Method: each capability with no grants,
    /// with all grants, and with hosts that nearly match.
    #[test]
    fn requests_are_split_by_grants() {
        let all = [
            Capability::Inference,
            Capability::Agent,
            Capability::Progress,
            urls(&["*"]),
            Capability::Events,
            Capability::Jobs,
        ];
        assert_eq!(Grants::default().split(&all), (Vec::new(), all.to_vec()));
        assert_eq!(Grants::all().split(&all), (all.to_vec(), Vec::new()));
        let one = Grants { progress: true, ..Grants::default() };
        assert_eq!(
            one.split(&[Capability::Progress, Capability::Jobs]),
            (vec![Capability::Progress], vec![Capability::Jobs])
        );
        let hosts = Grants { urls: vec!["a.org".into(), "*.B.org".into()], ..Grants::default() };
        let covered = ["a.org", "A.ORG", "x.b.org", "*.x.b.org", "*.b.org"];
        let others = ["b.org", "*.org", "*", "xb.org", "*.a.org", "x.a.org"];
        assert_eq!(
            hosts.split(&[urls(&covered), urls(&others)]),
            (vec![urls(&covered)], vec![urls(&others)])
        );
        assert_eq!(
            hosts.split(&[urls(&["a.org", "*"])]),
            (vec![urls(&["a.org"])], vec![urls(&["*"])])
        );
    }
}

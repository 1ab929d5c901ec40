//! What an operator lets a handler do, against what it wants.

use crate::about::Want;
use serde::{Deserialize, Serialize};

/// Everything that can be granted; by default nothing is. Granted, but only to whom wants it: what is effective is the smaller of both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grants {
    /// Text generation.
    pub inference: bool,
    /// Work in containers.
    pub agent: bool,
    /// Reports and partial results.
    pub progress: bool,
    /// Hosts that url inputs may name: a name, `*.` with all names below one, or `*` for all.
    pub urls: Vec<String>,
    /// Inputs that are events.
    pub events: bool,
    /// Inputs that are results of other jobs.
    pub jobs: bool,
}

impl Grants {
    /// All there is, for guests that came with the node.
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

    /// What is both wanted and granted, and what is wanted beyond that.
    pub fn divide(&self, wants: &[Want]) -> (Vec<Want>, Vec<Want>) {
        let (mut granted, mut beyond) = (Vec::new(), Vec::new());
        for want in wants {
            let allowed = match want {
                Want::Inference => self.inference,
                Want::Agent => self.agent,
                Want::Progress => self.progress,
                Want::Events => self.events,
                Want::Jobs => self.jobs,
                Want::Urls(patterns) => {
                    let (ours, others): (Vec<_>, Vec<_>) =
                        patterns.iter().cloned().partition(|pattern| self.covers(pattern));
                    granted.extend((!ours.is_empty()).then_some(Want::Urls(ours)));
                    beyond.extend((!others.is_empty()).then_some(Want::Urls(others)));
                    continue;
                }
            };
            if allowed { &mut granted } else { &mut beyond }.push(want.clone());
        }
        (granted, beyond)
    }

    /// Is every host that the pattern names granted?
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

    fn urls(patterns: &[&str]) -> Want {
        Want::Urls(patterns.iter().map(|pattern| (*pattern).into()).collect())
    }

    /// Goal: nothing is granted by more than its name. Method: one want for each field, against none, all, and hosts that are nearly granted.
    #[test]
    fn wants_are_divided() {
        let wants =
            [Want::Inference, Want::Agent, Want::Progress, urls(&["*"]), Want::Events, Want::Jobs];
        assert_eq!(Grants::default().divide(&wants), (Vec::new(), wants.to_vec()));
        assert_eq!(Grants::all().divide(&wants), (wants.to_vec(), Vec::new()));
        let one = Grants { progress: true, ..Grants::default() };
        assert_eq!(
            one.divide(&[Want::Progress, Want::Jobs]),
            (vec![Want::Progress], vec![Want::Jobs])
        );
        let hosts = Grants { urls: vec!["a.org".into(), "*.B.org".into()], ..Grants::default() };
        let good = ["a.org", "A.ORG", "x.b.org", "*.x.b.org", "*.b.org"];
        let bad = ["b.org", "*.org", "*", "xb.org", "*.a.org", "x.a.org"];
        assert_eq!(hosts.divide(&[urls(&good), urls(&bad)]), (vec![urls(&good)], vec![urls(&bad)]));
        assert_eq!(
            hosts.divide(&[urls(&["a.org", "*"])]),
            (vec![urls(&["a.org"])], vec![urls(&["*"])])
        );
    }
}

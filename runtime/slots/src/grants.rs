//! Grants by their names, as settings and the history have them: `inference`, `progress`,
//! `urls:*.example.org`.

use pylon_sandbox::{Capability, Grants};

/// The names of these capabilities.
pub(crate) fn names(capabilities: &[Capability]) -> Vec<String> {
    let names = |capability: &Capability| match capability {
        Capability::Urls(patterns) => {
            patterns.iter().map(|pattern| format!("urls:{pattern}")).collect()
        }
        other => vec![other.name().to_owned()],
    };
    capabilities.iter().flat_map(names).collect()
}

/// The grants with these names; `urls` alone is every host.
pub fn parse(names: &[String]) -> Result<Grants, String> {
    let mut grants = Grants::default();
    for name in names {
        match (name.as_str(), name.split_once(':')) {
            ("inference", _) => grants.inference = true,
            ("agent", _) => grants.agent = true,
            ("progress", _) => grants.progress = true,
            ("events", _) => grants.events = true,
            ("jobs", _) => grants.jobs = true,
            ("urls", _) => grants.urls.push("*".into()),
            (_, Some(("urls", pattern))) if !pattern.is_empty() => grants.urls.push(pattern.into()),
            _ => {
                let known = "inference, agent, progress, events, jobs, urls or urls:HOST";
                return Err(format!("`{name}` is not a grant: expected one of {known}"));
            }
        }
    }
    Ok(grants)
}

/// What every list grants. An absent list grants everything, an unknown name nothing.
pub(crate) fn intersection(lists: &[Option<&[String]>]) -> Grants {
    let of = |names: &&[String]| parse(names).unwrap_or_default();
    lists
        .iter()
        .flatten()
        .map(of)
        .reduce(|one, other| intersect(&one, &other))
        .unwrap_or_else(Grants::all)
}

fn intersect(one: &Grants, other: &Grants) -> Grants {
    // Of two patterns the narrower one applies, whichever side it is on.
    let hosts = |wide: &Grants, narrow: &Grants| match wide
        .split(&[Capability::Urls(narrow.urls.clone())])
        .0
        .pop()
    {
        Some(Capability::Urls(hosts)) => hosts,
        _ => Vec::new(),
    };
    let mut urls = hosts(other, one);
    urls.extend(hosts(one, other).into_iter().filter(|host| !one.urls.contains(host)));
    Grants {
        inference: one.inference && other.inference,
        agent: one.agent && other.agent,
        progress: one.progress && other.progress,
        urls,
        events: one.events && other.events,
        jobs: one.jobs && other.jobs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// Goal: names are parsed as they are written, and a misspelled one is an error. Method: each
    /// name, and invalid ones.
    #[test]
    fn grants_are_parsed_by_name() {
        let capabilities = [
            Capability::Inference,
            Capability::Progress,
            Capability::Urls(vec!["a.org".into(), "*.b.org".into()]),
            Capability::Jobs,
        ];
        let written = names(&capabilities);
        assert_eq!(written, ["inference", "progress", "urls:a.org", "urls:*.b.org", "jobs"]);
        assert_eq!(
            parse(&written).unwrap().split(&capabilities),
            (capabilities.to_vec(), Vec::new())
        );
        assert_eq!(parse(&list(&["urls"])).unwrap().urls, ["*"]);
        for wrong in ["", "Inference", "urls:", "inference:x", "url"] {
            assert!(parse(&list(&[wrong])).is_err(), "{wrong}");
        }
    }

    /// Goal: what every list grants is granted. Method: lists in each combination.
    #[test]
    fn intersection_of_grants() {
        let check = |one: Option<&[&str]>, other: Option<&[&str]>, expected: Grants| {
            let (one, other) = (one.map(list), other.map(list));
            assert_eq!(intersection(&[one.as_deref(), None, other.as_deref()]), expected);
        };
        check(None, None, Grants::all());
        check(None, Some(&["jobs"]), Grants { jobs: true, ..Grants::default() });
        check(Some(&["jobs"]), None, Grants { jobs: true, ..Grants::default() });
        check(
            Some(&["jobs", "events"]),
            Some(&["events", "agent"]),
            Grants { events: true, ..Grants::default() },
        );
        let host = || Grants { urls: vec!["a.org".into()], ..Grants::default() };
        check(Some(&["urls"]), Some(&["urls:a.org"]), host());
        check(Some(&["urls:a.org"]), Some(&["urls:*"]), host());
        check(Some(&[]), None, Grants::default());
    }
}

//! Grants by their names, as settings and the history have them: `inference`, `progress`, `urls:*.example.org`.

use pylon_sandbox::{Capability, Grants};

/// What is written for these.
pub(super) fn names(wants: &[Capability]) -> Vec<String> {
    let of = |want: &Capability| match want {
        Capability::Urls(patterns) => {
            patterns.iter().map(|pattern| format!("urls:{pattern}")).collect()
        }
        other => vec![other.name().to_owned()],
    };
    wants.iter().flat_map(of).collect()
}

/// What is granted by these names; `urls` alone is every host.
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
                return Err(format!("`{name}` is nothing to grant: there is {known}"));
            }
        }
    }
    Ok(grants)
}

/// What all lists grant; a list that is absent grants all. Names that mean nothing grant nothing.
pub(super) fn least(lists: &[Option<&[String]>]) -> Grants {
    let of = |names: &&[String]| parse(names).unwrap_or_default();
    lists
        .iter()
        .flatten()
        .map(of)
        .reduce(|one, other| both(&one, &other))
        .unwrap_or_else(Grants::all)
}

fn both(one: &Grants, other: &Grants) -> Grants {
    // Of two patterns the narrower one holds, whichever side it is on.
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

    /// Goal: names are read as they are written, and none grants by accident. Method: all of them, and near misses.
    #[test]
    fn grants_have_names() {
        let wants = [
            Capability::Inference,
            Capability::Progress,
            Capability::Urls(vec!["a.org".into(), "*.b.org".into()]),
            Capability::Jobs,
        ];
        let written = names(&wants);
        assert_eq!(written, ["inference", "progress", "urls:a.org", "urls:*.b.org", "jobs"]);
        assert_eq!(parse(&written).unwrap().split(&wants), (wants.to_vec(), Vec::new()));
        assert_eq!(parse(&list(&["urls"])).unwrap().urls, ["*"]);
        for wrong in ["", "Inference", "urls:", "inference:x", "url"] {
            assert!(parse(&list(&[wrong])).is_err(), "{wrong}");
        }
    }

    /// Goal: what holds is what all say. Method: lists in each combination.
    #[test]
    fn the_least_of_all() {
        let check = |ours: Option<&[&str]>, most: Option<&[&str]>, expected: Grants| {
            let (ours, most) = (ours.map(list), most.map(list));
            assert_eq!(least(&[ours.as_deref(), None, most.as_deref()]), expected);
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

//! What a component says of itself, checked: it is a stranger's text, and it is shown, recorded and published.

use crate::bindings::description as wit;
use crate::limits::Limits;
use crate::slot::{Role, is_job_kind};
use std::fmt;

const MAX_NAME_BYTES: usize = 64;
const MAX_TEXT_BYTES: usize = 1024;
const MAX_LIST: usize = 64;

/// What a component says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Its name, as stamps carry it.
    pub name: String,
    /// Its version, as stamps carry it.
    pub version: String,
    /// In a sentence.
    pub summary: String,
    /// What the operator may set.
    pub settings: Vec<Setting>,
    /// What a handler does; empty for policies.
    pub kinds: Vec<ServedKind>,
    /// What a handler would like to be granted.
    pub wants: Vec<Want>,
}

/// Something the operator may set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The key.
    pub name: String,
    /// What holds if it is not set.
    pub default: String,
    /// For the operator.
    pub help: String,
}

/// A kind of job that a handler does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedKind {
    /// 5000 to 5999.
    pub kind: u16,
    /// In a sentence.
    pub summary: String,
    /// All params it reads: name, help, and whether a job must have it.
    pub params: Vec<(String, String, bool)>,
    /// Those of them that policies may see.
    pub public_params: Vec<String>,
}

/// Something a handler would like to be granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// Text generation.
    Inference,
    /// Work in containers.
    Agent,
    /// Reports and partial results.
    Progress,
    /// Url inputs from these hosts.
    Urls(Vec<String>),
    /// Inputs that are events.
    Events,
    /// Inputs that are results of other jobs.
    Jobs,
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Urls(hosts) => write!(f, "urls from {}", hosts.join(", ")),
            other => f.write_str(other.name()),
        }
    }
}

impl Want {
    /// In a word, as the history of the slots names it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Inference => "inference",
            Self::Agent => "agent",
            Self::Progress => "progress",
            Self::Urls(_) => "urls",
            Self::Events => "events",
            Self::Jobs => "jobs",
        }
    }
}

/// Reads and checks; the error says what is wrong.
pub(crate) fn checked(about: wit::About, role: Role) -> Result<(About, Limits), String> {
    let limits = bounds(about.bounds.as_ref())?;
    is_name("name", &about.name)?;
    is_name("version", &about.version)?;
    is_text("summary", &about.summary)?;
    if role != Role::Handler && !(about.kinds.is_empty() && about.wants.is_empty()) {
        return Err("a policy has neither kinds nor wants".into());
    }
    if role == Role::Handler && about.kinds.is_empty() {
        return Err("a handler has at least one kind".into());
    }
    fits("settings", about.settings.len())?;
    fits("kinds", about.kinds.len())?;
    fits("wants", about.wants.len())?;
    let about = About {
        name: about.name,
        version: about.version,
        summary: about.summary,
        settings: about.settings.into_iter().map(setting).collect::<Result<_, _>>()?,
        kinds: about.kinds.into_iter().map(kind).collect::<Result<_, _>>()?,
        wants: about.wants.into_iter().map(want).collect::<Result<_, _>>()?,
    };
    is_unique("setting", about.settings.iter().map(|setting| &setting.name))?;
    is_unique("kind", about.kinds.iter().map(|served| &served.kind))?;
    Ok((about, limits))
}

fn bounds(bounds: Option<&wit::Bounds>) -> Result<Limits, String> {
    let Some(bounds) = bounds else { return Ok(UNBOUNDED) };
    if [bounds.wall_ms, bounds.cpu_ms, bounds.memory_bytes, bounds.output_bytes].contains(&0) {
        return Err("a bound of 0".into());
    }
    Ok(Limits {
        wall_ms: bounds.wall_ms,
        cpu_ms: bounds.cpu_ms,
        memory_bytes: bounds.memory_bytes,
        output_bytes: bounds.output_bytes,
        ..UNBOUNDED
    })
}

/// Leaves every limit to the others.
const UNBOUNDED: Limits = Limits {
    fuel: u64::MAX,
    cpu_ms: u64::MAX,
    wall_ms: u64::MAX,
    memory_bytes: u64::MAX,
    table_elements: u64::MAX,
    hostcall_bytes: u64::MAX,
    resources: u64::MAX,
    emit_count: u64::MAX,
    emit_bytes: u64::MAX,
    log_bytes: u64::MAX,
    output_bytes: u64::MAX,
};

fn setting(setting: wit::Setting) -> Result<Setting, String> {
    is_name("setting", &setting.name)?;
    is_text("default", &setting.default)?;
    is_text("help", &setting.help)?;
    Ok(Setting { name: setting.name, default: setting.default, help: setting.help })
}

fn kind(served: wit::ServedKind) -> Result<ServedKind, String> {
    if !is_job_kind(served.kind) {
        return Err(format!("{} is not the kind of a job: those are 5000 to 5999", served.kind));
    }
    is_text("summary of a kind", &served.summary)?;
    fits("params", served.params.len())?;
    for param in &served.params {
        is_name("param", &param.name)?;
        is_text("help of a param", &param.help)?;
    }
    is_unique("param", served.params.iter().map(|param| &param.name))?;
    let public =
        served.params.iter().filter(|param| param.public).map(|param| param.name.clone()).collect();
    let params =
        served.params.into_iter().map(|param| (param.name, param.help, param.required)).collect();
    Ok(ServedKind { kind: served.kind, summary: served.summary, params, public_params: public })
}

fn want(want: wit::Want) -> Result<Want, String> {
    Ok(match want {
        wit::Want::Inference => Want::Inference,
        wit::Want::Agent => Want::Agent,
        wit::Want::Progress => Want::Progress,
        wit::Want::Urls(hosts) => {
            fits("hosts", hosts.len())?;
            hosts.iter().try_for_each(|host| is_text("host", host))?;
            Want::Urls(hosts)
        }
        wit::Want::Events => Want::Events,
        wit::Want::Jobs => Want::Jobs,
    })
}

fn is_name(what: &str, name: &str) -> Result<(), String> {
    let good = (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_graphic());
    if good {
        Ok(())
    } else {
        Err(format!("{what}: not 1 to {MAX_NAME_BYTES} printable ASCII characters without spaces"))
    }
}

fn is_text(what: &str, text: &str) -> Result<(), String> {
    let good =
        text.len() <= MAX_TEXT_BYTES && !text.chars().any(|char| char.is_control() && char != '\n');
    if good {
        Ok(())
    } else {
        Err(format!("{what}: longer than {MAX_TEXT_BYTES} bytes, or with control characters"))
    }
}

fn fits(what: &str, length: usize) -> Result<(), String> {
    if length <= MAX_LIST { Ok(()) } else { Err(format!("more than {MAX_LIST} {what}")) }
}

fn is_unique<T: Ord + std::fmt::Display>(
    what: &str,
    names: impl Iterator<Item = T>,
) -> Result<(), String> {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        if seen.contains(&name) {
            return Err(format!("{what} {name} twice"));
        }
        seen.insert(name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(kinds: Vec<wit::ServedKind>) -> wit::About {
        wit::About {
            name: "a".into(),
            version: "1".into(),
            summary: String::new(),
            settings: Vec::new(),
            kinds,
            wants: Vec::new(),
            bounds: None,
        }
    }

    fn served(kind: u16) -> wit::ServedKind {
        let param = |name: &str, public| wit::ParamHelp {
            name: name.into(),
            help: String::new(),
            required: false,
            public,
        };
        wit::ServedKind {
            kind,
            summary: String::new(),
            params: vec![param("model", true), param("prompt", false)],
        }
    }

    /// Kinds are those of jobs, policies have none, and only what is declared public is public.
    #[test]
    fn kinds_and_params() {
        let (good, _) = checked(about(vec![served(5050)]), Role::Handler).unwrap();
        assert_eq!(good.kinds[0].public_params, ["model"]);
        assert!(checked(about(Vec::new()), Role::Pricing).is_ok());
        for (bad, role) in [
            (about(Vec::new()), Role::Handler),
            (about(vec![served(6050)]), Role::Handler),
            (about(vec![served(5050), served(5050)]), Role::Handler),
            (about(vec![served(5050)]), Role::Pricing),
            (wit::About { name: "with space".into(), ..about(Vec::new()) }, Role::Routing),
            (wit::About { name: String::new(), ..about(Vec::new()) }, Role::Routing),
            (wit::About { summary: "x".repeat(2000), ..about(Vec::new()) }, Role::Routing),
            (
                wit::About {
                    bounds: Some(wit::Bounds {
                        wall_ms: 0,
                        cpu_ms: 1,
                        memory_bytes: 1,
                        output_bytes: 1,
                    }),
                    ..about(Vec::new())
                },
                Role::Routing,
            ),
        ] {
            assert!(checked(bad, role).is_err());
        }
    }
}

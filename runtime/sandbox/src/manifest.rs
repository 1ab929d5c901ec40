//! The manifest of a guest, validated: it is untrusted text that is shown, recorded and published.

use crate::bindings::description as wit;
use crate::limits::Limits;
use crate::slot::{Role, is_job_kind};
use std::fmt;

const NAME_BYTES_MAX: usize = 64;
const TEXT_BYTES_MAX: usize = 1024;
const LIST_MAX: usize = 64;

/// What a component declares about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Part of each result and decision.
    pub name: String,
    /// Part of each result and decision.
    pub version: String,
    /// One line.
    pub summary: String,
    /// What the operator can set.
    pub settings: Vec<Setting>,
    /// The kinds that a handler serves; empty for policies.
    pub kinds: Vec<ServedKind>,
    /// The capabilities that a handler requests; empty for policies.
    pub requests: Vec<Capability>,
}

/// A setting that the operator can set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The key.
    pub name: String,
    /// Used if it is not set.
    pub default: String,
    /// One line for the operator.
    pub help: String,
}

/// A job kind that a handler serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedKind {
    /// 5000 to 5999.
    pub kind: u16,
    /// One line.
    pub summary: String,
    /// All parameters that it reads: name, help, and whether a job must have it.
    pub params: Vec<(String, String, bool)>,
    /// The parameters that policies can see.
    pub public_params: Vec<String>,
}

/// A capability that a handler can request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Text generation.
    Inference,
    /// Work in containers.
    Agent,
    /// Progress messages and partial outputs.
    Progress,
    /// URL inputs from hosts that match these patterns.
    Urls(Vec<String>),
    /// Inputs that are Nostr events.
    Events,
    /// Inputs that are results of other jobs.
    Jobs,
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Urls(hosts) => write!(f, "urls from {}", hosts.join(", ")),
            other => f.write_str(other.name()),
        }
    }
}

impl Capability {
    /// Its name in the WIT, without the patterns of `urls`.
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

/// Validates a manifest, and separates the limits from it.
pub(crate) fn validated(manifest: wit::Manifest, role: Role) -> Result<(Manifest, Limits), String> {
    let limits = limits(manifest.limits.as_ref())?;
    check_name("name", &manifest.name)?;
    check_name("version", &manifest.version)?;
    check_text("summary", &manifest.summary)?;
    if role != Role::Handler && !(manifest.kinds.is_empty() && manifest.requests.is_empty()) {
        return Err("a policy must not have kinds or request capabilities".into());
    }
    if role == Role::Handler && manifest.kinds.is_empty() {
        return Err("a handler needs at least one kind".into());
    }
    check_length("settings", manifest.settings.len())?;
    check_length("kinds", manifest.kinds.len())?;
    check_length("requests", manifest.requests.len())?;
    let manifest = Manifest {
        name: manifest.name,
        version: manifest.version,
        summary: manifest.summary,
        settings: manifest.settings.into_iter().map(setting).collect::<Result<_, _>>()?,
        kinds: manifest.kinds.into_iter().map(kind).collect::<Result<_, _>>()?,
        requests: manifest.requests.into_iter().map(capability).collect::<Result<_, _>>()?,
    };
    check_unique("setting", manifest.settings.iter().map(|setting| &setting.name))?;
    check_unique("kind", manifest.kinds.iter().map(|served| &served.kind))?;
    Ok((manifest, limits))
}

fn limits(limits: Option<&wit::Limits>) -> Result<Limits, String> {
    let Some(limits) = limits else { return Ok(Limits::NONE) };
    if [limits.wall_ms, limits.cpu_ms, limits.memory_bytes, limits.output_bytes].contains(&0) {
        return Err("a limit is 0".into());
    }
    Ok(Limits {
        wall_ms: limits.wall_ms,
        cpu_ms: limits.cpu_ms,
        memory_bytes: limits.memory_bytes,
        output_bytes: limits.output_bytes,
        ..Limits::NONE
    })
}

fn setting(setting: wit::Setting) -> Result<Setting, String> {
    check_name("setting", &setting.name)?;
    check_text("default", &setting.default)?;
    check_text("help", &setting.help)?;
    Ok(Setting { name: setting.name, default: setting.default, help: setting.help })
}

fn kind(served: wit::ServedKind) -> Result<ServedKind, String> {
    if !is_job_kind(served.kind) {
        return Err(format!("{} is not a job kind: 5000 to 5999", served.kind));
    }
    check_text("summary of a kind", &served.summary)?;
    check_length("params", served.params.len())?;
    for param in &served.params {
        check_name("param", &param.name)?;
        check_text("help of a param", &param.help)?;
    }
    check_unique("param", served.params.iter().map(|param| &param.name))?;
    let public =
        served.params.iter().filter(|param| param.public).map(|param| param.name.clone()).collect();
    let params =
        served.params.into_iter().map(|param| (param.name, param.help, param.required)).collect();
    Ok(ServedKind { kind: served.kind, summary: served.summary, params, public_params: public })
}

fn capability(capability: wit::Capability) -> Result<Capability, String> {
    Ok(match capability {
        wit::Capability::Inference => Capability::Inference,
        wit::Capability::Agent => Capability::Agent,
        wit::Capability::Progress => Capability::Progress,
        wit::Capability::Urls(hosts) => {
            check_length("hosts", hosts.len())?;
            hosts.iter().try_for_each(|host| check_text("host", host))?;
            Capability::Urls(hosts)
        }
        wit::Capability::Events => Capability::Events,
        wit::Capability::Jobs => Capability::Jobs,
    })
}

fn check_name(what: &str, name: &str) -> Result<(), String> {
    let is_valid = (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_graphic());
    if is_valid {
        Ok(())
    } else {
        Err(format!(
            "{what}: must be 1 to {NAME_BYTES_MAX} printable ASCII characters without spaces"
        ))
    }
}

fn check_text(what: &str, text: &str) -> Result<(), String> {
    let is_valid =
        text.len() <= TEXT_BYTES_MAX && !text.chars().any(|char| char.is_control() && char != '\n');
    if is_valid {
        Ok(())
    } else {
        Err(format!("{what}: longer than {TEXT_BYTES_MAX} bytes, or with control characters"))
    }
}

fn check_length(what: &str, length: usize) -> Result<(), String> {
    if length <= LIST_MAX { Ok(()) } else { Err(format!("more than {LIST_MAX} {what}")) }
}

fn check_unique<T: Ord + fmt::Display>(
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

    fn manifest(kinds: Vec<wit::ServedKind>) -> wit::Manifest {
        wit::Manifest {
            name: "a".into(),
            version: "1".into(),
            summary: String::new(),
            settings: Vec::new(),
            kinds,
            requests: Vec::new(),
            limits: None,
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

    /// Handlers need kinds of jobs, policies have none, and only declared parameters are public.
    #[test]
    fn manifests_are_validated() {
        let (valid, _) = validated(manifest(vec![served(5050)]), Role::Handler).unwrap();
        assert_eq!(valid.kinds[0].public_params, ["model"]);
        assert!(validated(manifest(Vec::new()), Role::Pricing).is_ok());
        let zero = wit::Limits { wall_ms: 0, cpu_ms: 1, memory_bytes: 1, output_bytes: 1 };
        for (invalid, role) in [
            (manifest(Vec::new()), Role::Handler),
            (manifest(vec![served(6050)]), Role::Handler),
            (manifest(vec![served(5050), served(5050)]), Role::Handler),
            (manifest(vec![served(5050)]), Role::Pricing),
            (wit::Manifest { name: "with space".into(), ..manifest(Vec::new()) }, Role::Routing),
            (wit::Manifest { name: String::new(), ..manifest(Vec::new()) }, Role::Routing),
            (wit::Manifest { summary: "x".repeat(2000), ..manifest(Vec::new()) }, Role::Routing),
            (wit::Manifest { limits: Some(zero), ..manifest(Vec::new()) }, Role::Routing),
        ] {
            assert!(validated(invalid, role).is_err());
        }
    }
}

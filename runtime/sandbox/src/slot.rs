//! Roles of guests, and the slots that they are installed in.

use pylon_core::guest::GuestFunction;
use std::fmt;
use std::str::FromStr;

/// The role of a guest, which is the world of its component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "named after the worlds, which `wit/worlds.wit` documents")]
pub enum Role {
    Routing,
    Pricing,
    Verification,
    Handler,
}

impl Role {
    /// The role of the guest that exports this function.
    pub const fn of(function: GuestFunction) -> Self {
        match function {
            GuestFunction::Rank => Self::Routing,
            GuestFunction::Quote | GuestFunction::Settle => Self::Pricing,
            GuestFunction::Judge => Self::Verification,
            GuestFunction::Run => Self::Handler,
        }
    }

    /// Every role.
    pub const ALL: [Self; 4] = [Self::Routing, Self::Pricing, Self::Verification, Self::Handler];

    /// The roles that a job still needs after its admission. The ranking of its routes is part of
    /// its plan, so routing is not among them.
    pub const NEEDED_AFTER_ADMISSION: [Self; 3] =
        [Self::Pricing, Self::Verification, Self::Handler];

    /// Its name in slots, results and the WIT.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Routing => "routing",
            Self::Pricing => "pricing",
            Self::Verification => "verification",
            Self::Handler => "handler",
        }
    }

    /// The world of its component, as in `wit/worlds.wit`.
    pub const fn world(self) -> &'static str {
        match self {
            Self::Routing => "routing-policy",
            Self::Pricing => "pricing-policy",
            Self::Verification => "verification-policy",
            Self::Handler => "job-handler",
        }
    }

    /// The engine that it runs on.
    pub const fn engine_kind(self) -> EngineKind {
        match self {
            Self::Routing | Self::Pricing | Self::Verification => EngineKind::Policy,
            Self::Handler => EngineKind::Handler,
        }
    }
}

/// The two engines. Code for one does not run on the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// Routing, pricing and verification.
    Policy,
    /// Handlers.
    Handler,
}

impl EngineKind {
    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Handler => "handler",
        }
    }
}

/// A slot for a guest, written `pricing`, `pricing:5050` or `handler:5050`. A policy for one kind
/// takes precedence over the one for all kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    role: Role,
    kind: Option<u16>,
}

/// The text is not a slot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a slot: use routing, pricing or verification, each with an optional :KIND, or handler:KIND (5000 to 5999)"
)]
pub struct InvalidSlot(String);

impl Slot {
    /// The slot of a policy for all kinds. `None` for handlers, which always have a kind.
    pub const fn policy(role: Role) -> Option<Self> {
        match role {
            Role::Handler => None,
            _ => Some(Self { role, kind: None }),
        }
    }

    /// The slot of a policy or handler for one kind; `None` if it is not a job kind.
    pub const fn of_kind(role: Role, kind: u16) -> Option<Self> {
        if is_job_kind(kind) { Some(Self { role, kind: Some(kind) }) } else { None }
    }

    /// The role of its guests.
    pub const fn role(self) -> Role {
        self.role
    }

    /// Its job kind; `None` for a policy for all kinds.
    pub const fn kind(self) -> Option<u16> {
        self.kind
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Some(kind) => write!(f, "{}:{kind}", self.role.name()),
            None => f.write_str(self.role.name()),
        }
    }
}

impl FromStr for Slot {
    type Err = InvalidSlot;

    fn from_str(text: &str) -> Result<Self, InvalidSlot> {
        let (name, kind) =
            text.split_once(':').map_or((text, None), |(name, kind)| (name, Some(kind)));
        let role = Role::ALL.into_iter().find(|role| role.name() == name);
        let slot = match (role, kind) {
            (Some(role), None) => Self::policy(role),
            (Some(role), Some(kind)) => {
                kind.parse().ok().and_then(|kind| Self::of_kind(role, kind))
            }
            (None, _) => None,
        };
        slot.ok_or_else(|| InvalidSlot(text.into()))
    }
}

/// The kinds of job requests in NIP-90.
pub(crate) const fn is_job_kind(kind: u16) -> bool {
    matches!(kind, 5000..=5999)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_parsed_and_formatted() {
        for text in ["routing", "pricing", "verification", "pricing:5932", "handler:5050"] {
            assert_eq!(text.parse::<Slot>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "handler",
            "handler:",
            "handler:1",
            "handler:6000",
            "pricing:",
            "pricing:x",
            "Pricing",
            "routing:5050:1",
        ] {
            assert_eq!(text.parse::<Slot>(), Err(InvalidSlot(text.into())), "{text}");
        }
    }
}

//! Where a guest can be put.

use pylon_core::guest::GuestFunction;
use std::fmt;
use std::str::FromStr;

/// What a guest does: the world of its component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "named as the worlds, which `wit/worlds.wit` documents")]
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

    /// Those that a job still has to do with once it is taken: the order of its routes is in its plan, so nobody asks for that again.
    pub const OF_TAKEN: [Self; 3] = [Self::Pricing, Self::Verification, Self::Handler];

    /// As a slot, a stamp and a WIT interface call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Routing => "routing",
            Self::Pricing => "pricing",
            Self::Verification => "verification",
            Self::Handler => "handler",
        }
    }

    /// The world of its component, as `wit/worlds.wit` calls it.
    pub const fn world(self) -> &'static str {
        match self {
            Self::Routing => "routing-policy",
            Self::Pricing => "pricing-policy",
            Self::Verification => "verification-policy",
            Self::Handler => "job-handler",
        }
    }

    /// The engine it runs on.
    pub const fn tier(self) -> Tier {
        match self {
            Self::Routing | Self::Pricing | Self::Verification => Tier::Policy,
            Self::Handler => Tier::Handler,
        }
    }
}

/// The two engines: code for one does not run on the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Routing, pricing and verification.
    Policy,
    /// Handlers.
    Handler,
}

impl Tier {
    /// As a command line names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Handler => "handler",
        }
    }
}

/// A place for a guest, written `pricing`, `pricing:5050` or `handler:5050`. A policy of a kind wins over the one for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    role: Role,
    kind: Option<u16>,
}

/// Not a slot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a slot: one of routing, pricing, verification, each with an optional `:KIND`, or handler:KIND, KIND from 5000 to 5999"
)]
pub struct NotASlot(String);

impl Slot {
    /// The policy for every kind that has none of its own. `None` for handlers: they have a kind.
    pub const fn policy(role: Role) -> Option<Self> {
        match role {
            Role::Handler => None,
            _ => Some(Self { role, kind: None }),
        }
    }

    /// The policy or the handler of one kind; `None` for what is not the kind of a job.
    pub const fn of_kind(role: Role, kind: u16) -> Option<Self> {
        if is_job_kind(kind) { Some(Self { role, kind: Some(kind) }) } else { None }
    }

    /// What a guest must be to go here.
    pub const fn role(self) -> Role {
        self.role
    }

    /// The one kind it is for.
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
    type Err = NotASlot;

    fn from_str(text: &str) -> Result<Self, NotASlot> {
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
        slot.ok_or_else(|| NotASlot(text.into()))
    }
}

/// Requests of NIP-90.
pub(crate) const fn is_job_kind(kind: u16) -> bool {
    matches!(kind, 5000..=5999)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written is read back, and nothing else is a slot.
    #[test]
    fn slots_are_written_as_they_are_read() {
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
            assert_eq!(text.parse::<Slot>(), Err(NotASlot(text.into())), "{text}");
        }
    }
}

//! The guests that this program ships, and where they serve if nobody says otherwise.

use pylon_sandbox::{Role, Slot};

include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

/// Which policy serves where no other does.
const POLICIES: &[(Role, &str)] = &[
    (Role::Routing, "preferred_routing"),
    (Role::Pricing, "token_pricing"),
    (Role::Verification, "basic_verification"),
];
/// Which handler serves which kind.
const HANDLERS: &[(u16, &str)] = &[(5050, "text_generation")];

/// Begins the source of what this program ships, in the history.
pub(super) const PREFIX: &str = "shipped:";

/// The names of all of them.
pub(super) fn names() -> impl Iterator<Item = &'static str> + Clone {
    SHIPPED.iter().map(|(name, _)| *name)
}

/// The one of this name.
pub(super) fn named(name: &str) -> Option<&'static str> {
    names().find(|shipped| *shipped == name)
}

/// A component of ours.
pub fn component(name: &str) -> Option<&'static [u8]> {
    SHIPPED.iter().find(|(shipped, _)| *shipped == name).map(|(_, bytes)| *bytes)
}

/// What a component of ours is called.
pub(super) fn name_of(component: &[u8]) -> Option<&'static str> {
    SHIPPED.iter().find(|(_, bytes)| *bytes == component).map(|(name, _)| *name)
}

/// The slots that are always filled, each with the guest it has if nobody says otherwise.
pub(super) fn defaults() -> impl Iterator<Item = (Slot, &'static str)> {
    let policies = POLICIES.iter().filter_map(|(role, name)| Some((Slot::policy(*role)?, *name)));
    policies.chain(
        HANDLERS
            .iter()
            .filter_map(|(kind, name)| Some((Slot::of_kind(Role::Handler, *kind)?, *name))),
    )
}

/// Does something always serve in this slot?
pub(super) fn fills(slot: Slot) -> bool {
    defaults().any(|(filled, _)| filled == slot)
}

/// The guest that serves in a slot if nobody says otherwise; none for handlers of other kinds.
pub(super) fn for_slot(slot: Slot) -> Option<&'static str> {
    let policy = POLICIES.iter().find(|(role, _)| *role == slot.role()).map(|(_, name)| *name);
    policy.or_else(|| {
        HANDLERS.iter().find(|(kind, _)| slot.kind() == Some(*kind)).map(|(_, name)| *name)
    })
}

//! The guests that are shipped with this program, and the slots that they serve by default.

use pylon_sandbox::{Role, Slot};

include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

/// The default policies.
const POLICIES: &[(Role, &str)] = &[
    (Role::Routing, "preferred_routing"),
    (Role::Pricing, "token_pricing"),
    (Role::Verification, "basic_verification"),
];
/// The default handlers, by job kind.
const HANDLERS: &[(u16, &str)] = &[(5050, "text_generation")];

/// Prefix of the source of a shipped guest in the history.
pub(crate) const PREFIX: &str = "shipped:";

/// The names of all shipped guests.
pub(crate) fn names() -> impl Iterator<Item = &'static str> + Clone {
    SHIPPED.iter().map(|(name, _)| *name)
}

/// The shipped guest of this name.
pub(crate) fn named(name: &str) -> Option<&'static str> {
    names().find(|shipped| *shipped == name)
}

/// The component of a shipped guest.
pub fn component(name: &str) -> Option<&'static [u8]> {
    SHIPPED.iter().find(|(shipped, _)| *shipped == name).map(|(_, bytes)| *bytes)
}

/// The name of a shipped component.
pub(crate) fn name_of(component: &[u8]) -> Option<&'static str> {
    SHIPPED.iter().find(|(_, bytes)| *bytes == component).map(|(name, _)| *name)
}

/// The slots that must be filled, each with its default guest.
pub(crate) fn defaults() -> impl Iterator<Item = (Slot, &'static str)> {
    let policies = POLICIES.iter().filter_map(|(role, name)| Some((Slot::policy(*role)?, *name)));
    policies.chain(
        HANDLERS
            .iter()
            .filter_map(|(kind, name)| Some((Slot::of_kind(Role::Handler, *kind)?, *name))),
    )
}

/// Must this slot be filled?
pub(crate) fn is_required(slot: Slot) -> bool {
    defaults().any(|(filled, _)| filled == slot)
}

/// The default guest of a slot; `None` for handlers of other kinds.
pub(crate) fn for_slot(slot: Slot) -> Option<&'static str> {
    let policy = POLICIES.iter().find(|(role, _)| *role == slot.role()).map(|(_, name)| *name);
    policy.or_else(|| {
        HANDLERS.iter().find(|(kind, _)| slot.kind() == Some(*kind)).map(|(_, name)| *name)
    })
}

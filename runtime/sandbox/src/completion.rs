//! The host side of the WIT resource `completion`.

use pylon_core::ports::guests::GuestStream;

/// A running completion in a guest's resource table. Dropping it stops the backend's work.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Completion(pub(crate) Box<dyn GuestStream>);

//! How a guest is installed.

use super::grants::Grants;
use crate::limits::Limits;
use pylon_core::Param;

/// The operator's choices for a guest.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Settings by name. A missing one has the default from the manifest.
    pub settings: Vec<Param>,
    /// The operator's limits for this guest. The node's limits apply in any case.
    pub limits: Option<Limits>,
    /// The capabilities that are granted if the guest requests them; by default none.
    pub grants: Grants,
    /// Whether to install a guest that requests more than it is granted, without these
    /// capabilities. Otherwise the installation fails, so that the operator can be asked.
    pub drop_ungranted: bool,
    /// Whether to skip the self-test, for a guest that has passed it before.
    pub skip_self_test: bool,
}

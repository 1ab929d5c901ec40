//! The steps of an installation, in the order of the cases of
//! [`InstallError`](crate::InstallError): cheap steps that run nothing first, steps that run the
//! guest last. Digest and signature are verified before, by the caller.

mod grants;
mod link;
mod samples;
mod self_test;
mod settings;
mod setup;

pub use grants::Grants;
pub(crate) use link::{describe, link_granted};
pub(crate) use self_test::self_test;
pub(crate) use settings::settings;
pub use setup::Setup;

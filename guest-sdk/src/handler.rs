//! What a kind of job does: the world `job-handler`, and what the host offers to it.

use crate::Params;
use crate::description::About;
use crate::types::{Job, Output, Param};
use bindings::exports::pylon::provider::handler as wit;

pub use bindings::export_handler as export;
pub use bindings::pylon::provider::{agent, inference, inputs, log, progress};
pub use wit::JobError;

/// A handler.
///
/// ```ignore
/// use pylon_guest::Params;
/// use pylon_guest::description::{About, ServedKind};
/// use pylon_guest::handler::{Handler, JobError, inputs};
/// use pylon_guest::types::{Job, Output};
///
/// struct Echo;
///
/// impl Handler for Echo {
///     fn describe() -> About {
///         About {
///             name: "echo".into(),
///             version: env!("CARGO_PKG_VERSION").into(),
///             summary: "Says it again.".into(),
///             settings: Vec::new(),
///             kinds: vec![ServedKind { kind: 5999, summary: "echo".into(), params: Vec::new() }],
///             wants: Vec::new(),
///             bounds: None,
///         }
///     }
///
///     fn run(_: &Job, _: Params<'_>, _: u64) -> Result<Output, JobError> {
///         let content = inputs::read(0).map_err(|error| JobError::Failed(format!("{error:?}")))?;
///         Ok(Output { content, mime: "text/plain".into(), attributes: Vec::new() })
///     }
/// }
///
/// pylon_guest::handler::export!(Echo);
/// ```
pub trait Handler {
    /// What this handler is, the kinds it does, what it wants and what it may use.
    fn describe() -> About;

    /// Does one attempt. Past `deadline_ms` of wall time the instance is dropped.
    fn run(job: &Job, settings: Params<'_>, deadline_ms: u64) -> Result<Output, JobError>;
}

impl<H: Handler> bindings::Guest for H {
    fn describe() -> About {
        H::describe()
    }
}

impl<H: Handler> wit::Guest for H {
    fn run(job: Job, settings: Vec<Param>, deadline_ms: u64) -> Result<Output, JobError> {
        H::run(&job, Params::new(&settings), deadline_ms)
    }
}

/// For the macro alone.
#[doc(hidden)]
#[allow(missing_docs, reason = "generated; types and fields carry the text of the WIT")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "pylon:provider/job-handler",
        with: {
            "pylon:provider/types@0.1.0": crate::types,
            "pylon:provider/description@0.1.0": crate::description,
        },
        pub_export_macro: true,
        export_macro_name: "export_handler",
        default_bindings_module: "pylon_guest::handler::bindings",
    });
}

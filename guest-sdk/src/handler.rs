//! Does the work of a job kind: the world `job-handler`, and the interfaces that the host provides.
//!
//! # Limits of an attempt
//!
//! | limit | value |
//! |---|---|
//! | CPU time | 30 s |
//! | wall time, including all waits | 1 h |
//! | memory | 64 MiB |
//! | table elements | 20 000 |
//! | stack | 256 KiB |
//! | data from guest to host in one call | 8 MiB |
//! | host resources at once (completions, streams) | 64 |
//! | progress messages and partial outputs | 10 000, with 64 MiB of text |
//! | log lines | 64 KiB |
//! | result: content, MIME type (128 bytes), 64 attributes (names of 64 bytes) | 4 MiB |
//! | `describe` | 250 ms of CPU time, 1 s of wall time |
//!
//! `limits` in the manifest makes these smaller, and so can the operator.
//!
//! # Capabilities
//!
//! `inputs` (texts) and `log` are always linked. `inference` and `progress` are linked if the
//! manifest requests them and the operator grants them; a guest that imports an interface without
//! that is not installed. std has an empty environment, a clock fixed at the date of the job,
//! and randomness that is derived from the job. There are no files and no sockets.
//!
//! # Errors
//!
//! A [`JobError`] is an answer, and its text is sent to the customer: no secrets, no paths. After
//! `Failed` the next route is tried if no partial output was sent. A call fails with one of these
//! faults:
//!
//! | fault | cause |
//! |---|---|
//! | `cpu`, `wall`, `memory`, `stack` | a limit was reached |
//! | `host_call_bytes` | a limit of data for the host was reached, or the result is too large |
//! | `trap` | a trap, for example a panic or `exit` |
//! | `invalid_output` | a MIME type with control characters, or an attribute without a name |

use crate::description::Manifest;
use crate::types::{Job, Output, Param};
use crate::{InvalidSetting, Params};
use bindings::exports::pylon::provider::handler as wit;

pub use bindings::export_handler as export;
pub use bindings::pylon::provider::{agent, inference, inputs, log, progress};
pub use wit::JobError;

/// A handler.
///
/// ```ignore
/// use pylon_guest::Params;
/// use pylon_guest::description::{Manifest, ServedKind};
/// use pylon_guest::handler::{Handler, JobError, inputs};
/// use pylon_guest::types::{Job, Output};
///
/// struct Echo;
///
/// impl Handler for Echo {
///     fn describe() -> Manifest {
///         Manifest {
///             name: "echo".into(),
///             version: env!("CARGO_PKG_VERSION").into(),
///             summary: "Returns its first input.".into(),
///             settings: Vec::new(),
///             kinds: vec![ServedKind { kind: 5999, summary: "echo".into(), params: Vec::new() }],
///             requests: Vec::new(),
///             limits: None,
///         }
///     }
///
///     fn run(_: &Job, _: Params<'_>, _: u64) -> Result<Output, JobError> {
///         let content = inputs::read(0)
///             .map_err(|error| JobError::Failed(format!("input 1: {error:?}")))?;
///         Ok(Output { content, mime: "text/plain".into(), attributes: Vec::new() })
///     }
/// }
///
/// pylon_guest::handler::export!(Echo);
/// ```
pub trait Handler {
    /// The name, version, settings, kinds, requested capabilities and limits of this handler.
    fn describe() -> Manifest;

    /// Does one attempt. The instance is dropped after `deadline_ms` of wall time.
    fn run(job: &Job, settings: Params<'_>, deadline_ms: u64) -> Result<Output, JobError>;
}

impl From<InvalidSetting> for JobError {
    fn from(InvalidSetting(name): InvalidSetting) -> Self {
        Self::InvalidSetting(name)
    }
}

impl<H: Handler> bindings::Guest for H {
    fn describe() -> Manifest {
        H::describe()
    }
}

impl<H: Handler> wit::Guest for H {
    fn run(job: Job, settings: Vec<Param>, deadline_ms: u64) -> Result<Output, JobError> {
        H::run(&job, Params::new(&settings), deadline_ms)
    }
}

/// Used by the macro only.
#[doc(hidden)]
#[allow(missing_docs, reason = "generated; types and fields have the documentation of the WIT")]
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
